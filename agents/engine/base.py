"""What goes into an engine and what comes out. No Django here, and no sibling.

An engine is a guest: it gets turns and passages, and gives events. The retriever
stands outside, so every engine answers from the same passages and its citations
can be checked against them.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, Protocol

# "system" is Bookbag's own word; "context" is what an application has posted in its
# place, to be known and not obeyed: a provider is told of it as of a user's words.
Role = Literal["user", "assistant", "system", "context", "tool"]
Confidence = Literal["sure", "hedged", "unknown"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The engine asks for a tool to be run with `input`."""

    id: str
    name: str
    input: dict[str, object]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came back from the call of that id: any JSON."""

    call_id: str
    name: str
    output: object


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier or present turn of the conversation, oldest first in a list.

    `calls` are what an assistant's turn asked for beside its text; `results` are all
    that a tool's turn has to say.
    """

    role: Role
    text: str
    calls: tuple[ToolCall, ...] = ()
    results: tuple[ToolResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Sentence:
    """A quotable piece of a passage: `text` is exactly `document[start:end]`.

    `score` ranks sentences of one search against each other; it has no unit.
    """

    text: str
    start: int
    end: int
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that the search found, best first in a list.

    `start` and `end` are code points in the document's text. `answer_exact` is set
    for a Q&A source whose question is, in effect, the one asked: then `text` is the
    whole answer.
    """

    chunk_id: int
    source_id: int
    document_id: int
    document_version: int
    title: str
    url: str | None
    text: str
    start: int
    end: int
    score: float
    sentences: tuple[Sentence, ...] = ()
    answer_exact: bool = False


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool that the engine may call.

    An engine without a language model goes by `examples`, what users say when they
    want it with a `{slot}` for each value ("Where is order {number}?"), and words the
    outcome by `reply` ("It is {output.status}.").
    """

    name: str
    description: str
    parameters: dict[str, object]  # JSON Schema
    examples: tuple[str, ...] = ()
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """Everything an engine may know about the reply it is to make.

    `confidence` is the retriever's verdict on the passages; `deadline` is a reading
    of `time.monotonic()`.
    """

    turns: list[Turn]
    passages: list[Passage]
    confidence: Confidence
    instructions: str
    fallback_message: str
    deadline: float
    language: str = "en"
    agent_name: str = ""
    temperature: float | None = None
    max_output_tokens: int = 1024
    tools: list[ToolSpec] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class Citation:
    """`index` is the n of `[n]` in the answer; `quote` is `document[start:end]`."""

    index: int
    chunk_id: int
    source_id: int
    document_id: int
    document_version: int
    title: str
    url: str | None
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Usage:
    input_tokens: int
    output_tokens: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event. `priced` is False where no credit is due: small talk costs
    as much as any reply, an exact Q&A answer nothing."""

    reason: Literal["stop", "length", "tool_calls"]
    engine: str
    model: str
    confidence: Confidence | None = None
    priced: bool = True


Event = TextDelta | Citation | ToolCall | Usage | Finish


class EngineError(Exception):
    """A reply that could not be made, or not to its end.

    `after_output` says whether text had already gone out when it failed.
    """

    def __init__(
        self,
        kind: Literal[
            "auth",
            "rate_limit",
            "timeout",
            "unavailable",
            "bad_request",
            "context_length",
        ],
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        after_output: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retryable = retryable
        self.retry_after = retry_after
        self.after_output = after_output


class Engine(Protocol):
    name: str

    def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        """Events in order; exactly one `Finish`, last, unless EngineError is raised.
        Closing the iterator releases whatever the engine holds."""
        ...
