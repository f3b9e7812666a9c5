"""A reply that is asked for again, under the Idempotency-Key it was asked for with."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from apikeys.models import IdempotencyKey
from bookbag import threads
from bookbag.api.errors import NotFound
from conversations import resume
from conversations.events import Finished
from conversations.models import Conversation, Message
from conversations.resume import Replay
from conversations.runs import Run
from conversations.turns import Ids

log = structlog.get_logger(__name__)

T = TypeVar("T")


async def follow(done: IdempotencyKey) -> Run | Replay:
    """The reply that the key stands for, from its first event on. NotFound where the
    conversation has been deleted since."""
    assert done.conversation_id is not None
    try:
        if done.message_id is None:
            return await threads.run(
                _silent, done.conversation_id, done.user_message_id
            )
        return await resume.follow(done.message_id, done.conversation_id)
    except (Message.DoesNotExist, Conversation.DoesNotExist):
        raise NotFound from None


def later(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Does it whether or not anybody waits."""
    # A context of its own: the request's ends with the response.
    task = asyncio.create_task(work, context=contextvars.Context())
    _tasks.add(task)
    task.add_done_callback(_done)
    return task


def _done(task: "asyncio.Task[Any]") -> None:
    _tasks.discard(task)
    # If nobody waits any more, nobody asks for the exception.
    if not task.cancelled() and (error := task.exception()):
        log.debug("not_kept", error=type(error).__name__)


_tasks: "set[asyncio.Task[Any]]" = set()  # the loop itself keeps only weak references


def _silent(conversation_id: int, user_message_id: int | None) -> Replay:
    """People had taken over: the message was stored for them, and that was all."""
    conversation = Conversation.objects.get(pk=conversation_id)
    finished = Finished(conversation_id, user_message_id, None, conversation.end_user)
    return Replay(0, Ids(conversation_id, user_message_id, None), [finished])
