"""A body's messages, as the turns that an engine is told."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from agents.engine import base
from bookbag.api.errors import InvalidBody
from bookbag.api.parsers import parse_object
from conversations.openai.fields import mapping, string
from conversations.openai.tools import tool_name
from conversations.posted import check_number, check_turns, context, said

MAX_CALLS = 64  # of one posted turn
MAX_ID = 256  # characters: of a tool call, which may be of another model


def turns_of(messages: object) -> list[base.Turn]:
    check_number(messages)
    assert isinstance(messages, list)
    turns: list[base.Turn] = []
    pending: dict[str, str] = {}  # calls of the newest turn without a result: id, name
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        role = message.get("role") if isinstance(message, dict) else None
        if pending and role != "tool":
            break  # told below
        match role:
            case "user":
                turns.append(base.Turn("user", _content(message, place)))
            case "assistant":
                turn = _assistant(message, place)
                pending = {call.id: call.name for call in turn.calls}
                if turn.text or turn.calls:
                    turns.append(turn)
            case "tool":
                result = _result(message, place, pending)
                earlier: tuple[base.ToolResult, ...] = ()
                if turns[-1].role == "tool":
                    earlier = turns.pop().results
                turns.append(base.Turn("tool", "", results=(*earlier, result)))
            case "system" | "developer":
                if text := _content(message, place):
                    turns.append(context(text))
            case _:
                raise InvalidBody(
                    {
                        f"{place}.role": "Must be “system”, “developer”, “user”,"
                        " “assistant” or “tool”."
                    }
                )
    if pending:
        raise InvalidBody(
            {
                "messages": "Each call of an assistant's turn needs a tool's message"
                " with its result, right after it."
            }
        )
    if messages[-1]["role"] not in ("user", "tool"):
        raise InvalidBody({"messages": "The last one must be a user's or a tool's."})
    check_turns(turns)
    return said(turns)


def newest_results(turns: Sequence[base.Turn]) -> tuple[tuple[str, object], ...]:
    """Those since the assistant last spoke: the ones before are known."""
    found: list[tuple[str, object]] = []
    for turn in reversed(turns):
        if turn.role == "assistant":
            break
        found += ((result.call_id, result.output) for result in turn.results)
    return tuple(found)


def _content(message: Mapping[str, Any], place: str) -> str:
    """The text of a string or of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise InvalidBody({f"{place}.content": "Must be a string or a list of parts."})
    texts: list[str] = []
    for number, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        field = f"{place}.content[{number}]"
        if kind not in ("text", "refusal"):
            raise InvalidBody(
                {
                    field: "Must be of type “text”: agents read neither images nor"
                    " sound nor files."
                }
            )
        texts.append(string(part.get(kind), f"{field}.{kind}"))
    return "".join(texts)


def _assistant(message: Mapping[str, Any], place: str) -> base.Turn:
    posted = message.get("tool_calls")
    if posted is None:
        posted = []
    if not isinstance(posted, list) or len(posted) > MAX_CALLS:
        raise InvalidBody(
            {f"{place}.tool_calls": f"Must be a list of at most {MAX_CALLS} calls."}
        )
    calls = [
        _call(call, f"{place}.tool_calls[{number}]")
        for number, call in enumerate(posted)
    ]
    if len({call.id for call in calls}) < len(calls):
        raise InvalidBody({f"{place}.tool_calls": "Two calls have the same id."})
    if message.get("content") is not None:
        text = _content(message, place)
    elif isinstance(refusal := message.get("refusal"), str):
        text = refusal
    elif calls:
        text = ""
    else:
        raise InvalidBody(
            {f"{place}.content": "Must be there where no tools are called."}
        )
    return base.Turn("assistant", text, calls=tuple(calls))


def _call(call: object, place: str) -> base.ToolCall:
    if not isinstance(call, dict) or call.get("type", "function") != "function":
        raise InvalidBody({place: "Must be a call of type “function”."})
    function = mapping(call.get("function"), f"{place}.function")
    arguments = string(function.get("arguments"), f"{place}.function.arguments")
    try:
        values = _parsed(arguments) if arguments.strip() else {}
    except InvalidBody:
        raise InvalidBody(
            {f"{place}.function.arguments": "Must be a JSON object, as a string."}
        ) from None
    return base.ToolCall(
        _id(call.get("id"), f"{place}.id"),
        tool_name(function.get("name"), f"{place}.function.name"),
        values,
    )


def _result(
    message: Mapping[str, Any], place: str, pending: dict[str, str]
) -> base.ToolResult:
    call_id = _id(message.get("tool_call_id"), f"{place}.tool_call_id")
    name = pending.pop(call_id, None)
    if name is None:
        raise InvalidBody(
            {
                f"{place}.tool_call_id": "Must be the id of a call in the assistant's"
                " turn before it, one result each."
            }
        )
    text = _content(message, place)
    output: object = text
    if text.lstrip().startswith("{"):
        with suppress(InvalidBody):  # only text that begins with a brace
            output = _parsed(text)
    return base.ToolResult(call_id, name, output)


def _id(value: object, field: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_ID:
        raise InvalidBody({field: f"Must be a string of 1 to {MAX_ID} characters."})
    return value


def _parsed(text: str) -> dict[str, Any]:
    """A JSON object in a string, read as strictly as a body. InvalidBody."""
    return parse_object(text.encode("utf-8", "surrogatepass"))
