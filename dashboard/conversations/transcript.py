"""A conversation as it is read: what was said, and in between what happened."""

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Subquery

from conversations.models import (
    LIVE,
    Conversation,
    ConversationEvent,
    EventKind,
    Message,
    MessageRole,
    ReplyStatus,
    ToolCall,
    ToolCallStatus,
)

PAGE = 200  # messages
CONFIDENCE = {
    "sure": "Sure of its sources",
    "hedged": "Not quite sure",
    "unknown": "Found no answer",
}
CALLS = {
    ToolCallStatus.PENDING: "waits for its result",
    ToolCallStatus.SUBMITTED: "answered",
    ToolCallStatus.USED: "answered",
    ToolCallStatus.ABANDONED: "given up",
    ToolCallStatus.EXPIRED: "never answered",
}
HAPPENED = {
    EventKind.TAKEOVER: "took over",
    EventKind.HANDBACK: "handed back to the AI",
    EventKind.RESOLVE: "ended the conversation",
    EventKind.REOPEN: "The conversation was opened again",
}


@dataclass(frozen=True)
class Quote:
    """A citation. `url` is one that a browser may follow, or ""."""

    index: str
    title: str
    url: str
    text: str


@dataclass(frozen=True)
class Call:
    """A tool call, with what went in and what came back as people read JSON."""

    name: str
    id: str
    state: str
    input: str
    output: str | None


@dataclass(frozen=True)
class Said:
    """A message."""

    message: Message
    name: str
    quotes: list[Quote] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    is_event = False

    @property
    def is_live(self) -> bool:
        return self.message.status in LIVE

    @property
    def is_failed(self) -> bool:
        return self.message.status == ReplyStatus.FAILED

    @property
    def is_partial(self) -> bool:
        return self.message.status == ReplyStatus.PARTIAL

    @property
    def confidence(self) -> str:
        return CONFIDENCE.get(self.message.confidence, "")

    @property
    def percent(self) -> int | None:
        score = self.message.score
        return None if score is None else round(100 * score)


@dataclass(frozen=True)
class Happened:
    """An event."""

    event: ConversationEvent
    words: str
    is_event = True


def transcript(
    conversation: Conversation, *, visitor: str, before: int | None = None
) -> tuple[list[Said | Happened], int | None]:
    """The newest messages, or those before one, in order; and the first one's id where
    there are earlier ones. Three queries."""
    messages, earlier = _messages(conversation, before)
    calls = _calls(messages)
    said = [
        Said(
            message=one,
            name=_name(one, conversation, visitor),
            quotes=[quote for quote in map(_quote, one.citations) if quote],
            calls=calls[one.pk],
        )
        for one in messages
    ]
    happened = _events(conversation, messages, is_first=earlier is None, before=before)
    return list(_woven(said, happened)), earlier


def _messages(
    conversation: Conversation, before: int | None
) -> tuple[list[Message], int | None]:
    """All but what a retry replaced and what only the model is told; failures too."""
    messages = Message.objects.for_workspace(conversation.workspace_id).visible()
    shown = messages.filter(conversation=conversation).exclude(role=MessageRole.SYSTEM)
    if before is not None:
        shown = shown.filter(pk__lt=before)
    newest = shown.select_related("author").defer("journal").order_by("-pk")
    found = list(newest[: PAGE + 1])
    page = found[:PAGE]
    earlier = page[-1].pk if len(found) > PAGE else None
    return page[::-1], earlier


def _calls(messages: Iterable[Message]) -> dict[int, list[Call]]:
    makers = [one.pk for one in messages if one.role == MessageRole.ASSISTANT]
    calls: dict[int, list[Call]] = defaultdict(list)
    for call in ToolCall.objects.filter(message__in=makers).order_by("pk"):
        answered = call.status in (ToolCallStatus.SUBMITTED, ToolCallStatus.USED)
        calls[call.message_id].append(
            Call(
                name=call.name,
                id=call.call_id,
                state=CALLS[ToolCallStatus(call.status)],
                input=_pretty(call.input),
                output=_pretty(call.output) if answered else None,
            )
        )
    return calls


def _events(
    conversation: Conversation,
    messages: Sequence[Message],
    *,
    is_first: bool,
    before: int | None,
) -> list[Happened]:
    """What happened while these messages were said."""
    events = ConversationEvent.objects.for_workspace(conversation.workspace_id)
    events = events.filter(conversation=conversation, kind__in=HAPPENED)
    if messages and not is_first:
        events = events.filter(created_at__gte=messages[0].created_at)
    if before is not None:
        next_page = Message.objects.filter(conversation=conversation, pk=before)
        events = events.filter(
            created_at__lt=Subquery(next_page.values("created_at")[:1])
        )
    newest = events.select_related("actor").order_by("-seq")[:PAGE]
    return [Happened(one, _words(one)) for one in reversed(newest)]


def _woven(
    said: Sequence[Said], happened: Sequence[Happened]
) -> Iterator[Said | Happened]:
    """Messages keep their order; an event stands before what was said after it."""
    waiting = deque(happened)
    for one in said:
        while waiting and waiting[0].event.created_at <= one.message.created_at:
            yield waiting.popleft()
        yield one
    yield from waiting


def _words(event: ConversationEvent) -> str:
    words = HAPPENED[EventKind(event.kind)]
    if event.kind == EventKind.REOPEN:
        return words
    return f"{event.actor.get_full_name() if event.actor else 'The API'} {words}"


def _name(message: Message, conversation: Conversation, visitor: str) -> str:
    if message.role == MessageRole.USER:
        return visitor
    return message.author.get_full_name() if message.author else conversation.agent.name


def _quote(citation: Any) -> Quote | None:
    """None for what is no citation of ours: imported ones may be anything."""
    if not isinstance(citation, dict):
        return None
    url = str(citation.get("url") or "")
    return Quote(
        index=str(citation.get("index", "")),
        title=str(citation.get("title") or url or "A source"),
        url=url if url.startswith(("https://", "http://")) else "",
        text=str(citation.get("quote") or citation.get("snippet") or ""),
    )


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
