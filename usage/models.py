"""What was used, and who did what. Both tables only ever grow."""

from django.db import models
from django.utils import timezone

from bookbag.tenancy import TenantModel


class LedgerEntry(TenantModel):
    """What one reply cost; written in the transaction that completes the reply.

    The agent, key and message are numbers, not references: the ledger outlives them.
    """

    agent_id = models.BigIntegerField()
    api_key_id = models.BigIntegerField(null=True)
    conversation_id = models.BigIntegerField()
    message_id = models.BigIntegerField(unique=True)
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
