"""Exactly so many requests in any window, counted in memory or in Redis."""

import os
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apikeys import limits
from apikeys.limits import MICROSECONDS, Limiter, MemoryLimiter, RedisLimiter
from apikeys.throttling import address_bucket, client_address
from tests import services

REDIS = os.environ.get("TEST_REDIS_URL", "")
needs_redis = [
    pytest.mark.redis,
    pytest.mark.skipif(not REDIS, reason="TEST_REDIS_URL is not set (make test does)"),
]
START = 1_800_000_000 * MICROSECONDS


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that is slow, as all of a busy machine is, is not away."""
    monkeypatch.setattr(limits, "REDIS_PATIENCE", 60)


@pytest.fixture
def own_redis() -> Iterator[str]:
    """One that a test may freeze: others have their keys in the common one."""
    with services.redis() as url:
        yield url


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


Make = Callable[[Clock], Limiter]


def in_memory(clock: Clock) -> Limiter:
    return MemoryLimiter(clock)


def in_redis(clock: Clock, url: str = REDIS) -> Limiter:
    return RedisLimiter(url, fallback=MemoryLimiter(clock), clock=clock)


@pytest.fixture(params=["memory", pytest.param("redis", marks=needs_redis)])
def make(request: pytest.FixtureRequest) -> Make:
    return in_memory if request.param == "memory" else in_redis


# Gaps between requests in microseconds: bursts, edges of the window, and silence.
WINDOW = 10
SPAN = WINDOW * MICROSECONDS
gaps = st.one_of(
    st.just(0),
    st.integers(0, 3),
    st.sampled_from([SPAN - 1, SPAN, SPAN + 1, SPAN // 2]),
    st.integers(0, 2 * SPAN),
)


@hypothesis_settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(arrivals=st.lists(gaps, max_size=60), limit=st.integers(1, 5))
def test_never_more_and_never_fewer_in_any_window(
    make: Make, arrivals: list[int], limit: int
) -> None:
    clock, bucket = Clock(), secrets.token_hex(8)
    limiter = make(clock)
    passed: list[int] = []
    for gap in arrivals:
        clock.now += gap
        decision = limiter.hit(bucket, limit=limit, window=WINDOW)
        # Half open: what is exactly a window old has left it.
        recent = [moment for moment in passed if moment > clock.now - SPAN]
        assert decision.allowed is (len(recent) < limit)
        if decision.allowed:
            recent.append(clock.now)
            passed.append(clock.now)
        assert decision.remaining == limit - len(recent)
        empty_at = recent[-1] + SPAN
        assert 0 <= decision.reset_at * MICROSECONDS - empty_at < MICROSECONDS
        free_in = recent[0] + SPAN - clock.now
        if not decision.allowed:
            assert 0 <= decision.retry_after * MICROSECONDS - free_in < MICROSECONDS
        else:
            assert decision.retry_after == 0


def test_a_client_that_hammers_gets_its_share_again(make: Make) -> None:
    clock = Clock()
    limiter = make(clock)
    bucket, passed = secrets.token_hex(8), []
    for _ in range(3_000):  # 50 a second for a minute
        clock.now += 20_000
        if limiter.hit(bucket, limit=100, window=10).allowed:
            passed.append(clock.now)
    assert len(passed) == 600


def test_after_the_wait_that_was_told_one_passes(make: Make) -> None:
    clock = Clock()
    limiter, bucket = make(clock), secrets.token_hex(8)
    for _ in range(3):
        limiter.hit(bucket, limit=3, window=10)
        clock.now += 1_234_567
    refused = limiter.hit(bucket, limit=3, window=10)
    assert not refused.allowed
    clock.now += refused.retry_after * MICROSECONDS
    assert limiter.hit(bucket, limit=3, window=10).allowed


def test_buckets_do_not_know_of_each_other(make: Make) -> None:
    limiter, one, other = make(Clock()), secrets.token_hex(8), secrets.token_hex(8)
    assert limiter.hit(one, limit=1, window=10).allowed
    assert not limiter.hit(one, limit=1, window=10).allowed
    assert limiter.hit(other, limit=1, window=10).allowed


def test_a_lowered_limit_holds_at_once(make: Make) -> None:
    clock = Clock()
    limiter, bucket = make(clock), secrets.token_hex(8)
    for _ in range(5):
        limiter.hit(bucket, limit=5, window=10)
        clock.now += MICROSECONDS
    decision = limiter.hit(bucket, limit=2, window=10)
    assert (decision.allowed, decision.remaining) == (False, 0)
    assert decision.retry_after == 8  # three of five have left by then
    assert not limiter.hit(bucket, limit=0, window=10).allowed


def test_a_clock_that_is_set_back_locks_nobody_out(make: Make) -> None:
    clock = Clock()
    limiter, bucket = make(clock), secrets.token_hex(8)
    assert limiter.hit(bucket, limit=1, window=10).allowed
    clock.now -= 3600 * MICROSECONDS
    assert limiter.hit(bucket, limit=1, window=10).allowed
    assert not limiter.hit(bucket, limit=1, window=10).allowed


@pytest.mark.parametrize("where", ["memory", pytest.param("redis", marks=needs_redis)])
def test_threads_together_get_exactly_the_limit(where: str) -> None:
    bucket = secrets.token_hex(8)
    limiter: Limiter = MemoryLimiter()
    if where == "redis":
        limiter = RedisLimiter(REDIS, fallback=MemoryLimiter())
    passed: list[bool] = []

    def hammer() -> None:
        for _ in range(50):
            passed.append(limiter.hit(bucket, limit=100, window=3600).allowed)

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(passed), sum(passed)) == (400, 100)


def test_idle_buckets_are_forgotten() -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock)
    for number in range(1_000):
        limiter.hit(f"ip:{number}", limit=1, window=10)
    assert len(limiter) == 1_000
    clock.now += SPAN
    limiter.hit("ip:another", limit=1, window=10)
    assert len(limiter) == 1


def test_a_long_window_keeps_no_idle_bucket_of_a_short_one() -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock)
    limiter.hit("visitor:1:ip:1", limit=5, window=86_400)
    for number in range(1_000):
        limiter.hit(f"ip:{number}", limit=1, window=10)
    clock.now += SPAN
    limiter.hit("ip:another", limit=1, window=10)
    assert len(limiter) == 2
    assert limiter.hit("visitor:1:ip:1", limit=5, window=86_400).remaining == 3


# --- Without Redis ----------------------------------------------------------------


@pytest.fixture
def gone() -> RedisLimiter:
    """A limiter whose Redis is not there."""
    return RedisLimiter("redis://127.0.0.1:1/0", fallback=MemoryLimiter())


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """How it was put; a server's threads have warnings of their own."""
    return [one.levelname for one in caplog.records if "Redis" in str(one.msg)]


