"""OpenAI's Responses through the official client. With random weights the shape of what comes is checked; what the bundled
model answers, where an answer is needed."""

import json

import openai
import pytest

from conftest import wait_until

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather for a location",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "The city name"}},
        "required": ["location"],
    },
    "strict": False,
}


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="EMPTY", max_retries=0)


@pytest.fixture
def real(bundled):
    return openai.OpenAI(base_url=f"{bundled.url}/v1", api_key="EMPTY", max_retries=0)


def ask(client, **more):
    request = dict(model="m", input="Tell me of the sea.", max_output_tokens=48, extra_body={"seed": 11})
    return client.responses.create(**{**request, **more})


def test_a_response_says_what_it_is(client):
    response = ask(client, instructions="Be brief.", metadata={"k": "v"}, user="me")
    assert response.object == "response" and response.id.startswith("resp_")
    assert response.status in ("completed", "incomplete")
    assert (response.model, response.instructions, response.metadata) == ("m", "Be brief.", {"k": "v"})
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert 0 <= usage.output_tokens_details.reasoning_tokens <= usage.output_tokens
    assert usage.input_tokens_details.cached_tokens >= 0
    assert response.output and all(item.id and item.status for item in response.output)


def test_a_limit_makes_it_incomplete(client):
    response = ask(client, max_output_tokens=4, extra_body={"seed": 11, "ignore_eos": True})
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"


def texts(response):
    """The text of each output item, by its type."""
    return [(item.type, "".join(part.text for part in item.content or []) if item.type != "function_call" else
             item.arguments) for item in response.output]


def test_whole_and_streamed_are_the_same_answer(client):
    whole = ask(client)
    added, deltas, numbers, last = {}, {}, [], None
    for event in ask(client, stream=True):
        numbers.append(event.sequence_number)
        last = event
        if event.type == "response.output_item.added":
            added[event.output_index] = event.item.type
            deltas[event.output_index] = ""
        if event.type.endswith(".delta"):
            deltas[event.output_index] += event.delta
    assert numbers == list(range(len(numbers)))
    assert last.type in ("response.completed", "response.incomplete")
    assert [(added[i], deltas[i]) for i in sorted(added)] == texts(whole) == texts(last.response)


def test_the_stream_helper_follows_an_answer(real):
    """The helper builds the response from the events and complains where they do not fit each other."""
    with real.responses.stream(model="m", input="What is the weather in Paris?", tools=[WEATHER],
                               temperature=0) as stream:
        types = [event.type for event in stream]
        final = stream.get_final_response()
    assert types[:2] == ["response.created", "response.in_progress"]
    assert types[-1] == "response.completed"
    assert "response.reasoning_text.delta" in types
    calls = [item for item in final.output if item.type == "function_call"]
    assert calls and calls[0].name == "get_weather"
    assert "response.function_call_arguments.delta" in types


def first_call(response):
    return next(item for item in response.output if item.type == "function_call")


def test_a_tool_round_trip_without_storage(real):
    """As Codex works: store off, everything sent back each time."""
    items = [{"role": "developer", "content": "You are a helpful assistant."},
             {"role": "user", "content": "What is the weather in Paris?"}]
    request = dict(model="m", tools=[WEATHER, {"type": "web_search"}], temperature=0, store=False,
                   include=["reasoning.encrypted_content"])
    first = real.responses.create(input=items, **request)
    call = first_call(first)
    assert json.loads(call.arguments)["location"] == "Paris"
    items += [item.to_dict() for item in first.output]
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": '{"temperature": 21}'})
    second = real.responses.create(input=items, **request)
    assert "21" in second.output_text
    assert second.usage.input_tokens_details.cached_tokens > 0


