import pytest

from knowledge.kinds import answers, wanted
from knowledge.questions import dependence, readings


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ("Do you ship heavy boxes to Canada?", "none"),
        ("How long does it take?", "strong"),
        ("And how much does it cost?", "strong"),
        ("What about Portland?", "strong"),
        ("And sleeping bags?", "strong"),
        ("Until when?", "strong"),
        ("Is there parking?", "weak"),
        ("Is it possible to pay several instalments online?", "none"),
    ],
)
def test_dependence(turn: str, expected: str) -> None:
    assert dependence(turn) == expected


def test_a_first_turn_stands_alone() -> None:
    (question,) = readings(["How long does it take?"])

    assert question.text == "How long does it take?"
    assert not question.carries


def test_a_third_turn_leans_on_the_first() -> None:
    (question,) = readings(
        [
            "Do you ship to Canada?",
            "How long does it take?",
            "And how much does it cost?",
        ]
    )

    assert question.text == "Do you ship to Canada? And how much does it cost?"
    assert question.wanted == "money"
    assert question.weights["cost"] > question.weights["canada"]


def test_another_name_takes_the_place_of_the_former() -> None:
    (question,) = readings(["When is the Seattle shop open?", "What about Portland?"])

    assert question.wanted == "time"
    assert question.weights["portland"] > question.weights["seattl"]


def test_a_new_topic_is_first_read_alone() -> None:
    first, *_ = readings(
        ["Do you ship to Canada?", "How long does it take?", "Any student discount?"]
    )

    assert first.text == "Any student discount?"


def test_a_greeting_before_the_question_is_left_out() -> None:
    (question,) = readings(["Hi there, do you ship to Canada?"])

    assert question.text == "do you ship to Canada?"


@pytest.mark.parametrize(
    "turns", [[], [""], ["?!"], ["", " "], ["😀"], ["x" * 100_000]]
)
def test_odd_turns_do_no_harm(turns: list[str]) -> None:
    assert all(len(question.text) <= 600 for question in readings(turns))


@pytest.mark.parametrize(
    ("question", "kind", "right", "wrong"),
    [
        ("How much is it?", "money", "It costs $12.", "It is blue."),
        ("How long does it take?", "duration", "5 to 9 business days", "In 2019."),
        ("When do you close?", "time", "At 6 p.m.", "In the middle."),
        ("What is your phone number?", "phone", "Call 1-800-555-0142.", "Call us."),
        ("Who leads the clinic?", "person", "It is led by Aisha Khan.", "we do"),
    ],
)
def test_kinds(question: str, kind: str, right: str, wrong: str) -> None:
    assert wanted(question) == kind
    assert answers(right, wanted(question))
    assert not answers(wrong, wanted(question))
