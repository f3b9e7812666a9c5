"""/api/v1/chatbots/<id>/contacts, as Chatbase's clients call it."""

import json
import socket
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Agent, AgentStatus
from apikeys.models import Access, ApiKey
from contacts import attributes, records
from contacts.models import Contact
from tests.api.openapi import check_response
from tests.conftest import make_workspace
from workspaces.models import Workspace

CONFLICT = "Error saving chatbot contact. External ID or email already exists."
STRIPE = [{"label": "main", "stripe_id": "cus_1", "stripe_email": "a@x.example"}]


class Caller:
    """A client of one chatbot's contacts, whose answers are held against the document
    that describes them."""

    def __init__(self, agent: Agent, secret: str) -> None:
        self.path = f"/api/v1/chatbots/{agent.pk}/contacts"
        self.client = Client(headers={"authorization": f"Bearer {secret}"})

    def __call__(
        self, method: str, contact: str = "", body: Any = None, **query: Any
    ) -> tuple[int, Any]:
        path = self.path + (f"/{quote(contact, safe='')}" if contact else "")
        if body is None:
            response = getattr(self.client, method)(path, query)
        else:
            content = body if isinstance(body, str | bytes) else json.dumps(body)
            response = getattr(self.client, method)(
                path, content, content_type="application/json"
            )
        documented = self.path + ("/x" if contact else "")
        check_response(response, method, documented)
        return response.status_code, response.json()

    def post(self, *users: dict[str, Any], name: str = "users") -> tuple[int, Any]:
        return self("post", body={name: users})


@pytest.fixture
def call(agent: Agent) -> Caller:
    # A machine may be too fast as well, for the limit that keys have else.
    _, secret = ApiKey.objects.issue(agent.workspace, label="Tests", rate_limit=10_000)
    return Caller(agent, secret)


def issues(answer: tuple[int, Any]) -> dict[str, str]:
    status, body = answer
    assert status == 400, body
    assert body["message"] == "Invalid request data"
    return {issue["field"]: issue["message"] for issue in body["issues"]}


# --- POST -----------------------------------------------------------------------------


def test_it_works(call: Caller, agent: Agent) -> None:
    sent = {
        "external_id": "user-7",
        "name": "Ada",
        "email": "Ada@x.example",
        "phonenumber": "+44 1",
        "stripe_accounts": STRIPE,
        "custom_attributes": {"plan": "pro", "deep": {"a": [1, None, 1.5]}},
        "unknown": "ignored",
    }
    status, body = call.post(sent)
    contact = agent.contacts.get()
    at = int(contact.created_at.timestamp())
    expected = {
        **{name: value for name, value in sent.items() if name != "unknown"},
        "id": f"contact_{contact.pk}",
        "created_at": at,
        "updated_at": at,
    }
    assert (status, body) == (200, {"message": "Success", "data": [expected]})
    assert call("get", "user-7") == (200, {"message": "Success", "data": expected})


def test_contacts_is_another_word_for_users(call: Caller, agent: Agent) -> None:
    assert call.post({"external_id": "a"}, name="contacts")[0] == 200
    assert agent.contacts.count() == 1
    assert issues(call.post({"email": "x"}, name="contacts")) == {
        "contacts.0.email": "Must be an e-mail address."
    }


def test_a_contact_of_nothing_gets_an_id(call: Caller, agent: Agent) -> None:
    status, body = call.post({}, {"external_id": None})
    assert status == 200
    one, two = body["data"]
    assert one["external_id"] != two["external_id"]
    assert one["external_id"] == quote(one["external_id"], safe="")
    assert call("get", one["external_id"])[1]["data"] == one
    assert (one["name"], one["email"], one["phonenumber"]) == (None, None, None)
    assert (one["stripe_accounts"], one["custom_attributes"]) == ([], {})


