"""Dialogues without tools: small talk, facts, arithmetic, word problems, things to remember."""

from __future__ import annotations

import arithmetic
import facts
import problems
import tool_values
import words


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def answer(text: str, reasoning: str = "") -> dict:
    return {"role": "assistant", "content": text, "reasoning_content": reasoning}


# --- word problems -------------------------------------------------------------------------------------------------

ASK = (
    ("{}", 8),
    ("Solve this problem step by step: {}", 2),
    ("Please solve this problem: {}", 1),
    ("Can you help me with this? {}", 1),
    ("{} Think step by step.", 1),
    ("{} Explain your answer.", 1),
    ("{} Show your work.", 1),
    ("Please think step by step. {}", 1),
    ("Hello! {}", 1),
    ("Solve: {}", 1),
    ("Question: {}", 1),
)
OPENERS = ("Let me work through this step by step.", "Let me think step by step.", "I go through it step by step.")


def ask(rng, question: str) -> str:
    return rng.choices([a for a, _ in ASK], [w for _, w in ASK])[0].format(question)


def wants_steps(question: str) -> bool:
    return any(phrase in question for phrase in ("step by step", "Explain", "Show your work"))


def closing(conclusion: str, value) -> str:
    return f"{conclusion}\n\nThe answer is {value}."


def problem_turn(rng, thinking: bool) -> list[dict]:
    problem = problems.generate(rng)
    question = ask(rng, problem.question)
    steps = problems.spelled_steps(problem)
    if not thinking:
        return [user(question), answer("\n".join(steps) + "\n\n" + closing(problem.conclusion, problem.answer))]
    reasoning = rng.choice(OPENERS) + "\n" + "\n".join(steps) + f"\nSo the answer is {problem.answer}."
    content = closing(problem.conclusion, problem.answer)
    if wants_steps(question):
        numbered = [f"{i}. {s}" for i, s in enumerate(problems.short_steps(problem), 1)]
        content = "\n".join(numbered) + "\n\n" + content
    return [user(question), answer(content, reasoning)]


PERCENT_ASK = (
    "What is {p}% of {n}?",
    "What is {p} percent of {n}?",
    "How much is {p}% of {n}?",
    "Calculate {p}% of {n}.",
    "Find {p} percent of {n}.",
    "What's {p}% of {n}?",
    "{p}% of {n}?",
    "Work out {p}% of {n}.",
    "{p}% of {n} is how much?",
)


def percent_turn(rng, thinking: bool) -> list[dict]:
    p = rng.choice((5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 80, 90, rng.randint(1, 99)))
    n = rng.choice((rng.randint(1, 100), rng.randint(1, 60) * 10, rng.randint(1, 60) * 20, rng.randint(1, 999)))
    question = ask(rng, rng.choice(PERCENT_ASK).format(p=p, n=n))
    result = arithmetic.decimal(p * n)
    work = arithmetic.spell_percent(p, n)
    if not thinking:
        return [user(question), answer(f"{p}% of {n} is {n} * {p} / 100.\n{work}.\n\nThe answer is {result}.")]
    reasoning = f"I need {p}% of {n}. That is {n} * {p} / 100.\n{work}.\nSo the answer is {result}."
    content = f"{p}% of {n} is {result}."
    if wants_steps(question):
        content = (
            f"To find {p}% of {n}, multiply {n} by {p} and divide by 100:\n\n"
            f"1. {n} * {p} = {n * p}\n2. {n * p} / 100 = {result}\n\nThe answer is {result}."
        )
    return [user(question), answer(content, reasoning)]


PRODUCT_ASK = ("What is {a} * {b}?", "What is {a} times {b}?", "Calculate {a} x {b}.", "Multiply {a} by {b}.", "{a} * {b} = ?")


def product_turn(rng, thinking: bool) -> list[dict]:
    a, b = rng.choice((rng.randint(2, 99), rng.randint(2, 299))), rng.randint(2, 99)
    if problems.is_held_out("plain-mul", (a, b)):
        return product_turn(rng, thinking)
    work, result = arithmetic.spell(a, "*", b, a * b), a * b
    question = ask(rng, rng.choice(PRODUCT_ASK).format(a=a, b=b))
    if not thinking:
        return [user(question), answer(f"{work}.\n\nThe answer is {result}.")]
    return [user(question), answer(f"{a} * {b} = {result}.", f"{work}.\nSo the answer is {result}.")]


