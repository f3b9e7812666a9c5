"""What a message tells, wherever it is read."""

from typing import Any

from tests.conversations.conftest import ScriptedShop, Shop


def read(shop: Shop, conversation_id: str) -> list[dict[str, Any]]:
    path = f"/api/v2/agents/{shop.agent.pk}/conversations/{conversation_id}/messages"
    answer = shop.client.get(path, headers=shop.headers)
    return list(answer.json()["data"])


def test_feedback_and_metadata_are_on_the_assistants_messages_only(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted(["ok"])
    reply = shop.chat("Hello.").json()["data"]
    user, assistant = read(shop, reply["metadata"]["conversationId"])
    both = {"id", "role", "parts", "createdAt"}
    assert (user["role"], set(user)) == ("user", both)
    assert assistant["role"] == "assistant"
    assert set(assistant) == both | {"feedback", "metadata"}
    assert assistant["feedback"] is None


def test_citations_and_score_are_there_where_the_engine_gave_them(shop: Shop) -> None:
    asked = shop.chat("How long does delivery to Canada take?").json()["data"]
    _, reply = read(shop, asked["metadata"]["conversationId"])
    citation = reply["metadata"]["citations"][0]
    assert "5 to 9 business days" in citation["quote"]
    assert citation["quote"] in shop.agent.sources.get().content
    assert 0 < reply["metadata"]["score"] <= 1


def test_they_are_left_out_where_it_gave_none(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["ok"])
    reply = shop.chat("Hello.").json()["data"]
    _, shown = read(shop, reply["metadata"]["conversationId"])
    assert shown["metadata"] == {"finishReason": "stop", "usage": {"credits": 1}}


def test_feedback_is_no_activity(scripted: ScriptedShop) -> None:
    """Who was rated does not move to the top of the list."""
    shop, _ = scripted(["ok"])
    older, _ = (shop.chat("Hello.").json()["data"] for _ in range(2))
    conversations = f"/api/v2/agents/{shop.agent.pk}/conversations"
    before = shop.client.get(conversations, headers=shop.headers).content
    path = f"{conversations}/{older['metadata']['conversationId']}"
    rated = shop.client.patch(
        f"{path}/messages/{older['id']}/feedback",
        headers=shop.headers,
        json={"feedback": "positive"},
    )
    assert rated.json()["data"]["feedback"] == "positive"
    assert shop.client.get(conversations, headers=shop.headers).content == before
