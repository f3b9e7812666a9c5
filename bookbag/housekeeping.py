"""What a serving process does beside serving: small chores, each every few seconds.

Every process does them all. They claim rows before they act, so that many of them do no
harm, and a job whose process died is found by any other.
"""

import asyncio
from collections.abc import Callable

import structlog

from apikeys import idempotency
from apikeys.last_used import flush as flush_last_used
from bookbag import threads
from conversations import calls, runs
from knowledge import tasks as knowledge_tasks
from usage.request_counts import flush as flush_request_counts

log = structlog.get_logger(__name__)

CHORES: list[tuple[Callable[[], object], float]] = [  # what, every how many seconds
    (flush_last_used, 5),
    (flush_request_counts, 5),
    (runs.reap, 10),
    (calls.expire, 60),
    (knowledge_tasks.sweep, 10),
    (idempotency.forget, 300),
]


async def keep_house() -> None:
    async with asyncio.TaskGroup() as group:
        for chore, seconds in CHORES:
            group.create_task(_repeat(chore, seconds))


async def _repeat(chore: Callable[[], object], seconds: float) -> None:
    while True:
        try:
            await threads.run(chore)
        except Exception:  # the database may be away for a while
            log.exception("chore_failed", chore=chore.__module__)
        await asyncio.sleep(seconds)


async def tidy_up(*, seconds: float) -> None:
    """At the end of a process: what was only noted is written."""
    for chore in (flush_last_used, flush_request_counts):
        try:
            async with asyncio.timeout(seconds):
                await threads.run(chore)
        except Exception:  # the process ends all the same
            log.exception("chore_failed", chore=chore.__module__)
