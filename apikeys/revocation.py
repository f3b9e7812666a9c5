"""Open streams hear that their key was revoked or has expired."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import structlog

from apikeys.models import ApiKey
from bookbag import threads

log = structlog.get_logger(__name__)

INTERVAL = 2  # seconds; a stream must end within 5 s of the revocation


class Revocations:
    """One look at the database for all open streams of a process, while it has any."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._watchers: defaultdict[int, set[asyncio.Event]] = defaultdict(set)
        self._looking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watch(self, key_id: int | None) -> AsyncIterator[asyncio.Event]:
        """An event that is set once the key opens nothing any more. Without a key there
        is nothing to revoke."""
        event = asyncio.Event()
        if key_id is None:
            yield event
            return
        self._watchers[key_id].add(event)
        self._keep_looking()
        try:
            yield event
        finally:
            self._watchers[key_id].discard(event)
            if not self._watchers[key_id]:
                del self._watchers[key_id]

    def _keep_looking(self) -> None:
        task, loop = self._looking, asyncio.get_running_loop()
        # A task of a loop that has ended is never done.
        if task is None or task.done() or task.get_loop() is not loop:
            self._looking = loop.create_task(self._look())

    async def _look(self) -> None:
        while self._watchers:
            await asyncio.sleep(self._interval)
            if not self._watchers:
                return
            try:
                dead = await threads.run(_dead_among, list(self._watchers))
            except Exception:
                # The database is away; what it will say when it is back still counts.
                log.warning("could not look for revoked keys", exc_info=True)
                continue
            for key_id in dead:
                for event in self._watchers.get(key_id, ()):
                    event.set()


def _dead_among(key_ids: Iterable[int]) -> set[int]:
    ids = set(key_ids)
    return ids - set(
        ApiKey.objects.live().filter(pk__in=ids).values_list("pk", flat=True)
    )


revocations = Revocations()
