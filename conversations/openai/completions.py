"""Answers: events as one chat completion, or as the chunks of its stream."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from conversations.events import Delta, Event, Failed, Finished, ToolCallAsked
from conversations.openai.errors import error_body
from conversations.streams import DONE, data, line


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
            return (data(error_body("server_error", event.message)), DONE)
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
