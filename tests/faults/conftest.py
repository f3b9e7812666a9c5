"""What killable servers need."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.installation import Installation, administer, new_database

Install = Callable[..., Installation]


@pytest.fixture
def install() -> Iterator[Install]:
    """Makes installations, with further environment variables by keyword."""
    made: list[Installation] = []
    databases: list[str] = []
    with tempfile.TemporaryDirectory() as folder:

        def make(**environment: str) -> Installation:
            place = Path(folder) / str(len(made))
            place.mkdir()
            url = new_database(databases)
            made.append(Installation(place, url, **environment))
            return made[-1]

        yield make
        for installation in made:
            installation.stop()
    for name in databases:
        administer(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def redis_url() -> str:
    url = os.environ.get("TEST_REDIS_URL", "")
    if not url:
        pytest.skip("needs TEST_REDIS_URL; `make test` starts a Redis and sets it")
    # Of the server's sixteen databases one of this worker's own: the installations of
    # another have keys and jobs of the same names.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return f"{url.rpartition('/')[0]}/{int(worker) + 1}"


@pytest.fixture
def is_postgres() -> bool:
    return settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
