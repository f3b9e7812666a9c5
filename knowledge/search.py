"""A question in, the passages that may answer it out, with how sure we are.

An agent's index lives in memory, keyed by the version that the agent's row carries:
a search on a warm index asks the database nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.engine.base import Confidence, Passage
from knowledge import embedding
from knowledge.cache import IndexCache
from knowledge.confidence import verdict
from knowledge.index import AgentIndex, Entry, Ranking
from knowledge.models import Chunk
from knowledge.questions import Question, readings

CACHE_BYTES = 256 * 1024 * 1024  # of all agents' indexes together, in one process


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found. `score` is the chance, 0 to 1, that the first passage holds
    the answer; `question` is the question made to stand alone; `degraded` says that
    meaning could not be compared and only words were."""

    passages: list[Passage] = field(default_factory=list)
    confidence: Confidence = "unknown"
    score: float = 0.0
    question: str = ""
    degraded: bool = False


def search(
    workspace_id: int, agent_id: int, index_version: int, turns: Sequence[str]
) -> Found:
    """The passages for the last of a person's turns. Call it in a thread.

    At most one query, and none when this version of the agent is in memory.
    """
    index = _indexes.get(
        (agent_id, index_version), lambda: load(workspace_id, agent_id)
    )
    return ask(index, turns)


def ask(index: AgentIndex, turns: Sequence[str]) -> Found:
    """The search itself, over an index that is at hand."""
    available = embedding.available()
    asked = readings(turns)
    if not asked or not index.entries:
        return Found(question=asked[0].text if asked else "", degraded=not available)
    # Sources that were indexed while the model was missing have no vectors.
    semantic = available and index.semantic
    score, confidence, ranking = _likeliest(index, asked, semantic=semantic)
    passages = _mark_exact(ranking, index, semantic=semantic)
    exact = bool(passages) and passages[0].answer_exact
    return Found(
        passages=passages,
        confidence="sure" if exact else confidence,
        score=1.0 if exact else score,
        question=ranking.question.text,
        degraded=not semantic,
    )


def load(workspace_id: int, agent_id: int) -> AgentIndex:
    """An agent's index from its rows."""
    rows = (
        Chunk.objects.filter(
            workspace=workspace_id, agent=agent_id, document__superseded_at=None
        )
        .order_by("id")
        .values_list(
            "id",
            "document__source_id",
            "document_id",
            "document__version",
            "document__title",
            "document__url",
            "document__question",
            "heading",
            "text",
            "start",
            "end",
            "sentences",
            "vector",
            "sentence_vectors",
        )
    )
    return AgentIndex([_entry(*row) for row in rows.iterator(chunk_size=500)])


def forget_indexes() -> None:
    """Empties the memory of indexes; the next search reads the rows again."""
    _indexes.clear()


_indexes = IndexCache(CACHE_BYTES)


def _likeliest(
    index: AgentIndex, asked: list[Question], *, semantic: bool
) -> tuple[float, Confidence, Ranking]:
    """The reading that finds the best answer. What a turn says by itself goes before
    what it may lean on, so that a new topic is not drawn back into the old one."""
    found = []
    for question in asked:
        ranking = index.rank(question, semantic=semantic)
        confidence, chance = verdict(ranking.signs, semantic=semantic)
        if confidence == "sure":
            return chance, confidence, ranking
        found.append((chance, confidence, ranking))
    return max(found, key=lambda reading: reading[0])


def _mark_exact(
    ranking: Ranking, index: AgentIndex, *, semantic: bool
) -> list[Passage]:
    """The passages, with the one first whose source was asked in its own words."""
    exact = index.asked_exactly(ranking.question, semantic=semantic)
    if exact is None:
        return ranking.passages
    return [exact, *(p for p in ranking.passages if p.source_id != exact.source_id)]


def _entry(
    chunk_id: int,
    source_id: int,
    document_id: int,
    document_version: int,
    title: str,
    url: str | None,
    question: str,
    heading: str,
    text: str,
    start: int,
    end: int,
    spans: list[list[int]],
    vector: bytes | memoryview | None,
    sentence_vectors: bytes | memoryview | None,
) -> Entry:
    whole = embedding.unpack(vector)
    parts = embedding.unpack(sentence_vectors)
    complete = len(whole) == 1 and len(parts) == len(spans) + bool(question)
    return Entry(
        chunk_id=chunk_id,
        source_id=source_id,
        document_id=document_id,
        document_version=document_version,
        title=title,
        url=url,
        question=question,
        heading=heading,
        text=text,
        start=start,
        end=end,
        spans=tuple((first, last) for first, last in spans),
        vector=whole[0] if complete else None,
        sentence_vectors=parts if complete else None,
    )
