"""A reply, word for word and byte for byte: in one piece, streamed, replayed."""

from typing import Any

import orjson
import pytest

from agents.engine.base import EngineError
from agents.engine.base import ToolCall as Asked
from agents.models import Action
from conversations.models import Conversation
from tests.conversations.conftest import ScriptedShop, Shop


def streamed(shop: Shop, **body: Any) -> tuple[bytes, dict[str, str]]:
    """The bytes of a stream, and the ids that its headers told before the first."""
    with shop.client.stream(
        "POST", shop.path, headers=shop.headers, json={"message": "Go.", **body}
    ) as response:
        assert response.status_code == 200
        ids = {
            name: response.headers[f"x-{name}-id"]
            for name in ("conversation", "user-message", "message")
        }
        return response.read(), ids


def frame(value: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def test_a_reply_in_one_piece_is_this_and_nothing_more(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["Two ", "days."])
    data = shop.chat("How long?").json()["data"]
    metadata = data["metadata"]
    assert data == {
        "id": metadata["messageId"],
        "role": "assistant",
        "parts": [{"type": "text", "text": "Two days."}],
        "metadata": {
            "messageId": metadata["messageId"],
            "userMessageId": metadata["userMessageId"],
            "conversationId": metadata["conversationId"],
            "userId": None,
            "finishReason": "stop",
            "usage": {"credits": 1},
        },
    }


@pytest.mark.parametrize("user_id", [None, "ann"])
def test_a_stream_is_these_bytes_and_no_others(
    scripted: ScriptedShop, user_id: str | None
) -> None:
    shop, _ = scripted(["Two ", "dåys."])
    received, ids = streamed(shop, **({"userId": user_id} if user_id else {}))
    metadata = {
        "userMessageId": ids["user-message"],
        "conversationId": ids["conversation"],
        "userId": user_id,
        "messageId": ids["message"],
        "usage": {"credits": 1},
    }
    assert received == b"".join(
        [
            frame({"type": "text-delta", "text": "Two "}),
            frame({"type": "text-delta", "text": "dåys."}),
            frame({"type": "finish", "finishReason": "stop", "metadata": metadata}),
            b"data: [DONE]\n\n",
        ]
    )


def test_a_call_is_these_bytes_before_finish(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["Wait."], calls=[Asked("1", "track", {"order": "7"})])
    Action.objects.create(
        workspace_id=shop.agent.workspace_id,
        agent=shop.agent,
        name="track",
        description="To track an order.",
        parameters={"type": "object"},
    )
    received, _ = streamed(shop)
    text, call, finish, done, rest = received.split(b"\n\n")
    called = orjson.loads(call.removeprefix(b"data: "))
    assert call + b"\n\n" == frame(
        {
            "type": "tool-call",
            "toolCallId": called["toolCallId"],
            "toolName": "track",
            "input": {"order": "7"},
        }
    )
    assert text + b"\n\n" == frame({"type": "text-delta", "text": "Wait."})
    assert b'"finishReason":"tool-calls"' in finish
    assert (done, rest) == (b"data: [DONE]", b"")


def test_a_failure_mid_stream_is_an_error_and_done_and_no_finish(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted(["Two "], error=EngineError("unavailable", "gone"))
    received, _ = streamed(shop)
    text, error, done, rest = received.split(b"\n\n")
    failed = orjson.loads(error.removeprefix(b"data: "))
    assert set(failed) == {"type", "errorText"}
    assert failed["type"] == "error"
    assert failed["errorText"]
    assert b"gone" not in received, "what a model says of itself is ours to read"
    assert (done, rest) == (b"data: [DONE]", b"")
    assert b'"text":"Two "' in text


def test_both_ways_tell_the_same(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["Two ", "days."])
    received, _ = streamed(shop)
    *deltas, finish, _ = received.split(b"\n\n")[:-1]
    told = [orjson.loads(one.removeprefix(b"data: ")) for one in [*deltas, finish]]
    whole = shop.chat("Go.").json()["data"]
    text = "".join(one["text"] for one in told[:-1])
    assert whole["parts"] == [{"type": "text", "text": text}]
    last = told[-1]
    same = {"finishReason": last["finishReason"], **last["metadata"]}
    assert set(whole["metadata"]) == set(same)
    for name in ("finishReason", "userId", "usage"):
        assert whole["metadata"][name] == same[name]


def test_where_people_have_taken_over_a_reply_in_one_piece_is_empty(
    scripted: ScriptedShop,
) -> None:
    shop, engine = scripted(["ok"])
    first = shop.chat("Hello.").json()["data"]["metadata"]
    talk = Conversation.objects.filter(pk=int(first["conversationId"]))
    talk.update(status="escalated")
    data = shop.chat("A person?", conversationId=first["conversationId"]).json()["data"]
    assert (data["id"], data["parts"]) == (None, [])
    assert data["metadata"]["finishReason"] == "stop"
    assert data["metadata"]["usage"] == {"credits": 0}
    assert data["metadata"]["userMessageId"] not in (None, first["userMessageId"])
    assert engine.started == 1


def test_a_retry_is_answered_exactly_like_chat(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["Two ", "days."])
    first = shop.chat("How long?", userId="ann").json()["data"]
    conversation_id = first["metadata"]["conversationId"]
    path = f"/api/v2/agents/{shop.agent.pk}/conversations/{conversation_id}/retry"
    body = {"messageId": first["id"], "stream": False}
    again = shop.client.post(path, headers=shop.headers, json=body).json()["data"]
    new = {"messageId": again["id"]}
    assert again["id"] != first["id"]
    metadata = first["metadata"] | new
    assert again == first | {"id": again["id"], "metadata": metadata}
    # Streamed, as chat is, if nobody says otherwise.
    body = {"messageId": again["id"]}
    answer = shop.client.post(path, headers=shop.headers, json=body)
    assert answer.content.startswith(frame({"type": "text-delta", "text": "Two "}))
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert answer.content.count(b"data: ") == 4
    assert answer.headers["x-user-message-id"] == first["metadata"]["userMessageId"]
    assert answer.headers["x-message-id"] not in (first["id"], again["id"])


def test_a_user_id_that_comes_later_is_ignored(scripted: ScriptedShop) -> None:
    """It is set when the conversation is created, or never."""
    shop, _ = scripted(["ok"])
    first = shop.chat("Hello.").json()["data"]["metadata"]
    again = shop.chat("Me.", userId="ann", conversationId=first["conversationId"])
    assert again.json()["data"]["metadata"]["userId"] is None
    path = f"/api/v2/agents/{shop.agent.pk}/users/ann/conversations"
    assert shop.client.get(path, headers=shop.headers).json()["data"] == []


def test_a_message_is_stored_without_the_white_space_around_it(
    scripted: ScriptedShop,
) -> None:
    shop, engine = scripted(["ok"])
    shop.chat(" \n How long?\t")
    assert engine.requests[-1].turns[-1].text == "How long?"
