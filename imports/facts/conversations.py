"""What the source says of a conversation, and of what was said in it."""

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any, Self

from conversations.models import Channel
from imports.facts.marks import mark
from imports.facts.row import Misfit, Row, storable

LONGEST_MESSAGE = 200_000  # characters; whole documents are pasted into chats
# By the labels that v1 shows, and by the words of older and newer descriptions of it.
CHANNELS = {label.casefold(): Channel(value) for value, label in Channel.choices} | {
    "website": Channel.WIDGET,
    "widget": Channel.WIDGET,
    "iframe": Channel.WIDGET,
}


@dataclass(frozen=True, kw_only=True)
class MessageFacts:
    source_id: str  # "" where the source gives none
    role: str
    text: str
    score: float | None
    created_at: dt.datetime | None


@dataclass(frozen=True, kw_only=True)
class ConversationFacts:
    source_id: str
    title: str | None
    channel: Channel
    created_at: dt.datetime | None
    updated_at: dt.datetime | None
    last_message_at: dt.datetime | None
    min_score: float | None
    messages: list[MessageFacts]
    remarks: list[str]

    @classmethod
    def of(cls, raw: object) -> Self:
        row = Row(raw)
        source_id = row.id("id", "conversationId", "conversation_id")
        said = row.get("messages")
        if said is not None and not isinstance(said, list):
            raise Misfit("its messages are no list")
        messages = [message for one in said or [] if (message := _message(one, row))]
        source = row.get("source")
        label = source.strip().casefold() if isinstance(source, str) else ""
        return cls(
            source_id=source_id,
            title=row.text("title", most=120),
            channel=CHANNELS.get(label, Channel.UNSPECIFIED),
            created_at=row.time("created_at", "createdAt"),
            updated_at=row.time("updated_at", "updatedAt"),
            last_message_at=row.time("last_message_at", "lastMessageAt"),
            min_score=_score(row.get("min_score", "minScore")),
            messages=messages,
            remarks=row.remarks,
        )

    def chain(self, length: int) -> str:
        """A digest of the first so many messages."""
        return mark([[one.role, one.text] for one in self.messages[:length]])

    @property
    def marks(self) -> dict[str, Any]:
        last = self.messages[-1].source_id if self.messages else ""
        return {
            "length": len(self.messages),
            "chain": self.chain(len(self.messages)),
            "last": last,
            "updated_at": mark(self.updated_at),
        }


def _message(raw: object, conversation: Row) -> MessageFacts | None:
    """None, and a remark, for what is no message of words."""
    try:
        row = Row(raw)
    except Misfit:
        conversation.remarks.append("a message that is no JSON object stayed behind")
        return None
    role, content = row.get("role"), row.get("content", "text")
    if role not in ("user", "assistant"):
        conversation.remarks.append(
            "a message that is neither the user's nor the assistant's stayed behind"
        )
        return None
    if not isinstance(content, str):
        conversation.remarks.append("a message that is no text stayed behind")
        return None
    try:
        source_id = row.id("id")
    except Misfit:
        source_id = ""
    text = storable(content)
    if len(text) > LONGEST_MESSAGE:
        conversation.remarks.append(
            f"of a message the first {LONGEST_MESSAGE:,} characters were kept"
        )
    return MessageFacts(
        source_id=source_id,
        role=str(role),
        text=text[:LONGEST_MESSAGE],
        score=_score(row.get("score")) if role == "assistant" else None,
        created_at=row.time("createdAt", "created_at"),
    )


def _score(said: object) -> float | None:
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    try:
        score = float(said)
    except OverflowError:
        return None
    return score if math.isfinite(score) and 0 <= score <= 1 else None
