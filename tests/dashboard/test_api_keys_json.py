"""The same page, for a program with a session."""

import json
import time
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from agents.models import Agent
from apikeys.models import MAX_KEYS, ApiKey
from tests.dashboard.conftest import SignIn
from usage.models import AuditEvent
from workspaces.models import User, Workspace

JSON = {"Accept": "application/json"}


def create(browser: Client, body: Any, **options: Any) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body)
    return browser.post(
        "/apikeys", content, content_type="application/json", headers=JSON, **options
    )


@pytest.fixture
def browser(sign_in: SignIn, admin: User) -> Client:
    return sign_in(admin)


def test_it_works(browser: Client, agent: Agent, admin: User) -> None:
    soon = int(time.time()) + 3600
    body = {"label": " CI ", "agentId": agent.pk, "access": "read", "expiresAt": soon}
    response = create(browser, body)
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    made = response.json()["data"]
    key = ApiKey.objects.opened_by(made.pop("key"))
    assert key is not None
    assert made == {
        "id": key.pk,
        "label": "CI",
        "prefix": key.prefix,
        "agentId": agent.pk,
        "access": "read",
        "environment": "live",
        "status": "expiring",
        "createdBy": admin.email,
        "createdAt": int(key.created_at.timestamp()),
        "lastUsedAt": None,
        "expiresAt": soon,
        "revokedAt": None,
    }
    listed = browser.get("/apikeys", headers=JSON)
    assert listed.json() == {"data": [made]}
    assert listed["Cache-Control"] == "no-store"


def test_a_label_is_enough(browser: Client) -> None:
    made = create(browser, {"label": "CI", "agentId": None, "else": 1}).json()["data"]
    assert made["agentId"] is None
    assert (made["access"], made["environment"]) == ("full", "live")
    assert made["status"] == "active"


def test_an_id_may_be_digits(browser: Client, agent: Agent) -> None:
    made = create(browser, {"label": "CI", "agentId": str(agent.pk)}).json()["data"]
    assert made["agentId"] == agent.pk


def test_revoking(browser: Client) -> None:
    made = create(browser, {"label": "CI"}).json()["data"]
    for _ in range(2):
        response = browser.delete(f"/apikeys/{made['id']}", headers=JSON)
        assert response.status_code == 200
        assert response.json()["data"]["status"] == "revoked"
    assert ApiKey.objects.opened_by(made["key"]) is None
    assert AuditEvent.objects.filter(action="api_key.revoked").count() == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"label": None}, "label"),
        ({"label": 5}, "label"),
        ({"label": ""}, "label"),
        ({"label": "\u200b"}, "label"),
        ({"label": "x" * 81}, "label"),
        ({"access": "all"}, "access"),
        ({"access": ["read"]}, "access"),
        ({"environment": 1}, "environment"),
        ({"agentId": True}, "agentId"),
        ({"agentId": 0}, "agentId"),
        ({"agentId": "1_0"}, "agentId"),
        ({"agentId": "١"}, "agentId"),
        ({"expiresAt": True}, "expiresAt"),
        ({"expiresAt": "soon"}, "expiresAt"),
        ({"expiresAt": 1}, "expiresAt"),
        ({"expiresAt": 2**62}, "expiresAt"),
    ],
)
def test_what_is_wrong_is_said_by_field(
    browser: Client, wrong: dict[str, Any], field: str
) -> None:
    response = create(browser, {"label": "CI", **wrong})
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "VALIDATION_INVALID_BODY"
    assert list(error["details"]) == [field]
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    "body",
    [b" ", b"[]", b"{", b"\xff", b'{"label": "a\\u0000"}', b'{"label": "\\ud800"}']
    + [b"[" * 3000, b'{"label": NaN}', b'{"label": "a", "label": "b"}'],
)
def test_no_json_object_is_400(browser: Client, body: bytes) -> None:
    response = create(browser, body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "VALIDATION_INVALID_BODY"


def test_a_form_that_asks_for_json_is_415(browser: Client) -> None:
    response = browser.post("/apikeys", {"label": "CI"}, headers=JSON)
    assert response.status_code == 415
    assert response.json()["error"]["code"] == "VALIDATION_INVALID_BODY"


def test_other_methods_are_405(browser: Client) -> None:
    key = create(browser, {"label": "CI"}).json()["data"]["id"]
    for response, allowed in (
        (browser.put("/apikeys", headers=JSON), "GET, POST"),
        (browser.get(f"/apikeys/{key}", headers=JSON), "DELETE"),
    ):
        assert response.status_code == 405
        assert response["Allow"] == allowed
        assert "error" in response.json()


def test_one_key_too_many_is_409(browser: Client, workspace: Workspace) -> None:
    for number in range(MAX_KEYS):
        ApiKey.objects.issue(workspace, label=f"Key {number}")
    response = create(browser, {"label": "CI"})
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "API_KEYS_TOO_MANY"


def test_without_a_session_it_is_401(client: Client, db: None) -> None:
    response = client.get("/apikeys", headers=JSON)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "AUTH_SIGN_IN_REQUIRED"


def test_a_key_is_no_session(client: Client, api_key: tuple[ApiKey, str]) -> None:
    bearer = {**JSON, "Authorization": f"Bearer {api_key[1]}"}
    assert client.get("/apikeys", headers=bearer).status_code == 401


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_without_the_role_it_is_403(
    sign_in: SignIn, request: pytest.FixtureRequest, role: str
) -> None:
    browser = sign_in(request.getfixturevalue(role))
    for response in (
        browser.get("/apikeys", headers=JSON),
        create(browser, {"label": "CI"}),
        browser.delete("/apikeys/1", headers=JSON),
    ):
        assert response.status_code == 403
        assert response.json()["error"]["code"] == "AUTH_INSUFFICIENT_PERMISSIONS"


def test_outsider_gets_404(
    sign_in: SignIn, outsider: User, agent: Agent, api_key: tuple[ApiKey, str]
) -> None:
    browser = sign_in(outsider)
    key = api_key[0]
    theirs = browser.delete(f"/apikeys/{key.pk}", headers=JSON)
    missing = browser.delete("/apikeys/999999", headers=JSON)
    assert theirs.status_code == missing.status_code == 404
    assert theirs.content == missing.content
    response = create(browser, {"label": "CI", "agentId": agent.pk})
    assert response.status_code == 404
    assert response.content == create(browser, {"label": "CI", "agentId": 9**9}).content
    key.refresh_from_db()
    assert key.is_live


def test_without_a_csrf_token_it_is_403(admin: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)
    assert create(browser, {"label": "CI"}).status_code == 403
    assert browser.delete("/apikeys/1", headers=JSON).status_code == 403
    assert not ApiKey.objects.exists()


def test_a_page_and_its_json_are_not_taken_for_each_other(browser: Client) -> None:
    for headers in ({}, JSON):
        assert "Accept" in browser.get("/apikeys", headers=headers)["Vary"]
