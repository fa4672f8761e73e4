"""The chat format of GLM-4.7, as pieces of text with their part in the loss.

The text equals what the official chat template gives (renderer_test.py compares them where that file is at hand).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

CONTEXT, LEARNED, DROPPED = "context", "learned", "dropped"  # DROPPED: an answer whose reasoning is no longer shown

_TOOLS_HEAD = (
    "\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
)
_TOOLS_TAIL = (
    "</tools>\n\nFor each function call, output the function name and arguments within the following XML format:\n"
    "<tool_call>{function-name}<arg_key>{arg-key-1}</arg_key><arg_value>{arg-value-1}</arg_value>"
    "<arg_key>{arg-key-2}</arg_key><arg_value>{arg-value-2}</arg_value>...</tool_call>"
)


def dumps(value) -> str:
    return json.dumps(value, ensure_ascii=False)


def tool_call(name: str, arguments: dict) -> str:
    pairs = (
        f"<arg_key>{k}</arg_key><arg_value>{v if isinstance(v, str) else dumps(v)}</arg_value>" for k, v in arguments.items()
    )
    return f"<tool_call>{name}{''.join(pairs)}</tool_call>"


def pieces(messages: list[dict], tools: list[dict] = (), clear_thinking: bool = True) -> Iterator[tuple[str, str]]:
    """(text, part in the loss) of a whole dialogue. The role token after an answer is learned: it ends the answer."""
    last_user = max((i for i, m in enumerate(messages) if m["role"] == "user"), default=-1)
    yield "[gMASK]<sop>", CONTEXT
    if tools:
        lines = "".join(dumps(tool) + "\n" for tool in tools)
        yield "<|system|>" + _TOOLS_HEAD + lines + _TOOLS_TAIL, CONTEXT
    for i, message in enumerate(messages):
        previous = messages[i - 1]["role"] if i else None
        if message["role"] == "assistant":
            yield from _assistant(message, keep=not clear_thinking or i > last_user)
        else:
            yield from _other(message, previous)


def _other(message: dict, previous: str | None) -> Iterator[tuple[str, str]]:
    opener = {"user": "<|user|>", "system": "<|system|>", "tool": "<|observation|>"}[message["role"]]
    if message["role"] != "tool":
        yield opener, LEARNED if previous == "assistant" and opener == "<|user|>" else CONTEXT
        yield message["content"], CONTEXT
        return
    if previous != "tool":
        yield opener, LEARNED
    yield f"<tool_response>{message['content']}</tool_response>", CONTEXT


def _assistant(message: dict, keep: bool) -> Iterator[tuple[str, str]]:
    reasoning, content = message.get("reasoning_content", ""), message.get("content", "").strip()
    needs_reasoning = reasoning and not message.get("tool_calls")  # a call is the same without it
    part = DROPPED if message.get("unlearned") or (needs_reasoning and not keep) else LEARNED
    if reasoning and keep:
        yield "<|assistant|><think>", CONTEXT
        yield reasoning.strip() + "</think>", LEARNED
    else:
        yield "<|assistant|></think>", CONTEXT
    calls = (tool_call(c["name"], c["arguments"]) for c in message.get("tool_calls", ()))
    yield content + "".join(calls), part


def prompt(messages: list[dict], tools: list[dict] = (), enable_thinking: bool = True, clear_thinking: bool = True) -> str:
    """The text that a server hands to the model for this request."""
    text = "".join(text for text, _ in pieces(messages, tools, clear_thinking))
    return text + "<|assistant|>" + ("<think>" if enable_thinking else "</think>")
