"""The official client, as SGLang's page for GLM-4.7-Flash uses it. The weights are random: what is
checked is the shape of what comes, and that what is streamed adds up."""

import asyncio
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


def test_a_stop_regex_ends_the_text_with_its_match(client):
    request = dict(model="m", prompt="Once upon a time", max_tokens=48, seed=5)
    text = client.completions.create(**request).choices[0].text
    stop = next(text[i:i + 3] for i in range(8, len(text)) if text[i:i + 3].isalnum() and text[i:i + 3].isascii())
    pattern = f"[{stop[0]}]{stop[1:]}"
    choice = client.completions.create(**request, extra_body={"stop_regex": [pattern]}).choices[0]
    assert choice.text == text[:text.index(stop) + 3]
    assert choice.finish_reason == "stop" and choice.matched_stop == pattern
    with pytest.raises(openai.BadRequestError, match="RE2 cannot compile") as error:
        ask(client, extra_body={"stop_regex": "a(?=b)"})
    assert error.value.param == "stop_regex"


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


# ---- log-probabilities of prompts, and the best of several answers ------------------------------


def test_an_echoed_answer_has_the_logprobs_it_was_given_with(client):
    """One arithmetic on the CPU: scored as a prompt, tokens have the bits that they had when they were generated."""
    request = dict(model="m", temperature=0, max_tokens=12, logprobs=2)
    answer = client.completions.create(prompt="Once upon", extra_body={"return_token_ids": True}, **request)
    choice = answer.choices[0]
    ids = choice.prompt_token_ids + choice.token_ids
    scored = client.completions.create(model="m", prompt=[ids], max_tokens=0, echo=True, logprobs=2, temperature=0)
    logprobs = scored.choices[0].logprobs
    assert len(logprobs.tokens) == len(ids) and logprobs.token_logprobs[0] is None
    begin = len(choice.prompt_token_ids)
    assert logprobs.token_logprobs[begin:] == choice.logprobs.token_logprobs
    assert logprobs.top_logprobs[begin:] == choice.logprobs.top_logprobs
    assert scored.usage.completion_tokens == 0 and scored.usage.prompt_tokens == len(ids)


def test_echo_agrees_with_the_native_endpoint(client, server):
    ids = [3, 14, 15, 92, 65, 35]
    native = server.post("/generate", {"input_ids": ids, "return_logprob": True, "logprob_start_len": 0,
                                       "sampling_params": {"max_new_tokens": 0}})
    echoed = client.completions.create(model="m", prompt=ids, max_tokens=1, echo=True, logprobs=0)
    assert echoed.choices[0].logprobs.token_logprobs[:len(ids)] == [
        entry[0] for entry in native["meta_info"]["input_token_logprobs"]]


def test_a_chats_prompt_logprobs_agree_with_the_native_endpoint(client, server):
    answer = ask(client, extra_body={"prompt_logprobs": 1, "return_prompt_token_ids": True})
    ids, scores = answer.prompt_token_ids, answer.prompt_logprobs
    native = server.post("/generate", {"input_ids": ids, "return_logprob": True, "logprob_start_len": 0,
                                       "top_logprobs_num": 1, "sampling_params": {"max_new_tokens": 0}})["meta_info"]
    assert len(scores) == len(ids) and scores[0] is None
    assert [entry[str(id_)]["logprob"] for id_, entry in zip(ids[1:], scores[1:])] == [
        entry[0] for entry in native["input_token_logprobs"][1:]]
    assert [[entry[str(id_)]["logprob"], id_, None] for entry, ((_, id_, _),) in zip(
        scores[1:], native["input_top_logprobs"][1:])] == [top for top, in native["input_top_logprobs"][1:]]


def test_the_best_of_several_is_the_likeliest(client):
    request = dict(model="m", prompt="The sea", max_tokens=10, seed=21, temperature=1.5)
    several = client.completions.create(n=5, logprobs=0, **request).choices
    means = [sum(c.logprobs.token_logprobs) / len(c.logprobs.token_logprobs) for c in several]
    order = sorted(range(5), key=lambda i: -means[i])
    best = client.completions.create(n=2, best_of=5, **request)
    assert [c.text for c in best.choices] == [several[i].text for i in order[:2]]
    assert [c.index for c in best.choices] == [0, 1]


