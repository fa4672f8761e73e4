"""Conversations from a seed, of everything that a client might send and a bit more."""

import random
import struct
import unicodedata

TAGS = ["[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>", "<think>",
        "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<arg_key>",
        "</arg_key>", "<arg_value>", "</arg_value>", "<|endoftext|>", "/nothink", "<tools>"]
SPACES = [" ", "\n", "\t", "\r", "\x0b", "\x0c", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u2003",
          "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u200b", "\ufeff"]
WORDS = ["hi", "北京", "Ünïcödé", "naïve", "'", '"', "it's", 'say "x"', "\\", "\\n", "{{ x }}", "{% if %}",
         "{# #}", "&<>", "\0", "\x01", "\x7f", "\x9f", "\xad", "e\u0301", "\u0928\u093f", "😀", "👩\u200d👩",
         "\U000e0041", "\uffff", "\ue000", "\U00050000", "\U0010ffff", "𝒳", "1", "null", "None", "</", "<"]
OLD = unicodedata.ucd_3_2_0  # its characters are assigned in every Python's Unicode


def text(r):
    """Words, tags, blanks and single characters, in any order; often with blanks at the ends."""
    pieces = []
    for _ in range(r.choice([0, 1, 1, 2, 3, 5, 8])):
        kind = r.random()
        if kind < 0.4:
            pieces.append(r.choice(WORDS))
        elif kind < 0.6:
            pieces.append(r.choice(SPACES) * r.choice([1, 1, 2]))
        elif kind < 0.75:
            pieces.append(r.choice(TAGS))
        elif kind < 0.9:
            pieces.append("".join(r.choice("abcxyz -_.,:;0123456789") for _ in range(r.randrange(12))))
        else:
            pieces.append(character(r))
    return "".join(pieces)


def character(r):
    while True:
        code = r.choice([r.randrange(0x250), r.randrange(0x3000), r.randrange(0x10000),
                         r.randrange(0x30000)])
        if OLD.category(chr(code)) not in ("Cn", "Cs"):
            return chr(code)


def number(r):
    kind = r.randrange(8)
    if kind == 0:
        return r.choice([0, 1, -1, 42, 2**63 - 1, -2**63, 2**63, 2**64 - 1, 2**64, -2**63 - 1])
    if kind == 1:
        return r.choice([-1, 1]) * r.randrange(10**29, 10**30)
    if kind == 2:
        return r.randrange(-1000, 1000)
    if kind == 3:
        return r.choice([0.0, -0.0, 1.0, 1e15, 1e16, 1e-4, 1e-5, 1e22, 1e23, 123456789.125, 1e300, 5e-324])
    if kind == 4:
        return r.random()
    return double(r)


def double(r):
    """Any finite double, all exponents alike."""
    while True:
        value = struct.unpack("<d", r.randbytes(8))[0]
        if abs(value) < float("inf"):
            return value


def value(r, depth=0):
    kind = r.randrange(8 if depth < 3 else 5)
    if kind == 0:
        return None
    if kind == 1:
        return r.random() < 0.5
    if kind == 2:
        return number(r)
    if kind in (3, 4):
        return text(r)
    if kind in (5, 6):
        return [value(r, depth + 1) for _ in range(r.randrange(4))]
    return mapping(r, depth + 1)


def mapping(r, depth=0):
    return {text(r) or r.choice(["k", ""]): value(r, depth) for _ in range(r.randrange(4))}


def part(r):
    kind = r.randrange(7)
    if kind < 3:
        return {"type": "text", "text": text(r)}
    if kind == 3:
        return text(r)
    if kind == 4:
        return {"type": "image_url", "image_url": {"url": "data:,"}}
    if kind == 5:
        return r.choice([{"type": "text"}, {"text": "untyped"}, {"type": "text", "text": value(r)}])
    return value(r)


def content(r):
    kind = r.random()
    if kind < 0.6:
        return text(r)
    if kind < 0.85:
        return [part(r) for _ in range(r.randrange(4))]
    return value(r)


def tool(r):
    parameters = {"type": "object",
                  "properties": {name: {"type": r.choice(["string", "integer", ["string", "null"]]),
                                        "description": text(r), "default": value(r)}
                                 for name in r.sample(["city", "days", "größe", "x"], r.randrange(1, 4))}}
    function = {"name": r.choice(["get_weather", "now", "calc"]), "description": text(r),
                "parameters": parameters}
    return r.choice([{"type": "function", "function": function}, function, value(r)])


def tool_call(r):
    call = {"name": r.choice(["get_weather", "now", text(r)]), "arguments": mapping(r)}
    if r.random() < 0.02:
        call["arguments"] = r.choice(["{}", None, [], 3])
    if r.random() < 0.02:
        del call["arguments"]
    return {"id": "call_1", "type": "function", "function": call} if r.random() < 0.7 else call


def with_reasoning(r):
    return text(r) + r.choice(["<think>", ""]) + text(r) + "</think>" + text(r)


def message(r):
    role = r.choice(["user", "user", "assistant", "assistant", "assistant", "tool", "tool", "system",
                     "developer", "", "User"])
    made = {"role": role, "content": content(r)}
    if role == "assistant":
        if r.random() < 0.4:
            made["reasoning_content"] = text(r) if r.random() < 0.9 else value(r)
        elif r.random() < 0.3:
            made["content"] = with_reasoning(r)
        if r.random() < 0.5:
            made["tool_calls"] = [tool_call(r) for _ in range(r.randrange(4))]
    if role == "tool" and r.random() < 0.4:
        made["content"] = r.choice([[{"output": value(r)}, value(r)], [text(r)], mapping(r), []])
    if r.random() < 0.05:
        del made["content"]
    return made


def conversation(r):
    made = {"messages": [message(r) for _ in range(r.choice([0, 1, 1, 2, 3, 4, 6, 10]))], "options": {}}
    if r.random() < 0.4:
        made["tools"] = [tool(r) for _ in range(r.randrange(4))]
    for flag in ("add_generation_prompt", "enable_thinking", "clear_thinking"):
        if r.random() < 0.6:
            made["options"][flag] = r.choice([True, True, False, False, None])
    return made


def conversations(seed, count):
    r = random.Random(seed)
    return [conversation(r) for _ in range(count)]
