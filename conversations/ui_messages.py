"""The wire dialect of the Vercel AI SDK: its UI message stream, and the body that its
chats post. Both pure; `conversations.api.ui_messages` looks things up.

One message of the SDK may be several of ours: where a client's tool was called, the
reply made with its result goes on in the message that called it, under that one's id.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from rest_framework import serializers

from bookbag.api.errors import InvalidBody
from bookbag.api.fields import MAX_ID, StrictCharField, UserIdField
from conversations.events import Delta, Event, Failed, Finished, ToolCallAsked
from conversations.streams import DONE, data, line, v2_metadata

HEADER = "x-vercel-ai-ui-message-stream"
VERSION = "v1"

MAX_CHAT_ID = 255  # characters
MAX_CALL_ID = 80  # characters; none of ours is longer
MAX_RESULTS = 64  # in one step; a reply makes far fewer calls

SUBMIT = "submit-message"
REGENERATE = "regenerate-message"
ROLES = ("system", "user", "assistant")
OUTPUTS = ("output-available", "output-error")
TEXT_ID = "text"  # of the one piece of text that a reply has

_OURS = re.compile(r"\Amsg_([0-9]{1,19})\Z")
_DELTA = b'data: {"type":"text-delta","id":"' + TEXT_ID.encode() + b'","delta":'


# --- The stream -------------------------------------------------------------------


class UIMessageStream:
    """The encoder of one stream: what it says next depends on what it has said.

    No fields but those that the SDK's first release of the protocol knew, which took
    no others.
    """

    def __init__(self, message_id: str | None) -> None:
        self._message_id = message_id
        self._has_begun = self._is_in_text = False

    def __call__(self, event: Event) -> tuple[bytes, ...]:
        match event:
            case Delta(text):
                return (*self._open_text(), _DELTA + line(text) + b"}\n\n")
            case ToolCallAsked(call_id, name, arguments):
                call = {"toolCallId": call_id, "toolName": name, "input": arguments}
                frame = data({"type": "tool-input-available", **call})
                return (*self._close_text(), frame)
            case Finished():
                return (*self._finish(event), DONE)
            case Failed(message):
                return (data({"type": "error", "errorText": message}), DONE)

    def _begin(self) -> Iterator[bytes]:
        if not self._has_begun:
            self._has_begun = True
            yield self._start()
            yield data({"type": "start-step"})

    def _start(self) -> bytes:
        named = {"messageId": self._message_id} if self._message_id else {}
        return data({"type": "start", **named})

    def _open_text(self) -> Iterator[bytes]:
        yield from self._begin()
        if not self._is_in_text:
            self._is_in_text = True
            yield data({"type": "text-start", "id": TEXT_ID})

    def _close_text(self) -> Iterator[bytes]:
        yield from self._begin()
        if self._is_in_text:
            self._is_in_text = False
            yield data({"type": "text-end", "id": TEXT_ID})

    def _finish(self, event: Finished) -> Iterator[bytes]:
        if event.message_id is None:
            # Nobody replied. Metadata would make the SDK show an empty message.
            yield self._start()
            yield data({"type": "finish"})
            return
        yield from self._close_text()
        yield data({"type": "finish-step"})
        metadata = {**v2_metadata(event), "finishReason": event.reason}
        yield data({"type": "finish", "messageMetadata": metadata})


# --- The body ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What a chat of the SDK wants.

    `text` is the user's message, if that is the last one; `results` are the outputs of
    tools in the assistant's last message, as pairs of a call's id and its output, and
    `goes_on` is that message's id where the reply is to be added to it. To `regenerate`
    is to make anew the reply `regenerated`, or else, where the chat does not know that
    id, the first one after `known`, the newest of our replies that it still has.
    """

    chat_id: str
    user_id: str | None
    text: str | None
    results: tuple[tuple[str, object], ...] = ()
    goes_on: str | None = None
    regenerate: bool = False
    regenerated: int | None = None
    known: int | None = None


def is_posted(body: Mapping[str, Any]) -> bool:
    """Whether the body is the SDK's; else it is v2's own."""
    return "messages" in body


def read(body: Mapping[str, Any], *, max_length: int, max_output: int) -> Posted:
    """What the SDK's body says; a text may have so many characters, a tool's output so
    many bytes. InvalidBody."""
    form = _Chat(data=body)
    if not form.is_valid():
        raise InvalidBody(form.errors)
    chat = form.validated_data
    messages = _messages(body["messages"])
    last = messages[-1]
    regenerate = chat["trigger"] == REGENERATE
    text = None
    if last["role"] == "user":
        text = _text(last, f"messages.{len(messages) - 1}", max_length)
    results = () if regenerate else _results(messages, max_output)
    if text is None and not results:
        raise InvalidBody(
            {"messages": "The last one must be the user's, or have a tool's output."}
        )
    return Posted(
        chat_id=chat["id"],
        user_id=chat.get("userId"),
        text=text,
        results=results,
        goes_on=_string(last.get("id")) if text is None else None,
        regenerate=regenerate,
        regenerated=_own_id(chat.get("messageId")) if regenerate else None,
        known=_newest_known(messages),
    )


