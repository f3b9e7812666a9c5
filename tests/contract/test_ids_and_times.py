"""Ids and times, wherever API v2 says one or is told one."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from agents.engine.base import ToolCall as Asked
from agents.models import Action
from tests.api.openapi import check_response
from tests.conversations.conftest import ScriptedShop, Shop

CONVERSATION_ID = re.compile(r"\A[1-9][0-9]*\Z")
MESSAGE_ID = re.compile(r"\Amsg_[1-9][0-9]*\Z")
CALL_ID = re.compile(r"\Acall_[0-9A-Za-z_-]+\Z")


@pytest.fixture
def talk(scripted: ScriptedShop) -> "Talk":
    shop, _ = scripted(["Let me look."], calls=[Asked("1", "track", {"order": "7"})])
    Action.objects.create(
        workspace_id=shop.agent.workspace_id,
        agent=shop.agent,
        name="track",
        description="To track an order.",
        parameters={"type": "object"},
    )
    return Talk(shop)


class Talk:
    """One question, answered with a call that waits; and all there is to read of it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.begun = int(time.time())
        self.reply = shop.chat("Where is it?", userId="ann").json()["data"]
        self.id = self.reply["metadata"]["conversationId"]
        self.conversations = f"/api/v2/agents/{shop.agent.pk}/conversations"
        self.path = f"{self.conversations}/{self.id}"

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        answer = self.shop.client.request(
            method, path, headers=self.shop.headers, **request
        )
        check_response(answer, method, path)
        return answer

    def read(self) -> dict[str, Any]:
        """What each address answers that shows the conversation or its messages."""
        users = f"/api/v2/agents/{self.shop.agent.pk}/users/ann/conversations"
        addresses = [self.conversations, users, self.path, f"{self.path}/messages"]
        addresses += [f"{self.conversations}/export", f"{self.path}/events?wait=0"]
        answers = {one: self.send("GET", one).json() for one in addresses}
        answers["a rating"] = self.send(
            "PATCH",
            f"{self.path}/messages/{self.reply['id']}/feedback",
            json={"feedback": "positive"},
        ).json()
        for move in ("takeover", "handback", "resolve"):
            answers[move] = self.send("POST", f"{self.path}/{move}").json()
        return answers


def values(answer: Any, *names: str) -> Iterator[Any]:
    """All values under these names, however deep."""
    if isinstance(answer, dict):
        for name, value in answer.items():
            if name in names:
                yield value
            yield from values(value, *names)
    elif isinstance(answer, list):
        for item in answer:
            yield from values(item, *names)


def test_a_conversation_id_is_a_string_of_digits_wherever_v2_says_it(
    talk: Talk,
) -> None:
    assert CONVERSATION_ID.match(talk.id)
    for address, answer in talk.read().items():
        ids = [id_ for id_ in values(answer, "id") if "msg_" not in str(id_)]
        ids += values(answer, "conversationId")
        assert set(ids) <= {talk.id}, address
        shows_messages = ("messages", "events?wait=0", "a rating")
        assert ids or address.endswith(shows_messages), address
    with talk.shop.stream("And now?") as stream:
        finish = stream.rest()[-1]["metadata"]
    assert CONVERSATION_ID.match(finish["conversationId"])
    assert stream.response.headers["x-conversation-id"] == finish["conversationId"]


def test_a_conversation_id_is_taken_as_an_integer_or_a_string_of_digits(
    talk: Talk,
) -> None:
    for same in (int(talk.id), talk.id, f"000{talk.id}"):
        answer = talk.shop.chat("Again.", conversationId=same).json()["data"]
        assert answer["metadata"]["conversationId"] == talk.id


def test_a_message_id_has_its_prefix_wherever_v2_says_it(talk: Talk) -> None:
    metadata = talk.reply["metadata"]
    assert talk.reply["id"] == metadata["messageId"]
    own = {metadata["messageId"], metadata["userMessageId"]}
    assert all(MESSAGE_ID.match(one) for one in own)
    for address, answer in talk.read().items():
        said = [id_ for id_ in values(answer, "id") if id_ != talk.id]
        assert set(said) <= own, address


