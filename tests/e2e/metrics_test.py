"""/metrics under real traffic: what Prometheus' own tools make of it, and that it says what the clients saw."""

import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import Stream, wait_until

SOURCE = pathlib.Path(os.environ["GLINT_SOURCE_DIR"])
LINT = pathlib.Path(__file__).with_name("metrics_lint.txt")
CHAT = {"model": "glint-tiny", "messages": [{"role": "user", "content": "The sea"}], "max_tokens": 12}


def scrape(server):
    status, text = server.request("GET", "/metrics")
    assert status == 200
    return text


def samples(text):
    """{(name, labels but model and ranks): value} of all series; each must be there once."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {key: value for key, value in sample.labels.items()
                      if key in ("le", "mode", "stage", "phase", "finished_reason")}
            if "sleep_state" in sample.labels:
                labels["sleep_state"] = sample.labels["sleep_state"]
            key = (sample.name, tuple(sorted(labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(found, name, **labels):
    return found[(name, tuple(sorted(labels.items())))]


def check_histograms(text):
    """Counts never fall from one bound to the next, end at +Inf, and _count is that; nothing seen, nothing summed."""
    num_histograms = 0
    for family in text_string_to_metric_families(text):
        if family.type != "histogram":
            continue
        num_histograms += 1
        series = collections.defaultdict(lambda: {"buckets": []})
        for sample in family.samples:
            labels = dict(sample.labels)
            bound = labels.pop("le", None)
            one = series[tuple(labels.items())]
            if bound is None:
                one[sample.name.rsplit("_", 1)[1]] = sample.value
            else:
                one["buckets"].append((float(bound), sample.value))
        for one in series.values():
            bounds, counts = zip(*one["buckets"])
            assert list(bounds) == sorted(set(bounds)) and bounds[-1] == float("inf"), family.name
            assert list(counts) == sorted(counts), family.name
            assert one["count"] == counts[-1], family.name
            assert (one["sum"] == 0) if one["count"] == 0 else (one["sum"] >= 0), family.name
    assert num_histograms > 20


def test_promtool_finds_only_what_inherited_names_force(server):
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: scripts/setup --tests installs it (Debian's package prometheus)"
    checked = subprocess.run([promtool, "check", "metrics"], input=scrape(server).encode(), capture_output=True)
    assert checked.returncode in (0, 3), checked.stderr.decode()  # 3: it parsed, and there is lint
    assert sorted(checked.stderr.decode().splitlines()) == LINT.read_text().splitlines()


def test_the_documented_names_are_the_exported_ones(server):
    documented = set(re.findall(r"`((?:sglang:|vllm:|glint_)\w+)`", (SOURCE / "docs" / "metrics.md").read_text()))
    assert documented == set(re.findall(r"^# TYPE (\S+) ", scrape(server), re.M))


def test_a_name_with_quotes_survives(start):
    name = 'the "model"\\of\nglint'
    server = start("--served-model-name", name)
    families = list(text_string_to_metric_families(scrape(server)))
    assert {sample.labels["model_name"] for family in families for sample in family.samples} == {name}


def test_the_path_may_end_in_a_slash(server):
    status, text = server.request("GET", "/metrics/")
    assert status == 200 and "vllm:num_requests_running" in text


def test_counts_are_what_the_clients_saw(start):
    server = start("--served-model-name", "glint-tiny", "--random-seed", 7)
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="EMPTY", max_retries=0)
    reasons, usages = collections.Counter(), []

    def seen(answer):
        usages.append(answer.usage)
        reasons.update(choice.finish_reason for choice in answer.choices if choice.finish_reason)
        return answer.choices

    seen(client.chat.completions.create(**CHAT, n=2, extra_body={"ignore_eos": True}))
    for chunk in client.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True}):
        seen(chunk)
    prompt = {"model": "glint-tiny", "prompt": "One, two", "max_tokens": 40, "seed": 1,
              "extra_body": {"ignore_eos": True}}
    text = seen(client.completions.create(**prompt))[0].text
    assert seen(client.completions.create(**prompt, stop=text[len(text) // 2:][:3]))[0].finish_reason == "stop"
    usages = [usage for usage in usages if usage]

    server.wait_idle()
    found = samples(scrape(server))
    prompts = usages[0].prompt_tokens + sum(usage.prompt_tokens for usage in usages)  # the first for two choices
    output = sum(usage.completion_tokens for usage in usages)
    requests = reasons.total()
    assert requests == 5
    assert value(found, "sglang:prompt_tokens_total") == value(found, "vllm:prompt_tokens_total") == prompts
    assert value(found, "sglang:generation_tokens_total") == value(found, "vllm:generation_tokens_total") == output
    assert value(found, "sglang:generation_tokens_histogram_sum") == output
    assert value(found, "vllm:request_prompt_tokens_sum") == prompts
    assert value(found, "sglang:num_requests_total") == requests
    assert value(found, "sglang:num_aborted_requests_total") == 0
    for reason in ("stop", "length", "abort", "error"):
        assert value(found, "vllm:request_success_total", finished_reason=reason) == reasons[reason], reason
    for name in ("e2e_request_latency_seconds", "time_to_first_token_seconds", "queue_time_seconds",
                 "prompt_tokens_histogram", "num_retractions"):
        assert value(found, f"sglang:{name}_count") == requests, name
    for stage in ("tokenize", "prefill_waiting", "prefill_forward", "decode_forward"):
        assert value(found, "sglang:per_stage_req_latency_seconds_count", stage=stage) == requests, stage
    assert value(found, "vllm:request_params_n_count") == 4 and value(found, "vllm:request_params_n_sum") == 5
    assert value(found, "vllm:request_params_max_tokens_sum") == 3 * 12 + 2 * 40
    assert value(found, "sglang:e2e_request_latency_seconds_sum") >= value(found, "vllm:request_inference_time_seconds_sum")
    assert value(found, "sglang:weight_memory_usage_gb") > 0
    assert value(found, "sglang:startup_time_seconds", phase="e2e") >= value(
        found, "sglang:startup_time_seconds", phase="load_weight") > 0
    check_histograms(scrape(server))


def test_who_leaves_is_an_abort_and_who_is_refused_is_none(start):
    server = start("--max-running-requests", 1, "--max-queued-requests", 1)
    endless = {"text": "The sea", "sampling_params": {"ignore_eos": True, "max_new_tokens": 8000}}
    running = Stream(server, "/generate", endless)
    next(running.events())
    waiting = Stream(server, "/generate", endless)
    wait_until("one waits", lambda: value(samples(scrape(server)), "vllm:num_requests_waiting") == 1)
    found = samples(scrape(server))
    assert value(found, "vllm:num_requests_running") == 1
    assert value(found, "sglang:queue_time_seconds_count") == 1, "who waits has no queue time yet"
    assert value(found, "sglang:utilization") == 1
    assert server.request("POST", "/generate", endless)[0] == 503
    waiting.leave()
    running.leave()
    server.wait_idle()
    found = samples(scrape(server))
    assert value(found, "vllm:request_success_total", finished_reason="abort") == 2
    assert value(found, "sglang:num_requests_total") == 2
    assert value(found, "sglang:e2e_request_latency_seconds_count") == 0
    check_histograms(scrape(server))


def test_nothing_falls_while_requests_run(server):
    """Sixteen clients that ask until a scraper as impatient as a gateway has looked often enough."""
    enough = threading.Event()

    def ask(i):
        body = {"text": f"{i} bottles", "sampling_params": {"max_new_tokens": 20, "ignore_eos": True}}
        tokens = []
        while not enough.is_set():
            tokens.append(server.post("/generate", body)["meta_info"]["completion_tokens"])
        return tokens

    before = last = samples(scrape(server))
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(ask, i) for i in range(16)]
        try:
            for _ in range(10):
                text = scrape(server)
                check_histograms(text)
                now = samples(text)
                for (name, labels), count in last.items():
                    if re.search("_(total|bucket|count|sum)$", name):
                        assert now[(name, labels)] >= count, (name, labels)
                last = now
        finally:
            enough.set()
        tokens = [count for one in asked for count in one.result()]
    after = samples(scrape(server))
    assert value(after, "vllm:generation_tokens_total") - value(before, "vllm:generation_tokens_total") == sum(tokens)
    assert value(after, "sglang:num_requests_total") - value(before, "sglang:num_requests_total") == len(tokens) > 0


def queries():
    """What deploy/ asks Prometheus for, by where it stands."""
    dashboard = json.loads((SOURCE / "deploy" / "grafana" / "glint.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield f"panel {panel['title']}", target["expr"]
    for variable in dashboard["templating"]["list"]:
        yield f"variable {variable['name']}", variable["query"]
    for line in (SOURCE / "deploy" / "prometheus" / "alerts.yml").read_text().splitlines():
        yield "alerts.yml", line


def test_dashboard_and_alerts_ask_for_what_is_there(server):
    there = {name for name, _ in samples(scrape(server))}
    asked = [(place, name) for place, query in queries() for name in re.findall(r"(?:sglang|vllm):\w+", query)]
    assert len(asked) > 20
    assert not [(place, name) for place, name in asked if name not in there]


def test_promtool_takes_configuration_and_rules():
    checked = subprocess.run(["promtool", "check", "config", SOURCE / "deploy" / "prometheus" / "prometheus.yml"],
                             capture_output=True, text=True)
    assert checked.returncode == 0 and "5 rules found" in checked.stdout, checked.stdout + checked.stderr