class _Chat(serializers.Serializer):
    """The body without its messages."""

    id = StrictCharField(max_length=MAX_CHAT_ID, trim_whitespace=False)
    userId = UserIdField(required=False, allow_null=True)
    trigger = serializers.ChoiceField(choices=[SUBMIT, REGENERATE], default=SUBMIT)
    messageId = StrictCharField(required=False, allow_null=True, allow_blank=True)


def _messages(value: Any) -> list[dict[str, Any]]:
    """The messages, each of them an object with a role and parts."""
    if not isinstance(value, list) or not value:
        raise InvalidBody({"messages": "Must be a list of one message or more."})
    for number, message in enumerate(value):
        path = f"messages.{number}"
        if not isinstance(message, dict):
            raise InvalidBody({path: "Must be an object with a role and parts."})
        if message.get("role") not in ROLES:
            raise InvalidBody({f"{path}.role": f"Must be one of {', '.join(ROLES)}."})
        parts = message.get("parts")
        if not isinstance(parts, list) or not all(isinstance(p, dict) for p in parts):
            raise InvalidBody({f"{path}.parts": "Must be a list of objects."})
    return value


def _text(message: dict[str, Any], path: str, max_length: int) -> str:
    """What a user's message says, its pieces of text one below the other."""
    texts = []
    for number, part in enumerate(message["parts"]):
        if part.get("type") == "file":
            # To answer as if it were not there would be to answer something else.
            raise InvalidBody(
                {f"{path}.parts.{number}": "Files are not read. Send text only."}
            )
        if part.get("type") == "text":
            texts.append(_string(part.get("text")) or "")
    try:
        field = StrictCharField(max_length=max_length)
        return str(field.run_validation("\n".join(texts)))
    except serializers.ValidationError as problem:
        raise InvalidBody({f"{path}.parts": problem.detail}) from None


def _results(
    messages: list[dict[str, Any]], max_output: int
) -> tuple[tuple[str, object], ...]:
    """The outputs in the newest step of the assistant's last message. A chat repeats
    them with each message that follows; whether they are news, the calls know."""
    for number in reversed(range(len(messages))):
        if messages[number]["role"] == "assistant":
            parts = messages[number]["parts"]
            found = _outputs(parts, f"messages.{number}.parts", max_output)
            if len(found) > MAX_RESULTS:
                raise InvalidBody(
                    {"messages": f"At most {MAX_RESULTS} outputs at a time."}
                )
            return tuple(found.items())
    return ()


def _outputs(
    parts: list[dict[str, Any]], path: str, max_output: int
) -> dict[str, object]:
    found: dict[str, object] = {}
    for number, part in enumerate(parts):
        if part.get("type") == "step-start":
            found.clear()
        elif _is_answered(part):
            call_id = _string(part.get("toolCallId"))
            if not call_id or len(call_id) > MAX_CALL_ID:
                raise InvalidBody(
                    {f"{path}.{number}.toolCallId": "Must be the id of a call."}
                )
            output = part.get("output")
            if part["state"] == "output-error":
                output = {"error": _string(part.get("errorText")) or "failed"}
            if len(orjson.dumps(output)) > max_output:
                raise InvalidBody(
                    {f"{path}.{number}.output": f"At most {max_output} bytes of JSON."}
                )
            found[call_id] = output
    return found


def _is_answered(part: dict[str, Any]) -> bool:
    kind = _string(part.get("type")) or ""
    return (
        (kind.startswith("tool-") or kind == "dynamic-tool")
        and part.get("state") in OUTPUTS
        and not part.get("preliminary")
    )


def _newest_known(messages: list[dict[str, Any]]) -> int | None:
    """The newest of our replies that these have. Where one goes on in another's
    message, its id is in the metadata only."""
    for message in reversed(messages):
        metadata = message.get("metadata")
        within = metadata.get("messageId") if isinstance(metadata, dict) else None
        ids = [_own_id(message.get("id")), _own_id(within)]
        if message["role"] == "assistant" and any(ids):
            return max(one for one in ids if one)
    return None


def _own_id(value: Any) -> int | None:
    """The number in an id of ours; messages that the client made have others."""
    match = _OURS.match(_string(value) or "")
    number = int(match[1]) if match else 0
    return number if 0 < number <= MAX_ID else None


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None
