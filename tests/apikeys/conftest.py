"""A limiter that starts empty for each test."""

from collections.abc import Iterator

import pytest

from apikeys import last_used, limits


@pytest.fixture(autouse=True)
def _empty_window() -> Iterator[None]:
    limits.limiter.cache_clear()
    limits.local_limiter.cache_clear()
    last_used._noted.clear()
    yield
    limits.limiter.cache_clear()
    limits.local_limiter.cache_clear()
