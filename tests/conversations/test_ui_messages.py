"""The AI SDK's dialect, by itself: frames out, bodies in. Contract §5.3."""

import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.engine import base
from agents.models import Action
from bookbag.api.errors import InvalidBody
from conversations.events import Delta, Event, Failed, Finished, ToolCallAsked
from conversations.models import Conversation, Message
from conversations.ui_messages import Posted, UIMessageStream, read
from tests.api.openapi import check_response
from tests.conversations.conftest import ScriptedShop, Shop, make_shop

FINISHED = Finished(5, 11, 12, "anna", reason="stop", credits=1)
METADATA = {
    "userMessageId": "msg_11",
    "conversationId": "5",
    "userId": "anna",
    "messageId": "msg_12",
    "usage": {"credits": 1},
    "finishReason": "stop",
}


def frames(*events: Event, message_id: str | None = "msg_12") -> list[Any]:
    encode = UIMessageStream(message_id)
    return parsed(b"".join(frame for event in events for frame in encode(event)))


def parsed(stream: bytes) -> list[Any]:
    raw = stream.decode()
    assert raw.endswith("\n\n")
    found = []
    for line in raw.removesuffix("\n\n").split("\n\n"):
        assert line.startswith("data: ")
        assert "\n" not in line
        payload = line.removeprefix("data: ")
        found.append(payload if payload == "[DONE]" else json.loads(payload))
    return found


# --- The stream -------------------------------------------------------------------


def test_it_works() -> None:
    assert frames(Delta("Two "), Delta("days."), FINISHED) == [
        {"type": "start", "messageId": "msg_12"},
        {"type": "start-step"},
        {"type": "text-start", "id": "text"},
        {"type": "text-delta", "id": "text", "delta": "Two "},
        {"type": "text-delta", "id": "text", "delta": "days."},
        {"type": "text-end", "id": "text"},
        {"type": "finish-step"},
        {"type": "finish", "messageMetadata": METADATA},
        "[DONE]",
    ]


def test_calls_come_in_the_step_after_its_text() -> None:
    finished = Finished(5, 11, 12, None, reason="tool-calls")
    one = ToolCallAsked("call_a", "find_order", {"number": 7})
    two = ToolCallAsked("call_b", "find_order", {"number": 8})
    *_, text_end, first, second, step, finish, done = frames(
        Delta("A moment."), one, two, finished
    )
    assert text_end == {"type": "text-end", "id": "text"}
    assert first == {
        "type": "tool-input-available",
        "toolCallId": "call_a",
        "toolName": "find_order",
        "input": {"number": 7},
    }
    assert second["toolCallId"] == "call_b"
    assert step == {"type": "finish-step"}
    assert finish["messageMetadata"]["finishReason"] == "tool-calls"
    assert done == "[DONE]"


def test_a_call_without_text_has_its_step() -> None:
    call = ToolCallAsked("call_a", "find_order", {})
    kinds = [frame["type"] for frame in frames(call, FINISHED)[:-1]]
    assert kinds == [
        "start",
        "start-step",
        "tool-input-available",
        "finish-step",
        "finish",
    ]


def test_an_empty_delta_keeps_a_silent_stream_alive() -> None:
    kinds = [frame["type"] for frame in frames(Delta(""), Delta(""), Delta("Hi"))]
    assert kinds == ["start", "start-step", "text-start", *["text-delta"] * 3]


def test_a_reply_that_says_nothing_is_a_whole_message() -> None:
    kinds = [frame["type"] for frame in frames(FINISHED)[:-1]]
    assert kinds == ["start", "start-step", "finish-step", "finish"]


def test_a_failure_is_an_error_and_no_finish() -> None:
    assert frames(Delta("Two "), Failed("It broke off."))[-2:] == [
        {"type": "error", "errorText": "It broke off."},
        "[DONE]",
    ]


def test_where_people_have_taken_over_there_is_no_message() -> None:
    silent = Finished(5, 11, None, None)
    assert frames(silent, message_id=None) == [
        {"type": "start"},
        {"type": "finish"},
        "[DONE]",
    ]


