"""An agent's chunks in memory, and how they and their sentences rank for a question."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agents.engine.base import Passage, Sentence
from knowledge import embedding
from knowledge.aliases import meant
from knowledge.chunking import PATH_SEPARATOR
from knowledge.kinds import PLAIN, answers
from knowledge.lexical import Bm25, terms, words
from knowledge.questions import Question
from knowledge.sentences import Span, is_question

RRF_K = 10
LISTED = 50  # chunks of each ranking that are fused
KEPT = 5  # passages an engine gets: the answer is among them 99 times in 100
PREFIX = 160  # characters of heading put before a sentence that is embedded
FITS = 0.1  # what a sentence gains by holding the kind of thing that is wanted
PLAINLY_FITS = 0.25
ALIAS = 0.8  # what a word of the same meaning counts for
UNDER_HEADING = 0.6  # what a word counts for that only the heading has
JUST_BEFORE = 0.6  # and one that the sentence before has
AROUND = 0.75  # and one carried from an earlier turn that only the passage has
ELSEWHERE = 0.7  # of its score keeps a sentence without the names the best one says
NEAR = 0.4  # cosine at which a missing word is taken as meant by a sentence
SAME_QUESTION = 0.9  # cosine from which a Q&A source's question is the one asked
LOOKED_UP = 4  # missing words whose meaning is looked for: each costs the model a run


_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Entry:
    """A chunk as the index needs it. Spans are in the document, as start and end."""

    chunk_id: int
    source_id: int
    document_id: int
    document_version: int
    title: str
    url: str | None
    question: str  # of a Q&A source
    heading: str
    text: str
    start: int
    end: int
    spans: tuple[Span, ...]
    vector: NDArray[np.float16] | None = None
    sentence_vectors: NDArray[np.float16] | None = None

    def quote(self, span: Span) -> str:
        return self.text[span[0] - self.start : span[1] - self.start]

    def passage(
        self, sentences: tuple[Sentence, ...], *, exact: bool = False
    ) -> Passage:
        return Passage(
            chunk_id=self.chunk_id,
            source_id=self.source_id,
            document_id=self.document_id,
            document_version=self.document_version,
            title=self.title,
            url=self.url,
            text=self.text,
            start=self.start,
            end=self.end,
            score=max((sentence.score for sentence in sentences), default=0.0),
            sentences=sentences,
            answer_exact=exact,
        )

    @property
    def above(self) -> str:
        """What the chunk stands under, as one line."""
        if self.question:
            return self.question
        names = dict.fromkeys([self.title, *self.heading.split(PATH_SEPARATOR)])
        return PATH_SEPARATOR.join(filter(None, names))

    def lead(self, at: int) -> str:
        """The question that the sentence before this one asks."""
        before = self.quote(self.spans[at - 1]) if at else ""
        return before if is_question(before) else ""

    def embedded_texts(self) -> tuple[str, list[str]]:
        """What is embedded for the chunk and for each of its sentences; for a Q&A
        source one more, its question alone."""
        prefix = self.above[-PREFIX:]
        body = self.text[self.spans[0][0] - self.start :] if self.spans else self.text
        lines = [
            f"{self.lead(at) or prefix}: {self.quote(span)}"
            for at, span in enumerate(self.spans)
        ]
        return f"{prefix}\n{body}", lines + [self.question] * bool(self.question)


@dataclass(frozen=True, slots=True)
class Signs:
    """What tells an answer from a passage that is merely about the same thing."""

    passage_cosine: float = 0.0
    sentence_cosine: float = 0.0
    question_cosine: float = 0.0
    sentence_overlap: float = 0.0
    passage_overlap: float = 0.0
    gap: float = 1.0  # share of the question that the passage neither says nor means
    worst_gap: float = 1.0
    type_fits: float = 0.0
    type_lacks: float = 0.0
    unnamed: float = 0.0  # share of the question that is names the passage lacks
    margin: float = 0.0  # how much nearer the sentence is than the other passages are


@dataclass(frozen=True, slots=True)
class Ranking:
    question: Question
    passages: list[Passage] = field(default_factory=list)
    signs: Signs = field(default_factory=Signs)


class AgentIndex:
    """Never changed once built, so any number of threads may ask it."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = list(entries)
        self._above = [_stems(entry.above) for entry in self.entries]
        texts = [terms(f"{entry.above}\n{entry.text}") for entry in self.entries]
        self._within = [
            frozenset(found) | meant(entry.text) | above
            for found, entry, above in zip(
                texts, self.entries, self._above, strict=True
            )
        ]
        self.bm25 = Bm25(texts)
        self.names = _names(entry.text for entry in self.entries)
        documents = Counter(entry.document_id for entry in self.entries)
        # A Q&A answer of several chunks cannot be given whole.
        self._askable = [
            at
            for at, entry in enumerate(self.entries)
            if entry.question and documents[entry.document_id] == 1
        ]
        with_vectors = [at for at, e in enumerate(self.entries) if e.vector is not None]
        # Mixed rows can occur while sources are indexed again after the model came
        # back; those without a vector are still found by their words.
        self.semantic = bool(with_vectors)
        self._owner, self._matrix = self._vectors(with_vectors)

    @property
    def nbytes(self) -> int:
        texts = sum(len(e.text) * 2 + len(e.spans) * 120 + 1000 for e in self.entries)
        vectors = sum(
            e.sentence_vectors.nbytes
            for e in self.entries
            if e.sentence_vectors is not None
        )
        return texts + vectors + self._matrix.nbytes + self.bm25.nbytes

    def rank(self, question: Question, *, semantic: bool) -> Ranking:
        """The passages for a question, best first, with their sentences scored."""
        top = self._top(question, semantic=semantic)
        if not top:
            return Ranking(question)
        asker = _Asker(self, question, semantic=semantic)
        seen = [asker.read(at, rank) for rank, at in enumerate(top)]
        signs = asker.signs(seen, top)
        passages = [
            self.entries[at].passage(asker.sentences(at, ones))
            for at, ones in zip(top, seen, strict=True)
        ]
        return Ranking(question, passages, signs)

    def asked_exactly(self, question: Question, *, semantic: bool) -> Passage | None:
        """The Q&A source whose question is, in effect, the one asked; its whole
        answer is the passage's text."""
        if question.carries:
            return None
        asked = _stems(question.own)
        best: tuple[float, int] | None = None
        vector = embedding.embed_one(question.own) if semantic else None
        for at in self._askable:
            entry = self.entries[at]
            likeness = float(asked == self._above[at])
            if vector is not None and entry.sentence_vectors is not None:
                cosine = float(entry.sentence_vectors[-1].astype(np.float32) @ vector)
                # Close in meaning is not enough: "cancel" is close to "change".
                same = _jaccard(asked, self._above[at]) >= 0.5 or likeness
                likeness = max(likeness, cosine if same else 0.0)
            if likeness >= SAME_QUESTION and (best is None or likeness > best[0]):
                best = likeness, at
        if best is None:
            return None
        entry = self.entries[best[1]]
        whole = (entry.start, entry.end)
        return entry.passage(
            (Sentence(entry.quote(whole), *whole, score=1.0),), exact=True
        )

    def _top(self, question: Question, *, semantic: bool) -> list[int]:
        fused = np.zeros(len(self.entries))
        for text in question.texts:
            own = set(terms(text))
            weights = {
                term: weight for term, weight in question.weights.items() if term in own
            } or dict.fromkeys(terms(text), 1.0)
            for term in list(weights):
                for other in question.aliases.get(term, ()):
                    weights[other] = max(weights.get(other, 0), 0.5 * weights[term])
            scores = self.bm25.scores(weights)
            _fuse(fused, scores, above=0.0)
            if semantic:
                _fuse(fused, self.cosines(embedding.embed_one(text)), above=0.1)
        order = np.argsort(-fused, kind="stable")[:KEPT]
        return [int(at) for at in order if fused[at] > 0]

    def cosines(self, vector: embedding.Vectors) -> NDArray[np.float32]:
        """How near each chunk is; a Q&A chunk as near as its question is, if nearer."""
        nearest = np.full(len(self.entries), -1, dtype=np.float32)
        np.maximum.at(nearest, self._owner, self._matrix @ vector)
        return nearest

    def _vectors(self, at: list[int]) -> tuple[NDArray[np.int64], embedding.Vectors]:
        owners, rows = [], []
        for n in at:
            entry = self.entries[n]
            owners.append(n)
            rows.append(entry.vector)
            if entry.question and entry.sentence_vectors is not None:
                owners.append(n)
                rows.append(entry.sentence_vectors[-1])
        matrix = np.array(rows, dtype=np.float32).reshape(-1, embedding.SIZE)
        return np.array(owners, dtype=np.int64), matrix


