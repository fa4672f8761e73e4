"""The flags of glint serve: SGLang's launch lines, files of flags, what is refused, and docs/flags.md."""

import concurrent.futures
import http.client
import itertools
import json
import os
import pathlib
import re
import shlex

import pytest

from command_line_test import glint
from conftest import DEADLINE_S, Server, Stream, wait_until

ID = "zai-org/GLM-4.7-Flash"
COMMIT = "7dd20894a642a0aa287e9827cb1a1f7f91386b67"
SOURCE = pathlib.Path(os.environ["GLINT_SOURCE_DIR"])
NO_MODEL = "/no/such/folder"  # flags are checked first: exit status 1 says that they were right


@pytest.fixture(scope="session")
def hub(model, tmp_path_factory):
    """An HF_HOME that has the tiny model under the real one's id, as links, as `hf download` leaves it."""
    home = tmp_path_factory.mktemp("hf")
    repository = home / "hub" / ("models--" + ID.replace("/", "--"))
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for file in model.iterdir():
        (snapshot / file.name).symlink_to(file)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    return home


def generated_line(hardware, dp, mtp, thinking, tools):
    """SGLang's recipe for the model, option by option, with its environment."""
    line, env = f"--model {ID} --tp 1", {}
    if hardware == "B200":
        line += " --attention-backend triton"
    if dp:
        line += " --dp 1 --enable-dp-attention"
    if mtp:
        env["SGLANG_ENABLE_SPEC_V2"] = "1"
        line += (" --speculative-algorithm EAGLE --speculative-num-steps 3 --speculative-eagle-topk 1"
                 " --speculative-num-draft-tokens 4")
        if hardware == "B200":
            line += " --speculative-draft-attention-backend triton"
    if tools:
        line += " --tool-call-parser glm47"
    if thinking:
        line += " --reasoning-parser glm45"
    return line, env


LAUNCH_LINES = [
    *(generated_line(*choice) for choice in itertools.product(("H100", "H200", "B200"), *[(False, True)] * 4)),
    (f"--model-path {ID} --reasoning-parser glm45 --host 0.0.0.0 --port 8000", {}),
    (f"--model {ID} --reasoning-parser glm45 --tool-call-parser glm47 --host 0.0.0.0 --port 8000", {}),
    (f"--model-path {ID} --attention-backend triton --tp 1 --port 30000", {}),
    (f"--model-path={ID} --tp-size=1 --trust-remote-code --served-model-name={ID}", {}),
]


def answers(launch, log, home):
    """Starts the line on a port of its own choice, asks, and says how it answered and ended."""
    line, env = launch
    server = Server(log, *shlex.split(line), "--port", 0, env={"HF_HOME": str(home), **env})
    try:
        status, text = server.request("POST", "/v1/chat/completions", {
            "model": ID, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4})
        answer = json.loads(text)
        models = json.loads(server.request("GET", "/v1/models")[1])["data"]
        assert server.stop() == 0
        return line, status, answer.get("model"), models[0]["id"], server.stderr()
    finally:
        server.process.kill()
        server.process.wait()


def test_every_launch_line_of_the_recipe_serves(hub, tmp_path):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda i: answers(LAUNCH_LINES[i], tmp_path / f"{i}.log", hub), range(len(LAUNCH_LINES))))
    assert len(done) == 48 + 4
    for line, status, answered, served, stderr in done:
        assert (status, answered, served) == (200, ID, ID), line
        has_more = "speculative" in line or "backend" in line or "dp-attention" in line or "trust-remote" in line
        assert stderr.count("flags without effect here") == has_more, (line, stderr)
        assert ("SGLANG_ENABLE_SPEC_V2" in stderr) == ("speculative" in line), stderr


def test_a_revision_and_a_cache_of_ones_own(hub, tmp_path):
    flags = ["--revision", COMMIT, "--download-dir", hub / "hub", "--device", "cpu", "--port", 0]
    server = Server(tmp_path / "log", ID, *flags)
    assert server.request("GET", "/health")[0] == 200
    assert server.stop() == 0
    missing = glint("serve", ID, "--revision", "v9", "--download-dir", hub / "hub", "--port", 0)
    assert missing.returncode == 1
    assert f"hf download {ID} --revision v9 --cache-dir {hub / 'hub'}" in missing.stderr


