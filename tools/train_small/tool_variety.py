"""The tools of the training dialogues, as varied as they get: everyday kinds, and kinds woven from any words.

What has to be learned is to read a schema: which tool is meant (by its name, its description, its verb, its noun or its parameters),
what its parameters are called, and which part of the request is whose value. The held-out files are made from tool_kinds.py alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import tool_kinds as kinds
import tool_values
import words
from tool_kinds import Kind, Param

# Pairs of verb and noun that the held-out kinds are about, in the words of their requests.
HELD_OUT_PAIRS = tuple((set(verbs.split()), set(nouns.split())) for verbs, nouns in (
    ("track follow find locate", "parcel package"),
    ("rent hire get borrow", "bike bicycle"),
    ("water irrigate", "garden plant zone"),
    ("look find define lookup search", "dictionary"),
    ("pay settle", "invoice bill"),
    ("crop cut trim", "photo picture image"),
))
WIDER = {
    "title": "name", "person": "name", "city": "place", "code": "ident", "int": "whole", "number": "amount", "phrase": "text",
    "word": "term", "words": "strings", "ints": "numbers", "object": "fields", "path": "file", "email": "mail", "bool": "flag",
}


@dataclass(frozen=True)
class Theme:
    """What a kind is about, and which of the two its requests always say: other tools must not be mistaken for it."""

    verbs: frozenset[str] = frozenset()
    nouns: frozenset[str] = frozenset()
    says_verb: bool = True
    says_noun: bool = True


@dataclass(frozen=True)
class Woven:
    kind: Kind
    theme: Theme


def is_held_out_pair(verb: str, noun: str) -> bool:
    stem = noun.lower().removesuffix("s")
    if any(verb in verbs and (noun in nouns or stem in nouns) for verbs, nouns in HELD_OUT_PAIRS):
        return True
    return kinds.is_held_out_pair(verb, noun)


# --- everyday kinds ------------------------------------------------------------------------------------------------


@cache
def everyday() -> tuple[Kind, ...]:
    text = Path(__file__).with_name("tools.txt").read_text()
    return tuple(parse(block.strip().splitlines()) for block in text.split("\n\n")[1:] if block.strip())


def parse(lines: list[str]) -> Kind:
    names, description = lines[0].removeprefix("# ").split(" | ")
    params = [parse_param(line) for line in lines[1:] if line[0] not in ">="]
    asks = tuple(line[2:] for line in lines if line[0] == ">")
    results = tuple(line[2:] for line in lines if line[0] == "=")
    return Kind(tuple(names.split()), description, tuple(params), asks, (), results, "The result")


def parse_param(line: str) -> Param:
    names, kind, description = line.removeprefix("? ").split(" : ")
    return Param(tuple(names.split()), kind, description, line[0] != "?")


def widen(kind: Kind, rng) -> Kind:
    """The same kind with values from a larger world."""
    params = tuple(replace(p, kind=WIDER[p.kind]) if p.kind in WIDER and rng.random() < 0.7 else p for p in kind.params)
    return replace(kind, params=params)


def spoken_of(kind: Kind) -> Theme:
    """Every word of an everyday kind's names and description; its requests may say none of them."""
    all_ = set(re.findall(r"[a-z]+", " ".join((*kind.names, kind.description)).lower()))
    said = {w for w in all_ if len(w) > 2} or all_  # "Ex as" has short words alone; about nothing it must not be
    said |= {w.removesuffix("s") for w in said}
    return Theme(frozenset(said), frozenset(said), False, False)


# --- woven kinds ---------------------------------------------------------------------------------------------------

