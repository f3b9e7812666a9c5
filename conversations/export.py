"""Everything an agent has been asked and has answered, as JSON, in pages.

The JSON is written by the database, in the shapes of `conversations.api.shapes`. No
transaction outlives a page, however long the client takes to read: what has happened
since the export began is left out by number and by time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from django.db import connection
from django.db.models import Max
from django.utils import timezone

from agents.models import Agent
from conversations.export_sql import STATEMENTS, Statements
from conversations.models import Conversation, Message

LOT = 400  # conversations, or messages, that are weighed at a time
# Bytes, about; a few times that is in memory. To plan a page takes PostgreSQL as long
# as a quarter of a megabyte: smaller ones are dear.
PAGE = 1024 * 1024
# JSON may hold these as they are, but many a client's "read a line" ends lines there.
LINE_ENDS = {
    "\u0085".encode(): b"\\u0085",
    "\u2028".encode(): b"\\u2028",
    "\u2029".encode(): b"\\u2029",
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An agent's conversations as they were at a moment.

    What begins later has higher numbers; replies and tools' results that came in later,
    and what was replaced later, know their time. Only title, status, times and feedback
    are those of the moment in which their page is read, and what is deleted before that
    is in no page.
    """

    agent_id: int
    workspace_id: int
    at: datetime
    last_conversation: int
    last_message: int


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of the whole. `begun` conversations begin in it."""

    content: bytes
    begun: int


def begin(agent: Agent) -> Snapshot:
    # The time first: of a retry that ends between the two, what it replaces is shown.
    now = timezone.now()
    conversations, messages = (
        rows.for_workspace(agent.workspace_id).aggregate(last=Max("id", default=0))
        for rows in (Conversation.objects, Message.objects)
    )
    return Snapshot(
        agent_id=agent.pk,
        workspace_id=agent.workspace_id,
        at=now,
        last_conversation=conversations["last"],
        last_message=messages["last"],
    )


def pages(snapshot: Snapshot, *, lines: bool = False) -> Iterator[Page]:
    """The conversations by number, with commas between them or each on its own line.

    Each page may be asked for from another thread: nothing is held in between.
    """
    sql = STATEMENTS[connection.vendor]
    between, separator = b"", b"\n" if lines else b","
    for run in _runs(sql.weigh_conversations, snapshot):
        # Heavier than a page is only a conversation that is a run by itself.
        if run.weight > PAGE:
            several = _long(sql, snapshot, run)
        else:
            several = _short(sql, snapshot, run, separator)
        for page in several:
            if page.begun:
                page = replace(page, content=between + page.content)
                between = separator
            yield replace(page, content=_one_line(page.content)) if lines else page


# --- Conversations -----------------------------------------------------------


@dataclass(slots=True)
class Run:
    """Rows from one number to another, and what they weigh together."""

    first: int
    last: int
    weight: int


def _short(
    sql: Statements, snapshot: Snapshot, run: Run, separator: bytes
) -> Iterator[Page]:
    texts = _texts(sql.conversations, snapshot, run)
    if texts:
        yield Page(separator.join(map(_compact, texts)), len(texts))


def _long(sql: Statements, snapshot: Snapshot, run: Run) -> Iterator[Page]:
    """A conversation in pieces: its head, then its messages."""
    number = run.last
    for head in _texts(sql.heads, snapshot, run):
        yield Page(_compact(head).removesuffix(b"}") + b',"messages":[', 1)
        comma = b""
        for few in _runs(sql.weigh_messages, snapshot, conversation=number):
            texts = _texts(sql.messages, snapshot, few, conversation=number)
            if texts:
                yield Page(comma + b",".join(map(_compact, texts)), 0)
                comma = b","
        yield Page(b"]}", 0)


def _runs(statement: str, snapshot: Snapshot, **where: int) -> Iterator[Run]:
    """All rows, in runs of at most a page each, or of a single row."""
    after = 0
    while lot := _select(statement, snapshot, after=after, lot=LOT, **where):
        yield from _cut(lot)
        after = lot[-1][0]


def _cut(weighed: Iterable[tuple[int, int]]) -> Iterator[Run]:
    run: Run | None = None
    for number, weight in weighed:
        if run is not None and run.weight + weight <= PAGE:
            run.last = number
            run.weight += weight
            continue
        if run is not None:
            yield run
        run = Run(number, number, weight)
    if run is not None:
        yield run


def _texts(statement: str, snapshot: Snapshot, run: Run, **where: int) -> list[str]:
    rows = _select(statement, snapshot, first=run.first, last=run.last, **where)
    return [text for (text,) in rows]


def _select(statement: str, snapshot: Snapshot, **where: int) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            {
                "agent": snapshot.agent_id,
                "workspace": snapshot.workspace_id,
                "at": connection.ops.adapt_datetimefield_value(snapshot.at),
                "last_conversation": snapshot.last_conversation,
                "last_message": snapshot.last_message,
                **where,
            },
        )
        return cursor.fetchall()


def _compact(text: str) -> bytes:
    """The bytes in which every other endpoint says the same: the databases have spaces
    and escapes of their own. What is no JSON at all had better fail here."""
    try:
        return orjson.dumps(orjson.loads(text))
    except orjson.JSONDecodeError:
        # A number that is too large for it, in a call that a model has made.
        return text.encode()


def _one_line(content: bytes) -> bytes:
    if not content.isascii():
        for character, escaped in LINE_ENDS.items():
            content = content.replace(character, escaped)
    return content