REFUSED = ["--tp 2", "--tensor-parallel-size=8", "--dp 2", "--pp-size 2", "--ep-size 2", "--nnodes 2", "--quantization fp8",
           "--kv-cache-dtype fp8_e4m3", "--enable-lora", "--lora-paths a b", "--disaggregation-mode prefill",
           "--enable-hierarchical-cache", "--is-embedding", '--kv-events-config {"publisher":"zmq"}', "--cpu-offload-gb 4",
           "--enable-priority-scheduling --schedule-policy lpm", "--preferred-sampling-params {", "--dtype half",
           '--preferred-sampling-params {"top_p":3}', "--sampling-defaults vllm", "--no-such-flag", "--port 65536",
           "--log-requests-level 4", "--stream-interval 0", "--schedule-conservativeness -1", "--spec 1",
           "--chunked-prefill-size 0", "--chunked-prefill-size -2"]


@pytest.mark.parametrize("line", REFUSED)
def test_what_glint_cannot_do_is_a_sentence(line):
    flags = line.split(" ")
    done = glint("serve", NO_MODEL, *flags)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("error: ") and done.stderr.count("error: ") == 1
    named = {"--tensor-parallel-size=8": "--tensor-parallel-size 8", "--tp": "--tensor-parallel-size", "--dp": "--data-parallel-size",
             "--pp-size": "--pipeline-parallel-size", "--ep-size": "--expert-parallel-size"}
    assert named.get(flags[0], flags[0]) in done.stderr, done.stderr
    assert flags[0] != "--lora-paths" or "--lora-paths a b: " in done.stderr


ACCEPTED = ["--quantization none", "--kv-cache-dtype bf16", "--disaggregation-mode null", "--nnodes 1 --node-rank 0",
            "--schedule-policy random", "--schedule-policy lof", "--radix-eviction-policy lfu", "--log-level INFO",
            "--log-level critical", "--cuda-graph-bs 1 2 4 --disable-cuda-graph", "--port 1 --port 2",
            "--enable-lora=false", "--enable-priority-scheduling --schedule-low-priority-values-first", "--mem-frac 0.8",
            "--speculative-algo NEXTN", "--lora-paths=false --json-model-override-args {}", "--tokenizer-worker-num 4"]


@pytest.mark.parametrize("line", ACCEPTED)
def test_what_asks_for_nothing_else_is_taken(line):
    done = glint("serve", *line.split(" "), "--model", NO_MODEL)
    assert done.returncode == 1 and NO_MODEL in done.stderr, done.stderr


def test_what_stands_in_is_named():
    stderr = glint("serve", NO_MODEL, "--schedule-policy", "dfs-weight", "--radix-eviction-policy", "slru").stderr
    assert "asked=dfs-weight used=lpm" in stderr and "asked=slru used=lru" in stderr


def test_a_gpu_beyond_the_visible_ones_is_refused():
    done = glint("serve", NO_MODEL, "--base-gpu-id", 2, env={"CUDA_VISIBLE_DEVICES": "4,5"})
    assert done.returncode == 1 and "CUDA_VISIBLE_DEVICES names 2: 4,5" in done.stderr


def test_a_name_that_is_no_flags_is_told_apart_from_one_that_is_several():
    assert "there is no flag --prot\n" in glint("serve", NO_MODEL, "--prot=1").stderr
    several = glint("serve", NO_MODEL, "--enable-l", "--port", 1).stderr
    assert "--enable-l may be any of --enable-lora --enable-lmcache" in several or (
        "--enable-l may be any of --enable-lmcache --enable-lora" in several)


# ---- --config

def config(folder, text):
    path = folder / "flags.yaml"
    path.write_text(text)
    return path


def test_a_file_of_flags(model, tmp_path):
    path = config(tmp_path, f"""
# Names with or without dashes in front, with - or _ within.
--model-path: {model}
served_model_name: from-the-file
port: 1
max-running-requests: 3
enable_metrics: true
enable-lora: false
cuda-graph-bs: [1, 2, 4]
preferred-sampling-params: '{{"max_new_tokens": 3, "ignore_eos": true}}'
random-seed:
""")
    server = Server(tmp_path / "log", "--config", path, "--port", 0, "--device=cpu")
    info = json.loads(server.request("GET", "/server_info")[1])
    assert info["served_model_name"] == "from-the-file" and info["max_running_requests"] == 3
    assert server.post("/generate", {"text": "Hi"})["meta_info"]["completion_tokens"] == 3
    assert json.loads(server.request("GET", "/model_info")[1])["preferred_sampling_params"]["max_new_tokens"] == 3
    assert server.stop() == 0


