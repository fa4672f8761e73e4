"""Dialogues with tools: schemas, calls, results, answers, and requests that no tool fits."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import chat
import problems
import tool_kinds as kinds
import words
from renderer import dumps


@dataclass(frozen=True)
class Tool:
    """A tool as one dialogue sees it: a kind under the names that were drawn for it."""

    kind: kinds.Kind
    name: str
    params: tuple[str, ...]
    schema: dict


@dataclass(frozen=True)
class Request:
    """What the user asks, the call that answers it, and the values by their place in the kind's parameters."""

    text: str
    tool: Tool
    arguments: dict
    spoken: dict[int, str]

    @property
    def name(self) -> str:
        return self.tool.name


def draw_kind(rng, held_out: bool) -> kinds.Kind:
    if rng.random() < 0.6:
        return kinds.invented(rng, held_out)
    return rng.choice(kinds.HELD_OUT if held_out and rng.random() < 0.5 else kinds.WRITTEN)


def make_tool(kind: kinds.Kind, rng) -> Tool:
    name = kinds.restyle(rng.choice(kind.names), rng)
    params = tuple(p.names[0] if rng.random() < 0.5 else rng.choice(p.names) for p in kind.params)
    properties = {n: property_schema(p, rng) for n, p in zip(params, kind.params)}
    required = [n for n, p in zip(params, kind.params) if p.required]
    function = {
        "name": name,
        "description": kind.description + rng.choice(("", "", ".")),
        "parameters": {"type": "object", "properties": properties, "required": required},
    }
    if rng.random() < 0.15:
        function["strict"] = False
    schema = function if rng.random() < 0.05 else {"type": "function", "function": function}
    return Tool(kind, name, params, schema)


def property_schema(param: kinds.Param, rng) -> dict:
    schema = {"type": kinds.TYPES.get(param.kind, "string")}
    if param.kind == "words":
        schema["items"] = {"type": "string"}
    if param.kind == "ints":
        schema["items"] = {"type": "integer"}
    if param.kind in ("unit", "priority", "size", "format") and rng.random() < 0.8:
        schema["enum"] = list(kinds.ENUMS[param.kind])
    if rng.random() < 0.7:
        schema["description"] = param.description
    return schema


def make_tools(rng, count: int, held_out: bool = False) -> list[Tool]:
    """Tools with different names and different purposes."""
    tools: list[Tool] = []
    while len(tools) < count:
        tool = make_tool(draw_kind(rng, held_out), rng)
        if all(t.name != tool.name and t.kind.description != tool.kind.description for t in tools):
            tools.append(tool)
    return tools


def request(tool: Tool, rng, held_out: bool = False) -> Request:
    """A request of the training or of the held-out side; LookupError where the tool has too few values for the latter."""
    for _ in range(200):
        made = draw_request(tool, rng, held_out)
        if problems.is_held_out("request", (made.text,)) == held_out:
            return made
    if not held_out:
        return opened(made)
    raise LookupError(f"no held-out request for {tool.name}")


def opened(made: Request) -> Request:
    """The request in other words: those of a tool with few values may all be held out."""
    for opening in ("Hello! ", "Please: ", "Now this: ", "Next: ", "One more thing: ", "Here is what I want: "):
        if not problems.is_held_out("request", (text := opening + made.text,)):
            return replace(made, text=text)
    raise LookupError(f"only held-out requests for {made.name}")


def draw_request(tool: Tool, rng, held_out: bool) -> Request:
    ask = rng.choice(tool.kind.asks)
    named = sorted({int(i) for i in re.findall(r"\{(\d)\}", ask)})
    values = draw_values(tool, named, rng, held_out)
    spoken = {i: v.spoken for i, v in values.items()}
    text = re.sub(r"\{(\d)\}", lambda m: spoken[int(m[1])], ask)
    arguments = {tool.params[i]: values[i].value for i in named}
    return Request(text, tool, arguments, spoken)


