"""`Idempotency-Key` on what is answered with a reply: the same request again attaches
to the running reply, or is told the finished one once more. Contract §5.3."""

import time
from dataclasses import replace
from typing import Any

import pytest

from agents.engine import base
from agents.models import Agent
from apikeys.idempotency import AlreadyClaimed, Claim
from apikeys.models import IdempotencyKey
from bookbag.api.errors import NotFound
from conversations import turns
from conversations.asks import Ask
from conversations.models import Conversation, Message, MessageRole
from tests.api.openapi import check_response
from tests.conftest import LiveServer
from tests.conversations.conftest import HeldShop, ScriptedShop, Shop
from tests.installation import eventually
from tests.twins import TWINS, all_at_once, headers_of
from usage.models import LedgerEntry


def turn_rows(agent: Agent) -> tuple[int, int, int]:
    """User's messages, replies and ledger rows of the agent."""
    said = Message.objects.filter(conversation__agent=agent)
    replies = said.filter(role=MessageRole.ASSISTANT)
    ledger = LedgerEntry.objects.filter(agent_id=agent.pk)
    return said.filter(role=MessageRole.USER).count(), replies.count(), ledger.count()


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("continued", [True, False])
def test_50_posts_at_once_make_one_message_one_reply_one_ledger_row_and_50_answers(
    scripted: ScriptedShop, server: LiveServer, stream: bool, continued: bool
) -> None:
    shop, engine = scripted(["It ", "takes ", "", "two days."], pause=0.05)
    body: dict[str, Any] = {"message": "How long?", "stream": stream}
    before = (0, 0, 0)
    if continued:
        talk = shop.chat("Hello").json()["data"]["metadata"]
        body["conversationId"] = int(talk["conversationId"])
        before, engine.started = (1, 1, 1), 0
    answers = all_at_once(
        [server.url + shop.path] * TWINS, body, headers_of(shop.secret, "k")
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert b"two days." in answers[0].content
    assert engine.started == 1
    assert turn_rows(shop.agent) == tuple(count + 1 for count in before)
    replayed = [one for one in answers if "Idempotency-Replayed" in one.headers]
    assert len(replayed) == TWINS - 1
    for name in ("content-type", "x-conversation-id", "x-message-id"):
        assert len({answer.headers.get(name) for answer in answers}) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_a_reply_that_was_finished_is_replayed_byte_for_byte(
    shop: Shop, stream: bool
) -> None:
    body = {"message": "How long does delivery to Canada take?", "stream": stream}
    headers = shop.headers | {"Idempotency-Key": "k"}
    first, again = (
        shop.client.post(shop.path, json=body, headers=headers) for _ in range(2)
    )
    assert "Canada" in first.text
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["Idempotency-Replayed"] == "true"
    check_response(again, "POST", shop.path)
    assert turn_rows(shop.agent) == (1, 1, 1)


def test_a_client_that_left_attaches_to_the_running_reply(
    scripted: ScriptedShop,
) -> None:
    shop, engine = scripted([f"word{n} " for n in range(30)], pause=0.05)
    headers = shop.headers | {"Idempotency-Key": "k"}
    body = {"message": "Hi"}
    with shop.client.stream("POST", shop.path, json=body, headers=headers) as first:
        head = next(first.iter_bytes())
    again = shop.client.post(shop.path, json=body, headers=headers)
    assert again.content.startswith(head)
    assert again.text.endswith("data: [DONE]\n\n")
    assert engine.started == 1
    assert turn_rows(shop.agent) == (1, 1, 1)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("words", [[], ["Half an "]])
def test_a_reply_that_failed_fails_again(
    scripted: ScriptedShop, stream: bool, words: list[str]
) -> None:
    shop, engine = scripted(words, error=base.EngineError("server", "down"))
    body = {"message": "Hi", "stream": stream}
    headers = shop.headers | {"Idempotency-Key": "k"}
    first, again = (
        shop.client.post(shop.path, json=body, headers=headers) for _ in range(2)
    )
    assert first.status_code == (200 if stream and words else 500)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert engine.started == 1
    assert turn_rows(shop.agent) == (1, 1, 0)


def test_a_message_to_people_is_stored_once(scripted: ScriptedShop) -> None:
    shop, engine = scripted(["Hello."])
    talk = shop.chat("Hi").json()["data"]["metadata"]["conversationId"]
    Conversation.objects.filter(pk=talk).update(status="escalated")
    for stream in (True, False):
        body = {"message": "Anyone?", "conversationId": int(talk), "stream": stream}
        headers = shop.headers | {"Idempotency-Key": f"stream: {stream}"}
        first, again = (
            shop.client.post(shop.path, json=body, headers=headers) for _ in range(2)
        )
        assert again.content == first.content
        assert again.headers["Idempotency-Replayed"] == "true"
    assert engine.started == 1
    assert turn_rows(shop.agent) == (3, 1, 1)


@pytest.mark.parametrize("stream", [True, False])
def test_a_retry_sent_again_is_not_done_again(
    scripted: ScriptedShop, stream: bool
) -> None:
    shop, engine = scripted(["Hello."])
    metadata = shop.chat("Hi").json()["data"]["metadata"]
    path = shop.path.replace(
        "/chat", f"/conversations/{metadata['conversationId']}/retry"
    )
    body = {"messageId": metadata["messageId"], "stream": stream}
    headers = shop.headers | {"Idempotency-Key": "k"}
    first, again = (
        shop.client.post(path, json=body, headers=headers) for _ in range(2)
    )
    assert first.status_code == again.status_code == 200
    assert again.content == first.content
    assert engine.started == 2
    # The message that is named is gone, so for any other name it is a 404.
    headers["Idempotency-Key"] = "other"
    assert shop.client.post(path, json=body, headers=headers).status_code == 404


def test_another_body_or_route_is_422_streamed_or_not(scripted: ScriptedShop) -> None:
    shop, engine = scripted(["Hello."])
    headers = shop.headers | {"Idempotency-Key": "k"}
    body = {"message": "Hi", "stream": False}
    shop.client.post(shop.path, json=body, headers=headers)
    for other in ({**body, "message": "Ho"}, {**body, "stream": True}):
        refused = shop.client.post(shop.path, json=other, headers=headers)
        assert refused.status_code == 422
        assert refused.json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"
        check_response(refused, "POST", shop.path)
    assert engine.started == 1


def test_what_was_refused_does_not_use_the_name_up(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["Hello."])
    headers = shop.headers | {"Idempotency-Key": "k"}
    for body, status in (
        ({"message": ""}, 400),
        ({"message": "Hi", "conversationId": 2**40}, 404),
        ({"message": "Hi", "stream": False}, 200),
    ):
        answer = shop.client.post(shop.path, json=body, headers=headers)
        assert answer.status_code == status


def test_what_fails_in_the_transaction_leaves_neither_turn_nor_claim(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted(["Hello."])
    claim = Claim(key=shop.key, name="k", route="POST /", digest=b"d" * 32)
    ask = Ask(agent=shop.agent, text="Hi", api_key=shop.key, claim=claim)
    with pytest.raises(NotFound):
        turns.begin(replace(ask, conversation_id=2**40), lease_owner="me")
    assert claim.find() is None
    turn = turns.begin(ask, lease_owner="me")
    with pytest.raises(AlreadyClaimed):
        turns.begin(ask, lease_owner="me")
    done = claim.find()
    assert done is not None
    assert (done.conversation_id, done.user_message_id, done.message_id) == turn.ids
    assert turn_rows(shop.agent)[:2] == (1, 1)


# --- Replies of which nothing is stored ---------------------------------------------


def completion(shop: Shop, *, stream: bool) -> dict[str, Any]:
    """What OpenAI's clients post, without a conversation to keep it in."""
    return {
        "model": f"agent-{shop.agent.pk}",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": stream,
    }


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("stream", [True, False])
def test_of_50_posts_that_store_nothing_one_is_done_and_the_others_come_back(
    scripted: ScriptedShop, server: LiveServer, stream: bool
) -> None:
    shop, engine = scripted(["Two ", "days."], pause=0.5)
    path, body = "/v1/chat/completions", completion(shop, stream=stream)
    headers = headers_of(shop.secret, "k")
    answers = all_at_once([server.url + path] * TWINS, body, headers)
    done = [answer for answer in answers if answer.status_code == 200]
    early = [answer for answer in answers if answer.status_code == 409]
    assert len(done) + len(early) == TWINS
    assert len({answer.content for answer in done}) == 1
    assert {answer.headers["Retry-After"] for answer in early} == {"1"}
    # It is kept just after its last byte.
    claims = IdempotencyKey.objects.filter(api_key=shop.key)
    eventually(lambda: claims.filter(status=200).exists())
    again = shop.client.post(path, json=body, headers=headers)
    assert again.status_code == 200
    assert again.content == done[0].content
    assert again.headers["content-type"] == done[0].headers["content-type"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert engine.started == 1
    assert turn_rows(shop.agent) == (0, 0, 1)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_left_a_reply_that_is_not_stored_finds_it_whole(
    held: HeldShop, stream: bool
) -> None:
    shop, engine = held([f"word{n} " for n in range(10)])
    path, body = "/v1/chat/completions", completion(shop, stream=stream)
    key = {"Idempotency-Key": "k"}
    headers = shop.headers | key
    head = b""
    if stream:
        with shop.client.stream("POST", path, json=body, headers=headers) as first:
            head = next(first.iter_bytes())
        assert head
    else:
        shop.leave(body, path=path, once=lambda: engine.started == 1, **key)
    time.sleep(0.2)  # the server hears of it
    assert engine.closed == 0
    engine.let_go.set()
    claims = IdempotencyKey.objects.filter(api_key=shop.key)
    eventually(lambda: claims.filter(status=200).exists())
    again = shop.client.post(path, json=body, headers=headers)
    assert again.status_code == 200
    assert again.content.startswith(head)
    assert all(f"word{n} " in again.text for n in range(10))
    assert again.text.endswith("data: [DONE]\n\n") == stream
    assert engine.started == 1


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("words", [[], ["Half an "]])
def test_a_reply_that_is_not_stored_and_failed_may_be_tried_again(
    scripted: ScriptedShop, stream: bool, words: list[str]
) -> None:
    shop, engine = scripted(words, error=base.EngineError("server", "down"))
    path, body = "/v1/chat/completions", completion(shop, stream=stream)
    headers = shop.headers | {"Idempotency-Key": "k"}
    first = shop.client.post(path, json=body, headers=headers)
    assert first.status_code == (200 if stream and words else 500)
    claims = IdempotencyKey.objects.filter(api_key=shop.key)
    eventually(lambda: not claims.exists())
    engine.error, engine.words = None, ["A whole one."]
    again = shop.client.post(path, json=body, headers=headers)
    assert again.status_code == 200
    assert "A whole one." in again.text
    assert engine.started == 2
