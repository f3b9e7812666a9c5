"""GET /api/v2/agents and /api/v2/agents/<id>: the agents a key may speak to."""

from typing import Any

import pytest
from django.test import Client

from agents.models import Agent, AgentStatus
from apikeys.models import Access, ApiKey
from tests.api.conftest import error
from tests.api.openapi import check_response
from tests.conftest import make_workspace
from workspaces.models import Workspace

URL = "/api/v2/agents"


def get(secret: str, path: str = "") -> Any:
    response = Client().get(URL + path, headers={"authorization": f"Bearer {secret}"})
    check_response(response, "get", URL + path)
    return response


def ids(response: Any) -> list[int]:
    assert response.status_code == 200, response.content
    return [item["id"] for item in response.json()["data"]]


@pytest.fixture
def secret(workspace: Workspace) -> str:
    return ApiKey.objects.issue(workspace, label="K")[1]


def make(workspace: Workspace, name: str, **values: Any) -> Agent:
    return Agent.objects.create(workspace=workspace, name=name, **values)


def test_an_agent_is_shown(agent: Agent, secret: str) -> None:
    item = {
        "id": agent.pk,
        "name": "Support",
        "status": "active",
        "model": "embedded",
        "language": "en",
        "createdAt": int(agent.created_at.timestamp()),
        "updatedAt": int(agent.updated_at.timestamp()),
    }
    assert get(secret, f"/{agent.pk}").json() == {"data": item}
    assert get(secret).json() == {
        "data": [item],
        "pagination": {"cursor": None, "hasMore": False, "total": 1},
    }


def test_drafts_are_there_and_archived_agents_are_not(
    workspace: Workspace, secret: str
) -> None:
    draft = make(workspace, "Draft", status=AgentStatus.DRAFT)
    archived = make(workspace, "Archived", status=AgentStatus.ARCHIVED)
    assert ids(get(secret)) == [draft.pk]
    assert get(secret, f"/{draft.pk}").json()["data"]["status"] == "draft"
    assert error(get(secret, f"/{archived.pk}")) == (404, "RESOURCE_NOT_FOUND")


def test_pages_show_every_agent_once(workspace: Workspace, secret: str) -> None:
    agents = [make(workspace, str(n)).pk for n in range(5)]
    make(make_workspace("Elsewhere"), "Foreign")
    seen: list[int] = []
    path = "?limit=2"
    for page in range(3):
        body = get(secret, path)
        seen += ids(body)
        pagination = body.json()["pagination"]
        assert pagination["total"] == 5
        assert pagination["hasMore"] == (page < 2)
        path = f"?limit=2&cursor={pagination['cursor']}"
    assert pagination["cursor"] is None
    assert seen == agents


def test_a_cursor_is_good_for_its_own_list_only(workspace: Workspace) -> None:
    agents = [make(workspace, str(n)) for n in range(3)]
    _, secret = ApiKey.objects.issue(workspace, label="K")
    _, other = ApiKey.objects.issue(workspace, label="O")
    _, scoped = ApiKey.objects.issue(workspace, label="S", agent=agents[0])
    elsewhere = make_workspace("Elsewhere")
    _, foreign = ApiKey.objects.issue(elsewhere, label="F")
    cursor = get(secret, "?limit=1").json()["pagination"]["cursor"]
    path = f"?limit=1&cursor={cursor}"
    assert ids(get(other, path)) == [agents[1].pk]
    for stranger in (scoped, foreign):
        assert error(get(stranger, path)) == (400, "VALIDATION_INVALID_BODY")
    for nonsense in ("x", f"{cursor}x", "%00", "%ED%A0%80", ""):
        response = get(secret, f"?cursor={nonsense}")
        assert error(response) == (400, "VALIDATION_INVALID_BODY")


def test_a_key_of_one_agent_sees_only_its_own(
    workspace: Workspace, agent: Agent
) -> None:
    sibling = make(workspace, "Sibling")
    foreign = make(make_workspace("Elsewhere"), "Foreign")
    _, secret = ApiKey.objects.issue(workspace, label="A", agent=agent)
    assert ids(get(secret)) == [agent.pk]
    assert get(secret).json()["pagination"]["total"] == 1
    assert get(secret, f"/{agent.pk}").status_code == 200
    response = get(secret, f"/{sibling.pk}")
    assert error(response) == (403, "AUTH_INSUFFICIENT_PERMISSIONS")
    assert error(get(secret, f"/{foreign.pk}")) == (404, "RESOURCE_NOT_FOUND")


def test_foreign_and_missing_are_the_same(
    workspace: Workspace, agent: Agent, secret: str
) -> None:
    foreign = make(make_workspace("Elsewhere"), "Foreign")
    archived = make(workspace, "Archived", status=AgentStatus.ARCHIVED)
    gone = ["2" * 18, "0", "-1", "x", "1_0", "٣", 2**63, 2**70, "1" * 5000, "1%00"]
    answers = {
        get(secret, f"/{agent_id}").content
        for agent_id in [foreign.pk, archived.pk, *gone]
    }
    assert len(answers) == 1
    assert error(get(secret, f"/{foreign.pk}")) == (404, "RESOURCE_NOT_FOUND")


def test_a_read_key_may_look(workspace: Workspace, agent: Agent) -> None:
    _, secret = ApiKey.objects.issue(workspace, label="R", access=Access.READ)
    assert ids(get(secret)) == [agent.pk]
    assert get(secret, f"/{agent.pk}").status_code == 200


def test_without_a_key_nothing(agent: Agent) -> None:
    for path in (URL, f"{URL}/{agent.pk}"):
        response = Client().get(path)
        assert error(response) == (401, "AUTH_MISSING_API_KEY")
        check_response(response, "get", path)