def draw_values(tool: Tool, named: list[int], rng, held_out: bool) -> dict[int, kinds.Value]:
    """Values that differ where two parameters are of one kind (nobody converts feet to feet)."""
    while True:
        values = {i: kinds.draw(tool.kind.params[i].kind, rng, held_out) for i in named}
        words_ = [(tool.kind.params[i].kind, v.spoken) for i, v in values.items() if tool.kind.params[i].kind != "bool"]
        if len(set(words_)) == len(words_):
            return values


def shown(value) -> str:
    return value if isinstance(value, str) else dumps(value)


def choice(tool: Tool) -> str:
    """The description first: it is told from the others by plain words, and the name is then read off beside it."""
    return f"I look for a tool: {tool.kind.description}. I can use {tool.name} for this."


def plan(made: Request) -> str:
    """Every parameter in the order of the schema, so that none is forgotten or made up."""
    given = {name: shown(value) for name, value in made.arguments.items()}
    listed = ", ".join(f"{name} is {given.get(name, 'not given')}" for name in made.tool.params)
    return f"{choice(made.tool)} {listed}." if listed else choice(made.tool)


def call_message(requests: list[Request], thinking: bool, content: str = "") -> dict:
    reasoning = " ".join(plan(r) for r in requests) if thinking else ""
    calls = [{"name": r.name, "arguments": r.arguments} for r in requests]
    return {"role": "assistant", "content": content, "reasoning_content": reasoning, "tool_calls": calls}


ERRORS = ("not found", "permission denied", "service unavailable", "timeout", "invalid argument", "no connection")


def result_of(tool: Tool, made: Request, rng) -> tuple[str, str]:
    """What the tool returns, and what the answer says of it."""
    lead = re.sub(r"\{(\d)\}", lambda m: made.spoken.get(int(m[1]), ""), tool.kind.lead)
    if rng.random() < 0.07:
        error = rng.choice(ERRORS)
        return dumps({"error": error}), f"I am sorry, {tool.name} failed: {error}."
    fields = dict(part.split("=") for part in rng.choice(tool.kind.results).split(","))
    values = {k: kinds.draw(v, rng).value for k, v in fields.items()}
    if "location" in values:
        values["location"] = made.spoken[0]
    if rng.random() < 0.15:
        text = plain_result(values, made, rng)
        return text, f"{lead}: {text}" if text.endswith(".") else f"{lead}: {text}."
    listed = [f"the {k.replace('_', ' ')} is {said(v)}" for k, v in values.items()]
    return dumps(values), f"{lead}: {kinds.join_words(listed)}."


def plain_result(values: dict, made: Request, rng) -> str:
    """A tool that answers with words instead of JSON."""
    shown_values = [said(v) for v in values.values()]
    of = rng.choice(list(made.spoken.values()) or ["it"])
    if len(values) == 1:
        return rng.choice(("{v}", "{v}.", "It is {v}.", "The result is {v}.", "The answer for {of} is {v}.")).format(v=shown_values[0], of=of)
    joined = kinds.join_words(shown_values)
    named = ", ".join(f"{k}: {v}" for k, v in zip(values, shown_values))
    forms = ("{j}", named, "It is {j}.", "It is {j} in {of}.", "The weather in {of} is {j}.", "Result for {of}: {j}")
    return rng.choice(forms).format(j=joined, of=of)


def said(value) -> str:
    if isinstance(value, list):
        return kinds.join_words([str(v) for v in value])
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def observe(text: str) -> dict:
    return {"role": "tool", "content": text}


def call_turn(tools: list[Tool], rng, thinking: bool, held_out: bool = False, finish: bool = True) -> list[dict]:
    """One request, one to three calls, and the answer from their results."""
    tool = rng.choice(tools)
    requests = [request(tool, rng, held_out)]
    text = requests[0].text
    if rng.random() < 0.15:
        second = rng.choice(tools)
        requests.append(request(second, rng, held_out))
        text += rng.choice((" And then: ", " Also: ", " ")) + requests[1].text
    content = rng.choice(("Let me check that for you.", "One moment, please.", "I will do that now.")) if rng.random() < 0.12 else ""
    turn = [chat.user(text), call_message(requests, thinking, content)]
    if not finish:
        return turn
    by_name = {t.name: t for t in tools}
    outcomes = [result_of(by_name[r.name], r, rng) for r in requests]
    turn += [observe(o) for o, _ in outcomes]
    noted = "I have the result and tell the user." if len(outcomes) == 1 else "I have the results and tell the user."
    return turn + [chat.answer("\n".join(a for _, a in outcomes), noted if thinking else "")]


