"""Trains the tokenizer of the bundled model: byte-level BPE in the form of GLM-4.7's tokenizer.json, 4,096 ids.

The vocabulary has the 256 bytes, merges learned from the generated documents, and the 36 added tokens of GLM-4.7 by name.
Digits never merge, so that every digit of a number is one token.
"""

from __future__ import annotations

import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

import data

VOCAB_SIZE = 4096
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = (
    "<|endoftext|> [MASK] [gMASK] [sMASK] <sop> <eop> <|system|> <|user|> <|assistant|> <|observation|> <|begin_of_image|> "
    "<|end_of_image|> <|begin_of_video|> <|end_of_video|> <|begin_of_audio|> <|end_of_audio|> <|begin_of_transcription|> "
    "<|end_of_transcription|>"
).split()
PLAIN = (
    "<|code_prefix|> <|code_middle|> <|code_suffix|> <think> </think> <tool_call> </tool_call> <tool_response> "
    "</tool_response> <arg_key> </arg_key> <arg_value> </arg_value> /nothink <|begin_of_box|> <|end_of_box|> <|image|> <|video|>"
).split()


def learn(texts) -> dict:
    """vocab and merges over text whose digits stand alone and whose added tokens are cut out."""
    tokenizer = Tokenizer(models.BPE())
    cut = Regex("|".join(t.replace("|", r"\|").replace("[", r"\[") for t in (*SPECIAL, *PLAIN)))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(cut, "removed"),
        pre_tokenizers.Split(Regex(SPLIT), "isolated"),
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - len(SPECIAL) - len(PLAIN), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return json.loads(tokenizer.to_str())["model"]


def assemble(vocab: dict[str, int], merges: list) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(m) for m in merges], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False),
    ])
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=True, trim_offsets=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in SPECIAL])
    tokenizer.add_tokens([AddedToken(t, normalized=False, special=False) for t in PLAIN])
    return tokenizer


def settings(tokenizer: Tokenizer) -> dict:
    """tokenizer_config.json, with the keys of GLM-4.7-Flash's."""
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    added = {str(tokenizer.token_to_id(t)): {"content": t, **flags, "special": t in SPECIAL} for t in (*SPECIAL, *PLAIN)}
    return {
        "added_tokens_decoder": added,
        "additional_special_tokens": SPECIAL,
        "clean_up_tokenization_spaces": False,
        "do_lower_case": False,
        "eos_token": "<|endoftext|>",
        "extra_special_tokens": {},
        "model_max_length": 8192,
        "pad_token": "<|endoftext|>",
        "padding_side": "left",
        "remove_space": False,
        "tokenizer_class": "PreTrainedTokenizer",
    }


def main() -> None:
    learned = learn(data.sample_texts(seed=1, count=60_000))
    tokenizer = assemble(learned["vocab"], learned["merges"])
    assert tokenizer.get_vocab_size() == VOCAB_SIZE, tokenizer.get_vocab_size()
    digits = [t for t in learned["vocab"] if len(t) > 1 and any(c.isdigit() for c in t)]
    assert not digits, digits
    data.MODEL_DIR.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(data.MODEL_DIR / "tokenizer.json"))
    (data.MODEL_DIR / "tokenizer_config.json").write_text(json.dumps(settings(tokenizer), indent=2) + "\n")
    print(f"{len(learned['merges'])} merges, {VOCAB_SIZE} ids")


if __name__ == "__main__":
    main()
