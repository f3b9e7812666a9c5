"""A quote is kept only if its source says it, there, in those words."""

from collections.abc import Sequence

from django.db.models.functions import Substr

from agents.engine.base import Citation
from knowledge.models import Document


def check(citations: Sequence[Citation]) -> list[Citation]:
    """The citations whose quote stands at its span in its document. One query."""
    spans = {
        f"quote_{at}": Substr("text", one.start + 1, one.end - one.start)
        for at, one in enumerate(citations)
        if 0 <= one.start < one.end == one.start + len(one.quote)
    }
    if not spans:
        return []
    # Only the quoted parts are read: a document may be two million characters long.
    rows = (
        Document.objects.filter(id__in={one.document_id for one in citations})
        .annotate(**spans)
        .values("id", "source_id", "version", *spans)
    )
    documents = {row["id"]: row for row in rows}
    return [
        one
        for at, one in enumerate(citations)
        if (row := documents.get(one.document_id))
        and row.get(f"quote_{at}") == one.quote
        and (row["source_id"], row["version"]) == (one.source_id, one.document_version)
    ]
