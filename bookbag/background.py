"""Work that nobody waits for. A row is the queue of record; this only wakes somebody.

With a broker Celery's workers are woken; without one the same task runs on a thread
of the serving process, or at once in a command. Either may fail to happen:
`bookbag.housekeeping` looks for rows left over.
"""

import time
from functools import partial
from typing import Any

import structlog
from celery import Task
from django.conf import settings
from django.db import close_old_connections, transaction
from kombu.exceptions import OperationalError

from bookbag import threads

log = structlog.get_logger(__name__)
_waiting: set[tuple[str, tuple[Any, ...]]] = set()
_sent: dict[tuple[str, tuple[Any, ...]], float] = {}  # when, to the broker
# Seconds before the broker is sent the same once more; less than a lease, so that a
# job whose worker died at once is not held back when the lease is over.
AGAIN = 30


def wake(task: Task, *args: Any) -> None:
    """Runs the task soon after the present transaction commits, if it does."""
    transaction.on_commit(partial(_start, task, args))


def remind(task: Task, *args: Any) -> None:
    """For sweepers: as `wake`, but not what the broker was sent a moment ago."""
    now = time.monotonic()
    for job in [one for one, sent in list(_sent.items()) if now - sent >= AGAIN]:
        del _sent[job]
    if (task.name, args) not in _sent:
        wake(task, *args)


def _start(task: Task, args: tuple[Any, ...]) -> None:
    job = (task.name, args)
    do = _send if settings.CELERY_BROKER_URL else _run
    if not threads.serving:
        do(task, args)
    elif job not in _waiting:  # asked for again by the sweeper while it waits
        _waiting.add(job)
        # Sent from there as well: a broker that hangs holds up nobody's request.
        threads.background_thread.submit(do, task, args)


def _send(task: Task, args: tuple[Any, ...]) -> None:
    _waiting.discard((task.name, args))
    try:
        task.apply_async(args, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("broker_unreachable", task=task.name, error=str(error))
    else:
        _sent[task.name, args] = time.monotonic()


def _run(task: Task, args: tuple[Any, ...]) -> None:
    _waiting.discard((task.name, args))
    close_old_connections()
    try:
        task.run(*args)
    except Exception:
        log.exception("background_task_failed", task=task.name)
    finally:
        close_old_connections()
