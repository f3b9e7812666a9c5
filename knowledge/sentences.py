"""The sentences of running text, by span, and whether one asks."""

import re

SENTENCE_SIZE = 400  # a longer "sentence" is a line without punctuation: cut it

Span = tuple[int, int]


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """The sentences between two offsets, without the white space around them."""
    end = len(text) if end is None else end
    spans: list[Span] = []
    left = start
    for match in _STOP.finditer(text, start, end):
        if match.start() >= left and _ends_sentence(text, left, match, end):
            spans += _cut(text, left, match.end())
            left = match.end()
    return spans + _cut(text, left, end)


def is_question(sentence: str) -> bool:
    """Whether a sentence asks; it is then context for an answer, not one itself."""
    return sentence.rstrip("\"'”’)*_ ").endswith(("?", "？"))


def trim(text: str, start: int, end: int) -> Span:
    """The span without white space at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


# Each run of stops is tried once only: a page of question marks must not take minutes.
_STOP = re.compile(
    r"(?<![.!?…])[.!?…]++[\"'”’)\]*_]*+(?=\s)|[。！？]+[”’」』）]*|\r\n|\n|\r"
)
_NEVER_LAST = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|viz|approx|ca|mr|mrs|ms|dr|prof|st|mt|gen|sen|rep|fig|"
    r"jr|sr|al|dept|tel|ext|max|min|nos?|vol|pp?|art|sec|para|"
    r"jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)|(?:\A|[\s(.])[A-Za-z])\.\Z",
    re.IGNORECASE,
)
# After these a sentence may go on, with a capital too: "2 p.m. Pacific time".
_MAYBE_LAST = re.compile(
    r"\b(?:[ap]\.m|etc|inc|ltd|co|corp|u\.s|u\.k|e\.u|u\.s\.a|ph\.d)\.\Z",
    re.IGNORECASE,
)
_STARTER = re.compile(
    r"[\s\"'“‘(]*(?:the|a|an|we|you|your|our|i|my|he|she|his|her|they|their|it|its|if|"
    r"this|that|these|those|there|in|on|at|for|to|from|after|before|by|with|as|when|"
    r"where|please|all|each|every|no|not|any|some|most|orders?|call|once|then|but|and|"
    r"or|so|also|however|do|does|is|are|can|may|see|use|only|outside|until|since)\b",
    re.IGNORECASE,
)
_HARD_LINE = 50  # a line shorter than this was ended by its writer, not by wrapping


def _ends_sentence(text: str, left: int, match: re.Match[str], end: int) -> bool:
    stop = match[0]
    rest = text[match.end() : min(end, match.end() + 40)]
    after = rest.lstrip()
    if not after or stop[0] in "。！？":
        return True
    if stop[0] in "\r\n":
        line = text.rfind("\n", left, match.start()) + 1
        short = match.start() - max(line, left) < _HARD_LINE
        return short and not after[0].islower() and after[0] not in ",;)"
    if stop[0] in "!?":
        # 'He said "Stop!" and went on.'
        return len(stop) == 1 or not after[0].islower()
    if stop[0] == "…":
        return not after[0].islower()
    if after[0].islower():
        return False
    before = text[max(left, match.start() - 12) : match.start() + 1]
    if _MAYBE_LAST.search(before):
        return bool(_STARTER.match(rest))
    return not _NEVER_LAST.search(before)


def _cut(text: str, start: int, end: int) -> list[Span]:
    """One sentence, or its parts where it is too long to quote."""
    spans: list[Span] = []
    start, end = trim(text, start, end)
    while end - start > SENTENCE_SIZE:
        window = text[start : start + SENTENCE_SIZE]
        half = SENTENCE_SIZE // 2
        at = max(window.rfind(mark, half) + 1 for mark in "\n;；，、,")
        at = at or window.rfind(" ", half) + 1 or SENTENCE_SIZE
        spans.append(trim(text, start, start + at))
        start, end = trim(text, start + at, end)
    return [*spans, (start, end)] if start < end else spans
