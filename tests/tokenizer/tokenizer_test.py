"""The C++ tokenizer against the `tokenizers` package: the same ids, and the same text from ids.

The vocabulary is trained here, on text made from a seed. Set GLINT_TOKENIZER_JSON to a real
tokenizer.json to compare with that one too, and SEED to try other texts.
"""

import json
import os
import random

import pytest
import tokenizers

import texts
import tokenizer_tool
import train_tokenizer

SEED = int(os.environ.get("SEED", "1"))
NUM_TEXTS = 24000
VOCAB_SIZE = 36000
NUM_UNREACHABLE = 1000


def forget_merges(path, rng):
    """Drops merges but keeps what they made: entries that only a whole pre-token finds."""
    data = json.loads(path.read_text(encoding="utf-8"))
    model = data["model"]
    parts = {part for merge in model["merges"] for part in merge}
    ends = [i for i, (left, right) in enumerate(model["merges"]) if left + right not in parts]
    dropped = set(rng.sample(ends, NUM_UNREACHABLE))
    words = ["".join(model["merges"][i]) for i in sorted(dropped)]
    model["merges"] = [m for i, m in enumerate(model["merges"]) if i not in dropped]
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return words


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer.write(train_tokenizer.train(VOCAB_SIZE, texts.corpus(SEED)), folder)
    path = folder / "tokenizer.json"
    path.with_name("words.json").write_text(json.dumps(forget_merges(path, random.Random(SEED))))
    return path


@pytest.fixture(scope="module", params=["trained", "real"])
def path(request):
    if request.param == "trained":
        return request.getfixturevalue("trained")
    if not os.environ.get("GLINT_TOKENIZER_JSON"):
        pytest.skip("GLINT_TOKENIZER_JSON names no tokenizer.json")
    return os.environ["GLINT_TOKENIZER_JSON"]


@pytest.fixture(scope="module")
def theirs(path):
    return tokenizers.Tokenizer.from_file(str(path))


@pytest.fixture(scope="module")
def cases():
    rng = random.Random(SEED)
    runs = ["a", "0", " ", "\n", " \n", "\u0301", "\u4e2d", "<", "<|", "'s", "\t", "!", "\U0001F600"]
    edge_cases = [""] + [run * n for run in runs for n in (1, 2, 3, 16, 17, 24, 25, 48, 49, 400)]
    return edge_cases + [texts.text(rng, train_tokenizer.ADDED_TOKENS) for _ in range(NUM_TEXTS)]


def same(ours, expected, inputs):
    assert len(ours) == len(expected) == len(inputs)
    bad = [i for i in range(len(inputs)) if ours[i] != expected[i]]
    shown = "\n".join(f"{ascii(inputs[i])}\n  ours {ascii(ours[i])}\n  theirs {ascii(expected[i])}"
                      for i in bad[:5])
    assert not bad, f"{len(bad)} of {len(inputs)} differ (seed {SEED}):\n{shown}"


def test_vocabulary_is_of_the_promised_kind(trained):
    data = json.loads(trained.read_text(encoding="utf-8"))
    assert len(data["model"]["vocab"]) >= 30000
    assert isinstance(data["model"]["merges"][0], list)
    assert [t["content"] for t in data["added_tokens"]] == train_tokenizer.ADDED_TOKENS


def test_same_ids(path, theirs, cases):
    expected = [encoding.ids for encoding in theirs.encode_batch(cases)]
    same(tokenizer_tool.encode(path, cases), expected, cases)


def test_whole_words_without_merges_have_their_id(trained):
    """Some of the words must be pre-tokens, or this says nothing about ignore_merges."""
    tokenizer = tokenizers.Tokenizer.from_file(str(trained))
    words = json.loads(trained.with_name("words.json").read_text())
    plain = [tokenizer.decode([tokenizer.token_to_id(word)]) for word in words]
    plain = [text for text in plain if "\ufffd" not in text]
    expected = [tokenizer.encode(text).ids for text in plain]
    whole = sum(len(ids) == 1 for ids in expected)
    assert whole >= NUM_UNREACHABLE // 4, f"{whole} of {len(plain)} words are one token"
    same(tokenizer_tool.encode(trained, plain), expected, plain)


@pytest.mark.parametrize("skip", [False, True])
def test_same_text_of_encoded_ids(path, theirs, cases, skip):
    ids = [encoding.ids for encoding in theirs.encode_batch(cases)]
    expected = theirs.decode_batch(ids, skip_special_tokens=skip)
    same(tokenizer_tool.decode(path, ids, "decode-skip" if skip else "decode"), expected, ids)
    if not skip:
        assert expected == cases


@pytest.mark.parametrize("skip", [False, True])
def test_same_text_of_random_ids(path, theirs, skip):
    """Cut characters, invalid bytes, and ids that no token has."""
    rng = random.Random(SEED)
    end = theirs.get_vocab_size() + 24
    single_bytes = [theirs.token_to_id(c) for c in tokenizers.pre_tokenizers.ByteLevel.alphabet()]
    ids = []
    for _ in range(8000):
        draw = rng.choice([lambda: rng.randrange(end), lambda: rng.choice(single_bytes),
                           lambda: end - 25 - rng.randrange(36)])
        ids.append([draw() for _ in range(rng.randint(0, 12))])
    expected = theirs.decode_batch(ids, skip_special_tokens=skip)
    same(tokenizer_tool.decode(path, ids, "decode-skip" if skip else "decode"), expected, ids)
    if not skip:
        same(tokenizer_tool.decode(path, ids, "stream"), expected, ids)
