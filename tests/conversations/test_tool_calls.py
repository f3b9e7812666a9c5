"""Tools of the client: called by a reply, answered by the client, used by the next."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import transaction
from django.utils import timezone

from agents.engine.base import EngineError
from agents.engine.base import ToolCall as Asked
from agents.models import Action
from conversations import calls
from conversations.models import Message, ToolCall
from tests.api.openapi import check_response
from tests.conversations.conftest import HeldShop, ScriptedShop, Shop
from tests.engines import ScriptedEngine
from usage.models import LedgerEntry

ORDER = {"type": "object", "properties": {"order": {"type": "string"}}}


Tooled = Callable[..., tuple[Shop, ScriptedEngine]]


@pytest.fixture
def tooled(scripted: ScriptedShop) -> Tooled:
    """A shop whose agent has the tools `track` and `refund`, and calls them."""

    def make(
        *names: str, words: tuple[str, ...] = ("Let me look.",)
    ) -> tuple[Shop, ScriptedEngine]:
        asked = [
            Asked(f"theirs_{n}", name, {"order": str(n)})
            for n, name in enumerate(names or ["track"])
        ]
        shop, engine = scripted([*words], calls=asked, then=["It is on its way."])
        for name in ("track", "refund"):
            Action.objects.create(
                workspace_id=shop.agent.workspace_id,
                agent=shop.agent,
                name=name,
                description=f"To {name} an order.",
                parameters=ORDER,
            )
        return shop, engine

    return make


def submit(
    shop: Shop, conversation_id: object, call_id: object, *output: Any
) -> httpx.Response:
    path = f"/api/v2/agents/{shop.agent.pk}/conversations/{conversation_id}/tool-result"
    body = {"toolCallId": call_id, **({"output": output[0]} if output else {})}
    response = shop.client.post(path, headers=shop.headers, json=body)
    check_response(response, "POST", path)
    return response


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def called(shop: Shop) -> tuple[str, list[str]]:
    """Asks, and gives the conversation and the ids of the calls that wait."""
    answer = shop.chat("Where is my order?").json()["data"]
    ids = [p["toolCallId"] for p in answer["parts"] if p["type"] == "tool-call"]
    return answer["metadata"]["conversationId"], ids


def test_a_call_is_a_frame_and_the_stream_waits_for_its_result(
    tooled: Tooled,
) -> None:
    shop, _ = tooled("track")
    with shop.stream("Where is my order?") as stream:
        frames = stream.rest()
    assert [frame["type"] for frame in frames] == ["text-delta", "tool-call", "finish"]
    call = frames[1]
    assert (call["toolName"], call["input"]) == ("track", {"order": "0"})
    assert call["toolCallId"].startswith("call_")
    assert frames[2]["finishReason"] == "tool-calls"


def test_a_call_can_be_answered_as_soon_as_it_is_heard(tooled: Tooled) -> None:
    shop, _ = tooled("track")
    with shop.stream("Where is my order?") as stream:
        while (frame := stream.next()) and frame["type"] != "tool-call":
            pass
        conversation = stream.response.headers["x-conversation-id"]
        answer = submit(shop, conversation, frame["toolCallId"], "soon")
    assert answer.json() == {"data": {"success": True}}


def test_the_run_goes_on_with_the_next_chat_which_may_omit_message(
    tooled: Tooled,
) -> None:
    shop, engine = tooled("track")
    conversation, [call_id] = called(shop)
    submit(shop, conversation, call_id, {"status": "shipped"})
    first = Message.objects.get(conversation=int(conversation), role="user")
    body = {"conversationId": conversation, "stream": False}
    answer = shop.post(body).json()["data"]
    assert answer["parts"] == [{"type": "text", "text": "It is on its way."}]
    assert answer["metadata"]["finishReason"] == "stop"
    assert answer["metadata"]["userMessageId"] == first.public_id
    told = engine.requests[-1].turns
    assert [turn.role for turn in told] == ["user", "assistant", "tool"]
    assert told[1].calls[0].id == told[2].results[0].call_id == call_id
    assert told[2].results[0].output == {"status": "shipped"}
    ledger = LedgerEntry.objects.filter(conversation_id=int(conversation))
    assert ledger.count() == 2


def test_a_chat_with_a_message_uses_the_result_too(tooled: Tooled) -> None:
    shop, engine = tooled("track")
    conversation, [call_id] = called(shop)
    submit(shop, conversation, call_id, "shipped")
    shop.chat("And now?", conversationId=conversation)
    roles = [turn.role for turn in engine.requests[-1].turns]
    assert roles == ["user", "assistant", "tool", "user"]
    again = shop.post({"conversationId": conversation})
    assert code(again) == (400, "VALIDATION_INVALID_BODY")
    assert list(again.json()["error"]["details"]) == ["message"]


def test_a_message_may_be_omitted_only_after_a_result(tooled: Tooled) -> None:
    shop, _ = tooled("track")
    for body in ({}, {"conversationId": None}):
        assert code(shop.post(body)) == (400, "VALIDATION_INVALID_BODY")
    conversation, _ = called(shop)
    awaited = shop.post({"conversationId": conversation})
    assert code(awaited) == (400, "VALIDATION_INVALID_BODY")
    assert "track" in awaited.json()["error"]["message"]
    assert Message.objects.filter(conversation=int(conversation)).count() == 2


def test_with_several_calls_the_run_continues_when_all_have_results(
    tooled: Tooled,
) -> None:
    shop, _ = tooled("track", "refund")
    conversation, ids = called(shop)
    submit(shop, conversation, ids[1], "refunded")
    waiting = shop.post({"conversationId": conversation})
    assert waiting.status_code == 400
    assert "track" in waiting.json()["error"]["message"]
    submit(shop, conversation, ids[0], "shipped")
    assert shop.post({"conversationId": conversation}).status_code == 200


def test_a_new_message_while_a_call_is_pending_abandons_it(tooled: Tooled) -> None:
    shop, engine = tooled("track")
    conversation, [call_id] = called(shop)
    engine.calls = []
    shop.chat("Never mind.", conversationId=conversation)
    late = submit(shop, conversation, call_id, "shipped")
    assert code(late) == (404, "RESOURCE_TOOL_CALL_NOT_FOUND")
    # A model is not told of a call that has no result.
    assert not any(turn.calls for turn in engine.requests[-1].turns)
    assert not Message.objects.filter(status="awaiting_tool").filter(
        conversation=int(conversation)
    )


def test_a_second_submission_is_404(tooled: Tooled) -> None:
    shop, _ = tooled("track")
    conversation, [call_id] = called(shop)
    assert submit(shop, conversation, call_id, 1).status_code == 200
    again = submit(shop, conversation, call_id, 2)
    assert code(again) == (404, "RESOURCE_TOOL_CALL_NOT_FOUND")
    assert ToolCall.objects.get(call_id=call_id).output == 1


def test_of_concurrent_submissions_one_is_kept(tooled: Tooled) -> None:
    shop, _ = tooled("track")
    conversation, [call_id] = called(shop)
    statuses: list[int] = []

    def hand_in(number: int) -> None:
        statuses.append(submit(shop, conversation, call_id, number).status_code)

    threads = [threading.Thread(target=hand_in, args=[n]) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [404] * 9


def test_a_call_unanswered_for_a_day_expires(tooled: Tooled) -> None:
    shop, _ = tooled("track")
    conversation, [call_id] = called(shop)
    call = ToolCall.objects.get(call_id=call_id)
    assert call.expires_at - call.created_at == timedelta(hours=24)
    ToolCall.objects.filter(pk=call.pk).update(expires_at=timezone.now())
    late = submit(shop, conversation, call_id, "too late")
    assert code(late) == (404, "RESOURCE_TOOL_CALL_NOT_FOUND")
    calls.expire()
    call.refresh_from_db()
    call.message.refresh_from_db()
    assert (call.status, call.message.status) == ("expired", "complete")


@pytest.mark.parametrize(
    "output",
    [None, 1e20, -1e300, 2**63 - 1, 0, "", [], {"a": [1.5, True, None]}, "é\n"],
)
def test_an_output_is_any_json(tooled: Tooled, output: Any) -> None:
    shop, engine = tooled("track")
    conversation, [call_id] = called(shop)
    assert submit(shop, conversation, call_id, output).status_code == 200
    shop.post({"conversationId": conversation, "stream": False})
    assert engine.requests[-1].turns[-1].results[0].output == output
    path = f"/api/v2/agents/{shop.agent.pk}/conversations/{conversation}/messages"
    shown = shop.client.get(path, headers=shop.headers).json()["data"]
    assert shown[1]["parts"][-1]["output"] == output


def test_an_output_may_be_omitted(tooled: Tooled) -> None:
    shop, _ = tooled("track")
    conversation, [call_id] = called(shop)
    assert submit(shop, conversation, call_id).status_code == 200


def test_errors_of_tool_result(tooled: Tooled) -> None:
    shop, _ = tooled("track")
    conversation, [call_id] = called(shop)
    other, [other_call] = called(shop)
    missing = (404, "RESOURCE_TOOL_CALL_NOT_FOUND")
    for id_ in ("call_nothing", other_call, "x" * 5000, "call_\n"):
        assert code(submit(shop, conversation, id_, 1)) == missing
    for bad in (None, 7, True, "", ["x"]):
        answer = submit(shop, conversation, bad, 1)
        assert code(answer) == (400, "VALIDATION_INVALID_BODY")
    for big in ("x" * 65_535, "a\0b", {"a\0": 1}):
        answer = submit(shop, conversation, call_id, big)
        assert code(answer) == (400, "VALIDATION_INVALID_BODY")
    assert submit(shop, conversation, call_id, "x" * 65_534).status_code == 200
    assert code(submit(shop, 2**40, call_id, 1)) == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(
    "asked",
    [
        Asked("1", "unknown", {}),
        Asked("1", "track", {"order": 7}),
    ],
)
def test_a_call_that_no_client_could_run_fails_the_reply(
    tooled: Tooled, asked: Asked
) -> None:
    shop, engine = tooled("track", words=())
    engine.calls = [asked]
    assert shop.chat("Where is it?").status_code == 500
    assert not ToolCall.objects.filter(conversation__agent=shop.agent).exists()


def test_a_hundred_calls_are_too_many(tooled: Tooled) -> None:
    shop, engine = tooled("track", words=())
    engine.calls = [Asked(str(n), "track", {}) for n in range(100)]
    assert shop.chat("Where is it?").status_code == 500
    assert not ToolCall.objects.filter(conversation__agent=shop.agent).exists()


def test_a_reply_that_fails_leaves_the_result_for_the_next(tooled: Tooled) -> None:
    shop, engine = tooled("track")
    conversation, [call_id] = called(shop)
    submit(shop, conversation, call_id, "shipped")
    engine.error, engine.then = EngineError("unavailable", "away"), []
    body = {"conversationId": conversation, "stream": False}
    assert shop.post(body).status_code == 500
    engine.error, engine.then = None, ["There."]
    assert shop.post(body).status_code == 200
    assert ToolCall.objects.get(call_id=call_id).status == "used"


def test_a_retry_uses_the_same_results(tooled: Tooled) -> None:
    shop, engine = tooled("track")
    conversation, [call_id] = called(shop)
    submit(shop, conversation, call_id, "shipped")
    body = {"conversationId": conversation, "stream": False}
    final = shop.post(body).json()["data"]["id"]
    path = f"/api/v2/agents/{shop.agent.pk}/conversations/{conversation}/retry"
    body = {"messageId": final, "stream": False}
    again = shop.client.post(path, headers=shop.headers, json=body).json()["data"]
    assert engine.requests[-1].turns[-1].results[0].output == "shipped"
    call = ToolCall.objects.get(call_id=call_id)
    assert (call.status, f"msg_{call.used_by_id}") == ("used", again["id"])


def test_a_retry_of_the_calling_reply_abandons_its_calls(tooled: Tooled) -> None:
    shop, engine = tooled("track")
    answer = shop.chat("Where is my order?").json()["data"]
    conversation = answer["metadata"]["conversationId"]
    engine.calls = []
    path = f"/api/v2/agents/{shop.agent.pk}/conversations/{conversation}/retry"
    body = {"messageId": answer["id"], "stream": False}
    assert shop.client.post(path, headers=shop.headers, json=body).status_code == 200
    late = submit(shop, conversation, answer["parts"][1]["toolCallId"], 1)
    assert code(late) == (404, "RESOURCE_TOOL_CALL_NOT_FOUND")


@pytest.mark.usefixtures("patient")
def test_a_result_that_comes_while_a_message_is_taken_is_used_or_refused(
    tooled: Tooled,
) -> None:
    shop, engine = tooled("track")
    conversation, [call_id] = called(shop)
    statuses: list[int] = []

    def chat() -> None:
        statuses.append(shop.chat("And now?", conversationId=conversation).status_code)

    with transaction.atomic():
        # A submission that is about to commit.
        calls.submit(int(conversation), call_id, "shipped")
        asking = threading.Thread(target=chat)
        asking.start()
        time.sleep(0.5)
    asking.join()
    assert statuses == [200]
    roles = [turn.role for turn in engine.requests[-1].turns]
    assert roles == ["user", "assistant", "tool", "user"]
    assert ToolCall.objects.get(call_id=call_id).status == "used"


def test_a_retry_has_not_used_what_comes_in_while_it_is_made(
    tooled: Tooled, held: HeldShop
) -> None:
    shop, _ = tooled("track")
    answer = shop.chat("Where is my order?").json()["data"]
    conversation = answer["metadata"]["conversationId"]
    call_id = answer["parts"][1]["toolCallId"]
    _, engine = held(["New ", "words."])  # from now on every shop's
    path = f"/api/v2/agents/{shop.agent.pk}/conversations/{conversation}/retry"
    body = {"messageId": answer["id"]}
    with shop.client.stream("POST", path, headers=shop.headers, json=body) as response:
        assert submit(shop, conversation, call_id, "shipped").status_code == 200
        engine.let_go.set()
        response.read()
    call = ToolCall.objects.get(call_id=call_id)
    assert (call.status, call.used_by) == ("abandoned", None)
