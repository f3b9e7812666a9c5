"""People take a conversation over, answer in it, hand it back, end it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from agents.engine import base
from agents.models import Agent
from apikeys.models import Access, ApiKey
from conversations import replies, takeover, turns
from conversations.api.shapes import message_json
from conversations.asks import Ask
from conversations.models import (
    Conversation,
    ConversationEvent,
    Message,
    ToolCall,
)
from conversations.replies import Draft
from conversations.turns import Turn
from tests.api.openapi import check_response
from tests.conftest import make_workspace
from tests.conversations.conftest import ScriptedShop
from tests.installation import eventually
from usage.models import LedgerEntry
from workspaces.models import User

MOVES = ["takeover", "handback", "resolve"]


@pytest.fixture
def conversation(agent: Agent) -> Conversation:
    return Conversation.objects.create(workspace_id=agent.workspace_id, agent=agent)


@pytest.fixture
def move(api_key: tuple[ApiKey, str], client: Client) -> Callable[..., Any]:
    """Posts to a conversation's takeover, handback or resolve."""

    def post(conversation: Conversation, where: str, **request: Any) -> Any:
        path = f"/api/v2/agents/{conversation.agent_id}/conversations"
        path += f"/{conversation.pk}/{where}"
        request.setdefault("headers", {"authorization": f"Bearer {api_key[1]}"})
        response = client.post(path, **{"data": b"", "content_type": ""} | request)
        check_response(response, "POST", path)
        return response

    return post


def say(conversation: Conversation, text: str = "Hello?") -> Turn:
    ask = Ask(agent=conversation.agent, text=text, conversation_id=conversation.pk)
    return turns.begin(ask, lease_owner="a process")


def finished(text: str) -> Draft:
    finish = base.Finish("stop", engine="e", model="m")
    return Draft(text=text, journal=[len(text)], finish=finish)


def row(conversation: Conversation) -> dict[str, Any]:
    return Conversation.objects.values().get(pk=conversation.pk)


def shown_of(conversation: Conversation) -> QuerySet[Message]:
    """What every reader is shown of it, in order."""
    return Message.objects.readable().filter(conversation=conversation).order_by("id")


def charged(conversation: Conversation) -> bool:
    return LedgerEntry.objects.filter(conversation_id=conversation.pk).exists()


def kinds(conversation: Conversation) -> list[str]:
    events = ConversationEvent.objects.filter(conversation=conversation)
    return list(events.order_by("seq").values_list("kind", flat=True))


# --- Over HTTP ------------------------------------------------------------------------


def test_a_conversation_is_taken_over_handed_back_and_ended(
    move: Any, conversation: Conversation
) -> None:
    for where, status in [
        ("takeover", "taken_over"),
        ("handback", "ongoing"),
        ("resolve", "ended"),
    ]:
        answer = move(conversation, where)
        assert answer.status_code == 200
        assert answer.json()["data"]["id"] == str(conversation.pk)
        assert answer.json()["data"]["status"] == status
    assert kinds(conversation) == MOVES


@pytest.mark.parametrize("where", MOVES)
def test_doing_it_twice_is_doing_it_once(
    move: Any, conversation: Conversation, where: str
) -> None:
    if where == "handback":
        takeover.take_over(conversation)
    first = move(conversation, where)
    before = row(conversation), kinds(conversation)
    again = move(conversation, where)
    assert again.content == first.content
    assert (row(conversation), kinds(conversation)) == before
    assert before[1].count(where) == 1


def test_handing_back_what_nobody_took_over_changes_nothing(
    move: Any, conversation: Conversation
) -> None:
    assert move(conversation, "handback").json()["data"]["status"] == "ongoing"
    takeover.resolve(conversation)
    assert move(conversation, "handback").json()["data"]["status"] == "ended"
    assert kinds(conversation) == ["resolve"]
    assert not conversation.messages.exists()


@pytest.mark.parametrize("where", MOVES)
def test_the_body_may_be_empty_or_an_object(
    move: Any, conversation: Conversation, where: str
) -> None:
    json = "application/json"
    empty = b'{"unknown": [1]}'
    for data, media_type in [(b"", ""), (b"", json), (b"{}", json), (empty, json)]:
        answer = move(conversation, where, data=data, content_type=media_type)
        assert answer.status_code == 200, (data, media_type)
    for data in (b"[]", b"null", b"1", b"{", b'{"a": NaN}', b"[" * 2000, b"\xff"):
        answer = move(conversation, where, data=data, content_type=json)
        assert answer.status_code == 400, data
        assert answer.json()["error"]["code"] == "VALIDATION_INVALID_BODY"
    answer = move(conversation, where, data=b"a=b", content_type="text/plain")
    assert answer.status_code == 415


