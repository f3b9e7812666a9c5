"""Every API route × every principal × every foreign reference: nobody sees or touches
what is another's, and what is foreign answers byte for byte like what does not exist.

The routes come from the URL configuration: one without a row here fails.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from agents.models import Agent
from apikeys.models import ApiKey
from bookbag.middleware import is_api
from conversations.models import Conversation, Message
from tests.conftest import make_workspace
from tests.engines import ScriptedEngine
from usage.models import LedgerEntry
from workspaces.models import Workspace

MISSING = 2**40  # an id that nothing has


@dataclass
class Tenant:
    """A workspace with two agents, a conversation of each, and keys of every kind."""

    workspace: Workspace
    agents: list[Agent]
    conversations: list[Conversation]
    keys: dict[str, str]


@dataclass(frozen=True)
class Call:
    """One request of a route; `own` says that it refers only to the key's own rows."""

    method: str
    path: str
    body: dict[str, Any] | None
    agent_id: int
    own: bool


def chat_calls(ours: Tenant, theirs: Tenant) -> Iterator[Call]:
    def call(agent_id: int, conversation_id: int | None, *, own: bool) -> Call:
        body: dict[str, Any] = {"message": "canary", "stream": False}
        if conversation_id:
            body["conversationId"] = conversation_id
        return Call("POST", f"/api/v2/agents/{agent_id}/chat", body, agent_id, own=own)

    mine, sibling = (agent.pk for agent in ours.agents)
    own_talk, sibling_talk = (one.pk for one in ours.conversations)
    yield call(mine, None, own=True)
    yield call(mine, own_talk, own=True)
    yield call(mine, sibling_talk, own=False)
    yield call(mine, theirs.conversations[0].pk, own=False)
    yield call(mine, MISSING, own=False)
    yield call(sibling, own_talk, own=False)
    for agent_id in (theirs.agents[0].pk, MISSING):
        yield call(agent_id, None, own=False)
        yield call(agent_id, theirs.conversations[0].pk, own=False)
        yield call(agent_id, own_talk, own=False)


# The matrix: a route's name → its calls. None: it takes no key and names no row.
Calls = Callable[[Tenant, Tenant], Iterator[Call]]
ROUTES: dict[str, Calls | None] = {
    "v2_health": None,
    "v2_chat": chat_calls,
    "schema": None,
    "api_docs": None,
    "api_unknown": None,
}
PRINCIPALS = ["workspace", "agent", "sibling", "read", "revoked", "foreign", "nobody"]


def make_tenant(name: str) -> Tenant:
    workspace = make_workspace(name)
    agents = [
        Agent.objects.create(workspace=workspace, name=f"{name} {n}", model="scripted")
        for n in range(2)
    ]
    conversations = [
        Conversation.objects.create(workspace=workspace, agent=agent)
        for agent in agents
    ]

    def key(**scope: Any) -> str:
        return ApiKey.objects.issue(workspace, label="matrix", **scope)[1]

    keys = {
        "workspace": key(),
        "agent": key(agent=agents[0]),
        "sibling": key(agent=agents[1]),
        "read": key(access="read"),
        "revoked": key(),
    }
    ApiKey.objects.opened_by(keys["revoked"]).revoke()
    return Tenant(workspace, agents, conversations, keys)


@pytest.fixture
def tenants(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> tuple[Tenant, Tenant]:
    engines = {"scripted": lambda: ScriptedEngine(["ok"])}
    monkeypatch.setattr("agents.engines.ENGINES", engines)
    return make_tenant("Ours"), make_tenant("Theirs")


def test_every_api_route_has_a_row() -> None:
    assert {pattern.name for pattern in api_routes()} == set(ROUTES)


@pytest.mark.parametrize("route", [name for name, calls in ROUTES.items() if calls])
def test_nobody_reaches_what_is_anothers(
    http: httpx.Client, tenants: tuple[Tenant, Tenant], route: str
) -> None:
    ours, theirs = tenants
    calls = ROUTES[route]
    assert calls is not None
    cells = 0
    for principal in PRINCIPALS:
        refusals: dict[int, set[bytes]] = {}
        for call in calls(ours, theirs):
            before = rows()
            answer = send(http, call, secret(principal, ours, theirs))
            cells += 1
            allowed = call.own and principal in ("workspace", "agent")
            assert (answer.status_code == 200) == allowed, (principal, call)
            if not allowed:
                expected = status(principal, call, ours, theirs)
                assert answer.status_code == expected, (principal, call)
                assert rows() == before, "a refused call wrote something"
                refusals.setdefault(answer.status_code, set()).add(answer.content)
        # An agent's conversation and an agent are different things to miss.
        assert len(refusals.get(404, ())) <= 2, (principal, refusals)
    assert cells == len(PRINCIPALS) * len(list(calls(ours, theirs)))


def status(principal: str, call: Call, ours: Tenant, theirs: Tenant) -> int:
    """What the contract's order of checks says of a call that may not succeed."""
    if principal in ("nobody", "revoked"):
        return 401
    visible = theirs if principal == "foreign" else ours
    if call.agent_id not in [agent.pk for agent in visible.agents]:
        return 404
    scope = {"agent": ours.agents[0].pk, "sibling": ours.agents[1].pk}
    if principal in scope and scope[principal] != call.agent_id:
        return 403
    return 403 if principal in ("read", "foreign") else 404


def secret(principal: str, ours: Tenant, theirs: Tenant) -> str | None:
    if principal == "nobody":
        return None
    return theirs.keys["read"] if principal == "foreign" else ours.keys[principal]


def send(http: httpx.Client, call: Call, key: str | None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return http.request(call.method, call.path, json=call.body, headers=headers)


def rows() -> tuple[int, ...]:
    return tuple(
        model._base_manager.count() for model in (Conversation, Message, LedgerEntry)
    )


def api_routes(patterns: Any = None, prefix: str = "") -> Iterator[URLPattern]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from api_routes(pattern.url_patterns, route)
        elif is_api(f"/{route}"):
            yield pattern
