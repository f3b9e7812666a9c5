"""Conversations, as they are brought: whole ones, and what was said in them since."""

import datetime as dt
from collections.abc import Iterator, Sequence

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from agents.models import Agent
from conversations import timeline
from conversations.locks import locked
from conversations.models import (
    Conversation,
    ConversationEvent,
    EventKind,
    Message,
    MessageRole,
)
from conversations.openings import title_of
from imports.facts.conversations import ConversationFacts
from imports.models import ImportedRow
from imports.page import Page
from imports.summary import CHANGED, KNOWN, MADE, MESSAGES


def take(page: Page, facts: Sequence[ConversationFacts]) -> None:
    known = page.known(facts)
    news = [one for one in facts if one.source_id not in known]
    news.reverse()  # the source begins with the newest; our numbers with the oldest
    page.count(MADE, len(news))
    page.summary.count(MESSAGES, MADE, sum(len(one.messages) for one in news))
    if page.write and page.agent and news:
        _make(page, page.agent, news)
    for one in facts:
        if one.source_id in known:
            _go_on(page, one, known[one.source_id])


# --- Whole ones ---------------------------------------------------------------------


def _make(page: Page, agent: Agent, facts: Sequence[ConversationFacts]) -> None:
    named = agent.conversations.filter(
        end_user=None, external_id__in=[one.source_id for one in facts]
    )
    taken = set(named.values_list("external_id", flat=True))
    for one in facts:
        if one.source_id in taken:
            page.remark(one, "its id has been used here since: it is kept without it")
    conversations = Conversation.objects.bulk_create(
        Conversation(
            workspace_id=agent.workspace_id,
            agent=agent,
            external_id=None if one.source_id in taken else one.source_id,
            channel=one.channel,
            title=_title(one),
            last_seq=len(one.messages),
            created_at=_begun(one),
            updated_at=one.updated_at or one.last_message_at or _last(one),
        )
        for one in facts
    )
    messages = Message.objects.bulk_create(
        message
        for conversation, one in zip(conversations, facts, strict=True)
        for message in _messages(conversation, one)
    )
    _answer(conversations)
    ConversationEvent.objects.bulk_create(_events(messages))
    ids = [conversation.pk for conversation in conversations]
    page.note(list(zip(facts, ids, strict=True)), agent)


def _messages(
    conversation: Conversation, facts: ConversationFacts, *, after: int = 0
) -> Iterator[Message]:
    """What was said after so many messages."""
    times = _times(facts)
    scores = _scores(facts, after)
    for number, one in enumerate(facts.messages):
        if number >= after:
            is_reply = one.role == MessageRole.ASSISTANT
            yield Message(
                workspace_id=conversation.workspace_id,
                conversation=conversation,
                role=one.role,
                text=one.text,
                finish_reason="stop" if is_reply else "",
                score=scores[number],
                created_at=times[number],
                finished_at=times[number] if is_reply else None,
            )


def _answer(conversations: Sequence[Conversation]) -> None:
    """Has each reply answer the user's last message before it."""
    asked = Message.objects.filter(
        conversation=OuterRef("conversation"),
        role=MessageRole.USER,
        pk__lt=OuterRef("pk"),
    )
    replies = Message.objects.filter(
        conversation__in=[one.pk for one in conversations],
        role=MessageRole.ASSISTANT,
        answers=None,
    )
    replies.update(answers_id=Subquery(asked.order_by("-pk").values("pk")[:1]))


def _events(messages: Sequence[Message]) -> Iterator[ConversationEvent]:
    """As `timeline` would have numbered them; nobody can be following yet."""
    seq, conversation_id = 0, None
    for message in messages:
        same = message.conversation_id == conversation_id
        seq, conversation_id = seq + 1 if same else 1, message.conversation_id
        yield ConversationEvent(
            workspace_id=message.workspace_id,
            conversation_id=conversation_id,
            seq=seq,
            kind=EventKind.MESSAGE,
            message=message,
            created_at=message.created_at,
        )


# --- What was said since --------------------------------------------------------------


def _go_on(page: Page, one: ConversationFacts, row: ImportedRow) -> None:
    if row.marks == one.marks:
        page.count(KNOWN)
        return
    after = _known_part(one, row)
    if after is None:
        page.skip(one, "what was brought of it is no longer so at the source")
        return
    if page.write:
        try:
            with locked(row.row_id) as conversation:
                if conversation.messages.live().exists():
                    page.skip(one, "a reply in it is being made here; run again")
                    return
                _append(conversation, one, after)
        except Conversation.DoesNotExist:  # deleted here since
            page.count(KNOWN)
            return
        row.marks = one.marks
        page.note_again([row])
    page.count(CHANGED)
    page.summary.count(MESSAGES, MADE, len(one.messages) - after)


def _known_part(one: ConversationFacts, row: ImportedRow) -> int | None:
    """How many of its messages have been brought; None where they cannot be found
    among them again."""
    length = row.marks["length"]
    if length <= len(one.messages) and one.chain(length) == row.marks["chain"]:
        return length
    # Of a long conversation the source may give the end only.
    last = row.marks["last"]
    ids = [message.source_id for message in one.messages]
    return ids.index(last) + 1 if last and last in ids else None


def _append(conversation: Conversation, one: ConversationFacts, after: int) -> None:
    for message in _messages(conversation, one, after=after):
        message.save(force_insert=True)
        timeline.add(conversation, EventKind.MESSAGE, message_id=message.pk)
    _answer([conversation])
    conversation.updated_at = max(
        conversation.updated_at, one.updated_at or one.last_message_at or _last(one)
    )
    conversation.save(update_fields=["updated_at"])


# --- What the source leaves open ------------------------------------------------------


def _title(one: ConversationFacts) -> str:
    """As a conversation that begins here has it: what was asked first."""
    asked = (m.text for m in one.messages if m.role == MessageRole.USER)
    return title_of(one.title or next(asked, ""))


def _begun(one: ConversationFacts) -> dt.datetime:
    times = [message.created_at for message in one.messages if message.created_at]
    return one.created_at or min(times, default=None) or timezone.now()


def _times(one: ConversationFacts) -> list[dt.datetime]:
    """One for each message, and none before the one before it: where the source gives
    none it is that one's, and the last message's is the conversation's last."""
    times: list[dt.datetime] = []
    now = _begun(one)
    for message in one.messages:
        is_last = len(times) == len(one.messages) - 1
        found = message.created_at or (one.last_message_at if is_last else None)
        now = max(found or now, now) if times else found or now
        times.append(now)
    return times


def _last(one: ConversationFacts) -> dt.datetime:
    return max(_times(one), default=_begun(one))


def _scores(one: ConversationFacts, after: int) -> list[float | None]:
    """The messages' own, where the source gives them. Else it may give the lowest of
    the conversation, which its last reply has then."""
    scores = [message.score for message in one.messages]
    if one.min_score is None or any(score is not None for score in scores):
        return scores
    replies = [
        number
        for number, message in enumerate(one.messages)
        if message.role == MessageRole.ASSISTANT and number >= after
    ]
    if replies:
        scores[replies[-1]] = one.min_score
    return scores
