"""A workspace has one import at a time. Whoever holds the lock and dies lets it go."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.db import DatabaseError, connection
from filelock import FileLock, Timeout

Check = Callable[[], None]


class Busy(Exception):
    """Another import into the workspace is running."""


@contextmanager
def held(workspace_id: int) -> Iterator[Check]:
    """Raises Busy. What it yields is called within each transaction and raises Busy
    where the lock was lost: with the connection that had it, on PostgreSQL."""
    if connection.vendor == "postgresql":
        with _held_by_connection(f"bookbag:import:{workspace_id}") as check:
            yield check
        return
    # SQLite has no such locks; the operating system has, on files.
    path = f"{connection.settings_dict['NAME']}-import-{workspace_id}.lock"
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise Busy from None
    try:
        yield lambda: None
    finally:
        lock.release()


@contextmanager
def _held_by_connection(name: str) -> Iterator[Check]:
    def ask(function: str) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(hashtextextended(%s, 0))", [name])
            return bool(cursor.fetchone()[0])

    def check() -> None:
        # One connection may take it twice; this one lasts as long as the transaction.
        if not ask("pg_try_advisory_xact_lock"):
            raise Busy

    if not ask("pg_try_advisory_lock"):
        raise Busy
    try:
        yield check
    finally:
        with suppress(DatabaseError):  # the connection is gone, and the lock with it
            ask("pg_advisory_unlock")
