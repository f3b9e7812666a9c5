"""How a turn begins: the transaction that commits to it.

The user's message and the row of the reply to come are written together. `replies`
makes the reply, `runs` keeps it alive meanwhile.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.actions import tools_for
from agents.engine import base
from agents.models import Agent
from bookbag.api.errors import ToolCallNotFound
from conversations import calls, retries, timeline
from conversations.asks import Ask
from conversations.endings import end_lost
from conversations.history import history_of
from conversations.locks import CHANGING
from conversations.models import (
    Conversation,
    ConversationStatus,
    EventKind,
    Message,
    MessageRole,
    ReplyStatus,
)
from conversations.openings import conversation_of, recognise


class Busy(Exception):
    """Another turn of this conversation is being made."""


class NothingToAnswer(Exception):
    """No message, and no tool's result to go on from. Says what is awaited."""


class Ids(NamedTuple):
    """By which a client knows a turn."""

    conversation: int | None
    user_message: int | None
    message: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn that has begun: the user's message is committed, and the reply's row.

    `message_id` is None where people have taken over, for then nobody makes a reply,
    and where nothing is kept: such a turn has the name `unkept`. `replaces` is the
    reply that this one makes anew.
    """

    agent: Agent
    conversation_id: int | None
    user_message_id: int | None
    message_id: int | None
    end_user: str | None
    api_key_id: int | None
    epoch: int = 0
    fence: int = 0
    history: list[base.Turn]
    tools: tuple[base.ToolSpec, ...] = ()
    replaces: int | None = None
    unkept: UUID | None = None
    model: str
    temperature: float | None

    @property
    def ids(self) -> Ids:
        return Ids(self.conversation_id, self.user_message_id, self.message_id)

    @property
    def kept(self) -> bool:
        return self.unkept is None

    @property
    def is_silent(self) -> bool:
        """People have taken over: there is no reply to make."""
        return self.kept and self.message_id is None


def begin(ask: Ask, *, lease_owner: str) -> Turn:
    """Commits the user's message and the row of the reply to come.

    Raises NotFound for a conversation that is not this agent's, Busy while another
    turn of it is being made, NothingToAnswer, RetryMessageNotFound, RetryNoUserMessage,
    and what the claim raises.
    """
    with transaction.atomic():
        if ask.claim:
            ask.claim.reserve()
        turn = _begin(ask, lease_owner) if ask.keep else _begin_unkept(ask)
        if ask.claim:
            ask.claim.bind(
                conversation_id=turn.conversation_id,
                message_id=turn.message_id,
                user_message_id=turn.user_message_id,
            )
    return turn


def _begin(ask: Ask, lease_owner: str) -> Turn:
    conversation, is_new = conversation_of(ask)
    if not is_new:
        end_lost(conversation)
        if conversation.messages.live().exists():
            raise Busy
    for call_id, output in ask.results:
        _keep_result(conversation, call_id, output)
    if ask.retry_of is not None:
        target, asked_id = retries.target(conversation.pk, ask.retry_of)
    else:
        target, asked_id = None, None
    if ask.text is None and target is None:
        asked_id = _go_on_from(conversation)
    elif target is None and not is_new:
        calls.abandon(conversation.pk)
    # Results come without this lock: of those that come from here on, none is kept.
    stored = (
        []
        if is_new or ask.history is not None
        else history_of(conversation, before=target)
    )
    now = timezone.now()  # only now: the lock may have been long in coming
    silent = conversation.status == ConversationStatus.ESCALATED
    if not silent and conversation.status != ConversationStatus.BOT:
        conversation.status = ConversationStatus.BOT  # one that had ended reopens
        timeline.add(conversation, EventKind.REOPEN)
    if ask.text is not None:
        asked_id = _say(conversation, ask.text, now)
        stored.append(base.Turn("user", ask.text))
    message_id = None
    if not silent:
        message_id = Message.objects.create(
            workspace_id=conversation.workspace_id,
            conversation=conversation,
            role=MessageRole.ASSISTANT,
            answers_id=asked_id,
            replaces=target,
            hidden_at=now if target else None,  # shown once it is complete
            status=ReplyStatus.STREAMING,
            epoch=conversation.epoch,
            lease_owner=lease_owner,
            lease_expires_at=now + timedelta(seconds=settings.REPLY_LEASE),
            created_at=now,
        ).pk
    if target is None:
        conversation.updated_at = now
    conversation.save(update_fields=[*CHANGING, *recognise(conversation, ask)])
    return Turn(
        agent=ask.agent,
        conversation_id=conversation.pk,
        user_message_id=asked_id,
        message_id=message_id,
        end_user=conversation.end_user,
        api_key_id=ask.api_key.pk if ask.api_key else None,
        epoch=conversation.epoch,
        history=stored if ask.history is None else list(ask.history),
        tools=_tools(ask),
        replaces=target.pk if target else None,
        model=ask.model or ask.agent.model,
        temperature=_temperature(ask),
    )


def _begin_unkept(ask: Ask) -> Turn:
    history = list(ask.history or ())
    if not history and ask.text is not None:
        history = [base.Turn("user", ask.text)]
    return Turn(
        agent=ask.agent,
        conversation_id=None,
        user_message_id=None,
        message_id=None,
        end_user=ask.end_user,
        api_key_id=ask.api_key.pk if ask.api_key else None,
        history=history,
        tools=_tools(ask),
        unkept=uuid4(),
        model=ask.model or ask.agent.model,
        temperature=_temperature(ask),
    )


def _say(conversation: Conversation, text: str, now: datetime) -> int:
    asked = Message.objects.create(
        workspace_id=conversation.workspace_id,
        conversation=conversation,
        role=MessageRole.USER,
        text=text,
        created_at=now,
    )
    timeline.add(conversation, EventKind.MESSAGE, message_id=asked.pk)
    return asked.pk


def _keep_result(conversation: Conversation, call_id: str, output: object) -> None:
    # A client that posts all it has repeats the results of earlier turns.
    with suppress(ToolCallNotFound):
        calls.submit(conversation.pk, call_id, output)


def _go_on_from(conversation: Conversation) -> int | None:
    """The user's message that the reply with the calls was an answer to."""
    if awaited := calls.waiting(conversation.pk):
        raise NothingToAnswer(
            f"Results of {', '.join(awaited)} are still awaited. Submit them first, or"
            " send a message to go on without."
        )
    answered = calls.unused(conversation.pk)
    if answered is None:
        raise NothingToAnswer(
            "Send a message. It may be left out only after a tool's result."
        )
    calls.settle(conversation.pk)
    return answered.message.answers_id


def _tools(ask: Ask) -> tuple[base.ToolSpec, ...]:
    if ask.tools is not None:
        return ask.tools
    return tuple(tools_for(ask.agent.workspace_id, ask.agent.pk))


def _temperature(ask: Ask) -> float | None:
    return ask.agent.temperature if ask.temperature is None else ask.temperature
