"""The embedded engine and tools: it calls by example, and answers from results."""

from dataclasses import replace
from typing import Any

import pytest

from agents.engine.base import (
    Citation,
    Finish,
    TextDelta,
    ToolCall,
    ToolResult,
    ToolSpec,
    Turn,
    Usage,
)
from tests.agents.test_embedded import events_of, passage, request, text_of

STATUS = ToolSpec(
    name="order_status",
    description="Where an order is.",
    parameters={
        "type": "object",
        "properties": {"number": {"type": "string", "pattern": "^[0-9]{4,8}$"}},
        "required": ["number"],
    },
    examples=("Where is my order {number}?",),
    reply="Order {input.number} is {output.status}.",
)
ASKED = Turn("user", "Where is my order 1234?")
CALL = ToolCall("call_1", "order_status", {"number": "1234"})
CALLED = Turn("assistant", "", calls=(CALL,))


def came_back(output: Any) -> Turn:
    return Turn("tool", "", results=(ToolResult("call_1", "order_status", output),))


def of(*turns: Turn, tools: list[ToolSpec] | None = None) -> Any:
    asked = request(passage(0.9))
    return replace(asked, turns=list(turns), tools=[STATUS] if tools is None else tools)


def test_it_works() -> None:
    call, usage, finish = events_of(of(ASKED))

    assert isinstance(call, ToolCall)
    assert (call.name, call.input) == ("order_status", {"number": "1234"})
    assert call.id.startswith("call_")
    assert isinstance(usage, Usage)
    assert usage.estimated
    assert finish == Finish("tool_calls", "embedded", "embedded", confidence=None)
    assert isinstance(finish, Finish)
    assert finish.priced


def test_every_call_has_an_id_of_its_own() -> None:
    ids = {events_of(of(ASKED))[0].id for _ in range(20)}  # type: ignore[union-attr]
    assert len(ids) == 20
    assert all(len(one) <= 80 for one in ids)


def test_off_unless_configured() -> None:
    silent = replace(STATUS, examples=())
    for tools in ([], [silent]):
        assert text_of(events_of(of(ASKED, tools=tools))) == "We ship to Canada. [1]"


def test_other_questions_are_answered_as_ever() -> None:
    events = events_of(of(Turn("user", "Where is my order?")))
    assert text_of(events) == "We ship to Canada. [1]"
    assert not [event for event in events if isinstance(event, ToolCall)]


def test_the_result_is_worded_by_the_tool() -> None:
    events = events_of(of(ASKED, CALLED, came_back({"status": "on its way"})))

    assert text_of(events) == "Order 1234 is on its way."
    assert [event.text for event in events if isinstance(event, TextDelta)][0] == (
        "Order "
    )
    assert events[-1] == Finish("stop", "embedded", "embedded", confidence=None)
    assert not [event for event in events if isinstance(event, Citation)]


def test_a_result_of_another_shape_is_read_out() -> None:
    events = events_of(of(ASKED, CALLED, came_back({"state": "lost"})))
    assert text_of(events) == "State: lost"


def test_a_result_of_a_tool_that_is_gone_is_read_out() -> None:
    events = events_of(of(ASKED, CALLED, came_back({"status": "sent"}), tools=[]))
    assert text_of(events) == "Status: sent"


@pytest.mark.parametrize("more", [(), (Turn("user", "Where is my order 5678?"),)])
def test_a_result_is_never_followed_by_another_call(more: tuple[Turn, ...]) -> None:
    events = events_of(of(ASKED, CALLED, came_back({"status": "sent"}), *more))

    assert text_of(events).startswith("Order 1234 is sent.")
    assert not [event for event in events if isinstance(event, ToolCall)]


def test_a_message_that_comes_with_the_result_is_answered_too() -> None:
    past = (ASKED, CALLED, came_back({"status": "sent"}))

    events = events_of(of(*past, Turn("user", "Do you ship to Canada?")))
    assert text_of(events) == "Order 1234 is sent.\n\nWe ship to Canada. [1]"
    assert len([event for event in events if isinstance(event, Citation)]) == 1

    assert text_of(events_of(of(*past, Turn("user", "thanks!")))) == (
        "Order 1234 is sent."
    )


def test_once_the_result_was_told_the_tool_can_be_called_again() -> None:
    told = Turn("assistant", "Order 1234 is sent.")
    past = (ASKED, CALLED, came_back({"status": "sent"}), told)

    events = events_of(of(*past, Turn("user", "Where is my order 5678?")))

    assert isinstance(events[0], ToolCall)
    assert events[0].input == {"number": "5678"}


def test_a_call_that_was_abandoned_does_not_stop_the_next() -> None:
    events = events_of(of(ASKED, CALLED, Turn("user", "Where is my order 5678?")))
    assert isinstance(events[0], ToolCall)


def test_a_result_counts_toward_the_limit() -> None:
    asked = of(ASKED, CALLED, came_back("x " * 900))
    events = events_of(replace(asked, max_output_tokens=2))
    assert text_of(events) == "x x x x "
    assert isinstance(events[-1], Finish)
    assert events[-1].reason == "length"
