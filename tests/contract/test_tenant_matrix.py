"""Every API route × every principal × every foreign reference: nobody sees or touches
what is another's, and what is foreign answers byte for byte like what does not exist.

The routes come from the URL configuration: one without a row here fails. A row says
what the route's requests look like; the references in its path and body are then
exchanged, one at a time, for a sibling agent's, another tenant's and missing ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from agents.models import Agent
from apikeys import limits
from apikeys.models import ApiKey
from conversations.models import (
    Conversation,
    ConversationEvent,
    Message,
    ToolCall,
)
from tests.conftest import make_workspace
from tests.engines import ScriptedEngine
from usage.models import LedgerEntry
from workspaces.models import Workspace

MISSING = 2**40  # an id that nothing has
PLENTY = 1_000_000  # of requests: the limit has tests of its own


@dataclass(frozen=True)
class Row:
    """How a route is asked. `{name}` in the body stands for a reference."""

    method: str = "GET"
    body: dict[str, Any] | None = None
    writes: bool = False
    # References that have a part in the request; those of the path are among them.
    refers: tuple[str, ...] = ()
    query: dict[str, Any] = field(default_factory=dict)
    # A name that any agent may have: foreign ones are as good as one's own.
    names: tuple[str, ...] = ()

    def below(self) -> list[str]:
        """The references to what belongs to the agent."""
        return [one for one in self.refers if one not in {*AGENTS, *self.names}]


def post(*refers: str, **body: Any) -> Row:
    return Row("POST", body, writes=True, refers=refers)


# An agent is what the references to it name.
AGENTS = {"agent_id", "model"}
AGENT = ("agent_id",)
CONVERSATION = ("agent_id", "conversation_id")
MESSAGE = ("agent_id", "conversation_id", "message_id")

# The matrix. None: it takes no key and names no row.
ROUTES: dict[str, Row | None] = {
    "v2_health": None,
    "schema": None,
    "api_docs": None,
    "api_unknown": None,
    "openai_unknown": None,
    "v2_me": Row(),
    "v2_usage": Row(),
    "v2_agents": Row(),
    "v2_agent": Row(refers=AGENT),
    "v2_chat": post(
        *CONVERSATION,
        message="canary",
        conversationId="{conversation_id}",
        stream=False,
    ),
    "v2_conversations": Row(refers=AGENT),
    "v2_export": Row(refers=AGENT),
    "v2_user_conversations": Row(refers=(*AGENT, "user_id"), names=("user_id",)),
    "v2_conversation": Row(refers=CONVERSATION),
    "v2_messages": Row(refers=CONVERSATION),
    "v2_events": Row(refers=CONVERSATION, query={"wait": 0}),
    "v2_takeover": post(*CONVERSATION),
    "v2_handback": post(*CONVERSATION),
    "v2_resolve": post(*CONVERSATION),
    "v2_retry": post(*MESSAGE, messageId="{message_id}", stream=False),
    "v2_tool_result": post(
        *CONVERSATION, "call_id", toolCallId="{call_id}", output={"canary": 1}
    ),
    "v2_feedback": Row("PATCH", {"feedback": "positive"}, writes=True, refers=MESSAGE),
    "v2_resume": Row(refers=MESSAGE),
    "openai_models": Row(),
    "openai_model": Row(refers=("model",)),
    "openai_completion": post(
        "model", model="{model}", messages=[{"role": "user", "content": "canary"}]
    ),
}
PRINCIPALS = ["workspace", "agent", "sibling", "read", "revoked", "foreign", "nobody"]

References = dict[str, str]


@dataclass
class Tenant:
    """A workspace with two agents and keys of every kind."""

    name: str
    workspace: Workspace
    agents: list[Agent]
    keys: dict[str, str]

    def references(self, agent: Agent) -> References:
        """A conversation of this agent, new, with one of everything in it."""
        ids = {"workspace": self.workspace, "conversation": self._conversation(agent)}
        asked = Message.objects.create(**ids, role="user", text=self.canary)
        said = Message.objects.create(
            **ids,
            role="assistant",
            text=self.canary,
            answers=asked,
            finish_reason="tool_calls",
            journal=[len(self.canary)],
        )
        call = ToolCall.objects.create(
            **ids,
            message=said,
            call_id=f"call_{said.pk}",
            name="track",
            expires_at=timezone.now() + timedelta(days=1),
        )
        return {
            "agent_id": str(agent.pk),
            "model": f"agent-{agent.pk}",
            "conversation_id": str(ids["conversation"].pk),
            "message_id": said.public_id,
            "call_id": call.call_id,
            "user_id": self.canary,
        }

    def _conversation(self, agent: Agent) -> Conversation:
        return Conversation.objects.create(
            workspace=self.workspace,
            agent=agent,
            end_user=self.canary,
            title=self.canary,
        )

    @property
    def canary(self) -> str:
        """What nobody else may ever read."""
        return f"canary-{self.name}"


NOWHERE: References = {
    "agent_id": str(MISSING),
    "model": f"agent-{MISSING}",
    "conversation_id": str(MISSING),
    "message_id": f"msg_{MISSING}",
    "call_id": "call_nothing",
    "user_id": "nobody",
}


def make_tenant(name: str) -> Tenant:
    workspace = make_workspace(f"canary-{name}")
    agents = [
        Agent.objects.create(
            workspace=workspace, name=f"canary-{name} {n}", model="scripted"
        )
        for n in range(2)
    ]

    def key(**scope: Any) -> str:
        issued = ApiKey.objects.issue(
            workspace, label=f"canary-{name}", rate_limit=PLENTY, **scope
        )
        return issued[1]

    keys = {
        "workspace": key(),
        "agent": key(agent=agents[0]),
        "sibling": key(agent=agents[1]),
        "read": key(access="read"),
        "revoked": key(),
    }
    revoked = ApiKey.objects.opened_by(keys["revoked"])
    assert revoked is not None
    revoked.revoke()
    return Tenant(name, workspace, agents, keys)


@pytest.fixture
def tenants(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> tuple[Tenant, Tenant]:
    engines = {"scripted": lambda: ScriptedEngine(["ok"])}
    monkeypatch.setattr("agents.engines.ENGINES", engines)
    return make_tenant("ours"), make_tenant("theirs")


@dataclass(frozen=True)
class Cell:
    """One request: whose rows it refers to. `odd` is the reference that is not the
    key's own agent's, and `whose` it is: a "sibling"'s, "theirs" or "missing". What
    is below it may be another's as well: `way` tells."""

    references: References
    odd: str = ""
    whose: str = ""
    way: str = ""


