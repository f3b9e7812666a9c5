"""A question and its answer: the answer is the text, the question stands over it."""

from knowledge.chunking import Piece, answer_chunks
from knowledge.loaders.plain import cleaned
from knowledge.models import Source


def text(source: Source) -> str:
    cleaned(source.question, what="question")
    return cleaned(source.content, what="answer")


def pieces(text: str) -> list[Piece]:
    return answer_chunks(text)
