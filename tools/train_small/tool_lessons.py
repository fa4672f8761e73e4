"""The training dialogues with tools: varied tools, one or several requests, and sometimes nothing that fits."""

from __future__ import annotations

import re
from dataclasses import dataclass

import chat
import tool_dialogues
import tool_kinds as kinds
import tool_variety as variety
from tool_dialogues import Request, Tool


@dataclass
class Toolbox:
    """The tools of one dialogue in the order of their schemas, and what they are about."""

    woven: list[variety.Woven]
    tools: list[Tool]

    def insert(self, tool: Tool, rng) -> None:
        """Puts a tool where the dialogue needs it, in place of one that might be mistaken for it."""
        theme = variety.spoken_of(tool.kind)
        kept = [(w, t) for w, t in zip(self.woven, self.tools) if not variety.confusable(w.theme, theme) and t.name != tool.name]
        kept.insert(rng.randint(0, len(kept)), (variety.Woven(tool.kind, theme), tool))
        self.woven, self.tools = [w for w, _ in kept], [t for _, t in kept]

    def schemas(self) -> list[dict]:
        return [t.schema for t in self.tools]


def make_tool(kind: kinds.Kind, rng) -> Tool:
    name = variety.styled(rng.choice(kind.names), rng)
    params: list[str] = []
    for param in kind.params:
        shown = param_name(param, rng)
        params.append(shown if shown not in params else f"{shown}{len(params) + 1}")
    return Tool(kind, name, tuple(params), variety.schema_of(kind, name, tuple(params), rng))


def param_name(param: kinds.Param, rng) -> str:
    shown = param.names[0] if rng.random() < 0.5 else rng.choice(param.names)
    if len(param.names) > 1 and rng.random() < 0.1:  # the requests of an everyday kind do not say the names
        shown = variety.param_name(rng)
    if rng.random() < 0.12:
        shown = re.sub(r"_(\w)", lambda m: m[1].upper(), shown)
    return shown


def make_toolbox(rng, count: int) -> Toolbox:
    woven = variety.draw_kinds(rng, count)
    rng.shuffle(woven)
    while True:
        tools = [make_tool(w.kind, rng) for w in woven]
        if len({t.name for t in tools}) == len(tools):
            return Toolbox(woven, tools)


BY_NAME = (
    "Use {t} with {l}.", "Call {t} with {l}.", "Call the tool {t}: {l}.", "Please run {t} ({l}).", "{t}: {l}", "I want you to use {t} and {l}.",
)


def request(tool: Tool, rng) -> Request:
    if rng.random() > 0.07:
        return tool_dialogues.request(tool, rng)
    named = [i for i, p in enumerate(tool.kind.params) if p.required or rng.random() < 0.5]
    values = tool_dialogues.draw_values(tool, named, rng, False)
    style = rng.choice(variety.LISTS)
    listed = [style.format(a=tool.params[i], v=variety.quoted(rng, tool.kind.params[i].kind, values[i].spoken)) for i in named]
    text = rng.choice(BY_NAME).format(t=tool.name, l=kinds.join_words(listed))
    return Request(text, tool, {tool.params[i]: values[i].value for i in named}, {i: v.spoken for i, v in values.items()})


def call_turn(box: Toolbox, rng, thinking: bool) -> list[dict]:
    """One to three requests at once, their calls, the results, the answer."""
    tools = [rng.choice(box.tools)]
    for _ in range(rng.choices((0, 1, 2), (76, 20, 4))[0]):
        tools.append(tools[0] if rng.random() < 0.35 else rng.choice(box.tools))
    requests = [request(t, rng) for t in tools]
    text = requests[0].text + "".join(rng.choice((" And then: ", " Also: ", " ", " Then: ", "\n")) + r.text for r in requests[1:])
    content = rng.choice(("Let me check that for you.", "One moment, please.", "I will do that now.")) if rng.random() < 0.08 else ""
    turn = [chat.user(text), tool_dialogues.call_message(requests, thinking, content)]
    return turn + outcome(tools, requests, rng, thinking)


def outcome(tools: list[Tool], requests: list[Request], rng, thinking: bool) -> list[dict]:
    outcomes = [tool_dialogues.result_of(t, r, rng) for t, r in zip(tools, requests)]
    noted = "I have the result and tell the user." if len(outcomes) == 1 else "I have the results and tell the user."
    said = chat.answer("\n".join(a for _, a in outcomes), noted if thinking else "")
    return [*(tool_dialogues.observe(o) for o, _ in outcomes), said]