@pytest.mark.parametrize("where", MOVES)
def test_only_a_key_that_writes_may(
    move: Any, conversation: Conversation, where: str
) -> None:
    workspace = conversation.workspace
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    before = row(conversation)
    for scope in ({"access": Access.READ}, {"agent": sibling}):
        secret = ApiKey.objects.issue(workspace, label="Less", **scope)[1]
        headers = {"authorization": f"Bearer {secret}"}
        answer = move(
            conversation, where, headers=headers, data=b"{", content_type="a/b"
        )
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "AUTH_INSUFFICIENT_PERMISSIONS"
    assert move(conversation, where, headers={}).status_code == 401
    assert row(conversation) == before


@pytest.mark.parametrize("where", MOVES)
def test_a_foreign_conversation_answers_like_one_that_never_existed(
    client: Client, agent: Agent, api_key: tuple[ApiKey, str], where: str
) -> None:
    sibling = Agent.objects.create(workspace=agent.workspace, name="Sibling")
    foreign = Agent.objects.create(workspace=make_workspace("Other"), name="Foreign")
    others = [
        Conversation.objects.create(workspace_id=one.workspace_id, agent=one).pk
        for one in (sibling, foreign)
    ]
    answers = set()
    for number in (*others, 2**40, 2**63 - 1):
        answer = client.post(
            f"/api/v2/agents/{agent.pk}/conversations/{number}/{where}",
            data=b"{",
            content_type="application/json",
            headers={"authorization": f"Bearer {api_key[1]}"},
        )
        assert answer.status_code == 404
        answers.add(answer.content)
    for name in ("0x1", "١٢", "1_0", "-1", "9" * 5000, "1%00", "1%0a", "true"):
        answer = client.post(
            f"/api/v2/agents/{agent.pk}/conversations/{name}/{where}",
            headers={"authorization": f"Bearer {api_key[1]}"},
        )
        assert answer.status_code == 404, name
    assert len(answers) == 1
    told = ConversationEvent.objects.filter(conversation__in=others)
    assert not told.exists()


# --- What it means --------------------------------------------------------------------


def test_the_bot_is_silent_until_it_is_handed_back(conversation: Conversation) -> None:
    takeover.take_over(conversation)
    turn = say(conversation, "Are you a person?")
    assert turn.message_id is None
    assert [m.text for m in shown_of(conversation)] == ["Are you a person?"]
    takeover.hand_back(conversation)
    assert say(conversation).message_id is not None


def test_a_person_answers_in_the_same_thread(
    conversation: Conversation, owner: User
) -> None:
    with pytest.raises(takeover.NotTakenOver):
        takeover.reply(conversation, author=owner, text="Let me in.")
    takeover.take_over(conversation, actor=owner)
    say(conversation, "Are you a person?")
    said = takeover.reply(conversation, author=owner, text="I am\0.")
    assert list(shown_of(conversation))[-1] == said
    shown = message_json(said)
    assert shown["role"] == "assistant"
    assert shown["parts"] == [{"type": "text", "text": "I am."}]
    assert shown["metadata"]["author"] == "human"
    assert kinds(conversation) == ["takeover", "message", "message"]
    events = conversation.events.order_by("seq")
    assert [event.actor for event in events] == [owner, None, owner]
    assert not charged(conversation)


@pytest.mark.parametrize("leave", [takeover.hand_back, takeover.resolve])
def test_the_bot_is_told_that_a_person_has_answered(
    conversation: Conversation, owner: User, leave: Callable[..., Conversation]
) -> None:
    takeover.take_over(conversation, actor=owner)
    said = takeover.reply(conversation, author=owner, text="A refund is on its way.")
    leave(conversation, actor=owner)
    history = say(conversation, "Thanks!").history
    assert [(turn.role, turn.text) for turn in history] == [
        ("assistant", "A refund is on its way."),
        ("system", takeover.NOTE),
        ("user", "Thanks!"),
    ]
    shown = shown_of(conversation).values_list("text", flat=True)
    assert list(shown) == [said.text, "Thanks!"], "the note is the model's only"


