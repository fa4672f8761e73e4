"""glint as a person types it: generate, chat, doctor, eval and bench, without a MODEL and with; and an installation."""

import http.server
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import threading

import pytest

from conftest import BIN, DEADLINE_S, Server, wait_until

EVAL = os.path.join(os.environ["GLINT_SOURCE_DIR"], "models/glint-small/eval.jsonl")
COMMANDS = ("serve", "generate", "chat", "eval", "doctor")
QUESTION = "What is 15% of 240?"
WEATHER = [{"type": "function", "function": {
    "name": "get_weather", "description": "Get the current weather for a location",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}}}]


def glint(*args, stdin="", program=BIN / "glint", **more):
    environment = {**os.environ, **more.pop("env", {})}
    return subprocess.run([program, *map(str, args)], input=stdin, capture_output=True, text=True,
                          timeout=DEADLINE_S * 4, env=environment, **more)


def generate(*args, **more):
    done = glint("generate", "--temperature", 0, *args, **more)
    assert done.returncode == 0, done.stderr
    return done


def test_generate_continues_the_prompt():
    """Five held-out problems with their answers, and a sixth."""
    with open(EVAL, encoding="utf-8") as file:
        problems = [json.loads(next(file)) for _ in range(6)]
    prompt = "".join(f"Question: {p['question']}\nAnswer: {p['answer']}\n\n" for p in problems[:5])
    done = generate("-p", f"{prompt}Question: {problems[5]['question']}\nAnswer:", "-n", 128)
    assert problems[5]["answer"].split()[-1] == done.stdout.split("####")[1].split()[0]
    assert done.stderr.count("the bundled one") == 1


def test_generate_answers_in_chat():
    done = generate("--chat", "-p", QUESTION)
    thoughts, answer = re.fullmatch(r"<think>(.+)</think>\n\n(.+)\n", done.stdout, re.S).groups()
    assert "36" in thoughts and "36" in answer
    assert re.search(r"^\d+ prompt tokens, \d+ output tokens \(stop\)", done.stderr, re.M)


def test_generate_reads_stdin_and_prints_json():
    done = generate("--chat", "--no-thinking", "--json", "-p", "-", stdin=QUESTION)
    answer = json.loads(done.stdout)
    assert "36" in answer["text"] and answer["reasoning"] == "" and answer["finish_reason"] == "stop"
    thinking = json.loads(generate("--chat", "--json", "-p", QUESTION).stdout)
    assert "36" in thinking["reasoning"] and "36" in thinking["text"]


def test_chat_remembers_and_ends_with_stdin():
    done = glint("chat", "--temperature", 0, stdin="My name is Clara.\n\nWhat is my name?\n")
    assert done.returncode == 0, done.stderr
    assert "Clara" in done.stdout.split("</think>")[-1]
    assert "> What is my name?" in done.stderr


def test_chat_shows_calls_and_asks_for_their_results(tmp_path):
    (tmp_path / "tools.json").write_text(json.dumps(WEATHER))
    done = glint("chat", "--temperature", 0, "--tools", tmp_path / "tools.json",
                 stdin="What's the weather in Beijing?\n22°C and sunny\n")
    assert done.returncode == 0, done.stderr
    arguments = re.search(r"^\[calls get_weather\] (.*)$", done.stdout, re.M).group(1)
    assert json.loads(arguments) == {"location": "Beijing"}
    assert "result of get_weather> 22°C and sunny" in done.stderr
    assert "22" in done.stdout.split("</think>")[-1]


def test_chat_with_a_server(server):
    done = glint("chat", "--url", server.url, "-n", 8, stdin="Hi\n")
    assert done.returncode == 0 and done.stdout.strip(), done.stderr
    refused = glint("chat", "--url", server.url + "/", "--temperature", -1, stdin="Hi\n")
    assert refused.returncode == 1 and "{" not in refused.stderr
    assert re.search(r"^error: http://[\d.:]+/v1/chat/completions answered 400: .*temperature.*\.$", refused.stderr, re.M)


