"""Actions: what staff may write down, what the database keeps, what an engine gets."""

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.actions import check_input, tools_for
from agents.engine.base import ToolSpec
from agents.models import Action, Agent
from tests.conftest import make_workspace
from workspaces.models import User

PARAMETERS = {
    "type": "object",
    "properties": {"number": {"type": "string", "pattern": "^[0-9]{4,8}$"}},
    "required": ["number"],
}


def action(agent: Agent, **fields: Any) -> Action:
    values = {
        "name": "order_status",
        "description": "Where an order is.",
        "parameters": PARAMETERS,
        "examples": ["Where is order {number}?"],
        "reply": "It is {output.status}.",
        **fields,
    }
    return Action(workspace_id=agent.workspace_id, agent=agent, **values)


def test_it_works(agent: Agent) -> None:
    row = action(agent)
    row.full_clean()
    row.save()

    with CaptureQueriesContext(connection) as queries:
        (tool,) = tools_for(agent.workspace_id, agent.pk)

    assert len(queries) == 1
    assert tool == ToolSpec(
        name="order_status",
        description="Where an order is.",
        parameters=PARAMETERS,
        examples=("Where is order {number}?",),
        reply="It is {output.status}.",
    )
    assert check_input(tool, {"number": "1234"}) == []
    assert check_input(tool, {"number": "12"})


def test_only_the_agents_own_enabled_actions_are_tools(agent: Agent) -> None:
    action(agent, name="b").save()
    action(agent, name="a").save()
    action(agent, name="off", enabled=False).save()
    sibling = Agent.objects.create(workspace_id=agent.workspace_id, name="Sibling")
    action(sibling, name="theirs").save()

    assert [t.name for t in tools_for(agent.workspace_id, agent.pk)] == ["a", "b"]
    assert tools_for(make_workspace("Elsewhere").pk, agent.pk) == []


@pytest.mark.parametrize(
    "name", ["", "order status", "order-status", "ordér", "a" * 61, "a\n", "٣", "a.b"]
)
def test_a_name_is_letters_digits_and_underscores(agent: Agent, name: str) -> None:
    with pytest.raises(ValidationError) as raised:
        action(agent, name=name).full_clean()
    assert "name" in raised.value.message_dict
    # PostgreSQL refuses what is too long as data, before it looks at the rule.
    with pytest.raises((IntegrityError, DataError)), transaction.atomic():
        action(agent, name=name).save()


@pytest.mark.parametrize("name", ["a", "A_1", "9", "_", "a" * 60])
def test_a_name_that_will_do(agent: Agent, name: str) -> None:
    row = action(agent, name=name)
    row.full_clean()
    row.save()


def test_a_name_stands_once_with_an_agent(agent: Agent) -> None:
    action(agent).save()
    with pytest.raises(ValidationError, match="an action of this name already"):
        action(agent).full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        action(agent).save()
    sibling = Agent.objects.create(workspace_id=agent.workspace_id, name="Sibling")
    action(sibling).save()


@pytest.mark.parametrize("kind", ["http", "collect_leads", "escalate", "", "x"])
def test_only_client_actions_can_be_made(agent: Agent, kind: str) -> None:
    with pytest.raises(ValidationError) as raised:
        action(agent, kind=kind).full_clean()
    assert "kind" in raised.value.message_dict
    with pytest.raises(IntegrityError), transaction.atomic():
        action(agent, kind=kind).save()


def test_a_kind_that_is_not_built_is_said_to_be_so(agent: Agent) -> None:
    with pytest.raises(ValidationError, match="There is no kind “http” yet: only"):
        action(agent, kind="http").full_clean()