def nothing_fits(box: Toolbox, rng, thinking: bool) -> list[dict]:
    """Talk that needs no tool, or a request that none of the tools can do."""
    if rng.random() < 0.4:
        messages = chat.turn(rng, thinking)
        for message in messages:
            if message.get("reasoning_content"):
                message["reasoning_content"] = "No tool is needed here. " + message["reasoning_content"]
        return messages
    wanted = tool_dialogues.request(make_tool(variety.absent(rng, box.woven).kind, rng), rng)
    names = kinds.join_words([t.name for t in box.tools])
    content = f"I am sorry, I have no tool for that. I can use {names}."
    reasoning = f"I look for a tool: none. I have {names}, and that does not fit this." if thinking else ""
    return [chat.user(wanted.text), chat.answer(content, reasoning)]


def value_missing(box: Toolbox, rng, thinking: bool) -> list[dict]:
    return tool_dialogues.value_missing(box.tools, rng, thinking)


def prepared(make):
    """A written lesson of tool_dialogues, which brings its own tools."""

    def lesson(box: Toolbox, rng, thinking: bool) -> list[dict]:
        own: list[Tool] = []
        messages = make(own, rng, thinking)
        for tool in own:
            box.insert(tool, rng)
        return messages

    return lesson


LESSONS = (
    (call_turn, 76),
    (prepared(tool_dialogues.both_cities), 4),
    (prepared(tool_dialogues.chained), 3),
    (nothing_fits, 12),
    (value_missing, 5),
)


def dialogue(rng) -> tuple[list[dict], list[dict]]:
    """(messages, tool schemas) of a training dialogue."""
    box = make_toolbox(rng, rng.choice((1, 1, 2, 2, 3, 3, 4, 4, 5, 6)))
    thinking = rng.random() < 0.62
    messages = [{"role": "system", "content": rng.choice(chat.SYSTEM)}] if rng.random() < 0.12 else []
    lesson = rng.choices([l for l, _ in LESSONS], [w for _, w in LESSONS])[0]
    messages += lesson(box, rng, thinking)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 2, 3))):
        messages += rng.choice((call_turn, call_turn, call_turn, call_turn, nothing_fits))(box, rng, thinking)
    return messages, box.schemas()


def follow_up(rng) -> tuple[list[dict], list[dict]]:
    """A client that sends the result back without tools and without the reasoning of the call."""
    box = make_toolbox(rng, 1)
    if rng.random() < 0.4:
        box = Toolbox([], [make_tool(variety.widen(kinds.WRITTEN[0], rng), rng)])
    messages = call_turn(box, rng, True)
    messages[1]["reasoning_content"] = ""
    messages[1]["unlearned"] = True
    return messages, box.schemas() if rng.random() < 0.4 else []


OWN_WORK = frozenset("calculate add_numbers average solve_equation".split())
LACKING = (
    "I am sorry, I have no tool for that, so I cannot do it.",
    "I cannot do that: I have no tool for it here.",
    "I am sorry, I cannot look that up or do it. I was given no tool for it.",
    "I have no tools here, so I cannot do that for you.",
)


def lacking_kind(rng) -> kinds.Kind:
    """Mostly an everyday kind, none that the model does by itself."""
    while True:
        draw = rng.random()
        kind = kinds.WRITTEN[0] if draw < 0.15 else rng.choice((*kinds.WRITTEN, *variety.everyday())) if draw < 0.7 else variety.draw(rng).kind
        if not OWN_WORK & set(kind.names):
            return kind


def without_tools(rng) -> list[dict]:
    """A request that needs a tool where there is none, on its own or between other talk."""
    thinking = rng.random() < 0.65
    messages = [{"role": "system", "content": rng.choice(chat.SYSTEM)}] if rng.random() < 0.15 else []
    if rng.random() < 0.2:
        messages += chat.turn(rng, thinking)
    for _ in range(rng.choice((1, 1, 1, 2))):
        wanted = tool_dialogues.request(make_tool(variety.widen(lacking_kind(rng), rng), rng), rng)
        reasoning = "This needs a tool, and I have none. I say so." if thinking else ""
        messages += [chat.user(wanted.text), chat.answer(rng.choice(LACKING), reasoning)]
    if rng.random() < 0.2:
        messages += chat.turn(rng, thinking)
    return messages
