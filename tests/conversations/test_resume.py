"""Resume: a stream that was cut goes on from any frame, byte for byte."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from agents.engine.base import EngineError, Finish
from agents.engine.base import ToolCall as Asked
from agents.models import Action
from bookbag import threads
from conversations import replies, resume, turns
from conversations.asks import Ask
from conversations.events import Delta, Finished
from conversations.models import Conversation, Message
from conversations.replies import Draft
from tests.api.openapi import check_response
from tests.conversations.conftest import HeldShop, ScriptedShop, Shop
from usage.models import LedgerEntry

WORDS = ["One ", "two ", "thr\u2028ee ", "\N{GRINNING FACE} ", "[DONE]\n\n", "end."]


def path_of(shop: Shop, response: httpx.Response) -> str:
    conversation = response.headers["x-conversation-id"]
    message = response.headers["x-message-id"]
    conversations = f"/api/v2/agents/{shop.agent.pk}/conversations"
    return f"{conversations}/{conversation}/messages/{message}/stream"


def whole(shop: Shop) -> tuple[str, list[bytes]]:
    """A reply's frames, uncut, and where to have them again."""
    body = {"message": "Go."}
    with shop.client.stream(
        "POST", shop.path, headers=shop.headers, json=body
    ) as response:
        received = response.read()
    return path_of(shop, response), split(received)


def split(received: bytes) -> list[bytes]:
    return [frame + b"\n\n" for frame in received.split(b"\n\n")[:-1]]


def again(shop: Shop, path: str, **query: Any) -> httpx.Response:
    answer = shop.client.get(path, headers=shop.headers, params=query)
    check_response(answer, "GET", path)
    return answer


