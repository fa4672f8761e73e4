"""What operators, routers and trainers do to a running server: abort, pause, flush, tokenize, measure."""

import json
import threading

import pytest

from conftest import DEADLINE_S, Stream, wait_until


def endless(rid, **more):
    return {"text": "The sea", "rid": rid, "sampling_params": {"max_new_tokens": 8000, "ignore_eos": True}, **more}


def last_event(stream):
    events = list(stream.events())
    assert events[-1] == "[DONE]"
    return json.loads(events[-2])


def loads(server):
    return json.loads(server.request("GET", "/v1/loads")[1])["loads"][0]


def test_abort_ends_a_whole_answer_and_a_stream(server):
    stream = Stream(server, "/generate", endless("job-1"))
    next(stream.events())
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(server.post("/generate", endless("job-2"))))
    waiting.start()
    wait_until("both run", lambda: loads(server)["num_running_reqs"] == 2)
    assert server.post("/abort_request", {"rid": "job-"}) == {"num_aborted": 2}
    waiting.join(DEADLINE_S)
    assert answers[0]["meta_info"]["finish_reason"]["type"] == "abort"
    assert last_event(stream)["meta_info"]["finish_reason"]["type"] == "abort"
    server.wait_idle()
    assert server.post("/abort_request", {"rid": "job-"}) == {"num_aborted": 0}


def test_a_paused_server_stands_still_and_goes_on(start):
    server = start()
    stream = Stream(server, "/generate", endless("a"))
    events = stream.events()
    next(events)
    assert server.post("/pause_generation", {"mode": "in_place"})["status"] == "ok"
    steps = server.metrics()["glint_steps_total"]
    assert server.request("GET", "/health")[0] == 200
    assert "paused" in server.request("GET", "/health")[1]
    assert server.request("GET", "/health_generate")[0] == 503
    assert loads(server)["queues"]["paused"] == 1
    assert server.metrics()["glint_steps_total"] == steps
    assert server.post("/continue_generation", {})["status"] == "ok"
    assert server.request("GET", "/health_generate")[0] == 200
    server.post("/abort_request", {"abort_all": True})
    for event in events:
        last = event
    assert last == "[DONE]"
    assert server.metrics()["glint_steps_total"] > steps


def test_a_pause_aborts_by_default_and_the_cache_can_be_flushed(start):
    server = start()
    stream = Stream(server, "/generate", endless("a"))
    next(stream.events())
    server.post("/pause_generation", {})
    assert last_event(stream)["meta_info"]["finish_reason"]["type"] == "abort"
    assert server.request("POST", "/flush_cache") == (200, "Cache flushed.\n")


def test_a_paused_server_finishes_its_answers_when_it_is_stopped(start):
    server = start()
    body = {"text": "The sea", "sampling_params": {"max_new_tokens": 20, "ignore_eos": True}}
    server.post("/pause_generation", {"mode": "in_place"})
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(server.post("/generate", body)))
    waiting.start()
    wait_until("it waits", lambda: loads(server)["num_waiting_reqs"] == 1)
    assert server.stop() == 0
    waiting.join(DEADLINE_S)
    assert answers[0]["meta_info"]["completion_tokens"] == 20


def test_flush_waits_until_the_server_is_idle(server):
    stream = Stream(server, "/generate", endless("a"))
    next(stream.events())
    assert server.request("POST", "/flush_cache?timeout=0.2")[0] == 400
    flushed = []
    flush = threading.Thread(
        target=lambda: flushed.append(server.request("POST", f"/flush_cache?timeout={DEADLINE_S}")))
    flush.start()
    server.post("/abort_request", {"rid": "a"})
    flush.join(DEADLINE_S)
    assert flushed == [(200, "Cache flushed.\n")]


def test_loads_say_what_the_server_has(server):
    status, text = server.request("GET", "/v1/loads?include=core,memory")
    whole = json.loads(text)
    load = whole["loads"][0]
    assert status == 200 and whole["accelerator"] == "cpu"
    assert load["memory"]["weight_gb"] > 0 and load["memory"]["kv_cache_gb"] > 0
    assert load["max_total_num_tokens"] == load["memory"]["token_capacity"]
    assert server.request("GET", "/v1/loads?include=weather")[0] == 400
    assert "sglang_token_usage{dp_rank=\"0\"}" in server.request("GET", "/v1/loads?format=prometheus")[1]
    info = json.loads(server.request("GET", "/server_info")[1])
    assert info["internal_states"][0]["memory_usage"]["token_capacity"] == load["max_total_num_tokens"]


def test_text_tools(server):
    text = "The sea, 世界"
    ids = server.post("/tokenize", {"prompt": text})
    assert ids["count"] == len(ids["tokens"])
    assert server.post("/detokenize", {"tokens": ids["tokens"]})["text"] == text
    chat = {"messages": [{"role": "user", "content": text}]}
    counted = server.post("/v1/tokenize", chat)["count"]
    answer = server.post("/v1/chat/completions", {**chat, "max_tokens": 1})
    assert answer["usage"]["prompt_tokens"] == counted
    assert server.post("/separate_reasoning", {"text": "<think>a</think>b", "reasoning_parser": "glm45"}) == {
        "reasoning_text": "a", "text": "b"}


def test_scores_of_a_prompt_come_with_every_answer(server):
    """Sequences beside the answer score the prompt: the answer is what it is without them."""
    prompt = server.post("/tokenize", {"prompt": "word " * 400})["tokens"]
    assert len(prompt) > 256  # more than one piece
    params = {"max_new_tokens": 5, "temperature": 0, "ignore_eos": True}
    alone = server.post("/generate", {"input_ids": prompt, "sampling_params": params})
    body = {"input_ids": prompt, "sampling_params": params, "return_logprob": True, "logprob_start_len": 0}
    whole = server.post("/generate", body)
    streamed = last_event(Stream(server, "/generate", body))
    for answer in (whole, streamed):
        assert answer["output_ids"] == alone["output_ids"]
        scores = answer["meta_info"]["input_token_logprobs"]
        assert [entry[1] for entry in scores] == prompt
        assert scores[0][0] is None and all(entry[0] <= 0 for entry in scores[1:])
    assert whole["meta_info"]["input_token_logprobs"] == streamed["meta_info"]["input_token_logprobs"]
    # And they are those of the same text as an answer.
    again = server.post("/generate", {
        "input_ids": prompt + whole["output_ids"], "return_logprob": True, "logprob_start_len": len(prompt) - 1,
        "sampling_params": {"max_new_tokens": 0}})
    said = [entry[:2] for entry in whole["meta_info"]["output_token_logprobs"]]
    assert [entry[:2] for entry in again["meta_info"]["input_token_logprobs"][1:]] == said


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/v1/loads", "/server_info", "/chat"])
def test_head_and_options(server, path):
    assert server.request("HEAD", path) == (200, "")
    assert server.request("OPTIONS", path)[0] == 204


def test_the_log_has_the_requests_names(start):
    server = start("--log-requests")
    server.request("POST", "/generate", endless("my-rid", sampling_params={"max_new_tokens": 1}),
                   {"Content-Type": "application/json", "X-Request-Id": "from-a-proxy"})
    wait_until("the line is written", lambda: "rid=my-rid x_request_id=from-a-proxy" in server.stderr())
