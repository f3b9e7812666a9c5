"""Calls of the client's tools: made by a reply, answered by the client, used by the
next reply. One that nobody answers within a day expires."""

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from agents.engine import base
from bookbag.api.errors import ToolCallNotFound
from bookbag.tenancy import TenantQuerySet
from conversations.models import (
    Message,
    MessageQuerySet,
    ReplyStatus,
    ToolCall,
    ToolCallStatus,
)

LIFE = timedelta(hours=24)
MOST = 16  # calls that one reply may make
BATCH = 500  # calls that one sweep expires


def make(
    reply_id: int,
    conversation_id: int,
    workspace_id: int,
    made: Iterable[base.ToolCall],
) -> None:
    """Writes a reply's calls; from now on they wait for their results."""
    now = timezone.now()
    ToolCall.objects.bulk_create(
        ToolCall(
            workspace_id=workspace_id,
            conversation_id=conversation_id,
            message_id=reply_id,
            call_id=call.id,
            name=call.name,
            input=call.input,
            created_at=now,
            expires_at=now + LIFE,
        )
        for call in made
    )


def is_pending(conversation_id: int, call_id: str) -> bool:
    return _pending(conversation_id, call_id).exists()


def submit(conversation_id: int, call_id: str, output: object) -> None:
    """Keeps a call's result. ToolCallNotFound unless the call is pending: so of two
    submissions one is kept, and the other is told."""
    kept = _pending(conversation_id, call_id).update(
        status=ToolCallStatus.SUBMITTED, output=output, submitted_at=timezone.now()
    )
    if not kept:
        raise ToolCallNotFound


def waiting(conversation_id: int) -> list[str]:
    """The names of tools whose results are still awaited."""
    return list(
        _shown(conversation_id)
        .filter(status=ToolCallStatus.PENDING, expires_at__gt=timezone.now())
        .order_by("id")
        .values_list("name", flat=True)
    )


def unused(conversation_id: int) -> ToolCall | None:
    """The newest call with a result that no reply has used yet."""
    ready = _shown(conversation_id).filter(status=ToolCallStatus.SUBMITTED)
    return ready.select_related("message").order_by("-id").first()


def abandon(conversation_id: int) -> None:
    """The conversation goes on without the results that it waited for."""
    ToolCall.objects.filter(
        conversation=conversation_id, status=ToolCallStatus.PENDING
    ).update(status=ToolCallStatus.ABANDONED)
    settle(conversation_id)


def settle(conversation_id: int) -> None:
    """Replies of this conversation wait for nothing any more."""
    Message.objects.filter(
        conversation=conversation_id, status=ReplyStatus.AWAITING_TOOL
    ).update(status=ReplyStatus.COMPLETE)


def use(conversation_id: int, reply_id: int, *, replaced_id: int | None = None) -> None:
    """The reply was made with all results there were; if it replaces another one, with
    the same as that."""
    ours = ToolCall.objects.filter(conversation=conversation_id)
    # A retry was told of nothing from the replaced reply on, whose calls may have been
    # answered meanwhile.
    told = ours.filter(message_id__lt=replaced_id or reply_id)
    told.filter(status=ToolCallStatus.SUBMITTED).update(
        status=ToolCallStatus.USED, used_by=reply_id
    )
    if replaced_id is not None:
        ours.filter(used_by=replaced_id).update(used_by=reply_id)


def drop(replaced: MessageQuerySet) -> None:
    """Calls of replies that are about to be hidden wait for nothing."""
    ToolCall.objects.filter(
        message__in=replaced,
        status__in=(ToolCallStatus.PENDING, ToolCallStatus.SUBMITTED),
    ).update(status=ToolCallStatus.ABANDONED)
    replaced.filter(status=ReplyStatus.AWAITING_TOOL).update(
        status=ReplyStatus.COMPLETE
    )


def expire() -> int:
    """Ends calls that nobody has answered in time; says how many."""
    late = ToolCall.objects.filter(
        status=ToolCallStatus.PENDING, expires_at__lte=timezone.now()
    )
    with transaction.atomic():
        # Whoever holds one of them is about to end it as well.
        mine = late.select_for_update(skip_locked=True, no_key=True)
        ids = list(mine.values_list("id", flat=True)[:BATCH])
        ToolCall.objects.filter(id__in=ids).update(status=ToolCallStatus.EXPIRED)
        still = ToolCall.objects.filter(status=ToolCallStatus.PENDING)
        Message.objects.filter(
            id__in=ToolCall.objects.filter(id__in=ids).values("message_id"),
            status=ReplyStatus.AWAITING_TOOL,
        ).exclude(id__in=still.values("message_id")).update(status=ReplyStatus.COMPLETE)
    return len(ids)


def _pending(conversation_id: int, call_id: str) -> TenantQuerySet[ToolCall]:
    # No join to see whether a retry has hidden the reply: that abandons its calls.
    return ToolCall.objects.filter(
        conversation=conversation_id,
        call_id=call_id,
        status=ToolCallStatus.PENDING,
        expires_at__gt=timezone.now(),
    )


def _shown(conversation_id: int) -> TenantQuerySet[ToolCall]:
    return ToolCall.objects.filter(
        conversation=conversation_id, message__hidden_at=None
    )
