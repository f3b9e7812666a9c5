"""One conversation, with nothing but the client that was generated.

Takes address, secret and agent as JSON, and prints what it got.
"""

import json
import sys
from typing import TypeVar

from bookbag_client import AuthenticatedClient
from bookbag_client.api.account import get_me, get_usage
from bookbag_client.api.agents import list_agents
from bookbag_client.api.chat import chat, retry_reply
from bookbag_client.api.conversations import (
    get_conversation,
    list_conversations,
    list_messages,
    set_feedback,
)
from bookbag_client.api.people import follow_conversation
from bookbag_client.models import (
    ChatAnswer,
    ChatBodyRequest,
    ConversationStatus,
    Error,
    ErrorCode,
    Feedback,
    FeedbackBody,
    MessageRole,
    ReplyMetadataFinishReason,
    RetryBodyRequest,
    TextPart,
)
from bookbag_client.types import UNSET, Unset

T = TypeVar("T")
given = json.loads(sys.argv[1])
agent_id: int = given["agentId"]
client = AuthenticatedClient(
    base_url=given["url"], token=given["secret"], raise_on_unexpected_status=True
)


def good(answer: T | Error | None) -> T:
    """The answer, where it is no error."""
    assert answer is not None
    assert not isinstance(answer, Error), answer
    return answer


def say(message: str, conversation_id: int | str | Unset = UNSET) -> ChatAnswer:
    body = ChatBodyRequest(
        message=message,
        conversation_id=conversation_id,
        user_id="ann",
        stream=False,
    )
    return good(chat.sync(agent_id, client=client, body=body))


# The agent is one of ours.
agents = good(list_agents.sync(client=client))
assert [agent.id for agent in agents.data] == [agent_id]

# Two turns are one conversation; the id is passed back as it came.
first = say("How long does delivery take?")
metadata = first.data.metadata
assert metadata.finish_reason is ReplyMetadataFinishReason.STOP
assert metadata.user_id == "ann"
conversation_id = metadata.conversation_id
second = say("And to Canada?", conversation_id)
assert second.data.metadata.conversation_id == conversation_id
(part,) = second.data.parts
assert isinstance(part, TextPart)

# Other conversations, and all of them page by page.
others = [say("Hello?").data.metadata.conversation_id for _ in range(2)]
pages = []
cursor: str | None | Unset = UNSET
while cursor is not None:
    page = good(
        list_conversations.sync(agent_id, client=client, limit=2, cursor=cursor)
    )
    assert page.pagination.total == 3
    assert page.pagination.has_more is (page.pagination.cursor is not None)
    assert all(one.status is ConversationStatus.ONGOING for one in page.data)
    pages.append([one.id for one in page.data])
    cursor = page.pagination.cursor
assert pages == [others[::-1], [conversation_id]]

# What was said.
shown = good(get_conversation.sync(agent_id, conversation_id, client=client))
said = good(list_messages.sync(agent_id, conversation_id, client=client))
assert shown.data.messages == said.data
roles = [message.role for message in said.data]
assert roles == [MessageRole.USER, MessageRole.ASSISTANT] * 2
texts = [
    part.text
    for message in said.data
    for part in message.parts
    if isinstance(part, TextPart)
]

# Thumbs up, and taken back.
reply_id = second.data.id
assert reply_id
for feedback in (Feedback.POSITIVE, None):
    rated = good(
        set_feedback.sync(
            agent_id,
            conversation_id,
            reply_id,
            client=client,
            body=FeedbackBody(feedback=feedback),
        )
    )
    assert rated.data.feedback is feedback

# Once more, please.
again = good(
    retry_reply.sync(
        agent_id,
        conversation_id,
        client=client,
        body=RetryBodyRequest(message_id=reply_id, stream=False),
    )
)
assert again.data.id != reply_id
events = good(
    follow_conversation.sync(agent_id, conversation_id, client=client, wait=0)
)
assert events.data.events[-1].replaces == reply_id

# Who asks, and what it has cost.
me = good(get_me.sync(client=client)).data
usage = good(get_usage.sync(client=client)).data

# What is refused is an error that has a type.
refused = chat.sync_detailed(
    agent_id, client=client, body=ChatBodyRequest(message=" ", stream=False)
)
assert isinstance(refused.parsed, Error)
assert refused.parsed.error.code is ErrorCode.VALIDATION_INVALID_BODY
missing = get_conversation.sync(agent_id, "999999999", client=client)
assert isinstance(missing, Error)
assert missing.error.code is ErrorCode.RESOURCE_NOT_FOUND
stranger = get_me.sync_detailed(
    client=AuthenticatedClient(base_url=given["url"], token="oc_live_nobody")
)
assert stranger.status_code == 401
assert isinstance(stranger.parsed, Error)

json.dump(
    {
        "conversationId": conversation_id,
        "texts": texts,
        "finally": again.data.id,
        "prefix": me.key.prefix,
        "replies": usage.totals.replies,
        "blame": refused.parsed.error.details.to_dict()
        if refused.parsed.error.details
        else None,
        "stranger": stranger.parsed.error.code.value,
    },
    sys.stdout,
)
