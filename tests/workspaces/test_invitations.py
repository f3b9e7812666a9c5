"""A member to be."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from tests.conftest import make_user, make_workspace
from workspaces.models import Invitation, Member, Role, User, Workspace


@pytest.fixture
def invited(db: None) -> User:
    return make_user("invited")


def invite(workspace: Workspace, user: User, role: Role = Role.EDITOR) -> tuple:
    by = workspace.members.get(role="owner").user
    return Invitation.objects.issue(
        workspace, email=user.email.upper(), role=role, invited_by=by
    )


def test_it_works(workspace: Workspace, invited: User) -> None:
    invitation, token = invite(workspace, invited)
    found = Invitation.objects.with_token(token)
    assert found == invitation
    member = found.accept(invited)
    assert (member.workspace, member.user, member.role) == (
        workspace,
        invited,
        Role.EDITOR,
    )


def test_the_token_is_nowhere_in_the_row(workspace: Workspace, invited: User) -> None:
    invitation, token = invite(workspace, invited)
    row = Invitation.objects.filter(pk=invitation.pk).values().get()
    assert token not in str(row)
    assert token.encode() not in bytes(row["token_digest"])


def test_another_token_opens_nothing(workspace: Workspace, invited: User) -> None:
    _, token = invite(workspace, invited)
    for wrong in ("", token[:-1], token + "A", token.swapcase()):
        assert Invitation.objects.with_token(wrong) is None


def test_it_is_taken_once(workspace: Workspace, invited: User) -> None:
    invitation, token = invite(workspace, invited)
    invitation.accept(invited)
    assert Invitation.objects.with_token(token) is None
    with pytest.raises(Invitation.DoesNotExist):
        invitation.accept(invited)


def test_only_by_whom_it_is_for(
    workspace: Workspace, invited: User, outsider: User
) -> None:
    invitation, token = invite(workspace, invited)
    with pytest.raises(Invitation.DoesNotExist):
        invitation.accept(outsider)
    assert not workspace.members.filter(user=outsider).exists()
    assert Invitation.objects.with_token(token) is not None


def test_it_expires(workspace: Workspace, invited: User) -> None:
    invitation, token = invite(workspace, invited)
    just_over = timezone.now() - timedelta(seconds=1)
    Invitation.objects.update(expires_at=just_over)
    assert Invitation.objects.with_token(token) is None
    with pytest.raises(Invitation.DoesNotExist):
        invitation.accept(invited)


def test_a_member_is_not_made_twice(workspace: Workspace, viewer: User) -> None:
    invitation, token = invite(workspace, viewer, Role.OWNER)
    with pytest.raises(IntegrityError), transaction.atomic():
        invitation.accept(viewer)
    assert viewer.memberships.get().role == Role.VIEWER
    assert Invitation.objects.with_token(token) is not None


def test_of_many_clicks_at_once_one_counts(committed: None) -> None:
    user = make_user("invited")
    workspace = make_workspace()
    invitation, _ = invite(workspace, user)
    start = threading.Barrier(4)
    made: list[Member] = []
    refused: list[Exception] = []

    def click() -> None:
        start.wait()
        try:
            made.append(Invitation.objects.get(pk=invitation.pk).accept(user))
        except Invitation.DoesNotExist as error:
            refused.append(error)
        finally:
            connections.close_all()

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()
    assert (len(made), len(refused)) == (1, 3)
    assert workspace.members.filter(user=user).count() == 1
