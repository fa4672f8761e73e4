"""No request makes the server open a file, ask for one, connect anywhere or run anything: strace watches it."""

import http.client
import json
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from conftest import DEADLINE_S, Server, wait_until
from every_field import Description

# What a text in a request might be taken for. They are there, so that whoever checks first goes on to open.
TARGETS = ["/etc/hostname", "file:///etc/hostname", "../../../../etc/hostname", "http://127.0.0.1:9/x.png"]

# Where other servers take files, addresses, or the names of what they then fetch; and where some once did.
FIELDS = ["image_data", "audio_data", "video_data", "image_url", "images", "file", "file_url", "file_id", "documents", "chat_template",
          "lora_path", "lora_request", "custom_logit_processor", "session_params", "bootstrap_host", "model", "model_path", "adapter",
          "tokenizer", "reasoning_parser", "tool_call_parser", "path", "url", "template", "modelfile", "from", "context", "prompt",
          "conversation", "container", "mcp_servers", "output_dir", "log_file", "dump_requests_folder", "crash_dump_folder",
          "guided_grammar", "guided_json", "response_format", "json_schema", "structural_tag", "regex", "ebnf", "metadata", "webhook_url"]
PARTS = ["image_url", "input_image", "image", "input_file", "file", "document", "input_audio", "audio_url", "video_url", "search_result",
         "tool_reference", "container_upload", "item_reference"]
TOOLS = ["mcp", "file_search", "web_search", "code_interpreter", "retrieval", "computer_use_preview", "image_generation"]
HEADERS = ["Authorization", "x-api-key", "X-Request-Id", "Referer", "Origin", "Cookie", "Accept", "If-None-Match", "X-Forwarded-For",
           "X-Original-URL", "Content-Type", "Content-Encoding", "Traceparent", "anthropic-beta", "Link"]
UNDER = ["/", "/web/", "/chat/", "/configure/", "/v1/models/", "/v1/responses/", "/metrics/", "/api/blobs/", "/v1/files/", "/static/"]
NO_PATHS = ["/..%2f..%2f..%2fetc/hostname", "../../../etc/hostname", "%2e%2e/%2e%2e/%2e%2e/etc/hostname", "..%5c..%5cetc%5chostname",
            "chat.js%00/etc/hostname", "%2fetc%2fhostname", "//etc/hostname", "file:%2f%2f/etc/hostname", "http://127.0.0.1:9/x"]

# Where --preferred-sampling-params do not reach, so that answers are short.
SHORT = {"/v1/responses": {"max_output_tokens": 1}, "/api/chat": {"options": {"num_predict": 1}},
         "/api/generate": {"options": {"num_predict": 1}}}


class Traced(Server):
    """Its key file is read at every SIGHUP: what the trace has between two of these is what requests caused."""

    TRACE = ["-f", "--seccomp-bpf", "-e", "trace=%file,connect,bind,execve", "-e", "signal=none", "-s", "200"]

    def __init__(self, folder, model):
        self.keys, self.trace, self.marks = folder / "keys", folder / "trace", 0
        self.keys.write_text("key\n")
        # -D: strace is the one who forks, so the process is the server. Leak checks do not work in a traced process.
        super().__init__(folder / "stderr.log", model, "--port", 0, "--device", "cpu", "--context-length", 512,
                         "--preferred-sampling-params", '{"max_new_tokens": 1}', "--api-key-file", self.keys,
                         env={"ASAN_OPTIONS": "detect_leaks=0"},
                         before=["strace", "-D", "-o", self.trace, *self.TRACE])
        self.request("GET", "/health")  # the first answer's date reads the time zone
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)

    def mark(self):
        self.marks += 1
        self.process.send_signal(signal.SIGHUP)
        wait_until("the keys are read again", lambda: self.stderr().count("keys reloaded") == self.marks)

    def send(self, method, path, body=None, headers=None):
        """The answer's status: any but a failure of the server is as good."""
        data = None if body is None else json.dumps(body)
        named = {"Authorization": "Bearer key", "Content-Type": "application/json", **(headers or {})}
        self.connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in {**named, "Content-Length": str(len(data or ""))}.items():
            self.connection.putheader(name, value)
        self.connection.endheaders(data and data.encode())
        response = self.connection.getresponse()
        text = response.read()
        assert response.status < 500 or response.status == 503, (method, path, body, text)
        return response.status

    def opened(self):
        """The traced calls between the first two marks, after the server has ended."""
        wait_until("the trace is whole", lambda: "+++ exited with 0 +++\n" in self.trace.read_text())
        lines = self.trace.read_text().splitlines()
        marks = [i for i, line in enumerate(lines) if re.search(r" open(at)?\(", line) and f'"{self.keys}"' in line]
        assert len(marks) == 1 + self.marks  # the first is the start's
        return lines[marks[1] + 1:marks[2]]


