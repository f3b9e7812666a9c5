"""POST /api/v2/agents/:agentId/chat, against the real server. Contract §5.1–§5.3."""

import json
import threading
from typing import Any

import pytest

from agents.models import Agent
from apikeys.models import ApiKey
from conversations.models import Conversation, Message
from tests.conversations.conftest import HeldShop, ScriptedShop, Shop, make_shop
from usage.models import LedgerEntry


def test_it_works(shop: Shop) -> None:
    response = shop.chat("How long does delivery to Canada take?", userId="user_8821")
    assert response.status_code == 200
    data = response.json()["data"]
    assert data["role"] == "assistant"
    assert "5 to 9 business days" in data["parts"][0]["text"]
    metadata = data["metadata"]
    assert data["id"] == metadata["messageId"]
    assert set(metadata) == {
        "messageId",
        "userMessageId",
        "conversationId",
        "userId",
        "finishReason",
        "usage",
    }
    assert metadata["userId"] == "user_8821"
    assert metadata["finishReason"] == "stop"
    assert metadata["usage"] == {"credits": 1}
    assert metadata["conversationId"].isdigit()
    reply = Message.objects.get(pk=int(data["id"].removeprefix("msg_")))
    assert reply.status == "complete"
    assert reply.text == data["parts"][0]["text"]
    assert metadata["userMessageId"] == f"msg_{reply.answers_id}"


def test_streaming_is_the_default(shop: Shop) -> None:
    with shop.stream("How long does delivery to Canada take?") as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert stream.response.headers["cache-control"] == "no-cache, no-transform"
        assert stream.response.headers["x-accel-buffering"] == "no"
        frames = stream.rest()
    *deltas, finish = frames
    assert {frame["type"] for frame in deltas} == {"text-delta"}
    assert len(deltas) > 3
    assert "5 to 9 business days" in stream.text
    assert finish["type"] == "finish"
    assert finish["finishReason"] == "stop"
    assert set(finish["metadata"]) == {
        "userMessageId",
        "conversationId",
        "userId",
        "messageId",
        "usage",
    }
    headers = stream.response.headers
    assert headers["x-message-id"] == finish["metadata"]["messageId"]
    assert headers["x-user-message-id"] == finish["metadata"]["userMessageId"]
    assert headers["x-conversation-id"] == finish["metadata"]["conversationId"]


def test_each_event_is_one_data_line(shop: Shop) -> None:
    with shop.stream("Do you ship to Canada?") as stream:
        body = stream.response.read().decode()
    assert body.endswith("data: [DONE]\n\n")
    for event in body.removesuffix("\n\n").split("\n\n"):
        assert event.startswith("data: ")
        assert "\n" not in event
        payload = event.removeprefix("data: ")
        if payload != "[DONE]":
            compact = json.dumps(
                json.loads(payload), separators=(",", ":"), ensure_ascii=False
            )
            assert payload == compact


def test_frames_arrive_while_the_reply_is_being_made(held: HeldShop) -> None:
    shop, engine = held(["one ", "two ", "three"])
    with shop.stream("Count.") as stream:
        assert stream.next() == {"type": "text-delta", "text": "one "}
        # The first word is here, and the engine has not finished.
        assert engine.closed == 0
        engine.let_go.set()
        stream.rest()
    assert stream.text == "one two three"
    assert engine.closed == 1


def test_text_cannot_forge_a_frame(scripted: ScriptedShop) -> None:
    evil = 'x\n\ndata: [DONE]\n\n\u2028\u2029\x85\x0b\x0c\x1c{"type":"finish"}'
    shop, _ = scripted([evil])
    with shop.stream("Go.") as stream:
        frames = stream.rest()
    assert frames[0] == {"type": "text-delta", "text": evil}
    assert [frame["type"] for frame in frames] == ["text-delta", "finish"]


# --- Conversations ----------------------------------------------------------------


def test_a_conversation_goes_on(shop: Shop) -> None:
    first = shop.chat("Do you ship to Canada?").json()["data"]["metadata"]
    second = shop.chat(
        "How long does it take?", conversationId=int(first["conversationId"])
    ).json()["data"]
    third = shop.chat(
        # Digits in a string are an id as well.
        "And how much does it cost?",
        conversationId=first["conversationId"],
    ).json()["data"]
    assert "5 to 9 business days" in second["parts"][0]["text"]
    assert "$12" in third["parts"][0]["text"]
    ids = {m["metadata"]["conversationId"] for m in (second, third)}
    assert ids == {first["conversationId"]}


