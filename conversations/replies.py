"""The story of a reply: a message in, passages, engine, events, a saved reply.

`begin` and `complete` are the two transactions around it, `answer` what happens between
them. No transaction and no connection is held while the engine works. `runs` keeps the
reply alive while it is being made.
"""

import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta

from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone

from agents import engines
from agents.engine import base
from agents.models import Agent
from apikeys.models import ApiKey, Environment
from bookbag import threads
from bookbag.api.errors import NotFound
from conversations.models import (
    Channel,
    Conversation,
    ConversationStatus,
    Message,
    MessageQuerySet,
    MessageRole,
    ReplyStatus,
    ToolCall,
    ToolCallStatus,
)
from knowledge import citations, search
from usage.models import LedgerEntry

ROLES: dict[str, base.Role] = {
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.SYSTEM: "system",
}
HISTORY = 20  # messages of the conversation that the engine is told
TITLE_LENGTH = 80
CREDITS = 1  # for a reply of the embedded engine


class Busy(Exception):
    """Another turn of this conversation is being made."""


class Overtaken(Exception):
    """The turn is no longer this maker's: a person or the reaper has ended it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that has begun: the user's message is committed, and the reply's row.

    `message_id` is None where people have taken over: then nobody makes a reply.
    """

    agent: Agent
    conversation_id: int
    user_message_id: int
    message_id: int | None
    end_user: str | None
    api_key_id: int | None
    epoch: int
    fence: int
    history: list[base.Turn]


@dataclass(slots=True)
class Draft:
    """A reply as far as it has been made."""

    text: str = ""
    journal: list[int] = field(default_factory=list)
    citations: list[base.Citation] = field(default_factory=list)
    usage: base.Usage = field(default_factory=lambda: base.Usage(0, 0, estimated=True))
    finish: base.Finish | None = None

    def add(self, text: str) -> None:
        self.text += text
        self.journal.append(len(text))


def begin(
    agent: Agent,
    *,
    text: str,
    lease_owner: str,
    conversation_id: int | None = None,
    end_user: str | None = None,
    api_key: ApiKey | None = None,
    channel: str = Channel.API,
) -> Turn:
    """Commits the user's message and the row of the reply to come.

    Raises NotFound for a conversation that is not this agent's, and Busy while another
    turn of it is being made.
    """
    with transaction.atomic():
        history: list[base.Turn] = []
        if conversation_id is None:
            conversation = _new_conversation(
                agent, text=text, end_user=end_user, api_key=api_key, channel=channel
            )
        else:
            conversation = _locked_conversation(agent, conversation_id)
            _make_way(conversation)
            history = _history(conversation)
        now = timezone.now()  # only now: the lock may have been long in coming
        asked = Message.objects.create(
            workspace_id=agent.workspace_id,
            conversation=conversation,
            role=MessageRole.USER,
            text=text,
            created_at=now,
        )
        message_id = None
        if conversation.status != ConversationStatus.ESCALATED:
            conversation.status = ConversationStatus.BOT  # one that had ended reopens
            message_id = Message.objects.create(
                workspace_id=agent.workspace_id,
                conversation=conversation,
                role=MessageRole.ASSISTANT,
                answers=asked,
                status=ReplyStatus.STREAMING,
                epoch=conversation.epoch,
                lease_owner=lease_owner,
                lease_expires_at=now + timedelta(seconds=settings.REPLY_LEASE),
                created_at=now,
            ).pk
        if conversation_id is not None:
            conversation.updated_at = now
            conversation.save(update_fields=["status", "updated_at"])
    return Turn(
        agent=agent,
        conversation_id=conversation.pk,
        user_message_id=asked.pk,
        message_id=message_id,
        end_user=conversation.end_user,
        api_key_id=api_key.pk if api_key else None,
        epoch=conversation.epoch,
        fence=0,
        history=[*history, base.Turn("user", text)],
    )


async def answer(turn: Turn) -> AsyncGenerator[base.Event, None]:
    """The engine's events for this turn. Raises base.EngineError."""
    agent = turn.agent
    deadline = time.monotonic() + settings.REPLY_DEADLINE
    found = await threads.run(
        search.search,
        agent.workspace_id,
        agent.pk,
        agent.index_version,
        [past.text for past in turn.history if past.role == "user"],
    )
    request = base.Request(
        turns=turn.history,
        passages=found.passages,
        confidence=found.confidence,
        instructions=agent.instructions,
        fallback_message=agent.fallback_message,
        deadline=deadline,
        language=agent.language,
        agent_name=agent.name,
        temperature=agent.temperature,
    )
    async with aclosing(engines.engine_for(agent.model).stream(request)) as events:
        async for event in events:
            yield event


# By hand: it runs once a second for every open stream, and building the same query by
# the ORM costs ten times what it costs to run it. `_own` says the same.
_CHECKPOINT = """
UPDATE conversations_message SET text = %s, journal = %s, lease_expires_at = %s
WHERE id = %s AND fence = %s AND status IN ('queued', 'streaming') AND %s =
  (SELECT epoch FROM conversations_conversation WHERE id = conversation_id)
"""


def checkpoint(drafts: Sequence[tuple[Turn, Draft]]) -> list[bool]:
    """Saves what there is so far and renews the leases, in one transaction for all.

    Says for each whether the turn is still its maker's to write.
    """
    expires = connection.ops.adapt_datetimefield_value(
        timezone.now() + timedelta(seconds=settings.REPLY_LEASE)
    )
    held = []
    with transaction.atomic(), connection.cursor() as cursor:
        for turn, draft in drafts:
            cursor.execute(
                _CHECKPOINT,
                [
                    draft.text,
                    json.dumps(draft.journal),
                    expires,
                    turn.message_id,
                    turn.fence,
                    turn.epoch,
                ],
            )
            held.append(bool(cursor.rowcount))
    return held