def can_trace():
    return shutil.which("strace") and subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


@pytest.fixture
def traced(model, tmp_path):
    if not can_trace():
        pytest.skip("no strace (scripts/setup --tests installs it), or no right to trace")
    one = Traced(tmp_path, model)
    yield one
    one.process.kill()
    one.process.wait()


def with_hidden_fields(body, target):
    """What the description does not have, or has as something else."""
    for name in FIELDS:
        for value in (target, [target], {"url": target, "path": target}):
            yield {**body, name: value}
    sources = {"url": target, "image_url": {"url": target}, "file_url": target, "file_id": target, "data": target, "path": target,
               "source": {"type": "url", "url": target}}
    for part in PARTS:
        said = {"role": "user", "content": [{"type": part, **sources}]}
        yield {**body, "messages": [said], "input": [said]}
        yield {"messages": [said]}
        yield {**body, "input": [{"type": part, **sources}], "system": [{"type": part, **sources}]}
    for tool in TOOLS:
        yield {**body, "tools": [{"type": tool, "name": "t", "server_url": target, "server_label": target,
                                  "vector_store_ids": [target], "container": target}]}
    schema = {"type": "object", "$schema": target, "$id": target, "properties": {"a": {"$ref": target}}}
    yield {**body, "tools": [{"type": "function", "function": {"name": "t", "parameters": schema}}]}
    yield {**body, "tools": [{"type": "function", "name": "t", "parameters": schema}]}
    yield {**body, "tools": [{"name": "t", "input_schema": schema}]}


def ask_every_field(server):
    description = Description(json.loads(server.request("GET", "/openapi.json")[1]))
    count = 0
    for method, path, query, schema in description.operations():
        route = path.replace("{id}", "none")
        for target in TARGETS:
            quoted = target.replace("/", "%2F")
            for name in [*query, "path", "file", "url"]:
                server.send(method, f"{route}?{name}={quoted}")
            if "{id}" in path:
                server.send(method, path.replace("{id}", quoted))
            if schema is None:
                continue
            for body in description.bodies(schema, target):
                server.send(method, route, {**SHORT.get(path, {}), **body})
                count += 1
            for body in with_hidden_fields(description.sample(schema), target):
                server.send(method, route, {**SHORT.get(path, {}), **body})
        if path == "/pause_generation":
            server.send("POST", "/continue_generation", {})
    return count


def ask_outside_of_the_description(server):
    for path in ("/update_weights_from_disk", "/load_lora_adapter", "/v1/load_lora_adapter", "/v1/embeddings", "/v1/audio/transcriptions",
                 "/v1/images/generations", "/start_profile", "/configure_logging", "/set_internal_state", "/api/create", "/api/pull"):
        for target in TARGETS:
            server.send("POST", path, {name: target for name in FIELDS})
    for prefix in UNDER:
        for path in NO_PATHS:
            server.send("GET", prefix + path)
    for target in TARGETS:
        server.send("GET", target if target.startswith("http") else "/" + target)
        for name in HEADERS:
            server.send("POST", "/tokenize", {"prompt": "Hi"}, {name: target})


def test_no_request_opens_a_file_or_an_address(traced):
    traced.mark()
    assert ask_every_field(traced) > 1000
    ask_outside_of_the_description(traced)
    traced.wait_idle()
    traced.mark()
    assert traced.stop() == 0
    assert traced.opened() == []
