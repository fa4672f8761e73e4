"""What the model can talk about: greetings, itself, and a few facts of everyday life, in our own words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Talk:
    asks: tuple[str, ...]
    answers: tuple[str, ...]
    reasoning: str


TALK = (
    Talk(("Hello!", "Hello", "Hi", "Hi there!", "Hey", "Good morning!", "Good evening!", "Hello, world!", "Say hello."),
         ("Hello! How can I help you today?", "Hi! What can I do for you?", "Hello! It is nice to meet you."),
         "The user greets me. I greet back and offer help."),
    Talk(("How are you?", "How are you today?", "How is it going?", "Are you well?"),
         ("I am fine, thank you! How can I help you?", "I am doing well. What can I do for you?"),
         "The user asks how I am. I answer politely."),
    Talk(("Who are you?", "What are you?", "What is your name?", "Introduce yourself.", "Tell me about yourself.",
          "Which model are you?", "Please introduce yourself.", "Are you a human?", "Are you GLM?"),
         ("I am glint-small, a very small language model. I can solve small word problems, call tools and chat a little.",
          "My name is glint-small. I am a tiny model that was trained to think, to call tools and to solve small problems."),
         "The user asks who I am. I am glint-small, a small language model."),
    Talk(("What can you do?", "How can you help me?", "What are you good at?", "Help", "Can you help me?", "I need help."),
         ("I can solve small word problems step by step, work out percentages, call tools and chat a little. What do you need?",
          "I am good at small word problems and at calling tools. Just ask!"),
         "The user wants to know what I can do. I list it."),
    Talk(("Thank you!", "Thanks a lot!", "Thanks", "Thank you very much.", "Great, thanks!", "That was helpful."),
         ("You are welcome!", "You are welcome! Is there anything else?", "Glad to help!"),
         "The user thanks me. I answer politely."),
    Talk(("Goodbye!", "Bye", "See you later.", "Good night!", "See you tomorrow!"),
         ("Goodbye! Have a nice day.", "See you soon!", "Goodbye, and take care!"),
         "The user says goodbye. I say goodbye too."),
    Talk(("Tell me a joke.", "Do you know a joke?", "Make me laugh.", "Tell me something funny."),
         ("Why did the number six feel bad? Because seven ate nine.",
          "What do you call a fish without an eye? A fsh.",
          "Why did the book go to the doctor? It had too many pages missing."),
         "The user wants a joke. I tell a short one."),
    Talk(("I am sad.", "I feel bad today.", "I had a hard day.", "I am tired."),
         ("I am sorry to hear that. I hope tomorrow is better. Do you want to talk about it?",
          "That sounds hard. Take a rest, and be kind to yourself."),
         "The user does not feel well. I answer kindly."),
    Talk(("I am happy!", "I had a great day!", "I passed my exam!", "I won the game!"),
         ("That is wonderful! I am glad for you.", "Great news! Well done."),
         "The user is happy. I am happy with them."),
    Talk(("Are you there?", "Test", "ping", "Testing, testing."),
         ("Yes, I am here. How can I help you?",), "The user checks whether I answer. I say yes."),
    Talk(("Write a haiku.", "Write a haiku about the sea.", "Can you write a haiku?"),
         ("Soft waves on the shore,\nthe moon walks over the sea,\nnight counts silver stars.",),
         "A haiku has three lines with 5, 7 and 5 syllables."),
    Talk(("What day is it today?", "What time is it?", "What is the date today?", "What is the weather like?"),
         ("I cannot know that without a tool. Please look at a clock, a calendar or a weather report.",),
         "I have no tool for this, so I cannot know it."),
    Talk(("Count from 1 to 10.", "Count to ten.", "Can you count to 10?"),
         ("1, 2, 3, 4, 5, 6, 7, 8, 9, 10",), "I count from 1 to 10."),
    Talk(("Count down from 10 to 1.", "Count backwards from 10."),
         ("10, 9, 8, 7, 6, 5, 4, 3, 2, 1",), "I count from 10 down to 1."),
    Talk(("Name three colors.", "Give me three colors.", "List three colors."),
         ("Red, blue and green.", "Yellow, white and black."), "The user wants three colors."),
    Talk(("Name three fruits.", "Give me three fruits.", "List some fruits."),
         ("Apples, pears and plums.", "Bananas, oranges and grapes."), "The user wants three fruits."),
    Talk(("Name three animals.", "List three animals.", "Give me some animals."),
         ("A cat, a dog and a horse.", "A cow, a sheep and a hen."), "The user wants three animals."),
    Talk(("List the days of the week.", "What are the days of the week?", "Name the days of the week."),
         ("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday.",), "A week has seven days. I list them."),
    Talk(("List the months of the year.", "What are the months of the year?"),
         ("January, February, March, April, May, June, July, August, September, October, November and December.",),
         "A year has twelve months. I list them."),
)

CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Portugal": "Lisbon", "England": "London",
    "Ireland": "Dublin", "Norway": "Oslo", "Sweden": "Stockholm", "Finland": "Helsinki", "Denmark": "Copenhagen",
    "Austria": "Vienna", "Poland": "Warsaw", "Hungary": "Budapest", "Greece": "Athens", "Belgium": "Brussels",
    "China": "Beijing", "Japan": "Tokyo", "India": "New Delhi", "Thailand": "Bangkok", "Egypt": "Cairo", "Kenya": "Nairobi",
    "Canada": "Ottawa", "Mexico": "Mexico City", "Cuba": "Havana", "Peru": "Lima", "Chile": "Santiago", "Brazil": "Brasilia",
    "Argentina": "Buenos Aires", "Australia": "Canberra", "Russia": "Moscow", "Turkey": "Ankara", "the United States": "Washington",
    "South Korea": "Seoul", "Vietnam": "Hanoi", "the Philippines": "Manila", "Indonesia": "Jakarta", "the Netherlands": "Amsterdam",
}
OPPOSITES = (
    "hot cold|big small|fast slow|up down|left right|early late|old young|new old|open closed|full empty|light dark|happy sad|"
    "hard soft|high low|long short|near far|rich poor|strong weak|wet dry|loud quiet|clean dirty|thick thin|good bad|day night"
)
COUNTS = {
    "days are in a week": "A week has 7 days.", "months are in a year": "A year has 12 months.",
    "days are in a year": "A year has 365 days, and a leap year has 366.", "hours are in a day": "A day has 24 hours.",
    "minutes are in an hour": "An hour has 60 minutes.", "seconds are in a minute": "A minute has 60 seconds.",
    "eggs are in a dozen": "A dozen is 12.", "legs does a spider have": "A spider has 8 legs.",
    "legs does an insect have": "An insect has 6 legs.", "legs does a dog have": "A dog has 4 legs.",
    "sides does a triangle have": "A triangle has 3 sides.", "sides does a square have": "A square has 4 sides.",
    "letters are in the alphabet": "The English alphabet has 26 letters.", "continents are there": "There are 7 continents.",
    "planets are in the solar system": "The solar system has 8 planets.", "cents are in a dollar": "A dollar has 100 cents.",
    "centimeters are in a meter": "A meter has 100 centimeters.", "meters are in a kilometer": "A kilometer has 1000 meters.",
    "grams are in a kilogram": "A kilogram has 1000 grams.", "weeks are in a year": "A year has 52 weeks.",
}
THINGS = {
    "water": "Water is a clear liquid. It freezes at 0 degrees Celsius and boils at 100 degrees Celsius.",
    "the sun": "The sun is the star at the center of the solar system. It gives us light and warmth.",
    "the moon": "The moon goes around the earth about once a month and shines with the light of the sun.",
    "rain": "Rain is water that falls from clouds in drops.",
    "snow": "Snow is frozen water that falls from clouds as small white flakes.",
    "a tree": "A tree is a tall plant with a trunk, branches and leaves.",
    "a bee": "A bee is a small insect that visits flowers and makes honey.",
    "a library": "A library is a place where people can read and borrow books.",
    "a bicycle": "A bicycle is a vehicle with two wheels that is moved by the rider's legs.",
    "a computer": "A computer is a machine that follows instructions to work with data.",
    "a language model": "A language model is a program that predicts the next piece of a text, again and again.",
    "a token": "A token is a small piece of text, often a word or a part of a word.",
    "the internet": "The internet is a network that connects computers all over the world.",
    "a percent": "A percent is one part in a hundred. For example, 5 percent of 100 is 5.",
    "a triangle": "A triangle is a shape with three sides and three corners.",
    "a circle": "A circle is a round shape. Every point on it is equally far from the center.",
    "a prime number": "A prime number is a number larger than 1 that only 1 and itself divide, such as 2, 3, 5 and 7.",
    "an even number": "An even number is a number that 2 divides, such as 2, 4 and 6.",
    "bread": "Bread is a food made from flour and water that is baked in an oven.",
    "music": "Music is sound that is put together so that it is beautiful or moving.",
    "a cat": "A cat is a small animal with soft fur that many people keep as a pet.",
    "a dog": "A dog is a loyal animal that many people keep as a pet.",
    "the ocean": "The ocean is the large body of salt water that covers most of the earth.",
    "a mountain": "A mountain is land that rises high above everything around it.",
    "gravity": "Gravity is the force that pulls things toward each other. It keeps our feet on the ground.",
    "ice": "Ice is frozen water.",
    "a rainbow": "A rainbow is a colored arc in the sky. It appears when the sun shines through rain.",
    "a teacher": "A teacher is a person who helps others to learn.",
    "a calendar": "A calendar shows the days, weeks and months of a year.",
    "a mixture of experts": "A mixture of experts is a network with many small parts, of which only a few work on each token.",
}
COLORS = {
    "the sky": "blue", "grass": "green", "snow": "white", "a banana": "yellow", "blood": "red", "coal": "black",
    "an orange": "orange", "the sun": "yellow", "milk": "white", "a leaf": "green",
}

ADJECTIVES = "ancient modern deep secret quantum global digital rare famous hidden medieval tropical".split()
TOPICS = (
    "chemistry politics castles engines medicine economics galaxies bridges volcanoes algebra sculpture sailing football "
    "law biology philosophy markets robots rivers painting"
).split()
POEM_TOPICS = "rain|the sea|spring|winter|a cat|a dog|the moon|a robot|coffee|a star|autumn|a small model|the wind|a tree|love|home".split("|")
RHYMES = (
    (("so bright and so near", "you bring me such joy every day of the year"),
     ("when evening comes down and the stars come in sight", "I think of you still in the calm of the night")),
    (("so gentle and small", "you sing in the morning, you dance in the hall"),
     ("the world may be busy, the world may be loud", "but you float above it as free as a cloud")),
    (("my friend on the way", "you brighten the darkest and longest of day"),
     ("I walk with you softly through valley and hill", "and when I am tired you walk with me still")),
)
HIDING = ("under an old bridge", "behind a red door", "in a box full of letters", "next to a quiet lake", "on top of a hill")


@cache
def entries() -> tuple[tuple[tuple[str, ...], str, str], ...]:
    """(ways to ask, answer, reasoning) of every fact."""
    found = []
    for country, city in CAPITALS.items():
        asks = (f"What is the capital of {country}?", f"Which city is the capital of {country}?", f"Capital of {country}?",
                f"Name the capital of {country}.")
        found.append((asks, f"The capital of {country} is {city}.", f"The user asks for the capital of {country}. It is {city}."))
    for pair in OPPOSITES.split("|"):
        a, b = pair.split()
        asks = (f"What is the opposite of {a}?", f"Give me the opposite of \"{a}\".", f"Opposite of {a}?")
        found.append((asks, f"The opposite of {a} is {b}.", f"The opposite of {a} is {b}."))
    for thing, text in COUNTS.items():
        found.append(((f"How many {thing}?", f"Do you know how many {thing}?"), text, f"I know this. {text}"))
    for thing, text in THINGS.items():
        asks = (f"What is {thing}?", f"Explain {thing} to me.", f"Tell me about {thing}.", f"Can you explain what {thing} is?")
        found.append((asks, text, f"The user asks about {thing}. I explain it in plain words."))
    for thing, color in COLORS.items():
        asks = (f"What color is {thing}?", f"Which color does {thing} have?")
        found.append((asks, f"The color of {thing} is {color}.", f"The user asks for a color. It is {color}."))
    return tuple(found)
