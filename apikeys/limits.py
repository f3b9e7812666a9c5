"""How much: an exact log of the last seconds, in this process or in Redis.

A fixed window, two windows averaged or a leaky bucket let more through than they say.
A log of at most `limit` numbers for each bucket does not, and costs no more.
"""

import functools
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

log = structlog.get_logger(__name__)

MICROSECONDS = 1_000_000
REDIS_PATIENCE = 0.25  # seconds; redis-py's own defaults wait for most of a minute
BREAKER = 5  # seconds without a question to a Redis that did not answer


@dataclass(frozen=True, slots=True)
class Decision:
    allowed: bool
    limit: int
    remaining: int
    reset_at: int  # Unix seconds: from then on the window is empty
    retry_after: int  # seconds until one more is let through; 0 where one is now


class Limiter(Protocol):
    def hit(self, bucket: str, *, limit: int, window: float) -> Decision:
        """Lets a request through and remembers it, or refuses and forgets it.

        In any `window` seconds exactly `limit` requests pass.
        """
        ...


def now_in_microseconds() -> int:
    return time.time_ns() // 1000


class MemoryLimiter:
    """The log in this process."""

    def __init__(self, clock: Callable[[], int] = now_in_microseconds) -> None:
        self._clock = clock
        # By the length of the window: a bucket of a day keeps none of ten seconds. The
        # one that was let through last stands last, so idle ones are in front.
        self._logs: dict[int, OrderedDict[str, deque[int]]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return sum(map(len, self._logs.values()))

    def hit(self, bucket: str, *, limit: int, window: float) -> Decision:
        span = round(window * MICROSECONDS)
        with self._lock:
            now = self._clock()
            self._forget_idle(now)
            logs = self._logs.setdefault(span, OrderedDict())
            times = logs.get(bucket, deque())
            if times and times[-1] > now + span:
                times.clear()  # the clock was set back: nobody waits for it to return
            while times and times[0] <= now - span:
                times.popleft()
            if allowed := len(times) < limit:
                times.append(now)
                logs[bucket] = times
                logs.move_to_end(bucket)
            return _decision(
                allowed,
                limit=limit,
                now=now,
                span=span,
                count=len(times),
                newest=times[-1] if times else now,
                # Where a limit was lowered, more than one must leave first.
                freeing=times[len(times) - limit] if 0 < limit <= len(times) else now,
            )

    def _forget_idle(self, now: int) -> None:
        for span, logs in list(self._logs.items()):
            while logs:
                bucket, times = next(iter(logs.items()))
                if times and now - span < times[-1] <= now + span:
                    break
                del logs[bucket]
            if not logs:
                del self._logs[span]


# One call, so that nothing comes between the look and the note; Redis' clock, so that
# processes agree on the time. ARGV[3] holds the clock still in tests.
_SCRIPT = """
local limit, span = tonumber(ARGV[1]), tonumber(ARGV[2])
local now
if ARGV[3] == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
else
  now = tonumber(ARGV[3])
end
local key = KEYS[1]
redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now - span))
redis.call('ZREMRANGEBYSCORE', key, string.format('(%.0f', now + span), '+inf')
local count = redis.call('ZCARD', key)
local allowed = 0
if count < limit then
  redis.call('ZADD', key, string.format('%.0f', now),
             string.format('%.0f-%d', now, count))
  redis.call('PEXPIRE', key, math.ceil(span / 1000) + 1000)
  count, allowed = count + 1, 1
end
local newest, freeing = now, now
if count > 0 then
  newest = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
end
if limit > 0 and count >= limit then
  freeing = redis.call('ZRANGE', key, count - limit, count - limit, 'WITHSCORES')[2]
end
return {allowed, count, string.format('%.0f', now), string.format('%.0f', newest),
        string.format('%.0f', freeing)}
"""


class RedisLimiter:
    """The log in Redis, exact across processes. Without it each counts for itself."""

    def __init__(
        self,
        url: str,
        *,
        fallback: MemoryLimiter,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self.fallback = fallback
        self._clock = clock
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=REDIS_PATIENCE,
            socket_connect_timeout=REDIS_PATIENCE,
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._client.register_script(_SCRIPT)
        self._down = False
        self._ask_again_at = 0.0
        self._lock = threading.Lock()

    def hit(self, bucket: str, *, limit: int, window: float) -> Decision:
        if not self._may_ask():
            return self.fallback.hit(bucket, limit=limit, window=window)
        span = round(window * MICROSECONDS)
        try:
            allowed, count, now, newest, freeing = self._script(
                keys=[f"bookbag:limit:{bucket}"],
                args=[limit, span, "" if self._clock is None else self._clock()],
            )
        except (redis.RedisError, OSError) as problem:
            self._lost(problem)
            return self.fallback.hit(bucket, limit=limit, window=window)
        self._found()
        return _decision(
            bool(allowed),
            limit=limit,
            now=int(now),
            span=span,
            count=int(count),
            newest=int(newest),
            freeing=int(freeing),
        )

    def _may_ask(self) -> bool:
        if not self._down:
            return True
        with self._lock:
            if time.monotonic() < self._ask_again_at:
                return False
            # One asks; the others need not wait for the answer with it.
            self._ask_again_at = time.monotonic() + BREAKER
            return True

    def _lost(self, problem: Exception) -> None:
        with self._lock:
            first, self._down = not self._down, True
            self._ask_again_at = time.monotonic() + BREAKER
        if first:
            log.warning(
                "Redis does not answer: rate limits count in each process for itself",
                problem=type(problem).__name__,
            )

    def _found(self) -> None:
        if self._down:
            with self._lock:
                back, self._down = self._down, False
            if back:
                log.warning("Redis answers again: rate limits count together")


def _decision(
    allowed: bool,
    *,
    limit: int,
    now: int,
    span: int,
    count: int,
    newest: int,
    freeing: int,
) -> Decision:
    wait = 0 if allowed else max(1, math.ceil((freeing + span - now) / MICROSECONDS))
    return Decision(
        allowed=allowed,
        limit=limit,
        remaining=max(0, limit - count),
        reset_at=math.ceil((newest + span) / MICROSECONDS),
        retry_after=wait,
    )


@functools.cache
def local_limiter() -> MemoryLimiter:
    """This process's own, for what must not wait for anything."""
    return MemoryLimiter()


@functools.cache
def limiter() -> Limiter:
    """The one that all processes share, where there is a Redis."""
    if settings.REDIS_URL:
        return RedisLimiter(settings.REDIS_URL, fallback=local_limiter())
    return local_limiter()