def test_head_and_resumed_tail_equal_the_uncut_bytes_at_every_frame(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted(WORDS)
    path, frames = whole(shop)
    assert len(frames) == len(WORDS) + 2
    for had in range(len(frames) + 1):
        tail = again(shop, path, after=had).content
        assert b"".join(frames[:had]) + tail == b"".join(frames)
    assert again(shop, path, after=1000).content == b""


def test_without_after_every_byte_is_replayed(scripted: ScriptedShop) -> None:
    shop, _ = scripted(WORDS)
    path, frames = whole(shop)
    assert split(again(shop, path).content) == frames


def test_tool_calls_are_replayed(scripted: ScriptedShop) -> None:
    order = {
        "number": 7,
        "at": "é",
        "b": [{"zz": 1e20, "y": -0.0}, 1.0, 1e16],
        "ä": None,
    }
    shop, _ = scripted(["Wait."], calls=[Asked("1", "track", order)])
    Action.objects.create(
        workspace_id=shop.agent.workspace_id,
        agent=shop.agent,
        name="track",
        description="To track an order.",
        parameters={"type": "object"},
    )
    path, frames = whole(shop)
    for had in range(len(frames) + 1):
        tail = again(shop, path, after=had).content
        assert b"".join(frames[:had]) + tail == b"".join(frames)


def test_a_reply_in_the_making_is_followed_live(scripted: ScriptedShop) -> None:
    """The socket is cut after every frame, and the next one goes on."""
    shop, engine = scripted(WORDS, pause=0.15)
    frames: list[bytes] = []
    with shop.client.stream(
        "POST", shop.path, headers=shop.headers, json={"message": "Go."}
    ) as response:
        frames.append(next(framed(response)))
    path = path_of(shop, response)
    while frames[-1] != b"data: [DONE]\n\n":
        with shop.client.stream(
            "GET", path, headers=shop.headers, params={"after": len(frames)}
        ) as response:
            frames.append(next(framed(response)))
    assert frames == split(again(shop, path).content)
    assert engine.started == 1


def framed(response: httpx.Response) -> Iterator[bytes]:
    received = b""
    for chunk in response.iter_bytes():
        received += chunk
        while b"\n\n" in received:
            frame, received = received.split(b"\n\n", 1)
            yield frame + b"\n\n"


def test_a_reply_that_broke_off_ends_in_the_same_error(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted(["Some ", "words"], error=EngineError("timeout", "stalled"))
    path, frames = whole(shop)
    assert split(again(shop, path, after=1).content) == frames[1:]


def test_of_a_reply_whose_process_was_killed_the_saved_part_is_told(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted([])
    conversation = Conversation.objects.create(
        workspace_id=shop.agent.workspace_id, agent=shop.agent
    )
    message = Message.objects.create(
        workspace_id=shop.agent.workspace_id,
        conversation=conversation,
        role="assistant",
        status="streaming",
        text="So far",
        journal=[3, 3],
        lease_expires_at=timezone.now() - timedelta(seconds=1),
    )
    path = f"/api/v2/agents/{shop.agent.pk}/conversations/{conversation.pk}"
    frames = split(again(shop, f"{path}/messages/{message.pk}/stream").content)
    kinds = [frame.split(b'"')[3] for frame in frames[:-1]]
    assert kinds == [b"text-delta", b"text-delta", b"error"]
    assert frames[-1] == b"data: [DONE]\n\n"
    message.refresh_from_db()
    assert message.status == "partial"


@pytest.mark.parametrize("had", [0, 1, 2, 3, 4, 50])
def test_who_had_more_of_a_killed_reply_than_was_saved_is_told_of_its_end(
    scripted: ScriptedShop, had: int
) -> None:
    shop, _ = scripted([])
    turn = turns.begin(Ask(agent=shop.agent, text="Go."), lease_owner="a process")
    replies.checkpoint([(turn, Draft(text="So far", journal=[3, 3]))])
    Message.objects.filter(pk=turn.message_id).update(
        lease_expires_at=timezone.now() - timedelta(seconds=1)
    )
    path = f"/api/v2/agents/{shop.agent.pk}/conversations/{turn.conversation_id}"
    path = f"{path}/messages/{turn.message_id}/stream"
    *deltas, error, done = split(again(shop, path, after=had).content)
    assert len(deltas) == max(2 - had, 0)
    assert error.startswith(b'data: {"type":"error"')
    assert done == b"data: [DONE]\n\n"


def test_resuming_costs_nothing(scripted: ScriptedShop) -> None:
    shop, engine = scripted(WORDS)
    path, _ = whole(shop)
    again(shop, path)
    assert engine.started == 1
    assert LedgerEntry.objects.filter(agent_id=shop.agent.pk).count() == 1


@pytest.mark.parametrize(
    "after", ["-1", "x", "1.0", "", "١", "9" * 10, "1_0", " 1", "%00", "1\n"]
)
def test_a_bad_after_is_400(scripted: ScriptedShop, after: str) -> None:
    shop, _ = scripted(["ok"])
    path, _ = whole(shop)
    answer = again(shop, path, after=after)
    assert answer.status_code == 400
    assert list(answer.json()["error"]["details"]) == ["after"]


def test_only_replies_of_this_conversation_can_be_resumed(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted(["ok"])
    path, _ = whole(shop)
    other, _ = whole(shop)
    asked = Message.objects.filter(conversation__agent=shop.agent, role="user").first()
    assert asked is not None
    before, _, message = path.removesuffix("/stream").rpartition("/")
    elsewhere = other.removesuffix("/stream").rpartition("/")[2]
    for id_ in (asked.public_id, elsewhere, "msg_0", "x", "msg_" + "9" * 30):
        answer = again(shop, f"{before}/{id_}/stream")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "RESOURCE_MESSAGE_NOT_FOUND"
    assert again(shop, f"{before}/{message.removeprefix('msg_')}/stream").is_success


def test_a_revoked_key_ends_the_resumed_stream(held: HeldShop) -> None:
    shop, _ = held(["word ", "word"])
    with shop.stream("Go.") as stream:
        stream.next()
        path = path_of(shop, stream.response)
        with shop.client.stream("GET", path, headers=shop.headers) as response:
            lines = response.iter_lines()
            next(lines)
            shop.key.revoke()
            rest = [line for line in lines if line]
    assert rest[-2:] == [
        'data: {"type":"error","errorText":"The API key was revoked."}',
        "data: [DONE]",
    ]


def test_what_another_process_makes_is_followed_frame_by_frame(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted([])
    turn = turns.begin(Ask(agent=shop.agent, text="Go."), lease_owner="elsewhere")
    draft = Draft()

    async def follow() -> list[object]:
        assert turn.message_id is not None
        assert turn.conversation_id is not None
        seen: list[object] = []
        reply = await resume.follow(turn.message_id, turn.conversation_id)
        async for event in reply.watch(quiet=0.01):
            seen += [event] if event else []
            await threads.run(go_on, len(seen))
        return seen

    def go_on(seen: int) -> None:
        if draft.finish or seen < len(draft.journal):
            return
        for word in WORDS[seen : seen + 2]:
            draft.add(word)
        replies.checkpoint([(turn, draft)])
        if seen == len(WORDS):
            draft.finish = Finish("stop", engine="e", model="m")
            replies.complete(turn, draft)

    *deltas, end = asyncio.run(follow())
    assert deltas == [Delta(word) for word in WORDS]
    assert isinstance(end, Finished)
