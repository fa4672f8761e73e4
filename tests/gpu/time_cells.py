"""Times what docs/performance.md reports of whole models on a GPU, through HTTP.

    python3 tests/gpu/time_cells.py BIN_DIR [GROUP ...] [--out DIR] [--device cpu]

    tokens   time between tokens, 1 to 100 requests of one length at once; one long answer
    first    time to the first token of 1,024, 8,192 and 32,768 tokens, alone
    whole    the last in one step and in chunks, in turn
    longest  one request of as many tokens as the model has positions
    reason   16 long answers at once
    chat, summaries   1 to 100 and 1 to 64 requests of random lengths
    page     the nine loads of SGLang's page, some 16 minutes; or one of them, as chat_c1
    summaries-texts, reasoning-texts   its summaries, 1 to 64 at once, or its chat and reasoning, 16
             at once, one after the other on one server, with prompts cut from conversations: as
             with SGLang's client, each load begins with those of the one before, which the server
             has kept
    load     from the command to ready: random weights made in place, and read from memory-backed
             files; needs torch, transformers and safetensors

A group starts its own servers, of the full size with random weights. What `glint bench serving`
prints for each cell comes as it is measured; the results are appended to DIR/GROUP.jsonl. Without a
GROUP: tokens, first and whole. `--device cpu` runs a small model, to try this script.
"""

import argparse
import importlib.util
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from glint_server import Server  # noqa: E402
from shapes import config_of, write_config  # noqa: E402

TOKENIZER = HERE.parents[1] / "models/glint-small"

# The peers' seeds: 6 for the long answers, 5 for all else.
CELLS = {
    "tokens": [("fix1,fix16,fix64,fix100", 5), ("reason1", 6)],
    "first": [("ttft1k,ttft8k,ttft32k", 5)],
    "reason": [("reason16", 6)],
    "chat": [("chat1,chat16,chat100", 5)],
    "summaries": [("summ1,summ16,summ64", 5)],
}
QUICK = ["tokens", "first", "whole"]
# The long ones last.
PAGE = [f"{load}_c{at_once}" for load in ("chat", "summarization", "reasoning")
        for at_once in ((1, 16, 100) if load == "chat" else (1, 16, 64))]  # fmt: skip
TEXTS = {
    "summaries-texts": "summarization_c1,summarization_c16,summarization_c64",
    "reasoning-texts": "chat_c16,reasoning_c16",
}
GROUPS = [*CELLS, "whole", "longest", "load", "page", *TEXTS, *PAGE]
LOADED_LAYERS = 10
LOAD_NEEDS = ["torch", "transformers", "safetensors"]
SHARED_MEMORY = Path("/dev/shm")


