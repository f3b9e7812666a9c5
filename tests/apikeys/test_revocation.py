"""An open stream hears within seconds that its key opens nothing any more."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apikeys import revocation
from apikeys.models import ApiKey
from apikeys.revocation import Revocations
from bookbag import threads
from tests.conftest import make_workspace

pytestmark = pytest.mark.usefixtures("committed")


def issue(**fields: Any) -> ApiKey:
    return ApiKey.objects.issue(make_workspace(), label="Stream", **fields)[0]


def expire(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )


@pytest.mark.parametrize("end", [ApiKey.revoke, expire])
def test_the_event_comes_for_this_key_and_no_other(
    end: Callable[[ApiKey], None],
) -> None:
    ended, kept = issue(), issue()

    async def stream() -> tuple[bool, bool]:
        revocations = Revocations(interval=0.02)
        async with (
            revocations.watch(ended.pk) as first,
            revocations.watch(ended.pk) as second,
            revocations.watch(kept.pk) as other,
        ):
            await threads.run(end, ended)
            async with asyncio.timeout(60):
                await first.wait()
                await second.wait()
            return first.is_set(), other.is_set()

    assert asyncio.run(stream()) == (True, False)


def test_one_query_for_all_streams_and_none_without_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, asked = issue(), []
    look = revocation._dead_among
    monkeypatch.setattr(
        revocation, "_dead_among", lambda ids: asked.append(set(ids)) or look(ids)
    )

    async def streams() -> int:
        revocations = Revocations(interval=0.02)
        async with asyncio.timeout(60), revocations.watch(key.pk) as event:
            others = [revocations.watch(key.pk) for _ in range(20)]
            for other in others:
                await other.__aenter__()
            while len(asked) < 3:  # noqa: ASYNC110  (it has no event to give)
                await asyncio.sleep(0.01)
            assert not event.is_set()
            for other in others:
                await other.__aexit__(None, None, None)
        # The last look may be under way; whoever looks stops after it.
        assert revocations._looking is not None
        async with asyncio.timeout(60):
            await revocations._looking
        before = len(asked)
        await asyncio.sleep(0.1)
        return len(asked) - before

    assert asyncio.run(streams()) == 0
    assert all(ids == {key.pk} for ids in asked)


def test_a_database_that_is_away_for_a_while_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, failures = issue(), []
    key.revoke()
    look = revocation._dead_among

    def fail_once(ids: Any) -> set[int]:
        if not failures:
            failures.append(1)
            raise ConnectionError("away")
        return look(ids)

    monkeypatch.setattr(revocation, "_dead_among", fail_once)

    async def stream() -> bool:
        async with Revocations(interval=0.02).watch(key.pk) as event:
            async with asyncio.timeout(60):
                await event.wait()
            return event.is_set()

    assert asyncio.run(stream())
    assert failures


def test_the_interval_keeps_the_promise() -> None:
    # Five seconds are promised: one look may just have been missed, and the next fail.
    assert 2 * revocation.INTERVAL < 5
