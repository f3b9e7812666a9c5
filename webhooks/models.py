"""Who is told. So far: what there is to tell."""

from django.db import models
from django.utils import timezone

from bookbag.tenancy import TenantModel


class EventName(models.TextChoices):
    LEAD_CREATED = "lead.created"


class WebhookEvent(TenantModel):
    """Something to tell. `webhooks.outbox` writes it, beside its cause."""

    name = models.CharField(max_length=40, choices=EventName.choices)
    data = models.JSONField(default=dict, help_text="As receivers are sent it.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(TenantModel.Meta):
        indexes = [
            models.Index(fields=["workspace", "-id"], name="webhookevent_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.pk}"
