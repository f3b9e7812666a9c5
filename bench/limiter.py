"""The rate limit (S10): is it exact, and what does a hit cost?"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count

import redis

from apikeys.limits import MICROSECONDS, Limiter, MemoryLimiter, RedisLimiter
from bench import peers
from bench.peers import Installation
from bench.report import Finding
from tests import services

LIMIT, WINDOW = 100, 10  # what the API promises
SPAN = WINDOW * MICROSECONDS
BATCH = 200  # hits timed together
BATCHES = 15  # of each kind in a round; the quickest counts
KEYS = 1000


def limiter(shop: Installation, *, rounds: int) -> Iterator[Finding]:
    """S10, in process and in a Redis of our own."""
    with services.redis() as url:
        clock = Clock()
        fallback = MemoryLimiter(clock)
        sides: dict[str, Limiter] = {
            "in process": MemoryLimiter(clock),
            "in Redis": RedisLimiter(url, fallback=fallback, clock=clock),
        }
        for name, side in sides.items():
            worst = max(_worst(side, clock, schedule()) for schedule in SCHEDULES)
            yield Finding(
                "S10",
                f"most let through in any {WINDOW} s, {name} ({worst})",
                f"{LIMIT}",
                worst / LIMIT,
                hold=1.0,
                exact=True,
            )
        if len(fallback):
            raise peers.BenchError("Redis did not answer: nothing of it was measured.")
        yield from _costs(url, rounds=rounds)


class Clock:
    """Stands where it is put, in microseconds."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def _at_the_edge() -> Iterator[int]:
    """As many as may just before the end of a fixed window, and again just after."""
    for second in (9.9, 10.1, 19.8, 20.2):
        yield from (int(second * MICROSECONDS) + n for n in range(LIMIT))


def _hammer() -> Iterator[int]:
    yield from range(0, 40 * MICROSECONDS, MICROSECONDS // 50)


def _burst_and_trickle() -> Iterator[int]:
    yield from range(LIMIT)
    yield from range(MICROSECONDS, 40 * MICROSECONDS, MICROSECONDS // 15)


def _at_random() -> Iterator[int]:
    chance, now = random.Random(10), 0
    for _ in range(1500):
        now += int(chance.expovariate(1) * chance.choice((100, 20_000, 400_000)))
        yield now


SCHEDULES = (_at_the_edge, _hammer, _burst_and_trickle, _at_random)
_buckets = count()


def _worst(side: Limiter, clock: Clock, schedule: Iterator[int]) -> int:
    """The most that was let through in any window of this schedule."""
    bucket, worst = f"bench-{next(_buckets)}", 0
    inside: deque[int] = deque()
    for moment in schedule:
        clock.now = 1_700_000_000 * MICROSECONDS + moment
        if not side.hit(bucket, limit=LIMIT, window=WINDOW).allowed:
            continue
        inside.append(moment)
        while inside[0] <= moment - SPAN:
            inside.popleft()
        worst = max(worst, len(inside))
    return worst


def _costs(url: str, *, rounds: int) -> Iterator[Finding]:
    """By the clock: what Redis does meanwhile is part of it. The quickest batch of many
    is one that nothing disturbed."""
    here = MemoryLimiter()
    there = RedisLimiter(url, fallback=MemoryLimiter())
    with redis.Redis.from_url(url) as client:
        kinds: dict[str, Callable[[int], object]] = {
            "ping": lambda number: client.ping(),
            "here": lambda number: _hit(here, number),
            "there": lambda number: _hit(there, number),
        }
        best = dict.fromkeys(kinds, float("inf"))
        for _ in range(rounds * BATCHES):
            for name, call in kinds.items():
                best[name] = min(best[name], _seconds(call))
    for name, kind, hold in (("Redis", "there", 2.5), ("process", "here", 0.12)):
        yield Finding(
            "S10",
            f"time of a hit in {name}",
            "a PING of Redis",
            best[kind] / best["ping"],
            hold=hold,
        )


def _hit(side: Limiter, number: int) -> object:
    return side.hit(f"key:{number % KEYS}", limit=LIMIT, window=WINDOW)


def _seconds(call: Callable[[int], object]) -> float:
    began = time.perf_counter()
    for _ in range(BATCH):
        call(random.randrange(KEYS))
    return time.perf_counter() - began
