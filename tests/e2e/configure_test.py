"""glint configure: the same table by flags, on a terminal, and from the server."""

import http.client
import itertools
import json
import shlex

import pytest

from command_line_test import glint, terminal  # terminal is a fixture
from conftest import DEADLINE_S


def configure(*flags):
    done = glint("configure", *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout


def without_a_server(command):
    """The words of the printed command after `glint serve MODEL`."""
    words = shlex.split(command)
    assert words[:2] == ["glint", "serve"]
    return words[3:]


def test_the_command_is_the_first_line_and_the_sums_follow():
    text = configure("--hardware", "h100", "--concurrency", 8, "--context", 4096)
    command = text.splitlines()[0]
    assert command == ("glint serve zai-org/GLM-4.7-Flash --context-length 4096 --reasoning-parser glm45 "
                       "--tool-call-parser glm47")
    assert "weights, bf16" in text and "8 requests at their full length fit at once" in text
    assert "at most" in text and "conditions" in text


@pytest.mark.parametrize("flags", [
    ["--context", 512], ["--context", 1024, "--concurrency", 300, "--reasoning", "off"],
    ["--context", 8192, "--tools", "off", "--listen", "network"], ["--context", 64, "--mtp", "on"]])
def test_the_printed_command_starts_a_server(flags, start):
    command = configure(*flags).splitlines()[0]
    server = start(*(word.replace("$GLINT_API_KEY", "a-key") for word in without_a_server(command)))
    assert server.request("GET", "/health")[0] == 200
    assert server.request("GET", "/server_info")[0] == (401 if "network" in flags else 200)
    info = json.loads(server.request("GET", "/server_info", headers={"Authorization": "Bearer a-key"})[1])
    assert info["reasoning_parser"] == ("glm45" if "--reasoning" not in flags else None)


def test_the_impossible_is_refused_with_the_sum():
    done = glint("configure", "--tp", 4, "--dp", 4)
    assert done.returncode == 1 and "4 x 4 = 16 GPUs" in done.stdout and "glint serve" not in done.stdout
    as_json = glint("configure", "--context", 300000, "--json")
    report = json.loads(as_json.stdout)
    assert as_json.returncode == 1 and report["command"] is None and "97248 more" in report["problems"][0]


def test_wrong_answers_are_wrong_usage():
    done = glint("configure", "--mtp", "maybe")
    assert done.returncode == 2 and "expected on or off" in done.stderr and not done.stdout


def test_on_a_terminal_it_asks(terminal):
    asking = terminal("configure")
    answers = ["h200", "1", "", "", "", "off", "", "oops", "4", "4096", "", "8000", ""]
    asking.type("\n".join(answers) + "\n")
    asking.read_until(b"by the rates that one NVIDIA H200 reached")  # the last condition
    assert asking.process.wait(timeout=DEADLINE_S) == 0
    command = b"glint serve zai-org/GLM-4.7-Flash --port 8000 --context-length 4096 --reasoning-parser none --tool-call-parser glm47"
    assert command in asking.shown and b"4 requests at their full length fit at once" in asking.shown
    assert "expected a whole number" in asking.stderr() and b"NVIDIA H200" in asking.shown
    assert "not yet: several GPUs" in asking.stderr()


def test_the_server_gives_the_same_answers(server):
    status, text = server.request("GET", "/configure/questions")
    questions = json.loads(text)["questions"]
    assert status == 200 and [q["id"] for q in questions][:3] == ["hardware", "quantization", "tp"]
    status, text = server.request("GET", "/configure/proposal?hardware=h200&concurrency=8&model=my%20model")
    typed = configure("--hardware", "h200", "--concurrency", 8, "--model", "my model", "--json")
    assert status == 200 and json.loads(text) == json.loads(typed)
    assert json.loads(text)["command"].startswith("glint serve 'my model' ")


@pytest.mark.parametrize("query, param", [("hardware=rtx", "hardware"), ("context=16k", "context"), ("color=blue", "color")])
def test_the_server_refuses_what_is_no_answer(server, query, param):
    status, text = server.request("GET", f"/configure/proposal?{query}")
    assert status == 400 and json.loads(text)["error"]["param"] == param


def test_the_page_is_sent_once_and_then_only_its_etag(server):
    def ask(method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_S)
        connection.request(method, "/configure", headers=headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response, text

    response, text = ask()
    assert response.status == 200 and text.startswith("<!doctype html>")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    etag = response.headers["ETag"]
    again, nothing = ask(**{"If-None-Match": etag})
    assert again.status == 304 and again.headers["ETag"] == etag and nothing == ""
    head, nothing = ask("HEAD")
    assert head.status == 200 and int(head.headers["Content-Length"]) == len(text.encode()) and nothing == ""
    assert ask("POST")[0].status == 405


def test_whatever_is_proposed_is_known_to_serve():
    """Its flags are taken, or, of what this build cannot do, refused in a sentence; none is unknown."""
    choices = itertools.product((1, 2), (1, 2), ("on", "off"), ("bf16", "fp8"), ("on", "off"))
    for tp, dp, mtp, quantization, tools in choices:
        flags = ["--tp", tp, "--dp", dp, "--mtp", mtp, "--quantization", quantization, "--tools", tools]
        report = json.loads(configure(*flags, "--hardware", "h200", "--json"))
        done = glint("serve", *without_a_server(report["command"]), "--model", "/no/such/folder")
        is_refused = tp > 1 or dp > 1 or quantization == "fp8"
        assert done.returncode == (2 if is_refused else 1), done.stderr
        assert ("Expected" in done.stderr) == is_refused and (not is_refused or report["not_yet"])
