from knowledge.aliases import expansions, meant
from knowledge.lexical import Bm25, stem, terms


def test_terms() -> None:
    assert terms("Do you ship the company's e-mails to Zürich at 9:00 for $4.50?") == [
        "ship", "compani", "email", "zurich", "9:00", "4.50",
    ]  # fmt: skip


def test_a_question_of_small_words_keeps_them() -> None:
    assert terms("who are you") == ["who", "are", "you"]


def test_other_scripts_have_terms() -> None:
    assert terms("日本語") == ["日", "本", "語"]


def test_bm25_prefers_the_rarer_word() -> None:
    bm25 = Bm25([terms(text) for text in ("ship goods", "ship kayaks", "ship goods")])

    scores = bm25.scores(dict.fromkeys(terms("ship kayaks"), 1.0))

    assert scores.argmax() == 1
    assert bm25.scores({"unheard": 1.0}).max() == 0


def test_bm25_of_nothing() -> None:
    assert Bm25([]).scores({"ship": 1.0}).size == 0


def test_words_of_one_meaning() -> None:
    assert stem("deliver") in expansions("Do you ship to Canada?")["ship"]
    assert "ship" not in expansions("Do you ship to Canada?")["ship"]


def test_phrases_mean_words_even_with_others_between() -> None:
    assert "return" in meant("Can I send the boots back?")
    assert "refund" in meant("I want my money back")
    assert "return" not in meant("Send it to me by the door at the back")
