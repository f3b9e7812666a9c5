"""How results of tools are put into words without a language model."""

from typing import Any

import pytest

from agents.engine.base import ToolCall, ToolResult, ToolSpec, Turn
from agents.engine.results import LONGEST, answer, check_reply, unanswered
from agents.engine.schemas import Flaw

CALL = ToolCall("call_1", "order_status", {"number": "1234"})


def turns(output: object) -> list[Turn]:
    return [
        Turn("user", "Where is order 1234?"),
        Turn("assistant", "", calls=(CALL,)),
        Turn("tool", "", results=(ToolResult("call_1", "order_status", output),)),
    ]


def said(output: object, reply: str = "") -> str:
    return answer(turns(output), [ToolSpec("order_status", "", {}, reply=reply)])


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("It is {output.status}.", "It is on its way."),
        ("Order {input.number}: {output.status}", "Order 1234: on its way"),
        ("{output.parcels.1.carrier} has it.", "UPS has it."),
        ("Stops: {output.stops}.", "Stops: Portland, Boise."),
        ("{output.days} days, paid: {output.paid}", "3 days, paid: yes"),
        ("{output.odd}", "{output.status} {0.__class__}"),
    ],
)
def test_it_works(reply: str, words: str) -> None:
    check_reply(reply)
    output = {
        "status": "on its way",
        "parcels": [{"carrier": "DHL"}, {"carrier": "UPS"}],
        "stops": ["Portland", "Boise"],
        "days": 3,
        "paid": True,
        "odd": "{output.status} {0.__class__}",  # a value is never a template
    }
    assert said(output, reply) == words


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "{output.state}",
        "{output}",
        "{output.status.length}",
        "{output.status.0}",
        "{output.nothing}",
        "{input.size} {output.status}",
        "{output.__class__}",
        "{output.parcels}",
        "{output.pairs}",
    ],
)
def test_where_a_place_is_empty_the_result_is_read_out(reply: str) -> None:
    output: dict[str, Any] = {"status": "on its way", "nothing": None}
    words = "Status: on its way"
    if "pa" in reply:  # Python's own words for objects and lists are nobody's
        output |= {"parcels": [{"id": 7}], "pairs": [[1, 2]]}
        words += "; parcels 1 id: 7; pairs 1: 1, 2"
    assert said(output, reply) == words


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("  It left us today.\n", "It left us today."),
        (42, "42"),
        (False, "No"),
        (None, "Nothing came back."),
        ("", "Nothing came back."),
        ({}, "Nothing came back."),
        ([], "Nothing came back."),
        ({"a": None}, "Nothing came back."),
        (["red", "blue"], "Red, blue"),
        (
            {"orderState": "sent", "tracking_number": "1Z", "days": 2.5},
            "Order state: sent; tracking number: 1Z; days: 2.5",
        ),
        (
            {"carrier": {"name": "UPS", "phones": [1, 2]}, "late": False},
            "Carrier name: UPS; carrier phones: 1, 2; late: no",
        ),
        (
            {"parcels": [{"id": 7}, {"id": 8}]},
            "Parcels 1 id: 7; parcels 2 id: 8",
        ),
        (
            [{"size": "S", "left": 3}, {"size": "M", "left": 0}],
            "- Size: S; left: 3\n- Size: M; left: 0",
        ),
    ],
)
def test_a_result_is_read_out(output: Any, words: str) -> None:
    assert said(output) == words


def test_a_long_or_deep_result_is_cut() -> None:
    assert len(said("x" * 70_000)) == len(said({"a": "x" * 70_000})) == LONGEST
    assert len(said([{"a": "x"}] * 9_000)) == LONGEST
    deep: object = "bottom"
    for _ in range(60):
        deep = {"below": deep}
    assert said(deep) == "Nothing came back."


def test_several_results_are_said_in_order() -> None:
    past = [
        Turn("user", "Track order 1 and 2"),
        Turn("assistant", "", calls=(CALL,)),
        Turn("tool", "", results=(ToolResult("call_1", "one", "first"),)),
        Turn("tool", "", results=(ToolResult("call_2", "two", "second"),)),
    ]
    assert answer(past, []) == "first\nsecond"


def test_results_that_were_answered_are_past() -> None:
    past = [*turns("sent"), Turn("assistant", "It is sent."), Turn("user", "Thanks")]
    assert unanswered(past) == []
    assert [one.output for one in unanswered(turns("sent"))] == ["sent"]
    assert unanswered([]) == []


@pytest.mark.parametrize(
    "reply",
    [
        "{status}",
        "{output.a b}",
        "{output",
        "output}",
        "{}",
        "{output!r}",
        "{output:>9}",
    ],
)
def test_braces_that_are_no_place_are_a_flaw(reply: str) -> None:
    with pytest.raises(Flaw):
        check_reply(reply)