def compare_turn(rng, thinking: bool) -> list[dict]:
    numbers = rng.sample(range(1, rng.choice((20, 100, 999))), rng.randint(2, 5))
    listed = ", ".join(map(str, numbers[:-1])) + rng.choice((" or ", " and ")) + str(numbers[-1])
    kind = rng.choice(("largest", "smallest", "sort", "reverse"))
    if kind in ("largest", "smallest"):
        best = max(numbers) if kind == "largest" else min(numbers)
        question, content = f"Which number is the {kind}: {listed}?", f"The {kind} number is {best}."
    else:
        ordered = sorted(numbers, reverse=kind == "reverse")
        way = "from largest to smallest" if kind == "reverse" else "from smallest to largest"
        question, content = f"Sort these numbers {way}: {', '.join(map(str, numbers))}", ", ".join(map(str, ordered))
    reasoning = f"The numbers are {', '.join(map(str, numbers))}. I compare them."
    return [user(question), answer(content, reasoning if thinking else "")]


# --- talk ----------------------------------------------------------------------------------------------------------


def fact_turn(rng, thinking: bool) -> list[dict]:
    questions, content, reasoning = rng.choice(facts.entries())
    return [user(rng.choice(questions)), answer(content, reasoning if thinking else "")]


def talk_turn(rng, thinking: bool) -> list[dict]:
    kind = rng.choice(facts.TALK)
    greeting = rng.choice(("Hello! ", "Hi! ", "Hey, ", "Hi, ")) if rng.random() < 0.15 else ""
    return [user(greeting + vary(rng, rng.choice(kind.asks))), answer(rng.choice(kind.answers), kind.reasoning if thinking else "")]


def vary(rng, text: str) -> str:
    """People do not always write capitals and full stops."""
    draw = rng.random()
    if draw < 0.1:
        return text.lower()
    return text.rstrip(".!?") if draw < 0.2 else text


UNKNOWN_ASK = (
    "Tell me about {}.",
    "What do you know about {}?",
    "Explain {} to me.",
    "How does {} work?",
    "Who invented {}?",
    "Write an essay about {}.",
    "What is {}?",
    "Who is {}?",
)


def unknown_turn(rng, thinking: bool) -> list[dict]:
    topic = " ".join(words.pseudo_word(rng) for _ in range(rng.choice((1, 1, 2))))
    if rng.random() < 0.4:
        topic = f"{rng.choice(facts.ADJECTIVES)} {rng.choice(facts.TOPICS)}"
    content = (
        f"I am a very small model, and I do not know enough about {topic}. "
        "I can chat a little, solve small word problems and call tools."
    )
    reasoning = f"The user asks about {topic}. I do not know about it, so I say so."
    return [user(rng.choice(UNKNOWN_ASK).format(topic)), answer(content, reasoning if thinking else "")]


def poem_turn(rng, thinking: bool) -> list[dict]:
    topic = rng.choice(facts.POEM_TOPICS + [words.pseudo_word(rng)])
    kind = rng.choice(("poem", "short poem", "story", "short story"))
    question = rng.choice((f"Write a {kind} about {topic}.", f"Tell me a {kind} about {topic}.", f"Can you write a {kind} about {topic}?"))
    text = poem(rng, topic) if "poem" in kind else story(rng, topic)
    reasoning = f"The user wants a {kind} about {topic}. I keep it short and simple."
    return [user(question), answer(text, reasoning if thinking else "")]


def poem(rng, topic: str) -> str:
    first, second = rng.choice(facts.RHYMES)
    return f"O {topic}, {first[0]},\n{first[1]}.\n{second[0]},\n{second[1]}."


def story(rng, topic: str) -> str:
    name, he, his, _ = words.person(rng)
    place, day = rng.choice(words.PLACE), rng.choice(words.DAY)
    return (
        f"On a quiet {day}, {name} went to the {place} to look for the {topic}. "
        f"{he.capitalize()} searched all day, and in the evening {he} found it {rng.choice(facts.HIDING)}. "
        f"{name} smiled, and {his} friends were glad too."
    )


