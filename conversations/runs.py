"""A reply while it is being made.

A run is a task of its own, not the response's iterator: whoever watches only
subscribes, so a client that leaves or dawdles changes nothing. The row is the record.
It is checkpointed, and its lease renewed, while the engine works; a run whose process
died is ended by `reap`, in any process; a run that wakes up too late finds that its
fence or the conversation's epoch no longer holds, and writes nothing.
"""

import asyncio
import contextvars
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError

from agents.engine import base
from bookbag import threads
from conversations import endings, replies, turns
from conversations.asks import Ask
from conversations.checkpoints import Checkpoints
from conversations.events import (
    Delta,
    Event,
    Failed,
    Finished,
    ToolCallAsked,
    Watched,
)
from conversations.replies import Draft, Overtaken
from conversations.turns import Ids, Turn

log = structlog.get_logger(__name__)

CHECKPOINT_SECONDS = 1.0
CHECKPOINT_CHARACTERS = 2048
KEEP_ALIVE = 15  # seconds of silence after which a stream says that it lives
BREAK_OFF_SECONDS = 5  # to write down that a reply was broken off
BEGIN_SECONDS = 8  # for the database to take a message
SAVE_SECONDS = 20  # within the lease: a database may come back and take a reply
MAX_CHARACTERS = 65_536  # an engine that never stops is stopped here
FAILURE = "The reply could not be completed. Please try again."

# Names this process in the leases of its replies.
OWNER = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
_checkpoints = Checkpoints()
_running: dict[int, "Run"] = {}  # by conversation: it has one live turn at most


