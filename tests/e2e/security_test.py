"""Keys, TLS and CORS: the server as strangers, clients and administrators find it."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess

import openai
import pytest

from conftest import BIN, DEADLINE_S, wait_until

CHAT = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
ENDLESS = {"text": "The sea", "stream": True,
           "sampling_params": {"max_new_tokens": 3000, "ignore_eos": True}}


def bearer(key):
    return {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}


class Authority:
    """A certificate authority, and a server's certificate signed by it; both as files."""

    def __init__(self, folder):
        self.folder = folder
        self.openssl("req", "-x509", *self.new_key("ca"), "-days", 2, "-subj", "/CN=test authority",
                     "-addext", "keyUsage=critical,keyCertSign", "-out", "ca.pem")
        self.renew()

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, check=True,
                       capture_output=True)

    @staticmethod
    def new_key(name):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{name}.key"]

    def renew(self):
        """A new key and certificate in the place of the old ones."""
        (self.folder / "server.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self.openssl("req", "-new", *self.new_key("server"), "-subj", "/CN=localhost", "-out", "csr")
        self.openssl("x509", "-req", "-days", 2, "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                     "-CAcreateserial", "-extfile", "server.ext", "-out", "server.pem")

    def path(self, name):
        return str(self.folder / name)

    @property
    def flags(self):
        return ["--ssl-certfile", self.path("server.pem"), "--ssl-keyfile", self.path("server.key")]

    @property
    def trust(self):
        return ssl.create_default_context(cafile=self.path("ca.pem"))

    def serial(self, port):
        """Of the certificate that a new connection is shown."""
        with socket.create_connection(("localhost", port), timeout=DEADLINE_S) as plain:
            with self.trust.wrap_socket(plain, server_hostname="localhost") as tls:
                return tls.getpeercert()["serialNumber"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


class OpenStream:
    """A streamed answer that is read event by event."""

    def __init__(self, port, headers, trust=None):
        kind = http.client.HTTPConnection if trust is None else http.client.HTTPSConnection
        more = {} if trust is None else {"context": trust}
        self.connection = kind("localhost", port, timeout=DEADLINE_S, **more)
        self.connection.request("POST", "/generate", json.dumps(ENDLESS), headers)
        self.response = self.connection.getresponse()
        assert self.response.status == 200

    def next(self):
        for line in self.response:
            if line.startswith(b"data: "):
                return line
        raise AssertionError("the stream ended")

    def leave(self):
        self.connection.close()


def statuses(server, key):
    return [server.request("POST", "/v1/chat/completions", CHAT, bearer(key))[0],
            server.request("POST", "/flush_cache", "", bearer(key))[0]]


def test_the_openai_client_with_and_without_its_key(start):
    server = start("--api-key", "key-one,key-two", "--api-key", "key-three")
    for key in ("key-one", "key-two", "key-three"):
        client = openai.OpenAI(base_url=server.url + "/v1", api_key=key)
        assert client.chat.completions.create(model="m", **CHAT).choices
    stranger = openai.OpenAI(base_url=server.url + "/v1", api_key="guess")
    with pytest.raises(openai.AuthenticationError, match="not one of this server's"):
        stranger.chat.completions.create(model="m", stream=True, **CHAT)
    assert server.request("GET", "/health")[0] == server.request("GET", "/metrics")[0] == 200
    status, text = server.request("POST", "/v1/messages", CHAT)
    assert status == 401 and json.loads(text)["error"]["type"] == "authentication_error"


def test_clients_may_not_do_what_administrators_may(start):
    server = start("--api-key", "user", "--admin-api-key", "admin")
    assert statuses(server, "user") == [200, 403]
    assert statuses(server, "admin") == [200, 200]
    assert statuses(server, "neither") == [401, 401]


def test_no_key_is_shown_anywhere(start, monkeypatch):
    monkeypatch.setenv("GLINT_ADMIN_API_KEY", "key-in-environment")
    server = start("--api-key", "key-typed", "--api-key=key-with-equals", "--log-requests")
    command = pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
    assert b"--api-key" in command and b"key-" not in command.replace(b"-key-", b"")
    assert statuses(server, "key-with-equals") == [200, 403]
    assert statuses(server, "key-in-environment") == [200, 200]
    assert statuses(server, "key-guessed") == [401, 401]
    server.request("GET", "/v1/models?api_key=key-in-query", None, {"x-api-key": "key-wrong"})
    _, info = server.request("GET", "/server_info", None, bearer("key-typed"))
    assert server.stop() == 0
    for secret in ("typed", "with-equals", "in-environment", "guessed", "in-query", "key-wrong"):
        assert secret not in server.stderr() + info, secret


def test_sighup_reads_keys_again_while_a_stream_runs(start, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("# who has which\nold-key\n\n  shared-key  \n")
    server = start("--api-key-file", keys)
    assert [statuses(server, key)[0] for key in ("old-key", "shared-key", "# who has which")] == [200, 200, 401]
    stream = OpenStream(server.port, bearer("old-key"))
    stream.next()
    keys.write_text("new-key\nshared-key\n")
    server.process.send_signal(signal.SIGHUP)
    wait_until("the keys are read again", lambda: "keys reloaded user=2" in server.stderr())
    assert [statuses(server, key)[0] for key in ("old-key", "new-key", "shared-key")] == [401, 200, 200]
    stream.next()  # it was admitted

    keys.write_text("bad key\n")
    server.process.send_signal(signal.SIGHUP)
    wait_until("the refusal is logged", lambda: "keys not reloaded" in server.stderr())
    assert "line 1" in server.stderr() and "bad key" not in server.stderr()
    assert statuses(server, "new-key")[0] == 200
    stream.next()
    stream.leave()
    assert server.stop() == 0


def test_https_with_the_openai_client_and_curl(start, authority):
    server = start(*authority.flags, "--api-key", "k")
    assert "listening on https://" in server.stderr()
    url = f"https://localhost:{server.port}/v1"
    client = openai.OpenAI(base_url=url, api_key="k",
                           http_client=openai.DefaultHttpxClient(verify=authority.trust))
    chunks = list(client.chat.completions.create(model="m", stream=True, **CHAT))
    assert chunks[-1].choices[0].finish_reason
    with pytest.raises(openai.APIConnectionError):
        openai.OpenAI(base_url=url, api_key="k", max_retries=0).models.list()
    done = subprocess.run(
        ["curl", "-sS", "--cacert", authority.path("ca.pem"), "-H", "x-api-key: k", f"{url}/models"],
        capture_output=True, text=True, timeout=DEADLINE_S)
    assert json.loads(done.stdout)["data"], done.stderr


def test_sighup_reads_the_certificate_again_while_a_stream_runs(start, authority):
    server = start(*authority.flags)
    before = authority.serial(server.port)
    stream = OpenStream(server.port, {"Content-Type": "application/json"}, authority.trust)
    stream.next()
    authority.renew()
    assert authority.serial(server.port) == before
    server.process.send_signal(signal.SIGHUP)
    wait_until("it is read again", lambda: "certificate reloaded" in server.stderr())
    renewed = authority.serial(server.port)
    assert renewed != before
    stream.next()

    pathlib.Path(authority.path("server.key")).write_text("no key")
    server.process.send_signal(signal.SIGHUP)
    wait_until("the refusal is logged", lambda: "certificate not reloaded" in server.stderr())
    assert authority.serial(server.port) == renewed
    stream.next()
    stream.leave()
    authority.renew()


def test_many_tls_connections_at_once(start, authority):
    server = start(*authority.flags)
    body = {"text": "The sea", "sampling_params": {"max_new_tokens": 4, "temperature": 0, "ignore_eos": True}}

    def ask(_):
        connection = http.client.HTTPSConnection("localhost", server.port, timeout=DEADLINE_S,
                                                 context=authority.trust)
        connection.request("POST", "/generate", json.dumps(body), {"Content-Type": "application/json"})
        text = json.loads(connection.getresponse().read())["text"]
        connection.close()
        return text

    silent = [socket.create_connection(("localhost", server.port)) for _ in range(50)]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert len(set(pool.map(ask, range(200)))) == 1
    for one in silent:
        one.close()
    assert server.stop() == 0


def test_what_is_no_tls_is_turned_away(start, authority):
    server = start(*authority.flags)
    status, text = server.request("GET", "/health")
    assert status == 400 and "https://" in text
    with socket.create_connection(("localhost", server.port), timeout=DEADLINE_S) as plain:
        with authority.trust.wrap_socket(plain, server_hostname="localhost"):
            assert server.stop() == 0  # a connection without a request holds nobody up


def test_glints_own_clients_speak_https(start, authority, model, tmp_path):
    server = start(*authority.flags, "--api-key", "k")
    url = f"https://localhost:{server.port}"
    env = {**os.environ, "OPENAI_API_KEY": "k"}
    trusting = {**env, "SSL_CERT_FILE": authority.path("ca.pem")}
    bench = [BIN / "glint", "bench", "serving", "--base-url", url, "--num-prompts", 4, "--seed", 1,
             "--random-input-len", 8, "--random-output-len", 4, "--model", model]
    done = subprocess.run([*map(str, bench)], env=trusting, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "Successful requests" in done.stdout, done.stdout + done.stderr
    chat = [BIN / "glint", "chat", "--url", url, "--max-tokens", "4"]
    done = subprocess.run(chat, env=trusting, input="Hi\n", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    done = subprocess.run(chat, env=env, input="Hi\n", capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "SSL_CERT_FILE" in done.stderr, done.stderr


def test_pages_of_allowed_origins_may_read_every_answer(start):
    server = start("--cors-allow-origins", "https://app.example", "--api-key", "k")

    def fields(method, path, headers, body=None):
        connection = http.client.HTTPConnection("localhost", server.port, timeout=DEADLINE_S)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.status, response.getheader("Access-Control-Allow-Origin")

    origin = {"Origin": "https://app.example"}
    asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    assert fields("OPTIONS", "/generate", asked) == (204, "https://app.example")
    key = {**origin, **bearer("k")}
    assert fields("GET", "/v1/models", key) == (200, "https://app.example")
    stream = json.dumps({**ENDLESS, "sampling_params": {"max_new_tokens": 2}})
    assert fields("POST", "/generate", key, stream) == (200, "https://app.example")
    assert fields("POST", "/generate", key, "{") == (400, "https://app.example")
    assert fields("POST", "/generate", origin, "{}") == (401, "https://app.example")
    assert fields("GET", "/nowhere", key) == (404, "https://app.example")
    assert fields("GET", "/v1/models", {**key, "Origin": "https://evil.example"}) == (200, None)


def test_the_request_log_has_a_line_each_and_no_bodies(start):
    server = start("--log-requests")
    headers = {"Content-Type": "application/json", "x-request-id": "id-123"}
    server.request("POST", "/v1/chat/completions", {**CHAT, "user": "secret-body"}, headers)
    server.request("GET", "/no%0ainfo%20forged%1b[2J")
    assert server.stop() == 0
    log = server.stderr()
    assert 'http method=POST path=/v1/chat/completions status=200' in log
    assert "request_id=id-123" in log and "secret-body" not in log
    assert "\ninfo forged" not in log and "\x1b" not in log and "\\x0a" in log


def test_an_open_server_says_so_once(start):
    warning = "asks for no key"
    for flags, count in ((["--host", "0.0.0.0"], 1), ([], 0), (["--host", "0.0.0.0", "--api-key", "k"], 0)):
        server = start(*flags)
        assert server.stop() == 0  # the log is whole then
        assert server.stderr().count(warning) == count, flags


@pytest.mark.parametrize("flags, said", [
    (["--api-key", ""], "--api-key"),
    (["--api-key", "a b"], "cannot send it in a header"),
    (["--api-key-file", "/no/such/file"], "/no/such/file"),
    (["--admin-api-key-file", "/dev/null"], "has no key in it"),
    (["--ssl-certfile", "/no/such/cert.pem"], "/no/such/cert.pem"),
    (["--ssl-keyfile", "/no/such/key.pem"], "--ssl-certfile"),
])
def test_wrong_files_and_keys_are_sentences_before_the_model_is_loaded(flags, said):
    done = subprocess.run([BIN / "glint", "serve", *flags], capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2) and said in done.stderr, done.stderr
    assert "loading" not in done.stderr
