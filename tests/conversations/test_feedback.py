"""Thumbs up, thumbs down: what end users think of replies."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from apikeys.models import Access, ApiKey
from conversations.models import Conversation, Message, ReplyStatus, ToolCall
from tests.api.openapi import check_response
from tests.conftest import make_user, make_workspace
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db

Rate = Callable[..., Any]
UP = {"feedback": "positive"}


@pytest.fixture
def talk(workspace: Workspace, agent: Agent) -> Conversation:
    return Conversation.objects.create(workspace=workspace, agent=agent)


def say(talk: Conversation, role: str, **fields: Any) -> Message:
    return Message.objects.create(
        workspace_id=talk.workspace_id,
        conversation=talk,
        role=role,
        **{"text": "Two days.", **fields},
    )


@pytest.fixture
def reply(talk: Conversation) -> Message:
    say(talk, "user")
    return say(talk, "assistant", finish_reason="stop")


@pytest.fixture
def rate(workspace: Workspace, agent: Agent, talk: Conversation) -> Rate:
    """PATCH a message's feedback; every answer is held against the document."""

    def rate(
        message: object, body: Any = UP, *, of: object = talk.pk, **scope: Any
    ) -> Any:
        agent_id = scope.pop("agent_id", agent.pk)
        secret = ApiKey.objects.issue(workspace, label="Tests", **scope)[1]
        path = f"/api/v2/agents/{agent_id}/conversations/{of}/messages/{message}"
        response = Client(headers={"authorization": f"Bearer {secret}"}).patch(
            f"{path}/feedback", body, content_type="application/json"
        )
        check_response(response, "PATCH", f"{path}/feedback")
        return response

    return rate


def given(message: Message) -> str | None:
    return Message.objects.get(pk=message.pk).feedback


def refusal(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_a_reply_is_rated_and_answered_whole(rate: Rate, reply: Message) -> None:
    response = rate(reply.public_id)
    assert response.status_code == 200
    assert response.json() == {
        "data": {
            "id": reply.public_id,
            "role": "assistant",
            "parts": [{"type": "text", "text": "Two days."}],
            "createdAt": int(reply.created_at.timestamp()),
            "feedback": "positive",
            "metadata": {"finishReason": "stop", "usage": {"credits": 0}},
        }
    }
    assert given(reply) == "positive"


def test_it_changes_and_is_taken_back_and_is_idempotent(
    rate: Rate, reply: Message
) -> None:
    for word in ("positive", "positive", "negative", None, None, "negative"):
        response = rate(reply.pk, {"feedback": word})
        assert response.json()["data"]["feedback"] == word
        assert given(reply) == word


def test_the_prefix_of_the_id_is_optional(rate: Rate, reply: Message) -> None:
    assert rate(reply.pk).content == rate(f"msg_{reply.pk}").content


def test_nothing_else_of_the_message_changes(rate: Rate, reply: Message) -> None:
    before = Message.objects.filter(pk=reply.pk).values().get()
    rate(reply.pk)
    after = Message.objects.filter(pk=reply.pk).values().get()
    assert after == before | {"feedback": "positive"}


def test_tool_calls_are_in_the_answer(rate: Rate, talk: Conversation) -> None:
    made = say(
        talk, "assistant", finish_reason="tool_calls", status=ReplyStatus.AWAITING_TOOL
    )
    ToolCall.objects.create(
        workspace_id=talk.workspace_id,
        conversation=talk,
        message=made,
        call_id="call_1",
        name="look",
        input={},
        expires_at=timezone.now(),
    )
    parts = rate(made.pk).json()["data"]["parts"]
    assert [part["type"] for part in parts] == ["text", "tool-call"]


def test_a_persons_reply_can_be_rated(rate: Rate, talk: Conversation) -> None:
    theirs = say(talk, "assistant", author=make_user("ann"))
    assert rate(theirs.pk).json()["data"]["metadata"]["author"] == "human"


def test_feedback_on_the_users_message_is_400(rate: Rate, talk: Conversation) -> None:
    asked = say(talk, "user")
    response = rate(asked.pk)
    assert refusal(response) == (400, "RESOURCE_MESSAGE_NOT_ASSISTANT")
    assert given(asked) is None


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"Feedback": "positive"}, {"feedback": ""}, {"feedback": "good"}),
        *({"feedback": "POSITIVE"}, {"feedback": "positive "}, {"feedback": True}),
        *({"feedback": 1}, {"feedback": ["positive"]}, {"feedback": {}}),
        *({"feedback": "x" * 10_000}, {"feedback": "positive\n"}),
    ],
)
def test_the_key_is_required_and_its_word_known(
    rate: Rate, reply: Message, body: dict[str, Any]
) -> None:
    response = rate(reply.pk, body)
    assert refusal(response) == (400, "VALIDATION_INVALID_BODY")
    assert set(response.json()["error"]["details"]) == {"feedback"}
    assert given(reply) is None


