"""Texts from a seed: a corpus to train a vocabulary on, and cases that try a tokenizer's every corner."""

import random

ENGLISH = """the of and to in is that it was for on are as with his they at be this have from or one had by
word but not what all were we when your can said there use an each which she do how their if will up other
about out many then them these so some her would make like him into time has look two more write go see
number no way could people my than first water been call who oil its now find long down day did get come
made may part over new sound take only little work know place year live me back give most very after thing
our just name good sentence man think say great where help through much before line right too mean old any
same tell boy follow came want show also around form three small set put end does another well large must
big even such because turn here why ask went men read need land different home us move try kind hand
picture again change off play spell air away animal house point page letter mother answer found study still
learn should world model token layer attention expert router cache prefix server request answer function
return import class value error string number float array index begin finish""".split()

SUFFIXES = ["", "", "", "s", "ed", "ing", "er", "ly", "ness", "able", "'s", "ation", "ize"]

# Inclusive ranges of letters to make words of, and whether blanks stand between the words.
SCRIPTS = {
    "latin": ([(0x61, 0x7A)], True),
    "latin accents": ([(0x61, 0x7A), (0xE0, 0xF6), (0x100, 0x17F)], True),
    "greek": ([(0x3B1, 0x3C9)], True),
    "cyrillic": ([(0x430, 0x44F)], True),
    "armenian": ([(0x561, 0x586)], True),
    "hebrew": ([(0x5D0, 0x5EA)], True),
    "arabic": ([(0x628, 0x63A), (0x641, 0x652)], True),
    "devanagari": ([(0x905, 0x939), (0x93E, 0x94D)], True),
    "bengali": ([(0x995, 0x9B9), (0x9BE, 0x9CD)], True),
    "tamil": ([(0xB95, 0xBB9), (0xBBE, 0xBCD)], True),
    "thai": ([(0xE01, 0xE30), (0xE31, 0xE3A), (0xE40, 0xE4E)], False),
    "georgian": ([(0x10D0, 0x10F0), (0x1C90, 0x1CB0)], True),
    "ethiopic": ([(0x1200, 0x1248)], True),
    "hangul": ([(0xAC00, 0xD7A3)], True),
    "hangul parts": ([(0x1100, 0x1112), (0x1161, 0x1175), (0x11A8, 0x11C2)], True),
    "hiragana": ([(0x3041, 0x3096)], False),
    "katakana": ([(0x30A1, 0x30FA)], False),
    "han": ([(0x4E00, 0x9FFF)], False),
    "han common": ([(0x4E00, 0x50FF)], False),
    "han beyond the first plane": ([(0x20000, 0x2A6DF), (0x30000, 0x323AF)], False),
    "gothic": ([(0x10330, 0x1034A)], True),
    "mathematical": ([(0x1D400, 0x1D7FF)], True),
}

EMOJI = ["\U0001F600", "\U0001F44D\U0001F3FD", "\u2764\uFE0F", "\U0001F1E9\U0001F1EA", "#\uFE0F\u20E3",
         "\U0001F468\u200D\U0001F469\u200D\U0001F467\u200D\U0001F466", "\U0001F3F4\u200D\u2620\uFE0F",
         "\U0001F9D1\U0001F3FF\u200D\U0001F692", "\U0001FAE8", "\u2603", "\U0001F3F4\U000E0067\U000E007F"]

# All of White_Space, and characters that look like blanks and are none.
BLANKS = [chr(c) for c in [*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028,
                           0x2029, 0x202F, 0x205F, 0x3000]]
FALSE_BLANKS = ["\x1c", "\x1f", "\u180e", "\u200b", "\u200d", "\u2060", "\ufeff", "\x00"]

DIGITS = "0123456789\u00b2\u00bd\u0661\u0967\u0e53\u2167\u2460\u3007\uff11\U0001D7D8\U00010107"
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u00a7\u00bf\u2014\u2026\u3001\u3002\uff0c\u20ac\u2202\u2192"
MARKS = "\u0300\u0301\u0308\u0327\u0483\u05b0\u064e\u093c\u0e31\u20dd\u3099\ufe0f\U000E0100"
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'Re", "'rE", "'VE", "'vE",
                "'M", "'LL", "'lL", "'D", "'\u017f", "\u2019s", "'r", "'v", "'l", "'x", "'\u212a", "''s",
                "' s", "'\u017f\u017f", "'sa", "'llama", "'\u00df"]

CODE = ["def f(x):\n    return x ** 2  # square\n", "for (int i = 0; i < n; ++i) {\n\tsum += a[i];\n}\n",
        "#include <vector>\r\n\r\nint main() { return 0; }\r\n", "SELECT * FROM t WHERE id >= 1000;\n",
        "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"K\u00f6ln\", \"days\": 3}}",
        "if [[ -n \"$HOME\" ]]; then echo ok; fi\n", "x = a->b::c<T&&>(*p)[0x1F]++;\n\n\n",
        "<div class=\"a b\">&nbsp;</div>\n", "\t\t\t}\n\t\t}\n\t}\n", "    \n        \n", "lambda x: (x, x'),\n"]


def word(rng, script):
    ranges, _ = SCRIPTS[script]
    letters = []
    for _ in range(rng.randint(1, 8)):
        low, high = rng.choice(ranges)
        letters.append(chr(rng.randint(low, high)))
    return "".join(letters)