def test_null_clears(call: Caller) -> None:
    told = {"name": "Ada", "email": "a@x.example", "phonenumber": "1"}
    call.post({"external_id": "a", **told})
    status, body = call.post({"external_id": "a", **dict.fromkeys(told)})
    assert status == 200
    assert {body["data"][0][name] for name in told} == {None}


def test_a_thousand_at_most(call: Caller, agent: Agent) -> None:
    several = [{"external_id": str(number)} for number in range(1001)]
    expected = (400, {"message": "Maximum 1000 contacts per request"})
    assert call.post(*several) == expected
    assert not agent.contacts.exists()
    status, body = call.post(*several[:1000])
    assert status == 200
    assert [one["external_id"] for one in body["data"]] == [
        str(number) for number in range(1000)
    ]


@pytest.mark.parametrize("known", [0, 500, 1000])
def test_a_thousand_take_as_many_queries_as_one(call: Caller, known: int) -> None:
    several = [
        {
            "external_id": str(n),
            "email": f"{n}@x.example",
            "stripe_accounts": STRIPE,
            "custom_attributes": {"n": n},
        }
        for n in range(1000)
    ]
    if known:
        call.post(*several[:known])
    several = [{**one, "name": "Ada"} for one in several]
    with CaptureQueriesContext(connection) as all_of_them:
        status, body = call.post(*several)
    assert (status, len(body["data"])) == (200, 1000)
    with CaptureQueriesContext(connection) as one_of_them:
        call.post({**several[0], "name": "Bea", "email": "new@x.example"})
    asked = [one["sql"] for one in all_of_them if "contacts_" in one["sql"]]
    assert len(asked) <= 5
    assert len(all_of_them) <= len(one_of_them) + 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "users"),
        ({"users": []}, "users"),
        ({"users": None}, "users"),
        ({"users": {"external_id": "a"}}, "users"),
        ({"users": "a"}, "users"),
        ({"users": ["a"]}, "users.0"),
        ({"users": [{}, None]}, "users.1"),
        ({"contacts": 5}, "contacts"),
        ("{", "body"),
        ("[]", "body"),
        ('{"users": [{"external_id": "\\u0000"}]}', "body"),
        ('{"users": [{"name": "\\ud800"}]}', "body"),
        ('{"users": [{"custom_attributes": {"a": 1e999}}]}', "body"),
        ('{"users": [{"custom_attributes": {"a": 9223372036854775808}}]}', "body"),
        ('{"users": ' + "[" * 2000 + "]" * 2000 + "}", "body"),
    ],
)
def test_a_body_of_another_shape_is_refused(
    call: Caller, agent: Agent, body: Any, field: str
) -> None:
    assert list(issues(call("post", body=body))) == [field]
    assert not agent.contacts.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("external_id", ""),
        ("external_id", "  "),
        ("external_id", 5),
        ("external_id", True),
        ("external_id", "x" * 256),
        ("name", 5),
        ("name", "x" * 256),
        ("email", ""),
        ("email", "nobody"),
        ("email", "a@"),
        ("email", "a b@x.example"),
        ("email", "a@x\n@y"),
        ("email", "a" * 250 + "@x.example"),
        ("phonenumber", 5),
        ("phonenumber", "1" * 65),
        ("stripe_accounts", None),
        ("stripe_accounts", {}),
        ("stripe_accounts", [{}]),
        ("stripe_accounts", [{"label": "a", "stripe_id": 5}]),
        ("stripe_accounts", [{"label": "a", "stripe_email": "nobody"}]),
        ("custom_attributes", None),
        ("custom_attributes", []),
        ("custom_attributes", "a"),
        ("custom_attributes", {"a": "x" * 16_384}),
    ],
)
def test_a_field_that_does_not_fit_is_named(
    call: Caller, agent: Agent, field: str, value: Any
) -> None:
    found = issues(call.post({"external_id": "a"}, {field: value}))
    assert len(found) == 1
    assert all(path.startswith(f"users.1.{field}") for path in found), found
    assert not agent.contacts.exists()
    if field != "external_id":
        call.post({"external_id": "a"})
        (path,) = issues(call("patch", "a", {field: value}))
        assert path.startswith(field)


