"""Requests are counted by day, agent and key; never by a write of the request's own."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models import Sum
from django.test import Client

from agents.models import Agent
from apikeys.models import ApiKey
from tests.conftest import make_workspace
from usage import request_counts
from usage.models import RequestCount
from workspaces.models import Workspace

pytestmark = pytest.mark.urls("tests.usage.site")


@pytest.fixture(autouse=True)
def _nothing_noted() -> None:
    request_counts._noted.clear()


def notes(client: Client, secret: str | None, agent_id: object) -> int:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return client.get(f"/api/v2/agents/{agent_id}/notes", headers=headers).status_code


def counted(workspace: Workspace) -> list[tuple[int, int, int]]:
    """Of all days: a test may run over midnight."""
    rows = RequestCount.objects.for_workspace(workspace).order_by("agent_id")
    of_each = rows.values("agent_id", "api_key_id").annotate(sum=Sum("requests"))
    return list(of_each.values_list("agent_id", "api_key_id", "sum"))


def test_they_are_counted_by_agent_and_key(
    client: Client, agent: Agent, api_key: tuple[ApiKey, str]
) -> None:
    key, secret = api_key
    began = datetime.now(UTC).date()
    for _ in range(3):
        assert notes(client, secret, agent.pk) == 200
    client.get("/api/v2/async", headers={"authorization": f"Bearer {secret}"})
    assert counted(agent.workspace) == []
    assert request_counts.flush() == 4
    assert counted(agent.workspace) == [(0, key.pk, 1), (agent.pk, key.pk, 3)]
    days = set(RequestCount.objects.filter(api_key_id=key.pk).values_list("day"))
    assert days <= {(began,), (datetime.now(UTC).date(),)}
    notes(client, secret, agent.pk)
    assert request_counts.flush() == 1
    assert counted(agent.workspace) == [(0, key.pk, 1), (agent.pk, key.pk, 4)]
    assert request_counts.flush() == 0


def test_a_request_costs_no_query_for_it(
    client: Client,
    agent: Agent,
    api_key: tuple[ApiKey, str],
    django_assert_num_queries: Any,
) -> None:
    with django_assert_num_queries(2):  # the key, the agent
        notes(client, api_key[1], agent.pk)


def test_what_was_refused_for_its_key_or_limit_is_not_counted(
    client: Client, agent: Agent, settings: Any
) -> None:
    key, secret = ApiKey.objects.issue(agent.workspace, label="L", rate_limit=2)
    dead, dead_secret = ApiKey.objects.issue(agent.workspace, label="D")
    dead.revoke()
    settings.RATE_LIMIT_WINDOW = 3600
    assert notes(client, None, agent.pk) == 401
    assert notes(client, dead_secret, agent.pk) == 401
    assert [notes(client, secret, agent.pk) for _ in range(4)] == [200, 200, 429, 429]
    assert request_counts.flush() == 2
    assert counted(agent.workspace) == [(agent.pk, key.pk, 2)]


def test_other_mistakes_are_requests(
    client: Client, agent: Agent, api_key: tuple[ApiKey, str]
) -> None:
    sibling = Agent.objects.create(workspace=agent.workspace, name="Sibling")
    key, secret = ApiKey.objects.issue(agent.workspace, label="A", agent=agent)
    assert notes(client, secret, sibling.pk) == 403
    response = client.post(
        f"/api/v2/agents/{agent.pk}/notes",
        "nonsense",
        content_type="application/json",
        headers={"authorization": f"Bearer {secret}"},
    )
    assert response.status_code == 400
    request_counts.flush()
    assert counted(agent.workspace) == [(agent.pk, key.pk, 1), (sibling.pk, key.pk, 1)]


def test_the_agent_may_be_named_by_the_body(
    client: Client, agent: Agent, api_key: tuple[ApiKey, str]
) -> None:
    key, secret = api_key
    for agent_id, status in ((str(agent.pk), 200), ("999999999", 404)):
        response = client.post(
            "/api/v2/in-body",
            {"agent": agent_id},
            content_type="application/json",
            headers={"authorization": f"Bearer {secret}"},
        )
        assert response.status_code == status
    request_counts.flush()
    assert counted(agent.workspace) == [(0, key.pk, 1), (agent.pk, key.pk, 1)]


def test_ids_that_a_client_made_up_are_no_agents(
    client: Client, agent: Agent, api_key: tuple[ApiKey, str]
) -> None:
    key, secret = api_key
    foreign = Agent.objects.create(workspace=make_workspace("Elsewhere"), name="F")
    for made_up in (foreign.pk, 2**40, 2**63 - 1, 2**63, 0, "٣", "x", "1%00"):
        assert notes(client, secret, made_up) == 404
    assert request_counts.flush() == 8
    assert counted(agent.workspace) == [(0, key.pk, 8)]
    assert counted(foreign.workspace) == []


def test_processes_that_write_at_once_add_up(patient: None) -> None:
    workspace = make_workspace()
    agents = [Agent.objects.create(workspace=workspace, name=str(n)) for n in range(5)]
    keys = [ApiKey.objects.issue(workspace, label=str(n))[0] for n in range(3)]
    day = datetime.now(UTC).date()
    each = {(day, key.pk, agent.pk): 2 for key in keys for agent in agents}
    start = threading.Barrier(6)
    problems: list[BaseException] = []

    def write() -> None:
        try:
            start.wait()
            for _ in range(5):
                request_counts._write(request_counts.Counter(each))
        except BaseException as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert {requests for _, _, requests in counted(workspace)} == {2 * 6 * 5}
    assert len(counted(workspace)) == len(each)


def test_a_database_that_is_away_loses_nothing(
    api_key: tuple[ApiKey, str], agent: Agent
) -> None:
    key, _ = api_key
    request_counts.note(key, agent.pk)

    def away(*_: Any) -> None:
        raise OperationalError("gone")

    with connection.execute_wrapper(away), pytest.raises(OperationalError):
        request_counts.flush()
    request_counts.note(key, agent.pk)
    assert request_counts.flush() == 2
    assert counted(agent.workspace) == [(agent.pk, key.pk, 2)]


def test_more_than_fits_into_one_statement(
    workspace: Workspace, api_key: tuple[ApiKey, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_counts, "BATCH", 2)
    agents = [Agent.objects.create(workspace=workspace, name=str(n)) for n in range(5)]
    for agent in agents:
        request_counts.note(api_key[0], agent.pk)
    assert request_counts.flush() == 5
    assert len(counted(workspace)) == 5