def test_text_cannot_forge_a_frame() -> None:
    evil = 'x\n\ndata: [DONE]\n\n\u2028\u2029\x85\r{"type":"finish"}'
    raw = b"".join(UIMessageStream("msg_12")(Delta(evil))).decode()
    assert raw.count("\n\n") == len(raw.splitlines()) // 2 == 4
    assert frames(Delta(evil))[-1]["delta"] == evil


@given(st.lists(st.text()))
def test_the_deltas_are_the_text(words: list[str]) -> None:
    found = frames(*[Delta(word) for word in words], FINISHED)
    kinds = [frame["type"] for frame in found[:-1]]
    for opening, closing in (("text-start", "text-end"), ("start", "finish")):
        assert kinds.count(opening) == kinds.count(closing) <= 1
    deltas = [f["delta"] for f in found[:-1] if f["type"] == "text-delta"]
    assert deltas == words


# --- The body ---------------------------------------------------------------------


def user(text: str = "Hello", **fields: Any) -> dict[str, Any]:
    part = {"type": "text", "text": text}
    return {"id": "aBc", "role": "user", "parts": [part], **fields}


def assistant(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "msg_12", "role": "assistant", "parts": list(parts), **fields}


def answered(call_id: str = "call_a", **fields: Any) -> dict[str, Any]:
    return {
        "type": "tool-find_order",
        "toolCallId": call_id,
        "state": "output-available",
        "input": {},
        "output": {"status": "shipped"},
        **fields,
    }


STEP = {"type": "step-start"}
TEXT = {"type": "text", "text": "It has shipped.", "state": "done"}


def posted(*messages: Any, **body: Any) -> Posted:
    whole = {"id": "chat-1", "messages": list(messages), **body}
    return read(whole, max_length=100, max_output=100)


def problems(*messages: Any, **body: Any) -> dict[str, str]:
    with pytest.raises(InvalidBody) as caught:
        posted(*messages, **body)
    assert caught.value.status_code == 400
    return caught.value.details


def test_the_last_user_message_is_the_turn() -> None:
    found = posted(
        user("First"), assistant(TEXT), user("Second"), trigger="submit-message"
    )
    assert found == Posted(chat_id="chat-1", user_id=None, text="Second", known=12)


def test_pieces_of_text_are_put_below_each_other() -> None:
    pieces = [{"type": "text", "text": text} for text in (" One", "Two ")]
    data = {"type": "data-page", "data": {"path": "/"}}
    assert posted(user(parts=[pieces[0], data, pieces[1]])).text == "One\nTwo"


def test_the_user_id_may_stand_beside_the_messages() -> None:
    assert posted(user(), userId="anna").user_id == "anna"
    assert posted(user(), userId=None).user_id is None


def test_outputs_in_the_last_step_are_results() -> None:
    found = posted(
        user(),
        assistant(
            STEP,
            answered("call_old"),
            STEP,
            TEXT,
            answered("call_a"),
            answered("call_b", state="output-error", errorText="No such order."),
            answered("call_c", type="dynamic-tool", toolName="find", output=None),
        ),
        messageId="msg_12",
    )
    assert found.text is None
    assert found.goes_on == "msg_12"
    assert found.results == (
        ("call_a", {"status": "shipped"}),
        ("call_b", {"error": "No such order."}),
        ("call_c", None),
    )


def test_outputs_go_with_a_message_that_follows() -> None:
    found = posted(user(), assistant(STEP, answered()), user("And the other?"))
    assert found.text == "And the other?"
    assert found.results == (("call_a", {"status": "shipped"}),)
    assert found.goes_on is None


def test_what_waits_or_is_preliminary_is_no_result() -> None:
    waiting = answered("call_b", state="input-available")
    preliminary = answered("call_c", preliminary=True)
    found = posted(user(), assistant(STEP, answered(), waiting, preliminary))
    assert [call_id for call_id, _ in found.results] == ["call_a"]


def test_a_reply_is_made_anew_by_its_id() -> None:
    found = posted(user(), trigger="regenerate-message", messageId="msg_12")
    assert found.regenerate
    assert found.regenerated == 12
    assert found.results == ()


