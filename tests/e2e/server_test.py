"""/generate, status, refusals, limits and signals, over plain HTTP."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import BIN, DEADLINE_S, Stream, wait_until

GENERATE = {"text": "The sea", "sampling_params": {"max_new_tokens": 8, "temperature": 0,
                                                   "ignore_eos": True}}


def endless(tokens=8000):
    return {"text": "The sea", "sampling_params": {"max_new_tokens": tokens, "ignore_eos": True}}


def test_generate_streams_all_so_far(server):
    whole = server.post("/generate", GENERATE)
    events = list(Stream(server, "/generate", GENERATE).events())
    assert events[-1] == "[DONE]"
    texts = [json.loads(event) for event in events[:-1]]
    assert texts[-1]["text"] == whole["text"]
    assert texts[-1]["output_ids"] == whole["output_ids"]
    assert texts[-1]["meta_info"]["finish_reason"] == {"type": "length", "length": 8}
    counts = [t["meta_info"]["completion_tokens"] for t in texts]
    assert counts == sorted(set(counts)) and counts[-1] == 8


def test_put_and_batches(server):
    status, text = server.request("PUT", "/generate", {**GENERATE, "text": ["The sea", "A hill"]})
    assert status == 200
    answers = json.loads(text)
    assert answers[0]["output_ids"] == server.post("/generate", GENERATE)["output_ids"]
    assert len(answers) == 2


def test_a_repeated_prompt_is_found_in_the_cache(server):
    body = {"text": "word " * 100, "sampling_params": {"max_new_tokens": 1}}
    server.post("/generate", body)
    assert server.post("/generate", body)["meta_info"]["cached_tokens"] >= 64


def test_status_pages(server):
    assert server.request("GET", "/health") == (200, "")
    assert server.request("GET", "/health_generate")[0] == 200
    info = json.loads(server.request("GET", "/get_model_info")[1])
    assert info["is_generation"] and info["model_type"] == "glm4_moe_lite"
    state = json.loads(server.request("GET", "/get_server_info")[1])
    assert state["served_model_name"] == "glint-tiny" and state["internal_states"]
    assert server.request("GET", "/server_info")[0] == 200


def test_metrics_are_well_formed(server):
    _, text = server.request("GET", "/metrics")
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    helps = re.findall(r"^# HELP (\S+) ", text, re.M)
    assert sorted(helps) == sorted(types)
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name = re.fullmatch(r'([a-z0-9_:]+)\{model_name="glint-tiny"[^}]*\} \S+', line).group(1)
        assert name in types or re.sub("_(bucket|sum|count)$", "", name) in types
    for name in ("num_running_reqs", "num_queue_reqs", "num_used_tokens", "max_total_num_tokens",
                 "prompt_tokens_total", "generation_tokens_total"):
        assert f"sglang:{name}" in types


@pytest.mark.parametrize("path, body, status, said", [
    ("/v1/chat/completions", "{", 400, "not valid JSON"),
    ("/v1/chat/completions", {"messages": []}, 400, "messages"),
    ("/v1/chat/completions", {"messages": [{"role": "imp", "content": ""}]}, 400, "messages[0].role"),
    ("/v1/completions", {"prompt": "a", "n": 0}, 400, "n is 0"),
    ("/generate", {"text": "a", "sampling_params": {"top_p": "x"}}, 400, "sampling_params.top_p"),
    ("/nowhere", {}, 404, "/nowhere"),
    ("/metrics", {}, 405, "GET"),
])
def test_refusals(server, path, body, status, said):
    found, text = server.request("POST", path, body)
    answer = json.loads(text)
    assert found == status == answer["code"] == answer["error"]["code"]
    assert said in answer["error"]["message"] == answer["message"]


def test_a_body_over_32_mib_is_too_large(server):
    limit = 32 << 20
    at = b'{"padding": "' + b" " * (limit - 15) + b'"}'
    assert len(at) == limit
    status, text = server.request("POST", "/generate", at)
    assert status == 400 and "input_ids" in text  # read, and only then refused
    try:
        status, _ = server.request("POST", "/generate", at + b" ")
        assert status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused by its announced length, before we had sent it


def test_a_full_queue_is_503(start):
    server = start("--max-running-requests", 1, "--max-queued-requests", 1)
    running = Stream(server, "/generate", endless())
    next(running.events())
    waiting = Stream(server, "/generate", endless(8))
    wait_until("one waits", lambda: server.metrics()["sglang:num_queue_reqs"] == 1)
    status, text = server.request("POST", "/generate", GENERATE)
    assert status == 503 and "--max-queued-requests" in text
    running.leave()
    assert list(waiting.events())[-1] == "[DONE]"


def test_a_client_that_leaves_frees_its_pages(server):
    server.wait_idle()
    stream = Stream(server, "/v1/completions",
                    {"prompt": "The sea", "max_tokens": 8000, "n": 3, "ignore_eos": True})
    next(stream.events())
    assert server.metrics()["sglang:num_used_tokens"] > 0
    aborted = server.metrics()["sglang:num_aborted_requests_total"]
    stream.leave()
    server.wait_idle()
    assert server.metrics()["sglang:num_aborted_requests_total"] == aborted + 3
    assert server.request("POST", "/flush_cache")[0] == 200
    metrics = server.metrics()
    assert metrics["glint_free_pages"] == metrics["sglang:num_pages"]


def test_flush_waits_for_nobody(server):
    stream = Stream(server, "/generate", endless())
    next(stream.events())
    status, text = server.request("POST", "/flush_cache")
    assert status == 400 and "message" in text
    stream.leave()
    server.wait_idle()


class Starting:
    """A server whose tokenizer.json is a pipe: it has begun to load its model, and goes on when go_on() is called."""

    def __init__(self, model, folder):
        self.tokenizer = model / "tokenizer.json"
        self.folder, self.log = folder / "slow", folder / "stderr.log"
        self.folder.mkdir()
        for file in model.iterdir():
            if file.name != self.tokenizer.name:
                (self.folder / file.name).symlink_to(file)
        os.mkfifo(self.folder / self.tokenizer.name)
        # Bound and not listening: nobody else gets it, and the server may have it, too.
        self.reserved = socket.socket()
        self.reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.reserved.bind(("127.0.0.1", 0))
        self.port = self.reserved.getsockname()[1]
        self.command = [BIN / "glint", "serve", self.folder, "--port", str(self.port), "--device", "cpu"]
        with open(self.log, "wb") as stderr:
            self.process = subprocess.Popen(self.command, stderr=stderr)

    def ask(self, method, path, body=None):
        """Status, text and Retry-After; None as long as the port is not open."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
        except ConnectionRefusedError:
            assert self.process.poll() is None, self.log.read_text()
            return None
        response = connection.getresponse()
        return response.status, response.read().decode(), response.getheader("Retry-After")

    def go_on(self):
        (self.folder / self.tokenizer.name).write_bytes(self.tokenizer.read_bytes())


