"""Greedy answers of unpatched transformers (FP32) against a running server: `python parity.py --url http://127.0.0.1:30000`."""

from __future__ import annotations

import argparse
import json
import urllib.request

import torch
from transformers import Glm4MoeLiteForCausalLM

import data
import make_eval
import renderer

COUNT, TOKENS = 50, 128


def prompts() -> list[str]:
    """Twenty raw, twenty in chat, ten with tools."""
    problems, tools = make_eval.read("eval.jsonl"), make_eval.read("eval_tools.jsonl")
    raw = [f"Question: {q['question']}\nAnswer:" for q in problems[:20]]
    chat = [renderer.prompt([{"role": "user", "content": q["question"]}]) for q in problems[20:40]]
    return raw + chat + [renderer.prompt(q["messages"], q["tools"]) for q in tools[: COUNT - 40]]


def from_server(url: str, text: str, stops: list[int]) -> list[int]:
    sampling = {"temperature": 0, "max_new_tokens": TOKENS, "ignore_eos": True, "skip_special_tokens": False}
    body = json.dumps({"text": text, "sampling_params": sampling}).encode()
    request = urllib.request.Request(f"{url}/generate", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        said = json.load(answer)
    return until_stop(data.load_tokenizer().encode(said["text"], add_special_tokens=False).ids, stops)


@torch.no_grad()
def from_transformers(model, text: str, stops: list[int]) -> list[int]:
    ids = torch.tensor([data.load_tokenizer().encode(text, add_special_tokens=False).ids])
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False)
    return until_stop(out[0, ids.shape[1] :].tolist(), stops)


def until_stop(ids: list[int], stops: list[int]) -> list[int]:
    return next((ids[:i] for i, token in enumerate(ids) if token in stops), ids)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:30000")
    arguments = parser.parse_args()
    model = Glm4MoeLiteForCausalLM.from_pretrained(data.MODEL_DIR, dtype=torch.float32).eval()
    stops, same = model.config.eos_token_id, 0
    for done, text in enumerate(prompts(), 1):
        server, reference = from_server(arguments.url, text, stops), from_transformers(model, text, stops)
        same += server == reference
        if server != reference:
            print(f"differ after {text[-80:]!r}:\n  server       {server}\n  transformers {reference}")
        print(f"{same} of {done}", flush=True)
    print(f"{same} of {COUNT} greedy answers are the same")
    raise SystemExit(same != COUNT)


if __name__ == "__main__":
    main()
