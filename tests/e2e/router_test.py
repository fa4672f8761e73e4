"""Two servers behind SGLang's router, as its users run it: what it asks of a worker, and what clients see through it."""

import collections
import itertools
import json
import pathlib
import random
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import openai
import pytest

from conftest import DEADLINE_S, Server, wait_until

MODEL = "glint-small"
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Get the current weather for a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}


def is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def free_ports(count):
    """Ports that nobody uses now: the router takes no 0, and a worker must come back under its old one.
    None that the system gives to who asks for 0, so that no other test gets one in between."""
    given = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    others = [port for port in range(1_024, 65_536) if not int(given[0]) <= port <= int(given[1])]
    return list(itertools.islice(filter(is_free, random.sample(others, len(others))), count))


class Router:
    # One failure opens a worker's circuit, so that the retry goes to the other one; it is tried again after a second.
    # All questions begin alike, so without balance one worker would have them all.
    FLAGS = ("--policy", "cache_aware", "--balance-abs-threshold", 1, "--balance-rel-threshold", 1.1,
             "--cb-failure-threshold", 1, "--cb-timeout-duration-secs", 1, "--health-check-interval-secs", 1,
             "--health-failure-threshold", 1, "--health-success-threshold", 1,
             "--worker-startup-check-interval", 1, "--log-level", "warn")

    def __init__(self, log, port, metrics_port, urls):
        self.log = log
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "sglang_router.launch_router", "--worker-urls", *urls, "--host", "127.0.0.1",
                   "--port", port, "--prometheus-host", "127.0.0.1", "--prometheus-port", metrics_port, *self.FLAGS]
        with open(log, "wb") as out:
            self.process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=subprocess.STDOUT)

    def get(self, path):
        """The JSON of an answer; None if there is none yet."""
        if self.process.poll() is not None:
            raise AssertionError(f"the router ended:\n{self.log.read_text(errors='replace')[-4000:]}")
        try:
            with urllib.request.urlopen(self.url + path, timeout=DEADLINE_S) as response:
                return json.load(response)
        except urllib.error.URLError:
            return None

    def healthy(self):
        """The workers that it sends requests to: {url: what it knows of it}."""
        workers = (self.get("/workers") or {"workers": []})["workers"]
        return {worker["url"]: worker for worker in workers if worker["is_healthy"]}


class Fleet:
    def __init__(self, folder):
        self.folder = folder
        self.router_port, metrics_port, *self.ports = free_ports(4)
        self.starts = 0
        self.servers = [self.launch(port) for port in self.ports]
        self.router = Router(folder / "router.log", self.router_port, metrics_port, [one.url for one in self.servers])
        wait_until("both workers are healthy", lambda: len(self.router.healthy()) == 2)
        self.client = openai.OpenAI(base_url=f"{self.router.url}/v1", api_key="EMPTY", max_retries=0)

    def launch(self, port):
        self.starts += 1
        return Server(self.folder / f"server{self.starts}.log", "--port", port, "--device", "cpu", "--random-seed", 7)

    def ask(self, question, **more):
        return self.client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": question}], temperature=0, **more)

    def close(self):
        self.router.process.kill()
        self.router.process.wait()
        for server in self.servers:
            server.process.kill()
            server.process.wait()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    one = Fleet(tmp_path_factory.mktemp("router"))
    yield one
    one.close()


def served(server):
    return server.metrics()["sglang:num_requests_total"]


def test_the_router_knows_its_workers(fleet):
    workers = fleet.router.healthy()
    assert sorted(workers) == sorted(server.url for server in fleet.servers)
    for worker in workers.values():
        assert worker["model_id"] == MODEL and worker["worker_type"] == "regular"
        known = worker["metadata"]
        assert known["served_model_name"] == MODEL and known["model_type"] == "glm4_moe_lite"
        assert known["tp_size"] == known["dp_size"] == "1" and known["disaggregation_mode"] == "null"
    loads = fleet.router.get("/get_loads")["workers"]
    assert sorted(one["worker"] for one in loads) == sorted(workers)
    assert all(one["load"] == 0 for one in loads), "-1: it could not read a worker's load"
    assert json.loads(fleet.servers[0].request("GET", "/v1/models")[1])["data"][0]["owned_by"] == "sglang"


