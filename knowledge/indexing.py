"""From a source's content to chunks that the search finds.

The source's row is the job. A worker claims it by a lease, says on it how far it is,
and swaps the new chunks in at one stroke. A worker that dies leaves a lease that runs
out, and the sweeper hands the source to another; doing it twice does no harm.
"""

import hashlib
import logging
import uuid
from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from knowledge import embedding
from knowledge.chunking import Piece
from knowledge.index import Entry
from knowledge.loaders import LOADERS
from knowledge.loaders.plain import LoadError, LoadLater
from knowledge.models import Chunk, Document, Source, SourceStatus

LEASE = timedelta(seconds=45)  # the sweeper comes every few seconds; 60 s is promised
MAX_ATTEMPTS = 5
HEADING_SIZE = 500  # the column's
BATCH = 32  # chunks between two signs of life: a few seconds of embedding

_log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Another worker has the source, or it is gone: stop and write nothing."""


def index_source(source_id: int) -> bool:
    """Indexes a source if it waits for it, and again while its content changes.

    Whether this call did: another worker may have it, or nothing may be to do.
    """
    done = False
    while source := _claim(source_id):
        try:
            _index(source)
        except LeaseLost:
            continue  # edited meanwhile, and so to be claimed anew; or not ours
        except LoadLater as error:
            _fail_or_retry(source, str(error))
            return done
        except LoadError as error:
            _fail(source, str(error))
            return done
        except Exception:
            _log.exception("Indexing source %s failed", source_id)
            _fail_or_retry(
                source,
                "Indexing failed for a reason of ours. Save the source to retry.",
            )
            return done
        done = True
    return done


def sweep() -> list[int]:
    """The ids of sources that wait, or whose worker is gone. Gives up on those that
    were tried too often."""
    waiting = Source.objects.filter(_waiting())
    hopeless = waiting.filter(attempts__gte=MAX_ATTEMPTS)
    hopeless.update(
        status=SourceStatus.FAILED,
        error=(
            f"Indexing stopped {MAX_ATTEMPTS} times without an end. Save the source"
            " again to retry; if it is very long, split it."
        ),
        lease_owner="",
        lease_expires_at=None,
    )
    ids = waiting.filter(attempts__lt=MAX_ATTEMPTS).order_by("id")
    return list(ids.values_list("id", flat=True))


def queue(source: Source) -> None:
    """Marks a source to be indexed (again), as after an edit."""
    Source.objects.filter(pk=source.pk).update(
        status=SourceStatus.QUEUED,
        progress=0,
        error="",
        attempts=0,
        lease_owner="",
        lease_expires_at=None,
        content_version=F("content_version") + 1,
    )
    source.refresh_from_db()


def forget(source: Source) -> None:
    """Deletes a source with all that was learned from it."""
    with transaction.atomic():
        # The source first and the agent second, as a worker does: no deadlock.
        Source.objects.select_for_update().filter(pk=source.pk).first()
        _bump(source)
        source.delete()


def _waiting() -> Q:
    return Q(status=SourceStatus.QUEUED) | Q(
        Q(lease_expires_at=None) | Q(lease_expires_at__lte=timezone.now()),
        status=SourceStatus.INDEXING,
    )


def _claim(source_id: int) -> Source | None:
    """The source, if it is this worker's now. One UPDATE decides between workers."""
    owner = uuid.uuid4().hex
    claimed = Source.objects.filter(
        _waiting(), pk=source_id, attempts__lt=MAX_ATTEMPTS
    ).update(
        status=SourceStatus.INDEXING,
        progress=0,
        error="",
        attempts=F("attempts") + 1,
        lease_owner=owner,
        lease_expires_at=timezone.now() + LEASE,
    )
    if not claimed:
        return None
    return Source.objects.filter(pk=source_id, lease_owner=owner).first()


def _index(source: Source) -> None:
    loader = LOADERS[source.kind]
    # Outside any transaction, as all until the swap: a page may be slow to come.
    text = loader.text(source)
    pieces = loader.pieces(text)
    chunks = [
        Chunk(
            workspace_id=source.workspace_id,
            agent_id=source.agent_id,
            ordinal=piece.ordinal,
            start=piece.start,
            end=piece.end,
            heading=piece.heading[:HEADING_SIZE],
            text=text[piece.start : piece.end],
            sentences=[list(span) for span in piece.sentences],
        )
        for piece in pieces
    ]
    for share in _embed(source, pieces, chunks):
        _renew(source, progress=min(99, int(100 * share)))
    _swap(source, text, chunks)


