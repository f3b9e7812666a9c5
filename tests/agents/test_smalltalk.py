import pytest

from agents.engine.smalltalk import answer, kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello!", "greeting"),
        ("hi there", "greeting"),
        ("Good morning 😀", "greeting"),
        ("how are you?", "well_being"),
        ("Thanks a lot!", "thanks"),
        ("ok thank you so much", "thanks"),
        ("Goodbye", "bye"),
        ("are you a robot?", "robot"),
        ("Hi! Are you a real person?", "robot"),
        ("Who are you?", "who"),
        ("What can you do?", "who"),
        ("I want to talk to a human", "human"),
        ("can I please speak with a real person", "human"),
        ("HUMAN", "human"),
        ("ok", "yes"),
    ],
)
def test_it_works(text: str, expected: str) -> None:
    assert kind(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?!",
        "Hi, do you ship to Canada?",
        "Thanks. Where can I park?",
        "ok and how much is it?",
        "Who are you owned by?",
        "Good morning flights",
        "Are your robots waterproof?",
        "Can you help me return an item?",
        "Do you ship to persons in Canada?",
        "Hello Kitty backpack",
    ],
)
def test_a_question_is_not_small_talk(text: str) -> None:
    assert kind(text) is None


def test_it_never_claims_to_be_a_person() -> None:
    assert "not a person" in answer("robot", "Ada")
    assert "Ada" in answer("who", "Ada")
    assert "automated" in answer("human", "")