class Timing:
    def __init__(self, args):
        self.args = args
        self.small = args.device == "cpu"
        self.config = config_of("small", 4) if self.small else config_of("flash", 47)
        self.folder = args.out / "full_size"
        write_config(self.folder, self.config)
        self.dummy = [self.folder, "--load-format", "dummy", *self.serve_flags()]

    def serve_flags(self):
        return ["--skip-tokenizer-init", "--stream-output", "--device", self.args.device]

    def bench(self, server, name, *flags):
        command = [
            self.args.bin_dir / "glint", "bench", "serving", "--base-url", server.url,
            "--disable-tqdm", "--output-file", self.args.out / f"{name}.jsonl", *flags,
        ]  # fmt: skip
        if self.small:
            command += ["--vocab-size", self.config["vocab_size"]]
        subprocess.run([str(part) for part in command], check=True)

    def bench_peers(self, server, cells, seed_add, name):
        flags = ["--matrix", "peers", "--cells", cells, "--seed-add", seed_add, "--flush-cache"]
        self.bench(server, name, *flags)

    def cells(self, group):
        runs = [("fix1", 5)] if self.small else CELLS[group]
        with Server(self.args.bin_dir, *self.dummy) as server:
            for cells, seed_add in runs:
                self.bench_peers(server, cells, seed_add, group)

    def page(self, cells=PAGE):
        """Each with a server of its own, so that none finds the rows of another."""
        for cell in cells:
            with Server(self.args.bin_dir, *self.dummy) as server:
                self.bench(server, "page", "--matrix", "page", "--cells", cell)

    def page_texts(self, group):
        folder = self.args.out / "with_tokenizer"
        write_config(folder, self.config | ({"vocab_size": 4096} if self.small else {}))
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(TOKENIZER / name, folder)
        conversations = write_conversations(self.args.out / "conversations.json")
        texts = ["--dataset-path", conversations, "--tokenizer", folder]
        flags = ["--load-format", "dummy", "--stream-output", "--device", self.args.device]
        few = ["--random-input-len", 96, "--random-output-len", 8, "--num-prompts"]
        loads = [["--dataset-name", "random", *few, count] for count in (4, 8)]
        if not self.small:
            loads = [["--matrix", "page", "--cells", TEXTS[group]]]
        with Server(self.args.bin_dir, folder, *flags) as server:
            for load in loads:
                self.bench(server, group, *load, *texts)

    def longest(self):
        tokens = self.config["max_position_embeddings"] if not self.small else 4096
        one = ["--num-prompts", 1, "--warmup-requests", 0, "--random-range-ratio", 1]
        one += ["--random-input-len", tokens - 2, "--random-output-len", 2]
        with Server(self.args.bin_dir, *self.dummy) as server:
            self.bench(server, "longest", "--tag", f"{tokens} tokens", *one)

    def whole(self):
        """In turn, twice: the card's clock falls while it is warm."""
        cell, limit = ("ttft1k", 1024) if self.small else ("ttft32k", 32768)
        alone = ["--unchunked-prefill-size", limit]
        for number, (flags, name) in enumerate([([], "chunks"), (alone, "whole")] * 2):
            print(f"{cell}, {name}", flush=True)
            with Server(self.args.bin_dir, *self.dummy, *flags) as server:
                self.bench_peers(server, cell, 5 + number, name)

    def load(self):
        for _ in range(2):
            with Server(self.args.bin_dir, *self.dummy) as server:
                print(f"random weights: {startup_text(server)}", flush=True)
        folder = Path(tempfile.mkdtemp(dir=SHARED_MEMORY))
        try:
            self.load_from(folder)
        finally:
            shutil.rmtree(folder)

    def load_from(self, folder):
        shape, layers = ("small", 4) if self.small else ("flash", LOADED_LAYERS)
        write = [sys.executable, HERE / "random_checkpoint.py", folder]
        write += ["--layers", layers, "--shape", shape]
        subprocess.run([str(part) for part in write], check=True)
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        for _ in range(3):
            with Server(self.args.bin_dir, folder, *self.serve_flags()) as server:
                seconds = server.counter("sglang:engine_load_weights_time")
                rate = size / seconds / 1e9
                print(f"{size / 1e9:.2f} GB of files: {startup_text(server)}, {rate:.2f} GB/s")


def write_conversations(path, count=1000):
    """In ShareGPT's format: a question of random words, each its own, and an answer."""
    words = random.Random(1)

    def text(length):
        letters = "abcdefghijklmnopqrstuvwxyz"
        return " ".join("".join(words.choices(letters, k=5)) for _ in range(length))

    turns = [[{"from": "human", "value": text(300)}, {"from": "gpt", "value": text(20)}]
             for _ in range(count)]  # fmt: skip
    path.write_text(json.dumps([{"conversations": pair} for pair in turns]))
    return path


def startup_text(server):
    whole = server.counter("sglang:engine_startup_time")
    weights = server.counter("sglang:engine_load_weights_time")
    return f"ready {whole:.2f} s after the command, weights {weights:.2f} s of it"


def print_results(folder):
    """One line for each cell, for the tables."""
    print("\n| cell | group | output tok/s | first token, ms | between tokens, median, p99, ms |")
    print("|---|---|---|---|---|")
    for path in sorted(folder.glob("*.jsonl")):
        for r in map(json.loads, path.read_text().splitlines()):
            itl = f"{r['median_itl_ms']:.2f}, {r['p99_itl_ms']:.2f}"
            print(
                f"| {r['tag']} | {path.stem} | {r['output_throughput']:.1f} "
                f"| {r['median_ttft_ms']:.1f} | {itl} |"
            )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bin_dir", type=Path)
    parser.add_argument("groups", nargs="*", metavar="GROUP")
    parser.add_argument("--out", type=Path, default=Path("gpu_times"))
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    args = parser.parse_args()
    for group in args.groups:
        if group not in GROUPS:
            parser.error(f"no group {group}; there are: {' '.join(GROUPS)}")
    missing = [name for name in LOAD_NEEDS if not importlib.util.find_spec(name)]
    if "load" in args.groups and missing:
        parser.error(f"load writes its files with packages that are not here: {' '.join(missing)}")
    args.bin_dir, args.out = args.bin_dir.resolve(), args.out.resolve()
    timing = Timing(args)
    for group in args.groups or QUICK:
        print(f"\n{group}", flush=True)
        if group in CELLS:
            timing.cells(group)
        elif group in PAGE:
            timing.page([group])
        elif group in TEXTS:
            timing.page_texts(group)
        else:
            getattr(timing, group)()
    print_results(args.out)


if __name__ == "__main__":
    main()
