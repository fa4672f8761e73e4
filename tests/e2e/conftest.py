"""A glint server on loopback with a tiny random model, started for the tests that ask for it."""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest

BIN = pathlib.Path(os.environ["GLINT_BIN_DIR"])
DEADLINE_S = 120  # of everything that is waited for; generous, for sanitizers


def wait_until(what, condition):
    """Polls until `condition()` is true; returns what it gave."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {DEADLINE_S} s: {what}")


class Server:
    def __init__(self, log, *flags, env=None, before=()):
        """`before`: words in front of the command."""
        self.log = pathlib.Path(log)
        with open(self.log, "wb") as stderr:
            self.process = subprocess.Popen([*before, BIN / "glint", "serve", *map(str, flags)], stderr=stderr,
                                            env={**os.environ, **(env or {})})
        self.port = int(wait_until("the server listens", self._listening).group(1))
        self.url = f"http://127.0.0.1:{self.port}"

    def _listening(self):
        if self.process.poll() is not None:
            raise AssertionError(f"exit status {self.process.returncode}:\n{self.stderr()}")
        return re.search(r"listening on https?://[^ ]*:(\d+)\n", self.stderr())

    def stderr(self):
        return self.log.read_text(errors="replace")

    def request(self, method, path, body=None, headers=None):
        """Status and body of one answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        headers = {"Content-Type": "application/json"} if headers is None else headers
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def post(self, path, body):
        status, text = self.request("POST", path, body)
        assert status == 200, text
        return json.loads(text)

    def metrics(self):
        """Name to value, for the series without a bucket."""
        status, text = self.request("GET", "/metrics")
        assert status == 200
        lines = [line for line in text.splitlines() if line and line[0] != "#" and "le=" not in line]
        return {line.split("{")[0]: float(line.rsplit(" ", 1)[1]) for line in lines}

    def wait_idle(self):
        def idle():
            m = self.metrics()
            names = ("num_running_reqs", "num_queue_reqs", "num_used_tokens")
            return all(m[f"sglang:{name}"] == 0 for name in names)

        wait_until("no request runs and no page is used", idle)

    def stop(self, signal_number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        return self.process.wait(timeout=DEADLINE_S)


class Stream:
    """A streamed answer over a socket of our own, so that we can leave in the middle of it."""

    def __init__(self, server, path, body):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S)
        data = json.dumps({**body, "stream": True}).encode()
        head = (f"POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(data)}\r\n\r\n")
        self.socket.sendall(head.encode() + data)
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        while self.file.readline() not in (b"\r\n", b""):
            pass

    def events(self):
        """The data of each event; ends with the stream, which may be cut within a line."""
        for line in self.file:
            if line.startswith(b"data: ") and line.endswith(b"\n"):
                yield line[len(b"data: "):].decode().strip()

    def leave(self):
        self.file.close()
        self.socket.close()


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "glint-tiny"
    subprocess.run([BIN / "make_tiny_checkpoint", folder], check=True, stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture
def start(model, tmp_path):
    """start(flags…): a server of this test's own."""
    servers = []

    def start_one(*flags, folder=model):
        log = tmp_path / f"server{len(servers)}.log"
        servers.append(Server(log, folder, "--port", 0, "--device", "cpu", *flags))
        return servers[-1]

    yield start_one
    for one in servers:
        one.process.kill()
        one.process.wait()


@pytest.fixture
def start_bundled(tmp_path):
    """start_bundled(): a server with the bundled model and an empty prefix cache, of this test's own."""
    servers = []

    def start_one(*flags):
        servers.append(Server(tmp_path / f"bundled{len(servers)}.log", "--port", 0, "--device", "cpu", *flags))
        return servers[-1]

    yield start_one
    for one in servers:
        one.process.kill()
        one.process.wait()


@pytest.fixture(scope="session")
def server(model, tmp_path_factory):
    """The server that most tests share. It must be in order when they are done with it."""
    log = tmp_path_factory.mktemp("server") / "stderr.log"
    one = Server(log, model, "--port", 0, "--device", "cpu", "--served-model-name", "glint-tiny",
                 "--random-seed", 7)
    one.model_folder = model
    yield one
    assert one.stop() == 0, one.stderr()


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    """A server without MODEL: it has the bundled one."""
    one = Server(tmp_path_factory.mktemp("bundled") / "stderr.log", "--port", 0, "--device", "cpu", "--random-seed", 7)
    yield one
    assert one.stop() == 0, one.stderr()


@pytest.fixture(scope="module")
def chromium():
    """The browser, for all tests of a file; most want `browser`, which leaves nothing behind."""
    from browser import Browser
    one = Browser()
    yield one
    one.close()


@pytest.fixture
def browser(chromium):
    """A browser without a past. When the test is done, it must not have asked any other host than this machine, and
    its console must be empty."""
    chromium.forget()
    yield chromium
    assert not chromium.foreign_requests()
    assert not chromium.complaints()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    shared = getattr(item, "funcargs", {}).get("server")
    if report.failed and shared is not None:
        report.sections.append(("server stderr", shared.stderr()[-4000:]))
    return report
