"""Trains a byte-level BPE tokenizer whose files have the structure of GLM-4.7-Flash's own.

    python tests/tokenizer/train_tokenizer.py --vocab-size 1024 --out DIR [--seed N] [--corpus FILE ...]

writes DIR/tokenizer.json and DIR/tokenizer_config.json. The size counts the 36 added tokens, which
take the last ids. Without a corpus the text is generated from the seed.
"""

import argparse
import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

import texts

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
           r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

# In the order of their ids, which follow the vocabulary's.
SPECIAL_TOKENS = """<|endoftext|> [MASK] [gMASK] [sMASK] <sop> <eop> <|system|> <|user|> <|assistant|>
<|observation|> <|begin_of_image|> <|end_of_image|> <|begin_of_video|> <|end_of_video|> <|begin_of_audio|>
<|end_of_audio|> <|begin_of_transcription|> <|end_of_transcription|>""".split()
OTHER_ADDED_TOKENS = """<|code_prefix|> <|code_middle|> <|code_suffix|> <think> </think> <tool_call>
</tool_call> <tool_response> </tool_response> <arg_key> </arg_key> <arg_value> </arg_value> /nothink
<|begin_of_box|> <|end_of_box|> <|image|> <|video|>""".split()
ADDED_TOKENS = SPECIAL_TOKENS + OTHER_ADDED_TOKENS


def added_token(content):
    return AddedToken(content, single_word=False, lstrip=False, rstrip=False, normalized=False,
                      special=content in SPECIAL_TOKENS)


def assemble(bpe):
    """The tokenizer around the model: what the released tokenizer.json has beside its vocabulary."""
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False),
    ])
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=True, trim_offsets=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True)
    return tokenizer


def train(vocab_size, lines):
    """A tokenizer of `vocab_size` tokens, the added ones included, trained on `lines` of text."""
    tokenizer = assemble(models.BPE(ignore_merges=True))
    trainer = trainers.BpeTrainer(vocab_size=vocab_size - len(ADDED_TOKENS), show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(lines, trainer)
    # One by one in this order: their ids follow from it.
    for content in ADDED_TOKENS:
        tokenizer.add_tokens([added_token(content)])
    return tokenizer


def tokenizer_config(tokenizer):
    decoder = {str(id): {"content": token.content, "lstrip": token.lstrip, "normalized": token.normalized,
                         "rstrip": token.rstrip, "single_word": token.single_word, "special": token.special}
               for id, token in sorted(tokenizer.get_added_tokens_decoder().items())}
    return {
        "added_tokens_decoder": decoder,
        "additional_special_tokens": SPECIAL_TOKENS,
        "clean_up_tokenization_spaces": False,
        "do_lower_case": False,
        "eos_token": "<|endoftext|>",
        "extra_special_tokens": {},
        "model_max_length": 128000,
        "pad_token": "<|endoftext|>",
        "padding_side": "left",
        "remove_space": False,
        "tokenizer_class": "PreTrainedTokenizer",
    }


def write(tokenizer, folder):
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = json.dumps(tokenizer_config(tokenizer), indent=2, ensure_ascii=False)
    (folder / "tokenizer_config.json").write_text(config + "\n", encoding="utf-8")


def lines_of(files):
    for file in files:
        with open(file, encoding="utf-8", newline="") as lines:
            yield from lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab-size", type=int, required=True, help="tokens, the 36 added ones included")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="of the generated corpus")
    parser.add_argument("--corpus", type=Path, nargs="*", default=[], help="UTF-8 text to train on instead")
    args = parser.parse_args()
    smallest = 256 + len(ADDED_TOKENS)
    if args.vocab_size < smallest:
        parser.error(f"--vocab-size {args.vocab_size} is too small: 256 bytes and the added tokens are {smallest}")
    tokenizer = train(args.vocab_size, lines_of(args.corpus) if args.corpus else texts.corpus(args.seed))
    if tokenizer.get_vocab_size() != args.vocab_size:
        parser.error(f"the text yields {tokenizer.get_vocab_size()} tokens, not {args.vocab_size}: train on more")
    write(tokenizer, args.out)


if __name__ == "__main__":
    main()
