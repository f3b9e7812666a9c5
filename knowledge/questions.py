"""What a person asks, read with what was asked before.

"Do you ship to Canada?" - "How long does it take?" - "And how much does it cost?": the
third question means nothing alone. No model rewrites it here: the words of the turns
that it leans on are carried along, with less weight than its own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from knowledge.aliases import expansions
from knowledge.kinds import Wanted, wanted
from knowledge.lexical import LIGHT_WORDS, STOP_WORDS, stem, terms, words

Dependence = Literal["none", "weak", "strong"]

OWN_WEIGHT = 1.5  # the last turn's own words count for more than carried ones
CARRIED_WEIGHT = 1.0
REPLACED_WEIGHT = 0.5  # "What about Portland?": the former name may no longer hold
PASSING_WEIGHT = 0.4  # dependent turns between the topic and the last turn
LIGHT_WEIGHT = 0.25
LONGEST = 600  # characters of one turn that are read: the model sees no more
REMEMBERED = 8  # turns


@dataclass(frozen=True, slots=True)
class Question:
    """A question made to stand alone.

    `texts` are the forms to search with; `meanings` the forms whose vectors a
    sentence is compared with; `weights` its stems with what each counts for, and
    `aliases` the stems that may stand in for them.
    """

    text: str
    own: str
    texts: tuple[str, ...]
    meanings: tuple[str, ...]
    weights: dict[str, float]
    aliases: dict[str, frozenset[str]]
    names: frozenset[str]
    wanted: Wanted
    carried: frozenset[str] = frozenset()  # stems of earlier turns only

    @property
    def carries(self) -> bool:
        return len(self.meanings) > 1


def readings(turns: Sequence[str]) -> list[Question]:
    """How the last turn may be meant, likeliest first: alone, or with what it leans on.

    A turn that plainly leans on another ("And for how long?") has one reading; so has
    one that plainly does not.
    """
    turns = [_tidy(turn) for turn in turns[-REMEMBERED:]]
    turns = [turn for turn in turns[:-1] if words(turn)] + turns[-1:]
    if not turns:
        return []
    last = turns[-1]
    leaning = dependence(last)
    if len(turns) == 1 or leaning == "none":
        return [_alone(last)]
    carried = _carried(turns)
    return [carried] if leaning == "strong" else [_alone(last), carried]


def dependence(turn: str) -> Dependence:
    """Whether a turn leans on the ones before it."""
    content = _content(turn)
    opened = bool(_CONTINUES.match(turn))
    points = bool(_POINTS.search(_EXPLETIVE.sub(" ", turn)))
    if opened and len(content) <= 4:
        return "strong"
    if points and len(content) <= 3:
        return "strong"
    if not content:
        return "strong"
    if opened or points or len(content) <= 2:
        return "weak"
    return "none"


def _alone(turn: str) -> Question:
    return Question(
        text=turn,
        own=turn,
        texts=(turn,),
        meanings=(turn,),
        weights={term: _light(term) for term in _content(turn)},
        aliases=expansions(turn),
        names=_names(turn),
        wanted=wanted(turn),
    )


def _carried(turns: Sequence[str]) -> Question:
    last = turns[-1]
    earlier = turns[:-1]
    topic = next(
        (at for at in range(len(earlier) - 1, -1, -1) if _stands(earlier[at])), 0
    )
    chain = list(earlier[topic:])
    substitutes = _substitutes(last)
    weights: dict[str, float] = {}
    for at, turn in enumerate(chain):
        if at == 0 or _substitutes(turn):
            weight = REPLACED_WEIGHT if substitutes else CARRIED_WEIGHT
        else:
            weight = CARRIED_WEIGHT if substitutes else PASSING_WEIGHT
        for term in _content(turn):
            weights[term] = max(weight * _light(term), weights.get(term, 0))
    for term in _content(last):
        weights[term] = OWN_WEIGHT * _light(term)
    asked = wanted(last)
    if substitutes and not asked:
        # "And to Mexico?" asks what was asked last.
        asked = next(filter(None, map(wanted, reversed(chain))), "")
    joined = f"{chain[0]} {last}"
    texts = dict.fromkeys(
        (last, f"{chain[-1]} {last}", joined, " ".join([*chain, last]))
    )
    meanings = (f"{chain[-1]} {last}", last) if substitutes else (joined, last)
    return Question(
        text=joined if not substitutes else " ".join([*chain, last]),
        own=last,
        texts=tuple(texts),
        meanings=meanings,
        weights=weights,
        aliases={**expansions(" ".join(chain)), **expansions(last)},
        names=_names(last).union(*map(_names, chain)),
        wanted=asked,
        carried=frozenset(weights) - frozenset(_content(last)),
    )


def _substitutes(turn: str) -> bool:
    """Whether a turn only puts another name into the question before it."""
    rest = _JOINED.sub("", turn, count=1)
    if _ABOUT.match(rest):
        return True
    return rest != turn and len(rest.split()) <= 4 and not _ASKS.match(rest)


def _stands(turn: str) -> bool:
    """Whether a former turn names a topic of its own."""
    return dependence(turn) == "none" or (
        dependence(turn) == "weak" and not _CONTINUES.match(turn)
    )


def _content(turn: str) -> list[str]:
    """The stems that name something: not "how long" and "how much", which only say
    what kind of answer is wanted."""
    plain = _KIND_WORDS.sub(" ", turn)
    if not any(word not in STOP_WORDS for word in words(plain)):
        return []
    return list(dict.fromkeys(terms(plain)))


def _names(turn: str) -> frozenset[str]:
    """Stems of what is written like a name: a capital or a figure inside a sentence."""
    found = _NAME.findall(turn)
    if len(found) > len(turn.split()) / 2:  # Everything In Capitals Tells Nothing
        return frozenset()
    return frozenset(term for name in found for term in terms(name))


def _light(term: str) -> float:
    return LIGHT_WEIGHT if term in _LIGHT_STEMS else 1.0


def _tidy(turn: str) -> str:
    turn = " ".join(turn.split())[:LONGEST]
    return _GREETING.sub("", turn, count=1) or turn


_NAME = re.compile(r"(?<=[\w,] )(?:[A-Z][\w'’]+|\d[\w.,]*)")
_LIGHT_STEMS = frozenset(stem(word) for word in LIGHT_WORDS)
_GREETING = re.compile(
    r"\A(?:(?:hi|hello|hey|good (?:morning|afternoon|evening)|thanks?(?: you)?|"
    r"thank you|thx|ok(?:ay)?|great|perfect|cool|nice|alright|got it)"
    r"(?: there| a lot| so much| very much| again)?\s*[,.!;:–-]+\s*)+(?=\S)",
    re.IGNORECASE,
)
_CONTINUES = re.compile(
    r"\s*(?:and|what about|how about|also|but|or|then|so|why|why not|what if|same for|"
    r"in that case|what else|for how long|since when|really|which one|how so)\b",
    re.IGNORECASE,
)
_JOINED = re.compile(r"\s*(?:and|but|or|so|also|then)\b[\s,]*", re.IGNORECASE)
_ABOUT = re.compile(r"(?:what|how) about\b|same for\b", re.IGNORECASE)
_ASKS = re.compile(
    r"(?:how|what|when|where|who|whose|why|which|is|are|was|were|do|does|did|can|could|"
    r"will|would|should|may|must|have|has|tell|i|we|my)\b",
    re.IGNORECASE,
)
_POINTS = re.compile(
    r"\b(?:it|its|that|this|those|these|they|them|their|he|she|him|her|his|there|"
    r"one|ones|the same|both|either|such)\b",
    re.IGNORECASE,
)
# "Is it possible to …", "what time is it": an "it" that points at nothing.
_EXPLETIVE = re.compile(
    r"\b(?:is|was|will|would) (?:it|there|this) (?=be\b|possible|ok|okay|allowed|free|"
    r"any|an?\b|some|necessary|safe|true|better|required)|\bit(?: i|')s possible|"
    r"\b(?:is|are|was|were) there\b|\bthere (?:is|are)\b|"
    r"\bwhat time is it\b|\bthat (?=i|you|we|is|are|was)|\bthis (?:week|month|year)\b|"
    r"\bone (?=day|week|month|year|hour)",
    re.IGNORECASE,
)
_KIND_WORDS = re.compile(
    r"\bhow (?:much|many|long|soon|often|quickly|fast)\b|"
    r"\bwhat (?:about|time|kind of|sort of)\b|\bhow about\b|"
    r"\btell me (?:more )?about\b",
    re.IGNORECASE,
)
