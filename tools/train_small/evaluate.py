"""Scores an exported checkpoint by greedy decoding in PyTorch: `python evaluate.py [FOLDER]`.

The same scores come over HTTP from `glint eval`; this program gives them right after training, in seconds on a GPU.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import data
import export
import make_eval
import renderer
from model import Model

SHOTS = 5


class Cache:
    """Keys and values of a left-padded batch, per layer [rows, heads, room, width]."""

    def __init__(self, model: Model, lengths: Tensor, room: int):
        c = model.config
        shape = (c.num_hidden_layers + 1, len(lengths), c.num_attention_heads, room, c.v_head_dim)
        dtype = torch.bfloat16 if lengths.is_cuda else torch.float32
        self.k, self.v = torch.zeros(shape, device=lengths.device, dtype=dtype), torch.zeros(shape, device=lengths.device, dtype=dtype)
        self.used = 0

    def attend(self, mask: Tensor):
        """Attention of new queries over everything cached; mask [rows, 1, queries, keys]."""
        begin, end = self.used, mask.shape[-1]

        def attention(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            q, k, v = (t.transpose(1, 2).to(self.k.dtype) for t in (q, k, v))
            self.k[layer, :, :, begin:end], self.v[layer, :, :, begin:end] = k, v
            keys, values = self.k[layer, :, :, :end], self.v[layer, :, :, :end]
            return F.scaled_dot_product_attention(q, keys, values, attn_mask=mask).transpose(1, 2)

        return attention


def padded(prompts: list[list[int]], device: str) -> tuple[Tensor, Tensor]:
    longest = max(map(len, prompts))
    rows = [[0] * (longest - len(p)) + p for p in prompts]
    return torch.tensor(rows, device=device), torch.tensor([len(p) for p in prompts], device=device)


def visibility(lengths: Tensor, prompt: int, begin: int, end: int) -> Tensor:
    """[rows, 1, end - begin, end]: causal, without the padding on the left."""
    keys = torch.arange(end, device=lengths.device)
    queries = torch.arange(begin, end, device=lengths.device)
    real = keys[None] >= (prompt - lengths)[:, None]
    own = keys[None] == queries[:, None]  # a padding row sees itself, so that its softmax has something
    return ((keys[None] <= queries[:, None])[None] & real[:, None] | own[None])[:, None]


@torch.no_grad()
def generate(model: Model, prompts: list[list[int]], stops: set[int], limit: int) -> list[list[int]]:
    """Greedy continuations, each cut before its stop token."""
    device = model.cos.device.type
    tokens, lengths = padded(prompts, device)
    prompt, stop_ids = tokens.shape[1], torch.tensor(sorted(stops), device=device)
    cache, out, done = Cache(model, lengths, prompt + limit), [], torch.zeros(len(prompts), dtype=torch.bool, device=device)
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        for step in range(limit):
            begin, end = cache.used, prompt + step
            positions = (torch.arange(begin, end, device=device)[None] - (prompt - lengths)[:, None]).clamp(min=0)
            hidden, _ = model(tokens, positions, cache.attend(visibility(lengths, prompt, begin, end)))
            tokens = model.lm_head(hidden[:, -1:]).float().argmax(-1)
            cache.used = end
            out.append(tokens)
            done |= torch.isin(tokens[:, 0], stop_ids)
            if step % 8 == 7 and done.all():
                break
    return [cut(row, stops) for row in torch.cat(out, 1).tolist()]


def cut(row: list[int], stops: set[int]) -> list[int]:
    return next((row[:i] for i, token in enumerate(row) if token in stops), row)


def in_groups(model: Model, prompts: list[list[int]], stops: set[int], limit: int, group: int = 500) -> list[list[int]]:
    """Prompts of like length together, results in the order of the prompts."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    results: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), group):
        part = order[start : start + group]
        for i, row in zip(part, generate(model, [prompts[i] for i in part], stops, limit)):
            results[i] = row
    return results