def test_or_as_the_first_after_those_that_the_chat_has() -> None:
    both = assistant(TEXT, id="msg_12", metadata={"messageId": "msg_14"})
    own = assistant(TEXT, id="zYx", metadata="none of ours")
    found = posted(user(), both, own, user(), trigger="regenerate-message")
    assert found.regenerated is None
    assert found.known == 14
    first = posted(user(), trigger="regenerate-message", messageId="aBc")
    assert first.regenerated is None
    assert first.known is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"id": None}, "id"),
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"id": "x" * 256}, "id"),
        ({"id": " \u200b"}, "id"),
        ({"userId": "a b"}, "userId"),
        ({"userId": 7}, "userId"),
        ({"trigger": "resume-stream"}, "trigger"),
        ({"trigger": ["submit-message"]}, "trigger"),
        ({"trigger": None}, "trigger"),
        ({"messageId": 12}, "messageId"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": ["Hello"]}, "messages.0"),
        ({"messages": [user(role="tool")]}, "messages.0.role"),
        ({"messages": [user(role=["user"])]}, "messages.0.role"),
        ({"messages": [user(parts=None)]}, "messages.0.parts"),
        ({"messages": [user(parts="Hello")]}, "messages.0.parts"),
        ({"messages": [user(parts=["Hello"]), user()]}, "messages.0.parts"),
        ({"messages": [user(parts=[])]}, "messages.0.parts"),
        ({"messages": [user(" \n")]}, "messages.0.parts"),
        ({"messages": [user(7)]}, "messages.0.parts"),  # type: ignore[arg-type]
        ({"messages": [assistant(TEXT), user("x" * 101)]}, "messages.1.parts"),
        ({"messages": [user(parts=[{"type": "file"}])]}, "messages.0.parts.0"),
        ({"messages": [user(), assistant(TEXT)]}, "messages"),
        ({"messages": [user(), assistant()]}, "messages"),
        ({"messages": [user(role="system")]}, "messages"),
        (
            {"messages": [assistant(answered(""))]},
            "messages.0.parts.0.toolCallId",
        ),
        (
            {"messages": [assistant(answered(7))]},  # type: ignore[arg-type]
            "messages.0.parts.0.toolCallId",
        ),
        (
            {"messages": [assistant(answered(output="x" * 99))]},
            "messages.0.parts.0.output",
        ),
        (
            {"messages": [assistant(*[answered(f"call_{n}") for n in range(65)])]},
            "messages",
        ),
        (
            {
                "trigger": "regenerate-message",
                "messages": [user(), assistant(answered())],
            },
            "messages",
        ),
    ],
)
def test_a_bad_body_names_the_field(body: dict[str, Any], field: str) -> None:
    assert set(problems(user(), **body)) == {field}


@pytest.mark.parametrize(
    "name",
    [
        "msg_0",
        "msg_",
        "msg_1\n",
        "msg_١٢",
        "msg_1_2",
        "12",
        f"msg_{2**63}",
        "msg_" + "9" * 400,
        None,
        12,
        ["msg_1"],
    ],
)
def test_what_is_no_id_of_ours_is_somebody_elses(name: Any) -> None:
    found = posted(assistant(TEXT, id=name), user())
    assert found.known is None


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text()
    | st.sampled_from(
        ["user", "assistant", "text", "tool-x", "step-start", "output-available"]
    ),
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["id", "role", "parts", "type", "text", "state", "toolCallId", "output"]
            )
            | st.text(),
            below,
            max_size=6,
        )
    ),
    max_leaves=30,
)
messages = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant"]),
        "parts": st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["text", "tool-x", "step-start"])},
                optional={
                    "text": json_values,
                    "state": st.sampled_from(["output-available", "output-error"]),
                    "toolCallId": json_values,
                    "output": json_values,
                    "errorText": json_values,
                },
            )
            | json_values
        ),
    },
    optional={"id": json_values, "metadata": json_values},
)


@given(
    st.fixed_dictionaries(
        {"messages": st.lists(messages) | json_values},
        optional={
            "id": st.just("chat-1") | json_values,
            "trigger": st.sampled_from(["submit-message", "regenerate-message"])
            | json_values,
            "messageId": json_values,
            "userId": json_values,
        },
    )
)
def test_no_body_is_too_odd(body: dict[str, Any]) -> None:
    with suppress(InvalidBody):
        found = read(body, max_length=100, max_output=100)
        assert found.text or found.results


