"""Word lists for the generated training data.

Names in HELD_OUT_NAMES, cities in HELD_OUT_CITIES and the values in HELD_OUT_WORDS never occur in training data: the
evaluation files are built from them.
"""

HE = (
    "Tom Sam Max Leo Ben Jack Luke Noah Liam Owen Adam Alan Carl Dave Eric Evan Finn Fred Gary Greg Hank Hugo Ivan Jake "
    "James Jason Joel John Jose Juan Karl Keith Ken Kevin Kyle Lars Louis Marc Mark Matt Mike Neil Nick Omar Oscar Paul "
    "Pedro Peter Ralph Raj Ray Rick Rob Ron Ryan Scott Sean Simon Steve Ted Theo Tim Tony Victor Will Zach Arthur Bruno "
    "Caleb Daniel David Diego Elias Felix George Henry Isaac Jacob Jonas Martin Miguel Nathan Oliver Patrick Robert "
    "Stefan Thomas Walter William"
).split()
SHE = (
    "Ana Amy Anna Beth Cara Clara Dana Diana Ella Emma Erin Eva Faye Gina Grace Hana Helen Ida Ines Iris Ivy Jane Jean "
    "Jen Jill Joan Joy Judy Julia June Karen Kate Kim Lara Laura Lea Lily Linda Lisa Lucy Luna Maria Mary Maya Mia Mona "
    "Nina Nora Olga Pam Paula Priya Rita Rosa Rose Ruth Sara Sofia Sue Tara Tina Vera Wendy Yuki Zoe Alice Amelia "
    "Bianca Carmen Chloe Daisy Elena Emily Fiona Hannah Isabel Jessica Katrin Leila Megan Naomi Olivia Rachel Sandra "
    "Teresa Valerie"
).split()
HELD_OUT_NAMES = (
    "Andre Boris Cedric Dmitri Edgar Gavin Howard Igor Jamal Kurt Lionel Marvin Nigel Otto Quentin Roland Stanley Umar "
    "Vince Xavier Agnes Brenda Celia Doris Edith Freya Gloria Hilda Ingrid Jolene Kirsten Lydia Mabel Nadia Opal "
    "Petra Ramona Selma Thelma Yvonne"
).split()
HELD_OUT_HE = frozenset(HELD_OUT_NAMES[:20])

CITIES = (
    "Beijing|Paris|London|Tokyo|Berlin|Madrid|Rome|Vienna|Oslo|Lima|Cairo|Delhi|Seoul|Lisbon|Dublin|Prague|Athens|Warsaw|"
    "Shanghai|New York|San Francisco|Los Angeles|Chicago|Boston|Seattle|Miami|Denver|Toronto|Vancouver|Sydney|Melbourne|"
    "Auckland|Singapore|Bangkok|Mumbai|Dubai|Istanbul|Moscow|Helsinki|Stockholm|Copenhagen|Amsterdam|Brussels|Zurich|"
    "Munich|Hamburg|Barcelona|Milan|Naples|Venice|Porto|Krakow|Budapest|Hong Kong|Taipei|Osaka|Kyoto|Manila|"
    "Jakarta|Hanoi|Mexico City|Buenos Aires|Santiago|Bogota|Havana|Nairobi|Cape Town|Casablanca"
).split("|")
HELD_OUT_CITIES = "Reykjavik|Montevideo|Marseille|Guangzhou|Salzburg|Valencia|Nagoya|Adelaide|Phoenix|Antwerp".split("|")

FRUIT = "apples|pears|plums|peaches|oranges|lemons|bananas|mangoes|cherries|grapes|kiwis|melons|figs|limes".split("|")
TOY = (
    "marbles|stickers|pencils|crayons|coins|stamps|cards|buttons|shells|beads|balloons|toy cars|blocks|erasers|"
    "notebooks|badges|ribbons|dice|postcards|puzzles|bracelets|paper cranes|pens|magnets"
).split("|")
FOOD = "cookies|muffins|cakes|pies|rolls|pancakes|sandwiches|bagels|donuts|tarts|cupcakes|waffles|pretzels".split("|")
ANIMAL = "cows|sheep|goats|hens|ducks|horses|rabbits|pigs|geese|ponies|cats|dogs|turkeys".split("|")
THING = (
    "books|shirts|hats|lamps|chairs|mugs|bowls|plates|candles|baskets|scarves|bags|toys|games|plants|towels|"
    "pillows|blankets|cushions|clocks"
).split("|")
CONTAINER = "boxes|bags|jars|baskets|crates|packs|bins|cases|trays".split("|")
PLACE = "shop|market|school|library|farm|park|zoo|museum|bakery|garden|store|club|office|hotel".split("|")
GROUP = "friends|cousins|classmates|neighbors|students|children|teammates|players|guests".split("|")
DAY = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday".split("|")
MONTH = "January|February|March|April|May|June|July|August|September|October|November|December".split("|")
COLOR = "red|blue|green|yellow|white|black|orange|purple|pink|brown|gray".split("|")
VEHICLE = "train|bus|car|truck|boat|van|tram|ferry".split("|")
LIQUID = "water|milk|juice|oil|paint|soup|tea|lemonade".split("|")

