"""The story of a reply: passages, engine, events, a saved reply.

`turns.begin` is the transaction before it, `complete` the one after, `answer` what
happens between them. No transaction and no connection is held while the engine works.
`runs` keeps the reply alive while it is being made.
"""

import json
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone

from agents import engines
from agents.actions import check_input
from agents.engine import base
from bookbag import threads
from conversations import calls, endings, timeline
from conversations.locks import locked
from conversations.models import (
    Conversation,
    EventKind,
    Message,
    MessageQuerySet,
    ReplyStatus,
)
from conversations.turns import Turn
from knowledge import citations, search
from usage.models import LedgerEntry

CREDITS = 1  # for a reply of the embedded engine


class Overtaken(Exception):
    """The turn is no longer this maker's: a person or the reaper has ended it."""


@dataclass(slots=True)
class Draft:
    """A reply as far as it has been made. `score` is the search's, 0 to 1."""

    text: str = ""
    journal: list[int] = field(default_factory=list)
    citations: list[base.Citation] = field(default_factory=list)
    calls: list[base.ToolCall] = field(default_factory=list)
    usage: base.Usage = field(default_factory=lambda: base.Usage(0, 0, estimated=True))
    finish: base.Finish | None = None
    score: float | None = None

    def add(self, text: str) -> None:
        self.text += text
        self.journal.append(len(text))

    @property
    def credits(self) -> int:
        return CREDITS if self.finish and self.finish.priced else 0

    @property
    def reason(self) -> Literal["stop", "length", "tool_calls"]:
        """A model that says it calls tools, and calls none, has stopped."""
        if self.calls:
            return "tool_calls"
        cut = self.finish is not None and self.finish.reason == "length"
        return "length" if cut else "stop"


def call(turn: Turn, draft: Draft, asked: base.ToolCall) -> None:
    """Takes a call of the client's tools into the draft, under an id of our own.

    Raises base.EngineError for what no client could run: a tool that was not offered,
    an input that does not fit it, too many calls.
    """
    tool = next((one for one in turn.tools if one.name == asked.name), None)
    if tool is None:
        raise _bad_call(f"There is no tool called {asked.name!r}.")
    if problems := check_input(tool, asked.input):
        raise _bad_call(f"A call of {asked.name} does not fit: {problems[0]}")
    if len(draft.calls) == calls.MOST:
        raise _bad_call("The reply calls too many tools.")
    call_id = f"call_{secrets.token_hex(12)}"
    draft.calls.append(base.ToolCall(call_id, asked.name, _in_order(asked.input)))