# --- Over the wire ----------------------------------------------------------------


def send(shop: Shop, body: Any, query: str = "?protocol=ui-message") -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = shop.client.post(
        shop.path + query,
        headers=shop.headers | {"Content-Type": "application/json"},
        content=content,
    )
    check_response(response, "POST", shop.path)
    return response


def chat(*messages: Any, **body: Any) -> dict[str, Any]:
    return {"id": "chat-1", "messages": messages, **body}


def stream_path(shop: Shop, response: httpx.Response) -> str:
    conversation = response.headers["x-conversation-id"]
    message = response.headers["x-message-id"]
    conversations = f"/api/v2/agents/{shop.agent.pk}/conversations"
    return f"{conversations}/{conversation}/messages/{message}/stream"


def test_both_bodies_are_answered_in_the_sdks_words(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["Two ", "days."])
    for body in (chat(user("How long?")), {"message": "How long?"}):
        response = send(shop, body)
        assert response.status_code == 200
        headers = response.headers
        assert headers["x-vercel-ai-ui-message-stream"] == "v1"
        assert headers["content-type"].startswith("text/event-stream")
        assert headers["cache-control"] == "no-cache, no-transform"
        start, *_, finish, done = parsed(response.content)
        message_id = response.headers["x-message-id"]
        assert start == {"type": "start", "messageId": message_id}
        assert finish["messageMetadata"]["messageId"] == message_id
        assert done == "[DONE]"


def test_who_does_not_ask_sees_nothing_of_it(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["Two days."])
    plain = send(shop, {"message": "How long?"}, "")
    assert "x-vercel-ai-ui-message-stream" not in plain.headers
    assert [f["type"] for f in parsed(plain.content)[:-1]] == ["text-delta", "finish"]
    refused = send(shop, chat(user()), "")
    assert refused.status_code == 400
    assert set(refused.json()["error"]["details"]) == {"message"}


def test_a_reply_in_one_piece_is_v2s(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["Two days."])
    response = send(shop, {"message": "How long?", "stream": False})
    (part,) = response.json()["data"]["parts"]
    assert part == {"type": "text", "text": "Two days."}


@pytest.mark.parametrize(
    "query",
    [
        "?protocol=openai",
        "?protocol=",
        "?protocol=UI-MESSAGE",
        "?protocol=ui-message%00",
        "?protocol=ui-message&protocol=ui-message",
    ],
)
def test_an_unknown_protocol_is_refused(scripted: ScriptedShop, query: str) -> None:
    shop, engine = scripted(["Hello."])
    response = send(shop, {"message": "Hi"}, query)
    assert response.status_code == 400
    assert set(response.json()["error"]["details"]) == {"protocol"}
    assert engine.started == 0