def test_what_is_typed_wins_over_the_file(model, tmp_path):
    path = config(tmp_path, f"model: {NO_MODEL}\nserved-model-name: a\npage-size: 32\nlog-requests: true\n")
    server = Server(tmp_path / "log", model, "--served-model-name", "b", f"--conf={path}", "--port", 0, "--device", "cpu",
                    "--log-requests=false")
    info = json.loads(server.request("GET", "/server_info")[1])
    assert info["served_model_name"] == "b" and info["page_size"] == 32
    server.post("/generate", {"text": "Hi", "sampling_params": {"max_new_tokens": 2}})
    assert server.stop() == 0 and "request done" not in server.stderr()


@pytest.mark.parametrize("text, line, said", [
    ("port: 1\nmodle: x\n", 2, "there is no flag --modle"),
    ("port: many\n", 1, "many"),
    ("\n\nport: 70000\n", 3, "70000"),
    ("page-size: [1, 2]\n", 1, "page-size is a list; expected one value"),
    ("page-size:\n  a: 1\n", 1, "page-size has keys of its own"),
    ("cuda-graph-bs: [1, [2]]\n", 1, "expected a list of plain values"),
    ("enable-metrics: maybe\n", 1, "enable-metrics is maybe; expected true or false"),
    ("enable-metrics: [true]\n", 1, "expected true or false"),
    ("host: ''\n", 1, "host is an empty text"),
    ("port: 1\nport: 2\n", 2, "port was set in line 1 already"),
    ("tp: 1\ntp_size: 1\n", 2, "tp-size was set in line 1 already"),
    ("config: other.yaml\n", 1, "there is no flag --config to set here"),
    ("help: true\n", 1, "there is no flag --help to set here"),
    ("- port\n", 1, "expected lines of the form"),
    ("port: {1\n", 2, "not YAML"),
    ("schedule-policy: fastest\n", 1, "fastest")])
def test_a_wrong_line_of_the_file_is_named(text, line, said, tmp_path):
    path = config(tmp_path, text)
    done = glint("serve", NO_MODEL, "--config", path)
    assert done.returncode == 2 and not done.stdout
    assert f"{path}:{line}: " in done.stderr and said in done.stderr, done.stderr


def test_a_file_that_asks_for_too_much_is_refused_like_the_flag(tmp_path):
    done = glint("serve", NO_MODEL, "--config", config(tmp_path, "tp-size: 2\n"))
    assert done.returncode == 2 and "--tensor-parallel-size 2" in done.stderr
    nowhere = glint("serve", NO_MODEL, "--config", tmp_path / "none.yaml")
    assert nowhere.returncode == 2 and "none.yaml: cannot read it" in nowhere.stderr
    nothing = glint("serve", NO_MODEL, "--config", config(tmp_path, "# nothing\n"))
    assert nothing.returncode == 1


# ---- what they do

GREEDY = {"text": "The sea", "sampling_params": {"max_new_tokens": 12, "temperature": 0, "ignore_eos": True}}


def test_flags_of_speed_change_no_answer(start):
    ids = [start(*flags).post("/generate", GREEDY)["output_ids"] for flags in (
        [], ["--disable-overlap-schedule"], ["--max-prefill-tokens", 1], ["--disable-cuda-graph", "--schedule-policy", "lof"],
        ["--schedule-conservativeness", 0, "--enable-priority-scheduling"])]
    assert len(ids[0]) == 12 and all(one == ids[0] for one in ids)


def test_a_stream_comes_in_pieces_of_the_interval(start):
    """Or longer ones: on a busy machine many tokens gather, even all. The last has what is left."""
    body = {**GREEDY, "sampling_params": {**GREEDY["sampling_params"], "max_new_tokens": 200}}
    events = [json.loads(event) for event in Stream(start("--stream-interval", 5), "/generate", body).events()
              if event != "[DONE]"]
    counts = [event["meta_info"]["completion_tokens"] for event in events]
    assert counts[-1] == 200
    assert all(after - before >= 5 for before, after in itertools.pairwise(counts[:-1]))


