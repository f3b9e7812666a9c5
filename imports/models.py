"""What was brought from elsewhere, and which row of ours each thing has become."""

from django.db import models
from django.utils import timezone

from bookbag.tenancy import TenantModel


class Kind(models.TextChoices):
    """What can be brought, in the order in which it is."""

    AGENTS = "agents"
    ATTRIBUTES = "attributes"
    CONTACTS = "contacts"
    CONVERSATIONS = "conversations"
    LEADS = "leads"


class Import(TenantModel):
    """What has been brought into a workspace from one address, at however many runs."""

    url = models.CharField(max_length=500, help_text="The address of the source's API.")
    begun_at = models.DateTimeField(default=timezone.now, help_text="Of the last run.")
    stirred_at = models.DateTimeField(
        default=timezone.now, help_text="When the last page was taken in."
    )
    finished_at = models.DateTimeField(
        null=True, help_text="Of the last run; none while it runs, or if it broke off."
    )
    markers = models.JSONField(
        default=dict, help_text="How far the run has come, for each agent and kind."
    )
    summary = models.JSONField(default=dict, help_text="What the last run has done.")

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(fields=["workspace", "url"], name="import_url"),
        ]

    def __str__(self) -> str:
        return self.url


class ImportedRow(TenantModel):
    """Something of the source's, and the row that it has become here."""

    origin = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rows")
    agent = models.ForeignKey(
        "agents.Agent",
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Whose it is; of an agent, itself.",
    )
    kind = models.CharField(max_length=13, choices=Kind.choices)
    source_id = models.CharField(max_length=255, help_text="The source's id of it.")
    # A number: whoever deletes the row here does not want it brought again.
    row_id = models.BigIntegerField(help_text="Of ours; it may be deleted since.")
    marks = models.JSONField(
        default=dict,
        help_text="By which a later run sees what has changed at the source since.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(kind__in=Kind.values), name="importedrow_kind"
            ),
            models.UniqueConstraint(
                fields=["origin", "agent", "kind", "source_id"],
                name="importedrow_source_id",
            ),
            models.UniqueConstraint(
                fields=["origin", "source_id"],
                condition=models.Q(kind="agents"),
                name="importedrow_agent_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.source_id}"
