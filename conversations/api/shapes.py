"""Conversations and messages as API v2 shows them. Pure: what they need is passed in.

`export` writes the same shapes in SQL; a test holds the two equal, byte for byte.
"""

from collections.abc import Iterable
from typing import Any

from conversations.models import (
    Conversation,
    ConversationStatus,
    Message,
    MessageRole,
    ToolCall,
    ToolCallStatus,
)

STATUS = {
    ConversationStatus.BOT: "ongoing",
    ConversationStatus.ESCALATED: "taken_over",
    ConversationStatus.RESOLVED: "ended",
}
FINISH_REASON = {"stop": "stop", "length": "stop", "tool_calls": "tool-calls"}
ANSWERED = (ToolCallStatus.SUBMITTED, ToolCallStatus.USED)


def conversation_json(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": str(conversation.pk),
        "title": conversation.title or None,
        "createdAt": int(conversation.created_at.timestamp()),
        "updatedAt": int(conversation.updated_at.timestamp()),
        "userId": conversation.end_user,
        "status": STATUS[ConversationStatus(conversation.status)],
    }


def message_json(message: Message, calls: Iterable[ToolCall] = ()) -> dict[str, Any]:
    """`calls` are the message's own, in the order in which they were made."""
    shown: dict[str, Any] = {
        "id": message.public_id,
        "role": message.role,
        "parts": parts(message, calls),
        "createdAt": int(message.created_at.timestamp()),
    }
    if message.role == MessageRole.ASSISTANT:
        shown["feedback"] = message.feedback
        shown["metadata"] = metadata(message)
    return shown


def parts(message: Message, calls: Iterable[ToolCall]) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    if message.text:
        shown.append({"type": "text", "text": message.text})
    for call in calls:
        named = {"toolCallId": call.call_id, "toolName": call.name}
        shown.append({"type": "tool-call", **named, "input": call.input})
        if call.status in ANSWERED:
            shown.append({"type": "tool-result", **named, "output": call.output})
    return shown


def metadata(message: Message) -> dict[str, Any]:
    """`finishReason` is `error` for a reply that broke off. `author`, `citations` and
    `score` are there only where there is something to say."""
    shown: dict[str, Any] = {
        "finishReason": FINISH_REASON.get(message.finish_reason, "error"),
        "usage": {"credits": message.credits},
    }
    if message.author_id is not None:
        return {"finishReason": "stop", "usage": {"credits": 0}, "author": "human"}
    if message.citations:
        shown["citations"] = message.citations
    if message.score is not None:
        shown["score"] = message.score
    return shown
