"""Which program calls."""

from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from apikeys import secret as secrets
from bookbag.compiled import Compiled, Slot
from bookbag.tenancy import TenantModel, TenantQuerySet
from workspaces.models import User, Workspace

MAX_KEYS = 100  # live keys a workspace may have
IDEMPOTENCY_KEPT = timedelta(hours=24)
# Nothing that is done for a request takes longer; then its maker is gone.
IDEMPOTENCY_IN_FLIGHT = timedelta(seconds=settings.REPLY_DEADLINE + 60)


class Environment(models.TextChoices):
    """Both behave alike; conversations of test keys are labelled."""

    LIVE = "live"
    TEST = "test"


class Access(models.TextChoices):
    FULL = "full"
    READ = "read"


class TooManyKeys(Exception):
    """The workspace has as many live keys as it may."""


class NotRotatable(Exception):
    """The key is dead, or another has replaced it already."""


class ApiKeyQuerySet(TenantQuerySet["ApiKey"]):
    def live(self, now: Any = None) -> Self:
        """Keys that open something now: not revoked, not expired."""
        now = now or timezone.now()
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)

    def issue(
        self,
        workspace: Workspace,
        *,
        label: str,
        agent: Any = None,  # agents.models.Agent, which stands above this room
        environment: str = Environment.LIVE,
        access: str = Access.FULL,
        rate_limit: int | None = None,
        expires_at: datetime | None = None,
        created_by: User | None = None,
        replaces: "ApiKey | None" = None,
    ) -> tuple["ApiKey", str]:
        """The new key and its secret; the secret is nowhere else. TooManyKeys."""
        secret = secrets.generate(environment)
        with transaction.atomic():
            # Who makes keys at once takes turns, or each would count the same 99.
            Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
            if self.for_workspace(workspace).live().count() >= MAX_KEYS:
                raise TooManyKeys(
                    f"A workspace has at most {MAX_KEYS} keys."
                    " Revoke one that is not used."
                )
            key = self.create(
                workspace=workspace,
                agent=agent,
                label=label,
                environment=environment,
                access=access,
                rate_limit=rate_limit,
                expires_at=expires_at,
                created_by=created_by,
                replaces=replaces,
                prefix=secrets.prefix(secret),
                digest=secrets.digest(secret),
            )
        return key, secret

    def opened_by(self, secret: str) -> "ApiKey | None":
        """The key this secret opens, or None. Junk costs no query."""
        if not secrets.is_well_formed(secret):
            return None
        opened = _keys.rows(digest=secrets.digest(secret), now=timezone.now())
        return opened[0] if opened else None


class ApiKey(TenantModel):
    """A program's permission to call. The secret itself is never stored."""

    agent = models.ForeignKey(
        "agents.Agent",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="api_keys",
        help_text="The one agent it opens; empty for the whole workspace.",
    )
    label = models.CharField(max_length=80)
    environment = models.CharField(
        max_length=4, choices=Environment.choices, default=Environment.LIVE
    )
    access = models.CharField(max_length=4, choices=Access.choices, default=Access.FULL)
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    rate_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Requests in the window; empty for the usual."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        editable=False,
    )
    replaces = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()  # type: ignore[misc]  # narrower, on purpose

    class Meta(TenantModel.Meta):
        verbose_name = "API key"
        ordering = ["-created_at", "-id"]
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=Q(environment__in=Environment.values),
                name="apikey_environment",
            ),
            models.CheckConstraint(
                condition=Q(access__in=Access.values), name="apikey_access"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.prefix}…)"

    @property
    def is_live(self) -> bool:
        expired = self.expires_at is not None and self.expires_at <= timezone.now()
        return self.revoked_at is None and not expired

    def revoke(self) -> bool:
        """From the next request on it opens nothing. Whether this call did it: twice
        is as good as once."""
        still_open = ApiKey.objects.filter(pk=self.pk, revoked_at=None)
        revoked = still_open.update(revoked_at=timezone.now())
        self.refresh_from_db(fields=["revoked_at"])
        return bool(revoked)

    def rotate(self, *, grace: timedelta, by: User | None) -> tuple["ApiKey", str]:
        """A new secret for the same label, scope, limit and expiry; the old one dies
        after `grace`. Raises NotRotatable and TooManyKeys."""
        with transaction.atomic():
            # Somebody else may have revoked or rotated it since it was read.
            held = ApiKey.objects.select_for_update(no_key=True)
            self.refresh_from_db(from_queryset=held)
            if not self.is_live:
                raise NotRotatable("This key is not in use. Create a new one.")
            other = ApiKey.objects.filter(replaces=self).first()
            if other is not None:
                # A second successor would take over the few hours this one has left.
                raise NotRotatable(
                    f"“{other.prefix}…” has replaced this key. Rotate that one."
                )
            expires_at, dies_at = self.expires_at, timezone.now() + grace
            # First, so that one that dies now leaves its place to its successor.
            self.expires_at = min(expires_at or dies_at, dies_at)
            self.save(update_fields=["expires_at"])
            return ApiKey.objects.issue(
                self.workspace,
                label=self.label,
                agent=self.agent,
                environment=self.environment,
                access=self.access,
                rate_limit=self.rate_limit,
                expires_at=expires_at,
                created_by=by,
                replaces=self,
            )


class IdempotencyKeyQuerySet(TenantQuerySet["IdempotencyKey"]):
    def in_flight(self) -> Self:
        """Claims of requests that have led to nothing yet."""
        return self.filter(conversation_id=None, status=None)

    def expired(self) -> Self:
        """Those that count no more."""
        now = timezone.now()
        old = Q(created_at__lte=now - IDEMPOTENCY_KEPT)
        lost = Q(created_at__lte=now - IDEMPOTENCY_IN_FLIGHT)
        return self.filter(old | (lost & Q(conversation_id=None, status=None)))


class IdempotencyKey(TenantModel):
    """A request that its client may send again, and what became of it: a turn, named
    by its ids, or an answer. See `apikeys.idempotency`."""

    api_key = models.ForeignKey(
        ApiKey, on_delete=models.CASCADE, related_name="+", db_index=False
    )  # the constraint below is an index of it
    name = models.CharField(max_length=255, help_text="As the client sent it.")
    route = models.CharField(max_length=200, help_text="Its beginning, to look at.")
    digest = models.BinaryField(max_length=32, help_text="Of the route and the body.")
    # Numbers, not references: conversations are above this room.
    conversation_id = models.BigIntegerField(null=True)
    message_id = models.BigIntegerField(null=True)
    user_message_id = models.BigIntegerField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    content_type = models.CharField(max_length=100, blank=True)
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField(
        default=timezone.now, editable=False, db_index=True
    )

    objects = IdempotencyKeyQuerySet.as_manager()  # type: ignore[misc]  # as above

    class Meta(TenantModel.Meta):
        verbose_name = "idempotency key"
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["api_key", "name"], name="idempotencykey_name"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_answer(self) -> bool:
        """It keeps the answer itself."""
        return self.status is not None

    @property
    def is_in_flight(self) -> bool:
        return self.conversation_id is None and not self.is_answer

    @property
    def is_expired(self) -> bool:
        kept = IDEMPOTENCY_IN_FLIGHT if self.is_in_flight else IDEMPOTENCY_KEPT
        return self.created_at <= timezone.now() - kept


def _opened() -> models.QuerySet[ApiKey]:
    now = Slot("now", models.DateTimeField())
    digest = Slot("digest", models.BinaryField())
    return ApiKey.objects.live(now).filter(digest=digest)


_keys = Compiled(_opened)
