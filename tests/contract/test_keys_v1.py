"""Who is let in to API v1, how often, and until when."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from apikeys.models import ApiKey
from tests.contract import test_tenant_matrix_v1 as v1
from tests.contract.test_fuzzing_v1 import named_events
from tests.contract.test_order_of_checks_v1 import KEYED, ask, each, path_of
from tests.contract.test_tenant_matrix import Cell, Tenant, make_tenant
from tests.contract.test_tenant_matrix_v1 import CALLS, Call
from tests.conversations.conftest import ScriptedShop, Shop
from tests.engines import ScriptedEngine
from workspaces.models import User, Workspace

TURNS = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def tenant(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    engines = {"scripted": lambda: ScriptedEngine(["ok"])}
    monkeypatch.setattr("agents.engines.ENGINES", engines)
    return make_tenant("keys")


@pytest.mark.parametrize("route", ["v1_chat", "v1_contacts", "v1_agent_conversations"])
def test_malformed_unknown_revoked_and_expired_have_the_same_body(
    http: httpx.Client, tenant: Tenant, route: str
) -> None:
    gone, secret = ApiKey.objects.issue(tenant.workspace, label="Gone")
    _, unknown = ApiKey.objects.issue(tenant.workspace, label="Unknown")
    ApiKey.objects.filter(label="Unknown", workspace=tenant.workspace).delete()
    gone.expires_at = timezone.now() - timedelta(seconds=1)
    gone.save(update_fields=["expires_at"])
    call = next(call for call in CALLS if call.route == route)
    answers = [
        ask(http, call, one, v1.NOWHERE)
        for one in ("oc_live_junk", unknown, tenant.keys["revoked"], secret)
    ]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.django_db
@each(KEYED)
def test_a_session_opens_nothing_under_api(
    client: Client, workspace: Workspace, owner: User, agent: Agent, call: Call
) -> None:
    client.force_login(owner)
    named = v1.NOWHERE | {"agent_id": str(agent.pk)}
    answer = client.generic(call.method, path_of(call.route, named))
    assert answer.status_code == 401


@each(CALLS)
def test_no_answer_lets_other_sites_read_it(
    http: httpx.Client, tenant: Tenant, call: Call
) -> None:
    cell = Cell(v1.references(tenant, tenant.agents[0]))
    http.headers["Origin"] = "https://evil.example"
    for key in (tenant.keys["workspace"], None):
        answer = v1.send(http, call, cell, key)
        assert not [n for n in answer.headers if n.startswith("access-control")]
        assert "set-cookie" not in answer.headers


def test_both_versions_share_a_keys_limit(
    http: httpx.Client, tenant: Tenant, settings: Any
) -> None:
    settings.RATE_LIMIT_WINDOW = 3600  # nothing is forgotten meanwhile
    _, secret = ApiKey.objects.issue(tenant.workspace, label="Two", rate_limit=2)
    headers = {"Authorization": f"Bearer {secret}"}
    answers = [
        http.get(path, headers=headers)
        for path in ("/api/v2/me", "/api/v1/get-chatbots", "/api/v1/get-chatbots")
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    left = [answer.headers["X-RateLimit-Remaining"] for answer in answers]
    assert left == ["1", "0", "0"]
    assert answers[1].headers["X-RateLimit-Limit"] == "2"


# --- Without a key --------------------------------------------------------------------


def test_keyless_calls_are_limited_per_address_and_agent(
    http: httpx.Client, tenant: Tenant, settings: Any
) -> None:
    settings.VISITOR_LIMIT = 2
    settings.LEADS_RATE = "2/d"
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    mine, sibling = (agent.pk for agent in tenant.agents)

    def chat(agent: int, address: str) -> int:
        body = {"agentId": agent, "message": "Hi"}
        headers = {"X-Forwarded-For": address}
        return http.post("/api/v1/chat", json=body, headers=headers).status_code

    def lead(agent: int, address: str) -> int:
        body = {"email": "ann@example.com"}
        headers = {"X-Forwarded-For": address}
        path = f"/api/v1/agents/{agent}/leads"
        return http.post(path, json=body, headers=headers).status_code

    for call in (chat, lead):
        one, other = "198.51.100.7", "198.51.100.8"
        assert [call(mine, one) for _ in range(3)] == [200, 200, 429]
        assert call(sibling, one) == 200
        assert call(mine, other) == 200


@pytest.mark.django_db
def test_what_a_header_says_of_an_address_changes_nothing(
    client: Client, agent: Agent, settings: Any
) -> None:
    settings.LEADS_RATE = "2/d"
    answers = [
        client.post(
            f"/api/v1/agents/{agent.pk}/leads",
            {"email": "ann@example.com"},
            content_type="application/json",
            headers={"x-forwarded-for": f"198.51.100.{n}"},
        ).status_code
        for n in range(3)
    ]
    assert answers == [200, 200, 429]


def test_who_needs_no_key_uses_up_nobodys_limit(
    http: httpx.Client, tenant: Tenant, settings: Any
) -> None:
    settings.VISITOR_LIMIT = 1
    agent = tenant.agents[0].pk
    body = {"agentId": agent, "message": "Hi"}
    headers = {"Authorization": f"Bearer {tenant.keys['workspace']}"}
    for _ in range(2):
        http.post("/api/v1/chat", json=body)
    assert http.post("/api/v1/chat", json=body).status_code == 429
    assert http.post("/api/v1/chat", json=body, headers=headers).status_code == 200


# --- Revoked while it streams ---------------------------------------------------------


@pytest.fixture
def slow(scripted: ScriptedShop) -> Shop:
    return scripted(["word "] * 200, pause=0.1)[0]


def said_after_a_revocation(shop: Shop, body: dict[str, Any]) -> tuple[bytes, bool]:
    """What still came, and whether the connection was cut."""
    said = b""
    try:
        with shop.client.stream(
            "POST", "/api/v1/chat", headers=shop.headers, json=body
        ) as stream:
            for chunk in stream.iter_raw():
                if not said:
                    shop.key.revoke()
                said += chunk
    except httpx.RemoteProtocolError:
        return said, True
    return said, False


def test_a_revoked_key_ends_a_stream_of_text(slow: Shop) -> None:
    body = {"chatbotId": slow.agent.pk, "messages": TURNS, "stream": True}
    said, was_cut = said_after_a_revocation(slow, body)
    assert was_cut
    assert b"word " in said
    assert len(said) < 200 * len("word ")


def test_a_revoked_key_ends_named_events_with_error(slow: Shop) -> None:
    body = {"agentId": slow.agent.pk, "message": "Talk."}
    said, was_cut = said_after_a_revocation(slow, body)
    assert not was_cut
    *tokens, (last, error) = named_events(said)
    assert last == "error"
    assert set(error) == {"code", "message"}
    assert len(tokens) < 200
