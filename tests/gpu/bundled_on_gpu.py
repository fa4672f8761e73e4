"""Whether the bundled model says on a GPU what it says on the CPU.

    python3 tests/gpu/bundled_on_gpu.py BIN_DIR [--prompts 200] [--questions 200]
        [--first "--device cpu"] [--second "--device cuda"]

Two servers, one on each device, get the same requests:

    greedy   Word problems of the held-out file, as raw text and as chat turns. The ids must be the
             same up to the first position where the CPU's two best logits are closer than MARGIN.
    eval     `glint eval gsm8k` and `glint eval tools`: of the questions that one answers and the
             other does not, as many either way as chance allows (McNemar's exact test, 5 %).

Where MARGIN comes from: docs/testing.md, "The bundled model on two devices". --measure prints what
it was derived from: the error of the CPU's BF16 margins against FP32.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from glint_server import Server  # noqa: E402

MARGIN = 1.0  # of two logits
P_LEAST = 0.05
MODEL = Path(__file__).parents[2] / "models/glint-small"


def read_lines(name, count):
    with open(MODEL / name, encoding="utf-8") as file:
        return [json.loads(line) for line in file][:count]


def prompts(count):
    """Half of them raw, half as chat turns."""
    questions = [line["question"] for line in read_lines("eval.jsonl", count)]
    half = len(questions) // 2
    raw = [f"Question: {question}\nAnswer:" for question in questions[:half]]
    chat = "[gMASK]<sop><|user|>{}<|assistant|><think>"
    return raw + [chat.format(question) for question in questions[half:]]


def greedy(server, text):
    """[(id, margin to the second best)] of the answer."""
    meta = server.generate({
        "text": text,
        "sampling_params": {"temperature": 0, "max_new_tokens": 200},
        "return_logprob": True,
        "top_logprobs_num": 2,
    })["meta_info"]
    tops = meta["output_top_logprobs"]
    return [
        (token[1], top[0][0] - top[1][0])
        for token, top in zip(meta["output_token_logprobs"], tops)
    ]


def ask_all(server, texts):
    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(lambda text: greedy(server, text), texts))


def first_difference(first, second):
    """The position, or None. An answer may also be longer than the other."""
    for position, (a, b) in enumerate(zip(first, second)):
        if a[0] != b[0]:
            return position
    return None if len(first) == len(second) else min(len(first), len(second))


def compare_greedy(first, second, texts):
    """The number of prompts whose ids differ where they must not."""
    diverged, failed, tokens, near = [], 0, 0, 0
    for number, (a, b) in enumerate(zip(ask_all(first, texts), ask_all(second, texts))):
        tokens += len(a)
        near += sum(margin < MARGIN for _, margin in a)
        position = first_difference(a, b)
        if position is None:
            continue
        margin = a[min(position, len(a) - 1)][1]
        diverged.append(margin)
        if margin >= MARGIN:
            failed += 1
            print(f"    prompt {number}: other ids from output token {position} on, margin {margin:.3f}")
    print(
        f"greedy: {len(texts) - len(diverged)} of {len(texts)} answers equal, {tokens} tokens, "
        f"{near} of them with a margin below {MARGIN}; largest margin where one changed: "
        f"{max(diverged, default=0):.3f}: {'FAILED' if failed else 'ok'}",
        flush=True,
    )
    return failed


def evaluate(bin_dir, server, task, count):
    """Which answers are right."""
    url = f"http://{server.address.netloc}"
    command = [bin_dir / "glint", "eval", task, "--url", url, "--num-questions", str(count), "--json"]
    command += ["--data-path", MODEL / ("eval_tools.jsonl" if task == "tools" else "eval.jsonl")]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return [answer["correct"] for answer in json.loads(done.stdout)["answers"]]


def mcnemar(only_first, only_second):
    """Two-sided p of so uneven a split of the answers that only one gave, were either as likely."""
    n, k = only_first + only_second, min(only_first, only_second)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


def compare_eval(bin_dir, first, second, task, count):
    a, b = (evaluate(bin_dir, server, task, count) for server in (first, second))
    only_first = sum(x and not y for x, y in zip(a, b))
    only_second = sum(y and not x for x, y in zip(a, b))
    p = mcnemar(only_first, only_second)
    ok = p >= P_LEAST
    print(
        f"eval {task}: {sum(a)} and {sum(b)} of {len(a)} right; {only_first} by the first alone, "
        f"{only_second} by the second alone, p = {p:.2f}: {'ok' if ok else 'FAILED'}",
        flush=True,
    )
    return 0 if ok else 1


def logits_of(bin_dir, ids, length, flags):
    """[rows, vocab] of sequences of `length` ids, decoded token by token."""
    import numpy

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "ids").write_bytes(array("i", ids).tobytes())
        command = [bin_dir / "model_logits", MODEL, "--ids", path / "ids", "--length", str(length)]
        subprocess.run([*command, "--decode-out", path / "out", *flags], check=True)
        vocab_size = json.loads((MODEL / "config.json").read_text())["vocab_size"]
        return numpy.fromfile(path / "out", numpy.float32).reshape(-1, vocab_size)


def measure(args, texts, length=128):
    """The error of BF16's margins, on prompts with their greedy answers."""
    import numpy
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    with Server(args.bin_dir, MODEL, *args.first.split()) as server:
        answers = ask_all(server, texts)
    ids = []
    for text, answer in zip(texts, answers):
        row = tokenizer.encode(text, add_special_tokens=False).ids + [token for token, _ in answer]
        ids += row[:length] if len(row) >= length else []
    exact = logits_of(args.bin_dir, ids, length, ["--dtype", "float32"])
    rounded = logits_of(args.bin_dir, ids, length, ["--dtype", "bfloat16"])
    best = numpy.argsort(exact, axis=1)[:, :-3:-1]
    rows = numpy.arange(len(exact))
    margin = lambda logits: logits[rows, best[:, 0]] - logits[rows, best[:, 1]]  # noqa: E731
    print(f"standard deviation of a row's logits {statistics.median(exact.std(axis=1)):.2f}, error "
          f"of a logit {((rounded - exact) ** 2).mean() ** 0.5:.4f} RMS")
    for most in (1, 2, math.inf):
        few = margin(exact) < most
        errors = numpy.abs(margin(rounded) - margin(exact))[few]
        print(f"margins below {most}: {len(errors)}, error {(errors**2).mean() ** 0.5:.4f} RMS, "
              f"median {numpy.median(errors):.4f}, 99 % {numpy.quantile(errors, 0.99):.3f}, "
              f"99.9 % {numpy.quantile(errors, 0.999):.3f}, largest {errors.max():.3f}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bin_dir", type=Path)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--questions", type=int, default=200, help="of each evaluation; 0: none")
    parser.add_argument("--first", default="--device cpu", help="flags of the first server")
    parser.add_argument("--second", default="--device cuda")
    parser.add_argument("--measure", action="store_true", help="what MARGIN was derived from")
    args = parser.parse_args()
    if args.measure:
        return measure(args, prompts(args.prompts))
    first, second = args.first.split(), args.second.split()
    with Server(args.bin_dir, MODEL, *first) as a, Server(args.bin_dir, MODEL, *second) as b:
        failed = compare_greedy(a, b, prompts(args.prompts))
        for task in ("gsm8k", "tools") if args.questions else ():
            failed += compare_eval(args.bin_dir, a, b, task, args.questions)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
