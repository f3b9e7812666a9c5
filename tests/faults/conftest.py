"""What killable servers need."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections

from bookbag import threads
from bookbag.api import views
from conversations import runs
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


@pytest.fixture
def patient(committed: None) -> Iterator[None]:
    """Many want the same row at once here, and a machine may stand still for seconds:
    nobody gives up waiting for a lock, nor for a thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "DATABASE_DEADLINE", 60)
        patch.setattr(runs, "BEGIN_SECONDS", 60)
        options = connections.settings["default"]["OPTIONS"]
        if "options" in options:
            waits = "-c statement_timeout=60000 -c lock_timeout=60000"
            patch.setitem(options, "options", waits)
        _connect_anew()
        yield
    _connect_anew()


def _connect_anew() -> None:
    connections.close_all()
    threads.close_connections(seconds=60)
