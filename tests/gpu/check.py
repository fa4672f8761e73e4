"""Checks the CUDA backend with whole models on this machine's GPU, and prints one table.

    python3 tests/gpu/check.py BIN_DIR [PART ...] [--out DIR] [--seeds 1,2,3] [--device cpu]

BIN_DIR has the binaries of a build with CUDA; nothing is built here. Python needs torch,
transformers and safetensors for the parts `logits` and `logits-full`, and nothing for the others;
`memcheck`, `initcheck` and `racecheck` need the CUDA toolkit's compute-sanitizer on the path,
the last also a build with -DGLINT_RACECHECK=ON (docs/performance.md).
Without a PART all but these run, one program after the other; each writes DIR/PART.log. The exit
status is 1 if a part failed. `--device cpu` runs all parts small on the CPU, to try this script.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from shapes import config_of, write_config  # noqa: E402

MODEL = HERE.parents[1] / "models/glint-small"
PYTHON = sys.executable
NUM_LAYERS = 47
CLEAN_UP_S = 15


@dataclass
class Part:
    name: str
    checks: str
    limit_s: int  # it is stopped then; about twice what it takes on an H100
    command: list
    small: list  # on the CPU
    is_usual: bool = True


def parts(args):
    bin_dir, full = args.bin_dir, args.out / "full_size"
    rule, requests = bin_dir / "row_rule", [PYTHON, HERE / "same_requests.py", bin_dir]
    logits = [PYTHON, HERE / "logit_error.py", bin_dir, "--device", args.device]
    bundled = [PYTHON, HERE / "bundled_on_gpu.py", bin_dir]
    dummy = ["--load-format", "dummy", "--device", "cuda"]
    small_logits = ["--shape", "small", "--sequences", 2, "--length", 64, "--work", args.out]
    few_requests = ["--device", "cpu", "--requests", 24, "--max-prompt", 200]
    few_rows = ["--sequences", 33, "--max-context", 200, "--max-prompt-rows", 150]
    # A prompt that is alone, as --unchunked-prefill-size 32768 lets it run.
    long_prompt = ["--sequences", 8, "--max-prompt-rows", 32768, "--max-block-rows", 8192]
    small_blocks = ["--sequences", 8, "--max-prompt-rows", 600, "--max-block-rows", 64]
    # racecheck takes minutes: rows enough for the large tiles, no more.
    fewest_rows = [rule, MODEL, "--sequences", 5, "--max-context", 80, "--max-prompt-rows", 150]

    def sanitized(tool, *flags):
        command = [*fewest_rows, *flags]
        under = ["compute-sanitizer", "--error-exitcode", 1, "--tool", tool]
        return Part(tool, "compute-sanitizer, bundled model", 200,
                    [*under, *command, "--device", "cuda"], command, is_usual=False)  # fmt: skip

    return [
        Part("ops", "every op against its reference", 240,
             [bin_dir / "cuda_ops_test", "--gtest_brief=1"],
             [bin_dir / "ops_test", "--gtest_brief=1"]),
        Part("sampling", "the sampler against the CPU's", 120,
             [bin_dir / "cuda_sampling_test", "--gtest_brief=1"],
             [bin_dir / "sampling_test", "--gtest_brief=1"]),
        Part("rows-small", "row rule, bundled model", 60,
             [rule, MODEL, "--device", "cuda"], [rule, MODEL, *few_rows]),
        Part("rows", "row rule, full size", 120, [rule, full, *dummy],
             [rule, full, "--load-format", "dummy", *few_rows]),
        Part("rows-long", "a prompt of 32,768, full size", 120,
             [rule, full, *dummy, *long_prompt],
             [rule, full, "--load-format", "dummy", "--max-context", 200, *small_blocks]),
        sanitized("memcheck"), sanitized("initcheck"), sanitized("racecheck", "--op-by-op"),
        Part("bundled", "bundled model beside the CPU's", 300, bundled,
             [*bundled, "--second", "--device cpu --dtype float32", "--prompts", 40,
              "--questions", 20]),
        Part("requests-small", "--deterministic, bundled model", 180,
             [*requests, MODEL], [*requests, MODEL, *few_requests]),
        Part("requests", "--deterministic, full size", 400, [*requests, full, *dummy],
             [*requests, full, "--load-format", "dummy", *few_requests]),
        Part("logits", "logits against transformers, 4 layers", 300,
             [*logits, "--layers", 4, "--seeds", args.seeds],
             [*logits, "--layers", 2, "--seeds", args.seeds, *small_logits]),
        Part("logits-full", f"the same, {NUM_LAYERS} layers, one seed", 480,
             [*logits, "--layers", NUM_LAYERS, "--seeds", args.seeds.split(",")[0]],
             [*logits, "--layers", 6, "--seeds", args.seeds.split(",")[0], *small_logits]),
    ]  # fmt: skip


def write_full_size_config(args):
    small = args.device == "cpu"
    config = config_of("small", 4) if small else config_of("flash", NUM_LAYERS)
    write_config(args.out / "full_size", config)


def run_logged(command, log, limit_s):
    """The exit status as a word."""
    command = [str(part) for part in command]
    try:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    except OSError as error:
        return f"FAILED: {error}"
    try:
        return "ok" if process.wait(limit_s) == 0 else "FAILED"
    except subprocess.TimeoutExpired:
        stop_group(process)
        return f"STOPPED after {limit_s} s"


def stop_group(process):
    """With the servers that it started; first so that scripts remove what they wrote."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(CLEAN_UP_S)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run_part(part, args):
    path = args.out / f"{part.name}.log"
    begin = time.monotonic()
    with open(path, "w", encoding="utf-8") as log:
        result = run_logged(part.small if args.device == "cpu" else part.command, log, part.limit_s)
    seconds = time.monotonic() - begin
    lines = path.read_text(errors="replace").strip().splitlines() or [""]
    for line in lines if result == "ok" and part.name.startswith("logits") else lines[-12:]:
        print(f"    {line}")
    print(f"{part.name}: {result}, {seconds:.0f} s", flush=True)
    return result, seconds


def chosen_parts(args, parser):
    known = {part.name: part for part in parts(args)}
    for name in args.parts:
        if name not in known:
            parser.error(f"no part {name}; there are: {' '.join(known)}")
    return [known[name] for name in args.parts] or [p for p in known.values() if p.is_usual]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bin_dir", type=Path)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--out", type=Path, default=Path("gpu_check"), help="folder for the logs")
    parser.add_argument("--seeds", default="1,2,3", help="of the random checkpoints")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    args = parser.parse_args()
    args.bin_dir, args.out = args.bin_dir.resolve(), args.out.resolve()
    if not (args.bin_dir / "glint").exists():
        parser.error(f"{args.bin_dir} has no glint; expected the folder of a build's binaries")
    chosen = chosen_parts(args, parser)
    args.out.mkdir(parents=True, exist_ok=True)
    if any(part.name in ("rows", "rows-long", "requests") for part in chosen):
        write_full_size_config(args)
    results = [(part, *run_part(part, args)) for part in chosen]
    print("\n| part | checks | result | s |\n|---|---|---|---|")
    for part, result, seconds in results:
        print(f"| {part.name} | {part.checks} | {result} | {seconds:.0f} |")
    return 0 if all(result == "ok" for _, result, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
