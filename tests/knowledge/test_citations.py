from dataclasses import replace

import pytest
from pytest_django import DjangoAssertNumQueries

from agents.engine.base import Citation
from agents.models import Agent
from knowledge import citations, indexing
from knowledge.models import Source

TEXT = "Größe 😀: we ship to Zürich. It takes 5 days."
QUOTE = "It takes 5 days."


@pytest.fixture
def citation(agent: Agent) -> Citation:
    source = Source.objects.create(
        workspace=agent.workspace, agent=agent, kind="text", title="S", content=TEXT
    )
    indexing.index_source(source.pk)
    document = source.documents.get()
    start = document.text.index(QUOTE)
    return Citation(
        index=1,
        chunk_id=document.chunks.get().pk,
        source_id=source.pk,
        document_id=document.pk,
        document_version=1,
        title="S",
        url=None,
        start=start,
        end=start + len(QUOTE),
        quote=QUOTE,
    )


def test_it_works(
    citation: Citation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assert citations.check([citation, citation]) == [citation, citation]


@pytest.mark.parametrize(
    "change",
    [
        {"quote": "It takes 4 days."},
        {"start": 0},
        {"end": 10_000},
        {"start": -1},
        {"document_id": 0},
        {"document_version": 2},
        {"source_id": 0},
    ],
    ids=str,
)
def test_a_false_one_is_dropped(citation: Citation, change: dict[str, int]) -> None:
    false = replace(citation, **change)  # type: ignore[arg-type]

    assert citations.check([false, citation]) == [citation]


def test_no_citations_no_query(
    db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert citations.check([]) == []
