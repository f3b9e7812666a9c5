"""Input that breaks others, on every call of API v1: a clean 400, or 404 where a path
or an id names what cannot be. Never a 500, never something stored."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest

from bookbag.api.renderers import to_json
from bookbag.api.schema import document
from contacts.models import Contact
from tests.contract import test_tenant_matrix_v1 as v1
from tests.contract.test_odd_input import (
    AS_IDS,
    IN_BODIES,
    IN_PATHS,
    IN_PATHS_RAW,
    IN_QUERIES,
)
from tests.contract.test_order_of_checks_v1 import path_of
from tests.contract.test_tenant_matrix import PLENTY, Tenant, make_tenant, paths
from tests.contract.test_tenant_matrix_v1 import CALLS, NAMES, Call
from tests.engines import ScriptedEngine

CREATE = Call("v1_create_chatbot", "POST", writes=True, body={"chatbotName": "canary"})
EACH = [*CALLS, CREATE]
WITH_BODY = [call for call in EACH if call.body is not None and not call.file]
FORMS = [call for call in EACH if call.file]
# The fields of bodies that name a row.
IDS = {
    "POST v1_chat": "chatbotId",
    "POST v1_chat of a visitor": "conversationId",
    "POST v1_update_chatbot_data": "chatbotId",
    "POST v1_update_chatbot_settings": "chatbotId",
    "POST v1_agent_leads": "conversationId",
}


@pytest.fixture
def tenant(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> Tenant:
    settings.VISITOR_LIMIT = settings.RATE_LIMIT = PLENTY
    settings.LEADS_RATE = f"{PLENTY}/m"
    engines = {"scripted": lambda: ScriptedEngine(["ok"])}
    monkeypatch.setattr("agents.engines.ENGINES", engines)
    return make_tenant("odd")


class Caller:
    """Somebody with a key to all of it, and how a call is made."""

    def __init__(self, http: httpx.Client, tenant: Tenant, call: Call) -> None:
        self.http = http
        self.call = call
        self.references = v1.references(tenant, tenant.agents[0])
        self.headers = {"Authorization": f"Bearer {tenant.keys['workspace']}"}

    def path(self, **odd: str) -> str:
        """With these parts in the path as they stand."""
        marks = {name: f"OdD{name}OdD" for name in odd}
        path = path_of(self.call.route, self.references | marks)
        for name, value in odd.items():
            path = path.replace(marks[name], value)
        return path

    def body(self) -> dict[str, Any]:
        whole = v1.filled(self.call.body, self.references)
        assert isinstance(whole, dict)
        return whole

    def send(self, path: str, body: bytes | None = None) -> httpx.Response:
        request: dict[str, Any] = {"headers": self.headers}
        if self.call.file:
            files = {self.call.file: ("canary.png", v1.picture(), "image/png")}
            request |= {"data": self.body(), "files": files}
        elif self.call.body is not None:
            content = orjson.dumps(self.body()) if body is None else body
            kind = {"Content-Type": "application/json"}
            request |= {"content": content, "headers": self.headers | kind}
        response = self.http.request(self.call.method, path, **request)
        assert response.status_code < 500, path
        if response.status_code >= 400:
            told = response.json()
            assert told.get("message") or told["error"]["message"]
        return response


def each(calls: list[Call]) -> Any:
    return pytest.mark.parametrize("call", calls, ids=str)


def parameters_in_path() -> Iterator[Any]:
    for call in EACH:
        for part, name in NAMES.items():
            if f"{part}>" in paths()[call.route] and name in call.refers:
                yield pytest.param(call, name, id=f"{call} {name}")


@pytest.mark.parametrize(("call", "name"), list(parameters_in_path()))
def test_what_is_no_id_names_nothing(
    http: httpx.Client, tenant: Tenant, call: Call, name: str
) -> None:
    caller = Caller(http, tenant, call)
    before = v1.rows(tenant)
    for odd in [*(quote(one, safe="") for one in IN_PATHS), *IN_PATHS_RAW]:
        answer = caller.send(caller.path(**{name: odd}))
        assert answer.status_code == 404, odd
    assert v1.rows(tenant) == before


def parameters_in_query() -> Iterator[Any]:
    described = orjson.loads(to_json(document("v1")))["paths"]
    routes = {template: route for route, template in templates().items()}
    for path, operations in described.items():
        for method, operation in operations.items():
            call = next(
                one
                for one in EACH
                if (one.route, one.method) == (routes[path], method.upper())
            )
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query":
                    name = parameter["name"]
                    yield pytest.param(call, name, id=f"{call} {name}")


def templates() -> dict[str, str]:
    """Paths of the document, by the name of their route."""
    found = {}
    for route, path in paths().items():
        path = path.replace("<anything:", "<")
        for part in NAMES:
            head, *tail = part.split("_")
            camel = head + "".join(word.title() for word in tail)
            path = path.replace(f"<{part}>", f"{{{camel}}}")
        found[route] = f"/{path}"
    return found


@pytest.mark.parametrize(("call", "name"), list(parameters_in_query()))
def test_an_odd_parameter_is_understood_or_refused(
    http: httpx.Client, tenant: Tenant, call: Call, name: str
) -> None:
    caller = Caller(http, tenant, call)
    named = dict(v1.filled(call.query, caller.references))
    before = v1.rows(tenant)
    allowed = (404, 400) if name == "chatbotId" else (200, 400)
    for odd in [*(quote(one, safe="") for one in IN_QUERIES), f"1&{name}=2"]:
        rest = "".join(f"&{n}={v}" for n, v in named.items() if n != name)
        answer = caller.send(f"{caller.path()}?{name}={odd}{rest}")
        assert answer.status_code in allowed, odd
        if "%00" in odd or "&" in odd:
            assert answer.status_code == 400, odd
    assert v1.rows(tenant) == before


@each(WITH_BODY)
def test_what_no_database_could_hold_is_400_in_any_field(
    http: httpx.Client, tenant: Tenant, call: Call
) -> None:
    caller = Caller(http, tenant, call)
    right = orjson.dumps(caller.body())
    before = v1.rows(tenant)
    for what, odd in IN_BODIES.items():
        body = b'{"unknown":' + odd + b"," + right[1:]
        assert caller.send(caller.path(), body).status_code == 400, what
    for body in (b"[]", b"null", b"1", b'"x"', b"{", b"\xef\xbb\xbf{}", b"{}{}"):
        assert caller.send(caller.path(), body).status_code == 400, body
    assert v1.rows(tenant) == before


@each(WITH_BODY)
def test_no_field_takes_what_is_not_meant_for_it(
    http: httpx.Client, tenant: Tenant, call: Call
) -> None:
    caller = Caller(http, tenant, call)
    before = v1.rows(tenant)
    for name in caller.body():
        if name == "visitorToken":  # which nobody looks at where there is a key
            continue
        for odd in (True, 1.5, [[]], {"a": {"b": []}}, [None], "x" * 2_100_000):
            answer = caller.send(
                caller.path(), orjson.dumps(caller.body() | {name: odd})
            )
            assert answer.status_code in (400, 404, 413), (name, str(odd)[:60])
    assert v1.rows(tenant) == before


@each([call for call in WITH_BODY if str(call) in IDS])
def test_what_is_no_id_in_a_body_names_nothing(
    http: httpx.Client, tenant: Tenant, call: Call
) -> None:
    caller = Caller(http, tenant, call)
    before = v1.rows(tenant)
    for odd in AS_IDS:
        body = caller.body() | {IDS[str(call)]: odd}
        answer = caller.send(caller.path(), orjson.dumps(body))
        assert answer.status_code in (400, 404), odd
    assert v1.rows(tenant) == before


@each(WITH_BODY)
def test_unknown_fields_are_ignored(
    http: httpx.Client, tenant: Tenant, call: Call
) -> None:
    caller = Caller(http, tenant, call)
    extra = {
        "id": "7",
        "workspaceId": 1,
        "workspace_id": 1,
        "account_id": "1",
        "credits": -5,
        "status": "archived",
        "created_at": 0,
        "": None,
    }
    answer = caller.send(caller.path(), orjson.dumps(caller.body() | extra))
    assert answer.status_code == call.ok, answer.text
    told = answer.text
    assert "archived" not in told.replace('"archived":false', "")
    tenant.agents[0].refresh_from_db()
    assert tenant.agents[0].workspace_id == tenant.workspace.pk


def test_unknown_fields_of_a_contact_are_ignored(
    http: httpx.Client, tenant: Tenant
) -> None:
    headers = {"Authorization": f"Bearer {tenant.keys['workspace']}"}
    path = f"/api/v1/chatbots/{tenant.agents[0].pk}/contacts"
    mine = {"external_id": "ann", "id": "contact_1", "agent_id": 1, "workspace": 1}
    http.post(path, headers=headers, json={"users": [{**mine, "created_at": 5}]})
    http.patch(f"{path}/ann", headers=headers, json={**mine, "updated_at": 5})
    contact = Contact.objects.get(external_id="ann", agent=tenant.agents[0])
    assert contact.workspace_id == tenant.workspace.pk
    assert contact.created_at.year > 2020
    assert contact.updated_at.year > 2020


@each(FORMS)
def test_a_form_is_read_as_strictly(
    http: httpx.Client, tenant: Tenant, call: Call
) -> None:
    headers = {"Authorization": f"Bearer {tenant.keys['workspace']}"}
    agent = str(tenant.agents[0].pk)
    before = v1.rows(tenant)
    mark, png = b"mark", v1.picture()
    named = b'content-disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    filed = (
        b'content-disposition: form-data; name="%b"; filename="a.png"\r\n'
        b"content-type: image/png\r\n\r\n%b\r\n"
    )
    chatbot = named % (b"chatbotId", agent.encode())
    picture = filed % (call.file.encode(), png)

    def form(*parts: bytes, end: bytes = b"--mark--\r\n") -> bytes:
        return b"".join(b"--mark\r\n" + part for part in parts) + end

    for what, body in {
        "no picture": form(chatbot),
        "no chatbot": form(picture),
        "a text for a picture": form(chatbot, named % (call.file.encode(), b"x")),
        "a picture that is none": form(chatbot, filed % (call.file.encode(), b"x")),
        "an empty file": form(chatbot, filed % (call.file.encode(), b"")),
        "the picture twice": form(chatbot, picture, picture),
        "the chatbot twice": form(chatbot, chatbot, picture),
        "a file for the chatbot": form(filed % (b"chatbotId", b"1"), picture),
        "NUL": form(chatbot, picture, named % (b"x", b"\0")),
        "cut off": form(chatbot, picture, end=b""),
        "nothing": b"",
        "another boundary": form(chatbot, picture).replace(mark, b"other"),
    }.items():
        answer = http.post(
            path_of(call.route, v1.NOWHERE),
            headers=headers | {"Content-Type": "multipart/form-data; boundary=mark"},
            content=body,
        )
        assert answer.status_code in (400, 404), (what, answer.text)
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", "text/x"):
        answer = http.post(
            path_of(call.route, v1.NOWHERE),
            headers=headers | {"Content-Type": kind},
            content=form(chatbot, picture),
        )
        assert answer.status_code in (400, 415), kind
    assert v1.rows(tenant) == before