def test_a_tool_round_trip_by_previous_response_id(real):
    first = real.responses.create(model="m", input="What is the weather in Paris?", tools=[WEATHER], temperature=0)
    call = first_call(first)
    second = real.responses.create(
        model="m", previous_response_id=first.id, tools=[WEATHER], temperature=0,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": '{"temperature": 21}'}])
    assert "21" in second.output_text
    assert second.previous_response_id == first.id
    items = list(real.responses.input_items.list(second.id, order="asc", limit=1))  # page by page
    assert [item.type for item in items][0] == "message"
    assert items[-1].type == "function_call_output" and items[-1].call_id == call.call_id
    assert len({item.id for item in items}) == len(items) == 2 + len(first.output)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "get_weather"}])
def test_a_call_can_be_forced(real, choice):
    response = real.responses.create(model="m", input="Hello!", tools=[WEATHER], tool_choice=choice, temperature=0)
    assert first_call(response).name == "get_weather"


def test_effort_none_turns_thinking_off(real):
    response = real.responses.create(model="m", input="Hello!", reasoning={"effort": "none"}, temperature=0)
    assert all(item.type == "message" for item in response.output)
    assert response.usage.output_tokens_details.reasoning_tokens == 0


def test_logprobs_come_with_the_text(real):
    response = real.responses.create(model="m", input="Hello!", temperature=0, top_logprobs=2,
                                     include=["message.output_text.logprobs"])
    part = response.output[-1].content[0]
    assert "".join(entry.token for entry in part.logprobs) == part.text
    assert all(len(entry.top_logprobs) == 2 for entry in part.logprobs)


def test_input_tokens_are_counted(client):
    count = client.responses.input_tokens.count(model="m", input="Tell me of the sea.")
    assert count.input_tokens == ask(client).usage.input_tokens


def test_stored_responses(client):
    response = ask(client)
    assert client.responses.retrieve(response.id).to_dict() == response.to_dict()
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError, match=response.id):
        client.responses.retrieve(response.id)
    unstored = ask(client, store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(unstored.id)
    with pytest.raises(openai.NotFoundError) as error:
        ask(client, previous_response_id=unstored.id)
    assert error.value.param == "previous_response_id"


def test_a_background_response_is_polled(client):
    response = ask(client, background=True)
    assert response.status == "queued"

    def done():
        now = client.responses.retrieve(response.id)
        return now if now.status not in ("queued", "in_progress") else None

    assert texts(wait_until("the background response is done", done)) == texts(ask(client))


def test_a_background_response_is_cancelled(server, client):
    response = ask(client, background=True, max_output_tokens=8000, extra_body={"ignore_eos": True})
    assert client.responses.cancel(response.id).status == "cancelled"
    server.wait_idle()
    assert client.responses.retrieve(response.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(ask(client).id)


def test_a_background_stream_goes_on_without_its_client(client):
    stream = ask(client, background=True, stream=True)
    created = next(iter(stream))
    stream.close()

    def done():
        return client.responses.retrieve(created.response.id).status in ("completed", "incomplete")

    wait_until("the response that nobody reads is done", done)


def test_a_lost_background_stream_is_taken_up_again(client):
    stream = ask(client, background=True, stream=True)
    seen = [next(iter(stream)) for _ in range(2)]
    stream.close()
    rest = list(client.responses.retrieve(seen[0].response.id, stream=True, starting_after=seen[-1].sequence_number))
    numbers = [event.sequence_number for event in seen + rest]
    assert numbers == list(range(len(numbers)))
    assert rest[-1].type in ("response.completed", "response.incomplete")
    assert texts(rest[-1].response) == texts(ask(client))


def test_errors_reach_the_client_as_its_own(client):
    with pytest.raises(openai.BadRequestError, match="input_image") as error:
        ask(client, input=[{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}])
    assert error.value.param == "input[0].content[0].type"
    with pytest.raises(openai.BadRequestError, match="not available yet"):
        ask(client, text={"format": {"type": "json_schema", "name": "n", "schema": {}}})
    with pytest.raises(openai.BadRequestError, match="longer than the model's context length") as error:
        ask(client, input="x " * 200000, stream=True)
    assert error.value.param == "input"