VERBS = (
    "add adjust admit allow announce apply approve arrange ask attach award bake ban bind block book boost borrow bring brush buy calculate "
    "call capture carry catch charge chase choose combine complete compress confirm convert cook count cover crop cut deactivate debug decide "
    "decline decorate define deploy detect dial discard dismiss divide donate double download drain drive dry empty encode end enter erase "
    "evaluate examine exchange expand expire explain extend feed finish fire flag flip fold follow forward freeze give grant grind group grow "
    "guard guess guide handle hang heat hire hold identify ignore improve increase index inform insert inspect kick label lend level lift light "
    "limit link load locate log look lower mail make map mix modify move mute name navigate note number offer organize pass patch pay pin place "
    "plant play prepare prevent probe promote prove provide quote raise rank read rebuild receive recommend recover reduce refund reject rent "
    "repeat replace reply request require reserve respond return reveal reverse reward ring rotate route run sample search secure seek sell "
    "separate serve set settle shape shift shorten sketch skip slice smooth solve speak spend spin stack stamp stream stretch subscribe supply "
    "support suspend sweep swap tell throw tie trace track trade transfer translate trim tune turn type unpack update upgrade use validate "
    "value visit vote wait wake walk warm warn watch water weigh wipe withdraw write zoom"
).split()
NOUNS = (
    "account action address advert agent agreement airport album alert allowance animal apartment appliance application archive article asset "
    "assistant auction author bag balance ball band bank banner bar basket battery beach bed bell bench bicycle bike bill bird blanket blend "
    "boiler bond book booking border bottle box brand bridge broadcast brush bucket bug bulb bundle bus button cabin cable cache cage candidate "
    "canvas card career carpet carrier cart case cat category ceiling cell certificate chain channel charge chart chat chef cherry child choir "
    "circle circuit citizen city cleaner client clip cloth cloud coach code coin collar collection color column comet command committee company "
    "computer conference container contest cook copy corner costume couch country county couple courier cover crew crop curtain customer cycle "
    "dashboard deadline deal debt delivery demo deposit desert design diagram diary dictionary digest diet discussion disk display district "
    "dog domain donation doorbell draft drawer dress drill driver drone drum edge edition editor elevator email employee engine entry envelope "
    "episode estate event exam exhibit expert factory fan farm fee fence ferry field figure file filter finger firm fish flag flat fleet flight "
    "flow flower fork form formula fountain frame friend fruit function fund game gas gate gear glass goal goat grade grant graph grid group "
    "guard guest guide guitar hall hammer handle harbor hat headline hero highway hobby hole holiday home horse hose host house idea index "
    "inspection interview island item jacket jar jet joke journal journey judge juice key keyboard kitchen kite knife label lake language lawn "
    "layer leader leaf lease lecture library license lift line link list litter loan lock log logo lunch machine magazine mail manager mango "
    "manual margin market mask member memo menu metal meter method mirror mission mixer module monitor monument motor mountain mouse museum "
    "musician name neighbor network news nest node nurse object offer officer orchard order organ outfit oven owner packet pageant palace panel "
    "paper parade partner party pass passport password patch path pattern pencil permit person phone piano picture pie pill pilot pipe pipeline "
    "pitch plan plant plate platform player plot plug poem poet poster pot prize process profile program prompt proposal quiz quote rabbit race "
    "radio railway range rank recording reference refund region relay rental reply request researcher reservation resident resource restaurant "
    "result reward ride ring river road role roof round route row rule sale salad sample sauce scan scene schedule scheme school score screen "
    "script season section session setting shape share sheet shelf shift shop shower shuttle sign signal singer site skill sketch sky slide slot "
    "snack sofa software soldier soup source space speaker speech spell sponsor spot stage stamp station statue status step stone store storm "
    "story stream street string studio style subject suit summary supplier surface switch symbol system tablet tag tank tape target task tax tea "
    "teacher template tenant tent term text theater theme thread throne tile tool topic torch tower town toy track trade tree trip trophy tube "
    "tunnel tutor unit valley value vehicle vendor venue version vessel village vision voice volume voucher wagon wall wallet warehouse warning "
    "watch wave website wedding wheel whale wing winner wire witness wolf word worker workflow workshop zone"
).split()
SYNONYMS = tuple(group.split() for group in (
    "create make add", "delete remove erase discard", "find search locate seek", "show display list view", "start begin launch run",
    "stop end cancel halt", "buy purchase order", "send mail forward deliver", "change modify edit update adjust", "repair fix mend",
    "check inspect examine verify", "fetch get retrieve download", "count number tally", "store save keep", "choose pick select",
    "lock secure close", "share publish post", "move shift transfer", "join connect link combine", "build construct assemble",
    "reserve book", "describe explain", "compare match", "divide split separate", "copy duplicate clone", "arrange sort organize",
    "clean wash wipe", "notify inform tell alert", "approve accept allow", "reject decline refuse", "measure gauge", "rent lease", "hire employ",
))
EXTRA = tuple(kinds.Attribute(*line.split(" : ")) for line in """
user_name login account_name : name : Name of the user : as {v}|under the name {v}
artist author maker brand : name : Who made the {n} : by {v}
teacher guide driver agent : name : The person in charge : with {v}|led by {v}
country region state district : place : The region : in {v}|all over {v}
origin from source start_point : place : Where it begins : from {v}
target_path output_file save_as : file : Where to write the result : into {v}|and save it as {v}
url link website address : file : The address on the web : at {v}|from {v}
seat_count quantity how_many n : whole : How many {n}s : {v} times
hours num_hours duration_hours : whole : For how many hours : for {v} hours
weeks num_weeks : whole : The number of weeks : for {v} weeks
seconds timeout delay : whole : Seconds to wait : after {v} seconds|within {v} seconds
page page_number : whole : Which page : on page {v}
limit max_results top_k maximum : whole : At most so many : at most {v}
percent share ratio : amount : A part of a hundred : by {v} percent
temperature degrees heat : amount : Degrees : at {v} degrees
speed velocity : amount : How fast : at {v} kilometers per hour
distance far kilometers : amount : How far in kilometers : within {v} kilometers
weight_kg kilograms mass : amount : Weight in kilograms : of {v} kilograms
until deadline due_date end_date : date : The last day : until {v}|before {v}
from_date since start_date : date : The first day : since {v}|from {v}
reason cause why : text : Why : because of "{v}"|with the reason "{v}"
title headline subject caption : text : The title : titled "{v}"|with the title "{v}"
description details summary body : text : Some text : described as "{v}"
sender from_user signed : name : Who it is from : from {v}
reviewer approver second_person : name : Who looks at it : reviewed by {v}
material substance made_of : term : What it is made of : made of {v}
method way tool approach : term : How to do it : by {v}|using {v}
style theme look : term : What it looks like : in the style {v}
channel medium via : term : The way it goes : via {v}|over {v}
options settings parameters config : fields : Settings by their names : with the settings {v}
limits box position point : fields : Numbers by their names : with {v}
guests invited participants attendees : strings : Who takes part : with {v}|for {v}
exclude without skip ignore : strings : What to leave out : without {v}
ids id_list selected : numbers : The numbers of the {n}s : with the numbers {v}
force overwrite confirm : flag : Whether to do it without asking
dry_run test_only preview : flag : Whether only to try
notify_owner silent loud : flag : Whether to tell the owner
recursive deep include_all : flag : Whether to include everything
""".strip().splitlines() if " : " in line)


