"""A row as the source sends it: a JSON object of which nothing is sure."""

import datetime as dt

LONGEST_ID = 255
EARLIEST = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)
LATEST = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)


class Misfit(Exception):
    """A row that does not fit, and why."""


class Row:
    """A JSON object of the source's, looked into with care."""

    def __init__(self, raw: object) -> None:
        if not isinstance(raw, dict):
            raise Misfit("it is no JSON object")
        self._raw = raw
        self.remarks: list[str] = []

    def get(self, *names: str) -> object:
        """The first of them that is there."""
        for name in names:
            if (found := self._raw.get(name)) is not None:
                return found
        return None

    def id(self, *names: str) -> str:
        """Raises Misfit where there is none."""
        found = self.get(*names)
        if type(found) is int and abs(found) < 2**63:
            found = str(found)
        if not isinstance(found, str) or not found or found != storable(found):
            raise Misfit("it has no id")
        if len(found) > LONGEST_ID:
            raise Misfit(f"its id is longer than {LONGEST_ID} characters")
        return found

    def text(self, *names: str, most: int) -> str | None:
        """Cut to so many characters, with a remark."""
        found = self.get(*names)
        if type(found) in (int, float):
            found = str(found)
        if not isinstance(found, str):
            return None
        found = storable(found)
        if len(found) > most:
            self.remarks.append(
                f"of its {names[0]} the first {most:,} characters were kept"
            )
            found = found[:most]
        return found

    def time(self, *names: str) -> dt.datetime | None:
        return moment(self.get(*names))


def storable(text: str) -> str:
    """Without what PostgreSQL has no place for: NUL and halves of characters."""
    text = text.replace("\0", "\ufffd")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def moment(said: object) -> dt.datetime | None:
    """A time in ISO 8601, in seconds or in milliseconds; None for anything else."""
    try:
        if isinstance(said, str) and said.strip().isascii() and said.strip().isdigit():
            said = int(said[:20])
        if isinstance(said, int | float) and not isinstance(said, bool):
            seconds = said / 1000 if abs(said) > 10**11 else said
            found = dt.datetime.fromtimestamp(seconds, dt.UTC)
        elif isinstance(said, str):
            found = dt.datetime.fromisoformat(said.strip())
        else:
            return None
        if found.tzinfo is None:
            found = found.replace(tzinfo=dt.UTC)
        found = found.astimezone(dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if EARLIEST <= found <= LATEST else None