@pytest.mark.parametrize(
    ("fields", "field", "why"),
    [
        ({"description": ""}, "description", "blank"),
        ({"parameters": []}, "parameters", "must be a JSON object"),
        ({"parameters": {"type": "array"}}, "parameters", "“type”: “object”"),
        ({"examples": "Where?"}, "examples", "list of phrases"),
        ({"examples": [1]}, "examples", "list of phrases"),
        ({"examples": ["Where {number}?"] * 21}, "examples", "20 examples at most"),
        ({"examples": ["Track {number} \ud800"]}, "examples", "surrogate"),
        ({"examples": ["x" * 201]}, "examples", "200 characters"),
        ({"examples": ["Where is it?"]}, "examples", "{number}, which is required"),
        ({"reply": "It is {status}."}, "reply", "{output.name}"),
    ],
)
def test_what_will_not_work_says_why(
    agent: Agent, fields: dict[str, Any], field: str, why: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        action(agent, **fields).full_clean()
    assert why in " ".join(raised.value.message_dict[field])


def test_an_action_stays_in_its_workspace(agent: Agent) -> None:
    row = action(agent)
    row.workspace = make_workspace("Elsewhere")

    def save() -> None:
        row.save()
        connection.check_constraints()  # PostgreSQL would look at the commit

    with pytest.raises(IntegrityError), transaction.atomic():
        save()


# --- The staff admin --------------------------------------------------------------


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff@example.com"))
    return client


def form(agent: Agent, **fields: Any) -> dict[str, Any]:
    return {
        "workspace": agent.workspace_id,
        "agent": agent.pk,
        "name": "order_status",
        "kind": "client",
        "description": "Where an order is.",
        "parameters": json.dumps(PARAMETERS),
        "examples": "Where is order {number}?\r\n\r\n  Track order {number}  \r\n",
        "reply": "",
        "enabled": "on",
        **fields,
    }


ADD = "admin:agents_action_add"


def test_staff_make_and_change_an_action(staff: Client, agent: Agent) -> None:
    assert "One a line." in staff.get(reverse(ADD)).content.decode()
    assert staff.post(reverse(ADD), form(agent)).status_code == 302
    row = Action.objects.get()
    assert row.parameters == PARAMETERS
    assert row.examples == ["Where is order {number}?", "Track order {number}"]

    change = reverse("admin:agents_action_change", args=[row.pk])
    page = staff.get(change).content.decode()
    assert "Where is order {number}?\nTrack order {number}</textarea>" in page
    assert "&quot;pattern&quot;: &quot;^[0-9]{4,8}$&quot;" in page
    less = form(agent, examples="")
    less.pop("enabled")
    assert staff.post(change, less).status_code == 302
    row.refresh_from_db()
    assert (row.enabled, row.examples) == (False, [])

    listed = staff.get(reverse("admin:agents_action_changelist"), {"q": "order"})
    assert "order_status" in listed.content.decode()
    gone = reverse("admin:agents_action_delete", args=[row.pk])
    assert staff.post(gone, {"post": "yes"}).status_code == 302
    assert not Action.objects.exists()


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ("", "This field is required."),
        ("{", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ("{}", "“type”: “object”"),
        ('{"type": "object", "properties": 7}', "no JSON Schema at properties"),
        ('{"type": "object", "title": NaN}', "NaN is no JSON"),
        ('{"type": "object", "title": "\\u0000"}', "U+0000"),
        ('{"type": "object", "title": "\\ud800"}', "surrogate"),
        ('{"type": "object", "title": ' + "9" * 5000 + "}", "64 bits"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "nested deeper"),
        ('{"type": "object", "type": "object"}', "same key twice"),
        ('{"type": "object", "$ref": "https://x.example/"}', "leads nowhere"),
    ],
)
def test_a_bad_schema_is_explained_and_shown_again(
    staff: Client, agent: Agent, parameters: str, why: str
) -> None:
    response = staff.post(reverse(ADD), form(agent, parameters=parameters))
    assert response.status_code == 200
    (field,) = (f for f in response.context["adminform"].form if f.name == "parameters")
    assert why in " ".join(field.errors)
    assert field.value() == parameters
    assert not Action.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("description", "", "required"),
        ("description", "x" * 1001, "at most 1000"),
        ("reply", "x" * 2001, "at most 2000"),
        ("reply", "{x}", "Values are written {output}"),
        ("examples", "Where is it?", "{number}, which is required"),
        ("examples", "Track {number}\0", "contains the character U+0000"),
        ("name", "order status", "Letters A to Z"),
        ("kind", "http", "There is no kind “http” yet: only “client”"),
    ],
)
def test_staff_are_told_what_to_mend(
    staff: Client, agent: Agent, field: str, value: str, why: str
) -> None:
    response = staff.post(reverse(ADD), form(agent, **{field: value}))
    assert why in " ".join(response.context["adminform"].form.errors[field])
    assert not Action.objects.exists()


def test_staff_give_no_name_twice(staff: Client, agent: Agent) -> None:
    action(agent, name="one").save()
    other = action(agent, name="other")
    other.save()
    change = reverse("admin:agents_action_change", args=[other.pk])
    for path in (change, reverse(ADD)):
        page = staff.post(path, form(agent, name="one")).content.decode()
        assert "The agent has an action of this name already." in page


def test_staff_make_no_action_across_workspaces(staff: Client, agent: Agent) -> None:
    away = form(agent, workspace=make_workspace("Elsewhere").pk)
    page = staff.post(reverse(ADD), away).content.decode()
    assert "This agent is of another workspace." in page
    assert not Action.objects.exists()
