"""Leads in the staff admin: to be read, and deleted where somebody asks for it."""

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from contacts import leads
from contacts.models import Lead
from workspaces.models import User


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff@example.com"))
    return client


@pytest.fixture
def lead(agent: Agent) -> Lead:
    return leads.capture(agent, fields={"Name": "Ada", "Company": "<b>Engines</b>"})


def test_it_is_found_by_what_was_filled_in(staff: Client, lead: Lead) -> None:
    address = reverse("admin:contacts_lead_changelist")
    path = reverse("admin:contacts_lead_change", args=[lead.pk])
    assert path in staff.get(address, {"q": "Engines"}).content.decode()
    assert path not in staff.get(address, {"q": "Tools"}).content.decode()


def test_it_is_read_and_not_rewritten(staff: Client, lead: Lead) -> None:
    path = reverse("admin:contacts_lead_change", args=[lead.pk])
    page = staff.get(path).content.decode()
    assert "Ada" in page
    assert "<b>Engines" not in page
    assert 'name="_save"' not in page
    assert staff.post(path, {"name": "Bob"}).status_code == 403
    assert staff.get(reverse("admin:contacts_lead_add")).status_code == 403
    lead.refresh_from_db()
    assert lead.name == "Ada"


def test_it_can_be_deleted(staff: Client, lead: Lead) -> None:
    path = reverse("admin:contacts_lead_delete", args=[lead.pk])
    assert staff.post(path, {"post": "yes"}).status_code == 302
    assert not Lead.objects.exists()
