"""Ollama's official client, before the bundled model and before random weights."""

import json

import ollama
import pytest

QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]
APPLES = "Tom has 3 apples and buys 4 more. How many apples does he have?"
GREEDY = {"temperature": 0}


def get_weather(location: str, unit: str = "celsius") -> str:
    """Get the current weather for a location

    Args:
        location: The city name
        unit: The unit
    """
    raise NotImplementedError  # the client makes a tool's schema of this


@pytest.fixture(scope="module")
def client(bundled):
    return ollama.Client(host=bundled.url)


@pytest.fixture
def tiny(server):
    return ollama.Client(host=server.url)


def test_a_chat_streams_what_it_says_whole(client):
    options = dict(model="glint-small", messages=[{"role": "user", "content": APPLES}], options=GREEDY)
    whole = client.chat(**options)
    parts = list(client.chat(stream=True, **options))
    assert whole.message.thinking and whole.message.content
    assert "".join(p.message.thinking or "" for p in parts) == whole.message.thinking
    assert "".join(p.message.content or "" for p in parts) == whole.message.content
    assert [p.done for p in parts] == [False] * (len(parts) - 1) + [True]
    for last in (whole, parts[-1]):
        assert last.done_reason == "stop"
        assert last.prompt_eval_count > 10 and last.eval_count == whole.eval_count
        assert last.total_duration >= last.prompt_eval_duration > 0


def test_a_tool_is_called_and_its_result_told(client):
    messages = list(QUESTION)
    answer = client.chat("glint-small", messages=messages, tools=[get_weather], options=GREEDY)
    [call] = answer.message.tool_calls
    assert call.function.name == "get_weather" and call.function.arguments["location"] == "Paris"
    streamed = [p.message.tool_calls for p in client.chat("glint-small", messages=messages, tools=[get_weather],
                                                          options=GREEDY, stream=True) if p.message.tool_calls]
    assert [[c.function for c in calls] for calls in streamed] == [[call.function]]
    messages += [answer.message, {"role": "tool", "tool_name": "get_weather", "content": "It is 22 degrees and sunny in Paris."}]
    told = client.chat("glint-small", messages=messages, tools=[get_weather], options=GREEDY)
    assert "22" in told.message.content and not told.message.tool_calls


def test_thinking_can_be_turned_off(client):
    loud = client.generate("glint-small", APPLES, options=GREEDY, think=True)
    quiet = client.generate("glint-small", APPLES, options=GREEDY, think=False)
    assert loud.thinking and loud.response
    assert not quiet.thinking and quiet.response
    assert quiet.eval_count < loud.eval_count


def test_generate_streams_and_takes_a_raw_prompt(client):
    parts = list(client.generate("glint-small", "Hello!", options=GREEDY, think=False, stream=True))
    text = "".join(p.response for p in parts)
    assert text == client.generate("glint-small", "Hello!", options=GREEDY, think=False).response
    prompt = "[gMASK]<sop><|user|>Hello!<|assistant|></think>"
    raw = client.generate("glint-small", prompt, options=GREEDY, raw=True)
    assert raw.response == text


def test_an_answer_that_the_client_began_is_continued(client):
    hello = [{"role": "user", "content": "Hello!"}]
    text = client.chat("m", messages=hello, options=GREEDY, think=False).message.content
    rest = client.chat("m", messages=hello + [{"role": "assistant", "content": text[:5]}], options=GREEDY)
    assert text[:5] + rest.message.content == text


def test_num_predict_and_stop_end_an_answer(client):
    hello = [{"role": "user", "content": "Hello!"}]
    text = client.chat("m", messages=hello, options=GREEDY, think=False).message.content
    cut = client.chat("m", messages=hello, options={**GREEDY, "num_predict": 2}, think=False)
    assert (cut.done_reason, cut.eval_count) == ("length", 2)
    word = text.split()[1]
    stopped = client.chat("m", messages=hello, options={**GREEDY, "stop": [word]}, think=False)
    assert stopped.done_reason == "stop" and stopped.message.content == text[:text.index(word)]


def test_the_model_is_listed_shown_and_loaded(client):
    [listed] = client.list().models
    [loaded] = client.ps().models
    assert listed.model == loaded.model == "glint-small"
    assert listed.digest == loaded.digest and listed.size > 0
    shown = client.show(listed.model)
    assert set(shown.capabilities) == {"completion", "tools", "thinking"}
    assert shown.modelinfo["glm4_moe_lite.context_length"] == loaded.context_length
    assert client.generate(listed.model).done_reason == "load"


def test_what_is_wrong_is_the_clients_exception(client):
    with pytest.raises(ollama.ResponseError) as refused:
        client.chat("m", messages=QUESTION, format="json")
    assert refused.value.status_code == 400 and refused.value.error.startswith("format is not available")
    with pytest.raises(ollama.ResponseError, match="text input only"):
        client.generate("m", "What is this?", images=[b"no image"])


@pytest.mark.parametrize("seed", range(4))
def test_random_weights_stream_what_they_say(tiny, seed):
    options = dict(model="m", messages=QUESTION, tools=[get_weather], options={"seed": seed, "num_predict": 96},
                   logprobs=True, top_logprobs=2)
    whole = tiny.chat(**options)
    parts = list(tiny.chat(stream=True, **options))
    assert "".join(p.message.thinking or "" for p in parts) == (whole.message.thinking or "")
    assert "".join(p.message.content or "" for p in parts) == whole.message.content
    assert sum(len(p.logprobs or []) for p in parts) == len(whole.logprobs) == whole.eval_count


def test_curl_needs_no_content_type(server):
    status, text = server.request("POST", "/api/generate", '{"prompt": "Hi", "options": {"num_predict": 3}}',
                                  {"Content-Type": "application/x-www-form-urlencoded"})
    lines = [json.loads(line) for line in text.splitlines()]
    assert status == 200 and lines[-1]["done"] and lines[-1]["eval_count"] == 3
    assert server.request("GET", "/", headers={})[0] == 200
    assert server.request("HEAD", "/", headers={})[0] == 200
    assert "version" in json.loads(server.request("GET", "/api/version", headers={})[1])
