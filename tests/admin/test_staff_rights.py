"""What staff may do in the admin, and what saving a row there must not undo."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from agents.admin import AgentAdmin
from agents.models import Agent
from apikeys.models import ApiKey
from knowledge import indexing
from knowledge.models import Chunk, Source
from usage.models import AuditEvent
from workspaces.models import User, Workspace


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff@example.com"))
    return client


@pytest.fixture
def source(agent: Agent) -> Source:
    source = Source.objects.create(
        workspace=agent.workspace,
        agent=agent,
        kind="text",
        title="Delivery",
        content="Delivery takes 5 days. It costs $12.",
    )
    indexing.index_source(source.pk)
    return source


def test_an_indexed_source_can_be_deleted(staff: Client, source: Source) -> None:
    page = reverse("admin:knowledge_source_delete", args=[source.pk])
    assert staff.get(page).status_code == 200
    assert staff.post(page, {"post": "yes"}).status_code == 302
    assert not Source.objects.filter(pk=source.pk).exists()
    assert not Chunk.objects.filter(agent=source.agent).exists()


def test_selected_sources_can_be_deleted(staff: Client, source: Source) -> None:
    staff.post(
        reverse("admin:knowledge_source_changelist"),
        {"action": "delete_selected", "_selected_action": [source.pk], "post": "yes"},
    )
    assert not Source.objects.filter(pk=source.pk).exists()


def test_who_may_only_look_at_keys_revokes_none(workspace: Workspace) -> None:
    key, _ = ApiKey.objects.issue(workspace, label="in use")
    reader = User.objects.create_user("reader@example.com", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_apikey"))
    client = Client()
    client.force_login(reader)
    client.post(
        reverse("admin:apikeys_apikey_changelist"),
        {"action": "revoke", "_selected_action": [key.pk]},
    )
    key.refresh_from_db()
    assert key.is_live


def test_a_changed_key_is_in_the_audit_trail(
    staff: Client, workspace: Workspace
) -> None:
    key, _ = ApiKey.objects.issue(workspace, label="before")
    page = reverse("admin:apikeys_apikey_change", args=[key.pk])
    answer = staff.post(page, {"label": "after", "access": "full", "rate_limit": "5"})
    assert answer.status_code == 302, answer.content.decode()
    event = AuditEvent.objects.get(action="api_key.changed")
    assert event.target == f"api_key:{key.pk}"
    assert sorted(event.detail["fields"]) == ["label", "rate_limit"]


def test_saving_an_agent_leaves_its_index_version_alone(
    staff: Client, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that came twice would show an index of other words."""
    save = AgentAdmin.save_model

    def after_a_worker(self: AgentAdmin, *args: object) -> None:
        indexing.queue(source)
        indexing.index_source(source.pk)
        save(self, *args)

    monkeypatch.setattr(AgentAdmin, "save_model", after_a_worker)
    before = Agent.objects.get(pk=source.agent_id).index_version
    answer = staff.post(
        reverse("admin:agents_agent_change", args=[source.agent_id]),
        {
            "name": "Renamed",
            "status": "active",
            "model": "embedded",
            "fallback_message": "Sorry.",
            "language": "en",
        },
    )
    assert answer.status_code == 302, answer.content.decode()
    agent = Agent.objects.get(pk=source.agent_id)
    assert agent.name == "Renamed"
    assert agent.index_version > before
