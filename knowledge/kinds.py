"""What kind of thing a question wants, and whether a sentence holds one."""

import re
from typing import Literal

Wanted = Literal[
    "", "money", "duration", "time", "number", "person", "place", "phone", "email"
]


# Kinds that are plain to see: a sentence without a price does not say what it costs.
# The others (a time, a name) can be said in too many ways to be missed.
PLAIN: frozenset[Wanted] = frozenset({"money", "duration", "phone", "email"})


def wanted(turn: str) -> Wanted:
    """What kind of thing would answer."""
    for kind, pattern in _WANTED:
        if pattern.search(turn):
            return kind
    return ""


def answers(sentence: str, kind: Wanted) -> bool:
    """Whether a sentence holds a thing of that kind."""
    return bool(kind) and bool(_GIVEN[kind].search(sentence))


_NUMBERS = (
    r"(?:\d[\d.,]*|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|"
    r"twenty|thirty|fifty|hundred|half an?|an?)"
)
_UNITS = r"(?:second|minute|hour|day|night|week|month|year|decade|centur|lifetime)"
_ASKED: tuple[tuple[Wanted, str], ...] = (
    ("phone", r"\b(?:phone|telephone|fax) ?(?:number)?\b|\bnumber .*\bcall\b"),
    ("email", r"\be-?mail address\b"),
    (
        "duration",
        r"\bhow (?:long|soon|fast|quickly)\b"
        r"|\bhow many (?:\w+ )?(?:minutes|hours|days|nights|weeks|months|years)\b",
    ),
    ("number", r"\bhow (?:many|old|heavy|big|far|tall|high|large|often|deep)\b"),
    (
        "money",
        r"\bhow (?:much|expensive)\b|\b(?:prices?|costs?|fees?|charges?)\b",
    ),
    (
        "time",
        r"\b(?:when|what time|what day|which days?|what year|what date|hours|"
        r"deadline)\b",
    ),
    ("person", r"\b(?:who|whose|whom)\b"),
    ("place", r"\b(?:where|address|what (?:city|country|place|town))\b"),
)
_WANTED = [(kind, re.compile(text, re.IGNORECASE)) for kind, text in _ASKED]
_GIVEN: dict[Wanted, re.Pattern[str]] = {
    "money": re.compile(
        r"[$€£¥]\s?\d|\d\s?(?:[$€£¥]|dollars?|euros?|pounds?|cents?|usd|eur|gbp|%)"
        r"|\bfree\b|\bno (?:charge|fee|cost)|\bfees?\b",
        re.IGNORECASE,
    ),
    "duration": re.compile(
        rf"\b{_NUMBERS}(?:[- ](?:to|or|and|{_NUMBERS}|business|working|full))*"
        rf"[- ]{_UNITS}|\blifetime\b|\bfor (?:life|ever)\b|\bnever\b|\bsame day\b",
        re.IGNORECASE,
    ),
    "time": re.compile(
        r"\d:\d\d|\b\d{1,2}\s?[ap]\.?m\b|day\b|days\b|\b(?:1\d|20)\d\d\b|\bnoon\b|"
        r"\bmidnight\b|\b(?:january|february|march|april|may|june|july|august|"
        rf"september|october|november|december)\b|\b{_NUMBERS}[- ]?(?:\w+ )?{_UNITS}",
        re.IGNORECASE,
    ),
    "number": re.compile(
        rf"\d|\b{_NUMBERS}\b(?<!\ba)(?<!\ban)",
        re.IGNORECASE,
    ),
    "person": re.compile(r"(?<=\w )[A-Z][a-z]+|\b[A-Z][a-z]+ [A-Z][a-z]+"),
    "place": re.compile(
        r"\b(?:in|at|on|near|from|to|of) (?:the )?(?!Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|"
        r"Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[A-Z]|\d+ [A-Z]\w+|\bfloor\b|"
        r"www\.|\.(?:com|org|net|example)\b"
    ),
    "phone": re.compile(r"\+?\d[\d\s().-]{5,}\d"),
    "email": re.compile(r"\S+@\S+\.\w+"),
}
