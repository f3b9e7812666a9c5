"""Every POST that takes an API key takes an Idempotency-Key. The routes come from the
URL configuration: one without a row here fails."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from inspect import iscoroutinefunction
from typing import Any

import httpx
import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from apikeys.models import IdempotencyKey
from bookbag.api.schema import document
from bookbag.api.views import ApiView
from bookbag.middleware import is_api
from conversations.api.chat import ReplyView
from conversations.models import Conversation, ConversationEvent, Message, ToolCall
from tests.api.openapi import check_response
from tests.conversations.conftest import ScriptedShop, Shop
from usage.models import LedgerEntry

Row = Callable[[Shop], tuple[str, dict[str, Any] | None]]


def chat(shop: Shop) -> tuple[str, dict[str, Any]]:
    return shop.path, {"message": "Hi", "stream": False}


def retry(shop: Shop) -> tuple[str, dict[str, Any]]:
    said = shop.chat("Hi").json()["data"]["metadata"]
    body = {"messageId": said["messageId"], "stream": False}
    return of_conversation(shop, said["conversationId"], "retry"), body


def tool_result(shop: Shop) -> tuple[str, dict[str, Any]]:
    said = shop.chat("Hi").json()["data"]["metadata"]
    ToolCall.objects.create(
        workspace=shop.agent.workspace,
        conversation_id=said["conversationId"],
        message_id=said["messageId"].removeprefix("msg_"),
        call_id="call_1",
        name="look_up",
        expires_at=timezone.now() + timedelta(hours=1),
    )
    body = {"toolCallId": "call_1", "output": {"found": True}}
    return of_conversation(shop, said["conversationId"], "tool-result"), body


def people(step: str, status: str) -> Row:
    def row(shop: Shop) -> tuple[str, None]:
        conversation = Conversation.objects.create(
            workspace=shop.agent.workspace, agent=shop.agent, status=status
        )
        return of_conversation(shop, conversation.pk, step), None

    return row


def completion(*, conversation: str | None) -> Row:
    def row(shop: Shop) -> tuple[str, dict[str, Any]]:
        body: dict[str, Any] = {
            "model": f"agent-{shop.agent.pk}",
            "messages": [{"role": "user", "content": "Hi"}],
        }
        if conversation:
            body["metadata"] = {"conversation_id": conversation}
        return "/v1/chat/completions", body

    return row


def of_conversation(shop: Shop, conversation_id: object, word: str) -> str:
    agent = shop.path.removesuffix("/chat")
    return f"{agent}/conversations/{conversation_id}/{word}"


ROUTES: dict[str, list[Row]] = {
    "v2_chat": [chat],
    "v2_retry": [retry],
    "v2_tool_result": [tool_result],
    "v2_takeover": [people("takeover", "bot")],
    "v2_handback": [people("handback", "escalated")],
    "v2_resolve": [people("resolve", "bot")],
    "openai_completion": [
        completion(conversation=None),
        completion(conversation="theirs"),
    ],
}


def test_every_keyed_post_has_a_row() -> None:
    assert {pattern.name for pattern in keyed_posts()} == set(ROUTES)


def test_every_keyed_post_sees_to_it() -> None:
    for pattern in keyed_posts():
        view = pattern.callback.view_class
        by_itself = not iscoroutinefunction(view.post)  # then ApiView sees to it
        assert by_itself or issubclass(view, ReplyView), view


@pytest.mark.parametrize(
    ("route", "row"), [(name, row) for name, rows in ROUTES.items() for row in rows]
)
def test_a_post_sent_again_is_not_done_again(
    scripted: ScriptedShop, route: str, row: Row
) -> None:
    shop, engine = scripted(["Two ", "days."])
    path, body = row(shop)
    first = post(shop, path, body, "a")
    assert first.status_code == 200, first.text
    assert "Idempotency-Replayed" not in first.headers
    before, started = written(shop), engine.started
    again = post(shop, path, body, "a")
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (written(shop), engine.started) == (before, started)
    check_response(again, "POST", path)
    other = post(shop, path, {**(body or {}), "unknown": 1}, "a")
    assert other.status_code == 422
    check_response(other, "POST", path)
    assert (written(shop), engine.started) == (before, started)
    assert IdempotencyKey.objects.for_workspace(shop.agent.workspace).count() == 1


def test_every_keyed_post_is_described_with_the_header() -> None:
    posts = [
        operations["post"]
        for operations in document()["paths"].values()
        if "post" in operations and operations["post"].get("security")
    ]
    assert len(posts) == len(ROUTES)
    for operation in posts:
        names = [parameter["name"] for parameter in operation["parameters"]]
        assert names.count("Idempotency-Key") == 1
        assert {"400", "409", "422"} <= set(operation["responses"])
        assert "Idempotency-Replayed" in operation["responses"]["200"]["headers"]


def post(
    shop: Shop, path: str, body: dict[str, Any] | None, name: str
) -> httpx.Response:
    headers = shop.headers | {"Idempotency-Key": name}
    return shop.client.post(path, headers=headers, json=body)


def written(shop: Shop) -> list[int]:
    workspace = shop.agent.workspace
    models = (Conversation, Message, ToolCall, ConversationEvent, LedgerEntry)
    return [model._base_manager.filter(workspace=workspace).count() for model in models]


def keyed_posts(patterns: Any = None, prefix: str = "/") -> Iterator[URLPattern]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from keyed_posts(pattern.url_patterns, route)
        elif is_api(route):
            view = pattern.callback.view_class
            assert issubclass(view, ApiView), view
            allowed = "post" in view.http_method_names and hasattr(view, "post")
            if allowed and view.authentication_classes:
                yield pattern
