"""How a turn begins: what a caller wants, and the transaction that commits to it.

The user's message and the row of the reply to come are written together. `replies`
makes the reply, `runs` keeps it alive meanwhile. Everybody who writes to a conversation
locks its row first; a turn is ended by whoever takes over, in that same transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone

from agents.actions import tools_for
from agents.engine import base
from agents.models import Agent
from apikeys.models import ApiKey, Environment
from bookbag.api.errors import (
    ConversationNotFound,
    RetryMessageNotFound,
    RetryNoUserMessage,
    ToolCallNotFound,
)
from conversations import calls, timeline
from conversations.models import (
    LIVE,
    Channel,
    Conversation,
    ConversationStatus,
    EventKind,
    Message,
    MessageQuerySet,
    MessageRole,
    ReplyStatus,
    ToolCall,
    ToolCallStatus,
)

ROLES: dict[str, base.Role] = {
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.SYSTEM: "system",
}
HISTORY = 20  # messages of the conversation that the engine is told
TITLE_LENGTH = 80
# Of a conversation, whose row is locked by all who write these.
CHANGING = ["status", "epoch", "last_seq", "updated_at"]
MAKER_GONE = "The server stopped before the reply was complete."


class Busy(Exception):
    """Another turn of this conversation is being made."""


class NothingToAnswer(Exception):
    """No message, and no tool's result to go on from. Says what is awaited."""


class Claim(Protocol):
    """What makes a turn begin once only: see `apikeys.idempotency`."""

    def reserve(self) -> None: ...

    def bind(
        self,
        *,
        conversation_id: int | None,
        message_id: int | None,
        user_message_id: int | None,
    ) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a caller wants of an agent.

    `text` is None where the reply goes on from tools' results, or where `retry_of`
    names a reply to make anew. The conversation is one of the agent's by its number,
    or by the caller's own name `external_id`: then it begins with the first use.
    `results` are pairs of a call's id and its output, kept before the turn begins.
    `history` replaces the stored one, the present turn included; `tools` the agent's
    own. With `keep` off nothing is stored, but what it cost.
    """

    agent: Agent
    text: str | None = None
    conversation_id: int | None = None
    external_id: str | None = None
    end_user: str | None = None
    contact_id: int | None = None
    api_key: ApiKey | None = None
    channel: str = Channel.API
    retry_of: int | None = None
    results: tuple[tuple[str, object], ...] = ()
    history: tuple[base.Turn, ...] | None = None
    tools: tuple[base.ToolSpec, ...] | None = None
    keep: bool = True
    model: str | None = None
    temperature: float | None = None
    claim: Claim | None = None


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
    conversation, is_new = _conversation(ask)
    if not is_new:
        end_lost(conversation)
        if conversation.messages.live().exists():
            raise Busy
    for call_id, output in ask.results:
        _keep_result(conversation, call_id, output)
    if ask.retry_of is not None:
        target, asked_id = to_retry(conversation.pk, ask.retry_of)
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
        else _history(conversation, before=target)
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
    conversation.save(update_fields=CHANGING)
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


# --- The conversation -------------------------------------------------------------


@contextmanager
def locked(conversation_id: int) -> Iterator[Conversation]:
    """A transaction that holds the conversation's row; if something is noted in its
    timeline, that and what it changes are saved with it."""
    with transaction.atomic():
        conversation = _for_update().get(pk=conversation_id)
        seen = conversation.last_seq
        yield conversation
        if conversation.last_seq != seen:
            conversation.save(update_fields=CHANGING)


def end_lost(conversation: Conversation) -> int:
    """Ends a locked conversation's turn if its maker is gone; says how many it ended.
    One that renews its lease meanwhile was only slow."""
    lost = Message.objects.lost()
    return sum(
        _end(conversation, turn, lost, error=MAKER_GONE)
        for turn in conversation.messages.lost()
    )


def end_live(conversation: Conversation, *, error: str) -> None:
    """Ends a locked conversation's turn, whoever is making it."""
    for turn in conversation.messages.live():
        end(conversation, turn, error=error)


def end(conversation: Conversation, turn: Message, *, error: str) -> bool:
    """Ends one turn of a locked conversation as far as it has come; later writes of its
    maker miss. Says whether it was still live."""
    return _end(conversation, turn, Message.objects.live(), error=error)


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


def reap() -> int:
    """Ends turns whose maker is gone, in all conversations; says how many."""
    ended = 0
    for conversation_id in Message.objects.lost().values_list(
        "conversation", flat=True
    ):
        with locked(conversation_id) as conversation:
            ended += end_lost(conversation)
    return ended


