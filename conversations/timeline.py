"""What happened to a conversation, in order: a sequence that a reader can follow.

An event is numbered by its conversation's row, which stays locked until the transaction
ends; so whoever has read event n has seen all before it, and misses none.
"""

from functools import partial

from django.db import transaction

from conversations import feed
from conversations.models import Conversation, ConversationEvent, EventKind


def add(
    conversation: Conversation,
    kind: EventKind,
    *,
    message_id: int | None = None,
    actor_id: int | None = None,
) -> int:
    """Adds an event to a conversation whose row the caller has locked, and whose
    `last_seq` the caller saves afterwards; says the event's number."""
    conversation.last_seq += 1
    ConversationEvent.objects.create(
        workspace_id=conversation.workspace_id,
        conversation=conversation,
        seq=conversation.last_seq,
        kind=kind,
        message_id=message_id,
        actor_id=actor_id,
    )
    # Only a hint: whatever is wrong with it, what is committed is.
    transaction.on_commit(partial(feed.readers.hint, conversation.pk), robust=True)
    return conversation.last_seq
