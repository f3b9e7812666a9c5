"""How the value for a parameter is read from a few words of a message."""

import re
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from agents.engine import schemas

MOST_WORDS = 4  # that a value may have of which the schema says nothing

Reader = Callable[[str], object]  # the value that a text is, or None

_QUOTES = '"“”'


def reader(root: dict[str, Any], schema: object) -> Reader | None:
    """How a value of this schema is read from a text; None where it cannot be."""
    for _ in range(schemas.MAX_DEPTH):
        if not isinstance(schema, dict):
            return None
        if "$ref" not in schema:
            break
        schema = root.get("$defs", {}).get(str(schema["$ref"]).rpartition("/")[2])
    else:
        return None
    if "const" in schema or "enum" in schema:
        choices = schema.get("enum", [schema.get("const")])
        words = {_plain(str(one)): one for one in choices if _is_word(one)}
        return lambda text: words.get(_plain(text.lstrip("#")))
    kinds = schema.get("type")
    kinds = [one for one in _as_list(kinds) if one != "null"]
    if len(kinds) != 1 or kinds[0] not in _READERS:
        return None
    if kinds[0] != "string":
        return _READERS[kinds[0]]
    if "pattern" in schema:
        return partial(_by_pattern, schema["pattern"])
    return FORMATS.get(schema["format"]) if "format" in schema else name


def name(text: str) -> str | None:
    """A text of which the schema says nothing, if it looks like a name or a number:
    "New York" and "1234", not "confirmation"."""
    return _unless_prose(text, lambda word: _has_capital(word) or _has_digit(word))


def code(text: str) -> str | None:
    """As above, where a capital tells nothing."""
    return _unless_prose(text, _has_digit)


def _unless_prose(text: str, is_part: Callable[[str], bool]) -> str | None:
    if _QUOTED.fullmatch(text):  # then it may be anything
        return text[1:-1].strip() or None
    words = text.split()
    if len(words) > MOST_WORDS or any(mark in text for mark in _QUOTES):
        return None
    return text.removeprefix("#") if all(map(is_part, words)) else None


def _has_capital(word: str) -> bool:
    return word[0].isupper() and not _I.match(word)


def _has_digit(word: str) -> bool:
    return any(char.isdigit() for char in word)


def _by_pattern(pattern: str, text: str) -> str | None:
    # The whole of it: unanchored, a pattern would take whatever has a digit in it.
    whole = schemas.pattern(pattern).fullmatch
    return next((one for one in (text, text.removeprefix("#")) if whole(one)), None)


def _integer(text: str) -> int | None:
    found = _INTEGER.fullmatch(text)
    return int(found[1]) if found else None


def _number(text: str) -> int | float | None:
    if _DECIMAL.fullmatch(text):
        return float(text)
    return _integer(text)


def _email(text: str) -> str | None:
    return text if _EMAIL.fullmatch(text) else None


def _date(text: str) -> str | None:
    try:
        return date.fromisoformat(text).isoformat() if len(text) == 10 else None
    except ValueError:
        return None


def _uuid(text: str) -> str | None:
    try:
        return text if str(UUID(text)) == text.lower() else None
    except ValueError:
        return None


def _is_word(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


_READERS: dict[object, Reader] = {
    "integer": _integer,
    "number": _number,
    "string": name,
}
FORMATS: dict[str, Reader] = {"date": _date, "email": _email, "uuid": _uuid}
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”')
_I = re.compile(r"I\b")  # also "I'm"
_INTEGER = re.compile(r"#?([+-]?[0-9]{1,18})")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,15}\.[0-9]{1,15}")
_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"
)
