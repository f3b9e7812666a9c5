"""OpenAI's dialect: what a posted chat completion asks for, and events as its JSON and
chunks. No database, no clock.

What is not here is ignored, as far as nobody could miss it in the answer. What a caller
would miss (a JSON format, several choices, a forced tool) is refused instead.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from agents.engine import base, schemas
from bookbag.api.errors import ApiError, InvalidBody
from bookbag.api.fields import WHITESPACE, is_blank, is_user_id
from bookbag.api.parsers import parse_object
from conversations.events import Delta, Event, Failed, Finished, ToolCallAsked
from conversations.posted import MAX_NAME, check_number, check_turns, context, said
from conversations.streams import DONE, data, line

MAX_TOOLS = 64
MAX_TOOLS_LENGTH = 64 * 1024  # of all tools together, as JSON
MAX_PARTS = 1_000  # of the schemas of all tools together: see `schemas.weight`
MAX_CALLS = 64  # of one posted turn
MAX_ID = 256  # characters: of a tool call, which may be of another model
MOST_TEMPERATURE = 2  # OpenAI's scale; an agent's ends at 1, and so does what it gets

_MODEL = re.compile(r"\Aagent-([0-9]{1,19})\Z")
_TOOL = re.compile(r"\A[a-zA-Z0-9_-]{1,60}\Z")
_NO_PARAMETERS: dict[str, object] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What a body asks for.

    `question` is the newest user's turn. `text` is the same, but None where the reply
    goes on from `results`: pairs of a call's id and its output. `tools` is None where
    none may be called.
    """

    turns: tuple[base.Turn, ...]
    question: str
    text: str | None
    results: tuple[tuple[str, object], ...]
    tools: tuple[base.ToolSpec, ...] | None
    stream: bool = False
    include_usage: bool = False
    temperature: float | None = None
    conversation: str | None = None
    end_user: str | None = None


class ModelNotFound(ApiError):
    """Missing, archived or somebody else's: the answer is the same, byte for byte."""

    def __init__(self) -> None:
        message = "There is no such model here. GET /v1/models lists those there are."
        super().__init__(404, "model_not_found", message, {"model": "Not found."})


# --- A body ---------------------------------------------------------------------------


def model_name(agent_id: int) -> str:
    return f"agent-{agent_id}"


def agent_id(model: object) -> str:
    """The agent's id in a model's name. InvalidBody, ModelNotFound."""
    if model is None:
        raise InvalidBody({"model": "Say which agent is to answer: “agent-<id>”."})
    if not isinstance(model, str):
        raise InvalidBody({"model": "Must be a string."})
    named = _MODEL.match(model)
    if named is None:
        raise ModelNotFound
    return named[1]


def read(body: Mapping[str, Any]) -> Posted:
    """What a body asks for. InvalidBody, which names the first field at fault."""
    turns = _turns(body.get("messages"))
    question = next(one.text for one in reversed(turns) if one.role == "user")
    question = question.strip(WHITESPACE)
    _refuse_what_would_be_missed(body)
    conversation = _conversation(body.get("metadata"))
    options = _object(body.get("stream_options"), "stream_options")
    return Posted(
        turns=tuple(turns),
        question=question,
        text=question if turns[-1].role == "user" else None,
        results=_newest_results(turns),
        tools=_tools(body.get("tools"), body.get("tool_choice")),
        stream=_flag(body.get("stream"), "stream"),
        include_usage=_flag(
            options.get("include_usage"), "stream_options.include_usage"
        ),
        temperature=_temperature(body.get("temperature")),
        conversation=conversation,
        end_user=_end_user(body, is_kept=conversation is not None),
    )


