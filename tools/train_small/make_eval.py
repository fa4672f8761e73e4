"""Writes the held-out sets into models/glint-small: `python make_eval.py`; `--check` proves them unseen.

The check makes the training documents again and looks for every question, request and held-out name in them.
"""

from __future__ import annotations

import argparse
import json
import random
import re

import data
import problems
import tool_dialogues
import tool_kinds
import words

SEED = 7
TRAINED, NEW = 400, 100
TOOL_DIALOGUES = 200
TRAINED_TEMPLATE, NEW_TEMPLATE = "trained template", "new template"


def gsm8k_line(problem: problems.Problem, new: bool) -> dict:
    return {
        "question": problem.question,
        "answer": problems.gsm8k_answer(problem),
        "template": problem.template,
        "operands": problem.operands,
        "group": NEW_TEMPLATE if new else TRAINED_TEMPLATE,
    }


def word_problems() -> list[dict]:
    rng, lines, seen = random.Random(f"eval/{SEED}"), [], set()
    while len(lines) < TRAINED + NEW:
        new = len(lines) >= TRAINED
        problem = problems.generate(rng, held_out=True, new_template=new)
        if (problem.template, problem.operands) not in seen:
            seen.add((problem.template, problem.operands))
            lines.append(gsm8k_line(problem, new))
    return lines


def tool_line(rng) -> dict:
    """A dialogue that ends with the user's request, and the calls that answer it."""
    tools = tool_dialogues.make_tools(rng, rng.choice((1, 2, 3, 4)), held_out=True)
    if rng.random() < 0.1:
        user = tool_dialogues.nothing_fits(tools, rng, True)[0]
        return {"messages": [user], "tools": [t.schema for t in tools], "calls": [], "group": "no tool fits"}
    user, call, *_ = tool_dialogues.call_turn(tools, rng, True, held_out=True, finish=False)
    used = {c["name"] for c in call["tool_calls"]}
    known = all(t.kind in tool_kinds.WRITTEN for t in tools if t.name in used)
    return {"messages": [user], "tools": [t.schema for t in tools], "calls": call["tool_calls"], "group": "unseen arguments" if known else "unseen tool"}


def tool_requests() -> list[dict]:
    rng, lines = random.Random(f"tools/{SEED}"), []
    while len(lines) < TOOL_DIALOGUES:
        try:
            lines.append(tool_line(rng))
        except LookupError:
            continue
    return lines


def write(name: str, lines: list[dict]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (data.MODEL_DIR / name).write_text(text)


def read(name: str) -> list[dict]:
    return [json.loads(line) for line in (data.MODEL_DIR / name).read_text().splitlines()]


def check(seed: int, count: int) -> None:
    """Every held-out text and name against `count` documents of the training stream."""
    for line in read("eval.jsonl"):
        assert line["group"] == NEW_TEMPLATE or problems.is_held_out(line["template"], tuple(line["operands"])), line
    called = [line["messages"][0]["content"] for line in read("eval_tools.jsonl") if line["calls"]]
    asked = {line["question"] for line in read("eval.jsonl")} | set(called)
    names = re.compile(r"\b(" + "|".join(words.HELD_OUT_NAMES) + r")\b")
    rng = random.Random(f"{seed}/0")
    for _ in range(count):
        text = "".join(piece for piece, _ in data.document(rng))
        assert not names.search(text), f"held-out name in training: {text}"
        for turn in re.split(r"<\|\w+\|>|Question: |\nAnswer:", text):
            assert turn not in asked, f"held-out question in training: {turn}"
    print(f"no held-out question or name in {count} training documents")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", type=int, metavar="DOCUMENTS", help="look for the held-out lines in so many training documents")
    parser.add_argument("--seed", type=int, default=20260, help="of the training run")
    arguments = parser.parse_args()
    if arguments.check:
        check(arguments.seed, arguments.check)
        return
    write("eval.jsonl", word_problems())
    write("eval_tools.jsonl", tool_requests())


if __name__ == "__main__":
    main()
