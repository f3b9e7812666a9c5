"""What was used, and who did what. The ledger and the audit trail only ever grow."""

from django.db import models
from django.utils import timezone

from bookbag.tenancy import TenantModel

NOBODY = 0  # in roll-ups: no agent, no key. NULLs would never be the same row twice.


class LedgerEntry(TenantModel):
    """What one reply cost; written in the transaction that completes the reply.

    The agent, key and message are numbers, not references: the ledger outlives them.
    A reply that is not stored costs as well, and has no message to name: `unkept` is
    a name of its own, so that no reply is charged twice.
    """

    agent_id = models.BigIntegerField()
    api_key_id = models.BigIntegerField(null=True)
    conversation_id = models.BigIntegerField(null=True)
    message_id = models.BigIntegerField(unique=True, null=True)
    unkept = models.UUIDField(unique=True, null=True)
    engine = models.CharField(max_length=40)
    model = models.CharField(max_length=120)
    credits = models.PositiveIntegerField()
    input_tokens = models.PositiveIntegerField()
    output_tokens = models.PositiveIntegerField()
    estimated = models.BooleanField(help_text="Whether the token counts are a guess.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta(TenantModel.Meta):
        verbose_name_plural = "ledger entries"
        indexes = [models.Index(fields=["workspace", "created_at"], name="ledger_day")]

    def __str__(self) -> str:
        return f"{self.credits} credits for message {self.message_id}"


class DailyUsage(TenantModel):
    """The ledger, rolled up by day (of UTC), agent and key.

    Only the ledger's trigger writes here, in the transaction of the entry itself
    (`usage.guards`): the two cannot disagree. A day's numbers are the sum of its slots:
    replies that end at once do not wait for each other's row.
    """

    day = models.DateField()
    agent_id = models.BigIntegerField()
    api_key_id = models.BigIntegerField(help_text="0: no key.")
    slot = models.PositiveSmallIntegerField()
    replies = models.PositiveBigIntegerField()
    input_tokens = models.PositiveBigIntegerField()
    output_tokens = models.PositiveBigIntegerField()
    credits = models.PositiveBigIntegerField()

    class Meta(TenantModel.Meta):
        verbose_name_plural = "daily usage"
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["workspace", "day", "agent_id", "api_key_id", "slot"],
                name="daily_usage_slot",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.credits} credits of agent {self.agent_id}"


class RequestCount(TenantModel):
    """How many API requests a key made on a day (of UTC), by agent.

    `usage.request_counts` adds to it every few seconds, never within a request.
    """

    day = models.DateField()
    agent_id = models.BigIntegerField(help_text="0: a request about no agent.")
    api_key_id = models.BigIntegerField()
    requests = models.PositiveBigIntegerField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["workspace", "day", "agent_id", "api_key_id"],
                name="request_count_row",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.requests} requests of key {self.api_key_id}"


class AuditEvent(TenantModel):
    """Who did what: `action` is `noun.verb`, as in `api_key.created`."""

    actor = models.ForeignKey(
        "workspaces.User", null=True, on_delete=models.PROTECT, related_name="+"
    )
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=120, help_text="As in api_key:12.")
    detail = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta(TenantModel.Meta):
        indexes = [models.Index(fields=["workspace", "created_at"], name="audit_time")]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"
