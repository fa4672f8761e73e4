"""glint bench serving and glint bench sweep: against the null server, which has no model, and against a real one."""

import http.server
import json
import re
import signal
import subprocess
import threading
import types

import pytest

from command_line_test import glint
from conftest import BIN, DEADLINE_S, wait_until

PAGE_ROWS = ("here", "B200, SGLang 0.5.7", "ratio")


@pytest.fixture(scope="module")
def null(tmp_path_factory):
    """Its streams have an event for each token, half a millisecond apart."""
    log = tmp_path_factory.mktemp("null") / "stderr.log"
    with open(log, "wb") as stderr:
        process = subprocess.Popen([BIN / "null_server", "0", "1", "500"], stderr=stderr)
    port = wait_until("it listens", lambda: re.search(r"listening on .*:(\d+)\n", log.read_text())).group(1)
    yield types.SimpleNamespace(url=f"http://127.0.0.1:{port}")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=DEADLINE_S) == 0


def bench(what, server, *args, cwd=None):
    return subprocess.run([BIN / "glint", "bench", what, "--base-url", server.url, *map(str, args)], cwd=cwd,
                          capture_output=True, text=True, timeout=DEADLINE_S * 4)


def measured(what, server, *args, **more):
    done = bench(what, server, *args, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def row(table, label):
    """The value of one of the table's rows."""
    return re.search(rf"^{re.escape(label)}\s+(\S+)\s*$", table, re.M).group(1)


def results(path):
    return [json.loads(line) for line in path.read_text().splitlines()]  # Python reads its own Infinity


def random_load(count, longest_in, longest_out):
    return ("--num-prompts", count, "--random-input-len", longest_in, "--random-output-len", longest_out)


def test_the_pages_first_cell_sends_the_published_tokens(null, tmp_path):
    out = tmp_path / "a.jsonl"
    table = measured("serving", null, "--backend", "sglang", *random_load(10, 1000, 1000), "--max-concurrency", 16,
                     "--output-file", out, "--output-details")
    assert table.startswith("\n============ Serving Benchmark Result ============\nBackend:  ")
    assert row(table, "Successful requests:") == "10"
    assert row(table, "Total input tokens:") == "6101" and row(table, "Total generated tokens:") == "4220"
    assert row(table, "Max request concurrency:") == "16" and row(table, "Traffic request rate:") == "inf"
    footer = table.split("=" * 50 + "\n")[1]
    assert re.match(r"client: \d+ % of one core, [\d.]+ us for each of \d+ events;", footer)
    assert "steps that only decode" in footer and "random ids" in footer
    [result] = results(out)
    assert result["input_lens"] == [38, 236, 909, 73, 768, 906, 716, 646, 848, 961]
    assert result["output_lens"] == [145, 130, 973, 584, 750, 509, 391, 282, 179, 277]
    assert result["request_rate"] == float("inf") and result["errors"] == [""] * 10
    for length, itls in zip(result["output_lens"], result["itls"]):
        assert len(itls) < length and min(itls) >= 0


def test_results_are_appended_under_sglangs_name(null, tmp_path):
    for _ in range(2):
        measured("serving", null, *random_load(3, 5, 4), cwd=tmp_path)
    [path] = tmp_path.iterdir()
    assert re.fullmatch(r"glint_\d{4}_3_5_4\.jsonl", path.name)
    assert [r["completed"] for r in results(path)] == [3, 3]


def test_a_matrix_has_one_file_and_the_pages_table_is_made_of_it(null, tmp_path):
    cells = "summarization_c64,chat_c16"
    out = measured("serving", null, "--matrix", "page", "--cells", cells, "--num-prompts", 2, cwd=tmp_path)
    [path] = tmp_path.iterdir()
    assert re.fullmatch(r"glint_\d{4}_page\.jsonl", path.name) and len(results(path)) == 2
    for files in (["page", path], [path, "page"]):
        done = glint("bench", "serving", "--compare", *files)
        assert done.returncode == 0, done.stderr
        rows = re.findall(r"^\| (\w*) ?\| ([^|]+) \|", done.stdout.split("|---|---|---:")[1], re.M)
        assert [cell for cell, _ in rows] == ["chat_c16", "", "", "summarization_c64", "", ""]
        assert [who for _, who in rows] == [str(path), *PAGE_ROWS[1:]] * 2
    table = done.stdout.splitlines()
    assert sorted(table)[-1] == sorted(line.replace("| here |", f"| {path} |") for line in
                                       out[out.index("| cell"):].splitlines())[-1]
    (tmp_path / "other").write_text('{"tag": "c3"}\n')
    none = glint("bench", "serving", "--compare", "page", tmp_path / "other")
    assert none.returncode == 2 and "no result of a cell" in none.stderr


def test_a_flag_typed_twice_has_the_last_value(null, tmp_path):
    table = measured("serving", null, *random_load(3, 5, 4), "--num-prompts", 2, "--output-file", "no/such/folder/a",
                     "--output-file", tmp_path / "a")
    assert row(table, "Successful requests:") == "2" and len(results(tmp_path / "a")) == 1
    out = measured("sweep", null, "--goodput", "ttft:60000", *random_load(8, 5, 10), "--max-concurrency", 9,
                   "--max-concurrency", 1)
    assert len(re.findall(r"^\| \d+ \| 8 \|", out, re.M)) == 1


def test_a_host_may_be_a_url(null, tmp_path):
    host, port = null.url.rsplit(":", 1)
    done = glint("bench", "serving", "--host", host, "--port", port, *random_load(2, 5, 4), "--output-file", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    assert row(done.stdout, "Successful requests:") == "2"


def test_a_server_that_wants_a_key_is_not_waited_for(start, tmp_path):
    server = start("--api-key", "a-key")
    done = glint("bench", "serving", "--base-url", server.url, env={"OPENAI_API_KEY": "wrong"})
    assert done.returncode == 1 and "Waiting" not in done.stderr and "{" not in done.stderr
    assert re.search(r"^error: http://\S+/v1/models answered 401: .*\. The key is taken from OPENAI_API_KEY\.$", done.stderr, re.M)
    evaluated = glint("eval", "gsm8k", "--url", server.url, env={"OPENAI_API_KEY": ""})
    assert evaluated.returncode == 1 and "{" not in evaluated.stderr
    assert re.search(r"^error: http://\S+/generate answered 401: .*\. The key is taken from OPENAI_API_KEY\.$", evaluated.stderr, re.M)
    done = glint("bench", "serving", "--base-url", server.url, *random_load(2, 5, 4), "--output-file", tmp_path / "a",
                 env={"OPENAI_API_KEY": "a-key"})
    assert done.returncode == 0, done.stderr


def test_help_says_where_the_key_is_and_what_a_sweep_sends():
    for words in (["bench", "serving"], ["bench", "sweep"], ["eval", "gsm8k"]):
        assert "OPENAI_API_KEY" in glint(*words, "--help").stdout
    text = glint("bench", "sweep", "--help").stdout
    assert re.search(r"--num-prompts INT ", text) and "INT=1000" not in text.split("--num-prompts")[1].split("--seed")[0]


def test_arrivals_take_the_time_of_their_rate(null, tmp_path):
    """Twenty at 200 a second: the same seed, the same gaps."""
    table = measured("serving", null, *random_load(20, 5, 4), "--request-rate", 200, "--output-file", tmp_path / "a")
    assert row(table, "Traffic request rate:") == "200.0"
    assert 0.05 < float(row(table, "Benchmark duration (s):"))


def test_the_page_stands_beside_its_figures(null, tmp_path):
    plot = tmp_path / "p.html"
    out = measured("serving", null, "--matrix", "page", "--cells", "chat_c16,summarization_c64", "--num-prompts", 8,
                   "--output-file", tmp_path / "page.jsonl", "--plot", plot)
    rows = re.findall(r"^\| ([\w ]*) ?\| ([^|]+) \| (\d*)", out.split("|---|---|---:")[1], re.M)
    assert [(cell.strip(), who) for cell, who, _ in rows] == [
        ("chat_c16", PAGE_ROWS[0]), ("", PAGE_ROWS[1]), ("", PAGE_ROWS[2]),
        ("summarization_c64", PAGE_ROWS[0]), ("", PAGE_ROWS[1]), ("", PAGE_ROWS[2])]
    assert [count for _, _, count in rows] == ["8", "80", "", "8", "320", ""]
    assert [r["tag"] for r in results(tmp_path / "page.jsonl")] == ["chat_c16", "summarization_c64"]
    html = plot.read_text()
    assert "<script" not in html and "src=" not in html and html.count("<svg viewBox=\"0 0 560") == 5


def test_two_files_give_ratios(null, tmp_path):
    for name in ("a", "b"):
        measured("serving", null, *random_load(4, 5, 20), "--output-file", tmp_path / name)
    done = subprocess.run([BIN / "glint", "bench", "serving", "--compare", tmp_path / "a", tmp_path / "b"],
                          capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^\| random 5/20 \| .*/a \|", done.stdout, re.M)) == 1
    assert len(re.findall(r"^\| \| ratio \|", done.stdout, re.M)) == 1


def test_peers_cells_send_numpys_requests(null, tmp_path):
    out = measured("serving", null, "--matrix", "peers", "--cells", "chat1,fix16", "--seed-add", 5, "--vocab-size", 256,
                   "--warmup-requests", 0, "--output-file", tmp_path / "p.jsonl")
    cells = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) / (\d+) \|", out, re.M)
    assert cells == [("chat1", "4", "1685", "1924"), ("fix16", "16", "8192", "4096")]


def test_a_sweep_finds_the_highest_rate_within_the_goal(null, tmp_path):
    plot = tmp_path / "s.html"
    out = measured("sweep", null, "--goodput", "ttft:60000", "tpot:60000", *random_load(8, 5, 10), "--max-concurrency", 4,
                   "--plot", plot, "--output-file", tmp_path / "s.jsonl")
    assert re.findall(r"^\| (\d+) \| 8 \|.* (yes|no) \|$", out, re.M) == [("1", "yes"), ("2", "yes"), ("4", "yes")]
    assert re.search(r"^The highest rate that met TTFT <= 60000 ms and TPOT <= 60000 ms for 99 % of the requests: "
                     r"[\d.]+ requests/s, [\d.]+ output tokens/s, [124] in flight\.$", out, re.M)
    assert [r["tag"] for r in results(tmp_path / "s.jsonl")] == ["c1", "c2", "c4"]
    assert "</html>" in plot.read_text()


def test_a_goal_that_nothing_meets_is_said(null):
    done = bench("sweep", null, "--goodput", "ttft:0.000001", *random_load(2, 5, 2))
    assert done.returncode == 1 and "No load that was tried met TTFT" in done.stdout
    assert re.search(r"^error: No load that was tried met TTFT <= \S+ ms for 99 % of the requests\. With 1 in flight 0\.0 % "
                     r"did: TTFT [\d.]+ / [\d.]+ / [\d.]+ ms, TPOT ", done.stderr, re.M)


class BecomesFull(http.server.BaseHTTPRequestHandler):
    """An OpenAI server that takes as many requests as server.places says, and refuses those that follow."""

    def do_GET(self):
        self.answer(*((200, {"data": [{"id": "m"}]}) if self.path == "/v1/models" else (404, {})))

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.places -= 1
        if self.server.places < 0:
            return self.answer(503, {"error": {"message": "full"}})
        self.answer(200, {"choices": [{"text": "a b", "finish_reason": "length"}], "usage": {"completion_tokens": 2}})

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def full():
    """full(places): the server, and the flags to ask it."""
    with http.server.HTTPServer(("127.0.0.1", 0), BecomesFull) as one:
        def with_places(places):
            one.places = places
            return types.SimpleNamespace(url=f"http://127.0.0.1:{one.server_port}")

        threading.Thread(target=one.serve_forever).start()
        yield with_places
        one.shutdown()


class FallsSilent(BecomesFull):
    """As many answers, then none to anything, its counters neither."""

    def do_GET(self):
        if self.path == "/metrics":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"glint_decode_steps_seconds_total 1\n")
        else:
            super().do_GET()

    def do_POST(self):
        if self.server.places == 0:
            self.server.is_silent.set()
            self.server.may_end.wait()
            self.close_connection = True
        else:
            super().do_POST()


@pytest.fixture
def silent():
    """silent(places): the server, whose is_silent is set with the first request that has no answer."""
    with http.server.HTTPServer(("127.0.0.1", 0), FallsSilent) as one:
        def with_places(places):
            one.places, one.is_silent, one.may_end = places, threading.Event(), threading.Event()
            one.url = f"http://127.0.0.1:{one.server_port}"
            return one

        threading.Thread(target=one.serve_forever).start()
        yield with_places
        one.may_end.set()
        one.shutdown()


def interrupted_bench(what, server, *args):
    """Ctrl-C once the server is silent: status, stdout, stderr."""
    with subprocess.Popen([BIN / "glint", "bench", what, "--base-url", server.url, *map(str, args)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert server.is_silent.wait(DEADLINE_S)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=DEADLINE_S)
        return process.returncode, *said


ASK_FULL = ("--backend", "vllm", "--disable-stream", "--random-input-len", 5, "--random-output-len", 2)


def test_requests_that_failed_are_counted_and_the_status_is_1(full, tmp_path):
    out = tmp_path / "a.jsonl"
    done = bench("serving", full(1 + 2), *ASK_FULL, "--num-prompts", 5, "--output-file", out, "--plot", tmp_path / "p.html")
    assert done.returncode == 1 and row(done.stdout, "Successful requests:") == "2"
    assert done.stderr.splitlines()[-1] == "error: 3 of 5 requests failed; the first: status 503: full"
    assert [r["completed"] for r in results(out)] == [2] and (tmp_path / "p.html").exists()
    done = bench("serving", full(0), *ASK_FULL, "--num-prompts", 2, "--warmup-requests", 0, "--output-file", out)
    assert done.returncode == 1 and row(done.stdout, "Successful requests:") == "0"
    assert done.stderr.splitlines()[-1] == "error: 2 of 2 requests failed; the first: status 503: full"
    assert [r["completed"] for r in results(out)] == [2, 0]


def test_a_matrix_that_breaks_off_keeps_what_it_has(full, tmp_path):
    done = bench("serving", full(1 + 2), *ASK_FULL, "--matrix", "page", "--num-prompts", 2, "--output-file", tmp_path / "a",
                 "--plot", tmp_path / "p.html")
    assert done.returncode == 1 and "error: The warm-up request failed: status 503: full" in done.stderr
    assert re.findall(r"^\| (\w+) \| here \| 2 ", done.stdout, re.M) == ["chat_c1"]
    assert (tmp_path / "p.html").exists()


def test_a_sweep_that_breaks_off_keeps_what_it_has(full, tmp_path):
    done = bench("sweep", full(1 + 16), *ASK_FULL, "--goodput", "e2e:60000", "--plot", tmp_path / "p.html")
    assert done.returncode == 1 and "error: The warm-up request failed: status 503: full" in done.stderr
    assert re.findall(r"^\| (\d+) \| 16 \|.* yes \|$", done.stdout, re.M) == ["1"]
    assert "The highest rate that met E2E" in done.stdout and (tmp_path / "p.html").exists()


def test_ctrl_c_ends_a_run_with_its_table(silent, tmp_path):
    out = tmp_path / "a.jsonl"
    status, table, said = interrupted_bench("serving", silent(1 + 2), *ASK_FULL, "--num-prompts", 9, "--max-concurrency", 1,
                                            "--output-file", out)
    assert status == 1 and row(table, "Successful requests:") == "2"
    assert said.splitlines()[-1] == "error: 7 of 9 requests failed; the first: interrupted"
    assert [r["completed"] for r in results(out)] == [2]


def test_ctrl_c_leaves_out_the_cell_of_a_matrix_that_it_comes_in(silent, tmp_path):
    """So that no part of a cell stands for it in a comparison."""
    out = tmp_path / "a.jsonl"
    status, table, said = interrupted_bench("serving", silent(2 + 3 + 1), *ASK_FULL, "--matrix", "page", "--num-prompts", 3,
                                            "--output-file", out)
    assert status == 1 and said.splitlines()[-1] == "error: interrupted in chat_c16."
    assert [r["tag"] for r in results(out)] == ["chat_c1"]
    assert re.findall(r"^\| (\w+) \| here \| 3 ", table, re.M) == ["chat_c1"]


def test_ctrl_c_ends_a_sweep_with_its_points(silent):
    status, report, said = interrupted_bench("sweep", silent(1 + 16 + 1 + 3), *ASK_FULL, "--goodput", "e2e:60000")
    assert status == 1 and said.splitlines()[-1] == "error: interrupted"
    assert re.findall(r"^\| (\d+) \| 16 \|.* yes \|$", report, re.M) == ["1"] and "The highest rate" in report


def test_a_load_that_is_refused_ends_a_sweep_and_not_its_report(full):
    done = bench("sweep", full(16), *ASK_FULL, "--goodput", "e2e:60000", "--warmup-requests", 0)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^\| (\d+) \| (\d+) \|.* (yes|no) \|$", done.stdout, re.M) == [("1", "16", "yes"), ("2", "0", "no")]
    assert "16 of 16 requests failed; the first: status 503: full" in done.stderr


@pytest.mark.parametrize("backend", ["glint", "sglang", "vllm", "openai-chat"])
def test_each_api_of_a_real_server_counts_the_same(server, backend, tmp_path):
    out = tmp_path / "a.jsonl"
    table = measured("serving", server, "--backend", backend, *random_load(6, 30, 12), "--max-concurrency", 3,
                     "--output-file", out, "--output-details")
    [result] = results(out)
    assert result["completed"] == 6 and result["errors"] == [""] * 6
    assert result["total_output_tokens"] == sum(result["output_lens"])
    assert result["output_lens"] == [6, 1, 1, 2, 8, 7]  # numpy.random.seed(1); randint(1, 31, 6); randint(1, 13, 6)
    assert result["total_output_tokens_retokenized"] > 0  # the server's tokenizer is on this machine
    assert any(result["generated_texts"])  # one token alone may be half a character
    assert row(table, "Total generated tokens:") == str(sum(result["output_lens"]))


def test_shared_prefixes_are_found_in_the_cache(server, tmp_path):
    table = measured("serving", server, "--dataset-name", "generated-shared-prefix", "--gsp-num-groups", 2,
                     "--gsp-prompts-per-group", 4, "--gsp-system-prompt-len", 300, "--gsp-question-len", 8,
                     "--gsp-output-len", 3, "--max-concurrency", 1, "--output-file", tmp_path / "a")
    assert row(table, "Successful requests:") == "8"
    assert 50 < int(re.search(r"prefix cache: held (\d+) % ", table).group(1)) <= 100
    assert "Cache hit rate" not in table


@pytest.mark.parametrize("backend", ["glint", "sglang-oai"])
def test_a_cache_report_counts_what_was_held(server, backend, tmp_path):
    out = tmp_path / "a"
    table = measured("serving", server, "--backend", backend, *random_load(3, 200, 2), "--seed", 7, "--cache-report",
                     "--random-range-ratio", 1, "--warmup-requests", 1, "--output-file", out, "--output-details")
    [result] = results(out)
    report = result["cache_report"]
    assert row(table, "Total prompt tokens:") == str(report["total_prompt_tokens"])
    assert row(table, "Total cached tokens:") == str(report["total_cached_tokens"]) == str(sum(result["cached_tokens"]))
    assert 0 < report["cache_hit_rate_pct"] < 100  # the warm-up's prompt is the first's


def test_conversations_of_a_file(server, tmp_path):
    data = tmp_path / "talk.json"
    turns = [{"from": "human", "value": "the sea was calm"}, {"from": "gpt", "value": "and a small boat went out"}]
    data.write_text(json.dumps([{"conversations": turns}] * 3 + [{"conversations": turns[:1]}]))
    table = measured("serving", server, "--dataset-name", "sharegpt", "--dataset-path", data, "--num-prompts", 2,
                     "--output-file", tmp_path / "a")
    assert row(table, "Successful requests:") == "2" and "random ids" not in table


def test_a_refused_load_says_what_the_server_said(server, tmp_path):
    done = bench("serving", server, *random_load(1, 9, 9), "--extra-request-body", '{"stream": 5}',
                 "--output-file", tmp_path / "a")
    assert done.returncode == 1 and "warm-up" in done.stderr and "stream" in done.stderr
    assert "status 400: " in done.stderr and "{" not in done.stderr  # the message alone


def test_without_a_server_it_says_how_to_start_one():
    done = bench("serving", types.SimpleNamespace(url="http://127.0.0.1:9"), "--ready-check-timeout-sec", 0)
    assert done.returncode == 1 and "glint serve" in done.stderr


@pytest.mark.parametrize("what", ["serving", "sweep"])
@pytest.mark.parametrize("flag", ["--output-file", "--plot"])
def test_a_file_that_cannot_be_written_is_named_before_anything_is_sent(what, flag, full, tmp_path):
    server = full(100)
    for path in (tmp_path, tmp_path / "no/such/folder"):
        done = bench(what, server, *ASK_FULL, *(["--goodput", "ttft:1"] if what == "sweep" else []), flag, path)
        assert done.returncode == 1 and not done.stdout
        assert done.stderr == f"error: Cannot write {path}. Name another file with {flag}.\n"


def test_a_link_to_a_result_that_is_to_come_stays(full, tmp_path):
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    done = bench("serving", full(100), *ASK_FULL, "--num-prompts", 2, "--output-file", link)
    assert done.returncode == 0 and link.is_symlink() and len(results(target)) == 1


@pytest.mark.parametrize("what, flags, said", [
    ("serving", ["--backend", "tgi"], "--backend"), ("serving", ["--request-rate", "fast"], "--request-rate"),
    ("serving", ["--matrix", "page", "--cells", "chat_c2"], "chat_c16"), ("serving", ["--num-prompts", 0], "--num-prompts"),
    ("serving", ["--header", "x"], "NAME=VALUE"), ("serving", ["--extra-request-body", "[]"], "JSON object"),
    ("serving", ["--compare", "a"], "--compare"), ("sweep", [], "--goodput"), ("sweep", ["--goodput", "speed:3"], "ttft:MS"),
    ("sweep", ["--goodput", "ttft:1", "--min-concurrency", 9, "--max-concurrency", 3], "--min-concurrency 9")])
def test_wrong_flags_are_named(what, flags, said):
    done = bench(what, types.SimpleNamespace(url="http://127.0.0.1:9"), *flags)
    assert done.returncode == 2 and said in done.stderr


def test_flags_may_be_cut_as_sglangs(null, tmp_path):
    table = measured("serving", null, "--num-prompt=3", "--random-input", 5, "--random-output", 4, "--max-conc", 2,
                     "--output-file", tmp_path / "a")
    assert row(table, "Successful requests:") == "3" and row(table, "Max request concurrency:") == "2"
    ambiguous = bench("serving", null, "--random", 5)
    assert ambiguous.returncode == 2 and "--random" in ambiguous.stderr
