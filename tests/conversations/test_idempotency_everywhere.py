"""Every POST that takes an API key takes an Idempotency-Key. The routes come from the
URL configuration: one without a row here fails."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from inspect import iscoroutinefunction
from typing import Any

import httpx
import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from agents.models import Agent, Widget
from apikeys.models import IdempotencyKey
from bookbag.api.schema import document
from bookbag.api.views import ApiView
from bookbag.middleware import is_api
from contacts.models import Contact, CustomAttribute, Lead
from conversations.api.chat import ReplyView
from conversations.models import Conversation, ConversationEvent, Message, ToolCall
from knowledge.models import Source
from tests.api.openapi import check_response
from tests.contract.test_tenant_matrix_v1 import picture
from tests.conversations.conftest import ScriptedShop, Shop
from usage.models import LedgerEntry
from webhooks.models import WebhookEvent

# Of a route: where to post, and what.
Row = Callable[[Shop], tuple[str, dict[str, Any] | None]]
FILE = "the field of a picture: then the body is a form"
TURNS = [{"role": "user", "content": "Hi"}]


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


def v1(path: str, /, **body: Any) -> Row:
    """A body of API v1; `{}` in its path, or an id of no row, is the agent's."""

    def row(shop: Shop) -> tuple[str, dict[str, Any]]:
        agent = shop.agent.pk
        own = {n: agent for n in ("chatbotId", "agentId") if n in body}
        return f"/api/v1/{path.format(agent)}", {**body, **own}

    return row


def form(path: str, field: str) -> Row:
    def row(shop: Shop) -> tuple[str, dict[str, Any]]:
        return f"/api/v1/{path}", {"chatbotId": str(shop.agent.pk), FILE: field}

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
    "v1_chat": [
        v1("chat", chatbotId=0, messages=TURNS),
        v1("chat", chatbotId=0, messages=TURNS, stream=True),
        v1("chat", chatbotId=0, messages=TURNS, conversationId="theirs"),
        v1("chat", agentId=0, message="Hi"),
    ],
    "v1_create_chatbot": [v1("create-chatbot", chatbotName="New", sourceText="Yes.")],
    "v1_update_chatbot_data": [
        v1("update-chatbot-data", chatbotId=0, chatbotName="New", sourceText="Yes.")
    ],
    "v1_update_chatbot_settings": [
        v1("update-chatbot-settings", chatbotId=0, ipLimit=5)
    ],
    "v1_upload_chatbot_icon": [form("upload-chatbot-icon", "chatbotIconFile")],
    "v1_upload_chatbot_profile_picture": [
        form("upload-chatbot-profile-picture", "profilePictureFile")
    ],
    "v1_contacts": [v1("chatbots/{}/contacts", users=[{"name": "Ann"}])],
    "v1_custom_attributes": [v1("chatbots/{}/custom-attributes", name="plan")],
    "v1_agent_leads": [v1("agents/{}/leads", email="ann@example.com")],
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
    assert first.status_code in (200, 202), first.text
    assert "Idempotency-Replayed" not in first.headers
    before, started = written(shop), engine.started
    again = once_kept(shop, path, body, "a")
    assert again.status_code == first.status_code
    assert without_token(again) == without_token(first)
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
        for version in ("v1", "v2")
        for operations in document(version)["paths"].values()
        if "post" in operations and operations["post"].get("security")
    ]
    assert len(posts) == len(ROUTES)
    for operation in posts:
        names = [parameter["name"] for parameter in operation["parameters"]]
        assert names.count("Idempotency-Key") == 1
        assert {"400", "409", "422"} <= set(operation["responses"])
        done = operation["responses"].get("200") or operation["responses"]["202"]
        assert "Idempotency-Replayed" in done["headers"]


def post(
    shop: Shop, path: str, body: dict[str, Any] | None, name: str
) -> httpx.Response:
    request: dict[str, Any] = {"json": body}
    if body and FILE in body:
        texts = {name: value for name, value in body.items() if name != FILE}
        request = {"data": texts, "files": {body[FILE]: ("a.png", picture())}}
    headers = shop.headers | {"Idempotency-Key": name}
    return shop.client.post(path, headers=headers, **request)


def without_token(answer: httpx.Response) -> bytes:
    """A visitor's is signed anew, with the time."""
    return re.sub(rb'"visitorToken":"[^"]+"', b"", answer.content)


def once_kept(
    shop: Shop, path: str, body: dict[str, Any] | None, name: str
) -> httpx.Response:
    """A stream of what is not stored has ended before it is kept: a twin comes back."""
    deadline = time.monotonic() + 60
    while (again := post(shop, path, body, name)).status_code == 409:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return again


def written(shop: Shop) -> list[int]:
    workspace = shop.agent.workspace
    return [
        model._base_manager.filter(workspace=workspace).count()
        for model in (
            *(Conversation, Message, ToolCall, ConversationEvent, LedgerEntry),
            *(Agent, Widget, Source, Contact, CustomAttribute, Lead, WebhookEvent),
        )
    ]


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
