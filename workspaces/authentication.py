"""Which person calls: a session of the dashboard, where a path takes one."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from bookbag.api.errors import CHALLENGE, ApiError, InsufficientPermissions
from workspaces.access import current_member
from workspaces.models import Member, User


class SignInRequired(ApiError):
    def __init__(self) -> None:
        super().__init__(
            401,
            "AUTH_SIGN_IN_REQUIRED",
            "Sign in, or send an API key in the header: Authorization: Bearer <key>.",
            headers=CHALLENGE,
        )


class MemberAuthentication(BaseAuthentication):
    """`request.auth` is the Member, in the workspace that they look at.

    To read, and no more: nobody asks for a CSRF token here, so what a cookie opens must
    not change anything.
    """

    def authenticate(self, request: Request) -> tuple[User, Member]:
        page = request._request
        if page.method not in SAFE_METHODS or not page.user.is_authenticated:
            raise SignInRequired
        member = current_member(page)
        if member is None:
            raise InsufficientPermissions(
                "You are not a member of a workspace. Ask an admin to invite you."
            )
        return page.user, member

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