def cased(rng, text):
    return rng.choice([text, text, text, text.capitalize(), text.upper(), text.swapcase()])


def english(rng):
    return cased(rng, rng.choice(ENGLISH) + rng.choice(SUFFIXES))


def number(rng):
    return "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 9)))


def zipf(rng, items):
    """Few items often, many rarely, as words are."""
    return items[int(len(items) * rng.random() ** 3)]


def corpus(seed, num_lines=40000):
    """Lines in many scripts and of several kinds, with words that come again."""
    rng = random.Random(seed)
    lexicon = {script: [word(rng, script) for _ in range(4000)] for script in SCRIPTS}
    for _ in range(num_lines):
        kind = rng.random()
        if kind < 0.4:
            words = [english(rng) if rng.random() < 0.8 else number(rng) for _ in range(rng.randint(3, 20))]
            yield " ".join(words) + rng.choice([".", "!", "?\n", " ...", ",\n\n"])
        elif kind < 0.5:
            yield rng.choice(CODE) * rng.randint(1, 2) + " " * rng.randint(0, 16) + rng.choice(EMOJI)
        else:
            script = rng.choice(list(SCRIPTS))
            blank = " " if SCRIPTS[script][1] else ""
            yield blank.join(zipf(rng, lexicon[script]) for _ in range(rng.randint(2, 12)))


def any_character(rng):
    """Uniform in the planes, so that the rare ones are tried too; never a surrogate."""
    plane = rng.choice([0, 0, 0, 0, 1, 1, 2, 3, rng.randint(4, 16)])
    c = plane * 0x10000 + rng.randrange(0x10000)
    return chr(c) if not 0xD800 <= c <= 0xDFFF else "\ufffd"


def sentence(rng):
    return " ".join(english(rng) for _ in range(rng.randint(1, 15)))


def scripts(rng):
    pieces = []
    for _ in range(rng.randint(1, 5)):
        script = rng.choice(list(SCRIPTS))
        pieces.append(cased(rng, word(rng, script)))
    return rng.choice(["", " ", " ", "\n"]).join(pieces)


def code(rng):
    return "".join(rng.choice(CODE) for _ in range(rng.randint(1, 4)))


def emoji(rng):
    return "".join(rng.choice(EMOJI) + rng.choice(["", " ", english(rng)]) for _ in range(rng.randint(1, 6)))


def all_planes(rng):
    return "".join(any_character(rng) for _ in range(rng.randint(1, 40)))


def random_bytes(rng):
    """Bytes as a decoder hands them to a tokenizer: repaired, or one character each."""
    data = bytes(rng.choice([rng.randrange(256), rng.randrange(0x80, 0x100)]) for _ in range(rng.randint(1, 60)))
    return data.decode("utf-8", errors="replace") if rng.random() < 0.5 else data.decode("latin-1")


def blanks(rng):
    pieces = []
    for _ in range(rng.randint(1, 12)):
        kind = rng.random()
        if kind < 0.6:
            pieces.append(rng.choice(BLANKS) * rng.choice([1, 1, 2, 3, 9]))
        elif kind < 0.7:
            pieces.append(rng.choice(FALSE_BLANKS))
        else:
            pieces.append(rng.choice([english(rng), number(rng), rng.choice(PUNCTUATION)]))
    return "".join(pieces)


def digits(rng):
    return "".join(rng.choice(DIGITS) * rng.choice([1, 1, 1, 5]) if rng.random() < 0.8 else
                   rng.choice([" ", ".", ",", "a", "-"]) for _ in range(rng.randint(1, 25)))


def contractions(rng):
    return "".join(rng.choice([english(rng), "", word(rng, "latin accents"), " "]) + rng.choice(CONTRACTIONS)
                   for _ in range(rng.randint(1, 6)))


def marks(rng):
    return "".join(rng.choice(["e", "\u0915", " ", "1", "-", ""]) + rng.choice(MARKS) * rng.choice([1, 1, 2, 7])
                   for _ in range(rng.randint(1, 10)))


def soup(rng):
    """One character after another from classes that meet in the split pattern."""
    classes = ["aZ\u00e9\u4f60", "0\u0661\u00bd", " ", "\t\u3000", "\r\n", PUNCTUATION, MARKS, "'"]
    return "".join(rng.choice(rng.choice(classes)) for _ in range(rng.randint(1, 30)))


def with_added_tokens(rng, added_tokens):
    pieces = []
    for _ in range(rng.randint(1, 8)):
        kind = rng.random()
        token = rng.choice(added_tokens)
        if kind < 0.55:
            pieces.append(token)
        elif kind < 0.7:  # nearly one
            cut = rng.randrange(len(token))
            pieces.append(rng.choice([token[:cut], token[cut:], token.upper(), token[:cut] + " " + token[cut:]]))
        else:
            pieces.append(rng.choice([sentence, blanks, soup, scripts])(rng))
    return "".join(pieces)


KINDS = [sentence, scripts, code, emoji, all_planes, random_bytes, blanks, digits, contractions, marks, soup]


def text(rng, added_tokens):
    """One text of a kind, or several after one another."""
    if rng.random() < 0.15:
        return with_added_tokens(rng, added_tokens)
    if rng.random() < 0.1:
        return "".join(rng.choice(KINDS)(rng) for _ in range(rng.randint(2, 5)))
    return rng.choice(KINDS)(rng)
