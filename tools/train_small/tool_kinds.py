"""The tools of the training dialogues: what they are called, what they take, how people ask for them, what they return.

Half of them are written out here; the others are made up from verbs, nouns and attributes, so that the model has to read the
schema instead of remembering names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import problems
import tool_values
import words
from tool_values import Value, join_words


@dataclass(frozen=True)
class Param:
    names: tuple[str, ...]
    kind: str  # a key of VALUES
    description: str
    required: bool = True


@dataclass(frozen=True)
class Kind:
    names: tuple[str, ...]
    description: str
    params: tuple[Param, ...]
    asks: tuple[str, ...]  # {0}, {1}: the values of the parameters; a parameter not named here is left out of the call
    vague: tuple[str, ...]  # the same wish without a required value
    results: tuple[str, ...]  # "key=kind" lists
    lead: str  # how the final answer begins


def _phrase(rng) -> str:
    pool = words.SLOTS["item"] + words.COLOR + words.DAY + words.PLACE
    parts = [rng.choice(pool) if rng.random() < 0.6 else words.pseudo_word(rng) for _ in range(rng.randint(1, 4))]
    return " ".join(parts)


def _city(rng, held_out: bool) -> str:
    if held_out:
        return rng.choice(words.HELD_OUT_CITIES)
    return words.pseudo_name(rng) if rng.random() < 0.25 else rng.choice(words.CITIES)


def _words(rng) -> list[str]:
    pool = words.COLOR + words.SLOTS["item"] + words.GROUP
    return [rng.choice(pool) if rng.random() < 0.7 else words.pseudo_word(rng) for _ in range(rng.randint(1, 4))]


def _email(rng, held_out: bool) -> str:
    name = words.person(rng, held_out)[0].lower()
    return f"{name}@{rng.choice(('example.com', 'mail.org', 'work.net', words.pseudo_word(rng) + '.com'))}"


def _path(rng) -> str:
    parts = [words.pseudo_word(rng) if rng.random() < 0.4 else rng.choice(words.THING) for _ in range(rng.randint(1, 3))]
    return rng.choice(("/", "", "~/")) + "/".join(parts) + rng.choice((".txt", ".py", ".md", ".json", ".csv"))


def _object(rng) -> Value:
    keys = rng.sample(("width", "height", "depth", "min", "max", "x", "y", "rows", "columns", "start", "end"), rng.randint(1, 3))
    value = {k: rng.randint(1, 200) for k in keys}
    return Value(value, join_words([f"{k} {v}" for k, v in value.items()]))


ENUMS = {
    "unit": ("celsius", "fahrenheit"),
    "language": ("French", "German", "Spanish", "Italian", "Chinese", "Japanese", "Polish", "Turkish", "Dutch", "Greek"),
    "currency": ("USD", "EUR", "GBP", "JPY", "CNY", "CHF", "INR", "CAD"),
    "priority": ("low", "medium", "high", "urgent"),
    "size": ("small", "medium", "large"),
    "length": ("meters", "feet", "miles", "kilometers", "inches"),
    "format": ("pdf", "png", "csv", "json", "html"),
    "category": ("sports", "politics", "science", "music", "business", "travel"),
    "symbol": ("AAPL", "GOOG", "MSFT", "AMZN", "TSLA", "NVDA", "IBM", "INTC"),
    "color": tuple(words.COLOR),
    "day": tuple(words.DAY),
}
TYPES = {"int": "integer", "number": "number", "bool": "boolean", "words": "array", "ints": "array", "object": "object"} | tool_values.TYPES


def draw(kind: str, rng, held_out: bool = False) -> Value:
    """A value of a kind, as it stands in the call and as people say it."""
    if tool_values.knows(kind):
        return tool_values.draw(kind, rng)
    if kind in ENUMS:
        value = rng.choice(ENUMS[kind])
        return Value(value, value)
    if kind == "object":
        return _object(rng)
    if kind == "bool":
        value = rng.random() < 0.5
        return Value(value, rng.choice(("true", "on", "yes") if value else ("false", "off", "no")))
    if kind == "words":
        value = _words(rng)
        return Value(value, join_words(value))
    if kind == "ints":
        value = [rng.randint(1, 99) for _ in range(rng.randint(2, 4))]
        return Value(value, join_words([str(v) for v in value]))
    if kind == "number":
        value = rng.choice((rng.randint(1, 500), round(rng.uniform(0.5, 99), 1)))
        return Value(value, str(value))
    return _plain(kind, rng, held_out)


def _plain(kind: str, rng, held_out: bool) -> Value:
    makers = {
        "int": lambda: rng.randint(1, rng.choice((9, 99, 999))),
        "city": lambda: _city(rng, held_out),
        "person": lambda: words.person(rng, held_out)[0],
        "email": lambda: _email(rng, held_out),
        "phrase": lambda: _phrase(rng),
        "word": lambda: words.pseudo_word(rng) if held_out or rng.random() < 0.5 else rng.choice(words.SLOTS["item"]),
        "title": lambda: words.pseudo_name(rng) if rng.random() < 0.5 else rng.choice(words.THING).capitalize(),
        "time": lambda: f"{rng.randint(1, 23):02d}:{rng.choice(('00', '15', '30', '45'))}",
        "date": lambda: f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
        "path": lambda: _path(rng),
        "expression": lambda: f"{rng.randint(2, 999)} {rng.choice('+-*/')} {rng.randint(2, 999)}",
        "code": lambda: words.pseudo_word(rng)[:3].upper() + str(rng.randint(10, 9999)),
        "degrees": lambda: rng.choice((rng.randint(-9, 38), f"{rng.randint(-9, 38)}°C", f"{rng.randint(20, 99)}°F", str(rng.randint(1, 38)))),
        "sky": lambda: rng.choice(("sunny", "cloudy", "rainy", "windy", "snowy", "foggy", "clear", "partly cloudy", "light rain")),
        "percent": lambda: rng.choice((rng.randint(5, 99), f"{rng.randint(5, 99)}%")),
        "status": lambda: rng.choice(("ok", "done", "success", "sent", "created", "saved", "confirmed", "scheduled")),
    }
    value = makers[kind]()
    return Value(value, str(value))


def P(names: str, kind: str, description: str, required: bool = True) -> Param:
    return Param(tuple(names.split()), kind, description, required)


CITY = P("location city place town", "city", "The city, for example Beijing")
WRITTEN = (
    Kind(("get_weather", "weather", "current_weather", "fetch_weather", "weather_lookup"), "Get the current weather for a location",
         (CITY, P("unit units temperature_unit", "unit", "Temperature unit", False)),
         ("What's the weather in {0}?", "Can you check the weather in {0}?", "What's the weather like in {0} right now?", "weather {0}",
          "I am going to {0}. What is the weather there?", "How's the weather in {0}?", "Please get the weather for {0}.", "What is the weather like in {0}?", "How is the weather in {0} today?", "Weather in {0}?",
          "Is it raining in {0}?", "Tell me the weather in {0}.", "What is the temperature in {0} in {1}?",
          "What's the weather in {0}? Use {1}.", "How warm is it in {0}, in {1}?", "Do I need an umbrella in {0}?"),
         ("What's the weather?", "How is the weather?"),
         ("temperature=degrees,condition=sky", "temp=degrees,description=sky,humidity=percent", "condition=sky,temperature=degrees,wind_speed=int",
          "location=city,temperature=degrees,condition=sky"),
         "Here is the weather in {0}"),
    Kind(("get_forecast", "weather_forecast", "forecast"), "Get the weather forecast for the next days",
         (CITY, P("days num_days count", "int", "Number of days")),
         ("What will the weather be in {0} for the next {1} days?", "Give me the {1} day forecast for {0}.", "Forecast for {0}, {1} days please."),
         ("Give me the forecast.",), ("high=degrees,low=degrees,condition=sky",), "Here is the forecast for {0}"),
    Kind(("get_time", "current_time", "get_current_time", "time_in_city"), "Get the current local time in a city", (CITY,),
         ("What time is it in {0}?", "Tell me the time in {0}.", "Current time in {0}?"), ("Can you look up the time for me?",),
         ("time=time", "local_time=time,date=date"), "Here is the time in {0}"),
    Kind(("calculate", "calculator", "evaluate", "compute"), "Evaluate an arithmetic expression",
         (P("expression expr formula", "expression", "The expression to evaluate"),),
         ("Calculate {0}.", "What is {0}? Use the calculator.", "Compute {0} with the tool.", "Please evaluate {0}."),
         ("Can you calculate something for me?",), ("result=int", "value=number"), "The result of {0}"),
    Kind(("convert_currency", "currency_converter", "exchange"), "Convert an amount from one currency to another",
         (P("amount value", "number", "The amount of money"), P("from_currency source from", "currency", "Currency to convert from"),
          P("to_currency target to", "currency", "Currency to convert to")),
         ("Convert {0} {1} to {2}.", "How much is {0} {1} in {2}?", "Exchange {0} {1} into {2}."), ("Convert some money for me.",),
         ("converted=number", "amount=number,rate=number"), "{0} {1} in {2}"),
    Kind(("send_email", "email", "send_mail", "compose_email"), "Send an email",
         (P("to recipient address", "email", "The address of the recipient"), P("subject title", "phrase", "Subject line"),
          P("body text message", "phrase", "Text of the message", False)),
         ("Send an email to {0} with the subject \"{1}\".", "Email {0}: subject \"{1}\", text \"{2}\".",
          "Write to {0} with subject \"{1}\" and body \"{2}\"."), ("Send an email for me.",),
         ("status=status", "status=status,id=code"), "The email to {0}"),
    Kind(("send_message", "send_text", "message_contact"), "Send a text message to a contact",
         (P("contact recipient name", "person", "Who gets the message"), P("message text content", "phrase", "The message")),
         ("Text {0}: {1}", "Send {0} the message \"{1}\".", "Tell {0} \"{1}\" by text message."), ("Send a message.",),
         ("status=status", "message_id=code,status=status"), "The message to {0}"),
    Kind(("search_web", "web_search", "search", "google_search"), "Search the web",
         (P("query q search_term", "phrase", "What to search for"), P("limit max_results top_k", "int", "Maximum number of results", False)),
         ("Search the web for {0}.", "Look up {0} on the web.", "Search for \"{0}\" and give me {1} results.", "Find {1} web pages about {0}."),
         ("Search something for me.",), ("title=title,url=path", "results=words"), "I found this about {0}"),
    Kind(("create_event", "add_event", "schedule_meeting", "calendar_add"), "Add an event to the calendar",
         (P("title name summary", "phrase", "Title of the event"), P("date day", "date", "Date as YYYY-MM-DD"),
          P("time start_time", "time", "Start time", False), P("attendees people guests", "words", "Who is invited", False)),
         ("Put \"{0}\" in my calendar on {1}.", "Schedule \"{0}\" on {1} at {2}.", "Add an event \"{0}\" on {1} with {3}.",
          "Create the event \"{0}\" on {1} at {2} with {3}."), ("Schedule a meeting.",), ("status=status,event_id=code",), "The event {0}"),
    Kind(("set_alarm", "alarm", "add_alarm"), "Set an alarm",
         (P("time at", "time", "Time as HH:MM"), P("repeat recurring daily", "bool", "Whether the alarm repeats", False)),
         ("Set an alarm for {0}.", "Wake me up at {0}.", "Set an alarm for {0} with repeat {1}."), ("Set an alarm.",), ("status=status",), "The alarm at {0}"),
    Kind(("set_timer", "start_timer", "timer"), "Start a timer", (P("minutes duration duration_minutes", "int", "Length in minutes"),),
         ("Set a timer for {0} minutes.", "Start a {0} minute timer.", "Remind me in {0} minutes."), ("Start a timer.",), ("status=status,timer_id=code",),
         "The timer for {0} minutes"),
    Kind(("translate", "translate_text", "translator"), "Translate a text",
         (P("text content", "phrase", "Text to translate"), P("language target_language to", "language", "Target language")),
         ("Translate \"{0}\" into {1}.", "How do you say \"{0}\" in {1}?", "What is {0} in {1}?"), ("Translate something.",), ("translation=phrase",),
         "\"{0}\" in {1}"),
    Kind(("get_stock_price", "stock_price", "quote"), "Get the current price of a stock", (P("symbol ticker", "symbol", "Ticker symbol"),),
         ("What is the stock price of {0}?", "How much is {0} stock?", "Get me a quote for {0}.", "Price of {0}?"), ("Get me a stock price.",),
         ("price=number,currency=currency", "price=number"), "Here is the stock {0}"),
    Kind(("book_flight", "find_flights", "search_flights"), "Search for flights between two cities",
         (P("origin from_city departure", "city", "Departure city"), P("destination to_city arrival", "city", "Arrival city"),
          P("date departure_date", "date", "Date as YYYY-MM-DD", False), P("passengers travelers", "int", "Number of passengers", False)),
         ("Find a flight from {0} to {1}.", "I want to fly from {0} to {1} on {2}.", "Flights from {0} to {1} on {2} for {3} people, please.",
          "Book a flight from {0} to {1} for {3} passengers."), ("Book me a flight.",), ("flight=code,price=number", "flight=code,departure=time"),
         "The flight from {0} to {1}"),
    Kind(("book_table", "reserve_table", "restaurant_booking"), "Reserve a table in a restaurant",
         (P("restaurant name place", "title", "Name of the restaurant"), P("people guests party_size", "int", "Number of people"),
          P("time at", "time", "Time as HH:MM")),
         ("Book a table at {0} for {1} people at {2}.", "Reserve a table for {1} at {0}, at {2}.", "I need a table for {1} people at {2} in the restaurant {0}."),
         ("Book a table.",), ("status=status,code=code",), "The table at {0}"),
    Kind(("play_music", "play_song", "music_player"), "Play a song",
         (P("song title track", "phrase", "Name of the song"), P("shuffle random", "bool", "Whether to shuffle", False)),
         ("Play {0}.", "Play the song \"{0}\".", "Play {0} with shuffle {1}."), ("Play some music.",), ("status=status",), "The song {0}"),
    Kind(("set_light", "control_light", "smart_light"), "Control a lamp at home",
         (P("room location", "word", "Name of the room"), P("on power enabled", "bool", "Whether the lamp is on"),
          P("brightness level", "int", "Brightness in percent", False), P("color light_color", "color", "Color of the light", False)),
         ("Set the light in the {0} to {1}.", "Set the lamp in the {0} to {1} with brightness {2}.", "Turn the {0} light {1} with the color {3}.",
          "Make the {0} light {1}, brightness {2}, color {3}."), ("Change the light.",), ("status=status",), "The light in the {0}"),
    Kind(("read_file", "open_file", "cat_file", "view_file"), "Read a file", (P("path file filename file_path", "path", "Path of the file"),),
         ("Read the file {0}.", "Show me {0}.", "What is in {0}?", "Open {0}."), ("Open a file.",), ("content=phrase", "lines=int,content=phrase"), "The file {0}"),
    Kind(("write_file", "save_file", "create_file"), "Write a text to a file",
         (P("path file filename", "path", "Path of the file"), P("content text data", "phrase", "Text to write"),
          P("overwrite force replace", "bool", "Whether to replace an existing file", False)),
         ("Write \"{1}\" to {0}.", "Create the file {0} with the text \"{1}\".", "Save \"{1}\" in {0} with overwrite {2}."), ("Save a file.",),
         ("status=status", "bytes=int,status=status"), "The file {0}"),
    Kind(("run_command", "bash", "shell", "execute"), "Run a shell command", (P("command cmd", "phrase", "The command"),),
         ("Run the command \"{0}\".", "Execute \"{0}\" in the shell.", "Run `{0}`."), ("Run a command.",), ("exit_code=int,output=phrase", "output=phrase"),
         "The command {0}"),
    Kind(("get_news", "news", "latest_news"), "Get the latest news",
         (P("category topic section", "category", "News category"), P("limit count", "int", "Number of articles", False)),
         ("Give me news about {0}.", "What is new in {0}?", "Show me {1} articles about {0}."), ("Give me the news.",), ("headline=phrase", "headlines=words"),
         "Here is the news about {0}"),
    Kind(("add_numbers", "sum_numbers", "total"), "Add a list of numbers", (P("numbers values items", "ints", "The numbers"),),
         ("Add the numbers {0} with the tool.", "Sum up {0}.", "What is the total of {0}?"), ("Add some numbers.",), ("sum=int", "total=int"), "The sum of {0}"),
    Kind(("convert_units", "unit_converter", "convert_length"), "Convert a length to another unit",
         (P("value amount", "number", "The length"), P("from_unit from", "length", "Unit to convert from"), P("to_unit to", "length", "Unit to convert to")),
         ("Convert {0} {1} to {2}.", "How many {2} are {0} {1}?", "{0} {1} in {2}?"), ("Convert a length.",), ("result=number", "value=number"), "{0} {1} in {2}"),
    Kind(("add_to_cart", "buy_item", "order_product"), "Order a product",
         (P("product item name", "word", "The product"), P("quantity count amount", "int", "How many"), P("size product_size", "size", "Size", False)),
         ("Order {1} {0}.", "Put {1} {0} in my cart.", "Buy {1} {0} in size {2}.", "I want {1} {0}, size {2}."), ("Order something.",),
         ("status=status,order_id=code", "total=number"), "Your order of {0}"),
    Kind(("find_contact", "get_contact", "lookup_person"), "Look up a contact", (P("name person", "person", "Name of the person"),),
         ("Find the contact details of {0}.", "Look up {0} in my contacts.", "How can I reach {0}?"), ("Look up a contact.",),
         ("email=email", "email=email,city=city"), "The contact {0}"),
    Kind(("create_task", "add_todo", "add_task", "new_task"), "Add a task to the list",
         (P("title task name", "phrase", "What to do"), P("priority level", "priority", "How urgent it is", False), P("tags labels", "words", "Tags", False)),
         ("Add the task \"{0}\".", "Add \"{0}\" to my list with priority {1}.", "Create a {1} priority task \"{0}\".",
          "New task \"{0}\" with tags {2}."), ("Add a task.",), ("status=status,task_id=code",), "The task {0}"),
    Kind(("get_directions", "navigate", "route"), "Find the way between two places",
         (P("start origin from", "city", "Where to start"), P("end destination to", "city", "Where to go"), P("avoid_tolls no_tolls", "bool", "Whether to avoid tolls", False)),
         ("How do I get from {0} to {1}?", "Directions from {0} to {1}.", "Route from {0} to {1} with avoid tolls {2}."), ("Give me directions.",),
         ("distance=int,minutes=int",), "The way from {0} to {1}"),
    Kind(("resize_image", "scale_image", "image_resize"), "Change the size of an image",
         (P("path file image", "path", "The image file"), P("size dimensions", "object", "Width and height in pixels")),
         ("Resize {0} to {1}.", "Change the size of {0} to {1}.", "Scale the image {0} to {1}."), ("Resize an image.",), ("status=status,path=path",), "The image {0}"),
)
HELD_OUT = (
    Kind(("track_parcel", "parcel_status"), "Track a parcel", (P("tracking_number parcel_id", "code", "Number of the parcel"),),
         ("Where is my parcel {0}?", "Track the parcel {0}."), (), ("status=status,city=city",), "The parcel {0}"),
    Kind(("hire_bike", "rent_bicycle"), "Rent bicycles in a city", (P("town where", "city", "The city"), P("bikes how_many", "int", "How many bicycles")),
         ("Rent {1} bicycles in {0}.", "I need {1} bikes in {0}."), (), ("status=status,price=number",), "The bikes in {0}"),
    Kind(("water_plants", "irrigate"), "Water the garden", (P("zone area", "word", "Part of the garden"), P("minutes how_long", "int", "Minutes of water")),
         ("Water the {0} for {1} minutes.", "Give the {0} water for {1} minutes."), (), ("status=status",), "The watering of {0}"),
    Kind(("lookup_word", "dictionary"), "Look up a word in the dictionary", (P("term entry", "word", "The word"), P("lang in_language", "language", "Language of the word", False)),
         ("Look up the word {0} in the dictionary.", "Find {0} in the {1} dictionary."), (), ("meaning=phrase",), "The word {0}"),
    Kind(("pay_invoice", "settle_bill"), "Pay an invoice", (P("invoice bill_number", "code", "Number of the invoice"), P("sum_due money", "number", "Amount"), P("in_currency money_kind", "currency", "Currency")),
         ("Pay the invoice {0}: {1} {2}.", "Please pay {1} {2} for invoice {0}."), (), ("status=status",), "The invoice {0}"),
    Kind(("crop_photo", "trim_picture"), "Crop a picture", (P("picture photo", "path", "The picture file"), P("area region", "object", "The part to keep")),
         ("Crop {0} to {1}.", "Cut the picture {0} to {1}."), (), ("status=status,path=path",), "The picture {0}"),
)

def is_held_out_pair(verb: str, noun: str) -> bool:
    return problems.is_held_out("tool", (verb, noun))


@dataclass(frozen=True)
class Attribute:
    """A parameter of an invented tool; {n} is the tool's noun, {v} the value."""

    names: str
    kind: str
    described: str
    phrases: str = ""  # ways to say it without naming the parameter, split at "|"


