"""The official client, as SGLang's page for GLM-4.7-Flash uses it. The weights are random: what is
checked is the shape of what comes, and that what is streamed adds up."""

import json

import openai
import pytest

TOOLS = [{
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
}]


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="EMPTY", max_retries=0)


def test_streaming_chat_gives_reasoning_then_content(client):
    response = client.chat.completions.create(
        model="zai-org/GLM-4.7-Flash",
        messages=[{"role": "user", "content": "Solve this step by step: What is 15% of 240?"}],
        temperature=0.7, max_tokens=128, seed=1, stream=True)
    reasoning, content, reasons, roles = "", "", [], []
    for chunk in response:
        assert chunk.object == "chat.completion.chunk"
        assert chunk.model == "zai-org/GLM-4.7-Flash"
        delta = chunk.choices[0].delta
        if delta.role:
            roles.append(delta.role)
        if delta.reasoning_content:
            assert not content, "reasoning after content"
            reasoning += delta.reasoning_content
        if delta.content:
            content += delta.content
        if chunk.choices[0].finish_reason:
            reasons.append(chunk.choices[0].finish_reason)
    assert roles == ["assistant"]
    assert reasoning or content
    assert len(reasons) == 1 and reasons[0] in ("stop", "length")


def test_streaming_with_tools_accumulates_calls(client):
    response = client.chat.completions.create(
        model="zai-org/GLM-4.7-Flash",
        messages=[{"role": "user", "content": "What's the weather in Beijing?"}],
        tools=TOOLS, temperature=0.7, max_tokens=128, seed=2, stream=True)
    calls, text, chunks = {}, "", 0
    for chunk in response:
        chunks += 1
        delta = chunk.choices[0].delta
        text += (delta.reasoning_content or "") + (delta.content or "")
        for call in delta.tool_calls or []:
            known = calls.setdefault(call.index, {"name": "", "arguments": ""})
            if call.function.name:
                known["name"] += call.function.name
            known["arguments"] += call.function.arguments or ""
    assert chunks > 2 and (text or calls)


def test_the_turn_after_a_tool_call(client):
    response = client.chat.completions.create(
        model="zai-org/GLM-4.7-Flash",
        messages=[
            {"role": "user", "content": "What's the weather in Beijing?"},
            {"role": "assistant", "content": None, "tool_calls": [{
                "id": "call_123", "type": "function",
                "function": {"name": "get_weather",
                             "arguments": '{"location": "Beijing", "unit": "celsius"}'}}]},
            {"role": "tool", "tool_call_id": "call_123",
             "content": "The weather in Beijing is 22°C and sunny."},
        ],
        temperature=0.7, max_tokens=64, seed=3)
    message = response.choices[0].message
    assert response.object == "chat.completion"
    assert isinstance(message.content, str)
    assert message.role == "assistant"
    usage = response.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details.cached_tokens >= 0
    assert 0 <= usage.completion_tokens_details.reasoning_tokens <= usage.completion_tokens


def ask(client, **more):
    return client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Tell me of the sea."}], seed=11,
        max_tokens=48, **more)


def test_whole_and_streamed_are_the_same_answer(client):
    whole = ask(client).choices[0]
    reasoning, content = "", ""
    for chunk in ask(client, stream=True):
        reasoning += chunk.choices[0].delta.reasoning_content or ""
        content += chunk.choices[0].delta.content or ""
    assert content == whole.message.content
    assert reasoning == (whole.message.reasoning_content or "")


def test_the_usage_of_a_stream_comes_last(client):
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == ask(client).usage.completion_tokens
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_choices_differ_and_repeat_by_seed(client):
    first = [choice.message for choice in ask(client, n=3).choices]
    again = [choice.message for choice in ask(client, n=3).choices]
    assert len({m.content + (m.reasoning_content or "") for m in first}) == 3
    assert [m.content for m in first] == [m.content for m in again]


def test_logprobs(client):
    answer = ask(client, logprobs=True, top_logprobs=3)
    content = answer.choices[0].logprobs.content
    assert len(content) == answer.usage.completion_tokens
    for entry in content:
        assert entry.logprob <= 0 and len(entry.top_logprobs) == 3
        likely = [top.logprob for top in entry.top_logprobs]
        assert likely == sorted(likely, reverse=True)


def test_completions(client):
    request = dict(model="m", prompt="Once upon a time", max_tokens=24, seed=5)
    whole = client.completions.create(**request)
    assert whole.object == "text_completion"
    streamed = "".join(c.choices[0].text for c in client.completions.create(**request, stream=True))
    assert streamed == whole.choices[0].text
    echoed = client.completions.create(**request, echo=True)
    assert echoed.choices[0].text == "Once upon a time" + whole.choices[0].text


def test_a_stop_string_ends_the_text_before_it(client):
    request = dict(model="m", prompt="Once upon a time", max_tokens=48, seed=5)
    text = client.completions.create(**request).choices[0].text
    stop = next(text[i:i + 3] for i in range(8, len(text)) if "�" not in text[i:i + 3])
    choice = client.completions.create(**request, stop=[stop]).choices[0]
    assert choice.text == text[:text.index(stop)]
    assert choice.finish_reason == "stop" and choice.matched_stop == stop


def test_models(client):
    assert [m.id for m in client.models.list()] == ["glint-tiny"]
    assert client.models.retrieve("glint-tiny").owned_by == "sglang"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.models.retrieve("other")


def test_errors_reach_the_client_as_its_own(client):
    with pytest.raises(openai.BadRequestError, match="top_p") as error:
        ask(client, top_p=2)
    assert error.value.param == "top_p"
    with pytest.raises(openai.BadRequestError, match="longer than the model's context length"):
        client.completions.create(model="m", prompt="x " * 200000)
    with pytest.raises(openai.BadRequestError, match="top_p"):  # and not in a stream
        ask(client, top_p=2, stream=True)


def test_arguments_are_json(server):
    """The fragments of every call that a random model happens to make are JSON, if it is complete."""
    body = {"messages": [{"role": "user", "content": "Weather?"}], "tools": TOOLS, "n": 8,
            "max_tokens": 64, "seed": 4}
    for choice in server.post("/v1/chat/completions", body)["choices"]:
        for call in choice["message"]["tool_calls"] or []:
            json.loads(call["function"]["arguments"])
