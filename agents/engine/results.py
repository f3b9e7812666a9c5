"""What to say about results of tools, without a language model: the tool's own words
for them, or the result read out."""

import re
from collections.abc import Iterator, Mapping, Sequence

from agents.engine.base import ToolCall, ToolResult, ToolSpec, Turn
from agents.engine.schemas import Flaw

LONGEST = 2_000  # characters of one result that are said
DEEPEST = 4  # levels of a result that are read out
NOTHING = "Nothing came back."

_PLACE = re.compile(r"\{(input|output)((?:\.[A-Za-z0-9_-]{1,60})*)\}")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def unanswered(turns: Sequence[Turn]) -> list[ToolResult]:
    """The results that have come since the assistant last spoke, in order."""
    found: list[ToolResult] = []
    for turn in reversed(turns):
        if turn.role == "assistant":
            break
        if turn.role == "tool":
            found[:0] = turn.results
    return found


def answer(turns: Sequence[Turn], tools: Sequence[ToolSpec]) -> str:
    """What there is to say about the unanswered results; nothing without any."""
    calls = {call.id: call for turn in turns for call in turn.calls}
    replies = {tool.name: tool.reply for tool in tools}
    return "\n".join(
        _worded(replies.get(result.name, ""), calls.get(result.call_id), result)
        or _read_out(result.output)
        for result in unanswered(turns)
    )


def check_reply(reply: str) -> None:
    """Raises Flaw where a template has braces that are no place for a value."""
    if re.search(r"[{}]", _PLACE.sub("", reply)):
        raise Flaw(
            "Values are written {output}, {output.name} or {input.name}; there may be"
            " no other braces."
        )


def _worded(reply: str, call: ToolCall | None, result: ToolResult) -> str:
    """The template with its values, or nothing where one of them is missing."""
    spaces = {"output": result.output, "input": call.input if call else None}
    missing = False

    def value(place: re.Match[str]) -> str:
        nonlocal missing
        found = _look_up(spaces[place[1]], place[2].split(".")[1:])
        items = _as_list(found)
        if found is None or any(isinstance(one, Mapping | list) for one in items):
            missing = True
            return ""
        return ", ".join(filter(None, map(_plain, items)))

    said = _PLACE.sub(value, reply).strip()
    return "" if missing else _cut(said)


def _look_up(value: object, path: list[str]) -> object:
    """Keys of objects and places in lists; None for what is not there."""
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _read_out(output: object) -> str:
    if isinstance(output, str):
        return _cut(output.strip()) or NOTHING
    if isinstance(output, list) and any(isinstance(one, dict | list) for one in output):
        lines = ("; ".join(_pairs(one, "", DEEPEST)) for one in output)
        return _cut("\n".join(f"- {_capital(line)}" for line in lines if line))
    return _cut(_capital("; ".join(_pairs(output, "", DEEPEST)))) or NOTHING


def _pairs(value: object, name: str, depth: int) -> Iterator[str]:
    """`name: value` for each plain value, however deep it lies."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            if depth:
                yield from _pairs(below, f"{name} {_label(key)}".strip(), depth - 1)
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        for number, below in enumerate(value, start=1):
            if depth:
                yield from _pairs(below, f"{name} {number}".strip(), depth - 1)
    else:
        items = value if isinstance(value, list) else [value]
        said = ", ".join(filter(None, map(_plain, items)))
        if said:
            yield f"{name}: {said}" if name else said


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip()


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _label(key: object) -> str:
    """`trackingNumber` and `tracking_number` are read as words."""
    return _HUMP.sub(" ", str(key)).replace("_", " ").lower()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
