"""Which tool a message asks for, by the examples that a tool comes with.

A call that nobody meant may do harm; one that is not made costs a sentence. So a
message must say what an example says, in its words and their order, with nothing added
but courtesies, and each `{slot}` must hold a value of its kind. Likeness of meaning is
no measure: by the embeddings of search, "Don't tell me where order 1234 is" is nearer
to "Where is order 1234?" (.96) than "Has order 1234 shipped yet?" is (.70).
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from agents.engine import schemas, slots
from agents.engine.base import ToolSpec
from agents.engine.schemas import Flaw

LONGEST = 300  # characters: whoever writes more says more than an example
MOST_WORDS = 60
MOST_SLOTS = 5
WIDEST = 6  # words that a value may have

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    name: str


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text. `last` says that punctuation ends a part with it."""

    word: str
    start: int
    end: int
    last: bool


class Message:
    """A message taken apart: its words, and where the matter may begin and end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.starts = _starts(self.tokens)
        self.ends = _ends(self.tokens)

    def said(self, start: int, end: int) -> str:
        """The text of the words from start to end."""
        return self.text[self.tokens[start].start : self.tokens[end - 1].end]

    def marks_names(self, start: int, end: int) -> bool:
        """Whether a capital in these words tells a name: not at the beginning of a
        sentence, nor where other words have one too."""
        rest = [
            token
            for at, token in enumerate(self.tokens)
            if not (start <= at < end or token.word == "i" or self._begins(at))
        ]
        return not self._begins(start) and not any(
            self.text[token.start].isupper() for token in rest
        )

    def _begins(self, at: int) -> bool:
        if at and self.tokens[at - 1].start == self.tokens[at].start:
            at -= 1  # the second half of "What's"
        return at == 0 or self.tokens[at - 1].last


def call_for(
    tools: Sequence[ToolSpec], message: str
) -> tuple[str, dict[str, object]] | None:
    """The name of the tool that the message asks for, and what to call it with. None
    where nothing is asked for, or it may be one of two things."""
    if len(message) > LONGEST:
        return None
    heard = Message(message)
    if len(heard.tokens) > MOST_WORDS:
        return None
    found: dict[str, tuple[str, dict[str, object]]] = {}
    for tool in tools:
        for example in tool.examples:
            try:
                filled = _read(heard, tool, example)
            except Flaw:  # it was never checked: then it is no example
                continue
            if filled is not None:
                key = json.dumps([tool.name, filled], sort_keys=True)
                found[key] = (tool.name, filled)
    return found.popitem()[1] if len(found) == 1 else None


def check_example(example: str, parameters: dict[str, Any]) -> None:
    """Raises Flaw where no message could ever be read by the example."""
    pattern = parse(example)
    properties = parameters.get("properties", {})
    names = [part.name for part in pattern if isinstance(part, Slot)]
    said = f"“{example}”"
    if len(names) == len(pattern):
        raise Flaw(f"{said} needs a word of its own beside slots and courtesies.")
    if len(names) > MOST_SLOTS or len(set(names)) < len(names):
        raise Flaw(f"{said} may have {MOST_SLOTS} slots, each of them once.")
    for one, other in zip(pattern, pattern[1:], strict=False):
        if isinstance(one, Slot) and isinstance(other, Slot):
            raise Flaw(
                f"{said} needs a word between {{{one.name}}} and {{{other.name}}}."
            )
    for name in names:
        if name not in properties:
            raise Flaw(f"{said} has a slot {{{name}}} that is no parameter.")
        if slots.reader(parameters, properties[name]) is None:
            raise Flaw(
                f"{said}: {{{name}}} cannot be read from a message. Make it an integer,"
                " a number, an enum, or a string with a pattern, with a format out of"
                f" {', '.join(slots.FORMATS)}, or with neither."
            )
    for name in parameters.get("required", []):
        if name not in names:
            raise Flaw(f"{said} has no slot {{{name}}}, which is required.")


@lru_cache(maxsize=4096)
def parse(example: str) -> tuple[str | Slot, ...]:
    """The words that count and the slots of an example. Raises Flaw."""
    pattern: list[str | Slot] = []
    for at, part in enumerate(_SLOT.split(example)):
        if at % 2:
            pattern.append(Slot(part))
        elif "{" in part or "}" in part:
            raise Flaw(f"“{example}”: a slot is written {{name}}.")
        else:
            words = (token.word for token in _tokens(part))
            pattern += [word for word in words if word not in _COURTESIES]
    return tuple(pattern)


def _read(message: Message, tool: ToolSpec, example: str) -> dict[str, object] | None:
    """The tool's input, if the message says the example."""
    pattern = parse(example)
    properties = tool.parameters.get("properties")
    if not isinstance(properties, dict):
        properties = {}
    readers: dict[str, slots.Reader] = {}
    for part in pattern:
        if isinstance(part, Slot):
            reader = slots.reader(tool.parameters, properties.get(part.name))
            if reader is None:
                return None
            readers[part.name] = reader
    match = _Match(message, pattern, readers)
    for start in message.starts:
        filled = match.from_(0, start)
        if filled is not None:
            return None if schemas.problems(tool.parameters, filled) else filled
    return None