def attributes() -> tuple[kinds.Attribute, ...]:
    return (*kinds.ATTRIBUTES, *EXTRA, *EXTRA)


def draw_word(pool: list[str], older: list[str], rng) -> str:
    kind = rng.random()
    if kind < 0.35:
        return rng.choice(pool)
    return rng.choice(older) if kind < 0.6 else tool_values.any_word(rng)


def draw_pair(rng, verb: str | None = None, noun: str | None = None) -> tuple[str, str, str]:
    """(verb of the request, verb of the description, noun); the two verbs differ now and then."""
    while True:
        said, named = verb or draw_word(VERBS, words.VERBS, rng), noun or draw_word(NOUNS, words.NOUNS, rng)
        meant = said
        if verb is None and rng.random() < 0.12:
            said, meant = rng.sample(rng.choice(SYNONYMS), 2)
        if said != named and not is_held_out_pair(said, named) and not is_held_out_pair(meant, named):
            return said, meant, named


RANDOM_KINDS = (
    ["text", "term", "ident", "name", "place"] * 2 + ["whole", "amount"] * 3 + ["flag", "strings", "numbers", "fields", "file", "mail"]
)


def draw_attribute(rng, noun: str) -> tuple[kinds.Attribute, Param]:
    if rng.random() < 0.25:
        return random_attribute(rng, noun)
    attribute = rng.choice(attributes())
    kind = WIDER.get(attribute.kind, attribute.kind) if rng.random() < 0.7 else attribute.kind
    name = rng.choice(attribute.names.split()).replace("{n}", noun)
    if rng.random() < 0.12:
        name = param_name(rng)
    return attribute, Param((name,), kind, attribute.described.replace("{n}", noun))


def param_name(rng) -> str:
    return "_".join(tool_values.any_word(rng) for _ in range(rng.choice((1, 1, 1, 2))))


