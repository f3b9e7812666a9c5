import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from agents.models import Agent
from knowledge import embedding, indexing, search
from knowledge.loaders import LOADERS
from knowledge.models import Chunk, Document, Source, SourceKind, SourceStatus
from tests.conftest import make_workspace
from tests.installation import eventually


def make_source(agent: Agent, **values: str) -> Source:
    given = {
        "kind": SourceKind.TEXT,
        "title": "Shipping",
        "content": "# Canada\n\nDelivery takes 5 days. It costs $12.",
    } | values
    return Source.objects.create(workspace=agent.workspace, agent=agent, **given)


@pytest.fixture
def source(agent: Agent) -> Source:
    return make_source(agent)


def version_of(agent: Agent) -> int:
    return Agent.objects.get(pk=agent.pk).index_version


def test_it_works(agent: Agent, source: Source) -> None:
    assert indexing.index_source(source.pk)

    source.refresh_from_db()
    assert (source.status, source.progress, source.error) == ("ready", 100, "")
    assert source.indexed_version == source.content_version
    assert source.indexed_at
    assert (source.lease_owner, source.lease_expires_at) == ("", None)
    assert version_of(agent) == agent.index_version + 1
    document = source.documents.get()
    assert (document.version, document.title) == (1, "Shipping")
    chunk = document.chunks.get()
    assert chunk.heading == "Canada"
    assert chunk.text == document.text[chunk.start : chunk.end]
    assert [document.text[start:end] for start, end in chunk.sentences] == [
        "Delivery takes 5 days.",
        "It costs $12.",
    ]
    assert len(bytes(chunk.vector)) == 2 * embedding.SIZE
    assert len(bytes(chunk.sentence_vectors)) == 2 * 2 * embedding.SIZE


def test_a_question_and_its_answer(agent: Agent) -> None:
    source = make_source(
        agent, kind=SourceKind.QA, question="Do you ship?", content="We do."
    )

    indexing.index_source(source.pk)

    chunk = Chunk.objects.get(document__source=source)
    assert chunk.text == "We do."
    # One vector more than sentences: the question's own.
    assert len(bytes(chunk.sentence_vectors)) == 2 * 2 * embedding.SIZE


def test_every_kind_has_a_loader() -> None:
    assert set(LOADERS) == set(SourceKind.values)


def test_nothing_to_do_is_nothing_done(agent: Agent, source: Source) -> None:
    indexing.index_source(source.pk)

    assert not indexing.index_source(source.pk)
    assert not indexing.index_source(2**40)
    assert version_of(agent) == agent.index_version + 1


def test_the_same_text_again_is_the_same_document(source: Source) -> None:
    indexing.index_source(source.pk)
    indexing.queue(source)
    indexing.index_source(source.pk)

    assert source.documents.count() == 1
    assert Chunk.objects.filter(document__source=source).count() == 1


def test_other_text_is_another_version(agent: Agent, source: Source) -> None:
    indexing.index_source(source.pk)
    source.content = "Delivery takes 9 days."
    source.save(update_fields=["content"])
    indexing.queue(source)
    indexing.index_source(source.pk)

    old, new = source.documents.order_by("version")
    assert "5 days" in old.text  # what was cited can still be read
    assert old.superseded_at
    assert (new.version, new.superseded_at) == (2, None)
    assert Chunk.objects.get(document__source=source).document == new
    assert version_of(agent) == agent.index_version + 2


@pytest.mark.parametrize("content", ["", " \n\t ", "…", "\0"])
def test_an_empty_source_fails_with_a_sentence(agent: Agent, content: str) -> None:
    if "\0" in content and connection.vendor == "postgresql":
        pytest.skip("PostgreSQL stores no NUL")
    source = make_source(agent, content=content)

    assert not indexing.index_source(source.pk)

    source.refresh_from_db()
    assert source.status == SourceStatus.FAILED
    assert source.error == "The text is empty: there is nothing to learn from it."
    assert version_of(agent) == agent.index_version


def test_a_failed_source_keeps_what_it_taught_before(source: Source) -> None:
    indexing.index_source(source.pk)
    Source.objects.filter(pk=source.pk).update(content="")
    indexing.queue(source)

    indexing.index_source(source.pk)

    assert Chunk.objects.filter(document__source=source).count() == 1


def test_without_the_model_there_are_no_vectors(
    source: Source, settings: Settings
) -> None:
    settings.BOOKBAG_EMBEDDING = "off"

    indexing.index_source(source.pk)

    chunk = Chunk.objects.get(document__source=source)
    assert (chunk.vector, chunk.sentence_vectors) == (None, None)


def test_a_source_that_another_worker_has_is_left_alone(source: Source) -> None:
    held = timezone.now() + timedelta(seconds=30)
    Source.objects.filter(pk=source.pk).update(
        status=SourceStatus.INDEXING, lease_owner="other", lease_expires_at=held
    )

    assert not indexing.index_source(source.pk)
    assert source.pk not in indexing.sweep()


