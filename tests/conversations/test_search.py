"""Messages are found by their words, on both databases alike."""

import random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Agent
from conversations.models import Conversation, Message, ReplyStatus
from conversations.search import has_words, readable_messages
from tests.conftest import make_workspace
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db

SAID = {
    "canada": "Delivery to CANADA takes two days.",
    "days": "Two weeks, then a few days in Canada!",
    "umlaut": "Äpfel und Größe; ÉCOLE, Москва, ΑΘΉΝΑ.",
    "dotted": "See www.example.com/returns?id=7 or write to help@example.com.",
    "joined": "A state-of-the-art e-mail_address, it's 3.14 and 12-34.",
    "markup": "<b>bold</b> &amp; <script>alert('x')</script>",
    "words": "and or not near select",
    "hindi": "नमस्ते दुनिया",
    "emoji": "fine 👍🏽 thanks",
    "empty": "",
}


@pytest.fixture
def talk(workspace: Workspace, agent: Agent) -> Conversation:
    return Conversation.objects.create(workspace=workspace, agent=agent)


@pytest.fixture
def said(talk: Conversation) -> dict[str, Message]:
    return {name: say(talk, text) for name, text in SAID.items()}


def say(talk: Conversation, text: str, **fields: object) -> Message:
    return Message.objects.create(
        workspace_id=talk.workspace_id,
        conversation=talk,
        text=text,
        **{"role": "user", **fields},
    )


def found(workspace: Workspace, words: str) -> set[str]:
    texts = {text: name for name, text in SAID.items()}
    return {texts[one.text] for one in readable_messages(workspace.pk, words)}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("canada", {"canada", "days"}),
        ("CaNaDa", {"canada", "days"}),
        ("two days", {"canada", "days"}),
        # No word to PostgreSQL, and in none of the messages.
        ("½", set()),
        ("①", set()),
        ("\u0301", set()),
        ("days   two\tCANADA", {"canada", "days"}),
        ('"two days"', {"canada"}),
        ('"TWO  days"', {"canada"}),
        ('delivery "two days', {"canada"}),
        ('weeks"two days"', set()),
        ("day", set()),
        ("äpfel", {"umlaut"}),
        ("ÄPFEL GRÖSSE", set()),
        ("ÄPFEL GRÖßE", {"umlaut"}),
        ("apfel", set()),
        ("école", {"umlaut"}),
        ("МОСКВА", {"umlaut"}),
        ("αθήνα", {"umlaut"}),
        ("नमस्ते", {"hindi"}),
        ("example", {"dotted"}),
        ("example.com", {"dotted"}),
        ("help@example.com", {"dotted"}),
        ("returns", {"dotted"}),
        ("state-of-the-art", {"joined"}),
        ("art state", {"joined"}),
        ("mail", {"joined"}),
        ("e-mail_address", {"joined"}),
        ("it's", {"joined"}),
        ("3.14", {"joined"}),
        ("34", {"joined"}),
        ("alert script", {"markup"}),
        ("amp bold", {"markup"}),
        ("or", {"dotted", "words"}),
        ("NOT near AND", {"words"}),
        ("thanks👍fine", {"emoji"}),
        ("nobody said that", set()),
    ],
)
def test_finds_what_has_all_the_words(
    workspace: Workspace, said: dict[str, Message], words: str, names: set[str]
) -> None:
    assert found(workspace, words) == names


@pytest.mark.parametrize(
    "words",
    [
        *("", " ", '"', '""', '" "', '"""', "*", "-", ":", "()", "NEAR(", "👍", "'"),
        *('"*"', "^", "+", "{}", "\\", "%", "_", "?", ";--", "\x01", "\x7f", "--"),
    ],
)
def test_what_has_no_words_finds_nothing_and_breaks_nothing(
    workspace: Workspace, said: dict[str, Message], words: str
) -> None:
    if words != "NEAR(":
        assert not has_words(words)
    assert found(workspace, words) == ({"words"} if words == "NEAR(" else set())


@pytest.mark.parametrize(
    "words",
    [
        *(
            "canada*",
            "-canada",
            "canada:",
            "text:canada",
            "^canada",
            "NEAR(canada two)",
        ),
        *(
            "canada AND",
            "OR canada",
            "NOT canada",
            "(canada",
            'canada"',
            "canada' OR 1",
        ),
        *("workspace_id:1", "canada {text} : x", "canada & !two", "canada <-> two"),
        *("canada:*", "'canada'", "#1", "canada\\", "can%ada", "🙂canada", "𞤀 canada"),
        *("a " * 100, '"' * 99 + "canada", "canada " * 25, "\ufffd", "\u200b", "ﷺ"),
    ],
)
def test_operators_are_no_operators(
    workspace: Workspace, said: dict[str, Message], words: str
) -> None:
    """None of it is an error, or reaches another workspace."""
    assert found(workspace, words) <= set(SAID)


