"""What an agent knows: sources that people edit, documents that citations quote, chunks
that the search finds."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from bookbag.tenancy import TenantModel

MAX_CHARACTERS = 2_000_000
MAX_TITLE = 200


class SourceKind(models.TextChoices):
    TEXT = "text", "Text"
    QA = "qa", "Q&A"
    URL = "url", "Web page"


class SourceStatus(models.TextChoices):
    QUEUED = "queued"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"


class Source(TenantModel):
    """Something an agent was given to know. Its row is also the job that indexes it:
    `status`, `progress`, the lease of the worker that has it, and what went wrong."""

    agent = models.ForeignKey(
        "agents.Agent", on_delete=models.CASCADE, related_name="sources"
    )
    kind = models.CharField(max_length=10, choices=SourceKind.choices)
    title = models.CharField(max_length=MAX_TITLE)
    url = models.URLField(  # noqa: DJ001
        max_length=2000,
        null=True,
        blank=True,
        help_text="What is fetched for a web page; of others, what citations link to.",
    )
    question = models.TextField(
        blank=True, max_length=2_000, help_text="Of a Q&A source."
    )
    content = models.TextField(
        blank=True,  # a web page's is where the page is
        max_length=MAX_CHARACTERS,
        help_text="The text, or the answer to the question.",
    )
    content_version = models.PositiveIntegerField(
        default=1, editable=False, help_text="Grows with every edit."
    )
    indexed_version = models.PositiveIntegerField(default=0, editable=False)

    status = models.CharField(
        max_length=10,
        choices=SourceStatus.choices,
        default=SourceStatus.QUEUED,
        editable=False,
    )
    progress = models.PositiveSmallIntegerField(default=0, editable=False)  # percent
    error = models.TextField(blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    lease_owner = models.CharField(max_length=80, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, editable=False)
    indexed_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(TenantModel.Meta):
        ordering = ["title", "id"]
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=Q(kind__in=SourceKind.values), name="source_kind"
            ),
            models.CheckConstraint(
                condition=Q(status__in=SourceStatus.values), name="source_status"
            ),
            models.CheckConstraint(
                condition=Q(progress__lte=100), name="source_progress"
            ),
        ]
        indexes = [
            models.Index(
                fields=["lease_expires_at"],
                condition=Q(status__in=["queued", "indexing"]),
                name="source_waiting",
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_untitled(self) -> bool:
        """Whether it is called by its address, for want of a title."""
        return self.title == (self.url or "")[:MAX_TITLE]


class Document(TenantModel):
    """A source's text as it once was. Never changed, so that a citation stays true:
    other text is another version, and the former one is marked superseded."""

    source = models.ForeignKey(
        Source, on_delete=models.CASCADE, related_name="documents"
    )
    version = models.PositiveIntegerField()
    title = models.CharField(max_length=MAX_TITLE)
    url = models.URLField(max_length=2000, null=True)  # noqa: DJ001
    question = models.TextField(blank=True)
    text = models.TextField()
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    superseded_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["source", "version"], name="document_version"
            ),
            models.UniqueConstraint(
                fields=["source"],
                condition=Q(superseded_at=None),
                name="document_current",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} v{self.version}"


class Chunk(TenantModel):
    """A passage of a document: `text` is `document.text[start:end]`, in code points."""

    agent = models.ForeignKey(
        "agents.Agent", on_delete=models.CASCADE, related_name="+"
    )
    document = models.ForeignKey(
        Document, on_delete=models.CASCADE, related_name="chunks"
    )
    ordinal = models.PositiveIntegerField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    heading = models.CharField(max_length=500, blank=True)
    text = models.TextField()
    sentences = models.JSONField(
        default=list, help_text="[[start, end], …] in the document's text."
    )
    # float16, little endian, 384 for each; None where there was no embedding model.
    vector = models.BinaryField(null=True)
    sentence_vectors = models.BinaryField(null=True)

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["document", "ordinal"], name="chunk_ordinal"
            ),
            models.CheckConstraint(
                condition=Q(start__lte=models.F("end")), name="chunk_span"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.document_id}#{self.ordinal}"