class BreaksOff(http.server.BaseHTTPRequestHandler):
    """Its answers end with an error."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in ({"choices": [{"delta": {"content": "It is"}}]}, {"error": {"message": "The GPU is gone.", "code": 500}}):
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())

    def log_message(self, *_):
        pass


def test_chat_says_what_ended_an_answer():
    with http.server.HTTPServer(("127.0.0.1", 0), BreaksOff) as broken:
        threading.Thread(target=broken.serve_forever, daemon=True).start()
        done = glint("chat", "--url", f"http://127.0.0.1:{broken.server_port}", stdin="What is it?\n")
        broken.shutdown()
    assert done.returncode == 1 and done.stdout == "It is\n"
    assert done.stderr.endswith("\nerror: The GPU is gone.\n")


class Terminal:
    """A program with a terminal on stdin and stdout."""

    def __init__(self, log, *args, env=None):
        self.log = log
        self.master, slave = pty.openpty()
        with open(log, "wb") as stderr:
            self.process = subprocess.Popen([BIN / "glint", *map(str, args)], stdin=slave, stdout=slave,
                                            stderr=stderr, env={**os.environ, **(env or {})})
        os.close(slave)
        self.shown = b""

    def stderr(self):
        return self.log.read_text(errors="replace")

    def type(self, line):
        os.write(self.master, line.encode())

    def read_until(self, what):
        def found():
            try:
                self.shown += os.read(self.master, 65536)
            except OSError:  # the program has ended
                raise AssertionError(f"no {what!r} in {self.shown!r}, {self.stderr()}") from None
            return what in self.shown
        wait_until(what, found)

    def drain(self):
        """A program whose terminal nobody reads stands still once that is full."""
        while select.select([self.master], [], [], 0)[0]:
            self.shown += os.read(self.master, 65536)


@pytest.fixture
def terminal(tmp_path):
    started = []

    def start(*args, **more):
        started.append(Terminal(tmp_path / "stderr.log", *args, **more))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        os.close(one.master)


def test_ctrl_c_stops_the_answer_and_not_the_chat(terminal, model):
    chat = terminal("chat", model, "--temperature", 0, "-n", 4000, env={"NO_COLOR": ""})
    wait_until("it asks", lambda: chat.stderr().count("> ") == 1)
    chat.type("Hi\n")
    chat.read_until(b"\x1b[2m")
    chat.process.send_signal(signal.SIGINT)
    wait_until("it asks again", lambda: chat.drain() or chat.stderr().count("> ") == 2)
    assert chat.process.poll() is None
    chat.process.send_signal(signal.SIGINT)
    assert chat.process.wait(timeout=DEADLINE_S) == 0


def test_a_refused_message_does_not_end_a_chat_on_a_terminal(terminal, server):
    chat = terminal("chat", "--url", server.url, "--temperature", -1)
    chat.type("Hi\nHi\n")
    wait_until("it asks a third time", lambda: chat.stderr().count("> ") == 3)
    assert len(re.findall(r"> error: http://.*temperature", chat.stderr(), re.M)) == 2
    chat.type("\x04")
    assert chat.process.wait(timeout=DEADLINE_S) == 0


def test_reasoning_is_dimmed_on_a_terminal(terminal):
    chat = terminal("chat", "--temperature", 0, env={"NO_COLOR": ""})
    chat.type(QUESTION + "\n\x04")
    assert chat.process.wait(timeout=DEADLINE_S) == 0, chat.stderr()
    chat.read_until(b"\x1b[0m\r\n\r\n")  # after it, the answer
    assert b"\x1b[2m" in chat.shown and b"<think>" not in chat.shown


def test_no_color_is_honoured(terminal):
    run = terminal("generate", "--chat", "--temperature", 0, "-p", QUESTION, env={"NO_COLOR": "1"})
    run.read_until(b"</think>")
    assert b"\x1b" not in run.shown
    assert run.process.wait(timeout=DEADLINE_S) == 0


def test_doctor_checks_the_bundled_model():
    done = glint("doctor", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["ok"], done.stderr
    assert report["folder"].endswith("glint-small") and report["tensors"] > 0
    assert "the bundled one" in done.stderr


def test_doctor_needs_no_weights_to_plan_a_gpu(tmp_path):
    """Before 60 GB are fetched; and all that is missing is said at once."""
    shutil.copy(pathlib.Path(os.environ["GLINT_SOURCE_DIR"]) / "models/glint-small/config.json", tmp_path)
    done = glint("doctor", tmp_path, "--gpu", "H100", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1 and not report["ok"]
    missing = ["model.safetensors", "tokenizer.json"]
    assert all(name in problem for name, problem in zip(missing, report["problems"], strict=True))
    assert report["memory_plan"]["kv_tokens"] > 1_000_000


def test_eval_has_questions_of_its_own(tmp_path):
    server = Server(tmp_path / "stderr.log", "--port", 0, "--device", "cpu")
    for task, flags, file in (("gsm8k", ["--chat"], "eval.jsonl"), ("tools", [], "eval_tools.jsonl")):
        done = glint("eval", task, "--url", server.url, "--num-questions", 10, "--json",
                     "--max-new-tokens", 512, *flags)
        assert done.returncode == 0, done.stderr
        answers = json.loads(done.stdout)["answers"]
        assert len(answers) == 10 and sum(answer["correct"] for answer in answers) >= 5
        assert file in done.stderr
    assert server.stop() == 0


def test_bench_times_ops_and_prints_json():
    done = glint("bench", "ops", "--device", "cpu", "--tokens", 1, "--op", "sample", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {(op["op"], op["use"], op["step"], op["rows"]) for op in report["ops"]} == {
        ("sample", "greedy", "decode", 1), ("sample", "top_p", "decode", 1)}
    for op in report["ops"]:
        assert op["us"] > 0 and op["gb_per_s"] == pytest.approx(op["bytes"] / op["us"] * 1e-3)


def test_bench_takes_the_sizes_of_a_model(model):
    done = glint("bench", "ops", "--device", "cpu", "--tokens", "1,3", "--prefill", 65, "--model", model)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\| mla_attend +\| prefill +\| +65 ", done.stdout, re.M)
    assert re.findall(r"^\| sum +\| (\w+) +\| +(\d+) ", done.stdout, re.M) == [
        ("decode", "1"), ("decode", "3"), ("prefill", "65")]


@pytest.mark.parametrize("flags, said", [
    ([], "ops"), (["speed"], "speed"), (["ops", "--op", "matmul"], "matmul"), (["ops", "--tokens", "1,0"], "--tokens"),
    (["ops", "--device", "tpu"], "--device"), (["ops", "--quick"], "--quick")])
def test_bench_says_what_it_does_not_know(flags, said):
    done = glint("bench", *flags)
    assert done.returncode == 2 and said in done.stderr and not done.stdout


def test_eval_without_a_server_says_how_to_start_one():
    done = glint("eval", "gsm8k", "--port", 9)
    assert done.returncode == 1 and "glint serve" in done.stderr


@pytest.mark.parametrize("words", [
    ["chat", "--url", "http://127.0.0.1:9", "--tools"], ["eval", "gsm8k", "--data-path"], ["eval", "perplexity", "--text"],
    ["eval", "gsm8k", "--compare", "."], ["bench", "serving", "--compare", "page"], ["serve", "--chat-template"]])
def test_a_folder_in_place_of_a_file_cannot_be_read(words, tmp_path):
    done = glint(*words, tmp_path, stdin="Hi\n")
    assert done.returncode == 1 and re.search(rf"^error: [Cc]annot read (\.|{tmp_path})[:,. ]", done.stderr, re.M), done.stderr


@pytest.mark.parametrize("name", ["sharegpt", "custom"])
def test_a_folder_is_no_dataset(name, server, tmp_path):
    done = glint("bench", "serving", "--url", server.url, "--dataset-name", name, "--dataset-path", tmp_path)
    assert done.returncode == 1 and f"error: Cannot read {tmp_path}, named by --dataset-path." in done.stderr


def test_help_says_what_each_command_is_for():
    done = glint("--help")
    serve, bench = (re.search(rf"^  {name} +(.*)$", done.stdout, re.M).group(1) for name in ("serve", "bench"))
    assert done.returncode == 0
    assert all(word in serve for word in ("chat", "Responses", "Anthropic", "Ollama", "SGLang"))
    assert all(word in bench for word in ("serving", "sweep", "ops"))


@pytest.mark.parametrize("command", [
    "serve", "generate", "chat", "doctor", "configure", "bench ops", "bench serving", "bench sweep", "eval gsm8k",
    "eval tools", "eval perplexity"])
def test_help_has_a_text_for_each_flag(command):
    """A flag's text begins in column 30 of its own line, or of the next where the flag is long."""
    lines = glint(*command.split(), "--help").stdout.splitlines()
    flags = [i for i, line in enumerate(lines) if re.match("  -", line)]
    assert len(flags) > 1

    def has_text(i):
        beside = lines[i][29:30] == " " and lines[i][30:].strip()
        return beside or re.match(" {30}\\S", lines[i + 1])
    assert not [lines[i] for i in flags if not has_text(i)]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_speaks_of_the_bundled_model(command):
    done = glint(command, "--help")
    assert done.returncode == 0 and "bundled model" in re.sub(r"\s+", " ", done.stdout)