def test_a_conversation_that_has_ended_opens_with_the_next_message(
    conversation: Conversation,
) -> None:
    takeover.resolve(conversation)
    assert say(conversation).message_id is not None
    conversation.refresh_from_db()
    assert conversation.status == "bot"
    assert kinds(conversation) == ["resolve", "reopen", "message"]


@pytest.mark.parametrize("step_in", [takeover.take_over, takeover.resolve])
@pytest.mark.parametrize(("text", "ending"), [("", "failed"), ("So f", "partial")])
def test_a_reply_that_is_being_made_ends_with_what_was_saved_of_it(
    conversation: Conversation,
    step_in: Callable[..., Conversation],
    text: str,
    ending: str,
) -> None:
    turn = say(conversation)
    replies.checkpoint([(turn, Draft(text, [len(text)]))])
    step_in(conversation)
    left = Message.objects.values().get(pk=turn.message_id)
    assert (left["status"], left["text"]) == (ending, text)
    # What was seen stays, and is told to whoever follows, in its place.
    stays = Message.objects.readable().filter(pk=turn.message_id).exists()
    assert stays == bool(text)
    assert len(kinds(conversation)) == (3 if text else 2)

    assert replies.checkpoint([(turn, finished("So far, so good"))]) == [False]
    with pytest.raises(replies.Overtaken):
        replies.complete(turn, finished("So far, so good"))
    replies.break_off(turn, finished("So far, so good"), error="late")
    assert Message.objects.values().get(pk=turn.message_id) == left
    assert not charged(conversation)


def test_a_retry_that_is_taken_over_loses_nothing(conversation: Conversation) -> None:
    turn = say(conversation)
    replies.complete(turn, finished("The first answer."))
    before = list(shown_of(conversation).values())
    again = turns.begin(
        Ask(
            agent=conversation.agent,
            conversation_id=conversation.pk,
            retry_of=turn.message_id,
        ),
        lease_owner="a process",
    )
    replies.checkpoint([(again, Draft("The sec", [7]))])
    takeover.take_over(conversation)
    with pytest.raises(replies.Overtaken):
        replies.complete(again, finished("The second answer."))
    assert list(shown_of(conversation).values()) == before
    assert kinds(conversation) == ["message", "message", "takeover"]


@pytest.mark.parametrize("step_in", [takeover.take_over, takeover.resolve])
def test_calls_of_tools_are_given_up(
    conversation: Conversation, step_in: Callable[..., Conversation]
) -> None:
    turn = say(conversation)
    replies.complete(turn, finished("Let me look."))
    ToolCall.objects.create(
        workspace_id=conversation.workspace_id,
        conversation=conversation,
        message_id=turn.message_id,
        call_id="call_1",
        name="look",
        expires_at=timezone.now() + timedelta(hours=24),
    )
    Message.objects.filter(pk=turn.message_id).update(status="awaiting_tool")
    step_in(conversation)
    assert ToolCall.objects.get(message=turn.message_id).status == "abandoned"
    assert Message.objects.get(pk=turn.message_id).status == "complete"


def test_a_stream_that_is_taken_over_ends_with_an_error(
    scripted: ScriptedShop,
) -> None:
    words = [f"word{n} " for n in range(2_000)]
    shop, engine = scripted(words, pause=0.05)
    with shop.stream("Go on.") as stream:
        stream.next()
        reply = Message.objects.get(conversation__agent=shop.agent, role="assistant")
        eventually(lambda: Message.objects.get(pk=reply.pk).text != "")
        path = f"/api/v2/agents/{shop.agent.pk}/conversations/{reply.conversation_id}"
        answer = shop.client.post(f"{path}/takeover", headers=shop.headers)
        assert answer.json()["data"]["status"] == "taken_over"
        left = Message.objects.get(pk=reply.pk)
        assert left.status == "partial"
        assert stream.rest()[-1]["type"] == "error"
    assert engine.closed == 1
    reply.refresh_from_db()
    assert (reply.status, reply.text) == ("partial", left.text)
    # The client has had no less than is kept, and perhaps the words of a second more.
    assert stream.text.startswith(left.text)
    assert not LedgerEntry.objects.filter(message_id=reply.pk).exists()
    silent = shop.chat("Hello?", conversationId=reply.conversation_id).json()["data"]
    assert (silent["id"], silent["parts"]) == (None, [])
    assert engine.started == 1