def cells(row: Row, ours: Tenant, theirs: Tenant) -> Iterator[Cell]:
    own = ours.references(ours.agents[0])
    others = {
        "sibling": ours.references(ours.agents[1]),
        "theirs": theirs.references(theirs.agents[0]),
        "missing": NOWHERE,
    }
    for whose, other in others.items():
        for odd in row.refers:
            if odd not in row.names:
                yield Cell(own | {odd: other[odd]}, odd, whose, "one")
        if row.refers:
            yield Cell(other, row.refers[0], whose, "all")
        if below := row.below():
            agent = row.refers[0]
            yield Cell(other | {agent: own[agent]}, below[0], whose, "all below")
    yield Cell(own)


def test_every_api_route_has_a_row() -> None:
    names = {str(pattern.name) for pattern in api_routes()}
    # Those of v1 have a matrix of their own.
    assert {name for name in names if not name.startswith("v1_")} == set(ROUTES)


@pytest.mark.parametrize("route", [name for name, row in ROUTES.items() if row])
def test_nobody_reaches_what_is_anothers(
    http: httpx.Client, tenants: tuple[Tenant, Tenant], route: str
) -> None:
    ours, theirs = tenants
    row = ROUTES[route]
    assert row is not None
    for principal in PRINCIPALS:
        limits.local_limiter.cache_clear()  # of those without a key
        stranger = ours if principal == "foreign" else theirs
        refusals: dict[tuple[str, str], dict[str, bytes]] = {}
        for cell in cells(row, ours, theirs):
            before = rows(ours, theirs)
            answer = send(http, route, row, cell, secret(principal, ours, theirs))
            expected = status(principal, row, cell)
            assert answer.status_code == expected, (principal, cell, answer.text)
            # A user's id may be told back to whoever has asked for it.
            told = answer.text.replace(f'"{cell.references["user_id"]}"', "")
            assert stranger.canary not in told, (principal, cell)
            if expected >= 400:
                assert rows(ours, theirs) == before, "a refused call wrote something"
            if expected == 404 and cell.whose != own_among(principal, cell):
                alike = refusals.setdefault((cell.odd, cell.way), {})
                alike[cell.whose] = answer.content
        for answers in refusals.values():
            assert len(set(answers.values())) == 1, (principal, answers)


