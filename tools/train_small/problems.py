"""Grade-school word problems: templates from problems.txt and chains of events made up on the spot.

One operand choice in ten belongs to the held-out set: `is_held_out` decides by a hash of template and operands,
the training generator skips those, and the evaluation file has no others.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import arithmetic
import words

LIMIT = 5000  # no result is larger: a model of this size multiplies and adds such numbers reliably


@dataclass(frozen=True)
class Step:
    sentence: str  # with {=} where the calculation goes
    a: int
    op: str
    b: int
    result: int


@dataclass(frozen=True)
class Problem:
    template: str
    operands: tuple[int, ...]
    people: tuple[str, ...]
    question: str
    steps: tuple[Step, ...]
    conclusion: str

    @property
    def answer(self) -> int:
        return self.steps[-1].result


@dataclass
class Template:
    name: str
    held_out: bool
    ranges: list[tuple[str, int, int, int]] = field(default_factory=list)  # operand, low, high, stride
    derived: list[tuple[str, str]] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    steps: list[tuple[str, str, str, str, str]] = field(default_factory=list)  # result, a, op, b, sentence
    conclusion: str = ""


def is_held_out(template: str, operands: tuple) -> bool:
    digest = hashlib.blake2b(f"{template}:{operands}".encode(), digest_size=4).digest()
    return digest[0] % 10 == 0


@cache
def templates() -> tuple[Template, ...]:
    text = Path(__file__).with_name("problems.txt").read_text()
    blocks = [b for b in text.split("\n\n") if b.strip()][1:]
    return tuple(parse(b.strip().splitlines()) for b in blocks)


def parse(lines: list[str]) -> Template:
    hashes, name = lines[0].split()
    template = Template(name, hashes == "##")
    for part in lines[1].split(", "):
        parse_operand(template, part)
    for line in lines[2:]:
        if line.startswith("Q "):
            template.questions.append(line[2:])
        elif line.startswith("A "):
            template.conclusion = line[2:]
        else:
            formula, sentence = line.split(" | ")
            result, _, a, op, b = formula.split()
            template.steps.append((result, a, op, b, sentence))
    return template


def parse_operand(template: Template, part: str) -> None:
    if ":=" in part:
        template.derived.append(tuple(part.split(" := ")))
        return
    name, span = part.split()
    if span.startswith("@"):
        low, high, stride = map(int, span[1:].split(":"))
    else:
        (low, high), stride = map(int, span.split("-")), 1
    template.ranges.append((name, low, high, stride))


def draw_operands(template: Template, rng) -> dict[str, int]:
    values = {name: rng.randrange(low, high + 1, stride) for name, low, high, stride in template.ranges}
    for name, expression in template.derived:
        values[name] = eval(expression, {"__builtins__": {}}, values)  # the expressions are our own file's
    return values


def solve(template: Template, values: dict[str, int]) -> list[Step] | None:
    """Runs the steps; None if a result is not a positive integer within the limit."""
    steps = []
    for result, a, op, b, sentence in template.steps:
        left, right = value_of(a, values), value_of(b, values)
        outcome = arithmetic.exact(left, op, right)
        if outcome is None or outcome > LIMIT:
            return None
        values[result] = outcome
        steps.append(Step(sentence, left, op, right, outcome))
    return steps


def value_of(term: str, values: dict[str, int]) -> int:
    return int(term) if term.isdigit() else values[term]


def slots(rng, held_out_people: bool) -> dict[str, str]:
    """Everything a text may name; people differ from each other."""
    people = []
    while len(people) < 3:
        who = words.person(rng, held_out_people)
        if who[0] not in [p[0] for p in people]:
            people.append(who)
    (name, he, his, him), other, third = people
    filled = {"N": name, "M": other[0], "K": third[0], "he": he, "his": his, "him": him}
    filled |= {"He": he.capitalize(), "His": his.capitalize()}
    return filled | {slot: rng.choice(choices) for slot, choices in words.SLOTS.items()}


def from_template(template: Template, rng, held_out: bool) -> Problem | None:
    values = draw_operands(template, rng)
    operands = tuple(values[name] for name, *_ in template.ranges)
    if min(values.values()) <= 0:
        return None
    if not template.held_out and is_held_out(template.name, operands) != held_out:
        return None
    steps = solve(template, values)
    if steps is None:
        return None
    return fill(template.name, operands, rng.choice(template.questions), steps, template.conclusion, values, rng, held_out)


def fill(name, operands, question, steps, conclusion, values, rng, held_out) -> Problem:
    names = slots(rng, held_out) | {k: str(v) for k, v in values.items()} | {"=": "{=}"}

    def put(text: str) -> str:
        return re.sub(r"\{(\w+|=)\}", lambda m: names[m[1]], text)

    filled = tuple(Step(put(s.sentence), s.a, s.op, s.b, s.result) for s in steps)
    used = re.findall(r"\{([NMK])\}", question + "".join(s.sentence for s in steps))
    people = tuple(sorted({names[k] for k in used}))
    return Problem(name, operands, people, put(question), filled, put(conclusion))


# Events of a chain: operator, operand range, what happens, what it means. {k} is the operand.
EVENTS = (
    ("+", 2, 60, "{He} buys {k} more", "{N} then has {=} {item}."),
    ("+", 2, 60, "{He} finds {k} more", "After that {he} has {=} {item}."),
    ("+", 2, 60, "{M} gives {him} {k} {item}", "With those from {M} {he} has {=} {item}."),
    ("+", 2, 60, "{He} gets {k} more for {his} birthday", "That makes {=} {item}."),
    ("-", 2, 40, "{He} gives {k} {item} to {M}", "{N} has {=} {item} left."),
    ("-", 2, 40, "{He} loses {k} of them", "Then {=} {item} are left."),
    ("-", 2, 40, "{He} sells {k} {item} at the {place}", "After the sale {he} has {=} {item}."),
    ("-", 2, 40, "{M} takes {k} of them", "That leaves {=} {item}."),
    ("*", 2, 2, "The number of {item} then doubles", "Doubled, that is {=} {item}."),
    ("*", 3, 3, "Then {he} triples {his} {item}", "Three times as many is {=} {item}."),
    ("/", 2, 2, "{He} gives half of {his} {item} to {M}", "Half of them is {=} {item}."),
    ("/", 2, 9, "{He} puts all {item} into {k} equal piles and keeps one pile", "One pile has {=} {item}."),
)
STARTS = ("{N} has {a} {item}.", "{N} starts with {a} {item}.", "On {day} {N} has {a} {item}.", "There are {a} {item} in {N}'s bag.")
JOINS = ("{}.", "Then {}.", "Later {}.", "After that {}.", "The next day {}.")
ENDS = (
    "How many {item} does {N} have now?",
    "How many {item} does {he} have at the end?",
    "How many {item} are there now?",
)


def lower_first(text: str) -> str:
    return re.sub(r"^\{He\}", "{he}", text).replace("The number", "the number").removeprefix("Then ")


def draw_event(value: int, rng):
    """An event whose result is exact, and its operand."""
    while True:
        op, low, high, text, sentence = rng.choice(EVENTS)
        k = rng.randint(low, high)
        result = arithmetic.exact(value, op, k)
        if result is not None and result <= 999:
            return op, k, text, sentence, result


def chain(rng, held_out: bool) -> Problem | None:
    """A quantity that changes one to four times."""
    start = value = rng.randint(4, 99)
    text, steps, operands = [rng.choice(STARTS).replace("{a}", str(start))], [], [start]
    for i in range(rng.choice((1, 2, 2, 3, 3, 4))):
        op, k, event, sentence, result = draw_event(value, rng)
        event = event.replace("{k}", str(k))
        join = rng.choice(JOINS) if i else rng.choice(JOINS[:2])
        text.append(join.format(event if join == "{}." else lower_first(event)))
        steps.append(Step(sentence, value, op, k, result))
        operands.append(k)
        value = result
    name = "chain" + "".join(s.op for s in steps)
    if is_held_out(name, tuple(operands)) != held_out:
        return None
    text.append(rng.choice(ENDS))
    answer = "{N} has " + str(value) + " {item}."
    return fill(name, tuple(operands), " ".join(text), steps, answer, {}, rng, held_out)


def generate(rng, held_out: bool = False, new_template: bool = False) -> Problem:
    """One problem; held_out takes operands and names that training never sees, new_template a text that it never sees."""
    while True:
        if new_template:
            problem = from_template(rng.choice([t for t in templates() if t.held_out]), rng, True)
        elif rng.random() < 0.3:
            problem = chain(rng, held_out)
        else:
            problem = from_template(rng.choice([t for t in templates() if not t.held_out]), rng, held_out)
        if problem is not None:
            return problem


def gsm8k_answer(problem: Problem) -> str:
    lines = [s.sentence.replace("{=}", arithmetic.mark(s.a, s.op, s.b, s.result)) for s in problem.steps]
    return "\n".join(lines) + f"\n#### {problem.answer}"


def spelled_steps(problem: Problem) -> list[str]:
    return [s.sentence.replace("{=}", arithmetic.spell(s.a, s.op, s.b, s.result)) for s in problem.steps]


def short_steps(problem: Problem) -> list[str]:
    """Steps for an answer that was reasoned out before: the calculation without its partial results."""
    def calc(s: Step) -> str:
        return f"{s.b}% of {s.a} = {s.result}" if s.op == "%" else f"{s.a} {s.op} {s.b} = {s.result}"

    return [s.sentence.replace("{=}", calc(s)) for s in problem.steps]
