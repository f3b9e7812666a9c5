"""What every answer of API v1 carries, whatever came of the request: an id, the rate
limit, and where it was refused the clothes of its surface."""

from typing import Any

import httpx
import pytest

from agents import engines
from agents.engine.base import EngineError
from apikeys.models import ApiKey
from contacts.models import Contact, CustomAttribute
from tests.clients.gated import Gated
from tests.contract import test_tenant_matrix_v1 as v1
from tests.contract.test_every_answer import carries_all
from tests.contract.test_tenant_matrix import Cell, Tenant, make_tenant
from tests.contract.test_tenant_matrix_v1 import CALLS, Call
from tests.conversations.conftest import ScriptedShop, make_shop
from tests.engines import ScriptedEngine

OWN_SHAPES = ("v1_agent_", "v1_conversation", "v1_leads_")
CODES = {
    400: "validation_error",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "idempotency_key_reused",
    429: "rate_limited",
    431: "headers_too_large",
    500: "internal_error",
}
MESSAGES = {
    400: "Invalid request data",
    401: "No API key provided.",
    404: "Resource not found",
    500: "Internal server error",
}


def wears(response: httpx.Response, *, own: bool) -> str:
    """The message of a refusal, after a look at its clothes: Bookbag's own, or those of
    Chatbase."""
    carries_all(response)
    assert response.headers["content-type"] == "application/json"
    told = response.json()
    if not own:
        assert {"message"} <= set(told) <= {"message", "issues"}
        for issue in told.get("issues", ()):
            assert set(issue) == {"field", "message"}
            assert issue["field"]
            assert issue["message"]
        assert told.get("issues", [1]), "issues that say nothing"
        assert told["message"]
        return str(told["message"])
    assert set(told) == {"success", "error"}
    assert told["success"] is False
    error = told["error"]
    assert {"code", "message"} <= set(error) <= {"code", "message", "details"}
    assert error.get("details", {"some": "thing"}), "details that say nothing"
    code = error["code"]
    status = response.status_code
    assert code in {CODES[status], *(["agent_not_found"] if status == 404 else [])}
    assert error["message"]
    return str(error["message"])


def is_own(call: Call) -> bool:
    """Whether its errors are in Bookbag's own shape."""
    return call.route.startswith(OWN_SHAPES) or call.case == "of a visitor"


