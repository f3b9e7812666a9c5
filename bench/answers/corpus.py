"""Sources as entries of an index, and the replies from it, without a database."""

from collections.abc import Iterable
from dataclasses import replace

from agents.engine import embedded
from agents.engine.base import Request, Turn
from knowledge import embedding
from knowledge.chunking import answer_chunks, chunks
from knowledge.index import AgentIndex, Entry
from knowledge.search import ask

FALLBACK = "I don't know that one, sorry."


def entries(sources: Iterable[dict[str, str]]) -> list[Entry]:
    return [
        entry
        for number, source in enumerate(sources, start=1)
        for entry in _entries(number, source)
    ]


def reply_to(index: AgentIndex, turns: list[str]) -> embedded.Reply:
    """What the embedded engine says to the last of a person's turns."""
    found = ask(index, turns)
    return embedded.compose(
        Request(
            turns=[Turn("user", turn) for turn in turns],
            passages=found.passages,
            confidence=found.confidence,
            instructions="",
            fallback_message=FALLBACK,
            deadline=float("inf"),
        )
    )


def _entries(number: int, source: dict[str, str]) -> list[Entry]:
    question = source.get("question", "")
    text = source.get("text") or source["answer"]
    pieces = answer_chunks(text) if question else chunks(text)
    return [
        _embedded(
            Entry(
                chunk_id=number * 1000 + piece.ordinal,
                source_id=number,
                document_id=number,
                document_version=1,
                title=source.get("title") or question,
                url=None,
                question=question,
                heading=piece.heading,
                text=text[piece.start : piece.end],
                start=piece.start,
                end=piece.end,
                spans=piece.sentences,
            )
        )
        for piece in pieces
    ]


def _embedded(entry: Entry) -> Entry:
    if not embedding.available():
        return entry
    whole, parts = entry.embedded_texts()
    vectors = embedding.embed([whole, *parts]).astype("<f2")
    return replace(entry, vector=vectors[0], sentence_vectors=vectors[1:])