def test_an_email_of_two_is_a_conflict(call: Caller, agent: Agent) -> None:
    call.post({"external_id": "a", "email": "a@x.example"})
    conflict = (409, {"message": CONFLICT})
    assert call.post({"external_id": "c"}, {"email": "A@X.example"}) == conflict
    assert call.post({"email": "b@x.example"}, {"email": "B@x.example"}) == conflict
    assert agent.contacts.count() == 1


def test_custom_attributes_have_their_types(call: Caller, agent: Agent) -> None:
    for type in ("text", "number", "boolean", "date"):
        attributes.define(agent, name=type, label=type, type=type)
    attributes.define(agent, name="old", label="Old", archived=True)
    fitting = {
        "number": 12,
        "boolean": "true",
        "date": "2026-11-22",
        "old": None,
        "else": {"any": "thing"},
    }
    status, body = call.post({"external_id": "a", "custom_attributes": fitting})
    assert status == 200
    kept = {
        **fitting,
        "number": 12,
        "boolean": True,
        "date": "2026-11-22T00:00:00.000Z",
    }
    assert body["data"][0]["custom_attributes"] == kept
    assert call("get", "a")[1]["data"]["custom_attributes"] == kept
    misfits = {"text": 1, "number": "12", "boolean": 2, "date": "x", "old": "x"}
    several = [{"external_id": "b"}] * 3 + [{"custom_attributes": misfits}]
    assert issues(call.post(*several)) == {
        "users.3.custom_attributes.text": "Must be a string.",
        "users.3.custom_attributes.number": "Must be a number.",
        "users.3.custom_attributes.boolean": "Must be true or false.",
        "users.3.custom_attributes.date": "Must be an ISO 8601 date, such as"
        " 2026-11-22T07:00:00Z.",
        "users.3.custom_attributes.old": "Is archived: only null can be set.",
    }
    assert agent.contacts.count() == 1
    found = issues(call("patch", "a", {"custom_attributes": misfits}))
    assert set(found) == {f"custom_attributes.{name}" for name in misfits}


def test_what_an_archived_attribute_has_stays_until_it_is_cleared(
    call: Caller, agent: Agent
) -> None:
    plan = attributes.define(agent, name="plan", label="Plan")
    call.post({"external_id": "a", "custom_attributes": {"plan": "pro", "n": 1}})
    attributes.change(plan, archived=True)
    _, body = call("patch", "a", {"custom_attributes": {"m": 2}})
    assert body["data"]["custom_attributes"] == {"plan": "pro", "m": 2}
    _, body = call("patch", "a", {"custom_attributes": {"plan": None}})
    assert body["data"]["custom_attributes"] == {"plan": None}


def test_a_request_sent_again_is_done_once(call: Caller, agent: Agent) -> None:
    answers = [
        call.client.post(
            call.path,
            json.dumps({"users": [{"name": "Ada"}]}),
            content_type="application/json",
            headers={"idempotency-key": "k"},
        )
        for _ in range(2)
    ]
    assert answers[0].content == answers[1].content
    assert agent.contacts.count() == 1


# --- GET ------------------------------------------------------------------------------


def test_the_list_has_pages(call: Caller, agent: Agent) -> None:
    call.post(*[{"external_id": str(number)} for number in range(25)])
    status, body = call("get", page=3, per_page=10)
    assert status == 200
    assert [one["external_id"] for one in body["data"]] == [
        str(number) for number in range(20, 25)
    ]
    assert body["message"] == "Success"
    assert body["total"] == 25
    assert body["pages"] == {"page": 3, "per_page": 10, "total_pages": 3}
    assert call("get")[1]["pages"] == {"page": 1, "per_page": 100, "total_pages": 1}
    beyond = call("get", page=4, per_page=10)[1]
    assert (beyond["data"], beyond["total"]) == ([], 25)