def test_the_user_id_is_set_once(shop: Shop) -> None:
    first = shop.chat("Do you ship to Canada?", userId="anna").json()["data"]
    second = shop.chat(
        "And to Germany?",
        userId="ben",
        conversationId=int(first["metadata"]["conversationId"]),
    ).json()["data"]
    assert second["metadata"]["userId"] == "anna"


def test_citations_are_stored_and_true(shop: Shop) -> None:
    data = shop.chat("How long does delivery to Canada take?").json()["data"]
    reply = Message.objects.get(pk=int(data["id"].removeprefix("msg_")))
    (citation,) = reply.citations[:1]
    assert citation["index"] == 1
    assert "[1]" in reply.text
    assert citation["title"] == "Shipping"
    source = shop.agent.sources.get()
    document = source.documents.get(version=citation["documentVersion"])
    assert document.text[citation["start"] : citation["end"]] == citation["quote"]
    assert "5 to 9 business days" in citation["quote"]


def test_an_honest_i_do_not_know(shop: Shop) -> None:
    data = shop.chat("Who won the chess olympiad in 1972?").json()["data"]
    assert "Ask our team, please." in data["parts"][0]["text"]
    reply = Message.objects.get(pk=int(data["id"].removeprefix("msg_")))
    assert reply.citations == []


def test_a_reply_costs_once(shop: Shop) -> None:
    data = shop.chat("Do you ship to Canada?").json()["data"]
    entry = LedgerEntry.objects.get(message_id=int(data["id"].removeprefix("msg_")))
    assert entry.credits == data["metadata"]["usage"]["credits"] == 1
    assert entry.workspace_id == shop.agent.workspace_id
    assert entry.api_key_id == shop.key.pk
    assert entry.estimated


def test_where_people_have_taken_over_the_bot_is_silent(shop: Shop) -> None:
    first = shop.chat("Do you ship to Canada?").json()["data"]["metadata"]
    conversation = Conversation.objects.get(pk=first["conversationId"])
    conversation.status = "escalated"
    conversation.save()
    with shop.stream("Hello?", conversationId=conversation.pk) as stream:
        (finish,) = stream.rest()
    assert finish["finishReason"] == "stop"
    assert finish["metadata"]["usage"]["credits"] == 0
    assert finish["metadata"]["messageId"] is None
    assert conversation.messages.order_by("-id")[0].text == "Hello?"


def test_an_ended_conversation_reopens(shop: Shop) -> None:
    first = shop.chat("Do you ship to Canada?").json()["data"]["metadata"]
    Conversation.objects.filter(pk=first["conversationId"]).update(status="resolved")
    again = shop.chat("How long?", conversationId=int(first["conversationId"]))
    assert again.status_code == 200
    assert Conversation.objects.get(pk=first["conversationId"]).status == "bot"


