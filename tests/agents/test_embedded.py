import asyncio
import time
from dataclasses import replace

import pytest

from agents.engine.base import (
    Citation,
    EngineError,
    Event,
    Finish,
    Passage,
    Request,
    Sentence,
    TextDelta,
    Turn,
    Usage,
)
from agents.engine.embedded import HEDGE, EmbeddedEngine

TEXT = "We ship to Canada. It takes 5 days. It costs $12. We like dogs."


def passage(*scores: float, source: int = 1, text: str = TEXT) -> Passage:
    sentences = []
    at = 0
    for score, part in zip(scores, text.split(". "), strict=False):
        said = part.rstrip(".") + "."
        sentences.append(Sentence(said, at, at + len(said), score))
        at += len(said) + 1
    return Passage(
        chunk_id=source * 10,
        source_id=source,
        document_id=source * 100,
        document_version=1,
        title=f"Source {source}",
        url=None,
        text=text,
        start=0,
        end=len(text),
        score=max(scores),
        sentences=tuple(sentences),
    )


def request(*passages: Passage, asked: str = "Do you ship to Canada?") -> Request:
    return Request(
        turns=[Turn("user", asked)],
        passages=list(passages),
        confidence="sure",
        instructions="",
        fallback_message="I don't know that one.",
        deadline=time.monotonic() + 60,
    )


def events_of(request: Request) -> list[Event]:
    async def collect() -> list[Event]:
        return [event async for event in EmbeddedEngine(pace=0).stream(request)]

    return asyncio.run(collect())


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_it_works() -> None:
    events = events_of(request(passage(0.9, 0.3)))

    assert [event.text for event in events if isinstance(event, TextDelta)] == [
        "We ", "ship ", "to ", "Canada. ", "[1]",
    ]  # fmt: skip
    assert events[-3] == Citation(
        index=1,
        chunk_id=10,
        source_id=1,
        document_id=100,
        document_version=1,
        title="Source 1",
        url=None,
        start=0,
        end=18,
        quote="We ship to Canada.",
    )
    assert isinstance(events[-2], Usage)
    assert events[-2].estimated
    assert events[-1] == Finish("stop", "embedded", "embedded", confidence="sure")


def test_sentences_nearly_as_good_follow() -> None:
    events = events_of(request(passage(0.8, 0.2, 0.9, 0.79)))

    assert text_of(events) == (
        "It costs $12. [1] We ship to Canada. [1] We like dogs. [1]"
    )


def test_the_sentence_just_before_the_best_stays_before_it() -> None:
    events = events_of(request(passage(0.2, 0.8, 0.9)))

    assert text_of(events) == "It takes 5 days. [1] It costs $12. [1]"


def test_three_sentences_at_most() -> None:
    assert text_of(events_of(request(passage(0.9, 0.9, 0.9, 0.9)))).count("[1]") == 3


def test_what_two_sources_say_in_the_same_words_is_said_once() -> None:
    events = events_of(request(passage(0.9), passage(0.89, source=2)))

    assert text_of(events) == "We ship to Canada. [1]"


def test_sources_are_numbered_in_the_order_of_their_use() -> None:
    other = passage(0.88, source=7, text="Canada is far.")

    events = events_of(request(passage(0.9, 0.85), other))

    assert text_of(events) == (
        "We ship to Canada. [1] It takes 5 days. [1] Canada is far. [2]"
    )
    cited = [event for event in events if isinstance(event, Citation)]
    assert [(one.index, one.source_id) for one in cited] == [(1, 1), (1, 1), (2, 7)]
    assert all(
        {1: TEXT, 7: "Canada is far."}[one.source_id][one.start : one.end] == one.quote
        for one in cited
    )


def test_a_doubt_is_said() -> None:
    events = events_of(replace(request(passage(0.9, 0.3)), confidence="hedged"))

    assert text_of(events) == f"{HEDGE}We ship to Canada. [1]"
    assert isinstance(events[-1], Finish)
    assert events[-1].confidence == "hedged"


def test_what_it_does_not_know() -> None:
    unsure = replace(
        request(passage(0.6), passage(0.1, source=2)), confidence="unknown"
    )

    events = events_of(unsure)

    assert text_of(events) == (
        "I don't know that one. The nearest I have is “Source 1”."
        " Would you like to talk to a person?"
    )
    assert not [event for event in events if isinstance(event, Citation)]


def test_a_person_is_not_offered_twice() -> None:
    own = "Sorry. Our team can help: call 555-0100."

    events = events_of(replace(request(), confidence="unknown", fallback_message=own))

    assert text_of(events) == own


def test_an_exact_answer_is_given_whole_and_free() -> None:
    exact = replace(passage(0.2, 0.2), answer_exact=True)

    events = events_of(request(exact, passage(0.9, source=2)))

    assert text_of(events) == f"{TEXT} [1]"
    assert isinstance(events[-1], Finish)
    assert not events[-1].priced


def test_small_talk_needs_no_source() -> None:
    events = events_of(request(passage(0.9), asked="Hello!"))

    assert text_of(events) == "Hello! What would you like to know?"
    assert isinstance(events[-1], Finish)
    assert events[-1].confidence is None
    assert events[-1].priced


def test_how_to_reach_a_person_is_quoted_where_a_source_says_it() -> None:
    asked = request(passage(0.9), asked="I want to talk to a human")

    assert text_of(events_of(asked)) == "We ship to Canada. [1]"
    assert "a person on the team" in text_of(
        events_of(replace(asked, confidence="unknown"))
    )


def test_a_short_limit_ends_the_reply() -> None:
    events = events_of(replace(request(passage(0.9)), max_output_tokens=2))

    assert text_of(events) == "We ship "
    assert isinstance(events[-1], Finish)
    assert events[-1].reason == "length"
    assert not [event for event in events if isinstance(event, Citation)]


def test_a_passed_deadline_is_an_error() -> None:
    with pytest.raises(EngineError) as raised:
        events_of(replace(request(passage(0.9)), deadline=time.monotonic() - 1))

    assert raised.value.kind == "timeout"
    assert not raised.value.after_output


def test_others_run_between_two_words() -> None:
    async def turns() -> list[str]:
        seen: list[str] = []

        async def speak(name: str) -> None:
            engine = EmbeddedEngine(pace=0)
            async for event in engine.stream(request(passage(0.9))):
                if isinstance(event, TextDelta):
                    seen.append(name)

        await asyncio.gather(speak("a"), speak("b"))
        return seen

    assert asyncio.run(turns()) == ["a", "b"] * 5
