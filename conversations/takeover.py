"""People step in: they take a conversation over, answer in it, hand it back, end it.

Each is one transaction that holds the conversation's row from its beginning, as the
beginning and the completion of a reply do. So a reply is complete before a takeover, or
it never is: the takeover ends it as far as it had been saved, and whatever its maker
does later misses (`docs/decisions/005`).

All but `reply` may be repeated: what is already so is left as it is.
"""

from functools import partial

from django.db import transaction
from django.utils import timezone

from conversations import calls, endings, replies, runs, timeline
from conversations.locks import locked
from conversations.models import (
    Conversation,
    ConversationStatus,
    EventKind,
    Message,
    MessageRole,
)
from workspaces.models import User

# Told to the model, and to nobody else, once the bot is to answer again.
NOTE = (
    "A member of our team took this conversation over. The assistant's messages since"
    " then were written by that person; stand by what they say. From here on you answer"
    " again."
)


class NotTakenOver(Exception):
    """The bot answers here: take the conversation over first."""


def take_over(conversation: Conversation, *, actor: User | None = None) -> Conversation:
    """From now on people answer, and the bot is silent. A reply that is being made ends
    here: what was saved of it stays as a partial one. Calls of the client's tools that
    wait for a result are given up."""
    with locked(conversation.pk) as held:
        if held.status != ConversationStatus.ESCALATED:
            _stop_the_bot(held, "A person has taken over.")
            _move(held, ConversationStatus.ESCALATED, EventKind.TAKEOVER, actor)
    return held


def hand_back(conversation: Conversation, *, actor: User | None = None) -> Conversation:
    """From now on the bot answers again, and is told that a person did meanwhile.
    Where nobody has taken over nothing changes."""
    with locked(conversation.pk) as held:
        if held.status == ConversationStatus.ESCALATED:
            _note(held)
            _move(held, ConversationStatus.BOT, EventKind.HANDBACK, actor)
    return held


def resolve(conversation: Conversation, *, actor: User | None = None) -> Conversation:
    """The conversation has ended, for people and bot: it also ends a reply that is
    being made. The next message of the end user opens it again, for the bot."""
    with locked(conversation.pk) as held:
        if held.status == ConversationStatus.ESCALATED:
            _note(held)
        if held.status != ConversationStatus.RESOLVED:
            _stop_the_bot(held, "A person has ended the conversation.")
            _move(held, ConversationStatus.RESOLVED, EventKind.RESOLVE, actor)
    return held


def reply(conversation: Conversation, *, author: User, text: str) -> Message:
    """A person's answer, in the same thread as the bot's. Raises NotTakenOver."""
    with locked(conversation.pk) as held:
        if held.status != ConversationStatus.ESCALATED:
            raise NotTakenOver
        message = Message.objects.create(
            workspace_id=held.workspace_id,
            conversation=held,
            role=MessageRole.ASSISTANT,
            text=replies.storable(text),
            author=author,
            finish_reason="stop",
        )
        timeline.add(held, EventKind.MESSAGE, message_id=message.pk, actor_id=author.pk)
        held.updated_at = message.created_at
    return message


def _stop_the_bot(held: Conversation, why: str) -> None:
    endings.end_live(held, error=why)
    calls.abandon(held.pk)
    # Its maker may not have noticed yet: what it writes as of this epoch misses.
    held.epoch += 1
    # One in this process is told, so that it does not talk on to its client.
    transaction.on_commit(partial(runs.doubt, held.pk), robust=True)


def _note(held: Conversation) -> None:
    Message.objects.create(
        workspace_id=held.workspace_id,
        conversation=held,
        role=MessageRole.SYSTEM,
        text=NOTE,
    )


def _move(
    held: Conversation,
    status: ConversationStatus,
    kind: EventKind,
    actor: User | None,
) -> None:
    timeline.add(held, kind, actor_id=actor.pk if actor else None)
    held.status = status
    held.updated_at = timezone.now()