def test_other_refusals_come_first(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["Hello."])
    missing = {"message": "Hi", "conversationId": 2**40}
    assert send(shop, missing, "?protocol=openai").status_code == 404
    shop.agent.pk = 2**40
    for query in ("?protocol=ui-message", "?protocol=openai"):
        assert send(shop, {"messages": 1}, query).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "c\\u0000", "messages": []}',
        b'{"id": "c", "messages": [{"role": "\\ud800", "parts": []}]}',
        b'{"id": "c", "messages": ' + b"[" * 2_000 + b"]" * 2_000 + b"}",
        b'{"id": "c", "messages": [], "messages": []}',
        b'{"id": "c", "messages": [{"role": "user", "parts": [NaN]}]}',
        b'{"messages": 0}',
        b'{"messages": ',
    ],
)
def test_garbage_is_a_bad_body(shop: Shop, body: bytes) -> None:
    response = send(shop, body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "VALIDATION_INVALID_BODY"
    assert not Conversation.objects.filter(agent=shop.agent).exists()


def test_a_chat_sees_no_conversation_but_its_own(scripted: ScriptedShop) -> None:
    """The same id, of another agent and of another user."""
    shop, engine = scripted(["Hello."])
    send(shop, chat(user("Our secret")))
    send(shop, chat(user("Hi"), userId="anna"))
    stranger = make_shop(shop.client, model="scripted")
    send(stranger, chat(user("Hi")))
    assert Conversation.objects.filter(agent=shop.agent).count() == 2
    for request in engine.requests[1:]:
        assert [turn.text for turn in request.turns] == ["Hi"]
    target = Message.objects.get(
        conversation__agent=shop.agent,
        conversation__end_user=None,
        role="assistant",
    )
    anew = chat(user("Hi"), trigger="regenerate-message", messageId=target.public_id)
    foreign = send(stranger, anew)
    missing = send(stranger, {**anew, "messageId": f"msg_{2**62}"})
    unknown = send(stranger, {**anew, "id": "chat-2"})
    assert foreign.status_code == 404
    assert foreign.json()["error"]["code"] == "CHAT_RETRY_MESSAGE_NOT_FOUND"
    assert foreign.content == missing.content == unknown.content


def test_results_of_other_conversations_are_not_taken(scripted: ScriptedShop) -> None:
    call = base.ToolCall("one", "find_order", {})
    shop, _ = scripted(["A moment."], calls=[call])
    Action.objects.create(
        workspace_id=shop.agent.workspace_id,
        agent=shop.agent,
        name="find_order",
        description="Where an order is.",
    )
    asked = parsed(send(shop, chat(user("Where is it?"))).content)
    call_id = next(f["toolCallId"] for f in asked[:-1] if "toolCallId" in f)
    result = assistant({"type": "step-start"}, answered(call_id))
    elsewhere = send(shop, {**chat(user(), result), "id": "chat-2"})
    assert elsewhere.status_code == 400
    assert not Conversation.objects.filter(external_id="chat-2", agent=shop.agent)

    # In its own it is, and once: who sends it again is told so.
    goes_on = {**result, "id": "theirs"}
    going_on = send(shop, chat(user(), goes_on))
    assert parsed(going_on.content)[0] == {"type": "start", "messageId": "theirs"}
    resumed = shop.client.get(
        stream_path(shop, going_on) + "?protocol=ui-message", headers=shop.headers
    )
    assert parsed(resumed.content)[0] == {"type": "start"}
    assert parsed(resumed.content)[1:] == parsed(going_on.content)[1:]
    again = send(shop, chat(user(), goes_on))
    assert again.status_code == 400
    assert "message" in again.json()["error"]["details"]


def test_the_same_stream_can_be_had_again(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["One ", "two ", "three."])
    response = send(shop, chat(user("Count.")))
    path = stream_path(shop, response)
    frames = [f + b"\n\n" for f in response.content.split(b"\n\n")[:-1]]
    for had in range(len(frames) + 1):
        query = f"?protocol=ui-message&after={had}"
        again = shop.client.get(path + query, headers=shop.headers)
        assert again.headers["x-vercel-ai-ui-message-stream"] == "v1"
        assert b"".join(frames[:had]) + again.content == response.content
    refused = shop.client.get(f"{path}?protocol=v3", headers=shop.headers)
    assert refused.status_code == 400


def test_a_reply_that_is_still_being_made_is_made_anew_after_it(
    scripted: ScriptedShop,
) -> None:
    """A page whose user presses stop, and then regenerate."""
    shop, engine = scripted(["One ", "two ", "three."], pause=0.1)
    with shop.client.stream(
        "POST",
        shop.path + "?protocol=ui-message",
        headers=shop.headers,
        json=chat(user("Count.")),
    ) as stopped:
        next(stopped.iter_raw())
    anew = send(shop, chat(user("Count."), trigger="regenerate-message"))
    assert anew.status_code == 200
    assert anew.headers["x-message-id"] != stopped.headers["x-message-id"]
    conversation = Conversation.objects.get(agent=shop.agent)
    said = conversation.messages.readable().order_by("id")
    assert [m.text for m in said] == ["Count.", "One two three."]
    assert said[1].public_id == anew.headers["x-message-id"]
    assert engine.started == 2


def test_an_idempotent_chat_is_answered_once(scripted: ScriptedShop) -> None:
    shop, engine = scripted(["One ", "two."])
    send(shop, chat(user("Count.")))
    again = chat(user("Count."), trigger="regenerate-message")
    headers = shop.headers | {"Idempotency-Key": "once"}
    answers = [
        shop.client.post(shop.path + "?protocol=ui-message", headers=headers, json=body)
        for body in (again, again)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert engine.started == 2
