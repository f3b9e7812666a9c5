"""The engine that is always there: it quotes the passages, and invents nothing."""

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from agents.engine import phrases, results, smalltalk
from agents.engine.base import (
    Citation,
    Confidence,
    EngineError,
    Event,
    Finish,
    Passage,
    Request,
    Sentence,
    TextDelta,
    ToolCall,
    Usage,
)

MOST_QUOTES = 3
AS_GOOD = 0.8  # a further sentence is quoted if it scores this share of the best
NEAR = 0.55  # a passage that scores less is not worth naming when there is no answer
LONGEST_SHOW = 0.6  # seconds that pacing may add to a reply, however long it is
CHARACTERS_A_TOKEN = 4
HEDGE = "I'm not sure, but this may help: "
OFFER = "Would you like to talk to a person?"

_WORD = re.compile(r"\s*\S+\s*")
_OFFERED = re.compile(
    r"\b(?:person|people|human|team|support|staff|contact|call|e-?mail)\b"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a reply; with a citation it is a quote and its `[n]`."""

    text: str
    citation: Citation | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply, before it is spoken."""

    parts: tuple[Part, ...]
    confidence: Confidence | None
    priced: bool = True

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)


class EmbeddedEngine:
    """Sentences of the passages, word for word, with where they stand.

    A tool it calls only where a message says one of the tool's examples, and then it
    says nothing else.
    """

    name = "embedded"

    def __init__(self, pace: float = 0.012, longest: float = LONGEST_SHOW) -> None:
        """`pace` is the pause between two words, in seconds, so that people see them
        come; a long reply comes faster, so that nobody waits for the show longer than
        `longest`."""
        self.pace = pace
        self.longest = longest

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        if time.monotonic() > request.deadline:
            raise EngineError("timeout", "The reply took too long to begin.")
        call = tool_call(request)
        if call:
            yield call
            yield Usage(
                input_tokens=_tokens(_last_message(request)),
                output_tokens=_tokens(json.dumps(call.input)),
                estimated=True,
            )
            yield Finish("tool_calls", engine=self.name, model=self.name)
            return
        reply = compose(request)
        room = request.max_output_tokens * CHARACTERS_A_TOKEN
        pause = min(self.pace, self.longest / max(1, len(_WORD.findall(reply.text))))
        said = ""
        for part in reply.parts:
            for word in _WORD.findall(part.text):
                if said and len(said) + len(word) > room:
                    break
                said += word
                yield TextDelta(word)
                # Also without a pause: each word is to leave by itself.
                await asyncio.sleep(pause)
            else:
                if part.citation:
                    yield part.citation
                continue
            break
        yield Usage(
            input_tokens=_tokens(_last_message(request)),
            output_tokens=_tokens(said),
            estimated=True,
        )
        yield Finish(
            reason="stop" if said == reply.text else "length",
            engine=self.name,
            model=self.name,
            confidence=reply.confidence,
            priced=reply.priced,
        )


def tool_call(request: Request) -> ToolCall | None:
    """The call that the last message asks for. Results are answered, never followed by
    another call: nothing here could tell when it is enough."""
    if not request.tools or results.unanswered(request.turns):
        return None
    asked = phrases.call_for(request.tools, _last_message(request))
    return asked and ToolCall(f"call_{secrets.token_hex(12)}", *asked)


def compose(request: Request) -> Reply:
    """What the engine says: of results what they hold, and to the last message small
    talk, quotes, a hedged quote, or that it cannot."""
    if not results.unanswered(request.turns):
        return _answer(request)
    found = Part(results.answer(request.turns, request.tools))
    if request.turns[-1].role != "user" or smalltalk.kind(_last_message(request)):
        return Reply((found,), None)
    # The result came with a message of its own, which is to be answered too.
    more = _answer(request)
    return Reply((replace(found, text=f"{found.text}\n\n"), *more.parts), None)


def _answer(request: Request) -> Reply:
    chat = smalltalk.kind(_last_message(request))
    if chat and not (chat == "human" and request.confidence == "sure"):
        return Reply((Part(smalltalk.answer(chat, request.agent_name)),), None)
    exact = next((one for one in request.passages if one.answer_exact), None)
    if exact:
        whole = Sentence(exact.text, exact.start, exact.end)
        return Reply(_quoted([(exact, whole)]), "sure", priced=False)
    quotes = _best_sentences(request.passages)
    if not quotes or request.confidence == "unknown":
        return Reply((Part(_refusal(request)),), "unknown")
    if request.confidence == "hedged":
        return Reply((Part(HEDGE), *_quoted(_in_reading_order(quotes))), "hedged")
    return Reply(_quoted(_in_reading_order(quotes)), "sure")


Quote = tuple[Passage, Sentence]


def _best_sentences(passages: Sequence[Passage]) -> list[Quote]:
    """The best sentence and the few that are nearly as good, best first."""
    ranked = sorted(
        ((passage, one) for passage in passages for one in passage.sentences),
        key=lambda quote: -quote[1].score,  # equal ones stay in the passages' order
    )
    best: list[Quote] = []
    said: set[str] = set()
    for passage, sentence in ranked:
        words = " ".join(sentence.text.casefold().split())
        if words in said:
            continue
        if best and sentence.score < AS_GOOD * best[0][1].score:
            break
        said.add(words)
        best.append((passage, sentence))
        if len(best) == MOST_QUOTES:
            break
    return best


def _in_reading_order(quotes: list[Quote]) -> list[Quote]:
    """The best first, then the others as they stand in their documents. Only the
    sentence just before the best goes before it."""
    best, *others = quotes
    order = list(dict.fromkeys(passage.document_id for passage, _ in quotes))
    others.sort(key=lambda quote: (order.index(quote[0].document_id), quote[1].start))
    before = [quote for quote in others if _adjoin(quote, best)]
    return [*before, best, *(quote for quote in others if quote not in before)]


def _adjoin(first: Quote, second: Quote) -> bool:
    passage, sentence = first
    if passage is not second[0]:
        return False
    at = passage.sentences.index(sentence)
    return passage.sentences[at + 1 : at + 2] == (second[1],)


def _quoted(quotes: Sequence[Quote]) -> tuple[Part, ...]:
    """The quotes with their numbers: one for each version of a source, from 1."""
    numbers: dict[tuple[int, int], int] = {}
    parts: list[Part] = []
    for passage, sentence in quotes:
        source = (passage.source_id, passage.document_version)
        number = numbers.setdefault(source, len(numbers) + 1)
        citation = Citation(
            index=number,
            chunk_id=passage.chunk_id,
            source_id=passage.source_id,
            document_id=passage.document_id,
            document_version=passage.document_version,
            title=passage.title,
            url=passage.url,
            start=sentence.start,
            end=sentence.end,
            quote=sentence.text,
        )
        space = " " if parts else ""
        parts.append(Part(f"{space}{sentence.text} [{number}]", citation))
    return tuple(parts)


def _refusal(request: Request) -> str:
    """The agent's own words for "I don't know", and where one might look."""
    said = [request.fallback_message.strip()]
    near = dict.fromkeys(one.title for one in request.passages if one.score >= NEAR)
    titles = [f"“{title}”" for title in list(near)[:2]]
    if titles:
        said.append(f"The nearest I have is {' and '.join(titles)}.")
    if not _OFFERED.search(request.fallback_message.casefold()):
        said.append(OFFER)
    return " ".join(filter(None, said))


def _last_message(request: Request) -> str:
    users = (turn.text for turn in reversed(request.turns) if turn.role == "user")
    return next(users, "")


def _tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_A_TOKEN)
