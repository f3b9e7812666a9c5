"""Conversations as API v1 shows them, to Chatbase's clients and in Bookbag's own words.
Pure: what they need is passed in."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from bookbag.api.times import iso, milliseconds
from conversations.api.shapes import ANSWERED, STATUS
from conversations.models import (
    Channel,
    Conversation,
    ConversationStatus,
    Message,
    MessageRole,
    ToolCall,
)

# --- To Chatbase's clients ----------------------------------------------------------


class Said(NamedTuple):
    """What is shown of a message; its fields are the columns that are read."""

    conversation_id: int
    id: int
    role: str
    text: str
    created_at: dt.datetime
    score: float | None


def chatbase_json(conversation: Conversation, said: Sequence[Said]) -> dict[str, Any]:
    """`said` is the conversation's, in order."""
    scores = [
        one.score
        for one in said
        if one.role == MessageRole.ASSISTANT and one.score is not None
    ]
    last = said[-1].created_at if said else conversation.created_at
    return {
        "id": name_of(conversation),
        "chatbot_id": str(conversation.agent_id),
        "created_at": iso(conversation.created_at),
        "updated_at": iso(conversation.updated_at),
        "last_message_at": iso(last),
        "source": Channel(conversation.channel).label,
        "min_score": min(scores, default=None),
        "messages": [
            {
                "id": str(one.id),
                "role": one.role,
                "content": one.text,
                "type": "text",
                "createdAt": iso(one.created_at),
            }
            for one in said
        ],
    }


def name_of(conversation: Conversation) -> str:
    """What its caller knows it by: a name of the caller's own, which chats go on with,
    or else our number. A name of digits could be another conversation's number, and
    one user's names are not the agent's."""
    name = conversation.external_id
    if name is None or conversation.end_user is not None:
        return str(conversation.pk)
    return str(conversation.pk) if name.isascii() and name.isdigit() else name


# --- In Bookbag's own words ---------------------------------------------------------

AUTHOR = {"user": "user", "agent": "agent", "person": "human"}


def conversation_json(conversation: Conversation, message_count: int) -> dict[str, Any]:
    contact = conversation.contact
    return {
        "id": str(conversation.pk),
        "agentId": conversation.agent_id,
        "title": conversation.title or None,
        "status": STATUS[ConversationStatus(conversation.status)],
        "source": Channel(conversation.channel).label,
        "isTest": conversation.is_test,
        "userId": conversation.end_user,
        "contactId": contact.external_id if contact else None,
        "externalId": conversation.external_id,
        "createdAt": milliseconds(conversation.created_at),
        "updatedAt": milliseconds(conversation.updated_at),
        "messageCount": message_count,
    }


def message_json(message: Message, calls: Iterable[ToolCall]) -> dict[str, Any]:
    """`calls` are the message's own, in the order in which they were made."""
    shown: dict[str, Any] = {
        "id": str(message.pk),
        "role": message.role,
        "author": AUTHOR[message.speaker],
        "text": message.text,
        "createdAt": milliseconds(message.created_at),
    }
    if message.role == MessageRole.ASSISTANT:
        shown |= {
            "status": message.status,
            "feedback": message.feedback,
            "confidence": message.confidence or None,
            "score": message.score,
            "citations": [citation_json(one) for one in message.citations],
            "toolCalls": [tool_call_json(one) for one in calls],
        }
    return shown


def citation_json(citation: dict[str, Any]) -> dict[str, Any]:
    """As in the stream of `POST /api/v1/chat`, and where in the document it stands."""
    return {
        "index": citation["index"],
        "sourceId": citation["sourceId"],
        "title": citation["title"],
        "url": citation["url"],
        "snippet": citation["quote"],
        "documentId": citation["documentId"],
        "documentVersion": citation["documentVersion"],
        "start": citation["start"],
        "end": citation["end"],
    }


def tool_call_json(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.call_id,
        "name": call.name,
        "input": call.input,
        "status": call.status,
        "output": call.output if call.status in ANSWERED else None,
    }
