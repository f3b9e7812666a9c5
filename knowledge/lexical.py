"""Words: what of a text counts as a term, and BM25 over the terms of chunks."""

import math
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import Stemmer
from numpy.typing import NDArray

K1 = 1.2
B = 0.75

_local = threading.local()  # a Stemmer must not be shared between threads
_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

# Words that ask, join or point, and so say nothing about what is meant.
_STOP_WORDS = """
a about above after again all also am an and any anybody anyone anything are as at
be because been before being but by can cannot could did do does doing done for from
get gets getting give go going got had has have having he hello her here hers hey hi
him his how i if in into is it its itself just know let like may maybe me might mine
must my myself of off ok okay on or other our ours out over per please
possible really said say see shall she should so some somebody someone something
such tell thank thanks than that the their theirs them then there these they thing
things this those to too under up us very want wants was we well were what whats
when where which while who whom whose why will with would yes yet you your yours
yourself dont doesnt didnt isnt arent wasnt cant couldnt wont wouldnt shouldnt
im ive id ill youre youve theyre thats theres hows wheres whos lets
somewhere anywhere everywhere seem seems seemed often ever never always still
until since
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())

# Words of a question that an answer need not repeat.
_LIGHT_WORDS = """
available bring come comes company detail details different exactly find happen
happens info information kind long look looking make many method methods much need offer
offers option options people policy policies provide question questions sort take
takes taken took thing try type usually use using way ways work works
"""
LIGHT_WORDS = frozenset(_LIGHT_WORDS.split())


def words(text: str) -> list[str]:
    """The words of a text in small letters, without accents and apostrophes."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    found = []
    for word in _WORD.findall(
        _JOINED.sub(r"\1\2", unicodedata.normalize("NFC", plain))
    ):
        if len(word) > 1 and not word.isascii() and _CJK.search(word):
            found += list(word)
            continue
        if word.endswith(("'s", "’s")):
            word = word[:-2]
        found.append(word.replace("'", "").replace("’", ""))
    return found


def terms(text: str) -> list[str]:
    """The stems that count, in order; every stem if none does."""
    everything = words(text)
    content = [word for word in everything if word not in STOP_WORDS]
    return [stem(word) for word in content or everything]


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    stemmer = getattr(_local, "stemmer", None)
    if stemmer is None:
        stemmer = _local.stemmer = Stemmer.Stemmer("english")
    return stemmer.stemWord(word)


class Bm25:
    """Which of an agent's chunks speak of given terms, and how much so."""

    def __init__(self, texts: Sequence[Iterable[str]]) -> None:
        counts = [Counter(terms_) for terms_ in texts]
        lengths = np.array([max(1, c.total()) for c in counts], dtype=np.float32)
        self.size = len(counts)
        average = float(lengths.mean()) if self.size else 1.0
        self._damping = K1 * (1 - B + B * lengths / average)
        postings: dict[str, list[tuple[int, int]]] = {}
        for at, count in enumerate(counts):
            for term, times in count.items():
                postings.setdefault(term, []).append((at, times))
        self._postings: dict[str, NDArray[np.int32]] = {
            term: np.array(pairs, dtype=np.int32).T for term, pairs in postings.items()
        }
        # For a term that no chunk has: rarer than any that occurs once.
        self.top_idf = _idf(0, self.size)

    def idf(self, term: str) -> float:
        found = self._postings.get(term)
        return _idf(found.shape[1], self.size) if found is not None else self.top_idf

    def knows(self, term: str) -> bool:
        return term in self._postings

    def scores(self, weighted: dict[str, float]) -> NDArray[np.float32]:
        """A score for each chunk, nought where no term occurs."""
        total = np.zeros(self.size, dtype=np.float32)
        for term, weight in sorted(weighted.items()):
            found = self._postings.get(term)
            if found is None:
                continue
            at, times = found
            gain = times * (K1 + 1) / (times + self._damping[at])
            total[at] += weight * self.idf(term) * gain
        return total

    @property
    def nbytes(self) -> int:
        return sum(a.nbytes + 160 for a in self._postings.values())


def _idf(holders: int, size: int) -> float:
    return math.log(1 + (size - holders + 0.5) / (holders + 0.5))


_JOINED = re.compile(r"\b(e)-(mails?|mailed|mailing)\b")
