"""What a guide shows, held against what came.

Ids and times differ from day to day. An id that a guide shows stands for one that came,
the same one on the whole page: so the page's later snippets can be given the real one.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

ANY = "…"  # alone on a line: any lines; in a string: any characters

# Whatever they are, they are right if they are of that kind.
_VARYING = {
    *("createdAt", "updatedAt", "expiresAt", "created", "timestamp"),
    *("created_at", "updated_at", "last_message_at"),
    *("inputTokens", "outputTokens", "requests", "total_tokens"),
    *("prompt_tokens", "completion_tokens"),
    *("sourceId", "documentId", "agentId", "keyId"),
}
_VARYING_HEADERS = {
    *("date", "content-length", "retry-after"),
    *("x-ratelimit-remaining", "x-ratelimit-reset"),
}
# What API v1 has as numbers in one dialect, and is an id all the same.
_NUMBERED = {"conversationId", "messageId"}
_SCORES = {"score", "min_score"}
_KIND = re.compile(r"\A(msg_|call_|req_|contact_|chatcmpl-msg_|chatcmpl-|[0-9]+\Z)")
_IDS_IN_TEXT = re.compile(r"\b(?:(msg_|call_|req_|contact_)\w+|45[0-9])\b")
_INDEX = re.compile(r"\[[0-9]+\]")
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"
# As text, a moment is ISO 8601, or milliseconds.
_MOMENTS = (re.compile(rf"\A{_ISO}\Z"), re.compile(r"\A[0-9]{13}\Z"))
_DATE = re.compile(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


class Differs(AssertionError):
    pass


@dataclass
class Names:
    """What stands for what: ids of the guide, and real ones."""

    real: dict[str, str] = field(default_factory=dict)
    # A conversation and a lead may have the same number: what is where.
    taken: set[tuple[str, str]] = field(default_factory=set)

    def in_place(self, text: str) -> str:
        """The text with real ids."""
        if not self.real:
            return text
        known = "|".join(re.escape(name) for name in sorted(self.real, key=len))
        return re.sub(rf"\b(?:{known})\b", lambda found: self.real[found[0]], text)

    def learn(self, shown: str, came: str, place: str = "") -> None:
        """`place` is where numbers stand; other ids say themselves of what they are."""
        known = self.real.get(shown)
        where = "" if not came.isdigit() else _INDEX.sub("", place)
        if known is None and (where, came) not in self.taken:
            self.real[shown] = came
            self.taken.add((where, came))
        elif known != came:
            raise Differs(f"{shown} stands for {known}, and here for {came}")

    # --- JSON ---------------------------------------------------------------------

    def compare(self, shown: Any, came: Any, place: str = "") -> None:
        if isinstance(shown, dict) and isinstance(came, dict):
            if set(shown) != set(came):
                raise Differs(f"{place}: has {list(came)}, shown are {list(shown)}")
            for key in shown:  # in any order, as one database keeps them in its own
                self._value(key, shown[key], came[key], f"{place}.{key}")
        elif isinstance(shown, list) and isinstance(came, list):
            if len(shown) != len(came):
                raise Differs(f"{place}: {len(came)} came, {len(shown)} are shown")
            for number, (one, other) in enumerate(zip(shown, came, strict=True)):
                self._value("", one, other, f"{place}[{number}]")
        else:
            self._value("", shown, came, place)

    def _value(self, key: str, shown: Any, came: Any, place: str) -> None:
        if isinstance(shown, dict | list):
            self.compare(shown, came, place)
        elif _type(shown) is not _type(came):
            raise Differs(f"{place}: {came!r} came, {shown!r} is shown")
        elif key in _VARYING and _are_moments(shown, came):
            return
        elif isinstance(shown, str):
            self._string(shown, came, place)
        elif key in _NUMBERED and type(shown) is int:
            self.learn(str(shown), str(came), place)
        elif key in _SCORES and shown is not None:
            if abs(shown - came) > 0.05:
                raise Differs(f"{place}: {came} came, {shown} is shown")
        elif shown != came and key not in _VARYING and not _is_row(key, shown):
            raise Differs(f"{place}: {came!r} came, {shown!r} is shown")

    def _string(self, shown: str, came: str, place: str) -> None:
        kind, other = _KIND.match(shown), _KIND.match(came)
        if ANY in shown:
            pattern = ".*".join(map(re.escape, shown.split(ANY)))
            if re.fullmatch(pattern, came, re.DOTALL):
                return
        elif kind and other and (kind[1] == other[1] or shown.isdigit()):
            return self.learn(shown, came, place)
        elif shown == came or (_DATE.match(shown) and _DATE.match(came)):
            return
        raise Differs(f"{place}: {came!r} came, {shown!r} is shown")

    # --- Lines --------------------------------------------------------------------

    def compare_text(self, shown: str, came: str) -> None:
        rest = came.removeprefix("\ufeff").splitlines()
        skipping = False
        for line in shown.splitlines():
            if line == ANY:
                skipping = True
                continue
            while rest:
                candidate = rest.pop(0)
                try:
                    self._line(line, candidate)
                except Differs:
                    if not skipping:
                        raise
                else:
                    break
            else:
                raise Differs(f"{line!r} is shown, and did not come:\n{came}")
            skipping = False
        if not skipping and any(rest):
            raise Differs(f"more came than is shown: {rest}")

    def _line(self, shown: str, came: str) -> None:
        if shown.startswith("data: {") and came.startswith("data: {"):
            return self.compare(_json(shown[6:]), _json(came[6:]))
        name, colon, _ = shown.partition(": ")
        if colon and name in _VARYING_HEADERS and came.startswith(name + colon):
            return None
        pattern, ids, end = "", [], 0
        for found in _IDS_IN_TEXT.finditer(shown):
            kind = found[1] or ""
            own = rf"({kind}\w+)" if kind else r"([0-9]+)"
            pattern += _loosely(shown[end : found.start()]) + own
            ids.append(found[0])
            end = found.end()
        match = re.fullmatch(pattern + _loosely(shown[end:]), came)
        if match is None:
            raise Differs(f"{came!r} came, {shown!r} is shown")
        for one, other in zip(ids, match.groups(), strict=True):
            self.learn(one, other)
        return None


def _is_row(key: str, shown: Any) -> bool:
    """Whether it is the number of a row: an agent's, a key's, a workspace's."""
    return key == "id" and type(shown) is int


def _type(value: Any) -> type:
    return float if type(value) is int else type(value)  # 10.0 is 10


def _are_moments(shown: Any, came: Any) -> bool:
    if not isinstance(shown, str) or not isinstance(came, str):
        return False
    return any(one.match(shown) and one.match(came) for one in _MOMENTS)


def _loosely(text: str) -> str:
    """As a pattern: any characters for the dots, and any moment for a moment."""
    parts = re.split(_ISO, text)
    return _ISO.join(".*".join(map(re.escape, part.split(ANY))) for part in parts)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise Differs(f"no JSON: {text!r}") from problem


def as_json(text: str) -> Any:
    return _json(text)
