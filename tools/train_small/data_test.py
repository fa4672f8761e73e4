"""The generated data: its format, its tokens, and that the held-out side stays apart. Needs no PyTorch.

GLINT_CHAT_TEMPLATE names the official chat_template.jinja; without it the renderer is tested against recorded hashes alone.
"""

import hashlib
import os
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import arithmetic
import chat
import data
import make_eval
import problems
import renderer
import tool_dialogues
import tool_kinds
import tool_lessons
import tool_variety
import words

# SHA-256 of renders of the official template, published by marius-patrik/accumulative-matrix-sweeping (docs/evidence).
HELLO = "ced86f38ce5c308f21f5649bf5d003b4e5434ac99e7ae7d62f2730da57712956"
NEXT = "6b62d189514fe54e8877d1ba0cb76a88c4afe1a68a05b91ab252272c808eefcc"
CALCULATOR = "064e788c4131f6ba3592a8695ad1657fc0feaf9b49c781b32b8e13592e68f3a6"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_renders_have_the_published_hashes():
    assert sha256(renderer.prompt([chat.user("Hello, world!")])) == HELLO
    turns = [chat.user("First"), chat.answer("answer", "hidden"), chat.user("Next")]
    assert sha256(renderer.prompt(turns)) == NEXT
    parameters = {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]}
    function = {"name": "calculator", "description": "Evaluate arithmetic", "parameters": parameters}
    messages = [{"role": "system", "content": "Be precise."}, chat.user("What is 2+2?")]
    assert sha256(renderer.prompt(messages, [{"type": "function", "function": function}], False)) == CALCULATOR


@pytest.mark.skipif("GLINT_CHAT_TEMPLATE" not in os.environ, reason="GLINT_CHAT_TEMPLATE names no template")
def test_dialogues_render_as_the_official_template_does():
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value, ensure_ascii=False: renderer.dumps(value)
    with open(os.environ["GLINT_CHAT_TEMPLATE"]) as file:
        template = environment.from_string(file.read())
    rng = random.Random(1)
    for i in range(600):
        messages, tools = (tool_lessons.dialogue, tool_lessons.follow_up, lambda r: (chat.dialogue(r), []))[i % 3](rng)
        for clear in (True, False):
            ours = "".join(text for text, _ in renderer.pieces(messages, tools, clear))
            assert ours == template.render(messages=messages, tools=tools, clear_thinking=clear)


@pytest.mark.parametrize("make", [make for make, _ in data.MIX])
def test_pieces_encode_to_the_ids_of_the_whole(make):
    tokenizer, rng = data.load_tokenizer(), random.Random(2)
    documents = [make(rng) for _ in range(50)]
    for document, (ids, weights) in zip(documents, data.encode_documents(tokenizer, documents)):
        whole = "".join(text for text, _ in document)
        assert ids == tokenizer.encode(whole, add_special_tokens=False).ids
        assert len(weights) == len(ids)
        assert tokenizer.decode(ids, skip_special_tokens=False) == whole


def test_every_answer_ends_with_a_stop_token():
    tokenizer, rng = data.load_tokenizer(), random.Random(3)
    stops = {tokenizer.token_to_id(t) for t in ("<|endoftext|>", "<|user|>", "<|observation|>")}
    documents = [data.document(rng) for _ in range(200)]
    for ids, weights in data.encode_documents(tokenizer, documents):
        assert ids[-1] in stops and weights[-1] == 1.0


def test_reasoning_of_a_call_goes_through_the_schema():
    rng = random.Random(5)
    for _ in range(300):
        box = tool_lessons.make_toolbox(rng, rng.randint(1, 6))
        tool = rng.choice(box.tools)
        made = tool_lessons.request(tool, rng)
        plan = tool_dialogues.plan(made)
        assert plan.startswith(f"I look for a tool: {tool.kind.description}. I can use {tool.name} for this. ")
        at = [plan.index(f"{name} is ") for name in tool.params]
        assert len(at) == len(tool.params) and plan.count("not given") >= len(tool.params) - len(made.arguments)
        assert sum(t.kind.description == tool.kind.description for t in box.tools) == 1


def kind_of_short_words():
    params = (tool_kinds.Param(("on",), "choice:up", "Up"),)
    return tool_kinds.Kind(("ex_a",), "Ex as", params, ("Ex {0}.",), (), ("ok=bool",), "The a")


def test_a_kind_of_short_words_is_about_something():
    theme = tool_variety.spoken_of(kind_of_short_words())
    assert theme.verbs and theme.nouns and tool_variety.confusable(theme, theme)