def test_the_prefix_of_a_message_id_is_optional_wherever_one_is_sent(
    talk: Talk,
) -> None:
    bare = talk.reply["id"].removeprefix("msg_")
    for one in (talk.reply["id"], bare):
        rated = talk.send(
            "PATCH", f"{talk.path}/messages/{one}/feedback", json={"feedback": None}
        )
        assert rated.json()["data"]["id"] == talk.reply["id"]
        again = talk.send("GET", f"{talk.path}/messages/{one}/stream")
        assert again.headers["x-message-id"] == talk.reply["id"]
    body = {"messageId": bare, "stream": False}
    assert talk.send("POST", f"{talk.path}/retry", json=body).status_code == 200


@pytest.mark.parametrize("odd", ["msg_msg_{}", "MSG_{}", "Msg_{}", "msg-{}", " {}"])
def test_another_prefix_names_no_message(talk: Talk, odd: str) -> None:
    odd = odd.format(talk.reply["id"].removeprefix("msg_"))
    path = f"{talk.path}/messages/{odd}"
    refusals = [
        talk.send("PATCH", f"{path}/feedback", json={"feedback": None}),
        talk.send("GET", f"{path}/stream"),
        talk.send("POST", f"{talk.path}/retry", json={"messageId": odd}),
    ]
    codes = [one.json()["error"]["code"] for one in refusals]
    assert [one.status_code for one in refusals] == [404] * 3
    assert codes == ["RESOURCE_MESSAGE_NOT_FOUND"] * 2 + [
        "CHAT_RETRY_MESSAGE_NOT_FOUND"
    ]


def test_a_tool_calls_id_is_the_same_wherever_v2_says_it(talk: Talk) -> None:
    [call_id] = values(talk.reply, "toolCallId")
    assert CALL_ID.match(call_id)
    for address, answer in talk.read().items():
        assert set(values(answer, "toolCallId")) <= {call_id}, address
    shown = talk.send("GET", f"{talk.path}/messages").json()
    assert list(values(shown, "toolCallId")) == [call_id]


def test_times_are_unix_seconds_wherever_v2_says_one(talk: Talk) -> None:
    for address, answer in talk.read().items():
        times = list(values(answer, "createdAt", "updatedAt"))
        assert times, address
        for one in times:
            assert type(one) is int, address
            assert talk.begun <= one <= time.time() + 1, address
    health = talk.shop.client.get("/api/v2/health")
    assert talk.begun <= health.json()["timestamp"] <= time.time() + 1
    reset = int(health.headers["X-RateLimit-Reset"])
    assert talk.begun < reset <= time.time() + 11


def test_an_agents_id_is_an_integer(talk: Talk) -> None:
    agents = talk.send("GET", "/api/v2/agents").json()
    assert [one["id"] for one in agents["data"]] == [talk.shop.agent.pk]
    usage = talk.send("GET", "/api/v2/usage?groupBy=agent").json()
    assert {type(one) for one in values(usage, "agentId")} <= {int, type(None)}


@pytest.mark.parametrize(
    "text",
    [
        "naïve",
        "日本語",
        "مرحبا",
        "🦊 👩‍👩‍👧",
        "e\u0301",
        "\u2028\u2029",
        "<b>&amp;",
        "\\u0041",
    ],
)
def test_text_of_any_script_comes_back_as_it_went_in(
    scripted: ScriptedShop, text: str
) -> None:
    shop, _ = scripted([text])
    answer = shop.chat(f"»{text}«")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["data"]["parts"] == [{"type": "text", "text": text}]
    # UTF-8 and not escapes, which are three times as long.
    assert json.dumps(text, ensure_ascii=False).encode() in answer.content
    path = f"/api/v2/agents/{shop.agent.pk}/conversations"
    path += f"/{answer.json()['data']['metadata']['conversationId']}/messages"
    said = shop.client.get(path, headers=shop.headers).json()["data"]
    assert [one["parts"][0]["text"] for one in said] == [f"»{text}«", text]
