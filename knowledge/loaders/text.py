"""Text that somebody typed or pasted."""

from knowledge.chunking import Piece, chunks
from knowledge.loaders.plain import cleaned
from knowledge.models import Source


def text(source: Source) -> str:
    return cleaned(source.content, what="text")


def pieces(text: str) -> list[Piece]:
    return chunks(text)
