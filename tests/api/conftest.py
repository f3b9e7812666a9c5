"""The cast of the API: keys of all kinds."""

from typing import Any

import pytest
from django.test import Client

from agents.models import Agent
from apikeys.models import Access, ApiKey
from tests.conftest import make_workspace
from workspaces.models import Workspace


@pytest.fixture
def secret(workspace: Workspace) -> str:
    return ApiKey.objects.issue(workspace, label="Whole workspace")[1]


@pytest.fixture
def read_secret(workspace: Workspace) -> str:
    return ApiKey.objects.issue(workspace, label="Reader", access=Access.READ)[1]


@pytest.fixture
def sibling(workspace: Workspace) -> Agent:
    return Agent.objects.create(workspace=workspace, name="Sibling")


@pytest.fixture
def sibling_secret(workspace: Workspace, sibling: Agent) -> str:
    """Opens the sibling, and so not `agent`."""
    return ApiKey.objects.issue(workspace, label="One agent", agent=sibling)[1]


@pytest.fixture
def foreign_agent(db: None) -> Agent:
    return Agent.objects.create(workspace=make_workspace("Elsewhere"), name="Foreign")


@pytest.fixture
def api(secret: str) -> Client:
    return Client(headers={"authorization": f"Bearer {secret}"})


def error(response: Any) -> tuple[int, str]:
    """Status and code, after a look at the envelope."""
    body = response.json()
    assert set(body) == {"error"}, body
    assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "details"}
    assert body["error"]["message"]
    return response.status_code, body["error"]["code"]