@pytest.mark.parametrize("command, flags", [
    ("serve", ["--port", "0"]), ("generate", ["-p", "Hi"]), ("chat", []), ("doctor", []), ("eval", ["gsm8k"])])
def test_without_the_bundled_model_it_says_where_it_looked(command, flags, tmp_path):
    done = glint(command, *flags, env={"GLINT_MODELS": str(tmp_path)})
    said = done.stderr + done.stdout
    assert done.returncode == 1 and str(tmp_path / "glint-small") in said and "GLINT_MODELS" in said


def test_a_moved_installation_finds_its_model(tmp_path):
    subprocess.run([shutil.which("cmake"), "--install", BIN.parent, "--prefix", tmp_path / "made"],
                   check=True, capture_output=True)
    (tmp_path / "made").rename(tmp_path / "moved")
    files = {str(path.relative_to(tmp_path / "moved")) for path in (tmp_path / "moved").rglob("*") if path.is_file()}
    assert {path for path in files if not path.startswith("share/glint/models/glint-small/")} == {"bin/glint"}
    (tmp_path / "link").symlink_to(tmp_path / "moved/bin/glint")
    (tmp_path / "elsewhere").mkdir()
    done = generate("--chat", "-p", QUESTION, program=tmp_path / "link", cwd=tmp_path / "elsewhere")
    assert "36" in done.stdout
    assert str(tmp_path / "moved/share/glint/models/glint-small") in done.stderr
    shutil.rmtree(tmp_path / "moved/share")
    lost = glint("generate", "-p", "Hi", program=tmp_path / "link")
    assert lost.returncode == 1 and str(tmp_path / "moved/share/glint/models/glint-small") in lost.stderr