def test_an_id_without_a_token_does_not_stop_the_server(client, server):
    vocab_size = json.loads((server.model_folder / "config.json").read_text())["vocab_size"]
    with pytest.raises(openai.BadRequestError, match="stands for no token"):
        client.completions.create(model="m", prompt=[5, vocab_size - 1], echo=True, logprobs=0, max_tokens=0)
    assert client.models.list()


# ---- what is forced, on weights that would never do it by themselves -----------------------------


def with_names(*names):
    return [{"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
            for name in names]


def called(chunks):
    """The names of a stream's calls: it shows those that the limit cuts off, too."""
    found = {call.function.name for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []
             if call.function.name}
    assert found, "even a random model must have opened a call"
    return found


def test_a_forced_call_names_one_of_the_tools(client):
    names, seen = {"search", "search_all", "seek", "time"}, set()
    for seed in range(8):
        chunks = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}], tools=with_names(*sorted(names)),
            tool_choice="required", max_tokens=60, seed=seed, temperature=2, stream=True,
            extra_body={"thinking_budget": seed})
        seen |= called(chunks)
    assert seen <= names and len(seen) > 1


def test_a_named_call_is_of_that_tool(client):
    chunks = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hi"}], tools=with_names("search", "search_all"),
        tool_choice={"type": "function", "function": {"name": "search_all"}}, max_tokens=60, seed=1, temperature=2,
        stream=True, extra_body={"chat_template_kwargs": {"enable_thinking": False}})
    assert called(chunks) == {"search_all"}


def test_a_forced_call_wants_its_tool(client):
    ask = dict(model="m", messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(openai.BadRequestError, match="there are no tools"):
        client.chat.completions.create(tool_choice="required", **ask)
    with pytest.raises(openai.BadRequestError, match="none of the 1 tools"):
        client.chat.completions.create(
            tools=TOOLS, tool_choice={"type": "function", "function": {"name": "other"}}, stream=True, **ask)


def test_thinking_keeps_to_its_limits(client):
    for limits, expected in [({"thinking_budget": 5}, 6), ({"answer_reserve": 30}, 10),
                             ({"reasoning": {"max_tokens": 0}}, 1)]:
        answer = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}], max_tokens=40, seed=3, extra_body=limits)
        assert answer.usage.completion_tokens_details.reasoning_tokens <= expected  # </think> counts


def test_a_repetition_ends_the_answer(client):
    answer = client.completions.create(
        model="m", prompt="Hi", max_tokens=64, logit_bias={"40": 100}, temperature=0,
        extra_body={"repetition_detection": {"max_pattern_size": 4, "min_pattern_size": 1, "min_count": 5}})
    assert answer.usage.completion_tokens == 5
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].stop_reason == "repetition_detected"


# ---- the client's own helpers ---------------------------------------------------------------------


def test_the_streaming_helper_adds_up(client):
    """client.chat.completions.stream() checks each chunk against its types and puts the answer together."""
    request = dict(model="m", messages=[{"role": "user", "content": "Tell me of the sea."}], seed=11, max_tokens=48)
    with client.chat.completions.stream(**request, stream_options={"include_usage": True}) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        final = stream.get_final_completion()
    whole = client.chat.completions.create(**request)
    assert text == final.choices[0].message.content == whole.choices[0].message.content
    assert final.usage.completion_tokens == whole.usage.completion_tokens


def test_raw_and_async_clients(client, server):
    raw = client.chat.completions.with_raw_response.create(
        model="m", messages=[{"role": "user", "content": "Hi"}], max_tokens=4)
    assert raw.status_code == 200 and raw.parse().object == "chat.completion"

    async def ask_many():
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="EMPTY", max_retries=0) as many:
            answers = [many.chat.completions.create(model="m", messages=[{"role": "user", "content": str(i)}],
                                                    max_tokens=4) for i in range(8)]
            return await asyncio.gather(*answers)

    assert len(asyncio.run(ask_many())) == 8


def test_grammars_are_refused_by_name(client):
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    for more in [{"response_format": {"type": "json_object"}}, {"response_format": schema},
                 {"extra_body": {"regex": "a+"}}, {"extra_body": {"guided_choice": ["a"]}},
                 {"extra_body": {"guided_json": {}}}, {"extra_body": {"structured_outputs": {"regex": "a"}}}]:
        with pytest.raises(openai.BadRequestError, match="not available yet") as error:
            ask(client, **more)
        assert error.value.param in ("response_format", "regex", "guided_choice", "guided_json", "structured_outputs")
