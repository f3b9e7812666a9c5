"""A conversation's row, locked: whoever writes to a conversation locks it first."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import QuerySet

from conversations.models import Conversation

# Of a conversation, whose row is locked by all who write these.
CHANGING = ["status", "epoch", "last_seq", "updated_at"]


@contextmanager
def locked(conversation_id: int) -> Iterator[Conversation]:
    """A transaction that holds the conversation's row; if something is noted in its
    timeline, that and what it changes are saved with it."""
    with transaction.atomic():
        conversation = for_update().get(pk=conversation_id)
        seen = conversation.last_seq
        yield conversation
        if conversation.last_seq != seen:
            conversation.save(update_fields=CHANGING)


def for_update() -> QuerySet[Conversation]:
    # Not against those who add rows that refer to it.
    return Conversation.objects.select_for_update(no_key=True)