def test_two_messages_at_once_take_turns(scripted: ScriptedShop, settings: Any) -> None:
    settings.BUSY_WAIT = 60
    shop, _ = scripted(["a ", "b ", "c"], pause=0.1)
    conversation = int(shop.chat("first").json()["data"]["metadata"]["conversationId"])
    answers: list[Any] = []

    def ask(number: int) -> None:
        answers.append(shop.chat(f"turn {number}", conversationId=conversation))

    threads = [threading.Thread(target=ask, args=[n]) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 3
    roles = Message.objects.filter(conversation=conversation).order_by("id")
    assert [m.role for m in roles] == ["user", "assistant"] * 4


def test_a_turn_that_waits_too_long_is_told_so(held: HeldShop, settings: Any) -> None:
    settings.BUSY_WAIT = 0.3
    shop, engine = held(["a ", "b ", "c"])
    with shop.stream("slow one") as stream:
        stream.next()
        conversation = int(stream.response.headers["x-conversation-id"])
        busy = shop.chat("me too", conversationId=conversation)
        engine.let_go.set()
        stream.rest()
    assert busy.status_code == 409
    assert busy.json()["error"]["code"] == "CHAT_CONVERSATION_BUSY"
    assert not Message.objects.filter(conversation=conversation, text="me too").exists()


# --- What can go wrong --------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": " \t\n\u00a0\u200b\ufeff "}, "message"),
        ({"message": None}, "message"),
        ({"message": 5}, "message"),
        ({"message": ["hi"]}, "message"),
        ({"message": "x" * 32_001}, "message"),
        ({"message": "hi", "stream": "false"}, "stream"),
        ({"message": "hi", "stream": 0}, "stream"),
        ({"message": "hi", "stream": None}, "stream"),
        ({"message": "hi", "userId": ""}, "userId"),
        ({"message": "hi", "userId": "abc\n"}, "userId"),
        ({"message": "hi", "userId": "a b"}, "userId"),
        ({"message": "hi", "userId": "x" * 129}, "userId"),
        ({"message": "hi", "userId": 7}, "userId"),
        ({"message": "hi", "userId": "ａ．"}, "userId"),
        ({"message": "hi", "conversationId": True}, "conversationId"),
        ({"message": "hi", "conversationId": 1.0}, "conversationId"),
        ({"message": "hi", "conversationId": "1_000"}, "conversationId"),
        ({"message": "hi", "conversationId": "١٢"}, "conversationId"),
        ({"message": "hi", "conversationId": 0}, "conversationId"),
        ({"message": "hi", "conversationId": -1}, "conversationId"),
        ({"message": "hi", "conversationId": [1]}, "conversationId"),
    ],
)
def test_a_bad_body_names_the_field(shop: Shop, body: dict, field: str) -> None:
    response = shop.post(body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "VALIDATION_INVALID_BODY"
    assert set(error["details"]) == {field}
    assert not Conversation.objects.filter(agent=shop.agent).exists()


def test_a_number_that_no_database_holds_is_a_bad_body(shop: Shop) -> None:
    for number in (2**63, 2**70, int("9" * 4000)):
        body = f'{{"message": "hi", "conversationId": {number}}}'
        response = shop.client.post(
            shop.path,
            headers=shop.headers | {"Content-Type": "application/json"},
            content=body,
        )
        assert response.status_code == 400
        assert response.json()["error"]["code"] == "VALIDATION_INVALID_BODY"


def test_the_longest_message_is_taken(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["ok"])
    assert shop.chat("x" * 32_000).status_code == 200


def test_a_foreign_conversation_is_none(shop: Shop) -> None:
    stranger = make_shop(shop.client)
    theirs = Conversation.objects.create(
        workspace_id=stranger.agent.workspace_id, agent=stranger.agent
    )
    sibling = Agent.objects.create(workspace_id=shop.agent.workspace_id, name="Sibling")
    siblings = Conversation.objects.create(
        workspace_id=sibling.workspace_id, agent=sibling
    )
    bodies = set()
    for conversation_id in (theirs.pk, siblings.pk, 2**40, 2**63 - 1):
        response = shop.chat("hi", conversationId=conversation_id)
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "RESOURCE_NOT_FOUND"
        bodies.add(response.content)
    assert len(bodies) == 1
    assert not theirs.messages.exists()


def test_a_missing_conversation_comes_before_a_bad_message(shop: Shop) -> None:
    assert shop.chat(" ", conversationId=2**40).status_code == 404


def test_an_archived_agent_is_gone(shop: Shop) -> None:
    missing = shop.client.post(
        f"/api/v2/agents/{2**40}/chat", headers=shop.headers, json={"message": "hi"}
    )
    Agent.objects.filter(pk=shop.agent.pk).update(status="archived")
    archived = shop.chat("hi")
    assert archived.status_code == missing.status_code == 404
    assert archived.content == missing.content


def test_a_key_of_one_agent_may_not_ask_its_sibling(shop: Shop) -> None:
    sibling = Agent.objects.create(workspace_id=shop.agent.workspace_id, name="Sibling")
    _, shop.secret = ApiKey.objects.issue(
        shop.agent.workspace, label="one", agent=sibling
    )
    response = shop.chat("hi")
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "AUTH_INSUFFICIENT_PERMISSIONS"


def test_a_read_key_may_not_chat(shop: Shop) -> None:
    _, shop.secret = ApiKey.objects.issue(
        shop.agent.workspace, label="reader", access="read"
    )
    assert shop.chat("hi").status_code == 403


def test_unknown_fields_are_ignored(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["ok"])
    response = shop.chat("hi", id=1, workspaceId=1, status="resolved", credits=-5)
    assert response.status_code == 200


def test_an_agent_without_knowledge_still_answers(http: Any) -> None:
    data = make_shop(http).chat("What do you sell?").json()["data"]
    assert "Ask our team, please." in data["parts"][0]["text"]


def test_a_revoked_key_ends_its_stream(held: HeldShop) -> None:
    shop, engine = held(["word ", "word"])
    with shop.stream("Talk.") as stream:
        stream.next()
        shop.key.revoke()
        *_, last = stream.rest()
    assert last["type"] == "error"
    assert engine.closed == 0, "it was cut, and did not just end"
