"""What has happened to a conversation, for those who follow it.

Whoever has seen all there is waits without a thread and without a connection: for a
hint from within the process, or for the one query that asks every second, for all who
wait, which conversations have news.
"""

import asyncio
import contextvars
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog
from django.db.models import Exists, OuterRef

from bookbag import threads
from conversations.models import Conversation, ConversationEvent, Message, ToolCall

log = structlog.get_logger(__name__)

PAGE = 100  # events
INTERVAL = 1.0  # seconds between two looks for what other processes have written


@dataclass(frozen=True, slots=True)
class Happening:
    """An event, and its message as it is by now: None where there is none to show,
    because a retry has replaced it since."""

    event: ConversationEvent
    message: Message | None
    calls: list[ToolCall]


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order; the next page begins after `last_seq`."""

    happenings: list[Happening]
    last_seq: int
    has_more: bool


def page(conversation_id: int, *, after: int) -> Page:
    shown = Message.objects.readable().filter(pk=OuterRef("message_id"))
    events = list(
        ConversationEvent.objects.filter(conversation=conversation_id, seq__gt=after)
        .select_related("message")
        .defer("message__journal")
        .annotate(is_shown=Exists(shown))
        .order_by("seq")[: PAGE + 1]
    )
    has_more = len(events) > PAGE
    events = events[:PAGE]
    messages = {
        event.message_id: event.message
        for event in events
        if event.message and event.is_shown
    }
    calls = defaultdict(list)
    for call in ToolCall.objects.filter(message__in=messages).order_by("id"):
        calls[call.message_id].append(call)
    return Page(
        [
            Happening(
                event,
                messages.get(event.message_id),
                calls.get(event.message_id or 0, []),
            )
            for event in events
        ],
        last_seq=events[-1].seq if events else after,
        has_more=has_more,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    after: int
    told: "asyncio.Future[bool]"

    def tell(self, is_news: bool) -> None:
        if not self.told.done():
            self.told.set_result(is_news)


class Readers:
    """Everybody of this process who waits for news. Belongs to one event loop."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self.closed = False
        self._interval = interval
        self._waiting: defaultdict[int, set[_Waiting]] = defaultdict(set)
        self._looking: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def news(self, conversation_id: int, *, after: int, seconds: float) -> bool:
        """Waits until something has happened after that event; False if nothing does
        in time. It may be wrong about news: look."""
        loop = self._loop = asyncio.get_running_loop()
        if self.closed:
            return False
        one = _Waiting(after, loop.create_future())
        self._waiting[conversation_id].add(one)
        self._keep_looking(loop)
        timer = loop.call_later(seconds, one.tell, False)
        try:
            return await one.told
        finally:
            timer.cancel()
            self._waiting[conversation_id].discard(one)
            if not self._waiting[conversation_id]:
                del self._waiting[conversation_id]

    def hint(self, conversation_id: int) -> None:
        """Something has happened, and is committed. From any thread."""
        self._call(self._tell_all_of, conversation_id)

    def close(self) -> None:
        """The server stops: nobody waits any longer. From any thread."""
        self.closed = True
        self._call(self._send_home)

    def _call(self, function: Callable[..., None], *args: object) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(function, *args)

    def _tell_all_of(self, conversation_id: int) -> None:
        for one in self._waiting.get(conversation_id, ()):
            one.tell(True)

    def _send_home(self) -> None:
        for several in self._waiting.values():
            for one in several:
                one.tell(False)

    def _keep_looking(self, loop: asyncio.AbstractEventLoop) -> None:
        task = self._looking
        # A task of a loop that has ended is never done.
        if task is None or task.done() or task.get_loop() is not loop:
            # A context of its own: the request's ends with the request.
            self._looking = loop.create_task(
                self._look(), context=contextvars.Context()
            )

    async def _look(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._interval)
            if not self._waiting:
                return
            try:
                newest = await threads.run(_newest, list(self._waiting))
            except Exception:  # the database is away; it may be back in a second
                log.warning("could not look for news", exc_info=True)
                continue
            for conversation_id, seq in newest.items():
                for one in self._waiting.get(conversation_id, ()):
                    if seq > one.after:
                        one.tell(True)


def _newest(conversation_ids: Iterable[int]) -> dict[int, int]:
    """The number of each conversation's newest event."""
    rows = Conversation.objects.filter(pk__in=conversation_ids)
    return dict(rows.values_list("pk", "last_seq"))


readers = Readers()