ATTRIBUTES = (
    Attribute("name title {n}_name label", "title", "The name of the {n}", "named {v}|called {v}"),
    Attribute("owner person {n}_owner user customer", "person", "The person of the {n}", "for {v}|of {v}"),
    Attribute("city location town where place area", "city", "The city", "in {v}|at {v}"),
    Attribute("destination to target_city to_city", "city", "The city to go to", "to {v}"),
    Attribute("id {n}_id number {n}_number code reference key", "code", "The number of the {n}", "{v}|number {v}|with the number {v}"),
    Attribute("count quantity amount how_many number_of_{n}s {n}s", "int", "How many", "{v} times"),
    Attribute("minutes duration how_long length", "int", "The time in minutes", "for {v} minutes|lasting {v} minutes"),
    Attribute("days num_days period", "int", "The number of days", "for {v} days"),
    Attribute("people guests persons group_size", "int", "The number of people", "for {v} people|with {v} people"),
    Attribute("price cost max_price budget sum", "number", "The price in dollars", "for {v} dollars|under {v} dollars"),
    Attribute("time at start_time when", "time", "The time as HH:MM", "at {v}"),
    Attribute("date day on_date when", "date", "The date as YYYY-MM-DD", "on {v}"),
    Attribute("email address contact mail", "email", "An email address", "to {v}|by email to {v}"),
    Attribute("path file source {n}_file picture", "path", "The file", "{v}|from {v}|in {v}"),
    Attribute("language lang in_language", "language", "The language", "in {v}|into {v}"),
    Attribute("currency in_currency money", "currency", "The currency", "in {v}"),
    Attribute("category topic kind section", "category", "The category", "about {v}"),
    Attribute("text message content term", "phrase", "The text", "saying \"{v}\"|with the text \"{v}\""),
    Attribute("item thing {n}_item zone part word", "word", "What it is about", "{v}|the {v}"),
    Attribute("color colour {n}_color", "color", "The color", "in {v}"),
    Attribute("format type output_format", "format", "The format", "as {v}"),
    Attribute("size area region dimensions box", "object", "Numbers by their names", "to {v}|with {v}"),
    Attribute("range bounds limits", "object", "Numbers by their names"),
    Attribute("tags labels keywords", "words", "Some words"),
    Attribute("items names members parts", "words", "Some words", "with {v}"),
    Attribute("codes numbers values scores", "ints", "Some numbers"),
    Attribute("active enabled on", "bool", "Whether it is active"),
    Attribute("public visible shared", "bool", "Whether all can see it"),
    Attribute("verbose detailed full", "bool", "Whether to give details"),
    Attribute("archived done closed", "bool", "Whether it is done"),
    Attribute("priority urgency", "priority", "How urgent it is"),
    Attribute("level rank grade", "int", "The level"),
    Attribute("weight rating score", "number", "A number"),
    Attribute("day weekday", "day", "The day of the week", "on {v}"),
    Attribute("comment note remark", "phrase", "A comment"),
)


