"""The staff admin: every model, and nothing that must not be seen or changed."""

import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin as django_admin
from django.db import models
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from apikeys.models import ApiKey
from bookbag.admin import CappedPaginator
from contacts.models import ContactCount
from conversations.models import ConversationTotal
from knowledge.models import Source
from tests.conftest import make_user
from tests.test_database_rules import one_of_each
from usage.models import AuditEvent, DailyUsage, LedgerEntry, RequestCount
from workspaces.models import Invitation, Member, User, Workspace

OURS = [
    model
    for app in [
        "workspaces",
        "apikeys",
        "usage",
        "knowledge",
        "agents",
        "contacts",
        "conversations",
        "imports",
        "webhooks",
    ]
    for model in apps.get_app_config(app).get_models()
]
READ_ONLY = [
    "Conversation",
    "ConversationEvent",
    "Message",
    "ToolCall",
    "Document",
    "Chunk",
    "IdempotencyKey",
]
READ_ONLY += ["ConversationTotal", "LedgerEntry", "DailyUsage", "RequestCount"]
READ_ONLY += ["AuditEvent", "WebhookEvent", "Import", "ImportedRow", "ContactCount"]
NAMES = [model.__name__ for model in OURS]
SECRET = re.compile(r"oc_(?:live|test)_[0-9A-Za-z]{42}")


@pytest.fixture
def staff(db: None) -> Client:
    user = User.objects.create_superuser("staff@example.com")
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def rows(workspace: Workspace, owner: User) -> dict[str, models.Model]:
    """A row of every model."""
    found = {model.__name__: row for model, row in one_of_each(workspace).items()}
    ledger = LedgerEntry.objects.create(
        workspace=workspace,
        agent_id=1,
        conversation_id=1,
        message_id=1,
        engine="embedded",
        model="embedded",
        credits=1,
        input_tokens=1,
        output_tokens=1,
        estimated=False,
    )
    requests = RequestCount.objects.create(
        workspace=workspace, day="2026-01-01", agent_id=1, api_key_id=1, requests=1
    )
    audit = AuditEvent.objects.create(workspace=workspace, action="a.b", target="c:1")
    invitation, _ = Invitation.objects.issue(
        workspace, email="new@example.com", role="viewer", invited_by=owner
    )
    return {
        **found,
        "User": owner,
        "Workspace": workspace,
        "Member": owner.memberships.get(),
        "Invitation": invitation,
        "ConversationTotal": ConversationTotal.objects.get(workspace=workspace),
        "ContactCount": ContactCount.objects.filter(workspace=workspace)[0],
        "LedgerEntry": ledger,
        "DailyUsage": DailyUsage.objects.get(workspace=workspace),
        "RequestCount": requests,
        "AuditEvent": audit,
    }


def url(model: type[models.Model] | models.Model, page: str, *args: Any) -> str:
    options = model._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_{page}", args=args)


def test_every_model_is_there() -> None:
    for model in OURS:
        assert django_admin.site.is_registered(model), model


def test_the_index(staff: Client) -> None:
    page = staff.get("/admin/").content.decode()
    assert "Bookbag staff" in page
    assert "css/admin.css" in page


@pytest.mark.parametrize("model", OURS, ids=NAMES)
def test_the_list_opens_and_is_searched(
    staff: Client, rows: dict[str, models.Model], model: type[models.Model]
) -> None:
    assert (
        str(rows[model.__name__].pk)
        in staff.get(url(model, "changelist")).content.decode()
    )
    response = staff.get(url(model, "changelist"), {"q": "Acme 1"})
    assert response.status_code == 200


@pytest.mark.parametrize("model", OURS, ids=NAMES)
def test_a_row_opens_and_shows_no_bytes(
    staff: Client, rows: dict[str, models.Model], model: type[models.Model]
) -> None:
    row = rows[model.__name__]
    page = staff.get(url(row, "change", row.pk)).content.decode()
    for field in model._meta.concrete_fields:
        if isinstance(field, models.BinaryField):
            assert f"field-{field.name}" not in page
            value = bytes(getattr(row, field.name) or b"")
            assert not value or value.hex() not in page


