"""Who may: every role against every other."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from tests.conftest import make_member, make_workspace
from workspaces.access import SESSION_KEY, current_member, member_required
from workspaces.models import Member, Role, User, Workspace

RANKS = [Role.VIEWER, Role.EDITOR, Role.ADMIN, Role.OWNER]


def ask(user: User | AnonymousUser, session: dict | None = None) -> HttpRequest:
    request = RequestFactory().get("/page")
    request.user, request.session = user, session or {}  # type: ignore[assignment]
    return request


def page(needed: Role) -> object:
    @member_required(needed)
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"{request.workspace.pk} {request.member.role}")

    return view


@pytest.mark.parametrize("needed", RANKS)
@pytest.mark.parametrize("role", RANKS)
def test_a_role_may_what_those_below_it_may(
    workspace: Workspace, role: Role, needed: Role
) -> None:
    request = ask(make_member(workspace, role))
    if RANKS.index(role) >= RANKS.index(needed):
        assert page(needed)(request).content.decode() == f"{workspace.pk} {role}"
    else:
        with pytest.raises(PermissionDenied, match=needed.label):
            page(needed)(request)


def test_who_is_not_signed_in_is_sent_to_the_door(db: None) -> None:
    response = page(Role.VIEWER)(ask(AnonymousUser()))
    assert response["Location"] == "/accounts/login/?next=/page"


def test_who_is_in_no_workspace_is_refused(db: None) -> None:
    with pytest.raises(PermissionDenied, match="not a member"):
        page(Role.VIEWER)(ask(User.objects.create_user("stray@example.com")))


def test_the_workspace_last_looked_at(workspace: Workspace, owner: User) -> None:
    other = make_workspace("Zebra")
    Member.objects.create(workspace=other, user=owner, role=Role.VIEWER)
    assert current_member(ask(owner)).workspace == workspace
    member = current_member(ask(owner, {SESSION_KEY: other.pk}))
    assert (member.workspace, member.role) == (other, Role.VIEWER)


def test_a_session_opens_no_workspace_of_others(
    workspace: Workspace, outsider: User
) -> None:
    member = current_member(ask(outsider, {SESSION_KEY: workspace.pk}))
    assert member.workspace != workspace


def test_the_page_says_which_role_it_needs() -> None:
    assert page(Role.ADMIN).needs_role == Role.ADMIN  # type: ignore[attr-defined]
