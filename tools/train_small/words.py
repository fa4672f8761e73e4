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

_ONSETS = "b br c ch d dr f fl g gr h j k kl l m n p pr qu r s sh st t th tr v w y z".split()
_VOWELS = "a e i o u ai ea ee ia io oa ou".split()
_CODAS = ["", "", "", "n", "r", "s", "l", "m", "t", "d", "k", "nd", "rt", "x"]


def pseudo_word(rng) -> str:
    """A pronounceable word that means nothing, so that copying does not depend on known words."""
    n = rng.choice((1, 2, 2, 3))
    return "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(n))


def person(rng, held_out: bool = False) -> tuple[str, str, str, str]:
    """Name and pronouns (he, his, him)."""
    if held_out:
        name = rng.choice(HELD_OUT_NAMES)
        male = name in HELD_OUT_HE
    else:
        male = rng.random() < 0.5
        name = pseudo_name(rng) if rng.random() < 0.2 else rng.choice(HE if male else SHE)
    return (name, "he", "his", "him") if male else (name, "she", "her", "her")


def pseudo_name(rng) -> str:
    """An invented name that is none of the held-out ones."""
    while (name := pseudo_word(rng).capitalize()) in HELD_OUT_NAMES or len(name) < 3:
        pass
    return name
