"""How sure the search is that a passage answers, and not merely resembles."""

import math
from dataclasses import astuple

from agents.engine.base import Confidence
from knowledge.index import Signs

SURE = 0.8
SURE_BY_WORDS = 0.9  # words alone mislead more often
HEDGED = 0.35
# Below this cosine the sentence may share all the words and still be about something
# else: never sure.
NEAR_ENOUGH = 0.4

# Logistic weights for the fields of Signs, and the bias. How they were fitted, and on
# what: docs/decisions/010-answers-are-quotes.md.
_WITH_MEANING = (-0.16, 1.19, 0.59, 1.41, 1.06, -1.18, -1.31, 1.65, 0.04, -1.05, 2.23)
_WITH_MEANING_BIAS = -0.82
_BY_WORDS = (0.0, 0.0, 0.0, 1.31, 1.21, -1.78, -0.8, 1.24, 0.22, -1.54, 0.0)
_BY_WORDS_BIAS = -0.07


def verdict(signs: Signs, *, semantic: bool) -> tuple[Confidence, float]:
    """How sure, and the chance that the best sentence answers the question."""
    chance = probability(signs, semantic=semantic)
    if semantic:
        sure = chance >= SURE and signs.sentence_cosine >= NEAR_ENOUGH
    else:
        sure = chance >= SURE_BY_WORDS
    if sure:
        return "sure", chance
    return ("hedged" if chance >= HEDGED else "unknown"), chance


def probability(signs: Signs, *, semantic: bool) -> float:
    """How likely the best sentence answers the question."""
    weights = _WITH_MEANING if semantic else _BY_WORDS
    total = _WITH_MEANING_BIAS if semantic else _BY_WORDS_BIAS
    total += sum(w * sign for w, sign in zip(weights, astuple(signs), strict=True))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))
