"""Keys that two people, or one impatient one, act on at once."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client

from apikeys.models import MAX_KEYS, ApiKey, NotRotatable, TooManyKeys
from dashboard.keys import minting
from tests.conftest import make_member, make_workspace
from usage.models import AuditEvent
from workspaces.models import Member, Role, User, Workspace

DAY = timedelta(hours=24)


def test_a_key_is_replaced_once(workspace: Workspace, admin: User) -> None:
    """Or the second successor would inherit the day that the old one has left."""
    key, _ = ApiKey.objects.issue(workspace, label="never expires")
    minting.rotate(ApiKey.objects.get(pk=key.pk), grace=DAY, by=admin)
    with pytest.raises(NotRotatable):
        minting.rotate(key, grace=DAY, by=admin)
    assert ApiKey.objects.get(replaces=key).expires_at is None


def test_a_revoked_key_has_no_successor(workspace: Workspace, admin: User) -> None:
    key, _ = ApiKey.objects.issue(workspace, label="leaked")
    as_it_was = ApiKey.objects.get(pk=key.pk)
    minting.revoke(key, by=admin)
    with pytest.raises(NotRotatable):
        minting.rotate(as_it_was, grace=timedelta(0), by=admin)
    assert not ApiKey.objects.for_workspace(workspace).live().exists()


def test_two_who_revoke_are_told_of_once(workspace: Workspace, admin: User) -> None:
    key, _ = ApiKey.objects.issue(workspace, label="leaked")
    for seen in [ApiKey.objects.get(pk=key.pk), ApiKey.objects.get(pk=key.pk)]:
        minting.revoke(seen, by=admin)
    assert AuditEvent.objects.filter(action="api_key.revoked").count() == 1


def test_the_last_place_can_be_rotated(workspace: Workspace, admin: User) -> None:
    keys = [ApiKey.objects.issue(workspace, label=str(n))[0] for n in range(MAX_KEYS)]
    with pytest.raises(TooManyKeys):
        ApiKey.objects.issue(workspace, label="one more")
    fresh, _ = minting.rotate(keys[0], grace=timedelta(0), by=admin)
    assert fresh.is_live


def test_a_double_click_makes_one_key(committed: None) -> None:
    workspace = make_workspace()
    admin = make_member(workspace, Role.ADMIN)
    key, _ = ApiKey.objects.issue(workspace, label="clicked")
    together = threading.Barrier(4)
    statuses: list[int] = []

    def click() -> None:
        client = Client()
        client.force_login(admin)
        together.wait()
        answer = client.post(f"/apikeys/{key.pk}/rotate", {"grace": "24"})
        statuses.append(answer.status_code)
        connections.close_all()

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()
    assert sorted(statuses) == [200, 422, 422, 422]
    assert ApiKey.objects.get(replaces=key).expires_at is None


def test_a_form_from_another_workspace_is_asked_about(
    workspace: Workspace, admin: User
) -> None:
    """Opened before they switched, in another tab."""
    other = make_workspace("Zeta")
    Member.objects.create(workspace=other, user=admin, role=Role.ADMIN)
    client = Client()
    client.force_login(admin)
    client.post("/workspace", {"workspace": other.pk})
    answer = client.post(
        "/apikeys",
        {
            "workspace": workspace.pk,
            "label": "for the first",
            "access": "full",
            "environment": "live",
        },
    )
    assert answer.status_code == 422
    assert "You are in" in answer.content.decode()
    assert not ApiKey.objects.for_workspace(other).exists()
