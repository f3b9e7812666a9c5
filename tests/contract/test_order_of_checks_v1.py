"""The order of checks of API v1, on every call: route, method, key, limit, agent, right
to write, what belongs to the agent, body. A sibling of a key's own agent is missing."""

import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from apikeys import limits
from apikeys.models import ApiKey
from tests.contract import test_tenant_matrix_v1 as v1
from tests.contract.test_tenant_matrix import (
    References,
    Tenant,
    make_tenant,
    paths,
)
from tests.contract.test_tenant_matrix_v1 import BY_BODY, CALLS, Call
from tests.engines import ScriptedEngine

PAGE: dict[str, Any] = {"params": {"page": "x"}}
PICTURE: dict[str, Any] = {"data": BY_BODY, "files": {"other": b"x"}}
CREATE = Call("v1_create_chatbot", "POST", writes=True)
# What makes a call wrong in its last check. None: nothing that it has can be.
WRONG: dict[str, dict[str, Any] | None] = {
    "POST v1_chat": {"json": {**BY_BODY, "messages": 5}},
    "POST v1_chat of a contact": {
        "json": {**BY_BODY, "contactId": "{contact_id}", "messages": 5}
    },
    "POST v1_chat of a visitor": {
        "json": {
            "agentId": "{agent_id}",
            "conversationId": "{conversation_id}",
            "visitorToken": "{visitor_token}",
            "message": 5,
        }
    },
    "POST v1_create_chatbot": {"json": {"chatbotName": "x"}},
    "GET v1_get_chatbots": None,
    "POST v1_update_chatbot_data": {"json": {**BY_BODY, "chatbotName": 5}},
    "POST v1_update_chatbot_settings": {"json": {**BY_BODY, "ipLimit": "x"}},
    "DELETE v1_delete_chatbot": None,
    "POST v1_upload_chatbot_icon": PICTURE,
    "POST v1_upload_chatbot_profile_picture": PICTURE,
    "DELETE v1_delete_chatbot_icon": None,
    "DELETE v1_delete_chatbot_profile_picture": None,
    "GET v1_get_conversations": PAGE,
    "GET v1_get_leads": PAGE,
    "GET v1_agent_conversations": {"params": {"limit": "x"}},
    "GET v1_conversation": None,
    "GET v1_agent_leads": PAGE,
    "POST v1_agent_leads": {
        "json": {
            "email": 5,
            "conversationId": "{conversation_id}",
            "visitorToken": "{visitor_token}",
        }
    },
    "GET v1_leads_export": None,
    "GET v1_contacts": PAGE,
    "POST v1_contacts": {"json": {"users": 5}},
    "GET v1_contact": None,
    "GET v1_contact by its number": None,
    "PATCH v1_contact": {"json": {"name": 5}},
    "DELETE v1_contact": None,
    "GET v1_custom_attributes": None,
    "POST v1_custom_attributes": {"json": {"name": 5}},
    "PUT v1_custom_attribute": {"json": {"label": 5}},
}
EACH = [*CALLS, CREATE]
KEYED = [call for call in EACH if not call.public]
OF_AN_AGENT = [call for call in EACH if "agent_id" in call.refers]
VERBS = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}


def each(calls: list[Call]) -> Any:
    return pytest.mark.parametrize("call", calls, ids=str)


