"""Writes src/tokenizer/unicode_classes.inc: the letters, numbers and blanks of the split pattern.

    .venv/bin/python tools/make_unicode_classes.py

Unicode versions differ in thousands of letters, and a tokenizer must have the letters that its
vocabulary was trained with. So the classes are asked of the `tokenizers` package itself, code point
by code point, not of a Unicode table.
"""

from pathlib import Path

import tokenizers
from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

OUT = Path(__file__).parents[1] / "src/tokenizer/unicode_classes.inc"

CLASSES = {"kLetters": r"\p{L}", "kNumbers": r"\p{N}", "kBlanks": r"\s"}

HEADER = f"""\
// Made by tools/make_unicode_classes.py from tokenizers {tokenizers.__version__}; do not edit.
// Each row is the first and the last code point of a range.
"""


def members(pattern):
    """The code points that the package's regular expressions find in a class."""
    scalars = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    split = Split(Regex(pattern), behavior="isolated")
    found = []
    for start in range(0, len(scalars), 4096):
        chunk = scalars[start:start + 4096]
        # "!" is in none of the classes, so a member becomes a piece of its own.
        pieces = split.pre_tokenize_str("!" + "!".join(map(chr, chunk)) + "!")
        found += [ord(piece) for piece, _ in pieces if len(piece) == 1 and piece != "!"]
    return found


def ranges(code_points):
    rows = []
    for c in sorted(code_points):
        if rows and c == rows[-1][1] + 1:
            rows[-1][1] = c
        else:
            rows.append([c, c])
    return rows


def table(name, rows):
    cells = [f"{{0x{first:X}, 0x{last:X}}}," for first, last in rows]
    lines = [" ".join(cells[i:i + 4]) for i in range(0, len(cells), 4)]
    return f"constexpr CodePointRange {name}[] = {{\n    " + "\n    ".join(lines) + "\n};\n"


def main():
    tables = [table(name, ranges(members(pattern))) for name, pattern in CLASSES.items()]
    OUT.write_text(HEADER + "\n" + "\n".join(tables), encoding="ascii")


if __name__ == "__main__":
    main()