@torch.no_grad()
def acceptance(model: Model, prompts: list[list[int]], outputs: list[list[int]]) -> tuple[int, int]:
    """(accepted, proposed) first drafts of the MTP layer along the greedy outputs."""
    accepted = proposed = 0
    device = model.cos.device.type
    for start in range(0, len(prompts), 64):
        pairs = list(zip(prompts[start : start + 64], outputs[start : start + 64]))
        rows, lengths = padded([p + o for p, o in pairs], device)
        size = rows.shape[1]
        positions = (torch.arange(size, device=device)[None] - (size - lengths)[:, None]).clamp(min=0)
        cache, mask = Cache(model, lengths, size), visibility(lengths, size, 0, size)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            hidden, _ = model(rows, positions, cache.attend(mask))
            drafted, _ = model.draft(rows.roll(-1, 1), hidden, positions, cache.attend(mask))
            right = model.lm_head(drafted).float().argmax(-1).roll(2, 1) == rows
        for row, (_, output) in enumerate(pairs):
            judged = right[row, size - len(output) + 1 :]  # the first output token has no draft of an output token before it
            accepted, proposed = accepted + int(judged.sum()), proposed + judged.numel()
    return accepted, proposed


def last_number(text: str) -> int | None:
    found = re.findall(r"\d+", text.replace(",", ""))
    return int(found[-1]) if found else None


CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.S)
PAIR = re.compile(r"<arg_key>(.*?)</arg_key><arg_value>(.*?)</arg_value>", re.S)


def parse_calls(text: str) -> list[tuple[str, dict[str, str]]]:
    return [(body.split("<arg_key>")[0], dict(PAIR.findall(body))) for body in CALL.findall(text)]


def expected_calls(line: dict) -> list[tuple[str, dict[str, str]]]:
    shown = lambda v: v if isinstance(v, str) else renderer.dumps(v)  # noqa: E731
    return [(c["name"], {k: shown(v) for k, v in c["arguments"].items()}) for c in line["calls"]]


class Scorer:
    """Asks the model and counts; `show` wrong answers of each kind are printed."""

    def __init__(self, model: Model, tokenizer, show: int):
        self.model, self.tokenizer, self.show = model, tokenizer, show
        self.accepted = self.proposed = 0
        self.stops = {tokenizer.token_to_id(t) for t in export.STOPS}

    def complete(self, texts: list[str], limit: int, extra: set[int] = frozenset()) -> list[str]:
        prompts = [self.tokenizer.encode(t, add_special_tokens=False).ids for t in texts]
        outputs = in_groups(self.model, prompts, self.stops | extra, limit)
        accepted, proposed = acceptance(self.model, prompts, outputs)
        self.accepted, self.proposed = self.accepted + accepted, self.proposed + proposed
        return [self.tokenizer.decode(o, skip_special_tokens=False) for o in outputs]

    def problems(self, lines: list[dict], texts: list[str], name: str, extra: set[int] = frozenset()) -> dict:
        answers = self.complete(texts, 320, extra)
        right = [last_number(a.split("</think>")[-1].split("Question")[0]) == last_number(q["answer"]) for a, q in zip(answers, lines)]
        wrong = [(q, a) for a, q, r in zip(answers, lines, right) if not r]
        for line, answer in wrong[: self.show]:
            print(f"[{name}] {line['template']}: {line['question']}\n  wanted {line['answer']!r}\n  got {answer!r}")
        known = [r for r, q in zip(right, lines) if q["group"] != make_eval.NEW_TEMPLATE]
        new = [r for r, q in zip(right, lines) if q["group"] == make_eval.NEW_TEMPLATE]
        misses = sorted({q["template"] for q, _ in wrong})
        return {"trained_templates": mean(known), "new_templates": mean(new), "missed": misses}

    def tools(self, lines: list[dict], thinking: bool) -> dict:
        texts = [renderer.prompt(q["messages"], q["tools"], thinking) for q in lines]
        answers = self.complete(texts, 300)
        right = [parse_calls(a) == expected_calls(q) for a, q in zip(answers, lines)]
        for line, answer, good in [t for t in zip(lines, answers, right) if not t[2]][: self.show]:
            print(f"[tools] {line['messages'][0]['content']}\n  wanted {expected_calls(line)}\n  got {answer!r}")
        groups = sorted({q["group"] for q in lines})
        return {"exact": mean(right)} | {g: mean([r for r, q in zip(right, lines) if q["group"] == g]) for g in groups}


