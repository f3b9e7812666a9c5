"""What stands behind the question mark of an address."""

import datetime as dt
import re
from typing import Any, cast

from rest_framework.request import Request

from bookbag.api.errors import InvalidBody

# int() takes "1_0", "١٢" and white space, too.
_INTEGER = re.compile(r"\A-?[0-9]+\Z")
_DAY = re.compile(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
MAX_DIGITS = 18  # in which every number fits into 64 bits
MAX_SECONDS = 32_503_680_000  # the year 3000; milliseconds are beyond it


def parameter(request: Request, name: str) -> str | None:
    """The value of a parameter, None where it is not given. InvalidBody."""
    values = cast(list[str], request.query_params.getlist(name))
    if not values:
        return None
    if len(values) > 1:
        raise InvalidBody({name: "Must not be given more than once."})
    if "\0" in values[0]:
        raise InvalidBody({name: "Must not contain the character U+0000."})
    return values[0]


def integer(request: Request, name: str) -> int | None:
    """As above; a whole number, however large. InvalidBody."""
    text = parameter(request, name)
    if text is None:
        return None
    if not _INTEGER.match(text):
        raise InvalidBody({name: "Must be an integer."})
    # What is too long for int() is only known to be large.
    digits = text.lstrip("-0") or "0"
    number = int(digits) if len(digits) <= MAX_DIGITS else 10**MAX_DIGITS
    return -number if text.startswith("-") else number


def filled_integer(request: Request, name: str) -> int | None:
    """As above; an empty one is none: forms send what nobody has filled in."""
    return integer(request, name) if parameter(request, name) else None


def counting(
    request: Request, name: str, *, default: int, most: int | None = None
) -> int:
    """As above; from 1 to `most`. InvalidBody."""
    number = filled_integer(request, name)
    if number is None:
        return default
    if number < 1 or (most is not None and number > most):
        end = "." if most is None else f" and at most {most}."
        raise InvalidBody({name: f"Must be at least 1{end}"})
    return number


def moment(request: Request, name: str) -> dt.datetime | None:
    """As above; a time in Unix seconds. InvalidBody."""
    seconds = integer(request, name)
    if seconds is None:
        return None
    if not 0 <= seconds <= MAX_SECONDS:
        raise InvalidBody({name: "Must be a time in Unix seconds."})
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def day(request: Request, name: str) -> dt.date | None:
    """As above; a day as in 2026-01-31. An empty one is none. InvalidBody."""
    text = parameter(request, name)
    if not text:
        return None
    try:
        if _DAY.match(text):
            return dt.date.fromisoformat(text)
    except ValueError:  # such as the 30th of February
        pass
    raise InvalidBody({name: "Must be a day, as in 2026-01-31."})


def whole_days(
    start: dt.date | None, end: dt.date | None
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The moments from which and before which days of UTC lie, both of them included;
    None where there is no such bound. Nothing lies in days that end before they start.
    """
    before = None if end is None or end == dt.date.max else end + dt.timedelta(days=1)
    return _midnight(start), _midnight(before)


def created_on(request: Request) -> dict[str, Any]:
    """The days from `startDate` to `endDate`, both whole, as a filter. InvalidBody."""
    first, beyond = whole_days(day(request, "startDate"), day(request, "endDate"))
    bounds = {"created_at__gte": first, "created_at__lt": beyond}
    return {name: moment for name, moment in bounds.items() if moment is not None}


def choice(request: Request, name: str, choices: list[str]) -> str | None:
    """As above; one of these words. InvalidBody."""
    word = parameter(request, name)
    if word is not None and word not in choices:
        raise InvalidBody({name: f"Must be one of: {', '.join(choices)}."})
    return word


def _midnight(day: dt.date | None) -> dt.datetime | None:
    return None if day is None else dt.datetime.combine(day, dt.time(), dt.UTC)
