"""A workspace and the people in it. That the last owner stays, whoever tries at once,
is tested with the other rules of the database."""

import pytest
from django.db import IntegrityError, transaction

from tests.conftest import make_member
from workspaces.models import LastOwner, Member, Role, User, Workspace


def test_it_works(db: None) -> None:
    founder = User.objects.create_user("Founder@Example.com")
    workspace = Workspace.objects.found("Acme", owner=founder)
    member = workspace.members.get()
    assert (member.user, member.role) == (founder, Role.OWNER)
    assert founder.email == "founder@example.com"
    assert list(Workspace.objects.of(founder)) == [workspace]


def test_owners_hand_over(workspace: Workspace, owner: User, admin: User) -> None:
    admin.memberships.get().change_role(Role.OWNER)
    owner.memberships.get().change_role(Role.VIEWER)
    with pytest.raises(LastOwner):
        admin.memberships.get().change_role(Role.ADMIN)
    assert admin.memberships.get().role == Role.OWNER


def test_others_come_and_go(workspace: Workspace, owner: User) -> None:
    for role in (Role.VIEWER, Role.EDITOR, Role.ADMIN):
        make_member(workspace, role).memberships.get().leave()
    assert list(workspace.members.values_list("user", flat=True)) == [owner.pk]


def test_one_is_a_member_once(workspace: Workspace, viewer: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Member.objects.create(workspace=workspace, user=viewer, role=Role.OWNER)