def test_a_star_and_a_hyphen_mean_nothing(
    workspace: Workspace, said: dict[str, Message]
) -> None:
    assert found(workspace, "canad*") == set()
    assert found(workspace, "-canada") == {"canada", "days"}
    assert found(workspace, "text:canada") == set()


def test_random_text_is_never_an_error(
    workspace: Workspace, said: dict[str, Message]
) -> None:
    chance = random.Random(3)
    alphabet = 'canada two""*-:()^+{}\'\\%#&|!<>~@,;\t é𞤀\u0301\u200d'
    for _ in range(150):
        found(workspace, "".join(chance.choices(alphabet, k=chance.randrange(40))))


def test_other_workspaces_are_not_searched(
    workspace: Workspace, said: dict[str, Message]
) -> None:
    stranger = make_workspace("Stranger")
    theirs = Agent.objects.create(workspace=stranger, name="Theirs")
    talk = Conversation.objects.create(workspace=stranger, agent=theirs)
    hers = say(talk, f"Canada, and #{workspace.pk} {workspace.pk}")
    assert list(readable_messages(stranger.pk, "canada")) == [hers]
    assert found(workspace, "canada") == {"canada", "days"}
    assert found(workspace, f"canada #{workspace.pk}") == set()


def test_only_what_readers_are_shown_is_found(
    workspace: Workspace, talk: Conversation
) -> None:
    answers = {"role": "assistant"}
    shown = say(talk, "canada", **answers)
    partial = say(talk, "canada", **answers, status=ReplyStatus.PARTIAL)
    say(talk, "canada", **answers, status=ReplyStatus.FAILED)
    say(talk, "canada", role="system")
    say(talk, "canada", hidden_at=timezone.now())
    say(
        talk,
        "canada",
        **answers,
        status=ReplyStatus.STREAMING,
        lease_expires_at=timezone.now(),
    )
    assert set(readable_messages(workspace.pk, "canada")) == {shown, partial}


def test_a_reply_is_found_when_it_is_complete_and_as_it_is_then(
    workspace: Workspace, talk: Conversation
) -> None:
    reply = say(
        talk,
        "",
        role="assistant",
        status=ReplyStatus.STREAMING,
        lease_expires_at=timezone.now(),
    )
    mine = Message.objects.filter(pk=reply.pk)
    mine.update(text="Delivery to")
    mine.update(text="Delivery to Mexico")
    assert not readable_messages(workspace.pk, "delivery").exists()
    mine.update(text="Delivery to Mexico City", status=ReplyStatus.COMPLETE)
    assert list(readable_messages(workspace.pk, "delivery city")) == [reply]
    mine.update(feedback="positive")
    assert list(readable_messages(workspace.pk, "delivery city")) == [reply]
    mine.update(text="Nowhere")
    assert not readable_messages(workspace.pk, "delivery").exists()
    assert list(readable_messages(workspace.pk, "nowhere")) == [reply]
    mine.delete()
    assert not readable_messages(workspace.pk, "nowhere").exists()


def test_a_whole_row_saved_again_is_found_once(
    workspace: Workspace, talk: Conversation
) -> None:
    message = say(talk, "canada")
    for _ in range(3):
        message.save()
    assert list(readable_messages(workspace.pk, "canada")) == [message]


def test_very_long_texts_can_be_stored(
    workspace: Workspace, talk: Conversation
) -> None:
    """PostgreSQL refuses a row whose words take more than a megabyte."""
    words = (f"{chr(0x10000 + number)}ü{number}" for number in range(150_000))
    message = say(talk, "begin " + "-".join(words) + " x" * 3_000)
    say(talk, "y" * 1_000_000)
    assert list(readable_messages(workspace.pk, "begin")) == [message]


def test_a_word_is_asked_for_once(workspace: Workspace) -> None:
    """A hundred times the same one was seconds of work for a database."""
    again = " ".join(["parcel", "Parcel", '"my parcel"'] * 20)
    with CaptureQueriesContext(connection) as queries:
        list(readable_messages(workspace.pk, again))
    assert queries[0]["sql"].lower().count("parcel") <= 4  # two tests of two words


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's has no choice")
def test_the_index_answers(workspace: Workspace, talk: Conversation) -> None:
    Message.objects.bulk_create(
        Message(
            workspace=workspace,
            conversation=talk,
            role="user",
            text=f"common words {number}",
        )
        for number in range(2_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE conversations_message")
    plan = readable_messages(workspace.pk, "common 77").explain()
    assert "message_words" in plan, plan
