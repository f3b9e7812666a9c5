"""Work that nobody waits for. A row is the queue of record; this only wakes somebody.

With a broker Celery's workers are woken; without one the same task runs on a thread
of this process. Either may fail to happen: `bookbag.housekeeping` looks for rows left
over.
"""

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


def wake(task: Task, *args: Any) -> None:
    """Runs the task soon after the present transaction commits, if it does."""
    transaction.on_commit(partial(_start, task, args))


def _start(task: Task, args: tuple[Any, ...]) -> None:
    if settings.CELERY_BROKER_URL:
        try:
            task.apply_async(args, retry=False)
        except (OperationalError, OSError) as error:
            log.warning("broker_unreachable", task=task.name, error=str(error))
        return
    job = (task.name, args)
    if job not in _waiting:  # asked for again by the sweeper while it waits
        _waiting.add(job)
        threads.background_thread.submit(_run, task, args)


def _run(task: Task, args: tuple[Any, ...]) -> None:
    _waiting.discard((task.name, args))
    close_old_connections()
    try:
        task.run(*args)
    except Exception:
        log.exception("background_task_failed", task=task.name)
    finally:
        close_old_connections()
