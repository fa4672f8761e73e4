"""The bundled model behind the official client: it was trained, so what it says is checked, not only its shape. No text of it is
pinned: another training says the same in other words. Single slips of so small a model are allowed for by counting."""

import json
import re

import openai
import pytest

from conftest import Server

GET_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather for a location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "The city name"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["location"],
        },
    },
}


def tool(name, description, required, **properties):
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function",
            "function": {"name": name, "description": description, "parameters": parameters}}


GET_TIME = tool("get_time", "Get the current local time in a city", ["city"],
                city={"type": "string", "description": "The city"})
CONVERT = tool("convert_currency", "Convert an amount from one currency to another",
               ["amount", "from_currency", "to_currency"],
               amount={"type": "number", "description": "The amount of money"},
               from_currency={"type": "string", "description": "Currency to convert from"},
               to_currency={"type": "string", "description": "Currency to convert to"})
SET_TIMER = tool("set_timer", "Start a timer", ["minutes"],
                 minutes={"type": "integer", "description": "Length in minutes"})
SEND_MESSAGE = tool("send_message", "Send a text message to a contact", ["contact", "message"],
                    contact={"type": "string", "description": "Who gets the message"},
                    message={"type": "string", "description": "The message"})
ALL = [GET_WEATHER, GET_TIME, CONVERT, SET_TIMER, SEND_MESSAGE]


def openai_client(server):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="EMPTY", max_retries=0)


@pytest.fixture(scope="module")
def client(bundled):
    return openai_client(bundled)


def user(text):
    return {"role": "user", "content": text}


def calls_of(tool_calls):
    """[(name, arguments)], the arguments parsed."""
    return [(call.function.name, json.loads(call.function.arguments)) for call in tool_calls or []]


def read_stream(chunks):
    """What the pieces add up to: reasoning, content, [(name, arguments)], and why it ended."""
    reasoning, content, calls, reason = "", "", {}, None
    for chunk in chunks:
        choice = chunk.choices[0]
        if choice.delta.reasoning_content:
            assert not content and not calls, "reasoning after the answer began"
            reasoning += choice.delta.reasoning_content
        content += choice.delta.content or ""
        for call in choice.delta.tool_calls or []:
            known = calls.setdefault(call.index, {"name": "", "arguments": ""})
            known["name"] += call.function.name or ""
            known["arguments"] += call.function.arguments or ""
        reason = choice.finish_reason or reason
    return reasoning, content, [(c["name"], json.loads(c["arguments"])) for c in calls.values()], reason


def ask(client, messages, thinking=True, **more):
    """A greedy answer, whole and streamed, which must be the same: reasoning, content and calls."""
    if not thinking:
        more["extra_body"] = {"chat_template_kwargs": {"enable_thinking": False}}
    request = dict(model="glint-small", messages=messages, temperature=0, max_tokens=1024, **more)
    choice = client.chat.completions.create(**request).choices[0]
    message = choice.message
    whole = (message.reasoning_content or "", message.content or "", calls_of(message.tool_calls),
             choice.finish_reason)
    assert read_stream(client.chat.completions.create(**request, stream=True)) == whole
    assert bool(whole[0]) == thinking, whole
    assert whole[3] == ("tool_calls" if whole[2] else "stop"), whole
    for mark in ("<think>", "</think>", "<tool_call>", "<arg_key>", "<|"):
        assert mark not in whole[0] + whole[1], whole
    return whole[:3]


def numbers(text):
    return re.findall(r"\d+(?:\.\d+)?", text.replace(",", ""))


# ---- the examples of SGLang's page for GLM-4.7-Flash, with its settings -----------------------


@pytest.fixture
def page(tmp_path):
    """A client of a server whose random numbers are fixed, because the page samples."""
    server = Server(tmp_path / "stderr.log", "--port", 0, "--device", "cpu", "--random-seed", 7)
    yield openai_client(server)
    assert server.stop() == 0, server.stderr()


def test_page_reasoning(page):
    response = page.chat.completions.create(
        model="zai-org/GLM-4.7-Flash",
        messages=[user("Solve this problem step by step: What is 15% of 240?")],
        temperature=0.7, max_tokens=2048, stream=True)
    reasoning, content, calls, reason = read_stream(response)
    assert "240" in reasoning and "36" in numbers(reasoning)
    assert numbers(content)[-1] == "36" and "</think>" not in content
    assert not calls and reason == "stop"


def test_page_tool_call(page):
    response = page.chat.completions.create(
        model="zai-org/GLM-4.7-Flash", messages=[user("What's the weather in Beijing?")],
        tools=[GET_WEATHER], temperature=0.7, max_tokens=2048, stream=True)
    reasoning, _, calls, reason = read_stream(response)
    assert "Beijing" in reasoning
    assert [name for name, _ in calls] == ["get_weather"]
    assert calls[0][1]["location"] == "Beijing"
    assert reason == "tool_calls"


def test_page_after_the_tool_result(page):
    response = page.chat.completions.create(
        model="zai-org/GLM-4.7-Flash",
        messages=[
            user("What's the weather in Beijing?"),
            {"role": "assistant", "content": None, "tool_calls": [{
                "id": "call_123", "type": "function",
                "function": {"name": "get_weather",
                             "arguments": '{"location": "Beijing", "unit": "celsius"}'}}]},
            {"role": "tool", "tool_call_id": "call_123",
             "content": "The weather in Beijing is 22°C and sunny."},
        ],
        temperature=0.7, max_tokens=2048)
    choice = response.choices[0]
    assert "22" in numbers(choice.message.content) and "sunny" in choice.message.content
    assert choice.finish_reason == "stop"


# ---- others of their kind ---------------------------------------------------------------------