@pytest.mark.parametrize("body", ["", "null", "[]", "{", '"positive"', '{"feedback":}'])
def test_a_body_that_is_no_object_is_400(rate: Rate, reply: Message, body: str) -> None:
    assert refusal(rate(reply.pk, body)) == (400, "VALIDATION_INVALID_BODY")


def test_unknown_fields_are_ignored(rate: Rate, reply: Message) -> None:
    assert rate(reply.pk, UP | {"text": "hacked"}).status_code == 200
    assert Message.objects.get(pk=reply.pk).text == "Two days."


def test_what_no_reader_sees_is_404(
    rate: Rate, talk: Conversation, reply: Message
) -> None:
    unseen = [
        say(talk, "assistant", hidden_at=timezone.now()),
        say(talk, "assistant", status=ReplyStatus.FAILED),
        say(talk, "system"),
        say(
            talk,
            "assistant",
            status=ReplyStatus.STREAMING,
            lease_expires_at=timezone.now(),
        ),
    ]
    bodies = set()
    for message in unseen:
        response = rate(message.pk)
        assert refusal(response) == (404, "RESOURCE_MESSAGE_NOT_FOUND")
        assert given(message) is None
        bodies.add(response.content)
    for message_id in (2**40, 2**63, 2**70, "msg_", "msg_msg_1", "1_0", "٣", "x"):
        bodies.add(rate(message_id).content)
    assert len(bodies) == 1


def test_a_message_of_another_conversation_is_404(
    rate: Rate, agent: Agent, reply: Message
) -> None:
    other = Conversation.objects.create(workspace_id=agent.workspace_id, agent=agent)
    theirs = say(other, "assistant")
    foreign = make_workspace("Else")
    their_agent = Agent.objects.create(workspace=foreign, name="Theirs")
    their_talk = Conversation.objects.create(workspace=foreign, agent=their_agent)
    their_reply = say(their_talk, "assistant")
    answers = {rate(pk).content for pk in (theirs.pk, their_reply.pk, 2**40)}
    assert len(answers) == 1
    assert refusal(rate(theirs.pk)) == (404, "RESOURCE_MESSAGE_NOT_FOUND")
    answers = {rate(their_reply.pk, of=of).content for of in (their_talk.pk, 2**40)}
    assert len(answers) == 1
    refused = rate(their_reply.pk, of=their_talk.pk)
    assert refusal(refused) == (404, "RESOURCE_NOT_FOUND")
    assert given(theirs) is given(their_reply) is None


def test_a_key_that_only_reads_is_403(rate: Rate, reply: Message) -> None:
    response = rate(reply.pk, access=Access.READ)
    assert refusal(response) == (403, "AUTH_INSUFFICIENT_PERMISSIONS")
    assert given(reply) is None


def test_what_is_wrong_is_said_in_the_contracts_order(
    rate: Rate, workspace: Workspace, talk: Conversation, reply: Message
) -> None:
    """Agent, scope, access, conversation, message, body."""
    bad: dict[str, Any] = {"feedback": "good"}
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    asked = [
        rate(2**40, bad, of=2**40, agent_id=2**40, access=Access.READ, agent=sibling),
        rate(2**40, bad, of=2**40, access=Access.READ, agent=sibling),
        rate(2**40, bad, of=2**40, access=Access.READ),
        rate(2**40, bad, of=2**40),
        rate(2**40, bad),
        rate(reply.pk, bad),
    ]
    assert [refusal(one) for one in asked] == [
        (404, "RESOURCE_NOT_FOUND"),
        (403, "AUTH_INSUFFICIENT_PERMISSIONS"),
        (403, "AUTH_INSUFFICIENT_PERMISSIONS"),
        (404, "RESOURCE_NOT_FOUND"),
        (404, "RESOURCE_MESSAGE_NOT_FOUND"),
        (400, "VALIDATION_INVALID_BODY"),
    ]


def test_feedback_is_given_with_patch_only() -> None:
    response = Client().get("/api/v2/agents/1/conversations/1/messages/1/feedback")
    assert response.status_code == 405
    assert response.headers["Allow"] == "PATCH"
