"""Our prompts beside jinja2's, byte for byte, and our numbers beside Python's."""

import hashlib
import json
import os
import random
import struct
import subprocess
import sys
import unicodedata

import pytest

import conversations
import official_template

TOOL = os.path.join(os.environ["GLINT_BIN_DIR"], "template_tool")
SEED = 4700
COUNT = 4000
PRINTABLE_TABLES_UNICODE = "14.0.0"  # of src/chat/printable_tables.h

needs_template = pytest.mark.skipif(
    "GLINT_CHAT_TEMPLATE" not in os.environ,
    reason="GLINT_CHAT_TEMPLATE names no file: the official chat_template.jinja of GLM-4.7-Flash "
           "is not part of this repository")


def run_tool(requests):
    lines = "".join(json.dumps(request, ensure_ascii=False) + "\n" for request in requests)
    done = subprocess.run([TOOL], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]
    assert len(answers) == len(requests)
    return answers


@needs_template
def test_prompts_equal_jinjas():
    template = official_template.load()
    cases = conversations.conversations(SEED, COUNT)
    refused = 0
    for case, ours in zip(cases, run_tool(cases)):
        expected = official_template.render(template, case)
        refused += expected is None
        assert ours.get("text") == expected, (case, ours)
    assert 0 < refused < COUNT / 4  # most are rendered, and some show what the template refuses


@needs_template
def test_control_ranges_hold_what_the_template_wrote_and_nothing_else():
    """Every tag in every string is replaced by one that is no token: jinja2's prompt of that must
    be ours with the tags outside of the control ranges replaced in the same way."""
    template = official_template.load()
    for case, ours in with_answers(plain_conversations(1000)):
        expected = official_template.render(template, replace_tags(case))
        if "error" in ours:
            assert expected is None
            continue
        pieces, at = [], 0
        prompt = ours["text"].encode()
        for begin, end in ours["control"]:
            assert prompt[begin:end].decode() in conversations.TAGS
            pieces += [replace_tags(prompt[at:begin].decode()), prompt[begin:end].decode()]
            at = end
        pieces.append(replace_tags(prompt[at:].decode()))
        assert "".join(pieces) == expected, case


def plain_conversations(count):
    """Without reasoning inside the content: there a typed </think> has a meaning to the template."""
    for case in conversations.conversations(SEED + 1, count):
        for message in case["messages"]:
            if message["role"] == "assistant":
                message["reasoning_content"] = str(message.get("reasoning_content", ""))
        yield case


def with_answers(cases):
    cases = list(cases)
    return zip(cases, run_tool(cases))


REPLACEMENTS = {tag: "#" + str(i) + "#" for i, tag in enumerate(conversations.TAGS) if tag != "<tools>"}


def replace_tags(value):
    if isinstance(value, str):
        for tag, replacement in REPLACEMENTS.items():
            value = value.replace(tag, replacement)
        return value
    if isinstance(value, list):
        return [replace_tags(item) for item in value]
    if isinstance(value, dict):
        return {replace_tags(k): replace_tags(v) for k, v in value.items()}
    return value


CALCULATOR = {"type": "function", "function": {
    "name": "calculator", "description": "Evaluate arithmetic",
    "parameters": {"type": "object", "properties": {"expression": {"type": "string"}},
                   "required": ["expression"]}}}
PUBLISHED = [
    ({"messages": [{"role": "user", "content": "Hello, world!"}]},
     "ced86f38ce5c308f21f5649bf5d003b4e5434ac99e7ae7d62f2730da57712956"),
    ({"messages": [{"role": "system", "content": "Be precise."},
                   {"role": "user", "content": "What is 2+2?"}],
      "tools": [CALCULATOR], "options": {"enable_thinking": False}},
     "064e788c4131f6ba3592a8695ad1657fc0feaf9b49c781b32b8e13592e68f3a6"),
    ({"messages": [{"role": "user", "content": "First"},
                   {"role": "assistant", "reasoning_content": "hidden", "content": "answer"},
                   {"role": "user", "content": [{"type": "text", "text": "Next"}]}]},
     "6b62d189514fe54e8877d1ba0cb76a88c4afe1a68a05b91ab252272c808eefcc"),
]


def test_published_hashes():
    """Renders of the official template whose SHA-256 others have published."""
    for case, sha256 in PUBLISHED:
        case["options"] = {"add_generation_prompt": True, **case.get("options", {})}
        [ours] = run_tool([case])
        assert hashlib.sha256(ours["text"].encode()).hexdigest() == sha256, ours["text"]


def test_numbers_and_strings_equal_pythons_json():
    r = random.Random(SEED)
    values = [conversations.double(r) for _ in range(20000)]
    values += [float(f"{r.choice(['-', ''])}{r.randrange(10**r.randrange(1, 18))}e{r.randrange(-30, 30)}")
               for _ in range(5000)]
    values += [struct.unpack("<f", r.randbytes(4))[0] for _ in range(5000)]
    values = [v for v in values if abs(v) < float("inf")]
    values += [conversations.value(r) for _ in range(3000)]
    answers = run_tool([{"json": json.dumps(v)} for v in values])
    for value, ours in zip(values, answers):
        assert ours["python"] == json.dumps(value, ensure_ascii=False), ours


@pytest.mark.skipif(unicodedata.unidata_version != PRINTABLE_TABLES_UNICODE,
                    reason=f"this Python has Unicode {unicodedata.unidata_version}, the table of "
                           f"what repr() escapes is of {PRINTABLE_TABLES_UNICODE}")
def test_repr_of_every_character_equals_pythons():
    everything = "".join(chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF)
    values = [{everything[i:i + 4096]: 1} for i in range(0, len(everything), 4096)]
    cases = [{"messages": [{"role": "tool", "content": [v]}], "options": {}} for v in values]
    for value, ours in zip(values, run_tool(cases)):
        assert f"<tool_response>{value!r}</tool_response>" in ours["text"]
