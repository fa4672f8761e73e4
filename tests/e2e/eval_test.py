"""glint eval: its reading of answers beside Python's own, and its files."""

import ast
import json
import os
import pathlib
import pty
import re
import signal
import subprocess

import pytest

from command_line_test import glint
from conftest import BIN, DEADLINE_S, Server, wait_until

ANSWERS = pathlib.Path(os.environ["GLINT_SOURCE_DIR"]) / "tests/data/gsm8k_answers.jsonl"


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("bundled") / "stderr.log", "--port", 0, "--device", "cpu")
    yield server
    assert server.stop() == 0


def number_as_python_reads_it(text):
    """What SGLang's client does: commas away, all \\d+, the last as a literal, or invalid."""
    runs = re.findall(r"\d+", text.replace(",", ""))
    try:
        return str(ast.literal_eval(runs[-1])) if runs else None
    except SyntaxError:
        return None


def test_the_hand_made_answers_say_what_python_reads():
    lines = [json.loads(line) for line in ANSWERS.read_text(encoding="utf-8").splitlines()]
    assert len(lines) >= 200 and len({line["text"] for line in lines}) == len(lines)
    wrong = [line for line in lines if line["number"] != number_as_python_reads_it(line["text"])]
    assert not wrong
    assert sum(line["number"] is None for line in lines) > 20


def test_answers_are_written_and_compared(bundled, tmp_path):
    files = [tmp_path / "few_shot.jsonl", tmp_path / "chat.jsonl"]
    for file, flags in zip(files, ([], ["--chat", "--max-new-tokens", 512])):
        done = glint("eval", "gsm8k", "--url", bundled.url, "--num-questions", 12, "--output", file, *flags)
        assert done.returncode == 0, done.stderr
        assert re.match(r"Accuracy: \d\.\d{3}\nInvalid: \d\.\d{3}\nLatency: \d+\.\d{3} s\n"
                        r"Output throughput: \d+\.\d{3} token/s\nStandard error: \d\.\d{3} \(\d+ of 12 right\)\n",
                        done.stdout)
    few_shot, chat = ([json.loads(line) for line in file.read_text().splitlines()] for file in files)
    assert [a["question"] for a in few_shot] == [a["question"] for a in chat] and len(chat) == 12
    assert all(a["reasoning"] for a in chat) and not any(a["reasoning"] for a in few_shot)
    assert all(a["completion_tokens"] > 0 and a["latency_s"] > 0 for a in chat + few_shot)

    compared = glint("eval", "gsm8k", "--compare", *files, "--json")
    assert compared.returncode == 0, compared.stderr
    report = json.loads(compared.stdout)
    differing = [i for i in range(12) if few_shot[i]["correct"] != chat[i]["correct"]]
    assert [d["a"]["index"] for d in report["differences"]] == differing
    assert report["questions"] == 12 and 0 < report["mcnemar_p"] <= 1
    text = glint("eval", "gsm8k", "--compare", files[0], files[0]).stdout
    assert "only A right  0" in text and "p = 1.000" in text


