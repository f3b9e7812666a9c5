"""How a turn ends before its reply is complete, as far as it has come: its maker is
gone, or somebody takes over, in that same transaction."""

from django.db import models
from django.utils import timezone

from conversations import timeline
from conversations.locks import locked
from conversations.models import (
    Conversation,
    EventKind,
    Message,
    MessageQuerySet,
    ReplyStatus,
)

MAKER_GONE = "The server stopped before the reply was complete."


def end(conversation: Conversation, turn: Message, *, error: str) -> bool:
    """Ends one turn of a locked conversation as far as it has come; later writes of its
    maker miss. Says whether it was still live."""
    return _end(conversation, turn, Message.objects.live(), error=error)


def end_live(conversation: Conversation, *, error: str) -> None:
    """Ends a locked conversation's turn, whoever is making it."""
    for turn in conversation.messages.live():
        end(conversation, turn, error=error)


def end_lost(conversation: Conversation) -> int:
    """Ends a locked conversation's turn if its maker is gone; says how many it ended.
    One that renews its lease meanwhile was only slow."""
    lost = Message.objects.lost()
    return sum(
        _end(conversation, turn, lost, error=MAKER_GONE)
        for turn in conversation.messages.lost()
    )


def reap() -> int:
    """Ends turns whose maker is gone, in all conversations; says how many."""
    ended = 0
    for conversation_id in Message.objects.lost().values_list(
        "conversation", flat=True
    ):
        with locked(conversation_id) as conversation:
            ended += end_lost(conversation)
    return ended


def _end(
    conversation: Conversation, turn: Message, among: MessageQuerySet, *, error: str
) -> bool:
    ended = among.filter(pk=turn.pk, fence=turn.fence).update(
        status=models.Case(
            models.When(text="", then=models.Value(ReplyStatus.FAILED)),
            default=models.Value(ReplyStatus.PARTIAL),
        ),
        fence=models.F("fence") + 1,
        error=error[:200],
        finished_at=timezone.now(),
        lease_expires_at=None,
    )
    if ended and Message.objects.readable().filter(pk=turn.pk).exists():
        timeline.add(conversation, EventKind.MESSAGE, message_id=turn.pk)
    return bool(ended)