def _turns(messages: object) -> list[base.Turn]:
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
        texts.append(_string(part.get(kind), f"{field}.{kind}"))
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
    function = _object(call.get("function"), f"{place}.function")
    arguments = _string(function.get("arguments"), f"{place}.function.arguments")
    try:
        values = _parsed(arguments) if arguments.strip() else {}
    except InvalidBody:
        raise InvalidBody(
            {f"{place}.function.arguments": "Must be a JSON object, as a string."}
        ) from None
    return base.ToolCall(
        _id(call.get("id"), f"{place}.id"),
        _tool_name(function.get("name"), f"{place}.function.name"),
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


def _newest_results(turns: Sequence[base.Turn]) -> tuple[tuple[str, object], ...]:
    """Those since the assistant last spoke: the ones before are known."""
    found: list[tuple[str, object]] = []
    for turn in reversed(turns):
        if turn.role == "assistant":
            break
        found += ((result.call_id, result.output) for result in turn.results)
    return tuple(found)


def _tools(tools: object, choice: object) -> tuple[base.ToolSpec, ...] | None:
    if tools is None:
        tools = []
    if not isinstance(tools, list) or len(tools) > MAX_TOOLS:
        raise InvalidBody({"tools": f"Must be a list of at most {MAX_TOOLS} tools."})
    if len(json.dumps(tools)) > MAX_TOOLS_LENGTH:
        raise InvalidBody(
            {"tools": f"At most {MAX_TOOLS_LENGTH // 1024} KiB of JSON in all."}
        )
    if schemas.weight(tools) > MAX_PARTS:
        raise InvalidBody(
            {
                "tools": f"At most {MAX_PARTS} objects, true and false in all, of which"
                f" one with a “pattern” counts {schemas.PATTERN_WEIGHT} times."
            }
        )
    specs = [_tool(tool, f"tools[{number}]") for number, tool in enumerate(tools)]
    if len({spec.name for spec in specs}) < len(specs):
        raise InvalidBody({"tools": "Two tools have the same name."})
    if choice == "none":
        return None
    if choice not in (None, "auto"):
        raise InvalidBody(
            {"tool_choice": "Must be “auto” or “none”: nobody makes an agent call."}
        )
    return tuple(specs)


def _tool(tool: object, place: str) -> base.ToolSpec:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise InvalidBody({place: "Must be a tool of type “function”."})
    function = _object(tool.get("function"), f"{place}.function")
    name = _tool_name(function.get("name"), f"{place}.function.name")
    description = function.get("description")
    parameters = function.get("parameters")
    if parameters is None:
        parameters = _NO_PARAMETERS
    if flaw := _flaw(json.dumps(parameters)):
        raise InvalidBody({f"{place}.function.parameters": flaw})
    return base.ToolSpec(
        name,
        ""
        if description is None
        else _string(description, f"{place}.function.description"),
        parameters,
    )


@lru_cache(maxsize=256)
def _flaw(schema: str) -> str | None:
    """Why a tool cannot have these parameters. A look takes a millisecond for each
    four of them, and a client posts the same tools with every message."""
    try:
        schemas.check_schema(json.loads(schema))
    except schemas.Flaw as flaw:
        return str(flaw)
    return None


def _refuse_what_would_be_missed(body: Mapping[str, Any]) -> None:
    choices = body.get("n")
    if choices is not None and (type(choices) is not int or choices != 1):
        raise InvalidBody(
            {"n": "An agent gives one answer: leave it out, or make it 1."}
        )
    form = _object(body.get("response_format"), "response_format")
    if form.get("type", "text") != "text":
        raise InvalidBody({"response_format": "Agents answer in text only."})
    if _flag(body.get("logprobs"), "logprobs"):
        raise InvalidBody({"logprobs": "Agents have none to give."})
    if body.get("modalities") not in (None, ["text"]):
        raise InvalidBody({"modalities": "Agents answer in text only."})
    if body.get("functions"):
        raise InvalidBody({"functions": "Send them as “tools”."})
    for name in ("max_tokens", "max_completion_tokens"):
        most = body.get(name)
        if most is not None and (type(most) is not int or most < 1):
            raise InvalidBody({name: "Must be a positive integer."})


def _conversation(metadata: object) -> str | None:
    name = _object(metadata, "metadata").get("conversation_id")
    if name is None:
        return None
    if not isinstance(name, str) or is_blank(name) or len(name) > MAX_NAME:
        raise InvalidBody(
            {
                "metadata.conversation_id": "Must be a string of your own,"
                f" not blank, at most {MAX_NAME} characters."
            }
        )
    return name


def _end_user(body: Mapping[str, Any], *, is_kept: bool) -> str | None:
    for field in ("user", "safety_identifier"):
        value = body.get(field)
        if value is None:
            continue
        text = _string(value, field)
        if is_user_id(text):
            return text
        # Else two people's conversations of one name would be the same.
        if is_kept:
            raise InvalidBody(
                {
                    field: "Must be 1 to 128 letters, digits, dots, underscores or"
                    " hyphens where the conversation has a name."
                }
            )
    return None


def _temperature(value: object) -> float | None:
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not 0 <= value <= MOST_TEMPERATURE
    ):
        raise InvalidBody({"temperature": "Must be a number from 0 to 2."})
    return min(float(value), 1.0)


def _flag(value: object, field: str) -> bool:
    if value is not None and not isinstance(value, bool):
        raise InvalidBody({field: "Must be true or false."})
    return bool(value)