def test_ctrl_c_leaves_a_report_of_what_was_answered(bundled, tmp_path):
    file = tmp_path / "answers.jsonl"
    flags = ["--url", bundled.url, "--num-questions", 200, "--parallel", 2, "--output", file]
    process = subprocess.Popen([BIN / "glint", "eval", "gsm8k", *map(str, flags)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    wait_until("three answers", lambda: file.exists() and file.read_text().count("\n") >= 3)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=DEADLINE_S * 4)
    answers = [json.loads(line) for line in file.read_text().splitlines()]
    assert process.returncode == 1 and 3 <= len(answers) < 200
    assert [a["index"] for a in answers] == sorted({a["index"] for a in answers})
    assert f"of {len(answers)} right)" in stdout and f"Not asked: {200 - len(answers)}\n" in stdout
    assert "Ctrl-C again ends at once" in stderr
    assert f"error: interrupted: {len(answers)} of 200 questions have been answered; they are in {file}." in stderr


def test_ctrl_c_leaves_no_perplexity_of_a_part(bundled, tmp_path):
    text = tmp_path / "text"
    text.write_text("There are seven apples and two pears on the table. " * 4000)
    process = subprocess.Popen([BIN / "glint", "eval", "perplexity", "--url", bundled.url, "--text", text,
                                "--parallel", "1", "--window", "256"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    before = bundled.metrics().get("sglang:num_requests_total", 0)
    wait_until("some windows", lambda: bundled.metrics().get("sglang:num_requests_total", 0) > before + 2)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=DEADLINE_S * 4)
    assert process.returncode == 1 and not stdout
    assert re.search(r"error: interrupted: \d+ of \d+ windows have been scored; the perplexity is that of all\.", stderr)


def test_on_a_terminal_a_bar_shows_how_far_it_is(bundled):
    master, slave = pty.openpty()
    flags = ["--host", "http://127.0.0.1", "--port", bundled.port, "--num-questions", 4]
    done = subprocess.run([BIN / "glint", "eval", "gsm8k", *map(str, flags)], stdout=subprocess.PIPE, stderr=slave,
                          timeout=DEADLINE_S * 4)
    os.close(slave)
    shown = os.read(master, 65536)
    os.close(master)
    assert done.returncode == 0, shown
    assert re.search(rb"\reval \[#{30}\] 100 %  4 of 4 questions\r\n", shown) and b"2 of 4 questions" in shown
    silent = glint("eval", "gsm8k", "--base-url", bundled.url + "/", "--num-questions", 4, "--num-questions", 2)
    assert silent.returncode == 0 and "of 2 right" in silent.stdout
    assert silent.stderr.count("\n") == 1 and "questions: " in silent.stderr


def test_held_out_questions_follow_the_examples(bundled):
    asked = []
    for flags in ([], ["--held-out"]):
        done = glint("eval", "gsm8k", "--url", bundled.url, "--num-shots", 2, "--num-questions", 3, "--json", *flags)
        assert done.returncode == 0, done.stderr
        asked.append([answer["question"] for answer in json.loads(done.stdout)["answers"]])
    assert asked[0][2] == asked[1][0] and not set(asked[0][:2]) & set(asked[1])


def test_the_prompts_logprobs_are_those_of_the_same_text_as_an_answer(server):
    """Every bit: on the CPU a token's numbers do not depend on how it came there."""
    prompt = list(range(40, 140))
    params = {"temperature": 1, "sampling_seed": 3, "max_new_tokens": 80, "ignore_eos": True}
    chosen = list(range(20, 148))
    answer = server.post("/generate", {"input_ids": prompt, "sampling_params": params, "return_logprob": True,
                                       "token_ids_logprob": chosen})
    said = answer["meta_info"]["output_token_logprobs"]
    scored = server.post("/generate", {
        "input_ids": prompt + answer["output_ids"], "return_logprob": True, "logprob_start_len": len(prompt) - 1,
        "token_ids_logprob": chosen, "sampling_params": {"max_new_tokens": 0}})
    first, *rest = scored["meta_info"]["input_token_logprobs"]
    assert first == [None, prompt[-1], None] and len(said) == 80
    assert rest == said
    first, *of_chosen = scored["meta_info"]["input_token_ids_logprobs"]
    assert first is None and of_chosen == answer["meta_info"]["output_token_ids_logprobs"]
    assert all([entry[1] for entry in entries] == chosen for entries in of_chosen)
    known = [(entry, entries) for entry, entries in zip(said, of_chosen) if entry[1] in chosen]
    assert len(known) > 10 and all(entry in entries for entry, entries in known)
    assert scored["text"] == "" and scored["meta_info"]["prompt_tokens"] == 180


def test_perplexity_of_a_text_is_the_mean_of_its_logprobs(bundled, tmp_path):
    text = tmp_path / "text.txt"
    known, unknown = "What is 15% of 240? I need 15% of 240. That is 240 * 15 / 100.", "qj xzw vvk 9q ,,; kzj"
    reports = []
    for content in (known, unknown):
        text.write_text(content)
        done = glint("eval", "perplexity", "--url", bundled.url, "--text", text, "--json")
        assert done.returncode == 0, done.stderr
        reports.append(json.loads(done.stdout))
    assert 1 < reports[0]["perplexity"] < reports[1]["perplexity"]
    entries = bundled.post("/generate", {"text": known, "return_logprob": True, "logprob_start_len": 0,
                                         "sampling_params": {"max_new_tokens": 0}})["meta_info"]["input_token_logprobs"]
    assert reports[0]["tokens"] == len(entries) - 1
    assert reports[0]["nll"] == pytest.approx(-sum(entry[0] for entry in entries[1:]))


def test_a_run_that_breaks_off_keeps_its_answers(bundled, tmp_path):
    data, out = tmp_path / "data.jsonl", tmp_path / "out.jsonl"
    questions = ["What is 2+2?", "What is 3+3?", "Why? " * 20000]
    data.write_text("".join(json.dumps({"question": q, "answer": "#### 4"}) + "\n" for q in questions))
    out.write_text("before\n")
    flags = ["--data-path", data, "--output", out, "--num-shots", 0, "--parallel", 1]
    nobody = glint("eval", "gsm8k", "--port", 9, *flags)
    assert nobody.returncode == 1 and out.read_text() == "before\n" and str(out) not in nobody.stderr
    done = glint("eval", "gsm8k", "--url", bundled.url, *flags)
    assert done.returncode == 1 and "answered 400: " in done.stderr and str(out) in done.stderr
    assert [json.loads(line)["question"] for line in out.read_text().splitlines()] == questions[:2]


def test_a_file_that_cannot_be_written_is_named_before_anything_is_asked(bundled, tmp_path):
    before = bundled.metrics()["sglang:prompt_tokens_total"]
    done = glint("eval", "gsm8k", "--url", bundled.url, "--num-questions", 1, "--output", tmp_path / "no/such/folder")
    assert done.returncode == 1 and "Cannot write" in done.stderr and not done.stdout
    assert bundled.metrics()["sglang:prompt_tokens_total"] == before


@pytest.mark.parametrize("task, own, others", [
    ("gsm8k", "--held-out", "--text"), ("tools", "--data-path", "--num-shots"), ("perplexity", "--window", "--data-path")])
def test_help_of_a_task_has_its_own_flags_and_an_example(task, own, others):
    listed = glint("eval", "--help")
    assert listed.returncode == 0 and re.search(rf"^  {task} +\w", listed.stdout, re.M) and "--url" not in listed.stdout
    text = glint("eval", task, "--help").stdout
    assert re.search(rf"^  (REQUIRED )?{own} ", text, re.M) and others not in text
    assert len(re.findall(rf"^Example: glint eval {task} ", text, re.M)) == 1


def test_windows_cover_a_long_text(bundled, tmp_path):
    readme = pathlib.Path(os.environ["GLINT_SOURCE_DIR"]) / "README.md"
    done = glint("eval", "perplexity", "--url", bundled.url, "--text", readme, "--window", 500)
    assert done.returncode == 0, done.stderr
    assert re.match(r"Perplexity: \d+\.\d{4}\nBits per byte: \d+\.\d{4}\nTokens: \d+ in \d\d windows\n", done.stdout)
    (tmp_path / "long.txt").write_text(readme.read_text() * 4)
    too_long = glint("eval", "perplexity", "--url", bundled.url, "--text", tmp_path / "long.txt", "--window", 100000)
    assert too_long.returncode == 1 and "longer than the model's context" in too_long.stderr


@pytest.mark.parametrize("flags, status, said", [
    ([], 2, "gsm8k"), (["spelling"], 2, "spelling"), (["gsm8k", "--compare", "one.jsonl"], 2, "2 required"),
    (["perplexity"], 2, "--text"), (["perplexity", "--text", "no.txt"], 1, "no.txt"), (["tools", "--compare", "a.jsonl", "b.jsonl"], 1, "a.jsonl"),
    (["gsm8k", "--data-path", "no.jsonl"], 1, "no.jsonl"), (["gsm8k", "--text", "a"], 2, "--text"),
    (["tools", "--num-shots", 3], 2, "--num-shots"), (["perplexity", "--text", "a", "--data-path", "b"], 2, "--data-path")])
def test_what_is_wrong_is_said(flags, status, said, tmp_path):
    done = glint("eval", *flags, cwd=tmp_path)
    assert done.returncode == status and said in done.stderr and not done.stdout