@pytest.fixture
def tenant(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    engines = {"scripted": lambda: ScriptedEngine(["ok"])}
    monkeypatch.setattr("agents.engines.ENGINES", engines)
    return make_tenant("order")


def ask(
    http: httpx.Client, call: Call, secret: str | None, references: References
) -> httpx.Response:
    """The answer to a call that is wrong in its last check, if it can be."""
    wrong = v1.filled(WRONG[str(call)] or {}, references)
    named = {"params": v1.filled(call.query, references)}
    request: dict[str, Any] = {**named, **wrong}
    request["params"] = {**named["params"], **wrong.get("params", {})}
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    path = path_of(call.route, references)
    return http.request(call.method, path, headers=headers, **request)


def path_of(route: str, references: References) -> str:
    def named(found: re.Match[str]) -> str:
        return quote(references[v1.NAMES[found[1]]], safe="")

    return "/" + re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", named, paths()[route])


def test_every_call_is_asked_for_its_order() -> None:
    assert set(WRONG) == {str(call) for call in EACH}


@pytest.mark.parametrize("route", sorted({call.route for call in EACH}))
def test_the_method_comes_before_the_key(http: httpx.Client, route: str) -> None:
    allowed = {call.method for call in EACH if call.route == route}
    for method in VERBS - allowed:
        path = path_of(route, v1.NOWHERE)
        answer = http.request(method, path)
        assert answer.status_code == 405, method
        assert set(answer.headers["Allow"].split(", ")) - {"HEAD"} == allowed
        limits.local_limiter.cache_clear()


@each(EACH)
def test_the_key_comes_before_all_that_it_opens(http: httpx.Client, call: Call) -> None:
    assert ask(http, call, "oc_live_junk", v1.NOWHERE).status_code == 401
    if not call.public:
        assert ask(http, call, None, v1.NOWHERE).status_code == 401


@each(EACH)
def test_the_limit_comes_before_the_agent(
    http: httpx.Client, tenant: Tenant, call: Call, settings: Any
) -> None:
    settings.RATE_LIMIT_WINDOW = 3600  # nothing is forgotten meanwhile
    _, secret = ApiKey.objects.issue(tenant.workspace, label="One", rate_limit=1)
    http.get("/api/v2/me", headers={"Authorization": f"Bearer {secret}"})
    assert ask(http, call, secret, v1.NOWHERE).status_code == 429


@each(OF_AN_AGENT)
def test_the_agent_comes_before_the_right_to_write(
    http: httpx.Client, tenant: Tenant, call: Call
) -> None:
    _, secret = ApiKey.objects.issue(
        tenant.workspace, label="Reads", agent=tenant.agents[1], access="read"
    )
    sibling = v1.NOWHERE | {"agent_id": str(tenant.agents[0].pk)}
    for references in (v1.NOWHERE, sibling):
        assert ask(http, call, secret, references).status_code == 404


@each([call for call in EACH if call.writes])
def test_the_right_to_write_comes_before_what_belongs_to_the_agent(
    http: httpx.Client, tenant: Tenant, call: Call
) -> None:
    references = v1.NOWHERE | {"agent_id": str(tenant.agents[0].pk)}
    answer = ask(http, call, tenant.keys["read"], references)
    assert answer.status_code == 403


@each([call for call in OF_AN_AGENT if len(call.refers) > 1])
def test_what_belongs_to_the_agent_comes_before_the_body(
    http: httpx.Client, tenant: Tenant, call: Call
) -> None:
    references = v1.NOWHERE | {"agent_id": str(tenant.agents[0].pk)}
    answer = ask(http, call, tenant.keys["workspace"], references)
    assert answer.status_code == 404


@each([call for call in EACH if WRONG[str(call)]])
def test_the_body_comes_last(http: httpx.Client, tenant: Tenant, call: Call) -> None:
    own = v1.references(tenant, tenant.agents[0])
    answer = ask(http, call, tenant.keys["workspace"], own)
    assert answer.status_code == 400, answer.text


def test_without_a_key_the_agent_comes_before_its_limit(
    http: httpx.Client, tenant: Tenant, settings: Any
) -> None:
    """So many of an address and an agent: first there has to be one."""
    settings.VISITOR_LIMIT = 1
    settings.LEADS_RATE = "1/d"
    agent = tenant.agents[0].pk
    for path, body in (
        ("/api/v1/chat", {"agentId": agent, "message": "Hi"}),
        (f"/api/v1/agents/{agent}/leads", {"email": "ann@example.com"}),
    ):
        answers = [http.post(path, json=body).status_code for _ in range(2)]
        assert answers == [200, 429], path
