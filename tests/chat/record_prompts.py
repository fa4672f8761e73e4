"""Writes tests/data/chat/prompts.jsonl: conversations and what jinja2 made of them, for the unit test
that runs where the official template is not at hand.

    GLINT_CHAT_TEMPLATE=.../chat_template.jinja python3 tests/chat/record_prompts.py
"""

import json
from pathlib import Path

import conversations
import official_template

SEED = 1
COUNT = 1500
MAX_BYTES = 900_000
OUT = Path(__file__).parents[1] / "data/chat/prompts.jsonl"


def main():
    template = official_template.load()
    assert template, "set GLINT_CHAT_TEMPLATE to the official chat_template.jinja"
    num_bytes = 0
    with OUT.open("w") as out:
        for case in conversations.conversations(SEED, COUNT):
            case["prompt"] = official_template.render(template, case)
            line = json.dumps(case, ensure_ascii=False) + "\n"
            num_bytes += len(line.encode())
            if num_bytes > MAX_BYTES:
                break
            out.write(line)


main()
