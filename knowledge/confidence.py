"""How sure the search is that a passage answers, and not merely resembles."""

import math
from dataclasses import astuple

from agents.engine.base import Confidence
from knowledge.index import Signs

SURE = 0.5
HEDGED = 0.2

# Logistic weights for the fields of Signs, fitted on XQuAD with the source that
# answers taken away for a part of the questions: see docs/decisions.
_WITH_MEANING = (0.3, 3.84, 0.0, 3.24, 1.69, -2.13, 0.26, 0.04, 0.0)
_WITH_MEANING_BIAS = -5.1
_BY_WORDS = (0.0, 0.0, 0.0, 4.21, 2.9, -2.71, 1.31, 0.04, 0.0)
_BY_WORDS_BIAS = -4.89


def probability(signs: Signs, *, semantic: bool) -> float:
    """How likely the best sentence answers the question."""
    weights = _WITH_MEANING if semantic else _BY_WORDS
    total = _WITH_MEANING_BIAS if semantic else _BY_WORDS_BIAS
    total += sum(w * sign for w, sign in zip(weights, astuple(signs), strict=True))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def verdict(chance: float) -> Confidence:
    if chance >= SURE:
        return "sure"
    return "hedged" if chance >= HEDGED else "unknown"