@pytest.fixture
def starting(model, tmp_path):
    one = Starting(model, tmp_path)
    wait_until("the port is open", lambda: one.ask("GET", "/health"))
    yield one
    one.process.kill()
    one.process.wait()
    one.reserved.close()


def test_while_it_starts_who_asks_is_told(starting):
    status, text, retry = starting.ask("GET", "/health")
    assert status == 503 and "The server starts: 0 %" in text and int(retry) > 0
    status, text, _ = starting.ask("POST", "/v1/chat/completions", "{")
    assert status == 503 and "The server starts" in json.loads(text)["error"]["message"]
    taken = subprocess.run(starting.command, capture_output=True, text=True, timeout=DEADLINE_S)
    assert taken.returncode == 1 and "in use" in taken.stderr and "loading" not in taken.stderr
    starting.go_on()
    wait_until("it serves", lambda: starting.ask("GET", "/health")[0] == 200)
    assert starting.ask("POST", "/generate", json.dumps(GENERATE))[0] == 200
    starting.process.send_signal(signal.SIGTERM)
    assert starting.process.wait(timeout=DEADLINE_S) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_starts_ends_it_at_once(starting, number):
    starting.process.send_signal(number)
    assert starting.process.wait(timeout=DEADLINE_S) == 0
    assert "before the model was loaded" in starting.log.read_text()


def test_sigterm_lets_answers_finish(start):
    server = start()
    stream = Stream(server, "/generate", endless(64))
    events = stream.events()
    next(events)
    server.process.send_signal(signal.SIGTERM)
    assert list(events)[-1] == "[DONE]"
    assert server.process.wait(timeout=DEADLINE_S) == 0


def test_until_the_last_answer_is_sent_who_asks_is_told(start):
    """One answer takes minutes, unless it is aborted: by then all others have been told."""
    server = start("--grace-period", 600, "--max-running-requests", 1)
    answers = []
    running = threading.Thread(target=lambda: answers.append(server.post("/generate", {
        "text": ["The sea"] * 1000, "sampling_params": {"max_new_tokens": 8000, "ignore_eos": True}})))
    running.start()
    wait_until("it runs", lambda: server.metrics()["sglang:num_running_reqs"] == 1)
    idle = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_S)
    idle.request("GET", "/health")
    assert idle.getresponse().read() == b""
    server.process.send_signal(signal.SIGTERM)
    assert idle.sock.recv(1) == b""

    def ask(method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_S)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read().decode()
        assert response.getheader("Connection") == "close", path
        return response.status, text

    for path in ("/health", "/ping", "/health_generate"):
        assert ask("GET", path) == (503, "")
    for path in ("/generate", "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/api/chat"):
        status, text = ask("POST", path, "{}")
        assert status == 503 and "shuts down" in text, path
    for path in ("/metrics", "/v1/loads", "/v1/models", "/server_info"):
        assert ask("GET", path)[0] == 200, path
    silent = socket.create_connection(("127.0.0.1", server.port))  # holds nobody up
    assert ask("POST", "/abort_request", '{"abort_all": true}')[0] == 200
    assert server.process.wait(timeout=DEADLINE_S) == 0
    running.join()
    ends = [answer["meta_info"]["finish_reason"]["type"] for answer in answers[0]]
    assert ends.count("abort") >= 990 and set(ends) <= {"abort", "length"}
    silent.close()