def _in_order(value: Any) -> Any:
    """As PostgreSQL gives it back: shorter keys first, no zero below zero, and large
    numbers without a point. A replay has the same bytes as the first stream."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return {key: _in_order(value[key]) for key in keys}
    if isinstance(value, list):
        return [_in_order(one) for one in value]
    if isinstance(value, float):
        large = 1e16 <= abs(value) < 2**63
        return int(value) if large else value or 0.0
    return value


def _bad_call(problem: str) -> base.EngineError:
    return base.EngineError("bad_request", problem)


async def answer(turn: Turn, draft: Draft) -> AsyncGenerator[base.Event, None]:
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
    draft.score = round(found.score, 4)
    request = base.Request(
        turns=turn.history,
        passages=found.passages,
        confidence=found.confidence,
        instructions=agent.instructions,
        fallback_message=agent.fallback_message,
        deadline=deadline,
        language=agent.language,
        agent_name=agent.name,
        temperature=turn.temperature,
        tools=list(turn.tools),
    )
    async with aclosing(engines.engine_for(turn.model).stream(request)) as events:
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
    """The reply, its citations and calls, and its ledger row, in one transaction. The
    draft comes back as saved: a citation that its document does not bear out is left
    out.

    Raises Overtaken where a person took over meanwhile: then nothing is kept.
    """
    assert draft.finish is not None
    draft = replace(draft, citations=citations.check(draft.citations))
    with transaction.atomic():
        if turn.kept:
            assert turn.conversation_id is not None
            # A takeover locks this row as well: either it has happened, and the epoch
            # tells, or it waits for us.
            with locked(turn.conversation_id) as conversation:
                if not _save(turn, draft, conversation):
                    return draft  # it is already: the answer to a COMMIT was lost
        elif LedgerEntry.objects.filter(unkept=turn.unkept).exists():
            return draft  # as above
        _charge(turn, draft)
    return draft


def _save(turn: Turn, draft: Draft, conversation: Conversation) -> bool:
    """Whether this call has saved it. Raises Overtaken."""
    finish = draft.finish
    assert finish is not None
    assert turn.message_id is not None
    now = timezone.now()
    if not _own(turn).update(
        status=ReplyStatus.AWAITING_TOOL if draft.calls else ReplyStatus.COMPLETE,
        text=draft.text,
        journal=draft.journal,
        citations=[citation_json(c) for c in draft.citations],
        confidence=finish.confidence or "",
        score=draft.score if finish.confidence else None,
        engine=finish.engine,
        model=finish.model,
        finish_reason=draft.reason,
        credits=draft.credits,
        finished_at=now,
        lease_expires_at=None,
        hidden_at=None,
    ):
        done = Message.objects.filter(
            id=turn.message_id,
            fence=turn.fence,
            status__in=(ReplyStatus.COMPLETE, ReplyStatus.AWAITING_TOOL),
        )
        if done.exists():
            return False
        raise Overtaken
    calls.use(conversation.pk, turn.message_id, replaced_id=turn.replaces)
    calls.make(turn.message_id, conversation.pk, conversation.workspace_id, draft.calls)
    if turn.replaces is None:
        timeline.add(conversation, EventKind.MESSAGE, message_id=turn.message_id)
    else:
        _hide_replaced(turn, conversation)
        timeline.add(conversation, EventKind.RETRY, message_id=turn.message_id)
    conversation.updated_at = now
    return True


def _hide_replaced(turn: Turn, conversation: Conversation) -> None:
    """The new reply stands; the one it replaces and all after that disappear."""
    replaced = conversation.messages.visible().filter(
        pk__range=(turn.replaces or 0, (turn.message_id or 0) - 1)
    )
    calls.drop(replaced)
    replaced.update(hidden_at=timezone.now())


def _charge(turn: Turn, draft: Draft) -> None:
    finish = draft.finish
    assert finish is not None
    LedgerEntry.objects.create(
        workspace_id=turn.agent.workspace_id,
        agent_id=turn.agent.pk,
        api_key_id=turn.api_key_id,
        conversation_id=turn.conversation_id,
        message_id=turn.message_id,
        unkept=turn.unkept,
        engine=finish.engine,
        model=finish.model,
        credits=draft.credits,
        input_tokens=draft.usage.input_tokens,
        output_tokens=draft.usage.output_tokens,
        estimated=draft.usage.estimated,
    )


def break_off(turn: Turn, draft: Draft, *, error: str) -> None:
    """The reply ends here: partial if it has text, else failed. Costs nothing.

    Of one that a person has taken over nothing more is kept, but it ends as well: a
    live turn would keep the conversation busy.
    """
    if turn.message_id is None or turn.conversation_id is None:
        return
    error = storable(error)[:200]
    with locked(turn.conversation_id) as conversation:
        # What there is by now, if it is still this maker's to write.
        _own(turn).update(text=draft.text, journal=draft.journal)
        for mine in Message.objects.filter(pk=turn.message_id, fence=turn.fence):
            endings.end(conversation, mine, error=error)


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
        pk=turn.conversation_id or 0, epoch=turn.epoch
    )
    return Message.objects.live().filter(
        models.Exists(conversation), id=turn.message_id or 0, fence=turn.fence
    )


def storable(text: str) -> str:
    """Without what a database has no place for: NUL, and halves of characters."""
    if text.isascii() and "\0" not in text:
        return text  # the usual case, at every word
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "")