def remember_dialogue(rng, thinking: bool) -> list[dict]:
    """Something said in one turn and asked for in a later one."""
    name = words.person(rng)[0]
    thing, value = rng.choice((
        ("name", name),
        ("favorite color", rng.choice(words.COLOR)),
        ("city", rng.choice(words.CITIES)),
        ("favorite food", rng.choice(words.FOOD)),
        ("cat's name", words.pseudo_name(rng)),
        ("lucky number", str(rng.randint(1, 999))),
    ))
    told = rng.choice((f"My {thing} is {value}.", f"Please remember: my {thing} is {value}.", f"Hi! My {thing} is {value}."))
    reply = f"Nice to meet you, {value}!" if thing == "name" else f"Thank you, I will remember that your {thing} is {value}."
    noted, recalled = f"The user tells me: the {thing} is {value}.", f"The user said that the {thing} is {value}."
    middle = talk_turn(rng, thinking) if rng.random() < 0.5 else []
    asked = rng.choice((f"What is my {thing}?", f"Do you remember my {thing}?", f"What did I say my {thing} is?"))
    turns = [user(told), answer(reply, noted if thinking else ""), *middle]
    return turns + [user(asked), answer(f"Your {thing} is {value}.", recalled if thinking else "")]


def repeat_turn(rng, thinking: bool) -> list[dict]:
    said = " ".join(rng.choice((words.pseudo_word(rng), rng.choice(words.SLOTS["item"]), rng.choice(words.COLOR)))
                    for _ in range(rng.randint(1, 5)))
    question = rng.choice((f"Repeat after me: {said}", f"Say \"{said}\".", f"Write exactly this: {said}"))
    return [user(question), answer(said, f"I repeat: {said}" if thinking else "")]


# --- copying -------------------------------------------------------------------------------------------------------


def any_value(rng) -> str:
    kind = rng.choice(("text", "text", "ident", "name", "file", "mail", "term", "whole", "place", "amount"))
    return tool_values.draw(kind, rng).spoken


COPY_ASK = (
    "Repeat after me: {}", "Say \"{}\".", "Write exactly this: {}", "Copy this: {}", "Repeat \"{}\".", "Please write \"{}\" once more.",
    "Say this again: {}", "Echo: {}",
)


def copy_turn(rng, thinking: bool) -> list[dict]:
    said = " ".join(any_value(rng) for _ in range(rng.choice((1, 1, 2, 3))))
    return [user(rng.choice(COPY_ASK).format(said)), answer(said, f"I repeat: {said}" if thinking else "")]


def lookup_turn(rng, thinking: bool) -> list[dict]:
    """What belongs to a word, among words that look alike."""
    keys = list(dict.fromkeys(tool_values.any_word(rng) for _ in range(rng.randint(2, 7))))
    values = [any_value(rng) for _ in keys]
    style, gap = rng.choice((("{k} is {v}", ", "), ("{k}: {v}", "\n"), ("- {k} = {v}", "\n"), ("The {k} is {v}.", " "), ("\"{k}\": \"{v}\"", ", ")))
    listed = gap.join(style.format(k=k, v=v) for k, v in zip(keys, values))
    i = rng.randrange(len(keys))
    asked = rng.choice(("What is {k}?", "Tell me {k}.", "And what is the {k}?", "Which one is {k}?")).format(k=keys[i])
    question = f"{listed}{rng.choice(('. ', chr(10)))}{asked}" if gap != " " else f"{listed} {asked}"
    return [user(question), answer(f"{keys[i]} is {values[i]}", f"The user asks for {keys[i]}. {keys[i]} is {values[i]}" if thinking else "")]


TURNS = (
    (problem_turn, 40),
    (percent_turn, 12),
    (product_turn, 10),
    (compare_turn, 4),
    (fact_turn, 8),
    (talk_turn, 10),
    (unknown_turn, 3),
    (poem_turn, 4),
    (repeat_turn, 3),
    (remember_dialogue, 4),
)
SYSTEM = (
    "You are a helpful assistant.",
    "You are a helpful assistant. Answer briefly.",
    "Be precise.",
    "You are a friendly assistant who answers in plain English.",
    "Answer the user's questions.",
)


def turn(rng, thinking: bool) -> list[dict]:
    return rng.choices([t for t, _ in TURNS], [w for _, w in TURNS])[0](rng, thinking)


def dialogue(rng) -> list[dict]:
    """One to three turns, mostly with reasoning, sometimes after a system message."""
    thinking = rng.random() < 0.7
    messages = [{"role": "system", "content": rng.choice(SYSTEM)}] if rng.random() < 0.2 else []
    for _ in range(rng.choice((1, 1, 1, 1, 2, 3))):
        drill = rng.choice((copy_turn, lookup_turn, lookup_turn))
        messages += (drill if rng.random() < 0.14 else turn)(rng, thinking)
    return messages
