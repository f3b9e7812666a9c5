"""The few long-lived threads in which everything blocking runs.

Under ASGI Django would give every open request a thread of its own, and every thread
a database connection: 1,000 open streams were 1,000 threads. Here K threads, each with
one persistent connection, serve them all: requests through `ThreadSensitiveContext`,
and replies in the making through `run`. Nothing on these threads may take long: models
are awaited on the event loop, and background jobs have `background_thread`.
"""

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.db import close_old_connections, connections

K = 8  # threads, and so database connections, of one process

P = ParamSpec("P")
T = TypeVar("T")


class OneThread(Executor):
    """An executor with one thread that knows how many calls wait for it.

    The thread is a daemon, which ThreadPoolExecutor's are not: a process that is told
    to stop does not wait for a job of minutes, nor for a database that hangs. Jobs and
    replies have leases for that.
    """

    def __init__(self, name: str) -> None:
        self.pending = 0
        self._name = name
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]]
        self._calls = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._count = threading.Lock()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        future: Future[T] = Future()
        with self._count:
            self.pending += 1
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name=self._name, daemon=True
                )
                self._thread.start()
        future.add_done_callback(self._done)
        self._calls.put((future, partial(fn, *args, **kwargs)))
        return future

    def _work(self) -> None:
        while True:
            future, call = self._calls.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:
                    future.set_exception(error)
            del future, call  # or they live until the next one comes

    def _done(self, _: "Future[Any]") -> None:
        with self._count:
            self.pending -= 1


# Whether this process is a server: then others wait for it, and background work must
# not keep them. A command does its work itself, before it ends.
serving = False
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


def close_connections(*, seconds: float | None = None) -> None:
    """Hangs up on the database from every thread; for the end of a process or test.
    A thread that is busy for longer than that is left to it."""
    everyone = (*_request_threads, background_thread)
    wait([one.submit(connections.close_all) for one in everyone], timeout=seconds)