@pytest.mark.parametrize("name", READ_ONLY)
def test_what_was_said_and_done_is_only_read(
    staff: Client, rows: dict[str, models.Model], name: str
) -> None:
    row = rows[name]
    assert staff.get(url(row, "add")).status_code == 403
    assert staff.post(url(row, "change", row.pk), {}).status_code == 403
    assert staff.post(url(row, "delete", row.pk), {"post": "yes"}).status_code == 403
    row.refresh_from_db()
    page = staff.get(url(row, "change", row.pk)).content.decode()
    assert 'name="_save"' not in page


@pytest.mark.parametrize("name", ["ApiKey", "Agent", "Workspace"])
def test_these_are_never_deleted(
    staff: Client, rows: dict[str, models.Model], name: str
) -> None:
    row = rows[name]
    assert staff.post(url(row, "delete", row.pk), {"post": "yes"}).status_code == 403


def test_no_list_loads_a_table_for_a_choice(
    staff: Client, rows: dict[str, models.Model]
) -> None:
    """Foreign keys are searched for, never listed."""
    for model in OURS:
        options = django_admin.site._registry[model]
        for entry in options.list_filter:
            field = model._meta.get_field(entry)
            assert not field.is_relation, (model, entry)
        assert options.show_full_result_count is False, model