VERBS = (
    "create update delete list find open close start stop check register remove move copy archive share rename reset build "
    "clean count draw drop edit export fill fix hide import invite join launch lock mark merge pack paint park pause "
    "pick plan post print publish pull push rate refresh repair report reserve restart restore review save scan select show sign "
    "sort split store submit switch tag test train unlock upload verify view visit wash weigh wrap assign cancel collect "
    "compare connect deliver describe disable enable enroll estimate extract fetch filter format generate inspect install measure "
    "monitor notify order preview process query record release renew request resolve schedule send summarize"
).split()
NOUNS = (
    "user ticket report invoice project folder note product room device camera server job account playlist recipe "
    "reminder page sensor robot channel document backup image ledger parcel garden engine meeting car taxi hotel train film "
    "movie concert song photo video game table desk office window door printer battery machine model dataset table query "
    "server cluster branch build release message letter card package shipment truck ship plane boat seat lesson course class "
    "student teacher doctor patient clinic visit meal menu dish drink coffee pizza cake shirt shoe coat chair lamp heater oven "
    "fridge alarm clock calendar contract policy claim loan budget expense payment receipt discount coupon gift survey poll vote "
    "question answer comment review post blog article chapter poem map trail tour museum park pool court team player match league"
).split()

SLOTS = {
    "fruit": FRUIT,
    "toy": TOY,
    "food": FOOD,
    "animal": ANIMAL,
    "thing": THING,
    "box": CONTAINER,
    "place": PLACE,
    "group": GROUP,
    "day": DAY,
    "month": MONTH,
    "color": COLOR,
    "vehicle": VEHICLE,
    "liquid": LIQUID,
    "item": TOY + FRUIT + FOOD,
}

_KNOWN = (HE, SHE, CITIES, SLOTS["item"], ANIMAL, THING, PLACE, GROUP, COLOR, VEHICLE, MONTH, VERBS, NOUNS)
_ONSETS = "b br c ch d dr f fl fr g gr h j k kl l m n p pr qu r s sh st t th tr v w y z".split()
_VOWELS = "a e i o u ai ea ee ia io oa ou".split()
_CODAS = ["", "", "", "n", "r", "s", "l", "m", "t", "d", "k", "nd", "rt", "x", "tt", "ll"]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def pseudo_word(rng) -> str:
    """A word that means nothing, so that copying does not depend on known words: syllables, pieces of words, or letters."""
    kind = rng.random()
    if kind < 0.5:
        count = rng.choice((1, 2, 2, 3))
        text = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(count))
        return text.lstrip("bcdfghjklmnpqrstvwxyz") if rng.random() < 0.2 else text
    if kind < 0.9:
        return "".join(_piece(rng) for _ in range(rng.choice((1, 2, 2, 3))))
    return "".join(rng.choice(_LETTERS) for _ in range(rng.randint(2, 6)))


def _piece(rng) -> str:
    """A part of a known word, so that every piece of the vocabulary turns up in new surroundings."""
    word = rng.choice(rng.choice(_KNOWN)).lower().replace(" ", "")
    begin = rng.randrange(max(1, len(word) - 2))
    return word[begin : begin + rng.randint(2, 6)]


def invented_name(rng) -> str:
    """Syllables, two halves of known names, or a known name with other letters: every token gets to be part of a name."""
    kind = rng.random()
    if kind < 0.4:
        return pseudo_word(rng).capitalize()
    first, second = rng.choice(HE + SHE), rng.choice(HE + SHE)
    if kind < 0.7:
        return (first[: rng.randint(1, 4)] + second[-rng.randint(2, 4) :].lower()).capitalize()
    letters = list(first.lower())
    for _ in range(rng.randint(1, 3)):
        letters[rng.randrange(len(letters))] = rng.choice(_LETTERS)
    return "".join(letters).capitalize()


def person(rng, held_out: bool = False) -> tuple[str, str, str, str]:
    """Name and pronouns (he, his, him)."""
    if held_out:
        name = rng.choice(HELD_OUT_NAMES)
        male = name in HELD_OUT_HE
    else:
        male = rng.random() < 0.5
        name = pseudo_name(rng) if rng.random() < 0.35 else rng.choice(HE if male else SHE)
    return (name, "he", "his", "him") if male else (name, "she", "her", "her")


def pseudo_name(rng) -> str:
    """An invented name that is none of the held-out ones."""
    while (name := invented_name(rng)) in HELD_OUT_NAMES or len(name) < 3:
        pass
    return name