class Run(Watched):
    """One reply in the making."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.events: list[Event] = []
        self.draft = Draft()
        self._watchers: list[asyncio.Future[bool]] = []  # told True: there is news
        self._due = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._is_doubted = False
        self._saved_length = 0
        self._saved_frames = 0
        self._last_news = time.monotonic()

    @property
    def ids(self) -> Ids:
        return self.turn.ids

    async def watch(
        self, *, after: int = 0, quiet: float | None = None
    ) -> AsyncIterator[Event | None]:
        while True:
            while after < len(self.events):
                yield self.events[after]
                after += 1
                if after < len(self.events):
                    # A complete reply already goes out frame by frame as well.
                    await asyncio.sleep(0)
            if self.ended:
                return
            if not await self._something_new(quiet):
                yield None

    def doubt(self) -> None:
        """Somebody may have ended the turn: asks the row at once. From any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._look_soon)

    def _look_soon(self) -> None:
        self._is_doubted = True
        self._due.set()

    async def make(self) -> None:
        """Makes the reply, to whichever end."""
        keeper = asyncio.create_task(self._keep())
        try:
            async with asyncio.timeout(settings.REPLY_DEADLINE) as deadline:
                with _cut_short(deadline, keeper):
                    await self._take_from_engine()
            await _stop(keeper)
            saved = await self._save()
        except Overtaken:
            await self._break_off("Someone else has taken over.", keeper)
        except base.EngineError as error:
            log.warning("engine_failed", kind=error.kind, error=str(error))
            await self._break_off(f"{error.kind}: {error}", keeper)
        except TimeoutError:
            why = "The deadline for the reply passed."
            if keeper.done():  # that is why, however far the deadline was
                why = "Someone else has taken over."
            await self._break_off(why, keeper)
        except Exception as error:
            log.exception("reply_failed", message_id=self.turn.message_id)
            await self._break_off(type(error).__name__, keeper)
        except asyncio.CancelledError:
            await self._break_off("The server stopped.", keeper)
        else:
            for call in saved.calls:  # committed: the client may answer it
                self._publish(ToolCallAsked(call.id, call.name, call.input))
            self._publish(_finished(self.turn, saved))

    async def _save(self) -> Draft:
        """Completes the reply. A database that is away for a moment is waited for."""
        async with asyncio.timeout(SAVE_SECONDS) as deadline:
            while True:
                saving = asyncio.create_task(
                    threads.run(replies.complete, self.turn, self.draft)
                )
                try:
                    return await asyncio.shield(saving)
                except asyncio.CancelledError:
                    # We are to stop, but the thread goes on: it may be committed, and
                    # charged, by now.
                    await asyncio.wait([saving], timeout=BREAK_OFF_SECONDS)
                    if saving.done() and saving.exception() is None:
                        return saving.result()
                    raise
                except (OperationalError, InterfaceError):
                    log.warning("save_failed", message_id=self.turn.message_id)
                    if asyncio.get_running_loop().time() + 1 > (deadline.when() or 0):
                        raise
                    await asyncio.sleep(0.5)

    async def _take_from_engine(self) -> None:
        async with aclosing(replies.answer(self.turn, self.draft)) as events:
            async for event in events:
                self._take(event)

    def _take(self, event: base.Event) -> None:
        match event:
            case base.TextDelta(text):
                self._add(text)
            case base.Citation():
                self.draft.citations.append(event)
            case base.ToolCall():
                replies.call(self.turn, self.draft, event)
            case base.Usage():
                self.draft.usage = event
            case base.Finish():
                self.draft.finish = event

    def _add(self, text: str) -> None:
        text = replies.storable(text)
        if not text:
            return
        if len(self.draft.text) + len(text) > MAX_CHARACTERS:
            raise base.EngineError(
                "bad_request", "The reply grew beyond its limit.", after_output=True
            )
        self.draft.add(text)
        self._publish(Delta(text))
        if len(self.draft.text) - self._saved_length >= CHECKPOINT_CHARACTERS:
            self._due.set()

    async def _keep(self) -> None:
        """Checkpoints new text, renews the lease, and after a long silence says that
        the reply lives, until it is stopped."""
        renewed = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(CHECKPOINT_SECONDS):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()
            if time.monotonic() - self._last_news >= KEEP_ALIVE:
                # A frame like any other, in the journal too: a resumed stream counts.
                self.draft.add("")
                self._publish(Delta(""))
            frames, length = len(self.draft.journal), len(self.draft.text)
            stale = time.monotonic() - renewed >= settings.REPLY_HEARTBEAT
            stale, self._is_doubted = stale or self._is_doubted, False
            if self.turn.kept and (frames > self._saved_frames or stale):
                # A copy: the draft grows on while a thread saves it.
                draft = replace(self.draft, journal=[*self.draft.journal])
                asked = time.monotonic()  # the lease counts from here
                try:
                    await _checkpoints.save(self.turn, draft)
                except (DatabaseError, InterfaceError):  # it may be back in time
                    log.warning("checkpoint_failed", message_id=self.turn.message_id)
                else:
                    self._saved_frames, self._saved_length = frames, length
                    renewed = asked

    async def _break_off(self, error: str, keeper: "asyncio.Task[None]") -> None:
        try:
            await _stop(keeper)
            async with asyncio.timeout(BREAK_OFF_SECONDS):
                await threads.run(replies.break_off, self.turn, self.draft, error=error)
        except Exception:  # the database is away: the reaper will see to the row
            log.exception("break_off_failed", message_id=self.turn.message_id)
        finally:  # also where the server stops meanwhile: somebody may be watching
            self._publish(Failed(FAILURE))

    async def _something_new(self, quiet: float | None) -> bool:
        """Waits for the next event; False after `quiet` seconds without one."""
        loop = asyncio.get_running_loop()
        news = loop.create_future()
        self._watchers.append(news)
        # Cheaper than asyncio.timeout, and it is needed for every frame.
        timer = loop.call_later(quiet, _tell, news, False) if quiet else None
        try:
            return await news
        finally:
            if timer:
                timer.cancel()

    def _publish(self, event: Event) -> None:
        self.events.append(event)
        self._last_news = time.monotonic()
        watchers, self._watchers = self._watchers, []
        for news in watchers:
            _tell(news, True)


def start(turn: Turn) -> Run:
    """Starts to make the reply; it goes on whether or not anybody watches."""
    run = Run(turn)
    if turn.is_silent:
        run.events.append(_finished(turn, run.draft))
        return run
    if turn.conversation_id is not None:
        _running[turn.conversation_id] = run
    # A context of its own: the request's ends with the response.
    task = asyncio.create_task(run.make(), context=contextvars.Context())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    task.add_done_callback(lambda _: _forget(run))
    return run


