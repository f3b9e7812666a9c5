"""The assistants."""

from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from bookbag.tenancy import TenantModel, TenantQuerySet


class AgentStatus(models.TextChoices):
    DRAFT = "draft"
    ACTIVE = "active"
    ARCHIVED = "archived"


class AgentQuerySet(TenantQuerySet["Agent"]):
    def existing(self) -> Self:
        """All but the archived ones, which for every caller do not exist."""
        return self.exclude(status=AgentStatus.ARCHIVED)


class Agent(TenantModel):
    name = models.CharField(max_length=120)
    status = models.CharField(
        max_length=10, choices=AgentStatus.choices, default=AgentStatus.ACTIVE
    )
    instructions = models.TextField(
        blank=True,
        max_length=20_000,
        help_text="How the agent should behave. The embedded engine quotes its sources"
        " word for word and does not follow instructions; a model does.",
    )
    model = models.CharField(
        max_length=120,
        default="embedded",
        help_text="The engine that answers. “embedded” needs no key and no network.",
    )
    temperature = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="0 to 1; higher is freer. The embedded engine ignores it.",
    )
    fallback_message = models.TextField(
        max_length=2_000,
        default="I don't know that one, sorry. A person on our team can help you.",
        help_text="What the agent says when its sources hold no answer.",
    )
    language = models.CharField(max_length=16, default="en")
    index_version = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Grows whenever the agent's chunks change."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = AgentQuerySet.as_manager()

    class Meta(TenantModel.Meta):
        ordering = ["name", "id"]
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(status__in=AgentStatus.values), name="agent_status"
            ),
            models.CheckConstraint(
                condition=models.Q(temperature=None)
                | models.Q(temperature__gte=0, temperature__lte=1),
                name="agent_temperature",
            ),
        ]

    def __str__(self) -> str:
        return self.name
