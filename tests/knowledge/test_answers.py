"""The whole way from sources to sentences, without a database."""

from collections.abc import Callable

import pytest
from pytest_django import Settings

from bench.answers.corpus import FALLBACK, entries, reply_to
from knowledge.index import AgentIndex
from knowledge.search import Found, ask

SOURCES = [
    {
        "title": "Shipping",
        "text": """# Shipping

We pack orders from Monday to Friday.

## Canada

Delivery to Canada takes 5 to 9 business days. Shipping to Canada costs $12.

## Mexico

Delivery to Mexico takes 7 to 12 business days. Shipping to Mexico costs $22.
""",
    },
    {
        "title": "Returns",
        "text": "You may return unused items within 60 days for a full refund.\n\n"
        "Boots that have been worn outdoors cannot be returned.",
    },
    {
        "title": "Shops",
        "text": "| Shop | Open |\n| --- | --- |\n| Seattle | 9:00 to 19:00 |\n"
        "| Portland | 10:00 to 18:00 |",
    },
    {"question": "Do gift cards expire?", "answer": "No. Gift cards never expire."},
    {
        "question": "How do I reset my password?",
        "answer": "Choose “Forgot password” and type your e-mail address.",
    },
]

Asker = Callable[..., tuple[str, Found]]


@pytest.fixture(scope="module")
def index() -> AgentIndex:
    return AgentIndex(entries(SOURCES))


@pytest.fixture(params=["on", "off"], ids=["with the model", "words only"])
def asker(
    request: pytest.FixtureRequest, index: AgentIndex, settings: Settings
) -> Asker:
    settings.BOOKBAG_EMBEDDING = request.param
    return lambda *turns: answer(index, *turns)


def answer(index: AgentIndex, *turns: str) -> tuple[str, Found]:
    return reply_to(index, list(turns)).text, ask(index, turns)


def test_it_works(asker: Asker) -> None:
    text, found = asker("How long does delivery to Mexico take?")

    assert text.startswith("Delivery to Mexico takes 7 to 12 business days. [1]")
    assert found.confidence == "sure"


def test_a_conversation_keeps_its_topic(asker: Asker) -> None:
    turns = ["Do you ship to Canada?"]
    assert "Canada" in asker(*turns)[0]
    turns += ["How long does it take?"]
    assert asker(*turns)[0].startswith("Delivery to Canada takes 5 to 9 business days.")
    turns += ["And how much does it cost?"]
    assert asker(*turns)[0].startswith("Shipping to Canada costs $12.")
    turns += ["What about Mexico?"]
    assert "Shipping to Mexico costs $22." in asker(*turns)[0]


def test_a_new_topic_leaves_the_old_one(asker: Asker) -> None:
    text, found = asker(
        "Do you ship to Canada?", "How long does it take?", "Do gift cards expire?"
    )

    assert text == "No. Gift cards never expire. [1]"
    assert found.passages[0].answer_exact


def test_everyday_words(asker: Asker) -> None:
    assert "within 60 days" in asker("Can I send something back?")[0]


def test_a_row_of_a_table(asker: Asker) -> None:
    text, _ = asker("When is the Portland shop open?")

    assert "Portland | 10:00 to 18:00 [1]" in text
    assert "Seattle" not in text


def test_a_yes_or_no_question_is_answered_by_a_quote(asker: Asker) -> None:
    assert "cannot be returned" in asker("Can I return worn boots?")[0]


@pytest.mark.parametrize(
    "question",
    [
        "Who is your chief executive?",
        "Do you sell mountain bikes?",
        "What is the capital of France?",
        "Write me a poem about the sea",
        "asdf qwer",
        "?",
        "日本語で話せますか",
        "😀😀😀",
    ],
)
def test_what_is_not_known_is_declined(asker: Asker, question: str) -> None:
    text, found = asker(question)

    assert found.confidence == "unknown"
    assert text.startswith(FALLBACK)


def test_quotes_stand_where_they_say(asker: Asker) -> None:
    _, found = asker("How long does delivery to Canada take?")

    texts = [source.get("text") or source["answer"] for source in SOURCES]
    for passage in found.passages:
        text = texts[passage.document_id - 1]
        assert passage.text == text[passage.start : passage.end]
        for sentence in passage.sentences:
            assert sentence.text == text[sentence.start : sentence.end]


def test_the_same_question_has_the_same_answer(index: AgentIndex) -> None:
    question = "How much is shipping to Mexico?"
    first = ask(index, [question])
    again = AgentIndex(list(index.entries))

    assert all(ask(again, [question]) == first for _ in range(3))


def test_a_query_is_only_words(asker: Asker) -> None:
    for turn in ("ship* OR (a", "'; DROP TABLE", "%s {} \\", "[1]", "x" * 50_000):
        asker(turn)


def test_words_only_is_said(index: AgentIndex, settings: Settings) -> None:
    assert not ask(index, ["Do you ship to Canada?"]).degraded
    settings.BOOKBAG_EMBEDDING = "off"
    assert ask(index, ["Do you ship to Canada?"]).degraded


def test_sources_without_vectors_are_searched_by_words(settings: Settings) -> None:
    settings.BOOKBAG_EMBEDDING = "off"
    bare = AgentIndex(entries(SOURCES))
    settings.BOOKBAG_EMBEDDING = "on"

    found = ask(bare, ["How long does delivery to Canada take?"])

    assert found.degraded
    assert found.confidence == "sure"


def test_an_agent_without_sources() -> None:
    found = ask(AgentIndex([]), ["Do you ship to Canada?"])

    assert (found.passages, found.confidence) == ([], "unknown")
