"""The keys page for a program that has a session: `Accept: application/json`.

Errors look as they do in `/api/v2`: `{"error": {"code", "message", "details"?}}` with
401 `AUTH_SIGN_IN_REQUIRED`, 403 `AUTH_INSUFFICIENT_PERMISSIONS` (a missing CSRF token
too), 404 `RESOURCE_NOT_FOUND`, 409 `API_KEYS_TOO_MANY`, and `VALIDATION_INVALID_BODY`
for the rest.
"""

import functools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.debug import sensitive_variables
from rest_framework import serializers
from rest_framework.exceptions import APIException

from agents.models import Agent
from apikeys.models import Access, ApiKey, Environment, TooManyKeys
from bookbag.api.errors import (
    ApiError,
    InsufficientPermissions,
    InvalidBody,
    NotFound,
    as_api_error,
    error_response,
)
from bookbag.api.fields import StrictCharField, StrictIntegerField
from bookbag.api.parsers import parse_object, read_body
from dashboard.keys import minting
from dashboard.keys.status import status_of
from workspaces.access import WorkspaceRequest
from workspaces.models import Workspace

View = Callable[..., HttpResponse]


def wants_json(request: HttpRequest) -> bool:
    """A browser's form does not; `*/*` is what a browser and curl say alike."""
    accepted = request.get_preferred_type(["text/html", "application/json"])
    return "application/json" in (accepted, request.content_type)


def json_errors(view: View) -> View:
    """Who asks for JSON is told in JSON what went wrong, by the guards too."""

    @functools.wraps(view)
    def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not wants_json(request):
            response = view(request, *args, **kwargs)
            patch_vary_headers(response, ["Accept"])
            return response
        try:
            if not request.user.is_authenticated:
                raise ApiError(401, "AUTH_SIGN_IN_REQUIRED", "Sign in first.")
            response = view(request, *args, **kwargs)
        except PermissionDenied as problem:
            response = error_response(InsufficientPermissions(str(problem)))
        except (APIException, Http404) as problem:
            response = error_response(as_api_error(problem))
        # An answer may carry a secret, and none is any use tomorrow.
        response["Cache-Control"] = "no-store"
        patch_vary_headers(response, ["Accept"])
        return response

    return door


class Moment(serializers.Field):
    """A time to come, in Unix seconds."""

    def to_internal_value(self, data: Any) -> datetime:
        try:
            if type(data) is not int:  # True is an int too
                raise ValueError
            moment = datetime.fromtimestamp(data, tz=UTC)
        except (ValueError, OverflowError, OSError):
            raise serializers.ValidationError("Must be in Unix seconds.") from None
        if moment <= timezone.now():
            raise serializers.ValidationError("Must be in the future.")
        return moment


class NewKey(serializers.Serializer):
    label = StrictCharField(max_length=80)
    agentId = StrictIntegerField(required=False, allow_null=True)  # noqa: N815
    access = serializers.ChoiceField(Access.choices, default=Access.FULL)
    environment = serializers.ChoiceField(Environment.choices, default=Environment.LIVE)
    expiresAt = Moment(required=False, allow_null=True)  # noqa: N815


def list_keys(keys: Iterable[ApiKey]) -> HttpResponse:
    return JsonResponse({"data": [_represent(key) for key in keys]})


@sensitive_variables("secret")
def create_key(request: WorkspaceRequest) -> HttpResponse:
    """`{label, agentId?, access?, environment?, expiresAt?}`; the secret, this once."""
    if request.content_type != "application/json":
        raise InvalidBody(
            message="Send JSON.", status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        )
    body = NewKey(data=parse_object(read_body(request)))
    body.is_valid(raise_exception=True)
    wanted = body.validated_data
    try:
        key, secret = minting.mint(
            request.workspace,
            by=request.user,
            label=wanted["label"],
            agent=_agent(request.workspace, wanted.get("agentId")),
            access=wanted["access"],
            environment=wanted["environment"],
            expires_at=wanted.get("expiresAt"),
        )
    except TooManyKeys as error:
        raise ApiError(409, "API_KEYS_TOO_MANY", str(error)) from error
    return JsonResponse({"data": {**_represent(key), "key": secret}}, status=201)


def revoke_key(request: WorkspaceRequest, key: ApiKey) -> HttpResponse:
    minting.revoke(key, by=request.user)
    return JsonResponse({"data": _represent(key)})


def not_allowed(*methods: str) -> HttpResponse:
    allowed = ", ".join(methods)
    problem = InvalidBody(message=f"Use one of: {allowed}.", status=405)
    response = error_response(problem)
    response["Allow"] = allowed
    return response


def _represent(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.pk,
        "label": key.label,
        "prefix": key.prefix,
        "agentId": key.agent_id,
        "access": key.access,
        "environment": key.environment,
        "status": status_of(key, now=timezone.now()),
        "createdBy": key.created_by.email if key.created_by else None,
        "createdAt": _seconds(key.created_at),
        "lastUsedAt": _seconds(key.last_used_at),
        "expiresAt": _seconds(key.expires_at),
        "revokedAt": _seconds(key.revoked_at),
    }


def _agent(workspace: Workspace, agent_id: int | None) -> Agent | None:
    if agent_id is None:
        return None
    agents = Agent.objects.for_workspace(workspace).existing()
    agent = agents.filter(pk=agent_id).first()
    if agent is None:
        raise NotFound("There is no such agent.")
    return agent


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None
