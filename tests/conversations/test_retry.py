"""A reply made anew: the old one goes only when the new one is there."""

from typing import Any

import httpx

from agents.engine.base import EngineError
from conversations import endings, turns
from conversations.asks import Ask
from conversations.locks import locked
from conversations.models import Conversation, ConversationEvent, Message
from tests.api.openapi import check_response
from tests.conversations.conftest import HeldShop, ScriptedShop, Shop


def retry(shop: Shop, conversation_id: object, **body: Any) -> httpx.Response:
    path = f"/api/v2/agents/{shop.agent.pk}/conversations/{conversation_id}/retry"
    body = {"stream": False, **body}
    response = shop.client.post(path, headers=shop.headers, json=body)
    check_response(response, "POST", path)
    return response


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def said(conversation_id: str) -> list[str]:
    """What every reader is shown."""
    shown = Message.objects.readable().filter(conversation=int(conversation_id))
    return [message.text for message in shown.order_by("id")]


def two_turns(shop: Shop) -> tuple[str, list[str]]:
    """A conversation of two questions; the ids of its two replies."""
    first = shop.chat("one").json()["data"]
    conversation = first["metadata"]["conversationId"]
    second = shop.chat("two", conversationId=conversation).json()["data"]
    return conversation, [first["id"], second["id"]]


def test_the_target_and_everything_after_it_disappear(scripted: ScriptedShop) -> None:
    shop, engine = scripted(["old"])
    conversation, replies = two_turns(shop)
    engine.words = ["new"]
    answer = retry(shop, conversation, messageId=replies[0]).json()["data"]
    assert said(conversation) == ["one", "new"]
    assert answer["parts"] == [{"type": "text", "text": "new"}]


