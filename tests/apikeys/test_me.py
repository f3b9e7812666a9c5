"""GET /api/v2/me: whose key this is, what it may do, and how often."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from agents.models import Agent
from apikeys.models import Access, ApiKey, Environment
from tests.api.conftest import error
from tests.api.openapi import check_response
from tests.conftest import make_workspace
from workspaces.models import Workspace

URL = "/api/v2/me"


def me(secret: str) -> Any:
    response = Client().get(URL, headers={"authorization": f"Bearer {secret}"})
    check_response(response, "get", URL)
    assert secret not in response.content.decode()
    assert secret[12:] not in response.content.decode()
    return response


def test_a_key_of_the_workspace(workspace: Workspace, settings: Any) -> None:
    settings.RATE_LIMIT = 100
    key, secret = ApiKey.objects.issue(workspace, label="Web shop")
    assert me(secret).json() == {
        "data": {
            "workspace": {"id": workspace.pk, "name": "Acme"},
            "key": {
                "id": key.pk,
                "label": "Web shop",
                "prefix": secret[:12],
                "environment": "live",
                "access": "full",
                "agentId": None,
                "createdAt": int(key.created_at.timestamp()),
                "expiresAt": None,
            },
            "limits": {"requests": 100, "windowSeconds": 10},
        }
    }


def test_the_window_may_be_a_fraction(workspace: Workspace, settings: Any) -> None:
    _, secret = ApiKey.objects.issue(workspace, label="K")
    for window, written in ((10.0, b'"windowSeconds":10}'), (0.5, b":0.5}")):
        settings.RATE_LIMIT_WINDOW = window
        assert written in me(secret).content


def test_a_key_with_everything(workspace: Workspace, agent: Agent) -> None:
    expires = datetime(2100, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)
    key, secret = ApiKey.objects.issue(
        workspace,
        label="One agent",
        agent=agent,
        environment=Environment.TEST,
        access=Access.READ,
        rate_limit=7,
        expires_at=expires,
    )
    response = me(secret)
    data = response.json()["data"]
    assert data["key"]["agentId"] == agent.pk
    assert data["key"]["environment"] == "test"
    assert data["key"]["access"] == "read"
    assert data["key"]["expiresAt"] == 4_102_444_800
    assert data["limits"]["requests"] == 7
    assert response.headers["X-RateLimit-Limit"] == "7"


@pytest.mark.parametrize("kind", ["nobody", "revoked"])
def test_nobody_is_told_anything(workspace: Workspace, kind: str) -> None:
    key, secret = ApiKey.objects.issue(workspace, label="Revoked")
    key.revoke()
    headers = {"authorization": f"Bearer {secret}"} if kind == "revoked" else {}
    response = Client().get(URL, headers=headers)
    assert error(response)[0] == 401
    check_response(response, "get", URL)


def test_it_is_only_read(workspace: Workspace) -> None:
    _, secret = ApiKey.objects.issue(workspace, label="K")
    headers = {"authorization": f"Bearer {secret}"}
    response = Client().post(URL, headers=headers)
    assert error(response)[0] == 405
    assert "GET" in response.headers["Allow"]


def test_two_workspaces_are_told_apart(workspace: Workspace) -> None:
    other = make_workspace("Elsewhere")
    _, secret = ApiKey.objects.issue(other, label="K")
    assert me(secret).json()["data"]["workspace"] == {
        "id": other.pk,
        "name": "Elsewhere",
    }