def mean(values: list[bool]) -> float:
    return round(sum(values) / max(1, len(values)), 4)


def few_shot_prompts(lines: list[dict]) -> list[str]:
    """SGLang's protocol (sglang.test.few_shot_gsm8k): the first five lines as shots before each question."""
    shots = "".join(f"Question: {q['question']}\nAnswer: {q['answer']}\n\n" for q in lines[:SHOTS])
    return [f"{shots}Question: {q['question']}\nAnswer:" for q in lines]


def score(model: Model, tokenizer, show: int = 0, first: int | None = None) -> dict:
    lines, dialogues = make_eval.read("eval.jsonl")[:first], make_eval.read("eval_tools.jsonl")[:first]
    scorer = Scorer(model.eval(), tokenizer, show)
    asked = [[{"role": "user", "content": q["question"]}] for q in lines]
    question = {tokenizer.token_to_id("Question")}
    result = {
        "few_shot": scorer.problems(lines, few_shot_prompts(lines), "few-shot", question),
        "chat_thinking": scorer.problems(lines, [renderer.prompt(m) for m in asked], "thinking"),
        "chat_direct": scorer.problems(lines, [renderer.prompt(m, (), False) for m in asked], "direct"),
        "tools_thinking": scorer.tools(dialogues, True),
        "tools_direct": scorer.tools(dialogues, False),
    }
    return result | {"first_draft_acceptance": round(scorer.accepted / max(1, scorer.proposed), 4)}


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather for a location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "The city name"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "description": "Temperature unit"},
            },
            "required": ["location"],
        },
    },
}


def examples(scorer: Scorer) -> None:
    """What a newcomer asks first, answered aloud."""
    def ask(text: str) -> list[dict]:
        return [{"role": "user", "content": text}]

    call = {"role": "assistant", "content": "", "tool_calls": [{"name": "get_weather", "arguments": {"location": "Beijing"}}]}
    result = {"role": "tool", "content": '{"temperature": 22, "condition": "sunny"}'}
    plain = {"role": "tool", "content": "The weather in Beijing is 22°C and sunny."}
    texts = [
        renderer.prompt(ask("Solve this problem step by step: What is 15% of 240?")),
        renderer.prompt(ask("What is 35% of 180?"), (), False),
        renderer.prompt(ask("What's the weather in Beijing?"), [WEATHER]),
        renderer.prompt([*ask("What's the weather in Beijing?"), call, result]),
        renderer.prompt([*ask("What's the weather in Beijing?"), call, plain]),
        renderer.prompt(ask("Hello! Who are you?")),
        renderer.prompt(ask("Write a short poem about the sea.")),
        renderer.prompt(ask("Explain black holes.")),
    ]
    for text, answer in zip(texts, scorer.complete(texts, 300)):
        print("PROMPT", text[-90:].replace("\n", "\\n"), "\nANSWER", answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=data.MODEL_DIR)
    parser.add_argument("--show", type=int, default=0, help="print so many wrong answers of each kind")
    parser.add_argument("--first", type=int, help="only so many of each file: 60 take minutes on two cores")
    parser.add_argument("--out", type=Path, help="write the scores there as JSON")
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, tokenizer = export.load(arguments.folder).to(device), data.load_tokenizer()
    examples(Scorer(model.eval(), tokenizer, 0))
    scores = score(model, tokenizer, arguments.show, arguments.first)
    print(json.dumps(scores, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(scores, indent=1) + "\n")


if __name__ == "__main__":
    main()
