"""A key made, rotated or revoked by a person, and the trail of it: both or neither."""

from datetime import datetime, timedelta

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from agents.models import Agent
from apikeys.models import Access, ApiKey, Environment
from usage.models import AuditEvent
from workspaces.models import User, Workspace


@sensitive_variables("secret")
def mint(
    workspace: Workspace,
    *,
    by: User,
    label: str,
    agent: Agent | None = None,
    environment: str = Environment.LIVE,
    access: str = Access.FULL,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """The new key and its secret, which is nowhere else. Raises TooManyKeys."""
    with transaction.atomic():
        key, secret = ApiKey.objects.issue(
            workspace,
            label=label,
            agent=agent,
            environment=environment,
            access=access,
            expires_at=expires_at,
            created_by=by,
        )
        _record("api_key.created", key, by=by)
    return key, secret


def revoke(key: ApiKey, *, by: User) -> None:
    with transaction.atomic():
        if key.revoke():
            _record("api_key.revoked", key, by=by)


def change(key: ApiKey, *, fields: list[str], by: User) -> None:
    """Saves these fields of the key, and that they were changed."""
    with transaction.atomic():
        key.save(update_fields=fields)
        _record("api_key.changed", key, by=by, fields=fields)


@sensitive_variables("secret")
def rotate(key: ApiKey, *, grace: timedelta, by: User) -> tuple[ApiKey, str]:
    """The new key and its secret; the old one dies after `grace`. NotRotatable
    and TooManyKeys."""
    with transaction.atomic():
        fresh, secret = key.rotate(grace=grace, by=by)
        _record("api_key.created", fresh, by=by, replaces=key.pk)
        if grace:
            _record("api_key.expiring", key, by=by, replaced_by=fresh.pk)
        else:
            revoke(key, by=by)
    return fresh, secret


def _record(action: str, key: ApiKey, *, by: User, **detail: object) -> None:
    AuditEvent.objects.create(
        workspace_id=key.workspace_id,
        actor=by,
        action=action,
        target=f"api_key:{key.pk}",
        detail={
            "label": key.label,
            "prefix": key.prefix,
            "agent": key.agent_id,
            "environment": key.environment,
            "access": key.access,
            "expires_at": key.expires_at and key.expires_at.isoformat(),
            **detail,
        },
    )
