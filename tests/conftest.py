"""The cast, and the servers that tests talk to.

Tests that only need rows use `db`: everything is rolled back. Tests with threads or
with the real server need rows that others can see: they use `committed`, make their own
workspace, and leave it behind, for the ledger and the audit trail are never emptied.
The two have a database each, so that whoever counts all rows of a table counts its own,
in whatever order tests come.
"""

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import pytest
import uvicorn
from django.conf import settings
from django.core.cache import caches
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import setup_databases, teardown_databases

from agents.models import Agent
from apikeys import last_used, limits
from apikeys.models import ApiKey
from bookbag import housekeeping, threads
from knowledge import search
from usage import export_lease, request_counts
from workspaces.models import Member, Role, User, Workspace

# --- The cast -----------------------------------------------------------------


def make_user(name: str) -> User:
    return User.objects.create_user(
        f"{name}-{secrets.token_hex(4)}@example.com", name=name.title()
    )


def make_member(workspace: Workspace, role: Role) -> User:
    user = make_user(role)
    Member.objects.create(workspace=workspace, user=user, role=role)
    return user


def make_workspace(name: str = "Acme") -> Workspace:
    return Workspace.objects.found(name, owner=make_user("owner"))


@pytest.fixture
def workspace(db: None) -> Workspace:
    return make_workspace()


@pytest.fixture
def owner(workspace: Workspace) -> User:
    return User.objects.get(memberships__workspace=workspace, memberships__role="owner")


@pytest.fixture
def admin(workspace: Workspace) -> User:
    return make_member(workspace, Role.ADMIN)


@pytest.fixture
def editor(workspace: Workspace) -> User:
    return make_member(workspace, Role.EDITOR)


@pytest.fixture
def viewer(workspace: Workspace) -> User:
    return make_member(workspace, Role.VIEWER)


@pytest.fixture
def outsider(db: None) -> User:
    """A user with a workspace of their own, and no business in ours."""
    return make_workspace("Elsewhere").members.get().user


@pytest.fixture
def agent(workspace: Workspace) -> Agent:
    return Agent.objects.create(workspace=workspace, name="Support")


@pytest.fixture
def api_key(workspace: Workspace) -> tuple[ApiKey, str]:
    return ApiKey.objects.issue(workspace, label="Tests")


@pytest.fixture(autouse=True)
def _empty_window() -> Iterator[None]:
    """What one test has asked for counts against no other."""
    limits.limiter.cache_clear()
    limits.local_limiter.cache_clear()
    last_used._noted.clear()
    caches["forms"].clear()
    # What a test has rolled back leaves its ids to others.
    search._indexes.clear()
    request_counts._noted.clear()
    export_lease._held.clear()
    yield
    limits.limiter.cache_clear()
    limits.local_limiter.cache_clear()


# However slow the machine is, a generated case is right or wrong; and which cases there
# are depends on the code alone, not on the day.
hypothesis.settings.register_profile("bookbag", deadline=None, derandomize=True)
hypothesis.settings.load_profile("bookbag")


# --- Two databases ----------------------------------------------------------------


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None,
) -> None:
    """A machine that does much else may need for the simplest of statements what in
    production PostgreSQL is given up after."""
    options = settings.DATABASES["default"]["OPTIONS"]
    if "connect_timeout" in options:
        options["connect_timeout"] = 30
        options["options"] = (
            "-c statement_timeout=60000 -c lock_timeout=10000"
            " -c idle_in_transaction_session_timeout=300000"
        )


class Databases:
    """One that is rolled back and one that is committed to. The thread of the tests has
    a connection to either, and uses that which the test is for; all others commit."""

    def __init__(self) -> None:
        self.rolls_back = False  # the present test
        self._made: dict[bool, BaseDatabaseWrapper] = {}

    def make(self) -> list[Any]:
        made = setup_databases(verbosity=0, interactive=False)
        commits = connections["default"]
        commits.close()  # or a part of SQLite's lies in another file
        commits.creation.clone_test_db("rolled_back", verbosity=0)
        clone = commits.creation.get_test_db_clone_settings("rolled_back")
        self._made = {False: commits, True: type(commits)(clone, alias="default")}
        self.choose(self.rolls_back)
        return made

    def choose(self, rolls_back: bool) -> None:
        self.rolls_back = rolls_back
        if self._made and connections["default"] is not self._made[rolls_back]:
            connections["default"].close()
            connections["default"] = self._made[rolls_back]

    def drop(self, made: list[Any]) -> None:
        self.choose(False)
        self._made[True].close()
        connections["default"].creation.destroy_test_db(
            suffix="rolled_back", verbosity=0
        )
        teardown_databases(made, verbosity=0)


databases = Databases()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    marked = item.get_closest_marker("django_db") is not None
    databases.choose(marked or "db" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_modify_db_settings: None,
    django_db_blocker: Any,
) -> Iterator[None]:
    """Databases for every session: pytest-django makes one only where it sees its own
    fixtures asked for, and ours below are not among them."""
    with django_db_blocker.unblock():
        made = databases.make()
    yield
    with django_db_blocker.unblock():
        threads.close_connections(seconds=5)
        databases.drop(made)


# --- Committed rows and the real server -----------------------------------------


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The test database without a transaction around the test."""
    with django_db_blocker.unblock():
        yield
        connections.close_all()


class LiveServer:
    """The real ASGI application, under the real server, on a thread."""

    def __init__(self) -> None:
        # Imported here: the application connects to the database of the tests.
        from bookbag.asgi import application  # noqa: PLC0415

        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = uvicorn.Server(
            uvicorn.Config(
                application,
                http="httptools",
                lifespan="on",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,  # as served: nobody's word for an address
                timeout_graceful_shutdown=2,
            )
        )
        self.thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True
        )

    def __enter__(self) -> "LiveServer":
        with pytest.MonkeyPatch.context() as patch:
            # Its chores would write what a test has noted, and end what a test has
            # lost, at any moment. Servers of one's own (tests.installation) have them.
            patch.setattr(housekeeping, "CHORES", [])
            self.thread.start()
            end = time.monotonic() + 120
            while time.monotonic() < end and self.thread.is_alive():
                if self.server.started:
                    return self
                self.thread.join(0.05)
        raise RuntimeError("The server did not start.")

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(20)


@pytest.fixture(scope="session")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[LiveServer]:
    with django_db_blocker.unblock(), LiveServer() as server:
        yield server


@pytest.fixture
def http(server: LiveServer, committed: None) -> Iterator[httpx.Client]:
    """A client of the real server. It keeps no connection for as long as the server
    would: that might be closing it as the next request comes."""
    limits = httpx.Limits(keepalive_expiry=1)
    with httpx.Client(base_url=server.url, timeout=60, limits=limits) as client:
        yield client