def _object(value: object, field: str) -> Mapping[str, Any]:
    """What is absent is empty."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidBody({field: "Must be an object."})
    return value


def _string(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidBody({field: "Must be a string."})
    return value


def _id(value: object, field: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_ID:
        raise InvalidBody({field: f"Must be a string of 1 to {MAX_ID} characters."})
    return value


def _tool_name(value: object, field: str) -> str:
    if not isinstance(value, str) or not _TOOL.match(value):
        raise InvalidBody(
            {field: "Must be 1 to 60 letters, digits, underscores or hyphens."}
        )
    return value


def _parsed(text: str) -> dict[str, Any]:
    """A JSON object in a string, read as strictly as a body. InvalidBody."""
    return parse_object(text.encode("utf-8", "surrogatepass"))


# --- An answer ------------------------------------------------------------------------


def model_json(agent_id: int, *, created: int) -> dict[str, Any]:
    return {
        "id": model_name(agent_id),
        "object": "model",
        "created": created,
        "owned_by": "bookbag",
    }


@dataclass(frozen=True, slots=True)
class Completion:
    """The names of one answer: what its JSON, and each of its chunks, begins with."""

    id: str
    created: int
    model: str

    def whole(self, end: Finished, events: Sequence[Event]) -> dict[str, Any]:
        """The answer in one piece."""
        text = "".join(e.text for e in events if isinstance(e, Delta))
        calls = [e for e in events if isinstance(e, ToolCallAsked)]
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if calls and not text else text,
            "refusal": None,
        }
        if calls:
            message["tool_calls"] = [_call_json(call) for call in calls]
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": _finish_reason(end),
                }
            ],
            "usage": _usage(end),
        }


class Chunks:
    """Events in, chunks of one stream out, closed by `[DONE]`."""

    def __init__(self, names: Completion, *, include_usage: bool) -> None:
        self._names = names
        self._include_usage = include_usage
        self._begun = False
        self._calls = 0
        # A word's chunk is all the same but for the word.
        before, after = self._line({"content": ""}).split(b'"content":""')
        self._word = (before + b'"content":', after)

    def __call__(self, event: Event) -> tuple[bytes, ...]:
        if isinstance(event, Failed):
            return (data({"error": _error("server_error", event.message)}), DONE)
        opening: tuple[bytes, ...] = ()
        if not self._begun:
            self._begun = True
            first = {"role": "assistant", "content": "", "refusal": None}
            opening = (self._line(first),)
        match event:
            case Delta(text):
                before, after = self._word
                return (*opening, before + line(text) + after)
            case ToolCallAsked():
                call = {"index": self._calls, **_call_json(event)}
                self._calls += 1
                return (*opening, self._line({"tool_calls": [call]}))
            case Finished():
                return (*opening, *self._closing(event))

    def _closing(self, end: Finished) -> tuple[bytes, ...]:
        last = self._line({}, finish_reason=_finish_reason(end))
        if not self._include_usage:
            return last, DONE
        usage = {**self._head(), "choices": [], "usage": _usage(end)}
        return last, data(usage), DONE

    def _line(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {
            "index": 0,
            "delta": delta,
            "logprobs": None,
            "finish_reason": finish_reason,
        }
        chunk = {**self._head(), "choices": [choice]}
        if self._include_usage:
            chunk["usage"] = None
        return data(chunk)

    def _head(self) -> dict[str, Any]:
        return {
            "id": self._names.id,
            "object": "chat.completion.chunk",
            "created": self._names.created,
            "model": self._names.model,
        }


def error_json(problem: ApiError) -> dict[str, Any]:
    """An error in OpenAI's words where it has some, in ours where it has none."""
    kind, code = _KINDS.get(problem.code, (_REFUSED, problem.code.lower()))
    field = next(iter(problem.details), None)
    return {"error": _error(kind, problem.message, code=code, param=field)}


_REFUSED = "invalid_request_error"
_KINDS: dict[str, tuple[str, str | None]] = {
    "AUTH_MISSING_API_KEY": (_REFUSED, "invalid_api_key"),
    "AUTH_INVALID_API_KEY": (_REFUSED, "invalid_api_key"),
    "RATE_LIMIT_TOO_MANY_REQUESTS": ("requests", "rate_limit_exceeded"),
    "VALIDATION_INVALID_BODY": (_REFUSED, None),
    "INTERNAL_SERVER_ERROR": ("server_error", None),
}


def _error(
    kind: str, message: str, *, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    return {"message": message, "type": kind, "param": param, "code": code}


def _finish_reason(end: Finished) -> str:
    if end.reason == "tool-calls":
        return "tool_calls"
    return "length" if end.is_cut else "stop"


def _call_json(call: ToolCallAsked) -> dict[str, Any]:
    arguments = orjson.dumps(call.input).decode()
    return {
        "id": call.call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _usage(end: Finished) -> dict[str, int]:
    return {
        "prompt_tokens": end.input_tokens,
        "completion_tokens": end.output_tokens,
        "total_tokens": end.input_tokens + end.output_tokens,
    }
