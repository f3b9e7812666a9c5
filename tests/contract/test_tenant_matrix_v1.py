"""The tenant matrix of API v1: every call × every principal × every foreign reference.

As in v2 (`test_tenant_matrix`), but a sibling of a key's own agent is as missing as one
of another tenant, some calls need no key, and ids come in the query as well.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from PIL import Image

from agents.models import Agent, Widget
from apikeys import limits
from contacts import visitors
from contacts.models import Contact, CustomAttribute, Lead
from conversations.models import Conversation
from knowledge.models import Source
from tests.contract import test_tenant_matrix as v2
from tests.contract.test_tenant_matrix import Cell, References, Tenant
from webhooks.models import WebhookEvent

__all__ = ["tenants"]  # the fixture

tenants = v2.tenants
SETTINGS = {"name": "canary", "ipLimit": 5, "visibility": "public"}


@dataclass(frozen=True)
class Call:
    """A method of a route, and how it is asked. `{name}` stands for a reference."""

    route: str
    method: str = "GET"
    # References that have a part in it, the agent first.
    refers: tuple[str, ...] = ()
    body: dict[str, Any] | None = None
    query: dict[str, Any] = field(default_factory=dict)
    file: str = ""  # the field of a picture: then the body is a form
    writes: bool = False
    public: bool = False
    ok: int = 200
    case: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, [self.method, self.route, self.case]))


AGENT = ("agent_id",)
CONVERSATION = ("agent_id", "conversation_id")
CONTACT = ("agent_id", "contact_id")
BY_QUERY = {"chatbotId": "{agent_id}"}
BY_BODY = {"chatbotId": "{agent_id}"}
PEOPLE = {"users": [{"external_id": "canary-new", "name": "canary"}]}
MESSAGES = [{"role": "user", "content": "canary"}]


def write(route: str, method: str = "POST", **how: Any) -> Call:
    return Call(route, method, writes=True, **how)


CALLS = [
    write("v1_chat", refers=AGENT, body={**BY_BODY, "messages": MESSAGES}),
    write(
        "v1_chat",
        case="of a contact",
        refers=CONTACT,
        body={
            **BY_BODY,
            "messages": MESSAGES,
            "contactId": "{contact_id}",
            "conversationId": "canary",
        },
    ),
    write(
        "v1_chat",
        case="of a visitor",
        public=True,
        refers=CONVERSATION,
        body={
            "agentId": "{agent_id}",
            "message": "canary",
            "conversationId": "{conversation_id}",
            "visitorToken": "{visitor_token}",
        },
    ),
    Call("v1_get_chatbots"),
    write(
        "v1_update_chatbot_data",
        refers=AGENT,
        body={**BY_BODY, "chatbotName": "canary", "sourceText": "canary"},
    ),
    write(
        "v1_update_chatbot_settings",
        refers=AGENT,
        body={**BY_BODY, **SETTINGS},
        ok=202,
    ),
    write("v1_delete_chatbot", "DELETE", refers=AGENT, query=BY_QUERY),
    write("v1_upload_chatbot_icon", refers=AGENT, body=BY_BODY, file="chatbotIconFile"),
    write(
        "v1_upload_chatbot_profile_picture",
        refers=AGENT,
        body=BY_BODY,
        file="profilePictureFile",
    ),
    write("v1_delete_chatbot_icon", "DELETE", refers=AGENT, query=BY_QUERY),
    write("v1_delete_chatbot_profile_picture", "DELETE", refers=AGENT, query=BY_QUERY),
    Call("v1_get_conversations", refers=AGENT, query=BY_QUERY),
    Call("v1_get_leads", refers=AGENT, query=BY_QUERY),
    Call("v1_agent_conversations", refers=AGENT),
    Call("v1_conversation", refers=("conversation_id",)),
    Call("v1_agent_leads", refers=AGENT),
    write(
        "v1_agent_leads",
        "POST",
        public=True,
        refers=CONVERSATION,
        body={
            "email": "canary@example.com",
            "conversationId": "{conversation_id}",
            "visitorToken": "{visitor_token}",
        },
    ),
    Call("v1_leads_export", refers=AGENT),
    Call("v1_contacts", refers=AGENT),
    write("v1_contacts", "POST", refers=AGENT, body=PEOPLE),
    Call("v1_contact", refers=CONTACT),
    Call("v1_contact", refers=("agent_id", "internal_id"), case="by its number"),
    write("v1_contact", "PATCH", refers=CONTACT, body={"name": "canary"}),
    write("v1_contact", "DELETE", refers=CONTACT),
    Call("v1_custom_attributes", refers=AGENT),
    write(
        "v1_custom_attributes",
        "POST",
        refers=AGENT,
        body={"name": "fresh{conversation_id}"},
    ),
    write(
        "v1_custom_attribute",
        "PUT",
        refers=("agent_id", "attribute"),
        body={"label": "canary"},
    ),
]
# What a path calls its parts.
NAMES = {
    "agent_id": "agent_id",
    "chatbot_id": "agent_id",
    "conversation_id": "conversation_id",
    "contact_id": "contact_id",
    "name": "attribute",
}
# Of no agent: shown elsewhere.
OTHER_ROUTES = {"v1_create_chatbot", "v1_schema", "v1_docs"}

NOWHERE: References = {
    **v2.NOWHERE,
    "contact_id": "nobody",
    "internal_id": f"contact_{v2.MISSING}",
    "attribute": "nothing",
    "visitor_token": "",
}


def references(tenant: Tenant, agent: Agent) -> References:
    """One of everything that v1 knows, of this agent, new."""
    found = tenant.references(agent)
    ids = {"workspace": tenant.workspace, "agent": agent}
    conversation = Conversation.objects.get(pk=int(found["conversation_id"]))
    name = f"{tenant.canary}-{conversation.pk}"
    contact = Contact.objects.create(**ids, external_id=name, name=tenant.canary)
    CustomAttribute.objects.create(**ids, name=name, label=tenant.canary)
    Lead.objects.create(**ids, name=tenant.canary, conversation=conversation)
    return {
        **found,
        "contact_id": name,
        "internal_id": contact.public_id,
        "attribute": name,
        "visitor_token": visitors.token_for(conversation.pk),
    }


def cells(call: Call, ours: Tenant, theirs: Tenant) -> Iterator[Cell]:
    def own() -> References:
        # Anew for each: what a call deletes is there for the next one.
        return references(ours, ours.agents[0])

    others = {
        "sibling": references(ours, ours.agents[1]),
        "theirs": references(theirs, theirs.agents[0]),
        "missing": NOWHERE,
    }
    for whose, other in others.items():
        for odd in call.refers:
            # Whose conversation it is a token would prove as well.
            token = {"visitor_token": other["visitor_token"]}
            more = token if odd == "conversation_id" else {}
            yield Cell(own() | {odd: other[odd]} | more, odd, whose, "one")
        if len(call.refers) > 1:
            yield Cell(other, call.refers[0], whose, "all")
    yield Cell(own())


def test_every_route_of_v1_has_a_call() -> None:
    routes = {p.name for p in v2.api_routes() if str(p.name).startswith("v1_")}
    assert routes == {call.route for call in CALLS} | OTHER_ROUTES


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_nobody_reaches_what_is_anothers(
    http: httpx.Client, tenants: tuple[Tenant, Tenant], call: Call, settings: Any
) -> None:
    settings.VISITOR_LIMIT = settings.RATE_LIMIT = v2.PLENTY
    settings.LEADS_RATE = f"{v2.PLENTY}/m"
    ours, theirs = tenants
    for principal in v2.PRINCIPALS:
        limits.local_limiter.cache_clear()
        stranger = ours if principal == "foreign" else theirs
        refusals: dict[tuple[str, str], dict[str, bytes]] = {}
        for cell in cells(call, ours, theirs):
            before = rows(ours, theirs)
            key = v2.secret(principal, ours, theirs)
            answer = send(http, call, cell, key)
            expected = status(principal, call, cell)
            assert answer.status_code == expected, (principal, cell, answer.text)
            if cell.whose != "theirs" or expected >= 400 or not call.public:
                assert stranger.canary not in answer.text, (principal, cell)
            if expected >= 400:
                assert rows(ours, theirs) == before, "a refused call wrote something"
            # Where the agent is the principal's to see, what is missing is below it.
            seen = cell.odd in call.refers[:1] and cell.whose in visible(
                principal, call
            )
            if expected == 404 and not seen:
                refusals.setdefault((cell.odd, cell.way), {})[cell.whose] = (
                    answer.content
                )
            restore(ours, theirs)
        for answers in refusals.values():
            assert len(set(answers.values())) == 1, (principal, answers)


def status(principal: str, call: Call, cell: Cell) -> int:
    """What the contract says: key, agent, right to write, and what is below."""
    if principal == "revoked" or (principal == "nobody" and not call.public):
        return 401
    if not call.refers:
        return call.ok
    first = call.refers[0]
    whose = cell.whose if cell.odd == first else ""
    if whose not in visible(principal, call):
        return 404
    if call.writes and principal in ("read", "foreign"):  # they have read keys
        return 403
    if cell.odd not in ("", first) or (cell.odd == first and cell.way == "one"):
        # What is below is not this agent's.
        return 404 if len(call.refers) > 1 else call.ok
    return call.ok


def visible(principal: str, call: Call) -> tuple[str, ...]:
    """Whose agents there are, for a principal."""
    if principal == "nobody" and call.public:
        return ("", "sibling", "theirs")
    scopes = {"agent": ("",), "sibling": ("sibling",), "foreign": ("theirs",)}
    return scopes.get(principal, ("", "sibling"))


def send(http: httpx.Client, call: Call, cell: Cell, key: str | None) -> httpx.Response:
    named = {name: cell.references[to] for name, to in NAMES.items()}
    if "internal_id" in call.refers:
        named["contact_id"] = cell.references["internal_id"]
    path = re.sub(
        r"<(?:[a-z]+:)?([a-z_]+)>",
        lambda found: named[found[1]],
        v2.paths()[call.route],
    )
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    query = v2.filled(call.query, cell.references)
    body = filled(call.body, cell.references)
    if call.file:
        files = {call.file: ("canary.png", picture(), "image/png")}
        return http.request(
            call.method, f"/{path}", data=body, files=files, headers=headers
        )
    return http.request(
        call.method, f"/{path}", json=body, headers=headers, params=query
    )


def filled(body: Any, references: References) -> Any:
    if isinstance(body, list):
        return [filled(one, references) for one in body]
    if isinstance(body, dict):
        return {name: filled(value, references) for name, value in body.items()}
    return body.format(**references) if isinstance(body, str) else body


def picture() -> bytes:
    image = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(image, "PNG")
    return image.getvalue()


def rows(*tenants: Tenant) -> list[Any]:
    """All of theirs that a call of v1 could have touched."""
    mine = {"workspace__in": [tenant.workspace for tenant in tenants]}
    agents = Agent.objects.filter(**mine)
    return [
        *v2.rows(*tenants),
        sorted(agents.values_list("id", "name", "status")),
        sorted(Contact.objects.filter(**mine).values_list("id", "name")),
        sorted(CustomAttribute.objects.filter(**mine).values_list("id", "label")),
        Lead.objects.filter(**mine).count(),
        Source.objects.filter(**mine).count(),
        sorted(Widget.objects.filter(**mine).values_list("id", "ip_limit", "icon")),
        WebhookEvent.objects.filter(**mine).count(),
    ]


def restore(*tenants: Tenant) -> None:
    """An agent that a call has renamed, or put away, answers the next one."""
    for tenant in tenants:
        for number, agent in enumerate(tenant.agents):
            Agent.objects.filter(pk=agent.pk).update(
                status="active", name=f"canary-{tenant.name} {number}"
            )
