import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.chunking import ANSWER_SIZE, CHUNK_SIZE, answer_chunks, chunks

POLICY = """# Delivery

We ship on weekdays.

## Canada

Delivery takes 5 to 9 business days. It costs $12.

## Prices

| Country | Price |
| --- | --- |
| Canada | $12 |
| Mexico | $22 |

Please bring with you:

- a photo ID
- your order number
"""


def sentences_of(text: str) -> list[tuple[str, str]]:
    return [
        (piece.heading, text[start:end])
        for piece in chunks(text)
        for start, end in piece.sentences
    ]


def test_it_works() -> None:
    assert sentences_of(POLICY) == [
        ("Delivery", "We ship on weekdays."),
        ("Delivery > Canada", "Delivery takes 5 to 9 business days."),
        ("Delivery > Canada", "It costs $12."),
        ("Delivery > Prices > Country, Price", "Canada | $12"),
        ("Delivery > Prices > Country, Price", "Mexico | $22"),
        (
            "Delivery > Prices",
            "Please bring with you:\n\n- a photo ID\n- your order number",
        ),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Delivery\n========\n\nIn a week.",
        "**Delivery**\nIn a week.",
        "Delivery\n\nIn a week.",
    ],
    ids=["underlined", "bold", "alone on its line"],
)
def test_headings_without_hashes(text: str) -> None:
    assert sentences_of(text) == [("Delivery", "In a week.")]


def test_a_line_that_asks_stands_over_its_answer() -> None:
    text = "Q: Do you ship to Canada?\nA: We do.\n\nWhat does it cost?\nTwelve dollars."

    assert [(heading, said) for heading, said in sentences_of(text)] == [
        ("Do you ship to Canada?", "A: We do."),
        ("What does it cost?", "Twelve dollars."),
    ]


def test_a_short_line_with_a_figure_is_a_fact_and_no_heading() -> None:
    assert ("", "Monday 9-17") in sentences_of(
        "Monday 9-17\n\nWe are closed on Sunday."
    )


def test_headings_alone_can_be_quoted() -> None:
    assert sentences_of("# Open all day\n") == [("", "# Open all day")]


def test_windows_line_ends_change_nothing() -> None:
    before = [said.replace("\r\n", "\n") for _, said in sentences_of(POLICY)]
    after = [
        said.replace("\r\n", "\n")
        for _, said in sentences_of(POLICY.replace("\n", "\r\n"))
    ]

    assert after == before


def test_long_sections_are_cut_between_sentences() -> None:
    text = "# Terms\n\n" + "The goods stay ours until they are paid for. " * 60

    pieces = chunks(text)

    assert len(pieces) > 3
    assert all(piece.end - piece.start <= CHUNK_SIZE for piece in pieces)
    assert {piece.heading for piece in pieces} == {"Terms"}


def test_a_short_answer_is_quoted_whole() -> None:
    (piece,) = answer_chunks("  Yes. We ship there.\nIt takes a week. ")

    assert piece.sentences == ((2, 38),)


def test_a_longer_answer_is_one_chunk_of_sentences() -> None:
    answer = "We ship there in a week or two. " * 30

    (piece,) = answer_chunks(answer)

    assert len(answer) < ANSWER_SIZE
    assert len(piece.sentences) == 30


@pytest.mark.parametrize("row", ["| a | b |", "| |", "|"])
def test_a_table_ends_what_a_sentence_introduces(row: str) -> None:
    text = f"Bring:\n{row}\n- a photo ID"

    assert ("", "Bring:") in sentences_of(text)
    assert ("", "a photo ID") in sentences_of(text)


PARTS = st.sampled_from(
    [
        "# Heading", "## Under", "\n", "\n\n", "\r\n", "- item", "1. first",
        "| a | b |",
        "| --- | --- |", "---", "===", "Title", "Is it so?", "Q: why?", "A: so.",
        "We pay $4.50, e.g. at 2 p.m. Pacific time.", "x" * 450, "word " * 200, "😀",
        "日本語です。はい。", "  ", "\t", "Bring:", "**Bold**", "\u2028", "\x85", "\0",
    ]
)  # fmt: skip


@settings(deadline=None)
@given(st.one_of(st.text(max_size=400), st.lists(PARTS, max_size=20).map(" ".join),
                 st.lists(PARTS, max_size=20).map("\n".join)))  # fmt: skip
def test_spans_are_true_and_cover_everything(text: str) -> None:
    for pieces in (chunks(text), answer_chunks(text)):
        covered = set()
        last_end = 0
        for number, piece in enumerate(pieces):
            assert piece.ordinal == number
            assert last_end <= piece.start < piece.end <= len(text)
            last_end = piece.end
            covered.update(range(piece.start, piece.end))
            at = piece.start
            for start, end in piece.sentences:
                assert at <= start < end <= piece.end
                assert text[start:end] == text[start:end].strip()
                at = end
        missed = {at for at, char in enumerate(text) if not char.isspace()} - covered
        assert not missed, [text[at] for at in missed]


@pytest.mark.timeout(100)
@pytest.mark.parametrize(
    "line",
    [
        "x",
        "# ",
        "| ",
        "|   :",
        "- ",
        "a b ",
        "**",
        "?",
        ". ",
        "e.g. ",
        "\n",
        "1",
        "=",
        "A: ",
    ],
)
def test_a_hostile_text_takes_no_longer(line: str) -> None:
    text = line * (300_000 // len(line)) + "!"

    assert chunks(text)[-1].end == len(text)