def invented(rng, held_out: bool) -> Kind:
    """A tool like create_ticket(owner, priority, tags?) that has to be read to be used."""
    while True:
        verb = words.pseudo_word(rng) if rng.random() < 0.15 else rng.choice(words.VERBS)
        noun = words.pseudo_word(rng) if rng.random() < 0.3 else rng.choice(words.NOUNS)
        if is_held_out_pair(verb, noun) == held_out:
            break
    chosen = rng.sample(ATTRIBUTES, rng.choice((1, 1, 2, 2, 3, 4)))
    names = draw_names(chosen, noun, rng)
    params = tuple(
        Param((name,), a.kind, a.described.replace("{n}", noun), i == 0 or rng.random() < 0.5) for i, (a, name) in enumerate(zip(chosen, names))
    )
    style = rng.choice((f"{verb}_{noun}", f"{verb}_{noun}", f"{noun}_{verb}", f"{verb}{noun.capitalize()}", f"{noun}.{verb}", f"{noun}_service"))
    article = rng.choice(("a", "the"))
    description = rng.choice((f"{verb.capitalize()} {article} {noun}", f"{verb.capitalize()} {noun}s", f"Use this to {verb} {article} {noun}"))
    asks = tuple(invented_ask(rng, verb, noun, chosen, params) for _ in range(2))
    result = rng.choice(("status=status", "status=status,id=code", f"{noun}_id=code", "ok=bool", "status=status,price=number", "result=phrase"))
    return Kind((style,), description, params, asks, (f"{verb.capitalize()} {article} {noun}.",), (result,), f"The {noun}")