class _Match:
    """An attempt to lay an example over a message, each pair of places tried once."""

    def __init__(
        self,
        message: Message,
        pattern: tuple[str | Slot, ...],
        readers: dict[str, slots.Reader],
    ) -> None:
        self.message = message
        self.tokens = message.tokens
        self.pattern = pattern
        self.readers = readers
        self.failed: set[tuple[int, int]] = set()

    def from_(self, part: int, at: int) -> dict[str, object] | None:
        if (part, at) in self.failed:
            return None
        filled = self._try(part, at)
        if filled is None:
            self.failed.add((part, at))
        return filled

    def _try(self, part: int, at: int) -> dict[str, object] | None:
        if part == len(self.pattern):
            return {} if at in self.message.ends else None
        if at == len(self.tokens):
            return None
        wanted = self.pattern[part]
        if isinstance(wanted, Slot):
            for end in self._spans(at):
                value = self._value(wanted, at, end)
                rest = None if value is None else self.from_(part + 1, end)
                if rest is not None:
                    return {wanted.name: value, **rest}
        elif self.tokens[at].word == wanted:
            rest = self.from_(part + 1, at + 1)
            if rest is not None:
                return rest
        if self.tokens[at].word in _COURTESIES:
            return self.from_(part, at + 1)
        return None

    def _spans(self, at: int) -> Iterator[int]:
        """Where a value that begins here may end, the nearest first."""
        for end in range(at + 1, min(at + WIDEST, len(self.tokens)) + 1):
            yield end
            if self.tokens[end - 1].last:
                return

    def _value(self, slot: Slot, at: int, end: int) -> object:
        reader = self.readers[slot.name]
        if reader is slots.name and not self.message.marks_names(at, end):
            reader = slots.code
        return reader(self.message.said(at, end))


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    for found in _TOKEN.finditer(text):
        raw = found[0]
        if not any(char.isalnum() for char in raw):  # a dash, a smile
            if tokens:
                tokens[-1] = replace(tokens[-1], last=True)
            continue
        start = found.start() + len(raw) - len(raw.lstrip(_BEFORE))
        end = found.end() - (len(raw) - len(raw.rstrip(_AFTER)))
        word = text[start:end].casefold().replace("’", "'")
        last = end < found.end()
        *first, rest = _SHORT.get(word, (word,))
        # "where's" is two words in one place.
        tokens += [Token(one, start, end, last=False) for one in first]
        tokens.append(Token(rest, start, end, last))
    return tokens


def _starts(tokens: list[Token]) -> list[int]:
    """Where the matter may begin: at once, or after courtesies."""
    starts = [0]
    for start in starts:
        for opening in _OPENINGS:
            end = start + len(opening)
            if end not in starts and _words(tokens, start, end) == opening:
                starts.append(end)
    return starts


def _ends(tokens: list[Token]) -> set[int]:
    ends = [len(tokens)]
    for end in ends:
        for closing in _CLOSINGS:
            start = end - len(closing)
            if start not in ends and _words(tokens, start, end) == closing:
                ends.append(start)
    return set(ends)


def _words(tokens: list[Token], start: int, end: int) -> Words:
    return tuple(token.word for token in tokens[max(start, 0) : end])


_SLOT = re.compile(r"\{([A-Za-z0-9_.-]{1,60})\}")
_TOKEN = re.compile(r'"[^"\n]{1,100}"|“[^”\n]{1,100}”|[^\s"“”]+')
_BEFORE = "([<'‘¿¡*"
_AFTER = ")]>'’.,;:!?…*"
# They change nothing wherever they stand. "I" and "not" would.
_COURTESIES = frozenset(["a", "an", "the", "my", "our", "please", "kindly"])
_OPENINGS: list[Words] = [
    tuple(phrase.split())
    for phrase in (
        *("hi", "hello", "hey", "hi there", "hello there", "hey there", "dear team"),
        *("good morning", "good afternoon", "good evening", "good day"),
        *("ok", "okay", "so", "well", "sorry", "excuse me", "thanks", "thank you"),
        *("a", "an", "the", "my", "our", "please", "kindly"),
        *("can you", "could you", "would you", "tell me", "let me know", "help me"),
        *("i want to", "i want you to", "i need to", "i need you to"),
        *("i would like to", "i would like you to", "i would like to know"),
        *("i want to know", "i need to know", "i wish to", "go ahead and"),
    )
]
_CLOSINGS: list[Words] = [
    tuple(phrase.split())
    for phrase in (
        *("please", "thanks", "thank you", "thx", "cheers", "thanks in advance"),
        *("thank you very much", "thanks a lot", "for me", "now", "right now"),
    )
]
_ASKING = ("what", "where", "who", "when", "how")
_SHORT: dict[str, Words] = {
    **{f"{word}'s": (word, "is") for word in _ASKING},
    **{f"{word}s": (word, "is") for word in ("what", "where", "who")},
    "i'd": ("i", "would"),
}
