"""Who may: the one place that compares roles, for every dashboard page."""

import functools
from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from workspaces.models import Member, Role, User, Workspace


class WorkspaceRequest(HttpRequest):
    """A request after `member_required`: signed in, and somewhere."""

    user: User
    member: Member
    workspace: Workspace


View = Callable[..., HttpResponse]
SESSION_KEY = "workspace"  # the id of the workspace last looked at


def member_required(needed: Role = Role.VIEWER) -> Callable[[View], View]:
    """Lets members with at least this role in, and says which workspace they are in."""

    def wrap(view: View) -> View:
        @login_required
        @functools.wraps(view)
        def guarded(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
            member = current_member(request)
            if member is None:
                raise PermissionDenied(
                    "You are not a member of a workspace. Ask an admin to invite you."
                )
            if not member.may(needed):
                raise PermissionDenied(
                    f"This needs the role “{needed.label}”; yours is"
                    f" “{Role(member.role).label}”. An owner can change it."
                )
            request.member, request.workspace = member, member.workspace
            return view(request, *args, **kwargs)

        guarded.needs_role = needed  # type: ignore[attr-defined]
        return guarded

    return wrap


def current_member(request: HttpRequest) -> Member | None:
    """The membership in the workspace last looked at, or else in the first one."""
    members = Member.objects.filter(user=request.user).select_related("workspace")
    chosen = members.filter(workspace_id=request.session.get(SESSION_KEY)).first()
    return chosen or members.order_by("workspace__name", "id").first()