def test_chat_streams_tools_and_generate_go_through(fleet):
    answer = fleet.ask("What is 2 + 3?")
    assert "5" in answer.choices[0].message.content and answer.choices[0].finish_reason == "stop"

    text, usage = "", None
    for chunk in fleet.ask("What is 4 + 4?", stream=True, stream_options={"include_usage": True}):
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage or usage
    assert "8" in text and usage.completion_tokens > 0

    called = fleet.ask("What is the weather in Paris?", tools=[WEATHER]).choices[0]
    assert called.finish_reason == "tool_calls"
    call = called.message.tool_calls[0].function
    assert call.name == "get_weather" and "Paris" in json.loads(call.arguments).values()

    body = {"text": "One, two", "sampling_params": {"max_new_tokens": 5, "ignore_eos": True, "temperature": 0}}
    request = urllib.request.Request(f"{fleet.router.url}/generate", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:
        through = json.load(response)
    direct = fleet.servers[0].post("/generate", body)
    assert through["output_ids"] == direct["output_ids"] and through["meta_info"]["completion_tokens"] == 5


class Clients:
    """Ask without end, each time something new; remember what came."""

    def __init__(self, fleet, count):
        self.fleet = fleet
        self.done = threading.Event()
        self.outcomes = collections.Counter()  # guarded by the lock: "ok", or an error's status
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, client):
        ask = (self.ask_whole, self.ask_stream, self.ask_tool)[client % 3]
        turn = 0
        while not self.done.is_set():
            turn += 1
            try:
                outcome = "ok" if ask(f"What is {client + 10 * turn} + {client}?") else "cut"
            except openai.APIStatusError as error:
                outcome = error.status_code
            except openai.OpenAIError as error:
                outcome = repr(error)
            with self.lock:
                self.outcomes[outcome] += 1

    # Each is true of an answer that came whole.

    def ask_whole(self, question):
        return self.fleet.ask(question, max_tokens=48).choices[0].finish_reason in ("stop", "length")

    def ask_stream(self, question):
        """A stream that breaks off ends without a reason; its status was sent before."""
        chunks = list(self.fleet.ask(question, max_tokens=48, stream=True))
        return bool(chunks) and chunks[-1].choices[0].finish_reason in ("stop", "length")

    def ask_tool(self, question):
        answer = self.fleet.ask(question, max_tokens=96, tools=[WEATHER], tool_choice="required").choices[0]
        return answer.finish_reason == "tool_calls" and bool(answer.message.tool_calls)

    def num_ok(self):
        with self.lock:
            return self.outcomes["ok"]

    def more_go_through(self, count):
        wanted = self.num_ok() + count
        wait_until(f"{count} more requests go through", lambda: self.num_ok() >= wanted)

    def stop(self):
        self.done.set()
        for thread in self.threads:
            thread.join()
        return self.outcomes


def test_a_worker_may_stop_and_come_back(fleet):
    """Its running answers, streams too, are finished (SIGTERM), the others go to the other worker. Whoever was on its
    way to it may get an error of the router, with a status; nobody else."""
    num_clients = 6
    clients = Clients(fleet, num_clients)
    try:
        clients.more_go_through(num_clients)
        assert fleet.servers[0].stop() == 0
        wait_until("the router has seen it", lambda: list(fleet.router.healthy()) == [fleet.servers[1].url])
        clients.more_go_through(2 * num_clients)
        fleet.servers[0] = fleet.launch(fleet.ports[0])
        wait_until("it is back", lambda: len(fleet.router.healthy()) == 2)
        wait_until("it gets requests again", lambda: served(fleet.servers[0]) > 0)
        clients.more_go_through(num_clients)
    finally:
        outcomes = clients.stop()
    failed = {outcome: count for outcome, count in outcomes.items() if outcome != "ok"}
    assert set(failed) <= {500, 502, 503}, failed
    assert sum(failed.values()) <= num_clients, failed
    for server in fleet.servers:
        server.wait_idle()
