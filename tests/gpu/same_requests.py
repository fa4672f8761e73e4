"""Whether --deterministic holds: the same requests alone, together, and with too few pages.

    python3 tests/gpu/same_requests.py BIN_DIR MODEL [--device cuda] [--load-format dummy]
        [--requests 100] [--max-prompt 2000] [--max-output 256]
    python3 tests/gpu/same_requests.py --url http://127.0.0.1:30000 --vocab-size 154880

The requests are mixed: prompts of 1 to --max-prompt ids, half of them with a common beginning, 2 in
5 of them the second turn of another (its prompt, its answer, and more); greedy and sampled, with
penalties. Ids and log-probabilities must be equal, as the numbers in the JSON are:

    alone        one after the other
    together     all at once, twice: the second time their prompts are cached
    few pages    all at once with a KV pool so small that some give way

The first form starts the servers, and then one without the flag, for what the flag costs: output
tokens per second of all requests at once, nothing cached, the better of two. The second form asks a
server that was started by hand with --deterministic, alone and together.
"""

import argparse
import json
import math
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from glint_server import Client, Server  # noqa: E402

PAGE = 64
RETRACTIONS = "glint_retractions_total"


def sampling_params(rng, max_output):
    params = {
        "max_new_tokens": rng.randint(1, max_output),
        "ignore_eos": True,
        "temperature": rng.choice([0, 0.8, 1]),
        "sampling_seed": rng.getrandbits(32),
    }
    if rng.random() < 0.5:
        params |= {"top_p": 0.9, "top_k": 40}
    if rng.random() < 0.3:
        params |= {"frequency_penalty": 0.5, "repetition_penalty": 1.2}
    return params


def random_ids(rng, args, count):
    return [rng.randrange(args.vocab_size) for _ in range(count)]


