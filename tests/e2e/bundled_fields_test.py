"""Fields of a request that change what the model says, on the bundled model, which can say it: forced calls, limits to
thinking, answers that are continued."""

import json

import openai
import pytest

from bundled_test import ALL, CONVERT, GET_TIME, GET_WEATHER, calls_of, numbers, user


@pytest.fixture(scope="module")
def client(bundled):
    return openai.OpenAI(base_url=f"{bundled.url}/v1", api_key="EMPTY", max_retries=0)


def ask(client, messages, more=None, **fields):
    request = dict(model="glint-small", messages=messages, temperature=0, max_tokens=512, extra_body=more)
    return client.chat.completions.create(**{**request, **fields})


SUM = "Solve this problem step by step: What is 20% of 150?"
THINKING = {"chat_template_kwargs": {"enable_thinking": True}}
NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}


@pytest.mark.parametrize("thinking", [THINKING, NO_THINKING])
def test_a_call_is_made_where_none_would_be(client, thinking):
    tools = [GET_WEATHER, GET_TIME]
    assert not ask(client, [user(SUM)], thinking, tools=tools).choices[0].message.tool_calls
    choice = ask(client, [user(SUM)], thinking, tools=tools, tool_choice="required").choices[0]
    calls = calls_of(choice.message.tool_calls)
    assert calls and all(name in ("get_weather", "get_time") for name, _ in calls)
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    assert bool(choice.message.reasoning_content) == (thinking is THINKING)


@pytest.mark.parametrize("name", ["get_time", "convert_currency", "send_message"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_named_tool_is_called_and_no_other(client, name, stream):
    choice = {"type": "function", "function": {"name": name}}
    request = dict(messages=[user("What's the weather in Paris?")], tools=ALL, tool_choice=choice)
    if not stream:
        calls = calls_of(ask(client, **request).choices[0].message.tool_calls)
        assert [called for called, _ in calls] == [name]
        return
    deltas = [call for chunk in ask(client, **request, stream=True) for call in chunk.choices[0].delta.tool_calls or []]
    assert [call.function.name for call in deltas if call.function.name] == [name]
    json.loads("".join(call.function.arguments or "" for call in deltas))


def test_a_forced_call_has_the_arguments_of_the_wish(client):
    choice = ask(client, [user("Convert 250 USD to EUR.")], tools=[GET_WEATHER, CONVERT], tool_choice="required").choices[0]
    assert calls_of(choice.message.tool_calls) == [
        ("convert_currency", {"amount": 250, "from_currency": "USD", "to_currency": "EUR"})]


def test_the_streaming_helper_reads_forced_calls(client):
    strict = json.loads(json.dumps(GET_WEATHER))
    strict["function"]["strict"] = True  # the helper parses no others
    request = dict(model="m", messages=[user("What's the weather in Beijing?")], tools=[strict], temperature=0,
                   tool_choice="required", max_tokens=512)
    with client.chat.completions.stream(**request) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion().choices[0]
    assert [(event.name, event.parsed_arguments["location"]) for event in done] == [("get_weather", "Beijing")]
    assert final.finish_reason == "tool_calls"
    assert final.message.tool_calls[0].function.parsed_arguments["location"] == "Beijing"


def test_n_answers_of_one_prompt(client):
    answer = ask(client, [user(SUM)], n=4, temperature=3, seed=3, logprobs=True, top_logprobs=2)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert len({choice.message.reasoning_content for choice in answer.choices}) > 1
    assert answer.usage.completion_tokens == sum(len(choice.logprobs.content) for choice in answer.choices)


def test_a_budget_ends_the_thinking_and_the_answer_follows(client):
    free = ask(client, [user(SUM)])
    assert free.usage.completion_tokens_details.reasoning_tokens > 20
    for more in ({"thinking_budget": 6}, {"thinking_token_budget": 6}, {"custom_params": {"thinking_budget": 6}},
                 {"reasoning": {"max_tokens": 6}}, {"chat_template_kwargs": {"thinking_budget": 6}},
                 {"thinking": {"type": "enabled", "budget_tokens": 6}}):
        answer = ask(client, [user(SUM)], more)
        assert answer.usage.completion_tokens_details.reasoning_tokens == 7, "six and </think>"
        assert answer.choices[0].message.content and answer.choices[0].finish_reason == "stop"
    roomy = ask(client, [user(SUM)], {"thinking_budget": 400})
    assert roomy.choices[0].message == free.choices[0].message, "a budget that is not reached changes nothing"


def test_a_reserve_leaves_room_for_the_answer(client):
    cut = ask(client, [user(SUM)], max_tokens=20).choices[0]
    assert cut.finish_reason == "length" and not cut.message.content
    kept = ask(client, [user(SUM)], {"answer_reserve": 12}, max_tokens=20)
    assert kept.usage.completion_tokens_details.reasoning_tokens == 8, "seven and </think>"
    assert kept.choices[0].message.content


def test_an_answer_is_continued(client):
    whole = ask(client, [user(SUM)], NO_THINKING).choices[0].message.content
    assert "30" in numbers(whole)
    half = whole[:whole.index(" ", len(whole) // 2)]
    more = {"continue_final_message": True, "add_generation_prompt": False}
    rest = ask(client, [user(SUM), {"role": "assistant", "content": half}], more).choices[0]
    assert half + rest.message.content == whole and not rest.message.reasoning_content


def test_a_thought_is_continued(client):
    first = ask(client, [user(SUM)]).choices[0].message
    half = first.reasoning_content[:first.reasoning_content.index(" ", len(first.reasoning_content) // 2)]
    rest = ask(client, [user(SUM), {"role": "assistant", "content": "", "reasoning_content": half}],
               {"continue_final_message": True}).choices[0].message
    assert half + rest.reasoning_content == first.reasoning_content and rest.content == first.content


def test_a_prompts_ids_stand_for_its_messages(client, bundled):
    first = ask(client, [user(SUM)], {"return_token_ids": True})
    body = {"input_ids": first.prompt_token_ids, "temperature": 0, "max_tokens": 512, "return_token_ids": True}
    again = bundled.post("/v1/chat/completions", body)
    assert again["choices"][0]["token_ids"] == first.choices[0].token_ids
    assert again["choices"][0]["message"]["content"] == first.choices[0].message.content
    assert again["usage"]["prompt_tokens"] == first.usage.prompt_tokens == len(first.prompt_token_ids)


def test_reasoning_is_left_out_on_request(client):
    choice = ask(client, [user(SUM)], {"include_reasoning": False}).choices[0].message
    assert choice.content and not choice.reasoning_content


def test_a_raw_completion_goes_on(client):
    """The chat's own text as a raw prompt: control tokens are matched in it."""
    prompt = f"[gMASK]<sop><|user|>{SUM}<|assistant|></think>"
    text = client.completions.create(model="m", prompt=prompt, temperature=0, max_tokens=200).choices[0].text
    assert text == ask(client, [user(SUM)], NO_THINKING).choices[0].message.content


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_only_allowed_tools_are_called(client, mode):
    allowed = {"mode": mode, "tools": [{"type": "function", "function": {"name": "get_time"}}]}
    choice = ask(client, [user("What's the weather in Paris?")], tools=ALL,
                 tool_choice={"type": "allowed_tools", "allowed_tools": allowed}).choices[0]
    assert [name for name, _ in calls_of(choice.message.tool_calls)] == ["get_time"]