def _embed(source: Source, pieces: list[Piece], chunks: list[Chunk]) -> Iterator[float]:
    """Gives the chunks their vectors, saying from time to time how much is done."""
    if not embedding.available():
        yield 0.5
        return
    for first in range(0, len(chunks), BATCH):
        batch = chunks[first : first + BATCH]
        texts: list[str] = []
        for piece, chunk in zip(pieces[first:], batch, strict=False):
            whole, parts = _entry(source, piece, chunk).embedded_texts()
            texts += [whole, *parts]
        vectors = embedding.embed(texts)
        at = 0
        for chunk in batch:
            size = len(chunk.sentences) + bool(_question(source))
            chunk.vector = embedding.pack(vectors[at : at + 1])
            chunk.sentence_vectors = embedding.pack(vectors[at + 1 : at + 1 + size])
            at += 1 + size
        yield (first + len(batch)) / len(chunks)


def _entry(source: Source, piece: Piece, chunk: Chunk) -> Entry:
    return Entry(
        chunk_id=0,
        source_id=source.pk,
        document_id=0,
        document_version=0,
        title=source.title,
        url=source.url,
        question=_question(source),
        heading=chunk.heading,
        text=chunk.text,
        start=chunk.start,
        end=chunk.end,
        spans=piece.sentences,
    )


def _question(source: Source) -> str:
    return source.question if source.kind == "qa" else ""


def _swap(source: Source, text: str, chunks: list[Chunk]) -> None:
    """The new chunks for the old, and the agent's index version, in one transaction."""
    with transaction.atomic():
        held = Source.objects.select_for_update().filter(
            pk=source.pk, lease_owner=source.lease_owner
        )
        row = held.first()
        if row is None:
            raise LeaseLost
        document = _document(source, text)
        Chunk.objects.filter(document__source=source).delete()
        for chunk in chunks:
            chunk.document = document
        Chunk.objects.bulk_create(chunks, batch_size=100)
        changed = row.content_version != source.content_version
        held.update(
            # Edited meanwhile: what is indexed is better than nothing, but once more.
            status=SourceStatus.QUEUED if changed else SourceStatus.READY,
            progress=0 if changed else 100,
            title=row.title if changed else source.title,  # the loader's, if it has one
            error="",
            attempts=0,
            indexed_version=source.content_version,
            indexed_at=timezone.now(),
            lease_owner="",
            lease_expires_at=None,
        )
        _bump(source)


def _document(source: Source, text: str) -> Document:
    """The current document, if it says the same; else a new version of it."""
    shown = [source.title, source.url or "", _question(source), text]
    digest = hashlib.sha256("\0".join(shown).encode()).hexdigest()
    versions = source.documents.order_by("-version")
    latest = versions.first()
    if latest and latest.digest == digest and latest.superseded_at is None:
        return latest
    source.documents.filter(superseded_at=None).update(superseded_at=timezone.now())
    return Document.objects.create(
        workspace_id=source.workspace_id,
        source=source,
        version=latest.version + 1 if latest else 1,
        title=source.title,
        url=source.url,
        question=_question(source),
        text=text,
        digest=digest,
    )


def _bump(source: Source) -> None:
    # Through the relation: agents lean on this room, not the other way round.
    agents = type(source.agent)._default_manager.filter(pk=source.agent_id)
    agents.update(index_version=F("index_version") + 1)


def _renew(source: Source, *, progress: int) -> None:
    renewed = Source.objects.filter(
        pk=source.pk, lease_owner=source.lease_owner
    ).update(progress=progress, lease_expires_at=timezone.now() + LEASE)
    if not renewed:
        raise LeaseLost


def _fail(source: Source, error: str) -> None:
    """Says on the row what went wrong. An edit made meanwhile is tried in its turn."""
    Source.objects.filter(
        pk=source.pk,
        lease_owner=source.lease_owner,
        content_version=source.content_version,
    ).update(
        status=SourceStatus.FAILED,
        error=error,
        progress=0,
        lease_owner="",
        lease_expires_at=None,
    )


def _fail_or_retry(source: Source, error: str) -> None:
    if source.attempts >= MAX_ATTEMPTS:
        _fail(source, error)
    # Else the lease stays until it runs out: a pause before the sweeper tries again.
