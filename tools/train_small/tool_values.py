"""Values of tool arguments of every shape, as they stand in the call and as people say them.

Most words are put together from pieces of the model's vocabulary, so that every token is copied in training: a model of this size
copies a word well only if it has copied its tokens before.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import words

TOKENIZER = Path(__file__).parents[2] / "models" / "glint-small" / "tokenizer.json"
HELD_OUT = frozenset(words.HELD_OUT_NAMES) | frozenset(words.HELD_OUT_CITIES)


@dataclass(frozen=True)
class Value:
    value: object
    spoken: str


def join_words(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


@cache
def vocabulary() -> tuple[str, ...]:
    """The letters-only tokens of the tokenizer; none before it is trained (its own training text then has no such words)."""
    if not TOKENIZER.exists():
        return ()
    tokens = json.loads(TOKENIZER.read_text())["model"]["vocab"]
    return tuple(sorted({t.lstrip("Ġ") for t in tokens if re.fullmatch("Ġ?[A-Za-z]+", t)}))


def token_word(rng) -> str:
    """One to three tokens of the vocabulary in a row."""
    if not vocabulary():
        return words.pseudo_word(rng)
    return "".join(rng.choice(vocabulary()) for _ in range(rng.choice((1, 1, 2, 2, 2, 3))))


COMMON = (
    "about above account acid actor age agent air angle animal answer apple area arm art autumn baby back ball band bank base basket bath "
    "beach bean bear bed bell belt bird blood board body bone book border bottle bottom box boy brain branch bread bridge brother brush bucket "
    "bulb butter cable camp candle canvas cap card carpet case castle cause cell cheese chest chicken circle city cloth cloud coal coast code "
    "cold collar comb copper copy cord cork corner cost cotton cough country cover crack credit crime crowd cup curtain curve cushion cycle "
    "damage danger daughter death debt degree design desire detail dinner direction disease distance division dock dog dress drop dust ear earth "
    "edge effect egg energy engine error event example exchange eye face fact family farm father fear feather feeling field finger fire fish flag "
    "flame flight floor flower foot force fork form fowl frame friend front fruit gate girl glass glove goat gold government grain grass grip "
    "group growth guide hair hammer hand harbor harmony hat head heart heat history hole honey hook hope horn horse hospital hour house humor "
    "ice idea impulse increase industry ink insect insurance interest iron island jelly jewel join journey judge jump kettle key kick kiss knee "
    "knife knot land language laugh lead leaf leather leg level library lift light limit line linen lip liquid list lock look loss love machine "
    "man mark market mass match meal measure meat metal middle milk mind mine minute mist money monkey month moon morning mother motion mountain "
    "mouth move muscle music nail name nation neck need needle nerve net news night noise north nose number nut offer office oil opinion orange "
    "owner pain paper parcel part paste path peace pen pencil person pig pin pipe place plane plant plate play pleasure plow pocket point poison "
    "polish porter position pot potato powder power price print prison process profit property prose protest pump punishment purpose push quality "
    "rail rain range rat ray reaction reason regret relation religion request respect reward rhythm rice ring river road rod roll roof root rub "
    "rule run sail salt sand scale school science screw sea seat secretary seed self sense servant shade shake shame sheep shelf ship shock side "
    "sign silk silver sister size skin skirt sky sleep slip slope smash smell smile smoke snake sneeze snow soap society sock son sort sound soup "
    "south space spade sponge spoon spring square stage stamp star start statement station steam steel stem step stick stitch stocking stomach "
    "stone stop storm story street stretch structure substance sugar suggestion summer sun support surprise swim system tail talk taste tax "
    "tendency test theory thing thought thread throat thumb thunder ticket time tin toe tongue tooth top touch town trade transport tray tree "
    "trick trouble trousers turn twist umbrella unit use value verse vessel view voice walk wall war wash waste watch wave wax way weather week "
    "weight wheel whip whistle wind wine wing winter wire woman wood wool word work worm wound writing year"
).split()


GLUE = frozenset("a an and as at but by for from in is it my not of off on one or our set some than that the their then this to use with you".split())


def any_word(rng) -> str:
    """A word that cannot be taken for the sentence around it."""
    while (word := some_word(rng)) in GLUE:
        pass
    return word


def some_word(rng) -> str:
    """A lower-case word: common, of vocabulary pieces, of syllables, or of letters and digits."""
    kind = rng.random()
    if kind < 0.3:
        return rng.choice(COMMON)
    if kind < 0.8:
        return token_word(rng).lower()
    if kind < 0.94:
        return words.pseudo_word(rng)
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(1, 5))) + rng.choice(("", "", str(rng.randint(0, 99))))


def any_name(rng) -> str:
    """A capitalized name that is none of the held-out ones."""
    while True:
        kind = rng.random()
        if kind < 0.25:
            name = words.person(rng)[0]
        elif kind < 0.4:
            name = words.pseudo_name(rng)
        else:
            name = token_word(rng).capitalize()
        if name not in HELD_OUT and len(name) > 1:
            return name


def full_name(rng) -> str:
    return any_name(rng) if rng.random() < 0.75 else f"{any_name(rng)} {any_name(rng)}"


def place(rng) -> str:
    if rng.random() < 0.45:
        return rng.choice(words.CITIES)
    return any_name(rng) if rng.random() < 0.8 else f"{any_name(rng)} {any_name(rng)}"


def term(rng) -> str:
    return any_word(rng) if rng.random() < 0.8 else f"{any_word(rng)} {any_word(rng)}"


def text(rng) -> str:
    """One to eight words, sometimes a sentence."""
    said = " ".join(any_word(rng) if rng.random() < 0.85 else str(rng.randint(0, 99)) for _ in range(rng.choice((1, 2, 2, 3, 3, 4, 5, 6, 8))))
    style = rng.random()
    if style < 0.2:
        return said[0].upper() + said[1:]
    if style < 0.3:
        return said[0].upper() + said[1:] + rng.choice(".!?")
    return said


_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def letters(rng, low: int, high: int) -> str:
    return "".join(rng.choice(_UPPER) for _ in range(rng.randint(low, high)))


def ident(rng) -> str:
    """Codes: QX-4821, A7, 93821, x_81, 4f2a9c, tuvar-12."""
    number = str(rng.randint(0, rng.choice((99, 9999, 999999))))
    kind = rng.randrange(7)
    if kind == 0:
        return letters(rng, 1, 4) + number
    if kind == 1:
        return f"{letters(rng, 1, 3)}-{number}"
    if kind == 2:
        return number
    if kind == 3:
        return "".join(rng.choice("0123456789abcdef") for _ in range(rng.randint(4, 8)))
    if kind == 4:
        return f"{any_word(rng)}{rng.choice('-_')}{number}"
    if kind == 5:
        return any_word(rng)[:3].upper() + number
    return f"{letters(rng, 1, 2)}{rng.randint(1, 99)}{letters(rng, 1, 2)}{rng.choice(('', '/' + number))}"


def whole(rng) -> int:
    return rng.randint(0, rng.choice((9, 20, 99, 99, 999, 999, 20000))) if rng.random() < 0.95 else -rng.randint(1, 40)


def amount(rng):
    if rng.random() < 0.4:
        return rng.randint(1, 999)
    return round(rng.uniform(0, rng.choice((1, 10, 99, 999))), rng.choice((1, 1, 2)))


def file(rng) -> str:
    parts = [any_word(rng) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.12:
        return f"https://{any_word(rng)}.{rng.choice(('com', 'org', 'net', 'io'))}/" + "/".join(parts[1:])
    ends = (".txt", ".py", ".md", ".json", ".csv", ".png", ".jpg", ".log", ".html", "")
    return rng.choice(("/", "", "", "~/", "./")) + "/".join(parts) + rng.choice(ends)


def mail(rng) -> str:
    name = rng.choice((any_word(rng), f"{any_word(rng)}.{any_word(rng)}", any_name(rng).lower()))
    return f"{name}@{rng.choice(('example', 'mail', 'work', any_word(rng), any_word(rng)))}.{rng.choice(('com', 'org', 'net', 'io'))}"


def strings(rng) -> Value:
    value = [term(rng) if rng.random() < 0.85 else any_name(rng) for _ in range(rng.choice((1, 1, 2, 2, 3, 3, 4, 5)))]
    return Value(value, join_words(value) if rng.random() < 0.75 else ", ".join(value))


def numbers(rng) -> Value:
    value = [whole(rng) for _ in range(rng.choice((1, 2, 2, 3, 3, 4, 5)))]
    shown = [str(v) for v in value]
    return Value(value, join_words(shown) if rng.random() < 0.75 else ", ".join(shown))


def fields(rng) -> Value:
    """An object with keys that may be any word."""
    known = ("width", "height", "depth", "min", "max", "x", "y", "z", "rows", "columns", "start", "end", "top", "left", "low", "high")
    pool = known if rng.random() < 0.6 else [any_word(rng) for _ in range(8)]
    keys = rng.sample(pool, rng.choice((1, 1, 2, 2, 3, 3, 4)))
    words_too = rng.random() < 0.25
    value = {k: any_word(rng) if words_too and rng.random() < 0.5 else rng.randint(0, rng.choice((9, 200, 999))) for k in keys}
    return Value(value, join_words([f"{k} {v}" for k, v in value.items()]))


def flag(rng) -> Value:
    value = rng.random() < 0.5
    return Value(value, rng.choice(("true", "on", "yes") if value else ("false", "off", "no")))


STRINGS = {"name": full_name, "place": place, "term": term, "text": text, "ident": ident, "file": file, "mail": mail}
NUMBERS = {"whole": whole, "amount": amount}
COMPOUND = {"strings": strings, "numbers": numbers, "fields": fields, "flag": flag}
TYPES = {"whole": "integer", "amount": "number", "strings": "array", "numbers": "array", "fields": "object", "flag": "boolean"}
CHOICE = "choice:"  # then the words of an enum


def choices(kind: str) -> list[str]:
    return kind.removeprefix(CHOICE).split(",")


def knows(kind: str) -> bool:
    return kind.startswith(CHOICE) or kind in STRINGS or kind in NUMBERS or kind in COMPOUND


def draw(kind: str, rng) -> Value:
    if kind in COMPOUND:
        return COMPOUND[kind](rng)
    if kind.startswith(CHOICE):
        value = rng.choice(choices(kind))
    else:
        value = (STRINGS.get(kind) or NUMBERS[kind])(rng)
    return Value(value, str(value))
