"""Whom the agents talk to: contacts, what is known of them, and leads."""

from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from bookbag.numbers import Decoder
from bookbag.tenancy import TenantModel
from contacts.ordered import OrderedJSONField

ATTRIBUTE_NAME = r"\A[a-zA-Z][a-zA-Z0-9_-]*\Z"


class EmailKeyField(models.CharField):
    """The e-mail as it is compared. Not by the database: SQLite's `lower` only knows
    English, and PostgreSQL's what its locale knows."""

    def pre_save(self, contact: models.Model, add: bool) -> Any:
        contact.__dict__[self.attname] = email_key(getattr(contact, "email", None))
        return super().pre_save(contact, add)


def email_key(email: str | None) -> str | None:
    return email.lower() if email else None


class Contact(TenantModel):
    """A person, by the caller's own id. Written by `contacts.records`."""

    agent = models.ForeignKey(
        "agents.Agent", on_delete=models.CASCADE, related_name="contacts"
    )
    external_id = models.CharField(
        max_length=255, help_text="The caller's own id of the person."
    )
    name = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    email = models.CharField(max_length=254, null=True, blank=True)  # noqa: DJ001
    # Lower case may be longer: one of İ is two.
    email_key = EmailKeyField(max_length=600, null=True, editable=False)
    phonenumber = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    stripe_accounts = models.JSONField(
        default=list, blank=True, help_text="[{label, stripe_id?, stripe_email?}, …]"
    )
    custom_attributes = models.JSONField(default=dict, blank=True, decoder=Decoder)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["agent", "external_id"],
                name="contact_external_id",
                violation_error_message="The agent has a contact of this id already.",
            ),
        ]
        indexes = [
            models.Index(fields=["agent", "id"], name="contact_of_agent"),
            models.Index(fields=["agent", "email_key"], name="contact_of_email"),
        ]

    def __str__(self) -> str:
        return self.name or self.email or self.external_id

    @property
    def public_id(self) -> str:
        return f"contact_{self.pk}"


class ContactCount(TenantModel):
    """How many contacts an agent has among the ids that are the same but for their last
    `bits`. Only the database writes it; see `contacts.pages`."""

    # A number: a count may outlive its agent's contacts, and holds nobody back.
    agent_id = models.BigIntegerField()
    bits = models.PositiveSmallIntegerField()
    block = models.BigIntegerField(help_text="The ids, without those bits.")
    total = models.BigIntegerField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["workspace", "agent_id", "bits", "block"],
                name="contactcount_block",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.total} contacts of agent {self.agent_id}"


class AttributeType(models.TextChoices):
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"


class CustomAttribute(TenantModel):
    """A custom attribute of an agent's contacts. Its name and type are fixed."""

    agent = models.ForeignKey(
        "agents.Agent", on_delete=models.CASCADE, related_name="custom_attributes"
    )
    name = models.CharField(
        max_length=100,
        validators=[
            RegexValidator(
                ATTRIBUTE_NAME,
                "A letter, then letters A to Z, digits, hyphens and underscores only.",
            )
        ],
        help_text="Its key in a contact's custom attributes.",
    )
    label = models.CharField(max_length=200)
    type = models.CharField(
        max_length=10, choices=AttributeType.choices, default=AttributeType.TEXT
    )
    description = models.TextField(blank=True, max_length=1_000)
    archived = models.BooleanField(
        default=False, help_text="It takes no new values; those that are there stay."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(TenantModel.Meta):
        ordering = ["agent", "name", "id"]
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["agent", "name"],
                name="customattribute_name",
                violation_error_message="The agent has an attribute of this name.",
            ),
            models.CheckConstraint(
                condition=models.Q(type__in=AttributeType.values),
                name="customattribute_type",
            ),
        ]

    def __str__(self) -> str:
        return self.label


class Lead(TenantModel):
    """Details that somebody left with an agent, to be called back."""

    agent = models.ForeignKey(
        "agents.Agent", on_delete=models.CASCADE, related_name="leads"
    )
    conversation = models.ForeignKey(
        "conversations.Conversation",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="leads",
    )
    name = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    email = models.CharField(max_length=254, null=True, blank=True)  # noqa: DJ001
    phone = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    fields = OrderedJSONField(
        default=dict,
        blank=True,
        help_text="All that was filled in, by its label, in the form's order.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(TenantModel.Meta):
        indexes = [
            models.Index(fields=["agent", "-created_at", "-id"], name="lead_newest"),
        ]

    def __str__(self) -> str:
        return self.name or self.email or self.phone or f"Lead {self.pk}"
