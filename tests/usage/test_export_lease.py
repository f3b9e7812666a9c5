"""A workspace has one export at a time."""

import os
from typing import Any

import pytest

from usage import export_lease
from usage.export_lease import ExportRunning, Lease

REDIS = os.environ.get("TEST_REDIS_URL", "")


def test_a_lease_is_given_back_by_whoever_forgets_it() -> None:
    Lease.take(-1)
    lease = Lease.take(-1)
    with pytest.raises(ExportRunning):
        Lease.take(-1)
    lease.release()
    lease.release()
    Lease.take(-1).release()


@pytest.mark.redis
@pytest.mark.skipif(not REDIS, reason="TEST_REDIS_URL is not set (make test does)")
def test_processes_share_the_lease(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = REDIS
    # One that is slow, as all of a busy machine is, is not away.
    monkeypatch.setattr(export_lease, "REDIS_PATIENCE", 60)
    export_lease._redis.cache_clear()
    try:
        ours = Lease.take(-2)
        # Another process knows nothing of it.
        monkeypatch.setattr(export_lease, "_held", {})
        with pytest.raises(ExportRunning):
            Lease.take(-2)
        ours.release()
        theirs = Lease.take(-2)
        ours.release()  # twice; but it is not its own any more
        monkeypatch.setattr(export_lease, "_held", {})
        with pytest.raises(ExportRunning):
            Lease.take(-2)
        theirs.release()
    finally:
        export_lease._redis.cache_clear()


def test_a_redis_that_is_down_hinders_no_export(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    export_lease._redis.cache_clear()
    try:
        lease = Lease.take(-3)
        with pytest.raises(ExportRunning):
            Lease.take(-3)
        lease.release()
    finally:
        export_lease._redis.cache_clear()
