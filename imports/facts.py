"""What an API like Chatbase's says of each thing, read with an open mind.

Names, types and times differ between its versions and its imitators. What is missing is
left empty, what is too long is cut and remarked on, and what makes no sense at all is a
Misfit: one row that stays behind, in a sentence that says why.
"""

import datetime as dt
import hashlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from agents.models import Agent
from bookbag.api.fields import is_blank
from bookbag.api.parsers import MAX_DEPTH
from contacts.attributes import LARGEST, RESERVED, size_of
from contacts.models import ATTRIBUTE_NAME, AttributeType, CustomAttribute, Lead
from contacts.models import Contact as ContactRow
from conversations.models import Channel

LONGEST_ID = 255
LONGEST_MESSAGE = 200_000  # characters; whole documents are pasted into chats

# By the labels that v1 shows, and by the words of older and newer descriptions of it.
CHANNELS = {label.casefold(): Channel(value) for value, label in Channel.choices} | {
    "website": Channel.WIDGET,
    "widget": Channel.WIDGET,
    "iframe": Channel.WIDGET,
}
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


def mark(value: object) -> str:
    """A short digest, by which a change is seen. Nothing can be read from it."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _longest(model: type, name: str) -> int:
    most = model._meta.get_field(name).max_length  # type: ignore[attr-defined]
    assert most is not None
    return most


# --- Agents -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AgentFacts:
    source_id: str
    name: str
    instructions: str | None
    model: str | None
    is_public: bool
    created_at: dt.datetime | None
    updated_at: dt.datetime | None
    remarks: list[str]

    @classmethod
    def of(cls, raw: object) -> Self:
        row = Row(raw)
        source_id = row.id("id", "chatbotId", "chatbot_id")
        name = row.text(
            "name", "chatbotName", "chatbot_name", most=_longest(Agent, "name")
        )
        return cls(
            source_id=source_id,
            name=f"Chatbot {source_id}"[:120] if is_blank(name or "") else name or "",
            instructions=row.text(
                "instructions", "basePrompt", most=_longest(Agent, "instructions")
            ),
            model=row.text("model", most=_longest(Agent, "model")) or None,
            is_public=row.get("visibility") != "private",
            created_at=row.time("created_at", "createdAt"),
            updated_at=row.time("updated_at", "updatedAt"),
            remarks=row.remarks,
        )

    @property
    def marks(self) -> dict[str, Any]:
        return {
            "name": mark(self.name),
            "instructions": mark(self.instructions),
            "model": mark(self.model),
            "is_public": mark(self.is_public),
        }


# --- Conversations ----------------------------------------------------------------


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


# --- Leads ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class LeadFacts:
    source_id: str
    name: str | None
    email: str | None
    phone: str | None
    created_at: dt.datetime | None
    remarks: list[str]

    @classmethod
    def of(cls, raw: object) -> Self:
        row = Row(raw)
        name = row.text("name", most=_longest(Lead, "name"))
        email = row.text("email", most=_longest(Lead, "email"))
        phone = row.text(
            "phone", "phonenumber", "phone_number", most=_longest(Lead, "phone")
        )
        created_at = row.time("created_at", "createdAt")
        details = [name or None, email or None, phone or None]
        if not any(details):
            raise Misfit("it has neither a name nor an e-mail address nor a phone")
        try:
            source_id = row.id("id")
        except Misfit:  # some give none; the same details at the same time are the same
            source_id = f"details:{mark([*details, created_at])}"
        return cls(
            source_id=source_id,
            name=details[0],
            email=details[1],
            phone=details[2],
            created_at=created_at,
            remarks=row.remarks,
        )

    @property
    def given(self) -> dict[str, Any]:
        """As a form that was filled in."""
        details = {"name": self.name, "email": self.email, "phone": self.phone}
        return {name: value for name, value in details.items() if value}

    @property
    def marks(self) -> dict[str, Any]:
        return {}  # a lead does not change


# --- Contacts and what is known of them -------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AttributeFacts:
    name: str
    label: str
    type: str
    description: str
    archived: bool
    remarks: list[str]

    @property
    def source_id(self) -> str:
        return self.name

    @classmethod
    def of(cls, raw: object) -> Self:
        row = Row(raw)
        name = row.id("name")
        if not re.match(ATTRIBUTE_NAME, name) or name in RESERVED:
            raise Misfit("its name is no name of an attribute")
        if len(name) > _longest(CustomAttribute, "name"):
            raise Misfit("its name is too long")
        kind = row.get("type") or AttributeType.TEXT
        if kind not in AttributeType.values:
            raise Misfit("its type is none of text, number, boolean and date")
        label = row.text("label", most=_longest(CustomAttribute, "label"))
        description = row.text(
            "description", most=_longest(CustomAttribute, "description")
        )
        return cls(
            name=name,
            label=label or name,
            type=str(kind),
            description=description or "",
            archived=row.get("archived") is True,
            remarks=row.remarks,
        )

    @property
    def marks(self) -> dict[str, Any]:
        return {
            "label": mark(self.label),
            "description": mark(self.description),
            "archived": mark(self.archived),
        }


@dataclass(frozen=True, kw_only=True)
class ContactFacts:
    source_id: str
    external_id: str
    name: str | None
    email: str | None
    phonenumber: str | None
    stripe_accounts: list[dict[str, str]]
    custom_attributes: dict[str, object]
    created_at: dt.datetime | None
    updated_at: dt.datetime | None
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, raw: object) -> Self:
        row = Row(raw)
        attributes = row.get("custom_attributes", "customAttributes") or {}
        if not isinstance(attributes, dict):
            raise Misfit("its custom attributes are no JSON object")
        attributes = _storable_json(attributes)
        if size_of(attributes) > LARGEST:
            kib = LARGEST // 1024
            raise Misfit(f"its custom attributes are larger than {kib} KiB")
        accounts = row.get("stripe_accounts", "stripeAccounts")
        return cls(
            source_id=row.id("id", "external_id", "externalId"),
            external_id=row.id("external_id", "externalId", "id"),
            name=row.text("name", most=_longest(ContactRow, "name")),
            email=row.text("email", most=_longest(ContactRow, "email")),
            phonenumber=row.text(
                "phonenumber", "phone", most=_longest(ContactRow, "phonenumber")
            ),
            stripe_accounts=_accounts(accounts),
            custom_attributes=attributes,
            created_at=row.time("created_at", "createdAt"),
            updated_at=row.time("updated_at", "updatedAt"),
            remarks=row.remarks,
        )

    @property
    def values(self) -> dict[str, Any]:
        """As our columns are called."""
        names = ("external_id", "name", "email", "phonenumber")
        return {name: getattr(self, name) for name in names} | {
            "stripe_accounts": self.stripe_accounts,
            "custom_attributes": self.custom_attributes,
        }

    @property
    def marks(self) -> dict[str, Any]:
        return {"row": mark([self.values, self.updated_at])}


def _accounts(said: object) -> list[dict[str, str]]:
    accounts: Iterable[object] = said if isinstance(said, list) else ()
    kept = [
        {
            name: storable(one[name])[:255]
            for name in ("label", "stripe_id", "stripe_email")
            if isinstance(one.get(name), str)
        }
        for one in accounts
        if isinstance(one, dict)
    ]
    return [one for one in kept if one][:100]


def _storable_json(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Raises Misfit for what the API would not take either, nor every database."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, int | float) and not _is_finite(value):
        raise Misfit("its custom attributes have a number that is out of range")
    if isinstance(value, list | dict) and not depth:
        raise Misfit(f"its custom attributes are nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, list):
        return [_storable_json(one, depth - 1) for one in value]
    if isinstance(value, dict):
        return {storable(n): _storable_json(one, depth - 1) for n, one in value.items()}
    return value


def _is_finite(number: int | float) -> bool:
    try:
        return math.isfinite(number)  # Python reads 1e999 as infinity
    except OverflowError:
        return False
