"""The few long-lived threads in which everything blocking runs.

Under ASGI Django would give every open request a thread of its own, and every thread
a database connection: 1,000 open streams were 1,000 threads. Here K threads, each with
one persistent connection, serve them all: requests through `ThreadSensitiveContext`,
and replies in the making through `run`. Nothing on these threads may take long: models
are awaited on the event loop, and background jobs have `background_thread`.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.db import close_old_connections, connections

K = 8  # threads, and so database connections, of one process

P = ParamSpec("P")
T = TypeVar("T")


class OneThread(ThreadPoolExecutor):
    """An executor with one thread that knows how many calls wait for it."""

    def __init__(self, name: str) -> None:
        super().__init__(max_workers=1, thread_name_prefix=name)
        self.pending = 0
        self._count = threading.Lock()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        with self._count:
            self.pending += 1
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._done)
        return future

    def _done(self, _: "Future[Any]") -> None:
        with self._count:
            self.pending -= 1


_request_threads = [OneThread(f"request-{n}") for n in range(K - 1)]
background_thread = OneThread("background")


def pick() -> OneThread:
    """The thread with the least to do."""
    return min(_request_threads, key=lambda thread: thread.pending)


async def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls the function on one of the threads, outside any request."""
    context = contextvars.copy_context()

    def call() -> T:
        # A connection that broke while it lay idle is replaced, not used.
        close_old_connections()
        return context.run(function, *args, **kwargs)

    return await asyncio.get_running_loop().run_in_executor(pick(), call)


def close_connections() -> None:
    """Hangs up on the database from every thread; for the end of a process or test."""
    for thread in (*_request_threads, background_thread):
        thread.submit(connections.close_all).result()