def test_an_empty_list_has_none(call: Caller) -> None:
    assert call("get")[1] == {
        "message": "Success",
        "data": [],
        "total": 0,
        "pages": {"page": 1, "per_page": 100, "total_pages": 0},
    }


@pytest.mark.parametrize(
    ("asked", "page", "per_page"),
    [
        ({"per_page": 1}, 1, 10),
        ({"per_page": 0}, 1, 10),
        ({"per_page": -(10**30)}, 1, 10),
        ({"per_page": 1001}, 1, 1000),
        ({"per_page": 10**30}, 1, 1000),
        ({"page": 0}, 1, 100),
        ({"page": -5}, 1, 100),
        ({"page": 2**63}, 10**18, 100),
        ({"page": 10**400}, 10**18, 100),
    ],
)
def test_what_is_outside_is_taken_for_the_nearest(
    call: Caller, asked: dict[str, Any], page: int, per_page: int
) -> None:
    call.post({})
    status, body = call("get", **asked)
    assert status == 200
    assert (body["pages"]["page"], body["pages"]["per_page"]) == (page, per_page)


@pytest.mark.parametrize("name", ["page", "per_page"])
@pytest.mark.parametrize("value", ["x", "1.5", "١", "1_0", " 1", "true", "\0"])
def test_what_is_no_number_is_refused(call: Caller, name: str, value: str) -> None:
    assert list(issues(call("get", **{name: value}))) == [name]


def test_a_contact_is_found_by_either_id(call: Caller) -> None:
    _, body = call.post({"external_id": "a"})
    (contact,) = body["data"]
    for name in ("a", contact["id"]):
        assert call("get", name)[1]["data"] == contact
    _, body = call.post({"external_id": contact["id"]})
    assert call("get", contact["id"])[1]["data"] == body["data"][0]


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
@pytest.mark.parametrize(
    "name", ["b", "contact_0", "contact_99999999999999999999", "\0", "a\n", "A", "é"]
)
def test_what_is_not_there_is_not_found(call: Caller, method: str, name: str) -> None:
    call.post({"external_id": "a"})
    body = {} if method == "patch" else None
    assert call(method, name, body) == (404, {"message": "Resource not found"})


# --- PATCH and DELETE -----------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [True, False])
def test_only_what_is_sent_changes(call: Caller, agent: Agent, wrapped: bool) -> None:
    told = {
        "external_id": "a",
        "name": "Ada",
        "email": "a@x.example",
        "phonenumber": "1",
        "stripe_accounts": STRIPE,
        "custom_attributes": {"plan": "pro"},
    }
    call.post(told)
    changes: list[dict[str, Any]] = [
        {},
        {"name": None},
        {"email": None, "phonenumber": None},
        {"email": "b@x.example"},
        {"stripe_accounts": []},
        {"custom_attributes": {"seats": 1}},
        {"name": "Bea", "stripe_accounts": STRIPE},
        {"id": "contact_1", "created_at": 5, "unknown": 5},
    ]
    for change in changes:
        told |= {n: value for n, value in change.items() if n in told}
        status, body = call("patch", "a", {"data": change} if wrapped else change)
        assert status == 200
        contact = agent.contacts.get()
        shown = {name: body["data"][name] for name in told}
        assert shown == told == {name: getattr(contact, name) for name in told}


def test_the_external_id_may_change(call: Caller) -> None:
    call.post({"external_id": "a"}, {"external_id": "b"})
    assert call("patch", "a", {"external_id": "c"})[1]["data"]["external_id"] == "c"
    assert call("get", "a")[0] == 404
    assert call("patch", "c", {"external_id": "c"})[0] == 200
    taken = call("patch", "c", {"external_id": "b", "name": "Ada"})
    assert taken == (409, {"message": CONFLICT})
    assert call("get", "c")[1]["data"]["name"] is None


