"""Compares our tokenizer's speed with the `tokenizers` package's, one thread each.

    .venv/bin/python tools/bench_tokenizer.py [--bin-dir build/cpu/bin] [--tokenizer tokenizer.json]
        [--text FILE ...]

Encodes the same texts with both in turn, in one run, and prints the best of several rounds. Without
a tokenizer.json one of 150,000 tokens is trained, without texts they are made from a seed.
"""

import argparse
import os
import random
import struct
import sys
import tempfile
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests/tokenizer"))

import tokenizers  # noqa: E402  (after the environment, which it reads)

import texts  # noqa: E402
import tokenizer_tool  # noqa: E402
import train_tokenizer  # noqa: E402

ROUNDS = 5
PROSE_BYTES = 1 << 20
MIB = 1 << 20


def prose(rng):
    return " ".join(texts.english(rng) + rng.choice(["", "", "", ",", ".\n"]) for _ in range(PROSE_BYTES // 6))


def generated_texts():
    rng = random.Random(7)
    kinds = {"prose": prose(rng), "code": "".join(rng.choice(texts.CODE) for _ in range(PROSE_BYTES // 45)),
             "many scripts": "".join(texts.scripts(rng) + " " for _ in range(PROSE_BYTES // 40)),
             "Han": "".join(texts.word(rng, "han common") for _ in range(PROSE_BYTES // 15)),
             "random": "".join(texts.text(rng, train_tokenizer.ADDED_TOKENS) for _ in range(PROSE_BYTES // 90))}
    for name, unit in {"one letter": "a", "digits": "0", "spaces": " ", "combining marks": "\u0301"}.items():
        kinds[f"1 MiB: {name}"] = unit * (MIB // len(unit.encode()))
    return kinds


def our_seconds(tokenizer_json, text):
    answers = tokenizer_tool.run(tokenizer_json, "time", [text.encode()] * ROUNDS)
    return min(struct.unpack("<q", answer)[0] for answer in answers) / 1e9


def their_seconds(tokenizer, text, rounds):
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        tokenizer.encode_batch_fast([text])  # without offsets, as we
        best = min(best, time.perf_counter() - start)
    return best


def compare(tokenizer_json, kinds):
    tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer_json))
    print(f"tokenizers {tokenizers.__version__}, {tokenizer.get_vocab_size()} tokens, one thread, "
          f"best of {ROUNDS}")
    print(f"{'text':24} {'MB':>6} {'glint MB/s':>11} {'tokenizers MB/s':>16} {'ratio':>7}")
    for name, text in kinds.items():
        megabytes = len(text.encode()) / 1e6
        theirs = their_seconds(tokenizer, text, ROUNDS)
        ours = our_seconds(tokenizer_json, text)
        print(f"{name:24} {megabytes:6.2f} {megabytes / ours:11.1f} {megabytes / theirs:16.1f} "
              f"{theirs / ours:7.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin-dir", type=Path, default=tokenizer_tool.BIN, help="where tokenizer_tool is")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json instead of a trained one")
    parser.add_argument("--text", type=Path, nargs="*", help="UTF-8 files instead of generated text")
    args = parser.parse_args()
    tokenizer_tool.BIN = args.bin_dir
    kinds = {f.name: f.read_text(encoding="utf-8") for f in args.text} if args.text else generated_texts()
    with tempfile.TemporaryDirectory() as folder:
        if args.tokenizer is None:
            args.tokenizer = Path(folder) / "tokenizer.json"
            tokenizer = train_tokenizer.train(150000, texts.corpus(7, num_lines=120000))
            train_tokenizer.write(tokenizer, Path(folder))
        compare(args.tokenizer, kinds)


if __name__ == "__main__":
    main()