@dataclass(frozen=True, slots=True)
class _Seen:
    """A sentence as one question sees it."""

    score: float
    cosine: float
    overlap: float
    fits: bool
    names: frozenset[str]  # of the question's names, those said here or just before


class _Asker:
    """One question put to one index."""

    def __init__(
        self, index: AgentIndex, question: Question, *, semantic: bool
    ) -> None:
        self.index = index
        self.question = question
        self.semantic = semantic
        self.weights = {
            term: weight * index.bm25.idf(term)
            for term, weight in question.weights.items()
        }
        self.total = sum(self.weights.values()) or 1.0
        # A name must be said: "Delivery to Mexico" is no answer about Canada.
        self.names = question.names | (index.names & self.weights.keys())
        self.named: frozenset[str] = _NOTHING  # names that the best sentence says
        self.wide = question.carried - self.names
        self.plain = question.wanted in PLAIN
        self.fitting = PLAINLY_FITS if self.plain else FITS
        self.meaning: embedding.Vectors | None = None
        if semantic:
            vectors = [embedding.embed_one(text) for text in question.meanings]
            self.meaning = np.mean(vectors, axis=0)

    def read(self, at: int, rank: int) -> list[_Seen]:
        """How each sentence of a chunk scores."""
        index, entry = self.index, self.index.entries[at]
        cosines = self._cosines(entry)
        said = [_stems(entry.quote(span)) for span in entry.spans]
        seen = []
        for n, span in enumerate(entry.spans):
            quote = entry.quote(span)
            # What the sentence before names may be meant by "it" in this one.
            before = said[n - 1] if n else _NOTHING
            overlap = self.overlap(said[n], index._above[at], before, index._within[at])
            fits = answers(quote, self.question.wanted)
            score = 0.5 * cosines[n] + 0.5 * overlap if self.semantic else overlap
            score += 0.15 * (1 - rank / KEPT) + self.fitting * fits
            if is_question(quote) and len(entry.spans) > 1:
                score *= 0.5
            # "It costs $12" is about what was named before; "Mexico is far" is not.
            own = said[n] & index.names
            names = self.names & (said[n] if own else said[n] | before)
            seen.append(_Seen(score, float(cosines[n]), overlap, fits, names))
        return seen

    def sentences(self, at: int, seen: list[_Seen]) -> tuple[Sentence, ...]:
        """The sentences of a chunk as passages carry them."""
        entry = self.index.entries[at]
        return tuple(
            Sentence(entry.quote(span), *span, score=round(self._further(one), 6))
            for span, one in zip(entry.spans, seen, strict=True)
        )

    def overlap(
        self,
        said: frozenset[str],
        above: frozenset[str],
        before: frozenset[str] = _NOTHING,
        around: frozenset[str] = _NOTHING,
    ) -> float:
        """The share of the question's weight that words meet."""
        met = sum(
            weight
            * max(
                self._meets(term, said),
                UNDER_HEADING * self._meets(term, above),
                JUST_BEFORE * self._meets(term, before),
                # What was asked before may be anywhere in the passage.
                AROUND * self._meets(term, around) * (term in self.wide),
            )
            for term, weight in self.weights.items()
        )
        return met / self.total

    def signs(self, scored: list[list[_Seen]], top: list[int]) -> Signs:
        index = self.index
        rank, best = max(
            ((rank, one) for rank, seen in enumerate(scored) for one in seen),
            key=lambda found: found[1].score,
            default=(0, _Seen(0, 0, 0, False, _NOTHING)),
        )
        self.named = best.names
        at = top[rank]
        entry = index.entries[at]
        passage_cosine = question_cosine = 0.0
        if self.meaning is not None:
            passage_cosine = float(index.cosines(self.meaning)[top].max())
            if entry.question and entry.sentence_vectors is not None:
                asked = entry.sentence_vectors[-1].astype(np.float32)
                question_cosine = float(asked @ self.meaning)
        gap, worst, unnamed = self._gaps(at)
        return Signs(
            passage_cosine=passage_cosine,
            sentence_cosine=best.cosine,
            question_cosine=question_cosine,
            sentence_overlap=best.overlap,
            passage_overlap=self.overlap(index._within[at], index._above[at]),
            gap=gap,
            worst_gap=worst,
            type_fits=self.plain * best.fits * best.overlap,
            type_lacks=float(self.plain and not best.fits),
            unnamed=unnamed,
            margin=best.cosine - _others(scored, rank),
        )

    def _further(self, one: _Seen) -> float:
        """The score as a further sentence: beside the price for Canada nobody wants
        that for Mexico."""
        return one.score if self.named <= one.names else one.score * ELSEWHERE

    def _meets(self, term: str, said: frozenset[str]) -> float:
        if term in said:
            return 1.0
        return ALIAS if self.question.aliases.get(term, frozenset()) & said else 0.0

    def _cosines(self, entry: Entry) -> embedding.Vectors:
        if self.meaning is None or entry.sentence_vectors is None:
            return np.zeros(len(entry.spans), dtype=np.float32)
        vectors = entry.sentence_vectors.astype(np.float32)
        cosines = vectors @ self.meaning
        if entry.question:
            return np.maximum(cosines[:-1], cosines[-1])
        return cosines

    def _gaps(self, at: int) -> tuple[float, float, float]:
        """How much of the question the passage neither says nor means: in all, and
        for the word that is missed most, and for names."""
        within = self.index._within[at]
        missing = [term for term in self.weights if not self._meets(term, within)]
        missing.sort(key=lambda term: (-self.weights[term], term))
        entry = self.index.entries[at]
        surface: dict[str, str] = {}
        for word in words(self.question.text):
            surface.setdefault(terms(word)[0], word)
        heaviest = max(self.weights.values(), default=1.0)
        total, worst = 0.0, 0.0
        for n, term in enumerate(missing):
            nearness = 0.0
            # A name that is not said is not meant either: Berlin is near Denver only
            # as a word.
            looked_up = n < LOOKED_UP and term not in self.names
            if self.semantic and entry.sentence_vectors is not None and looked_up:
                meaning = embedding.embed_one(surface.get(term, term))
                vectors = entry.sentence_vectors.astype(np.float32)
                nearness = float((vectors @ meaning).max()) / NEAR
            short = 1 - min(1.0, max(0.0, nearness))
            total += self.weights[term] * short
            worst = max(worst, short * self.weights[term] / heaviest)
        unnamed = sum(self.weights[term] for term in missing if term in self.names)
        return total / self.total, worst, unnamed / self.total