@pytest.mark.parametrize("verbs, nouns", [((), ()), (("ex",), ()), ((), ("a",))])
def test_themes_without_verbs_or_nouns_have_no_siblings(verbs, nouns, monkeypatch):
    bare = tool_variety.Woven(kind_of_short_words(), tool_variety.Theme(frozenset(verbs), frozenset(nouns)))
    draw, rng = tool_variety.draw, random.Random(7)
    for _ in range(100):
        first = iter([bare])
        monkeypatch.setattr(tool_variety, "draw", lambda r: next(first, None) or draw(r))
        assert len(tool_variety.draw_kinds(rng, 4)) == 4
        tool_variety.absent(rng, [bare])


def test_a_tool_whose_requests_are_all_held_out_is_asked_for_in_other_words():
    held_out = next(t for t in map("Ex {}.".format, range(100)) if problems.is_held_out("request", (t,)))
    rng, kind = random.Random(8), replace(kind_of_short_words(), asks=(held_out,))
    made = tool_dialogues.request(tool_lessons.make_tool(kind, rng), rng)
    assert made.text.endswith(held_out) and not problems.is_held_out("request", (made.text,))


def test_documents_do_not_depend_on_the_hashes_of_a_process():
    program = "import data, random; rng = random.Random(9); print([data.document(rng) for _ in range(200)])"
    folder = os.path.dirname(data.__file__)

    def printed(seed):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run([sys.executable, "-c", program], env=environment, cwd=folder, capture_output=True, check=True).stdout

    assert printed("1") == printed("2")


def test_without_tools_nothing_is_called():
    rng = random.Random(6)
    for _ in range(300):
        document = "".join(text for text, _ in data.no_tool_document(rng))
        assert "<tool_call>" not in document and "# Tools" not in document
        assert any(answer in document for answer in tool_lessons.LACKING)


def test_a_batch_has_room_for_its_documents():
    tokenizer = data.load_tokenizer()
    assert {len(data.make_batch(tokenizer, 20260, i, 32768, 1536).starts) for i in range(4)} == {256}


def test_every_digit_is_a_token():
    tokenizer = data.load_tokenizer()
    assert tokenizer.get_vocab_size() == 4096
    for number in ("7", "15", "240", "1234567"):
        assert tokenizer.encode(number).tokens == list(number)


def test_a_batch_depends_on_its_seed_and_index_alone():
    tokenizer = data.load_tokenizer()
    first, again, other = (data.make_batch(tokenizer, 1, i, 8192, 1536) for i in (5, 5, 6))
    assert np.array_equal(first.tokens, again.tokens) and not np.array_equal(first.tokens, other.tokens)
    starts = first.starts[first.starts < 8192]
    assert (first.positions[starts] == 0).all()
    assert (np.diff(first.starts) >= 0).all() and first.starts[-1] == 8192


def test_problems_add_up():
    rng = random.Random(4)
    for _ in range(2000):
        problem = problems.generate(rng)
        assert not problems.is_held_out(problem.template, problem.operands)
        for step in problem.steps:
            assert step.result == arithmetic.exact(step.a, step.op, step.b)
        assert problems.gsm8k_answer(problem).endswith(f"#### {problem.answer}")
        assert "{" not in problem.question + problem.conclusion
        assert not set(problem.people) & set(words.HELD_OUT_NAMES)


@pytest.mark.parametrize("p, n, text", [
    (15, 240, "240 * 15 = 240 * 10 + 240 * 5 = 2400 + 1200 = 3600, and 3600 / 100 = 36"),
    (5, 130, "130 * 5 = 650, and 650 / 100 = 6.5"),
    (20, 45, "45 * 20 = 900, and 900 / 100 = 9"),
])
def test_percent_is_spelled(p, n, text):
    assert arithmetic.spell_percent(p, n) == text


def test_held_out_problems_are_held_out_and_distinct():
    lines = make_eval.read("eval.jsonl")
    assert len(lines) == 500 and sum(q["group"] == make_eval.NEW_TEMPLATE for q in lines) == 100
    assert len({(q["template"], tuple(q["operands"])) for q in lines}) == 500
    new = {t.name for t in problems.templates() if t.held_out}
    for line in lines:
        is_new = line["group"] == make_eval.NEW_TEMPLATE
        assert (line["template"] in new) == is_new
        assert is_new or problems.is_held_out(line["template"], tuple(line["operands"]))


def test_held_out_lines_are_in_no_training_document():
    assert len(make_eval.read("eval_tools.jsonl")) == 200
    make_eval.check(seed=20260, count=3000)
