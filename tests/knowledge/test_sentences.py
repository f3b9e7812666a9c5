import pytest

from knowledge.sentences import SENTENCE_SIZE, is_question, sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def test_it_works() -> None:
    assert split("We ship daily. Orders over $75 ship free!  Really? Yes.") == [
        "We ship daily.",
        "Orders over $75 ship free!",
        "Really?",
        "Yes.",
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "It costs $4.50 per kg, e.g. for apples.",
        "Ask Dr. Smith or Mr. J. Jones about No. 5.",
        "Orders placed before 2 p.m. Pacific time leave the same day.",
        "Write to help@shop.example or see shop.example/help for more.",
        "It weighs approx. 3 kg.",
        'He said "Stop!" and went on.',
    ],
)
def test_one_sentence_stays_one(sentence: str) -> None:
    assert split(sentence) == [sentence]


def test_a_sentence_may_end_with_an_abbreviation() -> None:
    assert split("We close at 6 p.m. The bar stays open.") == [
        "We close at 6 p.m.",
        "The bar stays open.",
    ]


def test_wrapped_lines_are_one_sentence_and_short_lines_several() -> None:
    wrapped = "This sentence was wrapped by an editor at a column of about\nsixty."
    assert split(wrapped) == [wrapped]
    assert split("Mon: 9-5\nTue: 9-6") == ["Mon: 9-5", "Tue: 9-6"]


def test_a_line_without_punctuation_is_cut() -> None:
    parts = split("word " * 400)

    assert all(len(part) <= SENTENCE_SIZE for part in parts)
    assert " ".join(parts) == ("word " * 400).strip()


def test_other_scripts() -> None:
    assert split("今日は。元気です！") == ["今日は。", "元気です！"]
    assert split("We ship 😀. Every day 🚚!") == ["We ship 😀.", "Every day 🚚!"]


def test_questions_are_told() -> None:
    assert is_question("Found it cheaper?")
    assert is_question('"Really?"')
    assert not is_question("Yes.")