def test_sigterm_cuts_what_is_left_after_the_grace_period(start):
    server = start("--grace-period", 0.2)
    stream = Stream(server, "/generate", endless())
    events = stream.events()
    next(events)
    assert server.stop(signal.SIGINT) == 0
    assert list(events)[-1:] != ["[DONE]"]


def test_a_second_signal_waits_for_nobody(start):
    server = start("--grace-period", 600)
    stream = Stream(server, "/generate", endless())
    next(stream.events())
    server.process.send_signal(signal.SIGTERM)
    wait_until("the first is seen", lambda: "signal number=15" in server.stderr())
    time.sleep(1)
    assert server.stop() == 1
    assert "second signal" in server.stderr()


def test_signals_that_come_together_are_one(start):
    """As from `timeout 60 glint serve`, which signals its child and then the group that the child is in."""
    server = start("--grace-period", 600)
    stream = Stream(server, "/generate", endless(64))
    events = stream.events()
    next(events)
    # Together whatever the machine does: it takes them when it goes on.
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        server.process.send_signal(number)
    assert list(events)[-1] == "[DONE]"
    assert server.process.wait(timeout=DEADLINE_S) == 0
    assert "second signal" not in server.stderr()


def test_launch_lines_made_for_sglang_start(start):
    server = start(
        "--tp", 1, "--attention-backend", "triton", "--dp", 1, "--enable-dp-attention",
        "--speculative-algorithm", "EAGLE", "--speculative-num-steps", 3,
        "--speculative-eagle-topk", 1, "--speculative-num-draft-tokens", 4,
        "--speculative-draft-attention-backend", "triton", "--tool-call-parser", "glm47",
        "--reasoning-parser=glm45", "--host", "0.0.0.0", "--mem-fraction-static=0.8",
        "--trust-remote-code")
    assert server.request("GET", "/health")[0] == 200
    assert server.stop() == 0  # the log is whole then
    assert server.stderr().count("flags without effect here") == 1


def test_deterministic_servers_agree_without_a_seed(start):
    body = {"text": "Hello", "sampling_params": {"temperature": 1, "max_new_tokens": 20}}
    answers = []
    for _ in range(2):
        one = start("--deterministic")
        answers += [one.post("/generate", body)["output_ids"] for _ in range(2)]
    assert answers[1:] == answers[:1] * 3


def test_raw_text_without_parsers(start):
    server = start("--reasoning-parser", "none", "--tool-call-parser", "none")
    message = server.post("/v1/chat/completions", {
        "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8, "seed": 1,
        "ignore_eos": True})["choices"][0]["message"]
    assert message["reasoning_content"] is None and message["content"]


def test_random_weights_from_a_config_alone(start, model, tmp_path):
    folder = tmp_path / "config-only"
    folder.mkdir()
    (folder / "config.json").write_bytes((model / "config.json").read_bytes())
    server = start("--load-format", "dummy", "--skip-tokenizer-init", folder=folder)
    answer = server.post("/generate", {"input_ids": [1, 2, 3],
                                       "sampling_params": {"max_new_tokens": 4, "ignore_eos": True}})
    assert len(answer["output_ids"]) == 4 and answer["text"] == ""
    status, text = server.request("POST", "/generate", GENERATE)
    assert status == 400 and "--skip-tokenizer-init" in text


@pytest.mark.parametrize("flags, status, said", [
    (["/no/such/folder"], 1, "/no/such/folder"),
    (["MODEL", "--no-such-flag"], 2, "--no-such-flag"),
    (["MODEL", "--tp", "2"], 2, "--tensor-parallel-size"),
    (["MODEL", "--device", "cuda"], 1, "--device cuda: "),
    (["MODEL", "--context-length", "999999999"], 1, "max_position_embeddings"),
    (["MODEL", "--chat-template", "MODEL/config.json"], 1, "SHA-256"),
])
def test_what_cannot_start_says_why(model, flags, status, said):
    flags = [flag.replace("MODEL", str(model)) for flag in flags]
    done = subprocess.run([BIN / "glint", "serve", *flags], capture_output=True, text=True, timeout=60)
    assert done.returncode == status and said in done.stderr, done.stderr
