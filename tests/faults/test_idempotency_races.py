"""The same POST many times at once, under one Idempotency-Key: it is done once."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from django.urls import path
from rest_framework.response import Response

from agents.models import Agent
from apikeys.models import ApiKey, IdempotencyKey
from bookbag.api import views
from bookbag.api.views import ApiView
from tests.apikeys import test_idempotency
from tests.conftest import LiveServer, make_workspace
from tests.faults.conftest import Install
from tests.installation import Installation, kill
from tests.services import free_port
from tests.twins import TWINS, all_at_once, headers_of

site = pytest.mark.urls(__name__)


class SlowView(ApiView):
    """Says when it has been entered, and waits until it may go on."""

    entered = threading.Event()
    released = threading.Event()

    def post(self, request: Any) -> Response:
        self.entered.set()
        self.released.wait(60)
        return Response({"data": {"done": True}})


urlpatterns = [
    *test_idempotency.urlpatterns[:1],
    path("api/v2/slow", SlowView.as_view()),
]


@pytest.fixture
def owner(committed: None) -> tuple[Agent, str]:
    """An agent, and the secret of a key that opens it."""
    workspace = make_workspace()
    agent = Agent.objects.create(workspace=workspace, name="Support")
    return agent, ApiKey.objects.issue(workspace, label="Races")[1]


# --- Answers in one piece -----------------------------------------------------------


@site
@pytest.mark.usefixtures("patient")
def test_of_50_posts_at_once_one_is_done_and_all_answer_alike(
    http: httpx.Client, server: LiveServer, owner: tuple[Agent, str]
) -> None:
    agent, secret = owner
    url = f"{server.url}/api/v2/agents/{agent.pk}/copies"
    answers = all_at_once([url] * TWINS, {"name": "Copy"}, headers_of(secret, "k"))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    replayed = [one for one in answers if "Idempotency-Replayed" in one.headers]
    assert len(replayed) == TWINS - 1
    assert Agent.objects.for_workspace(agent.workspace).filter(name="Copy").count() == 1


@site
@pytest.mark.usefixtures("patient")
def test_of_50_posts_that_fail_at_once_every_one_is_tried_and_none_is_kept(
    http: httpx.Client, server: LiveServer, owner: tuple[Agent, str]
) -> None:
    agent, secret = owner
    url = f"{server.url}/api/v2/agents/{agent.pk}/copies"
    answers = all_at_once([url] * TWINS, {"name": "refused"}, headers_of(secret, "k"))
    assert {answer.status_code for answer in answers} == {404}
    assert Agent.objects.for_workspace(agent.workspace).count() == 1
    assert not IdempotencyKey.objects.for_workspace(agent.workspace).exists()


@site
@pytest.mark.usefixtures("patient")
def test_of_two_different_bodies_at_once_one_is_done_and_the_other_422(
    http: httpx.Client, server: LiveServer, owner: tuple[Agent, str]
) -> None:
    agent, secret = owner
    url = f"{server.url}/api/v2/agents/{agent.pk}/copies"

    async def send(number: int) -> list[int]:
        async with httpx.AsyncClient(timeout=60) as client:
            both = await asyncio.gather(
                *(
                    client.post(
                        url,
                        json={"name": name},
                        headers=headers_of(secret, f"pair-{number}"),
                    )
                    for name in ("Copy", "Other")
                )
            )
        return sorted(answer.status_code for answer in both)

    for number in range(20):
        assert asyncio.run(send(number)) == [201, 422]
    assert Agent.objects.for_workspace(agent.workspace).count() == 1 + 20


@site
def test_a_twin_of_one_that_takes_long_is_told_to_come_back(
    http: httpx.Client,
    owner: tuple[Agent, str],
    is_postgres: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not is_postgres:
        pytest.skip("on SQLite writers wait for each other, whatever they write")
    monkeypatch.setattr(views, "DATABASE_DEADLINE", 60)
    _, secret = owner
    headers = headers_of(secret, "slow")
    with first_at_work(http, headers) as first:
        twin = http.post("/api/v2/slow", json={}, headers=headers)
        assert twin.status_code == 409
        assert twin.json()["error"]["code"] == "IDEMPOTENCY_KEY_IN_USE"
        assert int(twin.headers["Retry-After"]) >= 1
        SlowView.released.set()
        first.join(60)
    again = http.post("/api/v2/slow", json={}, headers=headers)
    assert again.status_code == 200
    assert again.headers["Idempotency-Replayed"] == "true"


@contextmanager
def first_at_work(
    http: httpx.Client, headers: dict[str, str]
) -> Iterator[threading.Thread]:
    SlowView.entered.clear()
    SlowView.released.clear()
    first = threading.Thread(
        target=http.post, args=["/api/v2/slow"], kwargs={"json": {}, "headers": headers}
    )
    first.start()
    try:
        assert SlowView.entered.wait(60)
        yield first
    finally:
        SlowView.released.set()
        first.join(60)


# --- Two processes ------------------------------------------------------------------

# Prints an agent's id and a key's secret.
SHOP = """
from agents.models import Agent
from apikeys.models import ApiKey
from workspaces.models import User, Workspace
owner = User.objects.create_user("owner@example.com", name="Owner")
workspace = Workspace.objects.found("Shop", owner=owner)
agent = Agent.objects.create(
    workspace=workspace,
    name="Support",
    fallback_message="Nobody here knows that, I am afraid. Please ask our team.",
)
print(agent.pk, ApiKey.objects.issue(workspace, label="Twins")[1])
"""


def test_two_servers_do_it_once_even_if_one_is_killed(install: Install) -> None:
    shop = install(BOOKBAG_EMBEDDED_PACE="0.4", BOOKBAG_EMBEDDED_LONGEST="8")
    agent_id, secret = shop.python(SHOP).split()
    shop.secrets.append(secret)
    urls, processes = [], []
    for _ in range(2):
        shop.environment["PORT"] = str(free_port())
        shop.url = f"http://127.0.0.1:{shop.environment['PORT']}"
        processes.append(shop.serve())
        urls.append(f"{shop.url}/api/v2/agents/{agent_id}/chat")
    for stream in (True, False):
        answers = all_at_once(
            urls * (TWINS // 2),
            {"message": "Do you ship to Canada?", "stream": stream},
            headers_of(secret, f"stream: {stream}"),
        )
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert b"finish" in answers[0].content
    assert counts(shop) == [2, 4, 2, 2]

    request: dict[str, Any] = {
        "json": {"message": "Do you ship to Canada?"},
        "headers": headers_of(secret, "cut off"),
    }
    with httpx.stream("POST", urls[0], **request) as response:
        next(response.iter_bytes())
        kill(processes[0])
    expire_lease(shop)
    first, again = (httpx.post(urls[1], timeout=60, **request) for _ in range(2))
    assert again.content == first.content
    # As far as it had come when it was last saved; that may have been nothing yet.
    cut_off = b'"type":"error"' in first.content and first.status_code == 200
    assert cut_off or first.status_code == 500
    assert counts(shop) == [3, 6, 2, 3]


def expire_lease(shop: Installation) -> None:
    """As if the killed server had been dead for half a minute."""
    statement = (
        "UPDATE conversations_message SET lease_expires_at = '2000-01-01 00:00:00'"
        " WHERE lease_expires_at IS NOT NULL"
    )
    if shop.database_url:
        with psycopg.connect(shop.database_url) as connection:
            connection.execute(statement)
    else:
        file = sqlite3.connect(shop.folder / "bookbag.sqlite3")
        with closing(file) as connection, connection:
            connection.execute(statement)


def counts(shop: Installation) -> list[int]:
    """Conversations, messages, ledger rows and claims."""
    tables = [
        "conversations_conversation",
        "conversations_message",
        "usage_ledgerentry",
        "apikeys_idempotencykey",
    ]
    return [shop.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables]
