"""Who is handling a conversation: the AI, a person, nobody yet, or nobody any more."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import OuterRef, Q, Subquery

from conversations.models import (
    Conversation,
    ConversationEvent,
    ConversationStatus,
    EventKind,
)


@dataclass(frozen=True)
class Handling:
    """`person` is who took over or answered last; "" where nobody has come yet."""

    status: str
    person: str = ""

    @property
    def words(self) -> str:
        if self.status == ConversationStatus.BOT:
            return "AI"
        if self.status == ConversationStatus.RESOLVED:
            return "Ended"
        return self.person or "Waiting for a person"

    @property
    def look(self) -> str:
        if self.status != ConversationStatus.ESCALATED:
            return ""
        return "good" if self.person else "warn"


def handling_of(conversations: Iterable[Conversation]) -> dict[int, Handling]:
    """By the conversation's id. One query, where people have taken one over."""
    conversations = list(conversations)
    escalated = [
        one.pk for one in conversations if one.status == ConversationStatus.ESCALATED
    ]
    # A person writes only while it is taken over: so the newest of these is of the
    # present takeover, and one without an actor came by the API.
    came = Q(kind=EventKind.TAKEOVER) | Q(kind=EventKind.MESSAGE, actor__isnull=False)
    of_one = ConversationEvent.objects.filter(came, conversation=OuterRef("pk"))
    newest = of_one.order_by("-seq").values("pk")[:1]
    taken = Conversation.objects.filter(pk__in=escalated).values(last=Subquery(newest))
    events = ConversationEvent.objects.filter(pk__in=taken, actor__isnull=False)
    people = {
        event.conversation_id: event.actor.get_full_name()
        for event in events.select_related("actor")
        if event.actor
    }
    return {
        one.pk: Handling(one.status, people.get(one.pk, "")) for one in conversations
    }
