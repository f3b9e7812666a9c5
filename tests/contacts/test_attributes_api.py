"""/api/v1/chatbots/<id>/custom-attributes, as Chatbase's clients call it."""

import json
from typing import Any

import pytest
from django.test import Client

from agents.models import Agent
from apikeys.models import Access, ApiKey
from contacts import attributes
from tests.api.openapi import check_response
from tests.conftest import make_workspace
from workspaces.models import Workspace

PLAN = {
    "name": "plan",
    "label": "Plan",
    "type": "text",
    "description": "What they pay for.",
    "archived": False,
}


class Caller:
    def __init__(self, agent: Agent, secret: str) -> None:
        self.path = f"/api/v1/chatbots/{agent.pk}/custom-attributes"
        self.client = Client(headers={"authorization": f"Bearer {secret}"})

    def __call__(
        self, method: str, name: str = "", body: Any = None
    ) -> tuple[int, Any]:
        path = self.path + (f"/{name}" if name else "")
        content = body if isinstance(body, str) else json.dumps(body)
        sent = {} if body is None else {"data": content}
        response = getattr(self.client, method)(
            path, **sent, content_type="application/json"
        )
        check_response(response, method, path)
        return response.status_code, response.json()


@pytest.fixture
def call(agent: Agent, api_key: tuple[ApiKey, str]) -> Caller:
    return Caller(agent, api_key[1])


def issues(answer: tuple[int, Any]) -> list[str]:
    status, body = answer
    assert status == 400, body
    assert body["message"] == "Invalid request data"
    return [issue["field"] for issue in body["issues"]]


def test_it_works(call: Caller) -> None:
    assert call("get") == (200, {"message": "Success", "data": []})
    success = (200, {"message": "Success", "data": PLAN})
    assert call("post", body=PLAN) == success
    assert call("get") == (200, {"message": "Success", "data": [PLAN]})


def test_a_name_is_enough(call: Caller) -> None:
    _, body = call("post", body={"name": "seats-2_x"})
    assert body["data"] == {
        "name": "seats-2_x",
        "label": "seats-2_x",
        "type": "text",
        "description": "",
        "archived": False,
    }


@pytest.mark.parametrize("type", ["text", "number", "boolean", "date"])
def test_there_are_four_types(call: Caller, type: str) -> None:
    assert call("post", body={"name": "a", "type": type})[1]["data"]["type"] == type


@pytest.mark.parametrize(
    "name",
    [
        None,
        5,
        True,
        [],
        "",
        " ",
        "1a",
        "_a",
        "-a",
        "a b",
        "a.b",
        "a\n",
        " a",
        "é",
        "aé",
        "a" * 101,
        "id",
        "external_id",
        "name",
        "email",
        "phonenumber",
        "stripe_accounts",
        "custom_attributes",
        "created_at",
        "updated_at",
        "Email",
    ],
)
def test_a_bad_name_is_refused(call: Caller, name: Any) -> None:
    assert issues(call("post", body={"name": name})) == ["name"]
    assert call("get")[1]["data"] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", "string"),
        ("type", "TEXT"),
        ("type", ""),
        ("type", None),
        ("type", 5),
        ("type", ["text"]),
        ("type", {}),
        ("label", ""),
        ("label", 5),
        ("label", None),
        ("label", "x" * 201),
        ("description", 5),
        ("description", None),
        ("description", "x" * 1001),
        ("archived", "true"),
        ("archived", 1),
        ("archived", None),
    ],
)
def test_what_does_not_fit_is_named(call: Caller, field: str, value: Any) -> None:
    assert issues(call("post", body={"name": "a", field: value})) == [field]
    assert issues(call("post", body={field: value})) == ["name", field]
    call("post", body={"name": "a"})
    if field != "type":
        assert issues(call("put", "a", {field: value})) == [field]


@pytest.mark.parametrize("body", ["", "{", "[]", '{"name": "\\u0000"}'])
def test_a_body_of_another_shape_is_refused(call: Caller, body: str) -> None:
    assert issues(call("post", body=body)) == ["body"]


def test_a_duplicate_is_a_conflict(call: Caller) -> None:
    call("post", body=PLAN)
    conflict = {"message": "A custom attribute with this name already exists."}
    assert call("post", body={"name": "plan", "type": "date"}) == (409, conflict)
    assert call("get")[1]["data"] == [PLAN]


def test_label_description_and_archived_change_and_nothing_else(call: Caller) -> None:
    call("post", body=PLAN)
    changes: list[dict[str, Any]] = [
        {},
        {"label": "Their plan"},
        {"description": "", "archived": True},
        {"name": "other", "type": "date", "unknown": 5},
        {"archived": False},
    ]
    expected: dict[str, Any] = dict(PLAN)
    for change in changes:
        fixed = {"name": "plan", "type": "text"}
        expected |= {n: v for n, v in change.items() if n in PLAN} | fixed
        status, body = call("put", "plan", change)
        assert (status, body["data"]) == (200, expected)
        assert call("get")[1]["data"] == [expected]


def test_they_are_listed_by_name(call: Caller, agent: Agent) -> None:
    for name in ("b", "a", "c"):
        attributes.define(agent, name=name, label=name, archived=name == "a")
    assert [one["name"] for one in call("get")[1]["data"]] == ["a", "b", "c"]


def test_there_are_not_too_many(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes, "MOST", 1)
    call("post", body=PLAN)
    assert call("post", body={"name": "more"})[0] == 400


@pytest.mark.parametrize("name", ["other", "Plan", "plan%0A", "%00", "%ED%A0%80", "é"])
def test_what_is_not_there_is_not_found(call: Caller, name: str) -> None:
    call("post", body=PLAN)
    assert call("put", name, "{") == (404, {"message": "Resource not found"})


def test_outsiders_get_404(workspace: Workspace, agent: Agent) -> None:
    attributes.define(agent, name="plan", label="Plan")
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    _, siblings = ApiKey.objects.issue(workspace, label="K", agent=sibling)
    _, foreign = ApiKey.objects.issue(make_workspace("Else"), label="K")
    for secret in (siblings, foreign):
        caller = Caller(agent, secret)
        for answer in (
            caller("get"),
            caller("post", body={"name": "mine"}),
            caller("put", "plan", {"label": "Mine"}),
        ):
            assert answer == (404, {"message": "Resource not found"})
    assert agent.custom_attributes.get().label == "Plan"


def test_a_reader_does_not_write(workspace: Workspace, agent: Agent) -> None:
    _, secret = ApiKey.objects.issue(workspace, label="R", access=Access.READ)
    reader = Caller(agent, secret)
    assert reader("get")[0] == 200
    assert reader("post", body=PLAN)[0] == reader("put", "plan", {})[0] == 403
    assert not agent.custom_attributes.exists()
