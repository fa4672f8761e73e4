"""Talks to tokenizer_tool, the C++ tokenizer behind length-prefixed records."""

import os
import struct
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(os.environ.get("GLINT_BIN_DIR", ROOT / "build/cpu/bin"))


def run(tokenizer_json, mode, records):
    """The tool's answers to `records`, bytes each."""
    data = b"".join(struct.pack("<I", len(record)) + record for record in records)
    done = subprocess.run([BIN / "tokenizer_tool", tokenizer_json, mode], input=data, capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    answers, at = [], 0
    while at < len(done.stdout):
        (size,) = struct.unpack_from("<I", done.stdout, at)
        answers.append(done.stdout[at + 4:at + 4 + size])
        at += 4 + size
    assert len(answers) == len(records)
    return answers


def encode(tokenizer_json, texts):
    answers = run(tokenizer_json, "encode", [text.encode() for text in texts])
    return [list(struct.unpack(f"<{len(a) // 4}i", a)) for a in answers]


def decode(tokenizer_json, ids, mode="decode"):
    answers = run(tokenizer_json, mode, [struct.pack(f"<{len(i)}i", *i) for i in ids])
    return [a.decode() for a in answers]