def random_attribute(rng, noun: str) -> tuple[kinds.Attribute, Param]:
    """A parameter of any words, which the request names by its name or by its description."""
    name, kind = param_name(rng), rng.choice(RANDOM_KINDS)
    if rng.random() < 0.15:
        kind = tool_values.CHOICE + ",".join(dict.fromkeys(tool_values.any_word(rng) for _ in range(rng.randint(2, 5))))
    style = rng.random()
    if style < 0.5:
        described, phrases = f"The {name.replace('_', ' ')} of the {noun}", ""
    else:
        other = tool_values.any_word(rng)
        described = rng.choice((f"The {other}", f"{other.capitalize()} of the {noun}", f"Its {other}"))
        phrases = f"with {other} {{v}}|with the {other} {{v}}"
    return kinds.Attribute(name, kind, described, phrases), Param((name,), kind, described)


def draw_params(rng, noun: str, least: int) -> tuple[list[kinds.Attribute], list[Param]]:
    chosen: list[kinds.Attribute] = []
    params: list[Param] = []
    if rng.random() < 0.06:
        chosen, params = price_and_currency(rng, noun)
    count = max(least, rng.choice((1, 1, 2, 2, 2, 3, 3, 4, 5)))
    while len(params) < count:
        attribute, param = draw_attribute(rng, noun)
        clash = any(a.described == attribute.described or a.phrases and a.phrases == attribute.phrases for a in chosen)
        if not clash and all(p.names != param.names for p in params):
            chosen.append(attribute)
            params.append(param)
    return chosen, params


def price_and_currency(rng, noun: str) -> tuple[list[kinds.Attribute], list[Param]]:
    """Two parameters that a request says in one breath: 12 EUR."""
    found = [next(a for a in kinds.ATTRIBUTES if a.kind == kind and a.phrases) for kind in ("number", "currency")]
    names = [rng.choice(a.names.split()) if rng.random() < 0.7 else param_name(rng) for a in found]
    params = [Param((name,), WIDER.get(a.kind, a.kind), a.described) for a, name in zip(found, dict.fromkeys(names))]
    return found[: len(params)], params


def weave(rng, verb: str | None = None, noun: str | None = None, shape: str | None = None) -> Woven:
    """A kind from a verb, a noun and some parameters; the shape says how a request speaks of its object."""
    said, meant, noun = draw_pair(rng, verb, noun)
    shape = shape or rng.choices(("object", "value", "count", "bare"), (55, 20, 10, 15))[0]
    chosen, params = draw_params(rng, noun, 1)
    if shape in ("value", "count"):
        own = object_param(rng, noun, shape)
        others = [(a, p) for a, p in zip(chosen, params) if p.names != own.names and rng.random() < 0.75]
        chosen, params = [kinds.Attribute("", own.kind, ""), *(a for a, _ in others)], [own, *(p for _, p in others)]
    params = [replace(p, required=i == 0 or rng.random() < 0.5) for i, p in enumerate(params)]
    asks = [ask(rng, said, noun, shape, chosen, params) for _ in range(2)]
    alone = shape == "value" and any(not says_noun for _, says_noun in asks)
    result = rng.choice(("status=status", "status=status,id=code", "ok=bool", "price=number", "result=phrase", f"{noun}_id=code", "count=int"))
    described = describe(rng, meant, noun, shape)
    vague = (f"{said.capitalize()} a {noun}.",) if shape == "object" and said == meant else ()
    kind = Kind((tool_name(rng, meant, noun),), described, tuple(params), tuple(a for a, _ in asks), vague, (result,), f"The {noun}")
    return Woven(kind, Theme(frozenset((said, meant)), frozenset((noun,)), shape != "bare" and said == meant, not alone))


def object_param(rng, noun: str, shape: str) -> Param:
    """The parameter that takes the object of the request: which one, or how many."""
    if shape == "count":
        name = rng.choice(("count", "number", "how_many", "quantity", f"{noun}s", "n", "amount", param_name(rng)))
        return Param((name,), "whole", rng.choice((f"How many {noun}s", "How many", f"Number of {noun}s")))
    name = rng.choice((noun, f"{noun}_name", f"{noun}_id", "target", "item", "which", "name", "id", "what", f"{noun}_file", param_name(rng)))
    kind = rng.choice(("term", "term", "name", "file", "ident", "ident", "place", "text"))
    described = rng.choice((f"The {noun}", f"Which {noun}", f"Name of the {noun}", f"Number of the {noun}", f"The {noun} to use"))
    return Param((name,), kind, described)