def test_sampling_defaults_of_the_model_or_of_openai(model, start, tmp_path):
    """top_k 1 in generation_config.json makes every answer greedy, unless --sampling-defaults openai ignores it."""
    folder = tmp_path / "greedy"
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "generation_config.json").write_text('{"top_k": 1}')
    body = {"text": "The sea", "sampling_params": {"max_new_tokens": 12, "ignore_eos": True}}
    by_model, by_openai = (start("--sampling-defaults", name, folder=folder) for name in ("model", "openai"))
    greedy = by_model.post("/generate", GREEDY)["output_ids"]
    assert by_model.post("/generate", body)["output_ids"] == greedy
    assert by_openai.post("/generate", GREEDY)["output_ids"] == greedy
    assert by_openai.post("/generate", body)["output_ids"] != greedy


def test_the_log_of_decode_steps(start):
    server = start("--decode-log-interval", 10)
    server.post("/generate", {"text": "Hi", "sampling_params": {"max_new_tokens": 64, "ignore_eos": True}})
    wait_until("lines of statistics", lambda: len(re.findall(
        r" decode running=1 queued=0 tokens=\d+ token_usage=\S+ tok_per_s=\S+\n", server.stderr())) >= 5)
    silent = start("--decode-log-interval", 0)
    silent.post("/generate", {"text": "Hi", "sampling_params": {"max_new_tokens": 64, "ignore_eos": True}})
    assert silent.stop() == 0 and " decode " not in silent.stderr()


def test_the_watchdog_ends_a_server_whose_step_does_not_end(start):
    """A prompt of 8,000 tokens in one step takes many times the tenth of a second that it may."""
    server = start("--watchdog-timeout", 0.1, "--chunked-prefill-size", -1)
    with pytest.raises(http.client.HTTPException):
        server.post("/generate", {"input_ids": list(range(100)) * 80, "sampling_params": {"max_new_tokens": 1}})
    assert server.process.wait(timeout=DEADLINE_S) == 1
    assert "a step has run for more than 0.1 s (--watchdog-timeout)" in server.stderr()


@pytest.mark.parametrize("level, request_lines, texts", [(0, 0, 0), (1, 1, 0), (2, 1, 1), (None, 1, 0)])
def test_the_log_of_requests_has_texts_only_if_asked(level, request_lines, texts, start):
    server = start("--log-requests", *([] if level is None else ["--log-requests-level", level]))
    body = {"text": "secret\x9b31m", "sampling_params": {"max_new_tokens": 2}}
    assert server.request("POST", "/generate", json.dumps(body, ensure_ascii=False, indent=0).encode())[0] == 200
    assert server.stop() == 0
    log = server.stderr()
    assert log.count(" request done ") == 1 and log.count(" request path=/generate ") == request_lines
    assert log.count(" request body ") == log.count(" request answer ") == log.count("secret") == texts
    assert log.count(r"secret\xc2\x9b31m") == log.count(r'body="{\x0a') == texts and "\x9b" not in log


def test_long_texts_are_cut_below_level_3(start):
    for level, is_whole in ((2, False), (3, True)):
        server = start("--log-requests", "--log-requests-level", level)
        server.post("/generate", {"text": "ä" * 1100 + "end", "sampling_params": {"max_new_tokens": 2}})
        assert server.stop() == 0
        assert ("end" in server.stderr()) == is_whole and ("…" in server.stderr()) != is_whole


def test_what_is_too_long_is_cut_if_asked(start):
    body = {"text": "word " * 500, "sampling_params": {"max_new_tokens": 4}}
    assert start("--context-length", 64).request("POST", "/generate", body)[0] == 400
    usage = start("--context-length", 64, "--allow-auto-truncate").post("/generate", body)["meta_info"]
    assert usage["prompt_tokens"] == 63 and usage["completion_tokens"] == 1


# ---- docs/flags.md

def flags_by_group(text, heading, flag):
    groups, group = {}, None
    for line in text.splitlines():
        if found := re.match(heading, line):
            group = groups.setdefault(found.group(1), set())
        elif group is not None and (found := re.match(flag, line)):
            group.update(re.findall(r"--[a-z0-9-]+", found.group(1)))
    return {name: flags - {"--help"} for name, flags in groups.items() if flags - {"--help"}}


def test_the_page_of_flags_is_the_help():
    shown = flags_by_group(glint("serve", "--help").stdout, r"(\w[\w ,]*):$", r"  (?:-h,)?((?:--[a-z0-9-]+,?)+)")
    written = flags_by_group((SOURCE / "docs/flags.md").read_text(), r"## (.*)$", r"\| (`--.*?) \|")
    assert len(shown) >= 9
    assert written == shown
