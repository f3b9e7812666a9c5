"""Contacts and their attributes in the staff admin."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from contacts import attributes, records
from contacts.models import Contact, CustomAttribute
from conversations.models import Conversation
from workspaces.models import User, Workspace


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff@example.com"))
    return client


def url(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:contacts_{model._meta.model_name}_{page}", args=args)


def test_a_contact_is_shown_and_forgotten(staff: Client, agent: Agent) -> None:
    told: records.Fields = {"external_id": "a", "email": "Ada@x.example"}
    (contact,) = records.upsert(agent, [told])
    talk = Conversation.objects.create(
        workspace=agent.workspace, agent=agent, contact=contact
    )
    found = staff.get(url(Contact, "changelist"), {"q": "ada@x.example"})
    assert "Ada@x.example" in found.content.decode()
    assert staff.get(url(Contact, "add")).status_code == 403
    path = url(Contact, "change", contact.pk)
    assert staff.post(path, {"name": "x"}).status_code == 403
    path = url(Contact, "delete", contact.pk)
    assert staff.post(path, {"post": "yes"}).status_code == 302
    assert not Contact.objects.exists()
    talk.refresh_from_db()
    assert talk.contact is None


def test_an_attribute_is_made_and_archived(staff: Client, agent: Agent) -> None:
    form = {"workspace": agent.workspace_id, "agent": agent.pk, "name": "plan"}
    form |= {"label": "Plan", "type": "text", "description": ""}
    assert staff.post(url(CustomAttribute, "add"), form).status_code == 302
    plan = CustomAttribute.objects.get()
    assert (plan.agent, plan.name, plan.archived) == (agent, "plan", False)
    path = url(CustomAttribute, "change", plan.pk)
    changes = {"name": "other", "type": "date", "label": "Their plan", "archived": "on"}
    assert staff.post(path, changes).status_code == 302
    plan.refresh_from_db()
    assert (plan.name, plan.type) == ("plan", "text")
    assert (plan.label, plan.archived) == ("Their plan", True)
    path = url(CustomAttribute, "delete", plan.pk)
    assert staff.post(path, {"post": "yes"}).status_code == 403


def test_what_the_api_refuses_staff_do_not_make(
    staff: Client, agent: Agent, outsider: User
) -> None:
    attributes.define(agent, name="plan", label="Plan")
    form = {"workspace": agent.workspace_id, "agent": agent.pk}
    form |= {"label": "Plan", "type": "text"}
    for name in ("plan", "email", "Email", "a b", "1a", ""):
        page = staff.post(url(CustomAttribute, "add"), {**form, "name": name})
        assert page.status_code == 200
    elsewhere: Workspace = outsider.memberships.get().workspace
    theirs = Agent.objects.create(workspace=elsewhere, name="Theirs")
    page = staff.post(
        url(CustomAttribute, "add"), {**form, "name": "a", "agent": theirs.pk}
    )
    assert "This agent is of another workspace." in page.content.decode()
    assert CustomAttribute.objects.count() == 1