def complete(turn: Turn, draft: Draft) -> Draft:
    """The reply, its citations and its ledger row, in one transaction. The draft comes
    back as saved: a citation that its document does not bear out is left out.

    Raises Overtaken where a person took over meanwhile: then nothing is kept.
    """
    finish = draft.finish
    assert finish is not None
    assert turn.message_id is not None
    draft = replace(draft, citations=citations.check(draft.citations))
    credits = CREDITS if finish.priced else 0
    now = timezone.now()
    with transaction.atomic():
        # The conversation's row is what a takeover locks, and this update as well:
        # after it either that has happened, and the epoch tells, or it waits for us.
        Conversation.objects.filter(pk=turn.conversation_id).update(updated_at=now)
        if not _own(turn).update(
            status=ReplyStatus.COMPLETE,
            text=draft.text,
            journal=draft.journal,
            citations=[citation_json(c) for c in draft.citations],
            confidence=finish.confidence or "",
            engine=finish.engine,
            model=finish.model,
            finish_reason=finish.reason,
            credits=credits,
            finished_at=now,
            lease_expires_at=None,
        ):
            done = Message.objects.filter(
                id=turn.message_id, fence=turn.fence, status=ReplyStatus.COMPLETE
            )
            if done.exists():  # by us: the answer to an earlier COMMIT was lost
                return draft
            raise Overtaken
        LedgerEntry.objects.create(
            workspace_id=turn.agent.workspace_id,
            agent_id=turn.agent.pk,
            api_key_id=turn.api_key_id,
            conversation_id=turn.conversation_id,
            message_id=turn.message_id,
            engine=finish.engine,
            model=finish.model,
            credits=credits,
            input_tokens=draft.usage.input_tokens,
            output_tokens=draft.usage.output_tokens,
            estimated=draft.usage.estimated,
        )
    return draft


def break_off(turn: Turn, draft: Draft, *, error: str) -> None:
    """The reply ends here: partial if it has text, else failed. Costs nothing.

    Of one that a person has taken over nothing more is kept, but it ends as well: a
    live turn would keep the conversation busy.
    """
    error = storable(error)[:200]
    if _own(turn).update(
        status=ReplyStatus.PARTIAL if draft.text else ReplyStatus.FAILED,
        text=draft.text,
        journal=draft.journal,
        error=error,
        finished_at=timezone.now(),
        lease_expires_at=None,
    ):
        return
    left = Message.objects.live().filter(id=turn.message_id or 0, fence=turn.fence)
    _end(left, error=error)


def citation_json(citation: base.Citation) -> dict[str, object]:
    """A citation as it is stored, and as the API shows it."""
    return {
        "index": citation.index,
        "sourceId": citation.source_id,
        "documentId": citation.document_id,
        "documentVersion": citation.document_version,
        "title": citation.title,
        "url": citation.url,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
    }


def _own(turn: Turn) -> MessageQuerySet:
    """The reply's row, as long as it is this maker's to write.

    No join: PostgreSQL, having waited for another's UPDATE, looks again at the row's
    own columns, but not at those that a join or `id IN (SELECT …)` has read before.
    """
    conversation = Conversation.objects.filter(
        pk=turn.conversation_id, epoch=turn.epoch
    )
    return Message.objects.live().filter(
        models.Exists(conversation), id=turn.message_id or 0, fence=turn.fence
    )


def _new_conversation(
    agent: Agent,
    *,
    text: str,
    end_user: str | None,
    api_key: ApiKey | None,
    channel: str,
) -> Conversation:
    return Conversation.objects.create(
        workspace_id=agent.workspace_id,
        agent=agent,
        end_user=end_user,
        api_key=api_key,
        channel=channel,
        is_test=api_key is not None and api_key.environment == Environment.TEST,
        title=_title(text),
    )


def _locked_conversation(agent: Agent, conversation_id: int) -> Conversation:
    found = (
        Conversation.objects.for_workspace(agent.workspace_id)
        .select_for_update()
        .filter(agent=agent, pk=conversation_id)
        .first()
    )
    if found is None:
        raise NotFound("This agent has no such conversation.")
    return found


def _make_way(conversation: Conversation) -> None:
    """Ends a turn whose maker is gone, and calls that the client has given up on."""
    end_lost(conversation.messages.all())
    if conversation.messages.live().exists():
        raise Busy
    ToolCall.objects.filter(
        conversation=conversation, status=ToolCallStatus.PENDING
    ).update(status=ToolCallStatus.ABANDONED)


def end_lost(messages: MessageQuerySet) -> int:
    """Ends those of these replies whose maker is gone; its later writes will miss."""
    return _end(
        messages.lost(), error="The server stopped before the reply was complete."
    )


def _end(messages: MessageQuerySet, *, error: str) -> int:
    return messages.update(
        status=models.Case(
            models.When(text="", then=models.Value(ReplyStatus.FAILED)),
            default=models.Value(ReplyStatus.PARTIAL),
        ),
        fence=models.F("fence") + 1,
        error=error,
        finished_at=timezone.now(),
        lease_expires_at=None,
    )


def _history(conversation: Conversation) -> list[base.Turn]:
    newest = (
        conversation.messages.visible()
        .exclude(text="")
        .order_by("-id")
        .values_list("role", "text")[:HISTORY]
    )
    return [base.Turn(ROLES[role], text) for role, text in reversed(newest)]


def storable(text: str) -> str:
    """Without what a database has no place for: NUL, and halves of characters."""
    if text.isascii() and "\0" not in text:
        return text  # the usual case, at every word
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "")


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1] + "…"