async def begin(ask: Ask) -> Run:
    """Begins a turn and starts its run. A second turn waits for the first to end.

    Raises Busy after `BUSY_WAIT` seconds, TimeoutError where the database does not
    answer, and what `turns.begin` raises.
    """
    waited_until = time.monotonic() + settings.BUSY_WAIT
    while True:
        try:
            async with asyncio.timeout(BEGIN_SECONDS):
                return await _begin_and_start(ask)
        except turns.Busy:
            if time.monotonic() >= waited_until:
                raise
            await _until_free(ask.conversation_id)


def running(message_id: int, conversation_id: int) -> Run | None:
    """The run of this reply, if this process is making it."""
    run = _running.get(conversation_id)
    return run if run and run.turn.message_id == message_id else None


def doubt(conversation_id: int) -> None:
    """A turn of this conversation may have been ended by others. From any thread."""
    if run := _running.get(conversation_id):
        run.doubt()


async def _begin_and_start(ask: Ask) -> Run:
    """Whoever asked may leave meanwhile: a turn that is committed is also made."""

    async def both() -> Run:
        return start(await threads.run(_begin, ask))

    task = asyncio.create_task(both())
    _beginning.add(task)
    task.add_done_callback(_begun)
    return await asyncio.shield(task)


def _begin(ask: Ask) -> Turn:
    return turns.begin(ask, lease_owner=OWNER)


def _begun(task: "asyncio.Task[Run]") -> None:
    _beginning.discard(task)
    # If nobody waits any more, nobody asks for the exception.
    if not task.cancelled() and (error := task.exception()):
        log.debug("not_begun", error=type(error).__name__)


def reap() -> int:
    """Ends replies whose process died; says how many."""
    if ended := endings.reap():
        log.warning("replies_reaped", count=ended)
    return ended


async def drain(*, seconds: float) -> None:
    """Lets this process's replies finish, and breaks off those that take longer."""
    end = time.monotonic() + seconds
    # Again and again: a turn that waited for another begins when that one ends.
    while (busy := {*_beginning, *_tasks}) and (left := end - time.monotonic()) > 0:
        await asyncio.wait(busy, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    late = set(_tasks)
    for task in late:
        if not task.cancelling():  # else another drain has told it already
            task.cancel()
    if late:
        await asyncio.wait(late, timeout=BREAK_OFF_SECONDS)


_beginning: "set[asyncio.Task[Run]]" = set()
_tasks: "set[asyncio.Task[None]]" = set()  # the loop itself keeps only weak references


async def _until_free(conversation_id: int | None) -> None:
    """Waits for this conversation's turn if it is ours, else a moment."""
    run = _running.get(conversation_id) if conversation_id else None
    try:
        async with asyncio.timeout(0.2):
            await (run.wait() if run else asyncio.sleep(0.2))
    except TimeoutError:
        pass


async def _stop(keeper: "asyncio.Task[None]") -> None:
    """Ends the keeper. A checkpoint already on its way may land later: it finds that
    the turn is no longer live, and misses."""
    keeper.cancel()
    await asyncio.wait([keeper])


@contextmanager
def _cut_short(
    deadline: asyncio.Timeout, keeper: "asyncio.Task[None]"
) -> Iterator[None]:
    """The deadline is now if the keeper ends: nobody keeps the turn any longer. The
    engine may be silent for minutes, so it is not asked at its next word only."""

    def now(_: object) -> None:
        deadline.reschedule(asyncio.get_running_loop().time())

    keeper.add_done_callback(now)
    try:
        yield
    finally:
        keeper.remove_done_callback(now)


def _forget(run: Run) -> None:
    conversation_id = run.turn.conversation_id
    if conversation_id is not None and _running.get(conversation_id) is run:
        del _running[conversation_id]


def _tell(news: "asyncio.Future[bool]", value: bool) -> None:
    if not news.done():
        news.set_result(value)


def _finished(turn: Turn, draft: Draft) -> Finished:
    return Finished(
        conversation_id=turn.conversation_id,
        user_message_id=turn.user_message_id,
        message_id=turn.message_id,
        end_user=turn.end_user,
        reason="tool-calls" if draft.calls else "stop",
        credits=draft.credits,
        is_cut=draft.reason == "length",
        input_tokens=draft.usage.input_tokens,
        output_tokens=draft.usage.output_tokens,
        citations=tuple(replies.citation_json(one) for one in draft.citations),
    )