def describe(rng, verb: str, noun: str, shape: str) -> str:
    plural = f"{noun}s"
    if shape == "count":
        return rng.choice((f"{verb.capitalize()} {plural}", f"{verb.capitalize()} some {plural}", f"Use this to {verb} {plural}"))
    thing = rng.choice((f"a {noun}", f"the {noun}", plural, f"a {noun}", f"one {noun}"))
    if rng.random() < 0.1:
        other = rng.choice(tool_values.COMMON)
        done = f"{verb.capitalize()} {thing}"
        return rng.choice((f"{done} of the {other}", f"{done} in the {other}", f"A tool for {plural}: {verb} them"))
    done = f"{verb.capitalize()} {thing}"
    return rng.choice((done, done, f"Use this to {verb} {thing}", f"Can {verb} {thing}", f"{thing.capitalize()}: {verb}"))


def tool_name(rng, verb: str, noun: str) -> str:
    """Mostly of the verb and the noun; sometimes of one of them, or of neither."""
    other = "_".join(tool_values.any_word(rng) for _ in range(rng.choice((1, 1, 2, 3))))
    turned = (f"{noun}_{verb}", f"{noun}.{verb}", f"{noun}_service", f"{noun}_{other}", f"{verb}_{other}", f"{other}_{verb}_{noun}")
    return rng.choice((*(f"{verb}_{noun}",) * 5, *turned, other, other, noun, verb))


OPENINGS = (
    "{W}.", "{W}.", "{W}.", "Please {w}.", "Can you {w}?", "I want to {w}.", "I need you to {w}.", "Could you {w}, please?", "{W}, please.", "{w}",
    "Would you {w}?", "I would like to {w}.", "Now {w}.", "Help me {w}.", "Let us {w}.", "Hi! {W}.", "You should {w}.", "{W} for me.",
)
BARE = (
    "I need a {n}{p}.", "The {n}{p}, please.", "Where is the {n}{p}?", "What about the {n}{p}?", "Give me the {n}{p}.", "My {n}{p}.",
    "Get me a {n}{p}.", "How is the {n}{p}?", "Is there a {n}{p}?", "I am looking for a {n}{p}.", "A {n}{p}!", "Can I have the {n}{p}?",
)
COUNTED = ("I need {x}.", "{V} {x}.", "{V} {x}.", "Please {v} {x}.", "I want {x}.", "Can you {v} {x}?", "{x}, please.", "Get me {x}.")
LISTS = (
    "{a} {v}", "{a} {v}", "{a} set to {v}", "the {a} {v}", "{a}: {v}", "{a} = {v}", "{v} as {a}", "{v} as the {a}", "{v} for {a}", "{a} is {v}",
)
WITH_NOUN = (
    "the {n} {x}", "my {n} {x}", "the {x} {n}", "{n} {x}", "{x} in the {n}", "{x} for the {n}", "{x} from the {n}", "{x} on my {n}", "a {n} for {x}",
    "the {x} with a {n}", "a {n} to {x}", "the {n} of {x}",
)
MEASURES = {
    "minutes": "{v} minute", "hours": "{v} hour", "days": "{v} day", "weeks": "{v} week", "price": "{v} dollar", "people": "{v} person",
    "seat_count": "{v} piece", "percent": "{v} percent", "speed": "{v} kilometers per hour", "weight_kg": "{v} kilogram",
}
BEFORE_NOUN = ("language", "currency", "color", "format", "size", "category", "day", "city", "place")
JOINS = (" with ", " and use ", ", ", " using ", ": ", " where ", " (", " and ")


def adjective(chosen: list[kinds.Attribute], params: list[Param], i: int) -> str | None:
    """How the value of parameter i stands before the noun: the Polish menu, a 20 minute tour."""
    name = chosen[i].names.split()[0] if chosen[i].names else ""
    if name in MEASURES:
        return MEASURES[name].replace("{v}", "{" + str(i) + "}")
    plain = params[i].kind in BEFORE_NOUN or params[i].kind.startswith(tool_values.CHOICE)
    return "{" + str(i) + "}" if plain else None


def thing(rng, noun: str, chosen: list[kinds.Attribute], params: list[Param], skip: int) -> tuple[str, int | None]:
    """The noun, now and then with one value before it, and which one that is."""
    of_kind = [p.kind for p in params]  # alone of its kind, or it would be anybody's guess which one is meant
    able = [i for i in range(skip, len(params)) if adjective(chosen, params, i) and of_kind.count(of_kind[i]) == 1]
    if not able or rng.random() < 0.6:
        return noun, None
    i = rng.choice(able)
    return f"{adjective(chosen, params, i)} {noun}", i