def own_among(principal: str, cell: Cell) -> str:
    """Whose agent is the principal's own as well: then what is missing is below it."""
    if cell.odd not in AGENTS:
        return ""
    return "theirs" if principal == "foreign" else "sibling"


def status(principal: str, row: Row, cell: Cell) -> int:
    """What the contract's order of checks says."""
    if principal in ("nobody", "revoked"):
        return 401
    if not row.refers:
        return 200
    visible = ("theirs",) if principal == "foreign" else ("", "sibling")
    whose_agent = cell.whose if cell.odd in AGENTS else ""
    if whose_agent not in visible:
        return 404
    if principal in ("agent", "sibling"):
        scope = "" if principal == "agent" else "sibling"
        if whose_agent != scope:
            return 403
    if principal in ("read", "foreign") and row.writes:  # they have read keys
        return 403
    if row.below() and (cell.odd not in ("", *AGENTS) or is_mixed(cell)):
        return 404
    return 200


def is_mixed(cell: Cell) -> bool:
    """The conversation is not the agent's."""
    talk = Conversation.objects.filter(pk=int(cell.references["conversation_id"]))
    return (
        str(talk.values_list("agent", flat=True).first())
        != (cell.references["agent_id"])
    )


def secret(principal: str, ours: Tenant, theirs: Tenant) -> str | None:
    if principal == "nobody":
        return None
    return theirs.keys["read"] if principal == "foreign" else ours.keys[principal]


def send(
    http: httpx.Client, route: str, row: Row, cell: Cell, key: str | None
) -> httpx.Response:
    pattern = next(one for one in api_routes() if one.name == route)
    path = paths()[route]
    for name in pattern.pattern.converters:
        path = path.replace(f"<{name}>", cell.references[name])
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = filled(row.body, cell.references)
    return http.request(
        row.method, f"/{path}", json=body, headers=headers, params=row.query
    )


def filled(body: Any, references: References) -> Any:
    if isinstance(body, dict):
        return {name: filled(value, references) for name, value in body.items()}
    return body.format(**references) if isinstance(body, str) else body


def rows(*tenants: Tenant) -> list[Any]:
    """All of theirs that a request about conversations could have touched."""
    mine = {"workspace__in": [tenant.workspace for tenant in tenants]}
    messages = Message.objects.filter(**mine)
    return [
        sorted(
            Conversation.objects.filter(**mine).values_list(
                "id", "status", "epoch", "last_seq"
            )
        ),
        sorted(messages.values_list("id", "status", "text")),
        messages.exclude(feedback=None).count(),
        messages.exclude(hidden_at=None).count(),
        sorted(ToolCall.objects.filter(**mine).values_list("id", "status")),
        ConversationEvent.objects.filter(**mine).count(),
        LedgerEntry.objects.filter(**mine).count(),
    ]


def api_routes() -> Iterator[URLPattern]:
    for pattern, _ in _patterns():
        yield pattern


def paths() -> dict[str, str]:
    return {str(pattern.name): route for pattern, route in _patterns()}


def _patterns(
    patterns: Any = None, prefix: str = ""
) -> Iterator[tuple[URLPattern, str]]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, route)
        elif route.startswith(("api/", "v1/")):
            yield pattern, route
