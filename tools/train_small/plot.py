"""Draws the loss of a training run as SVG: `python plot.py training.json loss.svg`."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 760, 320, 60, 40, 20
COLORS = {"loss": "#1f77b4", "mtp_loss": "#ff7f0e"}
LABELS = {"loss": "next token", "mtp_loss": "the token after it (MTP)"}


def smooth(values: list[float], window: int = 5) -> list[float]:
    return [sum(values[max(0, i - window + 1) : i + 1]) / min(window, i + 1) for i in range(len(values))]


def draw(log: list[dict]) -> str:
    low, high = 0.03, max(e["loss"] for e in log)
    last = log[-1]["step"]

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - 20) * step / last

    def y(loss: float) -> float:
        share = math.log(loss / low) / math.log(high / low)
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">']
    parts.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    for loss in (0.05, 0.1, 0.2, 0.5, 1, 2):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y(loss):.1f}" y2="{y(loss):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss}</text>')
    for step in range(0, last + 1, 4000):
        parts.append(f'<text x="{x(step):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{step}</text>')
    for i, (key, color) in enumerate(COLORS.items()):
        values = smooth([e[key] for e in log])
        points = " ".join(f"{x(e['step']):.1f},{y(v):.1f}" for e, v in zip(log, values))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        parts.append(f'<text x="{WIDTH - 220}" y="{TOP + 20 + 18 * i}" fill="{color}">loss of {LABELS[key]}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">step</text></svg>')
    return "\n".join(parts) + "\n"


def main() -> None:
    record, out = sys.argv[1:]
    Path(out).write_text(draw(json.loads(Path(record).read_text())["log"]))


if __name__ == "__main__":
    main()