def _for_update() -> models.QuerySet[Conversation]:
    # Not against those who add rows that refer to it.
    return Conversation.objects.select_for_update(no_key=True)


def _conversation(ask: Ask) -> tuple[Conversation, bool]:
    """The conversation, locked, and whether it has just begun."""
    own = _for_update().filter(workspace=ask.agent.workspace_id, agent=ask.agent)
    if ask.conversation_id is not None:
        found = own.filter(pk=ask.conversation_id).first()
        if found is None:
            raise ConversationNotFound
        return found, False
    if ask.external_id is None:
        return _new_conversation(ask), True
    named = own.filter(end_user=ask.end_user, external_id=ask.external_id)
    if found := named.first():
        return found, False
    try:
        with transaction.atomic():
            return _new_conversation(ask), True
    except IntegrityError:  # somebody else has begun it just now
        if found := named.first():
            return found, False
        raise


def _new_conversation(ask: Ask) -> Conversation:
    key = ask.api_key
    return Conversation.objects.create(
        workspace_id=ask.agent.workspace_id,
        agent=ask.agent,
        end_user=ask.end_user,
        contact_id=_contact(ask),
        external_id=ask.external_id,
        api_key=key,
        channel=ask.channel,
        is_test=key is not None and key.environment == Environment.TEST,
        title=_title(ask.text or ""),
    )


def _contact(ask: Ask) -> int | None:
    """None where somebody has deleted it since; nobody does from here on."""
    if ask.contact_id is None:
        return None
    contacts = ask.agent.contacts.select_for_update(no_key=True)
    found = contacts.filter(pk=ask.contact_id).values_list("pk", flat=True)
    return found.first()


# --- What it is an answer to --------------------------------------------------------


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


def to_retry(conversation_id: int, message_id: int) -> tuple[Message, int]:
    """The reply to make anew, also one that came to nothing, and the user's message
    that it answered. Raises RetryMessageNotFound and RetryNoUserMessage."""
    shown = Message.objects.visible().filter(conversation=conversation_id)
    ended = shown.exclude(status__in=LIVE)
    target = ended.filter(pk=message_id, role=MessageRole.ASSISTANT).first()
    if target is None or target.author_id is not None:
        raise RetryMessageNotFound
    asked = shown.filter(role=MessageRole.USER, pk__lt=target.pk).order_by("-pk")
    earlier = asked.values_list("pk", flat=True)
    asked_id = earlier.filter(pk=target.answers_id or 0).first() or earlier.first()
    if asked_id is None:
        raise RetryNoUserMessage
    return target, asked_id


def _history(conversation: Conversation, before: Message | None) -> list[base.Turn]:
    """The newest turns, oldest first, each call of a tool with its result."""
    said = conversation.messages.visible().filter(
        ~Q(text="") | Q(finish_reason="tool_calls")
    )
    if before is not None:
        said = said.filter(pk__lt=before.pk)
    rows = list(
        said.order_by("-id").values_list("id", "role", "text", "finish_reason")[
            :HISTORY
        ]
    )
    answered = _answered([pk for pk, _, _, reason in rows if reason == "tool_calls"])
    turns: list[base.Turn] = []
    for pk, role, text, _ in reversed(rows):
        made = answered.get(pk, [])
        if text or made:
            turns.append(
                base.Turn(
                    ROLES[role],
                    text,
                    calls=tuple(
                        base.ToolCall(one.call_id, one.name, one.input) for one in made
                    ),
                )
            )
        if made:
            results = (
                base.ToolResult(one.call_id, one.name, one.output) for one in made
            )
            turns.append(base.Turn("tool", "", results=tuple(results)))
    return turns


def _answered(message_ids: list[int]) -> dict[int, list[ToolCall]]:
    """The calls of these replies that have a result; a model is told of no others."""
    if not message_ids:
        return {}
    found: dict[int, list[ToolCall]] = {}
    for call in ToolCall.objects.filter(
        message__in=message_ids,
        status__in=(ToolCallStatus.SUBMITTED, ToolCallStatus.USED),
    ).order_by("id"):
        found.setdefault(call.message_id, []).append(call)
    return found


def _tools(ask: Ask) -> tuple[base.ToolSpec, ...]:
    if ask.tools is not None:
        return ask.tools
    return tuple(tools_for(ask.agent.workspace_id, ask.agent.pk))


def _temperature(ask: Ask) -> float | None:
    return ask.agent.temperature if ask.temperature is None else ask.temperature


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1] + "…"
