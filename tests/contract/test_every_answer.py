"""What every answer carries, whatever came of the request: an id, the rate limit, and
where it was refused the envelope."""

import re
from typing import Any

import httpx
import pytest

from apikeys.models import ApiKey
from bookbag.api.errors import CODES
from tests.contract.test_tenant_matrix import ROUTES, Cell, Tenant, make_tenant, send
from tests.conversations.conftest import ScriptedShop, Shop
from tests.engines import ScriptedEngine

REQUEST_ID = re.compile(r"\Areq_[0-9a-f]{24}\Z")
KEYED = {name: row for name, row in ROUTES.items() if row is not None}


def carries_all(response: httpx.Response) -> str:
    """Its request id, after a look at the rest."""
    headers = response.headers
    assert REQUEST_ID.match(headers["x-request-id"])
    limit, remaining = (
        int(headers[f"X-RateLimit-{name}"]) for name in ("Limit", "Remaining")
    )
    assert 0 <= remaining <= limit
    assert int(headers["X-RateLimit-Reset"]) > 1_700_000_000
    for name in ("x-request-id", "x-ratelimit-limit", "content-type"):
        assert len(headers.get_list(name)) == 1
    return str(headers["x-request-id"])


def error(response: httpx.Response) -> dict[str, Any]:
    """The one error, after a look at its envelope."""
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["error"]
    told = response.json()["error"]
    assert {"code", "message"} <= set(told) <= {"code", "message", "details"}
    assert told["message"]
    assert told.get("details", {"some": "thing"}), "details that say nothing"
    return told


@pytest.fixture
def tenant(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    engines = {"scripted": lambda: ScriptedEngine(["ok"])}
    monkeypatch.setattr("agents.engines.ENGINES", engines)
    return make_tenant("answers")


@pytest.mark.parametrize("route", KEYED)
def test_every_route_carries_them_whatever_comes_of_it(
    http: httpx.Client, tenant: Tenant, route: str
) -> None:
    row = KEYED[route]
    cell = Cell(tenant.references(tenant.agents[0]))
    answers = [
        send(http, route, row, cell, secret)
        for secret in (tenant.keys["workspace"], None, tenant.keys["revoked"])
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 401]
    assert len({carries_all(answer) for answer in answers}) == len(answers)


def test_streams_carry_them(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["word"])
    with shop.stream("Go.") as stream:
        carries_all(stream.response)
        stream.rest()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"content": b"{"}, 400),
        ({"content": b""}, 400),
        ({"json": {"message": " "}}, 400),
        ({"json": {"message": "hi", "conversationId": 2**40}}, 404),
        ({"content": b"x=1", "headers": {"Content-Type": "text/plain"}}, 415),
        ({"content": b"x" * 3_000_000}, 413),
        ({"method": "PUT"}, 405),
        ({"method": "OPTIONS"}, 405),
        ({"url": "/api/v2/nothing"}, 404),
        ({"url": "/api/v2/agents/x/chat", "json": {"message": "hi"}}, 404),
        ({"method": "GET", "url": "/api/v2/me", "headers": {"Accept": "a/b"}}, 406),
    ],
)
def test_every_refusal_carries_them_in_one_envelope(
    shop: Shop, request_: dict[str, Any], status: int
) -> None:
    headers = shop.headers | {"Content-Type": "application/json"}
    request = {"method": "POST", "url": shop.path} | request_
    request["headers"] = headers | request.get("headers", {})
    response = shop.client.request(**request)
    assert response.status_code == status
    carries_all(response)
    told = error(response)
    codes = {404: "RESOURCE_NOT_FOUND"}
    assert told["code"] == codes.get(status, "VALIDATION_INVALID_BODY")
    assert ("Allow" in response.headers) == (status == 405)


def test_a_429_adds_retry_after(shop: Shop, settings: Any) -> None:
    settings.RATE_LIMIT_WINDOW = 3600  # nothing is forgotten meanwhile
    _, secret = ApiKey.objects.issue(shop.agent.workspace, label="One", rate_limit=1)
    headers = {"Authorization": f"Bearer {secret}"}
    first, second = (shop.client.get("/api/v2/me", headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 429)
    assert "Retry-After" not in first.headers
    assert 1 <= int(second.headers["Retry-After"]) <= settings.RATE_LIMIT_WINDOW
    assert error(second)["code"] == "RATE_LIMIT_TOO_MANY_REQUESTS"
    carries_all(second)


def test_a_stream_is_one_request_counted_at_its_start(
    scripted: ScriptedShop, settings: Any
) -> None:
    settings.RATE_LIMIT_WINDOW = 3600  # nothing is forgotten meanwhile
    shop, _ = scripted(["one ", "two ", "three"], pause=0.1)

    def left() -> int:
        answer = shop.client.get("/api/v2/me", headers=shop.headers)
        return int(answer.headers["X-RateLimit-Remaining"])

    before = left()
    with shop.stream("Count.") as stream:
        stream.next()
        assert int(stream.response.headers["X-RateLimit-Remaining"]) == before - 1
        assert left() == before - 2
        stream.rest()
    assert left() == before - 3


def test_details_are_there_only_where_a_field_is_to_blame(shop: Shop) -> None:
    assert set(error(shop.post({"message": 5}))["details"]) == {"message"}
    assert "details" not in error(shop.chat("hi", conversationId=2**40))
    nobody = shop.client.get("/api/v2/me")
    assert "details" not in error(nobody)


def test_the_twelve_codes() -> None:
    assert set(CODES) == {
        "VALIDATION_INVALID_BODY",
        "RESOURCE_MESSAGE_NOT_ASSISTANT",
        "CHAT_RETRY_NO_USER_MESSAGE",
        "AUTH_MISSING_API_KEY",
        "AUTH_INVALID_API_KEY",
        "AUTH_INSUFFICIENT_PERMISSIONS",
        "RESOURCE_NOT_FOUND",
        "RESOURCE_MESSAGE_NOT_FOUND",
        "RESOURCE_TOOL_CALL_NOT_FOUND",
        "CHAT_RETRY_MESSAGE_NOT_FOUND",
        "RATE_LIMIT_TOO_MANY_REQUESTS",
        "INTERNAL_SERVER_ERROR",
    }


def test_head_is_get_without_the_body(shop: Shop) -> None:
    for path in ("/api/v2/health", "/api/v2/me", "/api/v2/agents"):
        head = shop.client.head(path, headers=shop.headers)
        get = shop.client.get(path, headers=shop.headers)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]
        carries_all(head)
