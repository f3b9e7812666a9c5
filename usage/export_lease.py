"""A workspace has one export at a time, of whatever: each reads everything there is.

Counted in this process, and between processes where there is a Redis, without which
there are no several workers. One that does not answer hinders no export.
"""

import functools
import secrets
import threading
import time
import weakref

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from apikeys.limits import REDIS_PATIENCE
from bookbag.api.errors import ApiError

log = structlog.get_logger(__name__)

# Seconds after which another process' export that is not heard of is over. A client may
# take so long to read a page without being given up.
TERM = 150
RENEW = 10  # seconds
RETRY_AFTER = 10  # seconds; nobody knows how long the other one takes

# Only the holder's own: after TERM seconds it may be another's.
_IF_MINE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return {} else return 0 end"
_RENEW = _IF_MINE.format("redis.call('PEXPIRE', KEYS[1], ARGV[2])")
_RELEASE = _IF_MINE.format("redis.call('DEL', KEYS[1])")


class ExportRunning(ApiError):
    """Another export of the workspace is under way."""

    def __init__(self) -> None:
        super().__init__(
            429,
            "RATE_LIMIT_TOO_MANY_REQUESTS",
            "An export of this workspace is running. Start the next when it is over.",
            headers={"Retry-After": str(RETRY_AFTER)},
        )


class Lease:
    """Held while an export runs. It may wait for Redis: call it on a thread."""

    def __init__(self, workspace_id: int) -> None:
        self._workspace_id = workspace_id
        self._token = secrets.token_hex(8)
        self._renewed = time.monotonic()

    @classmethod
    def take(cls, workspace_id: int) -> "Lease":
        """ExportRunning."""
        lease = cls(workspace_id)
        with _lock:
            if workspace_id in _held:
                raise ExportRunning
            _held[workspace_id] = lease
        if not lease._take_of_all():
            lease._release_here()
            raise ExportRunning
        return lease

    def renew(self) -> None:
        if time.monotonic() - self._renewed < RENEW:
            return
        self._renewed = time.monotonic()
        self._ask("EVAL", _RENEW, 1, self._key, self._token, TERM * 1000)

    def release(self) -> None:
        self._release_here()
        self._ask("EVAL", _RELEASE, 1, self._key, self._token)

    def _release_here(self) -> None:
        with _lock:
            if _held.get(self._workspace_id) is self:
                del _held[self._workspace_id]

    def _take_of_all(self) -> bool:
        said = self._ask("SET", self._key, self._token, "NX", "PX", TERM * 1000)
        return said is not None

    @property
    def _key(self) -> str:
        return f"bookbag:export:{self._workspace_id}"

    def _ask(self, *command: str | int) -> object:
        client = _redis()
        if client is None:
            return True
        try:
            return client.execute_command(*command)
        except (redis.RedisError, OSError) as problem:
            log.warning(
                "Redis does not answer: exports are counted in each process for itself",
                problem=type(problem).__name__,
            )
            return True


# Weakly: an answer that its client did not wait for is never begun, nor ended.
_held: weakref.WeakValueDictionary[int, Lease] = weakref.WeakValueDictionary()
_lock = threading.Lock()


@functools.cache
def _redis() -> "redis.Redis | None":
    if not settings.REDIS_URL:
        return None
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_PATIENCE,
        socket_connect_timeout=REDIS_PATIENCE,
        retry=Retry(NoBackoff(), 0),
    )