def test_without_redis_the_process_counts_and_says_so_once(
    gone: RedisLimiter, caplog: pytest.LogCaptureFixture
) -> None:
    decisions = [gone.hit("b", limit=3, window=3600).allowed for _ in range(5)]
    assert decisions == [True] * 3 + [False] * 2
    assert said(caplog) == ["WARNING"]


@pytest.mark.redis
@pytest.mark.skipif(not REDIS, reason="TEST_REDIS_URL is not set (make test does)")
def test_redis_is_asked_again_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("apikeys.limits.BREAKER", 0)
    limiter = RedisLimiter(REDIS, fallback=MemoryLimiter())
    script, bucket = limiter._script, secrets.token_hex(8)

    def refuse(**_: Any) -> None:
        raise redis.ConnectionError("gone")

    limiter._script = refuse
    limiter.hit(bucket, limit=3, window=10)
    limiter._script = script
    assert limiter.hit(bucket, limit=3, window=10).remaining == 2
    assert said(caplog) == ["WARNING", "WARNING"]


@pytest.mark.redis
@pytest.mark.skipif(not REDIS, reason="TEST_REDIS_URL is not set (make test does)")
def test_a_frozen_redis_is_not_waited_for(
    own_redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REDIS_PATIENCE", 2)
    limiter = RedisLimiter(own_redis, fallback=MemoryLimiter())
    admin = redis.Redis.from_url(own_redis)
    bucket = secrets.token_hex(8)
    assert limiter.hit(bucket, limit=3, window=3600).remaining == 2
    admin.execute_command("CLIENT", "PAUSE", "30000", "ALL")
    # It would have answered in the end; we had left by then, and counted ourselves.
    assert limiter.hit(bucket, limit=3, window=3600).remaining == 2
    assert limiter._down


@pytest.mark.redis
@pytest.mark.skipif(not REDIS, reason="TEST_REDIS_URL is not set (make test does)")
def test_a_redis_that_forgot_the_script_is_told_again(own_redis: str) -> None:
    limiter, bucket = in_redis(Clock(), own_redis), secrets.token_hex(8)
    assert limiter.hit(bucket, limit=3, window=10).remaining == 2
    redis.Redis.from_url(own_redis).script_flush()
    assert limiter.hit(bucket, limit=3, window=10).remaining == 1


@pytest.mark.redis
@pytest.mark.skipif(not REDIS, reason="TEST_REDIS_URL is not set (make test does)")
def test_a_restarted_redis_costs_no_request(own_redis: str) -> None:
    limiter, bucket = in_redis(Clock(), own_redis), secrets.token_hex(8)
    limiter.hit(bucket, limit=3, window=10)
    admin = redis.Redis.from_url(own_redis)
    admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert limiter.hit(bucket, limit=3, window=10).allowed


# --- Whose bucket -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "forwarded", "expected"),
    [
        ("198.51.100.7", "", "198.51.100.7"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),  # no proxy of ours
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),  # the first is a claim
        ("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "junk", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, junk", "10.0.0.1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
    ],
)
def test_forwarded_addresses_count_only_from_our_proxies(
    rf: Any, settings: Any, remote: str, forwarded: str, expected: str
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/24"]
    request = rf.get("/", REMOTE_ADDR=remote, headers={"x-forwarded-for": forwarded})
    assert client_address(request) == expected


def test_a_household_of_ipv6_is_one_bucket() -> None:
    assert address_bucket("2001:db8::1") == address_bucket("2001:db8::ffff:1")
    assert address_bucket("2001:db8::1") != address_bucket("2001:db8:0:1::1")
    assert address_bucket("::ffff:198.51.100.7") == address_bucket("198.51.100.7")
    assert address_bucket("") == address_bucket("nobody") == "ip:unknown"


@pytest.mark.urls("tests.api.site")
@pytest.mark.django_db
def test_a_spoofed_header_gives_no_new_bucket(client: Client, settings: Any) -> None:
    settings.RATE_LIMIT_WINDOW = 3600
    left = [
        client.get(
            "/api/v2/health", headers={"x-forwarded-for": f"203.0.113.{number}"}
        ).headers["X-RateLimit-Remaining"]
        for number in range(3)
    ]
    assert left == ["99", "98", "97"]