def first_turns(rng, args, count):
    common = random_ids(rng, args, args.max_prompt // 4)
    requests = []
    for _ in range(count):
        length = round(math.exp(rng.uniform(0, math.log(args.max_prompt))))
        prompt = (common if rng.random() < 0.5 else []) + random_ids(rng, args, length)
        requests.append({
            "input_ids": prompt[: args.max_prompt],
            "sampling_params": sampling_params(rng, args.max_output),
            "return_logprob": True,
            "top_logprobs_num": 2,
        })
    return requests


def second_turns(rng, args, requests, answers):
    turns = []
    for request, answer in zip(requests, answers):
        prompt = request["input_ids"] + [token[1] for token in answer["tokens"]]
        prompt += random_ids(rng, args, rng.randint(1, 50))
        turns.append(request | {
            "input_ids": prompt, "sampling_params": sampling_params(rng, args.max_output)
        })
    return turns


def ask(client, request):
    meta = client.generate(request)["meta_info"]
    return {"tokens": meta["output_token_logprobs"], "top": meta["output_top_logprobs"]}


def ask_alone(client, requests):
    return [ask(client, request) for request in requests]


def ask_together(client, requests, seed):
    """The answers in the requests' order, and output tokens per second."""
    order = list(range(len(requests)))
    random.Random(seed).shuffle(order)
    begin = time.monotonic()
    with ThreadPoolExecutor(len(requests)) as pool:
        shuffled = list(pool.map(lambda i: ask(client, requests[i]), order))
    tokens = sum(len(answer["tokens"]) for answer in shuffled)
    answers = [answer for _, answer in sorted(zip(order, shuffled), key=lambda pair: pair[0])]
    return answers, tokens / (time.monotonic() - begin)


def first_difference(expected, got):
    pairs = zip(expected["tokens"], got["tokens"])
    for position, (a, b) in enumerate(pairs):
        if a[1] != b[1]:
            return f"id {b[1]} for {a[1]} at output token {position}"
        if a[0] != b[0]:
            return f"log-probability {b[0]} for {a[0]} at output token {position}"
    return "other log-probabilities of other tokens"


class Report:
    def __init__(self):
        self.failed = 0

    def compare(self, what, requests, expected, answers, note="", must_be_equal=True):
        different = [i for i, answer in enumerate(answers) if answer != expected[i]]
        equal = f"{len(answers) - len(different)} of {len(answers)} equal"
        print(f"{what:<28} {equal:>18}  {note}", flush=True)
        if not must_be_equal:
            return
        for i in different[:3]:
            length = len(requests[i]["input_ids"])
            difference = first_difference(expected[i], answers[i])
            print(f"    request {i}, prompt of {length}: {difference}")
        self.failed += len(different) > 0

    def require(self, condition, sentence):
        if not condition:
            print(f"    {sentence}")
            self.failed += 1


def alone_answers(client, rng, args):
    """The requests, and what each gets alone."""
    num_second = args.requests * 2 // 5
    requests = first_turns(rng, args, args.requests - num_second)
    answers = ask_alone(client, requests)
    turns = second_turns(rng, args, requests[:num_second], answers)
    return requests + turns, answers + ask_alone(client, turns)


def check_together(client, report, requests, alone):
    speeds = []
    for round_number in range(2):
        client.flush_cache()
        answers, speed = ask_together(client, requests, round_number)
        speeds.append(speed)
        report.compare("together", requests, alone, answers, f"{speed:.0f} tokens/s")
    answers, _ = ask_together(client, requests, 2)
    report.compare("together, prompts cached", requests, alone, answers)
    return max(speeds)


def few_pages(requests):
    """Tokens: what the longest needs, and a little."""
    def pages(request):
        tokens = len(request["input_ids"]) + request["sampling_params"]["max_new_tokens"]
        return tokens // PAGE + 2

    return PAGE * (max(pages(request) for request in requests) + 2)


def check_few_pages(serve, report, requests, alone):
    tokens = few_pages(requests)
    with serve("--deterministic", "--max-total-tokens", tokens) as server:
        answers, _ = ask_together(server, requests, 3)
        retractions = server.counter(RETRACTIONS)
        note = f"{retractions:.0f} retractions in a pool of {tokens} tokens"
        report.compare("few pages", requests, alone, answers, note)
        report.require(retractions > 0, "no request gave way: ask for more or longer answers")


def check_without_flag(serve, report, requests, alone, speed_with):
    speeds = []
    with serve() as server:
        for round_number in range(2):
            server.flush_cache()
            answers, speed = ask_together(server, requests, round_number)
            speeds.append(speed)
        report.compare("without the flag", requests, alone, answers, f"{max(speeds):.0f} tokens/s",
                       must_be_equal=False)
    print(f"the flag's cost: {100 * (1 - speed_with / max(speeds)):.1f} % of the tokens per second")


def run_servers(args, report):
    rng = random.Random(args.seed)
    config = json.loads((Path(args.model) / "config.json").read_text())
    args.vocab_size = config["vocab_size"]
    flags = [args.model, "--device", args.device, "--load-format", args.load_format]
    # The seed is of dummy weights, too: all servers must have the same.
    flags += ["--random-seed", 0, "--skip-tokenizer-init", "--max-running-requests", 128]
    flags += args.serve_flag

    def serve(*more):
        return Server(args.bin_dir, *flags, *more)

    with serve("--deterministic") as server:
        requests, alone = alone_answers(server, rng, args)
        lengths = [len(request["input_ids"]) for request in requests]
        print(f"{len(requests)} requests, prompts of {min(lengths)} to {max(lengths)} tokens")
        speed = check_together(server, report, requests, alone)
    check_few_pages(serve, report, requests, alone)
    check_without_flag(serve, report, requests, alone, speed)


def run_url(args, report):
    client = Client(args.url)
    requests, alone = alone_answers(client, random.Random(args.seed), args)
    check_together(client, report, requests, alone)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bin_dir", type=Path, nargs="?")
    parser.add_argument("model", nargs="?", help="folder")
    parser.add_argument("--url", help="of a server that runs with --deterministic")
    parser.add_argument("--vocab-size", type=int, help="with --url: ids below this are sent")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--load-format", choices=["auto", "dummy"], default="auto")
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--max-prompt", type=int, default=2000)
    parser.add_argument("--max-output", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve-flag", action="append", default=[], help="more for glint serve")
    args = parser.parse_args()
    if not args.url and not (args.bin_dir and args.model):
        parser.error("expected BIN_DIR and MODEL, or --url")
    if args.url and not args.vocab_size:
        parser.error("--url needs --vocab-size")
    report = Report()
    run_url(args, report) if args.url else run_servers(args, report)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
