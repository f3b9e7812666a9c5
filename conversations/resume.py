"""Following a reply that has begun: from the middle, from another process, or after it
has ended. The row and its journal tell what the first reader was told, frame by frame.
"""

import asyncio
import time
from collections.abc import AsyncIterator

from bookbag import threads
from conversations import endings, runs
from conversations.events import Delta, Event, Failed, Finished, ToolCallAsked, Watched
from conversations.locks import locked
from conversations.models import LIVE, Message, ReplyStatus
from conversations.runs import Run
from conversations.turns import Ids
from usage.models import LedgerEntry

POLL = 0.4  # seconds between two looks at a reply that another process makes


class Replay(Watched):
    """A reply as its row tells it."""

    def __init__(self, message_id: int, ids: Ids, events: list[Event]) -> None:
        self.message_id = message_id
        self.ids = ids
        self.events = events

    async def watch(
        self, *, after: int = 0, quiet: float | None = None
    ) -> AsyncIterator[Event | None]:
        news = time.monotonic()
        while True:
            while after < len(self.events):
                yield self.events[after]
                after += 1
                news = time.monotonic()
                if after < len(self.events):
                    await asyncio.sleep(0)  # frame by frame, as it was made
            if self.ended:
                return
            await asyncio.sleep(POLL)
            if quiet and time.monotonic() - news >= quiet:
                news = time.monotonic()
                yield None
            had = len(self.events)
            self.events += (await threads.run(_read, self.message_id, had)).events


async def follow(message_id: int, conversation_id: int) -> Run | Replay:
    """The reply of that message, from its first event on, wherever it is made."""
    if run := runs.running(message_id, conversation_id):
        return run
    return await threads.run(_read, message_id)


def _read(message_id: int, had: int = 0) -> Replay:
    """What has happened to a reply so far, from the `had`-th event on: a long one need
    not be cut into frames at every look. One whose maker is gone is ended first."""
    message = Message.objects.select_related("conversation").get(pk=message_id)
    if message.status in LIVE and Message.objects.lost().filter(pk=message.pk).exists():
        with locked(message.conversation_id) as conversation:
            endings.end_lost(conversation)
        message.refresh_from_db()
    ids = Ids(message.conversation_id, message.answers_id, message.pk)
    return Replay(message.pk, ids, _events(message, had))


def _events(message: Message, had: int) -> list[Event]:
    events: list[Event] = [*_deltas(message, had)]
    if message.status in LIVE:
        return events
    if message.status in (ReplyStatus.PARTIAL, ReplyStatus.FAILED):
        return [*events, Failed(runs.FAILURE)]
    calls = message.tool_calls.order_by("id")
    asked = [ToolCallAsked(call.call_id, call.name, call.input) for call in calls]
    spent = LedgerEntry.objects.filter(message_id=message.pk).first()
    finished = Finished(
        conversation_id=message.conversation_id,
        user_message_id=message.answers_id,
        message_id=message.pk,
        end_user=message.conversation.end_user,
        reason="tool-calls" if asked else "stop",
        credits=message.credits,
        is_cut=message.finish_reason == "length",
        input_tokens=spent.input_tokens if spent else 0,
        output_tokens=spent.output_tokens if spent else 0,
        citations=tuple(message.citations),
    )
    return [*events, *asked, finished]


def _deltas(message: Message, had: int) -> list[Delta]:
    deltas, said = [], sum(message.journal[:had])
    for length in message.journal[had:]:
        deltas.append(Delta(message.text[said : said + length]))
        said += length
    if said < len(message.text):  # a person's words come in one piece
        deltas.append(Delta(message.text[said:]))
    return deltas
