"""Arithmetic as the model writes it: calculator marks in GSM8K answers, spelled steps in reasoning."""

from __future__ import annotations

OPS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b,
    "%": lambda a, b: a * b // 100,
}


def exact(a: int, op: str, b: int) -> int | None:
    """The positive integer result, or None where there is none."""
    if op == "/" and (b == 0 or a % b):
        return None
    if op == "%" and a * b % 100:
        return None
    result = OPS[op](a, b)
    return result if result > 0 else None


def mark(a: int, op: str, b: int, result: int) -> str:
    """`3*12=<<3*12=36>>36`, the calculator annotation of GSM8K."""
    left = f"{a}*{b}/100" if op == "%" else f"{a}{op}{b}"
    return f"{left}=<<{left}={result}>>{result}"


def spell(a: int, op: str, b: int, result: int) -> str:
    """The same step with every partial result that a small model cannot skip."""
    if op == "%":
        return spell_percent(b, a)
    if op == "*" and a > 9 and b > 9:
        return f"{a} * {b} = {spell_product(a, b)}"
    return f"{a} {op} {b} = {result}"


def places(n: int) -> list[int]:
    """240 -> [200, 40]: the non-zero decimal places."""
    digits = str(n)
    return [int(d) * 10 ** (len(digits) - i - 1) for i, d in enumerate(digits) if d != "0"]


def spell_product(a: int, b: int) -> str:
    """`240 * 10 + 240 * 5 = 2400 + 1200 = 3600`: the second factor by its decimal places."""
    parts = places(b)
    if len(parts) == 1:
        return str(a * b)
    products = " + ".join(f"{a} * {p}" for p in parts)
    values = [a * p for p in parts]
    return f"{products} = {' + '.join(map(str, values))} = {sum(values)}"


def decimal(hundredths: int) -> str:
    """3612 -> "36.12", 3600 -> "36", 3610 -> "36.1"."""
    text = f"{hundredths // 100}.{hundredths % 100:02d}".rstrip("0")
    return text.rstrip(".")


def spell_percent(p: int, n: int) -> str:
    """p% of n through the product of both, divided by 100."""
    product = f"{n} * {p} = {spell_product(n, p)}" if p > 9 and n > 9 else f"{n} * {p} = {n * p}"
    return f"{product}, and {n * p} / 100 = {decimal(n * p)}"
