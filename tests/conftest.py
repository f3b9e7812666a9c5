"""The cast, and the servers that tests talk to.

Tests that only need rows use `db`: everything is rolled back. Tests with threads or
with the real server need rows that others can see: they use `committed`, make their own
workspace, and leave it behind, for the ledger and the audit trail are never emptied.
"""

import os
import secrets
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from django.core.cache import caches
from django.db import connections
from django.test.utils import setup_databases, teardown_databases

from agents.models import Agent
from apikeys import last_used, limits
from apikeys.models import ApiKey
from bookbag import threads
from knowledge import search
from usage import export_lease
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
    # What a test has rolled back leaves its ids to others, on SQLite.
    search._indexes.clear()
    export_lease._held.clear()
    yield
    limits.limiter.cache_clear()
    limits.local_limiter.cache_clear()


# --- Committed rows and the real server -----------------------------------------


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_modify_db_settings: None,
    django_db_blocker: Any,
) -> Iterator[None]:
    """A database for every session: pytest-django makes one only where it sees its own
    fixtures asked for, and ours below are not among them."""
    with django_db_blocker.unblock():
        databases = setup_databases(verbosity=0, interactive=False)
    yield
    with django_db_blocker.unblock():
        threads.close_connections(seconds=5)
        teardown_databases(databases, verbosity=0)


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

        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = uvicorn.Server(
            uvicorn.Config(
                application,
                host="127.0.0.1",
                port=self.port,
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
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self) -> "LiveServer":
        self.thread.start()
        for _ in range(600):
            if self.server.started:
                return self
            self.thread.join(0.05)
        raise RuntimeError("The server did not start.")

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(20)


def free_port() -> int:
    """A free port outside the ephemeral range, where sockets come and go."""
    for port in range(20_000 + os.getpid() % 5_000, 32_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeError("No free port.")


@pytest.fixture(scope="session")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[LiveServer]:
    with django_db_blocker.unblock(), LiveServer() as server:
        yield server


@pytest.fixture
def http(server: LiveServer, committed: None) -> Iterator[httpx.Client]:
    """A client of the real server."""
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client
