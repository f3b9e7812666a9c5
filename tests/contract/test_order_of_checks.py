"""The order of checks, on every keyed route: whoever is wrong in several ways is told
of the first. Route, method, key, limit, agent, scope, what belongs to the agent, body.
"""

from typing import Any

import httpx
import pytest

from apikeys import limits
from apikeys.models import ApiKey
from tests.contract.test_tenant_matrix import (
    AGENTS,
    NOWHERE,
    ROUTES,
    Tenant,
    filled,
    make_tenant,
    paths,
)
from tests.engines import ScriptedEngine

# What makes a request wrong in its last check. None: nothing that it has can be.
BODY: dict[str, Any] = {"content": b"{"}
LIMIT: dict[str, Any] = {"params": {"limit": "x"}}
AFTER: dict[str, Any] = {"params": {"after": "x"}}
WRONG: dict[str, dict[str, Any] | None] = {
    "v2_me": None,
    "v2_usage": {"params": {"from": "x"}},
    "v2_agents": LIMIT,
    "v2_agent": None,
    "v2_chat": BODY,
    "v2_conversations": LIMIT,
    "v2_export": None,
    "v2_user_conversations": LIMIT,
    "v2_conversation": LIMIT,
    "v2_messages": LIMIT,
    "v2_events": AFTER,
    "v2_takeover": BODY,
    "v2_handback": BODY,
    "v2_resolve": BODY,
    "v2_retry": BODY,
    "v2_tool_result": BODY,
    "v2_feedback": BODY,
    "v2_resume": AFTER,
    "openai_models": None,
    "openai_model": None,
    # Its agent is named by the body, which so has to be one.
    "openai_completion": {"json": {"model": "{model}", "messages": 5}},
}
# Where a body names a row, and another field of the same body is wrong.
NAMED_IN_BODY: dict[str, dict[str, Any]] = {
    "v2_chat": {"conversationId": "{conversation_id}", "stream": "x"},
    "v2_retry": {"messageId": "{message_id}", "stream": "x"},
    "v2_tool_result": {"toolCallId": "{call_id}", "output": "x" * 65_536},
}
KEYED = {name: row for name, row in ROUTES.items() if row is not None}
OF_AN_AGENT = [name for name, row in KEYED.items() if AGENTS & set(row.refers)]


@pytest.fixture
def tenant(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    engines = {"scripted": lambda: ScriptedEngine(["ok"])}
    monkeypatch.setattr("agents.engines.ENGINES", engines)
    return make_tenant("order")


def ask(
    http: httpx.Client,
    route: str,
    secret: str | None,
    references: dict[str, str],
    wrong: dict[str, Any] | None = None,
    *,
    method: str = "",
) -> tuple[int, str]:
    """Status and code of the refusal."""
    path = paths()[route]
    for name, value in references.items():
        path = path.replace(f"<{name}>", value)
    headers = {"Content-Type": "application/json"}
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    wrong = WRONG[route] if wrong is None else wrong
    request = {name: filled(part, references) for name, part in (wrong or {}).items()}
    response = http.request(
        method or KEYED[route].method, f"/{path}", headers=headers, **request
    )
    error = response.json()["error"]
    return response.status_code, str(error.get("code"))


def missing(references: dict[str, str], *names: str) -> dict[str, str]:
    return references | {name: NOWHERE[name] for name in names}


def status_of(refusal: tuple[int, str]) -> int:
    return refusal[0]


def test_every_keyed_route_is_asked_for_its_order() -> None:
    assert set(WRONG) == set(KEYED)


@pytest.mark.parametrize("route", KEYED)
def test_the_method_comes_before_the_key(http: httpx.Client, route: str) -> None:
    assert status_of(ask(http, route, None, NOWHERE, method="DELETE")) == 405


@pytest.mark.parametrize("route", KEYED)
def test_the_key_comes_before_all_that_it_opens(http: httpx.Client, route: str) -> None:
    assert status_of(ask(http, route, None, NOWHERE)) == 401
    assert status_of(ask(http, route, "oc_live_junk", NOWHERE)) == 401


@pytest.mark.parametrize("route", KEYED)
def test_the_limit_comes_before_the_agent(
    http: httpx.Client, tenant: Tenant, route: str, settings: Any
) -> None:
    settings.RATE_LIMIT_WINDOW = 3600  # nothing is forgotten meanwhile
    _, secret = ApiKey.objects.issue(tenant.workspace, label="One", rate_limit=1)
    http.get("/api/v2/me", headers={"Authorization": f"Bearer {secret}"})
    assert status_of(ask(http, route, secret, NOWHERE)) == 429


@pytest.mark.parametrize("route", OF_AN_AGENT)
def test_the_agent_comes_before_the_scope(
    http: httpx.Client, tenant: Tenant, route: str
) -> None:
    _, secret = ApiKey.objects.issue(
        tenant.workspace, label="Reads one", agent=tenant.agents[1], access="read"
    )
    assert status_of(ask(http, route, secret, NOWHERE)) == 404


@pytest.mark.parametrize("route", OF_AN_AGENT)
def test_the_scope_comes_before_what_belongs_to_the_agent(
    http: httpx.Client, tenant: Tenant, route: str
) -> None:
    row = KEYED[route]
    references = missing(tenant.references(tenant.agents[0]), *row.below())
    keys = ["sibling", "read"] if row.writes else ["sibling"]
    for name in keys:
        assert status_of(ask(http, route, tenant.keys[name], references)) == 403, name


@pytest.mark.parametrize("route", [n for n in OF_AN_AGENT if KEYED[n].below()])
def test_what_belongs_to_the_agent_comes_before_the_body(
    http: httpx.Client, tenant: Tenant, route: str
) -> None:
    row, own = KEYED[route], tenant.references(tenant.agents[0])
    path = paths()[route]
    for name in row.below():
        in_path = f"<{name}>" in path
        wrong = WRONG[route] if in_path else {"json": NAMED_IN_BODY[route]}
        refusal = ask(http, route, tenant.keys["workspace"], missing(own, name), wrong)
        assert refusal[0] == 404, name
        limits.local_limiter.cache_clear()


@pytest.mark.parametrize("route", [name for name, wrong in WRONG.items() if wrong])
def test_the_body_comes_last(http: httpx.Client, tenant: Tenant, route: str) -> None:
    own = tenant.references(tenant.agents[0])
    refusal = ask(http, route, tenant.keys["workspace"], own)
    assert refusal[0] == 400
    if not route.startswith("openai"):
        assert refusal[1] == "VALIDATION_INVALID_BODY"
