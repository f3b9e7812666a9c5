"""Which program calls: `Authorization: Bearer oc_live_…`, and nothing else."""

import hmac
from typing import Any

from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apikeys import last_used
from apikeys import secret as secrets
from apikeys.models import ApiKey
from bookbag.api.errors import InvalidApiKey, MissingApiKey


class KeyAuthentication(BaseAuthentication):
    """`request.auth` is the ApiKey; cookies and query strings are not looked at."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey]:
        secret = bearer_secret(request._request)
        key = ApiKey.objects.opened_by(secret)
        # The index has compared already; this one takes the same time for every key.
        if key is None or not hmac.compare_digest(
            bytes(key.digest), secrets.digest(secret)
        ):
            raise InvalidApiKey
        last_used.note(key)
        return None, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def bearer_secret(request: HttpRequest) -> str:
    """What the one Authorization header holds. MissingApiKey, InvalidApiKey."""
    values = _authorizations(request)
    if not values:
        raise MissingApiKey
    if len(values) > 1:  # whoever stands between us may have looked at the other
        raise InvalidApiKey
    scheme, *rest = values[0].strip(b" \t").split(maxsplit=1)[:2] or [b""]
    if scheme.lower() != b"bearer" or not rest:
        raise MissingApiKey
    try:
        return rest[0].decode("ascii")
    except UnicodeDecodeError:
        raise InvalidApiKey from None


def _authorizations(request: HttpRequest) -> list[bytes]:
    scope: dict[str, Any] | None = getattr(request, "scope", None)
    if scope is not None:
        # As they came: Django would join them with a comma.
        return [value for name, value in scope["headers"] if name == b"authorization"]
    value = request.META.get("HTTP_AUTHORIZATION")
    return [] if value is None else [value.encode("latin-1", "replace")]


class KeyAuthenticationScheme(OpenApiAuthenticationExtension):
    """How the API reference speaks of it."""

    target_class = "apikeys.authentication.KeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key: `Authorization: Bearer oc_live_…`. Admins"
            " create keys in the dashboard, for a workspace or for one agent.",
        }