def test_a_worker_that_died_is_replaced(source: Source) -> None:
    gone = timezone.now() - timedelta(seconds=1)
    Source.objects.filter(pk=source.pk).update(
        status=SourceStatus.INDEXING, lease_owner="dead", lease_expires_at=gone
    )

    assert source.pk in indexing.sweep()
    assert indexing.index_source(source.pk)


def test_waiting_sources_are_swept(agent: Agent, source: Source) -> None:
    ready = make_source(agent, title="Ready")
    indexing.index_source(ready.pk)

    swept = indexing.sweep()
    assert source.pk in swept
    assert ready.pk not in swept


def test_a_source_that_kills_its_workers_is_given_up(source: Source) -> None:
    Source.objects.filter(pk=source.pk).update(
        status=SourceStatus.INDEXING,
        attempts=indexing.MAX_ATTEMPTS,
        lease_expires_at=timezone.now() - timedelta(seconds=1),
    )

    assert source.pk not in indexing.sweep()

    source.refresh_from_db()
    assert source.status == SourceStatus.FAILED
    assert "stopped 5 times" in source.error
    indexing.queue(source)
    assert indexing.index_source(source.pk)


def test_a_worker_that_lost_its_lease_writes_nothing(
    agent: Agent, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed = embedding.embed

    def slow_embed(texts: list[str]) -> embedding.Vectors:
        Source.objects.filter(pk=source.pk).update(lease_owner="other")
        return embed(texts)

    monkeypatch.setattr(embedding, "embed", slow_embed)

    assert not indexing.index_source(source.pk)

    assert not Document.objects.filter(source=source).exists()
    assert version_of(agent) == agent.index_version


def test_an_edit_meanwhile_is_indexed_too(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed = embedding.embed
    edits = ["Delivery takes 9 days."]

    def slow_embed(texts: list[str]) -> embedding.Vectors:
        if edits:
            Source.objects.filter(pk=source.pk).update(
                content=edits.pop(), content_version=2
            )
        return embed(texts)

    monkeypatch.setattr(embedding, "embed", slow_embed)

    assert indexing.index_source(source.pk)

    source.refresh_from_db()
    assert (source.status, source.indexed_version) == ("ready", 2)
    assert "9 days" in Chunk.objects.get(document__source=source).text


def test_an_accident_is_tried_again_by_the_sweeper(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(texts: list[str]) -> embedding.Vectors:
        raise MemoryError("no more")

    monkeypatch.setattr(embedding, "embed", broken)
    assert not indexing.index_source(source.pk)
    source.refresh_from_db()
    assert source.status == SourceStatus.INDEXING

    for _ in range(indexing.MAX_ATTEMPTS - 1):
        over = timezone.now() - timedelta(seconds=1)
        Source.objects.filter(pk=source.pk).update(lease_expires_at=over)
        indexing.index_source(source.pk)

    source.refresh_from_db()
    assert source.status == SourceStatus.FAILED
    assert "a reason of ours" in source.error


def test_progress_is_on_the_row(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n\n".join(f"# Part {n}\n\nSome words about it." for n in range(40))
    source = make_source(agent, content=text)
    seen: list[int] = []
    embed = embedding.embed

    def watched(texts: list[str]) -> embedding.Vectors:
        seen.append(Source.objects.get(pk=source.pk).progress)
        return embed(texts[:1]).repeat(len(texts), axis=0)

    monkeypatch.setattr(embedding, "embed", watched)
    indexing.index_source(source.pk)

    assert seen == [0, 80]


def test_forgetting_a_source(agent: Agent, source: Source) -> None:
    indexing.index_source(source.pk)

    indexing.forget(source)

    assert not Chunk.objects.filter(agent=agent).exists()
    assert version_of(agent) == agent.index_version + 2


def test_two_workers_cannot_both_have_it(committed: None) -> None:
    workspace = make_workspace()
    agent = Agent.objects.create(workspace=workspace, name="Support")
    source = make_source(agent)
    done: list[bool] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        try:
            done.append(indexing.index_source(source.pk))
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    # At most one of them: the sweeper of a server may have been faster than all.
    assert sorted(done)[:3] == [False, False, False]
    eventually(lambda: version_of(agent) > agent.index_version)
    assert version_of(agent) == agent.index_version + 1
    search.forget_indexes()
    source.refresh_from_db()
    indexing.forget(source)


def test_an_edit_through_the_queue_is_indexed_by_the_worker_it_interrupts(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`queue` takes the lease away; whoever had it looks again before it leaves."""
    embed = embedding.embed
    edits = ["Delivery takes 9 days."]

    def edited_meanwhile(texts: list[str]) -> embedding.Vectors:
        if edits:
            Source.objects.filter(pk=source.pk).update(content=edits.pop())
            indexing.queue(Source.objects.get(pk=source.pk))
        return embed(texts)

    monkeypatch.setattr(embedding, "embed", edited_meanwhile)
    assert indexing.index_source(source.pk)
    source.refresh_from_db()
    assert source.status == SourceStatus.READY
    assert "9 days" in source.documents.get(superseded_at=None).text