def test_the_users_message_keeps_its_id_and_the_reply_gets_a_new_one(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted(["ok"])
    first = shop.chat("one").json()["data"]["metadata"]
    again = retry(shop, first["conversationId"], messageId=first["messageId"])
    metadata = again.json()["data"]["metadata"]
    assert metadata["userMessageId"] == first["userMessageId"]
    assert metadata["messageId"] != first["messageId"]
    assert metadata["conversationId"] == first["conversationId"]


def test_the_engine_is_told_only_what_came_before(scripted: ScriptedShop) -> None:
    shop, engine = scripted(["ok"])
    conversation, replies = two_turns(shop)
    retry(shop, conversation, messageId=replies[1])
    assert [turn.text for turn in engine.requests[-1].turns] == ["one", "ok", "two"]
    retry(shop, conversation, messageId=replies[0])
    assert [turn.text for turn in engine.requests[-1].turns] == ["one"]


def test_a_failed_retry_loses_nothing(scripted: ScriptedShop) -> None:
    shop, engine = scripted(["old"])
    conversation, replies = two_turns(shop)
    for engine.words in ([], ["half "]):
        engine.error = EngineError("unavailable", "away")
        assert retry(shop, conversation, messageId=replies[0]).status_code == 500
        assert said(conversation) == ["one", "old", "two", "old"]
    engine.words, engine.error = ["new"], None
    assert retry(shop, conversation, messageId=replies[0]).status_code == 200
    assert said(conversation) == ["one", "new"]


def test_until_the_new_reply_is_complete_the_old_one_is_shown(
    held: HeldShop,
) -> None:
    shop, engine = held(["old"])
    engine.let_go.set()
    conversation, replies = two_turns(shop)
    engine.words = ["new ", "words"]
    engine.let_go.clear()
    path = f"/api/v2/agents/{shop.agent.pk}/conversations/{conversation}/retry"
    with shop.client.stream(
        "POST", path, headers=shop.headers, json={"messageId": replies[1]}
    ) as response:
        lines = (line for line in response.iter_lines() if line)
        assert "new " in next(lines)
        assert said(conversation) == ["one", "old", "two", "old"]
        engine.let_go.set()
        assert list(lines)[-1] == "data: [DONE]"
    assert said(conversation) == ["one", "old", "two", "new words"]


def test_a_message_id_without_its_prefix_will_do(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["ok"])
    conversation, replies = two_turns(shop)
    bare = replies[1].removeprefix("msg_")
    answer = retry(shop, conversation, messageId=bare)
    assert answer.status_code == 200


def test_what_is_replaced_cannot_be_retried(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["ok"])
    conversation, replies = two_turns(shop)
    retry(shop, conversation, messageId=replies[0])
    for gone in replies:
        answer = retry(shop, conversation, messageId=gone)
        assert code(answer) == (404, "CHAT_RETRY_MESSAGE_NOT_FOUND")


def test_errors_of_retry(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["ok"])
    conversation, replies = two_turns(shop)
    mine = Message.objects.filter(conversation=int(conversation), role="user").first()
    assert mine is not None
    missing = (404, "CHAT_RETRY_MESSAGE_NOT_FOUND")
    for id_ in (mine.public_id, "msg_0", "msg_99999999999999999999", "x", "msg_١٢"):
        assert code(retry(shop, conversation, messageId=id_)) == missing
    # A child comes before what is wrong with the rest of the body.
    assert code(retry(shop, conversation, messageId="msg_1", stream="no")) == missing
    for body in ({}, {"messageId": None}, {"messageId": True}, {"messageId": ["1"]}):
        assert code(retry(shop, conversation, **body))[1] == "VALIDATION_INVALID_BODY"
    wrong_stream = retry(shop, conversation, messageId=replies[1], stream="no")
    assert code(wrong_stream) == (400, "VALIDATION_INVALID_BODY")
    for id_ in (2**40, "x", 2**63):
        answer = retry(shop, id_, messageId=replies[0])
        assert code(answer) == (404, "RESOURCE_NOT_FOUND")


def test_there_must_be_a_users_message_before_it(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["ok"])
    conversation = Conversation.objects.create(
        workspace_id=shop.agent.workspace_id, agent=shop.agent
    )
    greeting = Message.objects.create(
        workspace_id=shop.agent.workspace_id,
        conversation=conversation,
        role="assistant",
        text="Welcome!",
        finish_reason="stop",
    )
    answer = retry(shop, conversation.pk, messageId=greeting.public_id)
    assert code(answer) == (400, "CHAT_RETRY_NO_USER_MESSAGE")


def test_where_people_have_taken_over_nothing_is_replaced(
    scripted: ScriptedShop,
) -> None:
    shop, engine = scripted(["ok"])
    conversation, replies = two_turns(shop)
    Conversation.objects.filter(pk=int(conversation)).update(status="escalated")
    answer = retry(shop, conversation, messageId=replies[1]).json()["data"]
    assert (answer["id"], answer["parts"]) == (None, [])
    assert said(conversation) == ["one", "ok", "two", "ok"]
    assert engine.started == 2


def test_a_retry_is_told_to_those_who_follow(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["ok"])
    conversation, replies = two_turns(shop)
    retry(shop, conversation, messageId=replies[0])
    events = ConversationEvent.objects.filter(conversation=int(conversation))
    kinds = events.order_by("seq").values_list("seq", "kind")
    assert list(kinds) == [*enumerate(["message"] * 4, start=1), (5, "retry")]


def test_a_retry_that_was_overtaken_stays_hidden(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["old"])
    conversation, replies = two_turns(shop)
    ask = Ask(
        agent=shop.agent,
        conversation_id=int(conversation),
        retry_of=int(replies[0].removeprefix("msg_")),
    )
    turn = turns.begin(ask, lease_owner="a process")
    Message.objects.filter(pk=turn.message_id).update(text="half")
    with locked(int(conversation)) as row:
        endings.end_live(row, error="A person took over.")
    assert said(conversation) == ["one", "old", "two", "old"]


def test_a_reply_that_came_to_nothing_can_be_made_anew(scripted: ScriptedShop) -> None:
    """And the user's message need not be sent twice."""
    shop, engine = scripted([], error=EngineError("unavailable", "away"))
    assert shop.chat("one").status_code == 500
    failed = Message.objects.get(conversation__agent=shop.agent, role="assistant")
    engine.words, engine.error = ["ok"], None
    answer = retry(shop, failed.conversation_id, messageId=failed.public_id)
    assert answer.status_code == 200
    assert said(str(failed.conversation_id)) == ["one", "ok"]