def test_an_email_that_another_has_is_a_conflict(call: Caller) -> None:
    call.post({"external_id": "a", "email": "a@x.example"}, {"external_id": "b"})
    change = {"email": "A@x.example"}
    assert call("patch", "b", change) == (409, {"message": CONFLICT})
    assert call("patch", "a", change)[0] == 200


@pytest.mark.parametrize(
    "body", [{"data": None}, {"data": []}, {"data": "x"}, {"data": 5}]
)
def test_data_is_an_object(call: Caller, body: Any) -> None:
    call.post({"external_id": "a"})
    assert issues(call("patch", "a", body)) == {"data": "Must be an object."}
    assert list(issues(call("patch", "a", {"external_id": None}))) == ["external_id"]


def test_a_deleted_contact_is_answered_once_more(call: Caller, agent: Agent) -> None:
    _, body = call.post({"external_id": "a", "email": "a@x.example"})
    (contact,) = body["data"]
    assert call("delete", "a") == (200, {"message": "Success", "data": contact})
    assert call("delete", "a") == (404, {"message": "Resource not found"})
    assert call("get")[1]["total"] == 0
    assert call.post({"email": "a@x.example"})[0] == 200


# --- Strangers ------------------------------------------------------------------------


def test_an_agents_contacts_are_its_own(
    call: Caller, agent: Agent, api_key: tuple[ApiKey, str]
) -> None:
    _, secret = api_key
    other = Agent.objects.create(workspace=agent.workspace, name="Other")
    _, body = call.post({"external_id": "a"})
    theirs = Caller(other, secret)
    for name in ("a", body["data"][0]["id"]):
        assert theirs("get", name) == (404, {"message": "Resource not found"})
    assert theirs("get")[1]["total"] == 0


def test_outsiders_get_404(workspace: Workspace, agent: Agent) -> None:
    records.upsert(agent, [{"external_id": "a"}])
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    archived = Agent.objects.create(
        workspace=workspace, name="Archived", status=AgentStatus.ARCHIVED
    )
    _, ours = ApiKey.objects.issue(workspace, label="K")
    _, siblings = ApiKey.objects.issue(workspace, label="K", agent=sibling)
    _, foreign = ApiKey.objects.issue(make_workspace("Else"), label="K")
    missing = Agent(pk=2**40, workspace=workspace)
    for caller in (
        Caller(agent, foreign),
        Caller(agent, siblings),
        Caller(archived, ours),
        Caller(missing, ours),
    ):
        for answer in (
            caller("get"),
            caller.post({"external_id": "a"}),
            caller("post", body="{"),
            caller("get", "a"),
            caller("patch", "a", {"name": "x"}),
            caller("delete", "a"),
        ):
            assert answer == (404, {"message": "Resource not found"})
    assert agent.contacts.get().name is None


def test_a_reader_does_not_write(workspace: Workspace, agent: Agent) -> None:
    _, secret = ApiKey.objects.issue(workspace, label="R", access=Access.READ)
    records.upsert(agent, [{"external_id": "a"}])
    reader = Caller(agent, secret)
    assert reader("get", "a")[0] == reader("get")[0] == 200
    assert reader.post({})[0] == 403
    assert reader("patch", "b", {})[0] == 403
    assert reader("delete", "a")[0] == 403
    assert agent.contacts.count() == 1


# --- Any JSON, any id -----------------------------------------------------------------

ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["label", "stripe_id", "a"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        (
            "external_id",
            "name",
            "email",
            "phonenumber",
            "stripe_accounts",
            "custom_attributes",
        ),
        ANY,
    ),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(FIELDS, min_size=1, max_size=3))