@pytest.fixture
def tenant(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    engines = {"scripted": lambda: ScriptedEngine(["ok"])}
    monkeypatch.setattr("agents.engines.ENGINES", engines)
    return make_tenant("answers")


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_every_call_carries_them_whatever_comes_of_it(
    http: httpx.Client, tenant: Tenant, call: Call
) -> None:
    cell = Cell(v1.references(tenant, tenant.agents[0]))
    good, nobody, revoked = (
        v1.send(http, call, cell, key)
        for key in (tenant.keys["workspace"], None, tenant.keys["revoked"])
    )
    assert good.status_code == call.ok, good.text
    assert nobody.status_code == (call.ok if call.public else 401)
    assert revoked.status_code == 401
    assert len({carries_all(answer) for answer in (good, nobody, revoked)}) == 3
    assert wears(revoked, own=is_own(call))
    if not call.public:
        told = wears(nobody, own=is_own(call))
        assert is_own(call) or told == MESSAGES[401]


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_every_refusal_of_a_call_wears_its_clothes(
    http: httpx.Client, tenant: Tenant, call: Call, settings: Any
) -> None:
    settings.RATE_LIMIT_WINDOW = 3600  # nothing is forgotten meanwhile
    own = v1.references(tenant, tenant.agents[0])
    _, spent = ApiKey.objects.issue(tenant.workspace, label="One", rate_limit=1)
    http.get("/api/v2/me", headers={"Authorization": f"Bearer {spent}"})
    expected = {429: (own, spent)}
    if call.writes:
        expected[403] = (own, tenant.keys["read"])
    if call.refers:
        missing = v1.NOWHERE | {"visitor_token": own["visitor_token"]}
        expected[404] = (missing, tenant.keys["workspace"])
    for status, (references, key) in expected.items():
        answer = v1.send(http, call, Cell(references), key)
        assert answer.status_code == status, answer.text
        told = wears(answer, own=is_own(call))
        assert is_own(call) or told == MESSAGES.get(status, told)
        assert ("Retry-After" in answer.headers) == (status == 429)


# How each surface is asked. `{}` is the agent.
SURFACES = {
    "of Chatbase": ("/api/v1/chatbots/{}/contacts", False),
    "Chatbase's chat": ("/api/v1/chat", False),
    "Bookbag's own": ("/api/v1/agents/{}/leads", True),
}
surfaces = pytest.mark.parametrize("surface", SURFACES)


@surfaces
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"content": b"{"}, 400),
        ({"content": b""}, 400),
        ({"content": b"[]"}, 400),
        ({"json": {"users": 5, "messages": 5, "email": 5, "chatbotId": "{}"}}, 400),
        ({"headers": {"Host": "a@b#c"}}, 400),
        ({"headers": {"Authorization": ""}}, 401),
        ({"url": "/api/v1/nothing"}, 404),
        ({"method": "PUT"}, 405),
        ({"method": "OPTIONS"}, 405),
        ({"content": b"x" * 9_000_000}, 413),
        ({"content": b"x=1", "headers": {"Content-Type": "text/plain"}}, 415),
        ({"content": b"{}", "headers": {"Content-Encoding": "gzip"}}, 415),
        ({"headers": {"Content-Type": b"a/b; charset=\x80"}}, 415),
        ({"headers": {f"x-{n}": "1" for n in range(100)}}, 431),
        ({"headers": {"Cookie": "x" * 17_000}}, 431),
    ],
    ids=lambda one: str(one)[:60],
)
def test_every_refusal_carries_them_in_the_clothes_of_its_surface(
    http: httpx.Client,
    tenant: Tenant,
    surface: str,
    request_: dict[str, Any],
    status: int,
) -> None:
    path, own = SURFACES[surface]
    agent = str(tenant.agents[0].pk)
    request: dict[str, Any] = {"method": "POST", "url": path.format(agent)} | request_
    if "json" in request:
        request["json"] = request["json"] | {"chatbotId": agent}
    request["headers"] = {
        "Authorization": f"Bearer {tenant.keys['workspace']}",
        "Content-Type": "application/json",
    } | request.get("headers", {})
    response = http.request(**request)
    assert response.status_code == status, response.text
    own = own and request["url"].startswith("/api/v1/agents/")
    told = wears(response, own=own)
    if not own and status in (400, 404):
        assert told == MESSAGES[status]
    assert ("Allow" in response.headers) == (status == 405)


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/api/v1/get-chatbots", False),
        ("/api/v1/chatbots/{}/contacts", False),
        ("/api/v1/agents/{}/conversations", True),
    ],
)
def test_who_accepts_no_json_is_406(
    http: httpx.Client, tenant: Tenant, path: str, own: bool
) -> None:
    headers = {"Authorization": f"Bearer {tenant.keys['workspace']}", "Accept": "a/b"}
    response = http.get(path.format(tenant.agents[0].pk), headers=headers)
    assert response.status_code == 406
    wears(response, own=own)


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("chatbots", False),
        ("chatbots/1", False),
        ("chatbots/1/contacts/", False),
        ("agent/1/leads", False),
        ("conversation", False),
        ("get-conversations/", False),
        ("agents/", True),
        ("agents/1", True),
        ("agents/1/leads/nothing", True),
        ("conversations/", True),
        ("conversations/1/messages", True),
    ],
)
def test_where_there_is_nothing_each_surface_says_so_in_its_words(
    http: httpx.Client, path: str, own: bool
) -> None:
    response = http.get(f"/api/v1/{path}")
    assert response.status_code == 404
    told = wears(response, own=own)
    assert own or told == MESSAGES[404]


@pytest.mark.parametrize("path", ["/agents/1/leads", "/conversations/1"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "a@b#c"}, 400),
        ({"Content-Type": b"a/b; charset=\x80"}, 415),
        ({f"x-{n}": "1" for n in range(100)}, 431),
    ],
    ids=["host", "type", "many"],
)
def test_root_paths_say_it_in_bookbags_own_clothes(
    http: httpx.Client, path: str, headers: dict[str, Any], status: int
) -> None:
    """What is refused before anybody looks at key, session and path, too."""
    http.get("/agents/1/leads")  # whatever the site says of itself is loaded
    response = http.post(path, headers=headers, content=b"{}")
    assert response.status_code == status
    wears(response, own=True)