def test_a_long_list_is_not_counted_to_its_end(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookbag.admin.MOST", 3)
    for number in range(5):
        Agent.objects.create(workspace=workspace, name=str(number))
    agents = Agent.objects.for_workspace(workspace)
    assert CappedPaginator(agents, per_page=2).num_pages == 2
    assert CappedPaginator(agents.filter(name="1"), per_page=2).count == 1


def test_staff_only(owner: User) -> None:
    client = Client()
    response = client.get("/admin/")
    assert response.status_code == 302
    response = client.get(response["Location"])
    assert response["Location"].startswith("/accounts/login/?next=")
    client.force_login(owner)
    assert client.get("/admin/", follow=True).status_code == 403


# --- API keys -----------------------------------------------------------------


def test_minting_a_key(staff: Client, workspace: Workspace, agent: Agent) -> None:
    form = {
        "workspace": workspace.pk,
        "agent": agent.pk,
        "label": "By staff",
        "environment": "test",
        "access": "read",
        "rate_limit": 7,
    }
    response = staff.post(url(ApiKey, "add"), form)
    assert "no-store" in response["Cache-Control"]
    (secret,) = set(SECRET.findall(response.content.decode()))
    key = ApiKey.objects.opened_by(secret)
    assert key is not None
    assert (key.agent, key.access, key.rate_limit) == (agent, "read", 7)
    assert key.created_by == User.objects.get(email="staff@example.com")
    assert AuditEvent.objects.get().action == "api_key.created"
    for page in (url(key, "change", key.pk), url(key, "history", key.pk), "/admin/"):
        assert secret not in staff.get(page).content.decode()


def test_a_key_keeps_to_its_workspace(
    staff: Client, workspace: Workspace, outsider: User
) -> None:
    elsewhere = outsider.memberships.get().workspace
    theirs = Agent.objects.create(workspace=elsewhere, name="Theirs")
    form = {"workspace": workspace.pk, "agent": theirs.pk, "label": "x"}
    form |= {"environment": "live", "access": "full"}
    page = staff.post(url(ApiKey, "add"), form).content.decode()
    assert "This agent is of another workspace." in page
    assert not ApiKey.objects.exists()


def test_a_key_changes_its_label_and_not_its_scope(
    staff: Client, api_key: tuple[ApiKey, str], agent: Agent
) -> None:
    key, secret = api_key
    form = {"label": "Renamed", "access": "read", "agent": agent.pk}
    response = staff.post(url(key, "change", key.pk), form)
    assert response.status_code == 302
    key.refresh_from_db()
    assert (key.label, key.access, key.agent) == ("Renamed", "full", None)
    assert ApiKey.objects.opened_by(secret) == key


def test_revoking_keys(staff: Client, api_key: tuple[ApiKey, str]) -> None:
    key, secret = api_key
    form = {"action": "revoke", "_selected_action": [key.pk]}
    staff.post(url(ApiKey, "changelist"), form)
    assert ApiKey.objects.opened_by(secret) is None
    assert AuditEvent.objects.get().action == "api_key.revoked"


# --- People -------------------------------------------------------------------


def test_adding_a_user(staff: Client) -> None:
    form = {"email": "New@Example.com", "name": "New", "usable_password": "true"}
    form |= {"password1": "a long enough one", "password2": "a long enough one"}
    assert staff.post(url(User, "add"), form).status_code == 302
    user = User.objects.get(email="new@example.com")
    assert user.check_password("a long enough one")
    page = staff.post(url(User, "add"), form).content.decode()
    assert "There is an account with this address." in page


def test_changing_a_user(staff: Client, viewer: User) -> None:
    form = {"email": "Other@Example.com", "name": "Other", "is_active": "on"}
    assert staff.post(url(viewer, "change", viewer.pk), form).status_code == 302
    viewer.refresh_from_db()
    assert (viewer.email, viewer.name) == ("other@example.com", "Other")


def test_a_member_is_not_deleted_but_a_stray_is(staff: Client, viewer: User) -> None:
    assert staff.post(url(viewer, "delete", viewer.pk), {"post": "yes"}).status_code
    assert User.objects.filter(pk=viewer.pk).exists()
    stray = make_user("stray")
    staff.post(url(stray, "delete", stray.pk), {"post": "yes"})
    assert not User.objects.filter(pk=stray.pk).exists()


def test_founding_a_workspace(staff: Client) -> None:
    founder = make_user("founder")
    form = {"name": "New one", "owner": founder.pk}
    assert staff.post(url(Workspace, "add"), form).status_code == 302
    workspace = Workspace.objects.get(name="New one")
    assert workspace.members.get(role="owner").user == founder


def test_renaming_a_workspace(staff: Client, workspace: Workspace) -> None:
    path = url(workspace, "change", workspace.pk)
    form = {"name": "Renamed", "members-TOTAL_FORMS": 0, "members-INITIAL_FORMS": 0}
    assert staff.post(path, form).status_code == 302
    workspace.refresh_from_db()
    assert workspace.name == "Renamed"


def test_the_last_owner_stays(staff: Client, workspace: Workspace, owner: User) -> None:
    member = owner.memberships.get()
    path = url(member, "change", member.pk)
    page = staff.post(path, {"role": "viewer"}).content.decode()
    assert "A workspace keeps at least one owner." in page
    gone = staff.post(url(member, "delete", member.pk), {"post": "yes"})
    assert gone.status_code == 403
    assert Member.objects.get(pk=member.pk).role == "owner"


def test_taking_an_invitation_back(
    staff: Client, rows: dict[str, models.Model]
) -> None:
    invitation = rows["Invitation"]
    staff.post(url(invitation, "delete", invitation.pk), {"post": "yes"})
    assert not Invitation.objects.exists()
    assert staff.get(url(Invitation, "add")).status_code == 403


# --- Agents and what they know ----------------------------------------------------


def test_an_agent_and_its_source(staff: Client, workspace: Workspace) -> None:
    form = {"workspace": workspace.pk, "name": "Support", "status": "active"}
    form |= {"model": "embedded", "fallback_message": "No idea.", "language": "en"}
    assert staff.post(url(Agent, "add"), form).status_code == 302
    agent = Agent.objects.get()
    form = {"workspace": workspace.pk, "agent": agent.pk, "kind": "text"}
    form |= {"title": "Shipping", "content": "Two days."}
    assert staff.post(url(Source, "add"), form).status_code == 302
    source = Source.objects.get()
    assert (source.status, source.content_version) == ("queued", 1)


def test_an_edit_is_indexed_again(staff: Client, workspace: Workspace) -> None:
    source = one_of_each(workspace)[Source]
    Source.objects.update(status="ready", progress=100, indexed_version=1)
    path = url(source, "change", source.pk)
    staff.post(path, {"title": "S", "content": "x"})
    source.refresh_from_db()
    assert (source.status, source.content_version) == ("ready", 1)
    staff.post(path, {"title": "S", "content": "y"})
    source.refresh_from_db()
    assert (source.status, source.content_version) == ("queued", 2)


def test_a_source_keeps_to_its_workspace(
    staff: Client, workspace: Workspace, outsider: User
) -> None:
    elsewhere = outsider.memberships.get().workspace
    theirs = Agent.objects.create(workspace=elsewhere, name="Theirs")
    form = {"workspace": workspace.pk, "agent": theirs.pk, "kind": "text"}
    form |= {"title": "Shipping", "content": "Two days."}
    page = staff.post(url(Source, "add"), form).content.decode()
    assert "This agent is of another workspace." in page