def _others(scored: list[list[_Seen]], rank: int) -> float:
    """The mean of the nearest sentences of the passages that were not chosen."""
    nearest = [
        max(one.cosine for one in seen)
        for other, seen in enumerate(scored)
        if other != rank and seen
    ]
    return float(np.mean(nearest)) if nearest else 0.0


def _names(texts: Iterable[str]) -> frozenset[str]:
    """The stems of words that are never written small."""
    capital: set[str] = set()
    small: set[str] = set()
    for text in texts:
        capital.update(_CAPITAL.findall(text))
        small.update(_SMALL.findall(text))
    return frozenset(
        term for word in capital if word.lower() not in small for term in terms(word)
    )


_CAPITAL = re.compile(r"(?<=[\w,] )[A-Z]\w+")
_SMALL = re.compile(r"\b[a-z]\w+")


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / (len(one | other) or 1)


def _stems(text: str) -> frozenset[str]:
    return frozenset(terms(text)) | meant(text)


def _fuse(
    fused: NDArray[np.float64], scores: NDArray[np.float32], above: float
) -> None:
    """Adds a ranking to the others by reciprocal rank."""
    order = np.argsort(-scores, kind="stable")[:LISTED]
    for rank, at in enumerate(order):
        if scores[at] > above:
            fused[at] += 1 / (RRF_K + rank + 1)
