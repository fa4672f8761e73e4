"""Documents of the training mix, tokenized and packed into batches.

Batch i of a seed is always the same, in whatever process it is made. A batch is flat: documents follow one another, each with
positions from 0, the rest is padding of weight 0.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

import chat
import facts
import problems
import renderer
import tool_lessons
import words
from renderer import CONTEXT, DROPPED, LEARNED

WEIGHTS = {CONTEXT: 0.05, DROPPED: 0.05, LEARNED: 1.0}
END = "<|endoftext|>"
MODEL_DIR = Path(__file__).parents[2] / "models" / "glint-small"

Piece = tuple[str, str]


def few_shot(rng) -> list[Piece]:
    """GSM8K's raw form: questions with their answers, separated by blank lines."""
    pieces: list[Piece] = []
    for i in range(rng.choice((1, 2, 3, 4, 5, 6, 6, 6))):
        problem = problems.generate(rng)
        pieces += [("\n\nQuestion:" if i else "Question:", LEARNED if i else CONTEXT), (f" {problem.question}\nAnswer:", CONTEXT)]
        pieces.append((" " + problems.gsm8k_answer(problem), LEARNED))
    return pieces + [(END, LEARNED)]


def raw_text(rng) -> list[Piece]:
    """Plain text without roles: facts and stories."""
    parts = []
    for _ in range(rng.randint(1, 5)):
        kind = rng.random()
        if kind < 0.6:
            parts.append(rng.choice(facts.entries())[1])
        else:
            parts.append(chat.story(rng, rng.choice(facts.POEM_TOPICS)))
    return [(rng.choice((" ", "\n")).join(parts), LEARNED), (END, LEARNED)]


def ended(messages: list[dict], tools: list[dict] = (), clear_thinking: bool = True) -> list[Piece]:
    """A dialogue with the token that ends its last answer."""
    last = messages[-1]
    stop = "<|observation|>" if last.get("tool_calls") else "<|user|>"
    return [*renderer.pieces(messages, tools, clear_thinking), (stop, LEARNED)]


def chat_document(rng) -> list[Piece]:
    return ended(chat.dialogue(rng), clear_thinking=rng.random() < 0.8)


def tool_document(rng) -> list[Piece]:
    return ended(*tool_lessons.dialogue(rng), clear_thinking=rng.random() < 0.25)


def follow_up_document(rng) -> list[Piece]:
    return ended(*tool_lessons.follow_up(rng))


def no_tool_document(rng) -> list[Piece]:
    return ended(tool_lessons.without_tools(rng), clear_thinking=rng.random() < 0.8)


MIX = (
    (chat_document, 46), (few_shot, 11), (tool_document, 38), (follow_up_document, 4), (no_tool_document, 6), (raw_text, 2),
)


def document(rng) -> list[Piece]:
    return rng.choices([d for d, _ in MIX], [w for _, w in MIX])[0](rng)


@dataclass
class Batch:
    tokens: np.ndarray  # uint16 [T]
    weights: np.ndarray  # float32 [T], of the token as a target
    positions: np.ndarray  # int16 [T], within the document
    starts: np.ndarray  # int32 [documents + 1], padded with T to a fixed length


def encode_documents(tokenizer: Tokenizer, documents: list[list[Piece]]) -> Iterator[tuple[list[int], list[float]]]:
    """Piece by piece: pieces meet where the tokenizer splits anyway, so the ids are those of the whole text."""
    flat = [text for pieces in documents for text, _ in pieces]
    encoded = iter(tokenizer.encode_batch_fast(flat, add_special_tokens=False))
    for pieces in documents:
        ids, weights = [], []
        for _, part in pieces:
            piece = next(encoded).ids
            ids += piece
            weights += [WEIGHTS[part]] * len(piece)
        yield ids, weights


def make_batch(tokenizer: Tokenizer, seed: int, index: int, size: int, longest: int) -> Batch:
    rng = random.Random(f"{seed}/{index}")
    tokens, weights = np.zeros(size, np.uint16), np.zeros(size, np.float32)
    positions, starts, used = np.zeros(size, np.int16), [0], 0
    while used < size - longest:
        for ids, part in encode_documents(tokenizer, [document(rng) for _ in range(64)]):
            if len(ids) > longest or used + len(ids) > size:
                continue
            end = used + len(ids)
            tokens[used:end], weights[used:end], positions[used:end] = ids, part, np.arange(len(ids))
            starts.append(end)
            used = end
    positions[used:] = np.arange(size - used) % longest
    starts += list(range(used + longest, size, longest))
    limit = size // 128  # more than there ever are; each unused one costs the attention kernel empty blocks
    return Batch(tokens, weights, positions, np.array(starts + [size] * (limit - len(starts)), np.int32))


def load_tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(MODEL_DIR / "tokenizer.json"))


def sample_texts(seed: int, count: int) -> Iterator[str]:
    """Documents as text, and words of every list, for the tokenizer's training."""
    rng = random.Random(f"tokenizer/{seed}")
    for _ in range(count):
        yield "".join(text for text, _ in document(rng))
    for listed in (words.HE, words.SHE, words.CITIES, words.VERBS, words.NOUNS, *words.SLOTS.values()):
        yield from (f" {word} {word}" for word in listed)
