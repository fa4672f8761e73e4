"""64 clients stream at once and a third of them leaves at random: all others get exactly the tokens
that they get alone, and afterwards every page is free."""

import concurrent.futures
import json
import random

from conftest import Stream

NUM_CLIENTS = 64
SEED = 20260101

WORDS = "the sea was calm and a small boat went out to look for light in the far north".split()


def make_requests(rng):
    """Some share a prefix, half are greedy, lengths differ."""
    shared = " ".join(rng.choices(WORDS, k=60))
    requests = []
    for i in range(NUM_CLIENTS):
        prompt = " ".join(rng.choices(WORDS, k=rng.randint(1, 40)))
        if i % 3 == 0:
            prompt = shared + " " + prompt
        params = {"max_new_tokens": rng.randint(8, 48), "ignore_eos": True, "sampling_seed": i,
                  "temperature": 0 if i % 2 else 1}
        requests.append({"text": prompt, "sampling_params": params})
    return requests


def follow(server, request, leave_after):
    """The ids that came; leaves after that many events, if it is a number."""
    stream = Stream(server, "/generate", request)
    assert stream.status == 200
    ids = []
    for count, event in enumerate(stream.events()):
        if event == "[DONE]":
            return ids, True
        ids = json.loads(event)["output_ids"]
        if count == leave_after:
            stream.leave()
            return ids, False
    raise AssertionError("the stream ended without [DONE]")


def test_others_leaving_changes_nothing(start):
    rng = random.Random(SEED)
    requests = make_requests(rng)
    server = start("--max-running-requests", 24, "--max-total-tokens", 8192, "--chunked-prefill-size", 48)
    alone = [server.post("/generate", request)["output_ids"] for request in requests]
    leavers = dict.fromkeys(rng.sample(range(NUM_CLIENTS), NUM_CLIENTS // 3))
    for client in leavers:  # in the middle: their answers would be much longer
        leavers[client] = rng.randint(0, 3)
        requests[client]["sampling_params"]["max_new_tokens"] = 1000

    with concurrent.futures.ThreadPoolExecutor(NUM_CLIENTS) as pool:
        futures = [pool.submit(follow, server, request, leavers.get(i))
                   for i, request in enumerate(requests)]
        answers = [future.result() for future in futures]

    for i, (ids, complete) in enumerate(answers):
        assert complete == (i not in leavers), f"seed {SEED}, client {i}"
        num_known = len(ids) if complete else min(len(ids), len(alone[i]))
        assert ids[:num_known] == alone[i][:num_known], f"seed {SEED}, client {i}"
        assert not complete or len(ids) == len(alone[i])
    server.wait_idle()
    assert server.metrics()["sglang:num_aborted_requests_total"] == len(leavers)
    assert server.request("POST", "/flush_cache")[0] == 200
    metrics = server.metrics()
    assert metrics["glint_free_pages"] == metrics["sglang:num_pages"]
    assert server.stop() == 0
