"""Encoders: events in, the bytes of one wire dialect out. No database, no clock."""

from typing import Any

import orjson

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
