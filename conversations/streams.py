"""Encoders: events in, the bytes of one wire dialect out. No database, no clock."""

from collections.abc import Callable
from typing import Any

import orjson

from bookbag.api.errors import AnswerBroken
from conversations.events import Delta, Event, Failed, Finished, ToolCallAsked

DONE = b"data: [DONE]\n\n"


def v2_frames(event: Event) -> tuple[bytes, ...]:
    """API v2: bare `data:` lines, each one JSON object, closed by `[DONE]`."""
    match event:
        case Delta(text):
            return (_DELTA + line(text) + b"}\n\n",)
        case ToolCallAsked(call_id, name, arguments):
            call = {"toolCallId": call_id, "toolName": name, "input": arguments}
            return (data({"type": "tool-call", **call}),)
        case Finished():
            metadata = v2_metadata(event)
            finish = {"finishReason": event.reason, "metadata": metadata}
            return (data({"type": "finish", **finish}), DONE)
        case Failed(message):
            return (data({"type": "error", "errorText": message}), DONE)


def v2_metadata(event: Finished) -> dict[str, Any]:
    return {
        "userMessageId": event.user_message_id and f"msg_{event.user_message_id}",
        "conversationId": event.conversation_id and str(event.conversation_id),
        "userId": event.end_user,
        "messageId": event.message_id and f"msg_{event.message_id}",
        "usage": {"credits": event.credits},
    }


def plain_text(event: Event) -> tuple[bytes, ...]:
    """API v1 as Chatbase streams: the text and nothing else. There is no word for a
    failure: AnswerBroken."""
    match event:
        case Delta(text) if text:
            return (text.encode(),)
        case Failed():
            raise AnswerBroken
    return ()


class NamedEvents:
    """API v1 for visitors: events with names. One for each stream: the last event has
    the whole text. `token_of` signs a conversation's id."""

    def __init__(self, token_of: Callable[[int], str]) -> None:
        self._token_of = token_of
        self._text: list[str] = []

    def __call__(self, event: Event) -> tuple[bytes, ...]:
        match event:
            case Delta(text):
                self._text.append(text)
                return (_named(b"token", {"text": text}),)
            case ToolCallAsked():
                return ()  # no tools are offered here
            case Finished():
                cited = [_citation(one) for one in event.citations]
                end = _named(b"done", self._done(event))
                if not cited:
                    return (end,)
                return _named(b"citations", {"citations": cited}), end
            case Failed(message):
                error = {"code": "internal_error", "message": message}
                return (_named(b"error", error),)

    def _done(self, event: Finished) -> dict[str, Any]:
        assert event.conversation_id is not None  # a visitor's is always kept
        return {
            "conversationId": event.conversation_id,
            "messageId": event.message_id,
            "text": "".join(self._text),
            "visitorToken": self._token_of(event.conversation_id),
        }


def _named(name: bytes, payload: dict[str, Any]) -> bytes:
    return b"event: " + name + b"\n" + data(payload)


def _citation(stored: dict[str, Any]) -> dict[str, Any]:
    return {
        "index": stored["index"],
        "sourceId": stored["sourceId"],
        "title": stored["title"],
        "url": stored["url"],
        "snippet": stored["quote"],
    }


def v2_message(event: Finished, events: list[Event]) -> dict[str, Any]:
    """The same reply in one piece, for `stream: false`."""
    parts: list[dict[str, Any]] = []
    if text := "".join(e.text for e in events if isinstance(e, Delta)):
        parts.append({"type": "text", "text": text})
    parts += [
        {
            "type": "tool-call",
            "toolCallId": e.call_id,
            "toolName": e.name,
            "input": e.input,
        }
        for e in events
        if isinstance(e, ToolCallAsked)
    ]
    metadata = v2_metadata(event)
    return {
        "id": metadata["messageId"],
        "role": "assistant",
        "parts": parts,
        "metadata": {
            "messageId": metadata["messageId"],
            "userMessageId": metadata["userMessageId"],
            "conversationId": metadata["conversationId"],
            "userId": metadata["userId"],
            "finishReason": event.reason,
            "usage": metadata["usage"],
        },
    }


# JSON may hold these as they are, but many a client's "read a line" ends lines there.
_LINE_ENDS = {
    "\u0085".encode(): b"\\u0085",
    "\u2028".encode(): b"\\u2028",
    "\u2029".encode(): b"\\u2029",
}


_DELTA = b'data: {"type":"text-delta","text":'


def data(frame: dict[str, Any]) -> bytes:
    return b"data: " + line(frame) + b"\n\n"


def line(value: Any) -> bytes:
    payload = orjson.dumps(value)
    if not payload.isascii():
        for character, escaped in _LINE_ENDS.items():
            payload = payload.replace(character, escaped)
    return payload