PERCENTAGES = [(20, 150, 30), (25, 80, 20), (30, 420, 126), (5, 640, 32),
               (12, 350, 42), (45, 200, 90), (8, 175, 14), (60, 95, 57)]


@pytest.mark.parametrize("thinking", [True, False])
def test_percentages(client, thinking):
    wrong = []
    for percent, of, result in PERCENTAGES:
        question = f"Solve this problem step by step: What is {percent}% of {of}?"
        reasoning, content, calls = ask(client, [user(question)], thinking)
        if calls or (numbers(content) or [""])[-1] != str(result):
            wrong.append((question, reasoning, content))
    assert len(wrong) <= 1, wrong


WISHES = [
    ("What's the weather in Paris?", [GET_WEATHER], "get_weather", {"location": "Paris"}),
    ("What's the weather in Cairo?", ALL, "get_weather", {"location": "Cairo"}),
    ("How is the weather in Lima today?", [GET_WEATHER], "get_weather", {"location": "Lima"}),
    ("What's the weather in Tokyo? Use fahrenheit.", [GET_WEATHER], "get_weather",
     {"location": "Tokyo", "unit": "fahrenheit"}),
    ("What time is it in Nairobi?", ALL, "get_time", {"city": "Nairobi"}),
    ("Convert 250 USD to EUR.", ALL, "convert_currency",
     {"amount": 250, "from_currency": "USD", "to_currency": "EUR"}),
    ("How much is 75 GBP in JPY?", [CONVERT], "convert_currency",
     {"amount": 75, "from_currency": "GBP", "to_currency": "JPY"}),
    ("Set a timer for 25 minutes.", ALL, "set_timer", {"minutes": 25}),
    ("Start a 40 minute timer.", [SET_TIMER, GET_TIME], "set_timer", {"minutes": 40}),
    ('Send Maria the message "the train is late".', ALL, "send_message",
     {"contact": "Maria", "message": "the train is late"}),
]


@pytest.mark.parametrize("thinking", [True, False])
def test_tools_are_chosen_and_called(client, thinking):
    """The right tool with the right arguments of the right types: a number is no text."""
    wrong = []
    for wish, tools, name, arguments in WISHES:
        reasoning, _, calls = ask(client, [user(wish)], thinking, tools=tools)
        if calls != [(name, arguments)]:
            wrong.append((wish, reasoning, calls))
    assert len(wrong) <= 1, wrong


def test_no_tool_is_called_where_none_fits(client):
    for wish in ("Set a timer for 25 minutes.", "Convert 250 USD to EUR."):
        _, content, calls = ask(client, [user(wish)], tools=[GET_WEATHER])
        assert not calls and content


def test_a_tool_that_may_not_be_called_is_not(client):
    choice = client.chat.completions.create(
        model="m", messages=[user("What's the weather in Paris?")], tools=[GET_WEATHER],
        tool_choice="none", temperature=0, max_tokens=256).choices[0]
    assert not choice.message.tool_calls and choice.finish_reason == "stop" and choice.message.content


@pytest.mark.parametrize("thinking", [True, False])
def test_what_needs_a_tool_that_it_is_not_shown_is_said_to_be_impossible(client, thinking):
    for wish in ("What's the weather in Paris?", "What time is it in Tokyo?", "Book a table for two at Luigi's."):
        choice = client.chat.completions.create(
            model="m", messages=[user(wish)], temperature=0, max_tokens=256,
            extra_body={"chat_template_kwargs": {"enable_thinking": thinking}}).choices[0]
        assert choice.finish_reason == "stop" and not choice.message.tool_calls
        assert "tool" in choice.message.content, choice.message.content


RESULTS = [
    ("What's the weather in Oslo?", [GET_WEATHER], '{"temperature": -3, "condition": "snowy"}', ("-3", "snowy")),
    ("What's the weather in Madrid?", [GET_WEATHER], "The weather in Madrid is 31°C and clear.", ("31", "clear")),
    ("What time is it in Nairobi?", [GET_TIME], '{"time": "18:45"}', ("18:45",)),
    ("Set a timer for 25 minutes.", [SET_TIMER, GET_TIME], '{"status": "ok"}', ("25",)),
]


def test_from_the_wish_to_the_call_to_the_answer(client):
    """Two turns each, the second with what the first gave: as an agent goes on."""
    wrong = []
    for wish, tools, result, said in RESULTS:
        reasoning, content, calls = ask(client, [user(wish)], tools=tools)
        assert len(calls) == 1, (wish, reasoning, calls)
        function = {"name": calls[0][0], "arguments": json.dumps(calls[0][1])}
        messages = [
            user(wish),
            {"role": "assistant", "content": content, "reasoning_content": reasoning,
             "tool_calls": [{"id": "call_1", "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": "call_1", "content": result},
        ]
        _, answer, more = ask(client, messages, tools=tools)
        if more or not all(part in answer for part in said):
            wrong.append((wish, answer, more))
    assert len(wrong) <= 1, wrong


def test_what_was_said_before_is_known(client):
    messages = [user("My name is Clara.")]
    _, hello, _ = ask(client, messages)
    messages += [{"role": "assistant", "content": hello}, user("What is my name?")]
    _, answer, _ = ask(client, messages)
    assert "Clara" in answer


def test_a_limit_inside_the_reasoning_leaves_no_content(client):
    choice = client.chat.completions.create(
        model="m", messages=[user("What is 15% of 240?")], temperature=0, max_tokens=8).choices[0]
    assert choice.finish_reason == "length"
    assert choice.message.reasoning_content and not choice.message.content


def test_its_name(client, bundled):
    assert [model.id for model in client.models.list()] == ["glint-small"]
    assert "the bundled one" in bundled.stderr()