def test_what_is_there_already_is_409(http: httpx.Client, tenant: Tenant) -> None:
    agent = tenant.agents[0]
    ids = {"workspace": tenant.workspace, "agent": agent}
    for name in ("ann", "bob"):
        Contact.objects.create(**ids, external_id=name)
    CustomAttribute.objects.create(**ids, name="plan", label="Plan")
    headers = {"Authorization": f"Bearer {tenant.keys['workspace']}"}
    path = f"/api/v1/chatbots/{agent.pk}"
    taken = http.patch(
        f"{path}/contacts/bob", headers=headers, json={"external_id": "ann"}
    )
    twice = http.post(
        f"{path}/custom-attributes", headers=headers, json={"name": "plan"}
    )
    assert (taken.status_code, twice.status_code) == (409, 409)
    assert wears(taken, own=False) == (
        "Error saving chatbot contact. External ID or email already exists."
    )
    wears(twice, own=False)


def test_a_busy_conversation_is_409_in_both_dialects(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.BUSY_WAIT = 0.2
    engine = Gated(["a ", "b "])
    engine.let.release()
    monkeypatch.setitem(engines.ENGINES, "scripted", lambda: engine)
    shop = make_shop(http, model="scripted")
    agent = shop.agent.pk
    turns = [{"role": "user", "content": "Hi"}]
    chatbase = {"chatbotId": agent, "messages": turns, "conversationId": "x"}
    bookbag: dict[str, Any] = {"agentId": agent, "message": "Hi"}

    def post(body: dict[str, Any]) -> httpx.Response:
        return shop.client.post("/api/v1/chat", headers=shop.headers, json=body)

    with shop.client.stream(
        "POST", "/api/v1/chat", headers=shop.headers, json={**chatbase, "stream": True}
    ) as stream:
        number = int(stream.headers["x-conversation-id"])
        busy = post(chatbase), post({**bookbag, "conversationId": number})
        engine.let.release()
        stream.read()
    assert [answer.status_code for answer in busy] == [409, 409]
    wears(busy[0], own=False)
    wears(busy[1], own=True)


def test_a_model_that_fails_at_once_is_500_in_both_dialects(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted([], error=EngineError("unavailable", "gone"))
    agent = shop.agent.pk
    turns = [{"role": "user", "content": "Hi"}]
    for stream in (False, True):
        body = {"chatbotId": agent, "messages": turns, "stream": stream}
        answer = shop.client.post("/api/v1/chat", headers=shop.headers, json=body)
        assert answer.status_code == 500
        assert wears(answer, own=False) == MESSAGES[500]
    answer = shop.client.post("/api/v1/chat", json={"agentId": agent, "message": "Hi"})
    assert answer.status_code == 500
    wears(answer, own=True)


def test_streams_of_both_dialects_carry_them(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["word"])
    turns = [{"role": "user", "content": "Hi"}]
    chatbase = {"chatbotId": shop.agent.pk, "messages": turns, "stream": True}
    bookbag = {"agentId": shop.agent.pk, "message": "Hi"}
    for body, headers in ((chatbase, shop.headers), (bookbag, {})):
        answer = shop.client.post("/api/v1/chat", headers=headers, json=body)
        assert answer.status_code == 200
        carries_all(answer)
        assert answer.headers["cache-control"] == "no-cache, no-transform"


@pytest.mark.parametrize(
    "accept", ["text/plain", "text/event-stream", "application/json", "*/*"]
)
def test_a_stream_is_a_stream_whatever_is_accepted(
    scripted: ScriptedShop, accept: str
) -> None:
    """What is accepted beside it: a client names the one it reads."""
    shop, _ = scripted(["word"])
    headers = {"Accept": accept}
    turns = [{"role": "user", "content": "Hi"}]
    chatbase = {"chatbotId": shop.agent.pk, "messages": turns, "stream": True}
    bookbag = {"agentId": shop.agent.pk, "message": "Hi"}
    for body, media_type in ((chatbase, "text/plain"), (bookbag, "text/event-stream")):
        answer = shop.client.post(
            "/api/v1/chat", headers=shop.headers | headers, json=body
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith(media_type)