def draw_names(chosen: list[Attribute], noun: str, rng) -> list[str]:
    """One name per parameter, no name twice; sometimes a name that says nothing."""
    names: list[str] = []
    for attribute in chosen:
        name = words.pseudo_word(rng) if rng.random() < 0.06 else rng.choice(attribute.names.split()).replace("{n}", noun)
        names.append(name if name not in names else f"{name}_{len(names) + 1}")
    return names


def invented_ask(rng, verb: str, noun: str, chosen: list[Attribute], params: tuple[Param, ...]) -> str:
    """"Create a ticket for Tom with the tags red and blue": some values by a phrase, the others after their names."""
    named = [i for i, p in enumerate(params) if p.required or rng.random() < 0.6]
    rng.shuffle(named)
    phrases, listed = [], []
    style = rng.choice(("{a} {v}", "{a} {v}", "{a} set to {v}", "the {a} {v}", "{a}: {v}"))
    for i in named:
        value = "{" + str(i) + "}"
        if chosen[i].phrases and rng.random() < 0.65:
            phrases.append(rng.choice(chosen[i].phrases.split("|")).replace("{v}", value))
        else:
            listed.append(style.format(a=params[i].names[0].replace("_", " "), v=value))
    phrases.sort(key=lambda p: not p.startswith(("{", "number", "the {")))
    article = rng.choice(("a", "the", "my"))
    what = " ".join([f"{verb} {article} {noun}", *phrases])
    if listed:
        what += rng.choice((" with ", " and use ", ", ")) + join_words(listed)
    opening = rng.choice(("{W}.", "{W}.", "Please {w}.", "Can you {w}?", "I want to {w}.", "I need you to {w}.", "Could you {w}, please?"))
    return opening.replace("{W}", what[0].upper() + what[1:]).replace("{w}", what)


def restyle(name: str, rng) -> str:
    """The same name in another habit: camelCase, a prefix, a version."""
    draw_ = rng.random()
    if draw_ < 0.75:
        return name
    if draw_ < 0.87:
        return re.sub(r"_(\w)", lambda m: m[1].upper(), name)
    return rng.choice((f"api_{name}", f"{name}_v2", f"my_{name}", f"{name}_tool", f"{words.pseudo_word(rng)}_{name}"))
