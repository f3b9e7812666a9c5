"""What happened to a conversation, in order: a sequence that a reader can follow.

An event is numbered by its conversation's row, which stays locked until the transaction
ends; so whoever has read event n has seen all before it, and misses none.
"""

from typing import Any

from django.db.models import F

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
    return conversation.last_seq


def append(
    conversation_id: int,
    workspace_id: int,
    kind: EventKind,
    *,
    message_id: int | None = None,
    actor_id: int | None = None,
    **changes: Any,
) -> int:
    """Adds an event and says its number. `changes` go into the conversation's row with
    it. Call it within the transaction of the event's cause, before other rows of the
    conversation are touched: everybody locks that row first."""
    conversation = Conversation.objects.filter(pk=conversation_id)
    conversation.update(last_seq=F("last_seq") + 1, **changes)
    seq: int = conversation.values_list("last_seq", flat=True).get()
    ConversationEvent.objects.create(
        workspace_id=workspace_id,
        conversation_id=conversation_id,
        seq=seq,
        kind=kind,
        message_id=message_id,
        actor_id=actor_id,
    )
    return seq
