"""Anthropic's official client, before the bundled model, which thinks and calls tools, and before random weights, where only
the shape of what comes and that it adds up are checked."""

import http.client
import json

import anthropic
import pytest

GET_WEATHER = {
    "name": "get_weather",
    "description": "Get the current weather for a location",
    "input_schema": {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city name"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["location"],
    },
}
GET_TIME = {
    "name": "get_time",
    "description": "Get the current local time in a city",
    "input_schema": {"type": "object",
                     "properties": {"city": {"type": "string", "description": "The city"}},
                     "required": ["city"]},
}
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]
GREEDY = {"temperature": 0}


def client_of(server):
    return anthropic.Anthropic(base_url=server.url, api_key="any", max_retries=0)


@pytest.fixture(scope="module")
def client(bundled):
    return client_of(bundled)


@pytest.fixture
def tiny(server):
    return client_of(server)


def ask(client, messages, **more):
    more.setdefault("extra_body", GREEDY)
    return client.messages.create(model="glm-4.7-flash", max_tokens=1024, messages=messages, **more)


def said(message):
    """The blocks without what is new in every answer: ids and signatures."""
    said_by = {"thinking": lambda b: b.thinking, "text": lambda b: b.text, "tool_use": lambda b: (b.name, b.input)}
    return [said_by[b.type](b) for b in message.content]


def block(message, kind):
    [found] = [b for b in message.content if b.type == kind]
    return found


def test_a_stream_builds_the_message_that_comes_whole(client):
    whole = ask(client, QUESTION, tools=[GET_WEATHER])
    with client.messages.stream(model="m", max_tokens=1024, messages=QUESTION, tools=[GET_WEATHER],
                                extra_body=GREEDY) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_message()
    assert said(streamed) == said(whole)
    assert whole.content[0].type == "thinking" and whole.content[-1].type == "tool_use"
    assert block(streamed, "thinking").signature
    assert streamed.stop_reason == whole.stop_reason == "tool_use"
    assert whole.model == "glm-4.7-flash" and whole.role == "assistant" and whole.type == "message"
    assert {"thinking", "signature", "input_json"} <= set(kinds)  # the client's own events
    usage = streamed.usage
    assert usage.output_tokens == whole.usage.output_tokens
    assert usage.input_tokens + usage.cache_read_input_tokens == whole.usage.input_tokens + whole.usage.cache_read_input_tokens
    assert 0 < usage.output_tokens_details.thinking_tokens < usage.output_tokens


def test_events_come_in_order_one_block_at_a_time(client):
    open_block, kinds = None, []
    for event in client.messages.create(model="m", max_tokens=1024, messages=QUESTION, tools=[GET_WEATHER], stream=True,
                                        extra_body=GREEDY):
        kinds.append(event.type)
        if event.type == "content_block_start":
            assert open_block is None and event.index == kinds.count("content_block_start") - 1
            open_block = event.index
        elif event.type == "content_block_delta":
            assert event.index == open_block
        elif event.type == "content_block_stop":
            assert event.index == open_block
            open_block = None
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]
    assert open_block is None and kinds.count("content_block_start") >= 2


def tool_results(message, text):
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": b.id, "content": text}
                                        for b in message.content if b.type == "tool_use"]}


def test_a_tool_loop_finds_its_last_turn_in_the_prefix_cache(start_bundled):
    client = client_of(start_bundled())
    first = ask(client, QUESTION, tools=[GET_WEATHER], thinking={"type": "enabled", "budget_tokens": 1024})
    call = block(first, "tool_use")
    assert (call.name, call.input["location"]) == ("get_weather", "Paris")
    assert first.usage.cache_read_input_tokens == 0
    messages = QUESTION + [{"role": "assistant", "content": first.content},
                           tool_results(first, "It is 22 degrees and sunny in Paris.")]
    second = ask(client, messages, tools=[GET_WEATHER], thinking={"type": "enabled", "budget_tokens": 1024})
    assert second.stop_reason == "end_turn" and "22" in block(second, "text").text
    # Whole pages of 64 tokens, of the prompt and of what the model said to it.
    known = first.usage.input_tokens + first.usage.output_tokens - 2
    assert second.usage.cache_read_input_tokens == known // 64 * 64
    third = ask(client, messages + [{"role": "assistant", "content": second.content},
                                    {"role": "user", "content": "And in Rome?"}], tools=[GET_WEATHER])
    assert third.usage.cache_read_input_tokens >= second.usage.cache_read_input_tokens


def test_the_clients_own_tool_loop(client):
    asked = []

    @anthropic.beta_tool
    def get_weather(location: str) -> str:
        """Get the current weather for a location

        Args:
            location: The city name
        """
        asked.append(location)
        return "It is 22 degrees and sunny in Paris."

    runner = client.beta.messages.tool_runner(model="m", max_tokens=1024, messages=QUESTION, tools=[get_weather],
                                              extra_body=GREEDY)
    last = runner.until_done()
    assert asked == ["Paris"]
    assert "22" in last.content[-1].text


@pytest.mark.parametrize("thinking", ["adaptive", "disabled"])
def test_a_forced_choice_calls_a_tool(client, thinking):
    options = dict(tools=[GET_WEATHER, GET_TIME], thinking={"type": thinking})
    some = ask(client, QUESTION, tool_choice={"type": "any"}, **options)
    assert some.stop_reason == "tool_use"
    for tool in (GET_WEATHER, GET_TIME):  # also the one that the question does not suggest
        named = ask(client, QUESTION, tool_choice={"type": "tool", "name": tool["name"]}, **options)
        assert named.stop_reason == "tool_use"
        assert [b.name for b in named.content if b.type == "tool_use"] == [tool["name"]]
    none = ask(client, QUESTION, tool_choice={"type": "none"}, **options)
    assert none.stop_reason == "end_turn" and not [b for b in none.content if b.type == "tool_use"]