def parts(rng, chosen: list[kinds.Attribute], params: list[Param], skip: int, said: int | None) -> tuple[str, str]:
    """What a request says of the parameters from `skip` on, other than `said`: phrases, and a list by names."""
    named = [i for i, p in enumerate(params) if i >= skip and i != said and (p.required or rng.random() < 0.6)]
    rng.shuffle(named)
    phrases, listed, style = [], [], rng.choice(LISTS)
    money = [next((i for i in named if params[i].kind in pair), None) for pair in (("amount", "number"), ("currency",))]
    if None not in money and rng.random() < 0.6:
        phrases.append(rng.choice(("", "for ", "with ", "at ", "worth ")) + "{{{}}} {{{}}}".format(*money))
        named = [i for i in named if i not in money]
    for i in named:
        value = "{" + str(i) + "}"
        if chosen[i].phrases and rng.random() < 0.6:
            phrases.append(rng.choice(chosen[i].phrases.split("|")).replace("{v}", value))
        else:
            listed.append(style.format(a=say_name(params[i].names[0]), v=quoted(rng, params[i].kind, value)))
    phrases.sort(key=lambda p: not p.startswith(("{", "number", "the {")))
    return "".join(f" {p}" for p in phrases), tail(rng, listed)


def tail(rng, listed: list[str]) -> str:
    if not listed:
        return ""
    join = rng.choice(JOINS)
    return join + kinds.join_words(listed) + (")" if join == " (" else "")


def say_name(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda m: " " + m[1].lower(), name).replace("_", " ")


def quoted(rng, kind: str, value: str) -> str:
    """Free text stands in quotes mostly, so that it is clear where it ends."""
    return f'"{value}"' if kind == "text" and rng.random() < 0.75 or kind in ("term", "file") and rng.random() < 0.1 else value


def ask(rng, verb: str, noun: str, shape: str, chosen, params) -> tuple[str, bool]:
    """A request, and whether it says the noun."""
    skip = 1 if shape in ("value", "count") else 0
    named, said = thing(rng, noun, chosen, params, skip)
    phrases, listed = parts(rng, chosen, params, skip, said)
    if shape == "bare":
        return rng.choice(BARE).replace("{n}", named).replace("{p}", phrases + listed), True
    if shape == "count":
        counted = rng.choice((f"{{0}} {named}s", f"{{0}} {named}s", f"{{0}} of the {named}s")) + phrases + listed
        return rng.choice(COUNTED).replace("{x}", counted).replace("{V}", verb.capitalize()).replace("{v}", verb), True
    if shape == "value":
        value = quoted(rng, params[0].kind, "{0}")
        style = rng.choice(WITH_NOUN if said is not None or rng.random() < 0.65 else ("{x}", "{x}", "the {x}"))
        what = f"{verb} {style.replace('{n}', named).replace('{x}', value)}{phrases}{listed}"
        says_noun = "{n}" in style
    else:
        article = rng.choice(("a", "the", "my", "a", "the", "this", "our", "one"))
        what, says_noun = f"{verb} {article} {named}{phrases}{listed}", True
    return open_request(rng, what), says_noun


def open_request(rng, what: str) -> str:
    return rng.choice(OPENINGS).replace("{W}", what[0].upper() + what[1:]).replace("{w}", what)


# --- the tools of a dialogue ---------------------------------------------------------------------------------------


def draw(rng) -> Woven:
    kind = rng.random()
    if kind < 0.5:
        return weave(rng)
    made = kinds.WRITTEN[0]
    if kind < 0.68:
        made = kinds.invented(rng, False)
    elif kind < 0.83:
        made = rng.choice(everyday())
    elif kind < 0.97:
        made = rng.choice(kinds.WRITTEN)
    return Woven(widen(made, rng), spoken_of(made))


def sibling(rng, of: Woven) -> Woven:
    """A kind that shares the verb or the noun: only the whole request tells them apart."""
    if rng.random() < 0.5:
        return weave(rng, verb=rng.choice(sorted(of.theme.verbs)), shape="object")
    return weave(rng, noun=rng.choice(sorted(of.theme.nouns)), shape="object")


