"""Drafts of all the replies that this process is making, saved together.

Each by itself would be a transaction and a visit to a thread, every second, for every
open stream: more than half of what a stream costs. So those that are due within a
moment share one.
"""

import asyncio
import contextvars
from dataclasses import dataclass

from bookbag import threads
from conversations import replies
from conversations.replies import Draft, Overtaken
from conversations.turns import Turn

GATHER = 0.1  # seconds in which others that are due may join


@dataclass(frozen=True, slots=True)
class _Waiting:
    turn: Turn
    draft: Draft
    saved: "asyncio.Future[None]"

    def tell(self, problem: Exception | None) -> None:
        if self.saved.done():  # its reply has ended meanwhile
            return
        if problem is None:
            self.saved.set_result(None)
        else:
            self.saved.set_exception(problem)


class Checkpoints:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def save(self, turn: Turn, draft: Draft) -> None:
        """Returns when it is committed. Raises Overtaken, and the database's errors."""
        loop = asyncio.get_running_loop()
        one = _Waiting(turn, draft, loop.create_future())
        self._waiting.append(one)
        if self._writing is None or self._writing.done():
            self._writing = loop.create_task(
                self._write(), context=contextvars.Context()
            )
        await one.saved

    async def _write(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER)
            batch = [one for one in self._waiting if not one.saved.done()]
            self._waiting.clear()
            try:
                await _save(batch)
            except Exception:
                # One row that is held up must not cost the others their leases.
                for one in batch:
                    try:
                        await _save([one])
                    except Exception as problem:
                        one.tell(problem)


async def _save(batch: list[_Waiting]) -> None:
    held = await threads.run(
        replies.checkpoint, [(one.turn, one.draft) for one in batch]
    )
    for one, is_held in zip(batch, held, strict=True):
        one.tell(None if is_held else Overtaken())