def both_cities(tools: list[Tool], rng, thinking: bool) -> list[dict]:
    """The same tool for two values, as in "the weather in Paris and in Rome"."""
    tool = make_tool(kinds.WRITTEN[0] if rng.random() < 0.6 else kinds.WRITTEN[2], rng)
    tools.append(tool)
    a, b = rng.sample(words.CITIES, 2)
    what = "weather" if "weather" in tool.kind.description else "time"
    text = rng.choice(("What is the {} in {} and in {}?", "Compare the {} in {} and {}.", "Tell me the {} in {} and {}.")).format(what, a, b)
    requests = [Request(text, tool, {tool.params[0]: c}, {0: c}) for c in (a, b)]
    outcomes = [result_of(tool, r, rng) for r in requests]
    turn = [chat.user(text), call_message(requests, thinking), *(observe(o) for o, _ in outcomes)]
    return turn + [chat.answer("\n".join(s for _, s in outcomes), "I have the results and tell the user." if thinking else "")]


def chained(tools: list[Tool], rng, thinking: bool) -> list[dict]:
    """A contact is looked up first; the email goes to the address that came back."""
    find = make_tool(next(k for k in kinds.WRITTEN if "find_contact" in k.names), rng)
    send = make_tool(next(k for k in kinds.WRITTEN if "send_email" in k.names), rng)
    tools += [find, send]
    name, subject = words.person(rng)[0], kinds.draw("phrase", rng).value
    address = kinds.draw("email", rng).value
    first = Request("", find, {find.params[0]: name}, {0: name})
    second = Request("", send, {send.params[0]: address, send.params[1]: subject}, {0: address})
    text = rng.choice((f"Look up {name} and send an email with the subject \"{subject}\".", f"Send {name} an email with the subject \"{subject}\"."))
    done = f"The email to {address}: the status is sent."
    return [
        chat.user(text), call_message([first], thinking), observe(dumps({"email": address})),
        call_message([second], thinking), observe(dumps({"status": "sent"})),
        chat.answer(done, "I have the result and tell the user." if thinking else ""),
    ]


def nothing_fits(tools: list[Tool], rng, thinking: bool) -> list[dict]:
    """A request for a tool that is not there, or talk that needs none."""
    if rng.random() < 0.5:
        messages = chat.turn(rng, thinking)
        for message in messages:
            if message.get("reasoning_content"):
                message["reasoning_content"] = "No tool is needed here. " + message["reasoning_content"]
        return messages
    present = {t.kind.description for t in tools}
    while (absent := make_tool(draw_kind(rng, False), rng)).kind.description in present:
        pass
    names = kinds.join_words([t.name for t in tools])
    content = f"I am sorry, I have no tool for that. I can use {names}."
    return [chat.user(request(absent, rng).text), chat.answer(content, f"I have {names}. None of them fits this." if thinking else "")]


def value_missing(tools: list[Tool], rng, thinking: bool) -> list[dict]:
    """A required value is not given: the model asks for it, and calls once it has it."""
    tool = rng.choice(tools)
    if not tool.kind.vague:
        return call_turn(tools, rng, thinking)
    missing = [n for n, p in zip(tool.params, tool.kind.params) if p.required]
    listed = kinds.join_words([f"the {n.replace('_', ' ')}" for n in missing])
    content = f"Please tell me {listed}."
    return [chat.user(rng.choice(tool.kind.vague)), chat.answer(content, f"{choice(tool)} But {listed} is missing." if thinking else "")]
