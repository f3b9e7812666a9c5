"""Sources of a test body as entries of an index, without a database."""

from collections.abc import Iterable
from dataclasses import replace

from knowledge import embedding
from knowledge.chunking import answer_chunks, chunks
from knowledge.index import Entry


def entries(sources: Iterable[dict[str, str]]) -> list[Entry]:
    return [
        entry
        for number, source in enumerate(sources, start=1)
        for entry in _entries(number, source)
    ]


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