def test_thinking_is_on_off_or_as_long_as_its_budget(client):
    question = [{"role": "user", "content": "Tom has 3 apples and buys 4 more. How many apples does he have?"}]
    free = ask(client, question)
    assert len(block(free, "thinking").thinking) > 20
    assert [b.type for b in ask(client, question, thinking={"type": "disabled"}).content] == ["text"]
    budget = free.usage.output_tokens_details.thinking_tokens // 2
    short = ask(client, question, thinking={"type": "enabled", "budget_tokens": budget})
    assert short.usage.output_tokens_details.thinking_tokens == budget + 1  # and </think>
    assert block(free, "thinking").thinking.startswith(block(short, "thinking").thinking)
    assert block(short, "text").text


def test_why_an_answer_ended(client):
    count = [{"role": "user", "content": "Hello!"}]
    off = {"type": "disabled"}
    text = block(ask(client, count, thinking=off), "text").text
    word = text.split()[1]
    stopped = ask(client, count, thinking=off, stop_sequences=[word])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", word)
    assert block(stopped, "text").text == text[:text.index(word)]
    cut = client.messages.create(model="m", max_tokens=2, messages=count)
    assert cut.stop_reason == "max_tokens" and cut.usage.output_tokens == 2


def test_an_answer_that_the_client_began_is_continued(client):
    hello = [{"role": "user", "content": "Hello!"}]
    text = block(ask(client, hello, thinking={"type": "disabled"}), "text").text
    rest = ask(client, hello + [{"role": "assistant", "content": text[:5]}])
    assert [b.type for b in rest.content] == ["text"]
    assert text[:5] + rest.content[0].text == text


def test_count_tokens_is_what_the_prompt_takes(client):
    options = dict(messages=QUESTION, system="Answer briefly.", tools=[GET_WEATHER])
    counted = client.messages.count_tokens(model="m", **options).input_tokens
    usage = client.messages.create(model="m", max_tokens=1, **options).usage
    assert counted == usage.input_tokens + usage.cache_read_input_tokens
    assert counted > client.messages.count_tokens(model="m", messages=QUESTION).input_tokens


def billed_system(nonce):
    return [{"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1.0; cc_entrypoint=cli; cch={nonce};"},
            {"type": "text", "text": "You are Claude Code. " * 60, "cache_control": {"type": "ephemeral"}}]


@pytest.mark.parametrize("keeps", [False, True])
def test_claude_codes_billing_header_does_not_defeat_the_cache(start, keeps):
    client = client_of(start(*["--keep-billing-header"] * keeps))
    usages = [client.messages.create(model="m", max_tokens=1, messages=QUESTION, system=billed_system(nonce)).usage
              for nonce in ("00000", "fffff")]
    assert usages[0].cache_read_input_tokens == 0
    if keeps:
        assert usages[1].cache_read_input_tokens == 0
    else:
        assert usages[1].cache_read_input_tokens > 10 * usages[1].input_tokens


def test_what_is_wrong_is_the_clients_exception(client):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    with pytest.raises(anthropic.BadRequestError) as refused:
        ask(client, [{"role": "user", "content": [image]}])
    assert refused.value.body["error"]["type"] == "invalid_request_error"
    assert "text input only" in refused.value.message
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        ask(client, [{"role": "user", "content": "a " * 8300}])
    with pytest.raises(anthropic.BadRequestError, match="tool_choice"):
        ask(client, QUESTION, tools=[GET_WEATHER], tool_choice={"type": "tool", "name": "nothing"})


def test_a_full_queue_is_overloaded(start):
    client = client_of(start("--max-queued-requests", 0))
    with pytest.raises(anthropic.InternalServerError) as refused:
        ask(client, QUESTION)
    assert refused.value.status_code == 503
    assert refused.value.body["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("seed", range(4))
def test_random_weights_stream_what_they_say(tiny, seed):
    options = dict(model="m", max_tokens=96, messages=QUESTION, tools=[GET_WEATHER], extra_body={"seed": seed})
    whole = tiny.messages.create(**options)
    with tiny.messages.stream(**options) as stream:
        streamed = stream.get_final_message()
    assert said(streamed) == said(whole)
    assert streamed.stop_reason == whole.stop_reason
    assert streamed.usage.output_tokens == whole.usage.output_tokens


def test_a_query_and_headers_of_the_client_change_nothing(server):
    body = {"max_tokens": 4, "messages": QUESTION, "metadata": {"user_id": "a"}, "service_tier": "auto"}
    headers = {"Content-Type": "application/json", "anthropic-version": "2023-06-01", "anthropic-beta": "a,b"}
    status, text = server.request("POST", "/v1/messages?beta=true", body, headers)
    assert status == 200 and json.loads(text)["model"] == "glint-tiny"


def test_a_client_that_leaves_is_not_computed_for(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    body = json.dumps({"max_tokens": 1500, "messages": QUESTION, "stream": True, "ignore_eos": True})
    connection.request("POST", "/v1/messages", body, {"Content-Type": "application/json"})
    assert connection.getresponse().read(10)
    connection.close()
    server.wait_idle()