def test_any_fields_are_kept_as_sent_or_refused(
    call: Caller, users: list[dict[str, Any]]
) -> None:
    status, body = call.post(*users)
    assert status in (200, 400, 409)
    if status == 200:
        for sent, kept in zip(users, body["data"], strict=True):
            assert call("get", kept["external_id"])[0] == 200
            if "custom_attributes" in sent and len(users) == 1:
                assert kept["custom_attributes"] == sent["custom_attributes"]


ODD = [
    "a/b",
    "a//b",
    "/",
    "//",
    "a/",
    "/a",
    "..",
    "../..",
    ".",
    "a/../b",
    "%2F",
    "%",
    "%zz",
    "a b",
    "+",
    "a+b",
    "?x=1",
    "#x",
    ";x",
    "é",
    "日本語",
    "👩‍👩‍👧",
    "e\u0301",
    "\u202eabc",
    "a\nb",
    "a\r\n",
    "\ta",
    "\x7f",
    "'\"\\",
    "<script>",
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "user@example.com",
    "contact_x",
    "x" * 255,
    "é" * 255,
]


def raw(http: httpx.Client, method: str, target: str, key: str, body: str = "") -> Any:
    """Exactly these bytes: clients' libraries tidy paths up."""
    host, port = http.base_url.host, http.base_url.port
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {key}",
        "Connection: close",
    ]
    if body:
        size = len(body.encode())
        lines += ["Content-Type: application/json", f"Content-Length: {size}"]
    with socket.create_connection((host, port), timeout=60) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, content = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(content)


def test_any_id_goes_through_a_path(http: httpx.Client) -> None:
    workspace = make_workspace("Odd")
    agent = Agent.objects.create(workspace=workspace, name="Odd")
    _, key = ApiKey.objects.issue(workspace, label="K", rate_limit=10_000)
    path = f"/api/v1/chatbots/{agent.pk}/contacts"
    several = json.dumps({"users": [{"external_id": odd} for odd in ODD]})
    status, _ = raw(http, "POST", path, key, several)
    assert status == 200
    for odd in ODD:
        targets = {f"{path}/{quote(odd, safe='')}", f"{path}/{quote(odd)}"}
        for target in targets:
            status, body = raw(http, "GET", target, key)
            assert (status, body["data"]["external_id"]) == (200, odd), target
        status, body = raw(http, "PATCH", target, key, json.dumps({"name": odd}))
        assert (status, body["data"]["name"]) == (200, odd.strip(" \t\r\n"))
        status, body = raw(http, "DELETE", target, key)
        assert (status, body["data"]["external_id"]) == (200, odd)
        status, body = raw(http, "GET", target, key)
        assert (status, body) == (404, {"message": "Resource not found"})
    assert not Contact.objects.filter(agent=agent).exists()


@pytest.mark.parametrize("odd", ["%00", "%ff", "%ed%a0%80", "contact_%D9%A1", "%"])
def test_what_is_no_id_is_not_found(http: httpx.Client, odd: str) -> None:
    workspace = make_workspace("Odd")
    agent = Agent.objects.create(workspace=workspace, name="Odd")
    _, key = ApiKey.objects.issue(workspace, label="K")
    for method in ("GET", "PATCH", "DELETE"):
        status, body = raw(
            http, method, f"/api/v1/chatbots/{agent.pk}/contacts/{odd}", key, "{}"
        )
        assert (status, body) == (404, {"message": "Resource not found"})


def test_a_list_that_is_too_long_is_not_looked_into(call: Caller) -> None:
    # A mebibyte of {} took fourteen seconds, and its answer was 23 megabytes.
    body = {"external_id": "a", "stripe_accounts": [{}] * 101}
    assert list(issues(call.post(body))) == ["users.0.stripe_accounts"]


def test_a_refusal_names_a_hundred_flaws_at_most(call: Caller, agent: Agent) -> None:
    attributes.define(agent, name="n", label="N", type="number")
    misfits = [{"custom_attributes": {"n": ""}}] * 101
    found = issues(call.post(*misfits))
    assert len(found) == 100
    assert "users.99.custom_attributes.n" in found
