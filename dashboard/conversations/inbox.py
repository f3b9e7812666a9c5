"""An agent's conversations as a list: what is asked for, and a line for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

from django.db.models import F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Left
from django.http import QueryDict

from agents.models import Agent
from conversations import search
from conversations.access import conversations_of
from conversations.models import (
    Channel,
    Conversation,
    ConversationStatus,
    Feedback,
    Message,
    MessageQuerySet,
    MessageRole,
)
from dashboard.conversations.handling import Handling, handling_of
from dashboard.paging import Position, page_of

# As the API says it, and as people do.
STATUSES = {
    "ongoing": (ConversationStatus.BOT, "AI answers"),
    "taken_over": (ConversationStatus.ESCALATED, "With a person"),
    "ended": (ConversationStatus.RESOLVED, "Ended"),
}
RATINGS = {Feedback.POSITIVE: "Rated helpful", Feedback.NEGATIVE: "Rated unhelpful"}
SNIPPET = 240  # characters; more than a line holds
LONGEST = 200  # characters of a search, and of a user id some more than there may be


@dataclass(frozen=True)
class Filters:
    """What an address asks for; what it says that makes no sense is not asked."""

    q: str = ""
    status: str = ""
    source: str = ""
    feedback: str = ""
    user: str = ""

    @classmethod
    def of(cls, query: QueryDict) -> Self:
        return cls(
            q=_text(query, "q"),
            status=_choice(query, "status", list(STATUSES)),
            source=_choice(query, "source", Channel.values),
            feedback=_choice(query, "feedback", Feedback.values),
            user=_text(query, "user"),
        )

    @property
    def given(self) -> dict[str, str]:
        return {name: value for name, value in vars(self).items() if value}

    def query(self, before: Position | None = None) -> str:
        """The part of an address from its question mark on; "" where nothing is."""
        asked = self.given | ({"before": str(before)} if before else {})
        return f"?{urlencode(asked)}" if asked else ""

    def conversations(self, agent: Agent) -> QuerySet[Conversation]:
        found: QuerySet[Conversation] = conversations_of(agent)
        workspace = agent.workspace_id
        if self.status:
            found = found.filter(status=STATUSES[self.status][0])
        if self.source:
            found = found.filter(channel=self.source)
        if self.user:
            found = found.filter(end_user=self.user)
        if self.feedback:
            rated = _rated(workspace).filter(feedback=self.feedback)
            found = found.filter(pk__in=rated.values("conversation"))
        if self.q:
            saying = search.readable_messages(workspace, self.q)
            found = found.filter(pk__in=saying.values("conversation"))
        return found


@dataclass(frozen=True)
class Line:
    """A conversation in the list. `said` is what was said last, or what was found."""

    conversation: Conversation
    handling: Handling
    ratings: frozenset[str]
    speaker: str
    said: str


def lines(
    agent: Agent, filters: Filters, *, after: Position | None
) -> tuple[list[Line], Position | None]:
    """A page of the list, and after which row the next one begins."""
    rows, older = page_of(
        filters.conversations(agent).select_related("contact"),
        by="updated_at",
        after=after,
    )
    handling = handling_of(rows)
    ratings = _ratings(agent.workspace_id, rows)
    last = _last(agent.workspace_id, rows, filters.q)
    return [
        Line(
            conversation=row,
            handling=handling[row.pk],
            ratings=frozenset(ratings.get(row.pk, ())),
            speaker=_speaker(last.get(row.pk)),
            said=_excerpt(last.get(row.pk), filters.q),
        )
        for row in rows
    ], older


def _ratings(workspace: int, rows: Sequence[Conversation]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    rated = _rated(workspace).filter(conversation__in=rows)
    for one, feedback in rated.values_list("conversation", "feedback").distinct():
        found.setdefault(one, set()).add(feedback)
    return found


def _rated(workspace: int) -> MessageQuerySet:
    rated = Message.objects.for_workspace(workspace).filter(feedback__isnull=False)
    return rated.readable()


def _last(
    workspace: int, rows: Sequence[Conversation], words: str
) -> dict[int, Message]:
    """The newest message of each conversation that has all the words, if any are."""
    if words:
        messages = search.readable_messages(workspace, words)
        # What was found may stand anywhere in it.
        beginning = F("text")
    else:
        messages = Message.objects.for_workspace(workspace).readable()
        beginning = Left("text", Value(SNIPPET))
    newest = messages.filter(conversation=OuterRef("pk")).order_by("-pk")
    wanted = Conversation.objects.filter(pk__in=[row.pk for row in rows])
    last = Message.objects.filter(
        pk__in=wanted.values(last=Subquery(newest.values("pk")[:1]))
    )
    last = last.annotate(beginning=beginning).select_related("author")
    columns = ("conversation_id", "role", "author__name", "author__email")
    return {one.conversation_id: one for one in last.only(*columns)}


def _speaker(message: Message | None) -> str:
    if message is None or message.role == MessageRole.USER:
        return ""
    return message.author.get_short_name() if message.author else "Agent"


def _excerpt(message: Message | None, words: str) -> str:
    """The beginning, or what is around the first of the words."""
    text = getattr(message, "beginning", "")
    first = next(iter(words.replace('"', " ").split()), "")
    at = text.casefold().find(first.casefold()) if first else 0
    start = max(at - SNIPPET // 4, 0)
    return ("… " if start else "") + text[start : start + SNIPPET]


def _text(query: QueryDict, name: str) -> str:
    return query.get(name, "").replace("\0", "").strip()[:LONGEST]


def _choice(query: QueryDict, name: str, choices: Sequence[str]) -> str:
    word = query.get(name, "")
    return word if word in choices else ""