def has_siblings(theme: Theme) -> bool:
    """Themes of many words are those of whole descriptions: their verbs need not be verbs."""
    return 0 < len(theme.verbs) < 3 and len(theme.nouns) > 0


def confusable(a: Theme, b: Theme) -> bool:
    """Whether a request for one of them might as well be meant for the other."""
    same_verb, same_noun = a.verbs & b.verbs, a.nouns & b.nouns
    if same_verb and same_noun:
        return True
    if same_noun and not (a.says_verb and b.says_verb):
        return True
    return bool(same_verb) and not (a.says_noun and b.says_noun)


def draw_kinds(rng, count: int) -> list[Woven]:
    """Kinds that can be told apart, some of them only just."""
    chosen = [draw(rng)]
    for _ in range(50):
        if len(chosen) == count:
            break
        near = has_siblings(chosen[0].theme) and rng.random() < 0.45
        try_ = sibling(rng, chosen[0]) if near else draw(rng)
        if not any(confusable(try_.theme, c.theme) or try_.kind.description == c.kind.description for c in chosen):
            chosen.append(try_)
    return chosen


def absent(rng, present: list[Woven]) -> Woven:
    """A kind that none of the present ones can stand for."""
    while True:
        near = [w for w in present if has_siblings(w.theme) and w.theme.says_noun]
        if near and rng.random() < 0.2:
            made = weave(rng, rng.choice(sorted(near[0].theme.verbs)), None, "object")
        else:
            made = draw(rng)
        if not any(made.theme.nouns & w.theme.nouns or confusable(made.theme, w.theme) for w in present):
            return made


def styled(name: str, rng) -> str:
    """The same name in some habit of writing, now and then with something before or after it."""
    if rng.random() < 0.2:
        extra = tool_values.any_word(rng)
        name = rng.choice((f"api_{name}", f"{name}_v2", f"my_{name}", f"{name}_tool", f"{extra}_{name}", f"{name}_{extra}", f"{extra}.{name}"))
    style = rng.random()
    if style < 0.62:
        return name
    if style < 0.82:
        return re.sub(r"_(\w)", lambda m: m[1].upper(), name)
    if style < 0.9:
        return name.replace("_", "-")
    joined = re.sub(r"(?:^|_)(\w)", lambda m: m[1].upper(), name)
    return joined if style < 0.97 else joined.upper()


def property_schema(param: Param, rng, keep_description: bool) -> dict:
    schema: dict = {"type": kinds.TYPES.get(param.kind, "string")}
    if param.kind in ("words", "strings", "ints", "numbers"):
        schema["items"] = {"type": "integer" if param.kind in ("ints", "numbers") else "string"}
    if param.kind.startswith(tool_values.CHOICE):
        schema["enum"] = tool_values.choices(param.kind)
    elif param.kind in ("unit", "priority", "size", "format", "length") and rng.random() < 0.8:
        schema["enum"] = list(kinds.ENUMS[param.kind])
    if keep_description or rng.random() < 0.65:
        schema["description"] = param.description + ("." if rng.random() < 0.1 else "")
    return schema


def schema_of(kind: Kind, name: str, params: tuple[str, ...], rng) -> dict:
    """A described schema; a parameter whose name says nothing and shares its type with another one keeps its description."""
    types = [kinds.TYPES.get(p.kind, "string") for p in kind.params]
    properties = {}
    for param, shown, type_ in zip(kind.params, params, types):
        properties[shown] = property_schema(param, rng, shown not in KNOWN_NAMES and types.count(type_) > 1)
    required = [n for n, p in zip(params, kind.params) if p.required]
    description = kind.description + rng.choice(("", "", "."))
    if rng.random() < 0.08:
        part = f". Part of {tool_values.any_word(rng)}."
        description += rng.choice((". Returns JSON.", ". Ask before you use it.", part, ". All values are checked."))
    parameters = {"type": "object", "properties": properties, "required": required}
    function = {"name": name, "description": description, "parameters": parameters}
    if rng.random() < 0.1:
        parameters["additionalProperties"] = False
    if rng.random() < 0.15:
        function["strict"] = rng.random() < 0.2
    return function if rng.random() < 0.05 else {"type": "function", "function": function}


KNOWN_NAMES = frozenset(
    [n for a in (*kinds.ATTRIBUTES, *EXTRA) for n in a.names.split()] + [n for k in kinds.WRITTEN for p in k.params for n in p.names]
)
