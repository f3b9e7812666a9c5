"""What was said, as API v1 gives it to read: page by page to Chatbase's clients, and
whole transcripts to Bookbag's own."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from rest_framework.response import Response

from agents.access import chatbot_for
from agents.models import Agent
from apikeys.models import ApiKey
from bookbag.api import query
from bookbag.api.clothes import SuccessErrors
from bookbag.api.errors import InvalidBody, NotFound
from bookbag.api.fields import parse_path_id
from bookbag.api.parsers import ApiRequest
from bookbag.api.views import ApiView
from conversations.access import conversations_for, conversations_of
from conversations.api import v1_schema
from conversations.api.v1_shapes import (
    Said,
    chatbase_json,
    conversation_json,
    message_json,
)
from conversations.models import (
    Channel,
    Conversation,
    Message,
    MessageQuerySet,
    ToolCall,
)
from workspaces.models import Member

# --- To Chatbase's clients ----------------------------------------------------------

BEGUN = ("-created_at", "-id")
DEFAULT_SIZE = 10
MAX_SIZE = 100
# Where no agent has conversations any more; databases count to 2^63.
MAX_OFFSET = 10**15
CHANNELS = {label.lower(): Channel(value) for value, label in Channel.choices}
# Sources at Chatbase that nothing here comes from: no mistake, and no conversations.
ELSEWHERE = {
    "chatbase site",
    "action preview",
    "qna preview",
    "agent page",
    "help page",
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which conversations of an agent are asked for, and which page of them."""

    channels: frozenset[Channel] | None  # None: whatever their source
    days: dict[str, Any]
    offset: int
    size: int

    @classmethod
    def of(cls, request: ApiRequest) -> "Asked":
        """As the address has it. InvalidBody."""
        number = query.counting(request, "page", default=1)
        size = query.counting(request, "size", default=DEFAULT_SIZE, most=MAX_SIZE)
        return cls(
            channels=_channels(request),
            days=query.created_on(request),
            offset=(number - 1) * size,
            size=size,
        )

    def conversations(self, agent: Agent) -> list[Conversation]:
        if self.offset > MAX_OFFSET:
            return []
        # A deep page is found in the index alone; only then are its rows read.
        wanted = Conversation.objects.filter(agent=agent, **self.days)
        if self.channels is not None:
            wanted = wanted.filter(channel__in=self.channels)
        page = wanted.order_by(*BEGUN)[self.offset : self.offset + self.size]
        found = Conversation.objects.for_workspace(agent.workspace_id)
        return list(found.filter(pk__in=page.values("pk")).order_by(*BEGUN))


class GetConversationsView(ApiView):
    """An agent's conversations with all messages, those begun last first."""

    @v1_schema.get_conversations
    def get(self, request: ApiRequest) -> Response:
        self.agent = _chatbot(request)
        conversations = Asked.of(request).conversations(self.agent)
        said = _said(conversations)
        return Response(
            {"data": [chatbase_json(one, said[one.pk]) for one in conversations]}
        )


def _chatbot(request: ApiRequest) -> Agent:
    chatbot_id = query.parameter(request, "chatbotId")
    if chatbot_id is None:
        raise InvalidBody({"chatbotId": "This field is required."})
    return chatbot_for(request.auth, chatbot_id)


def _channels(request: ApiRequest) -> frozenset[Channel] | None:
    text = query.parameter(request, "filteredSources") or ""
    labels = [label for one in text.split(",") if (label := one.strip())]
    for label in labels:
        if label.lower() not in {*CHANNELS, *ELSEWHERE}:
            known = ", ".join(Channel.labels)
            raise InvalidBody(
                {"filteredSources": f"There is no source “{label[:60]}”. Use: {known}."}
            )
    if not labels:
        return None
    asked = {label.lower() for label in labels}
    found = frozenset(channel for name, channel in CHANNELS.items() if name in asked)
    return None if found == frozenset(Channel) else found


def _said(conversations: Iterable[Conversation]) -> dict[int, list[Said]]:
    """What is shown of all of them, in one query."""
    said = defaultdict(list)
    messages = _messages(conversations).order_by("conversation", "pk")
    for row in messages.values_list(*Said._fields):
        said[row[0]].append(Said._make(row))
    return said


# --- In Bookbag's own words ---------------------------------------------------------

NEWEST_ACTIVITY = ("-updated_at", "-id")
MOST = 100  # conversations of a list


class AgentConversationsView(SuccessErrors, ApiView):
    """An agent's conversations, the newest activity first."""

    @v1_schema.agent_conversations
    def get(self, request: ApiRequest, agent_id: str) -> Response:
        agent = chatbot_for(request.auth, agent_id)
        limit = query.integer(request, "limit")
        most = MOST if limit is None else min(max(limit, 1), MOST)
        found = conversations_of(agent).select_related("contact")
        conversations = found.order_by(*NEWEST_ACTIVITY)[:most]
        counts = _message_counts(conversations)
        data = [conversation_json(one, counts.get(one.pk, 0)) for one in conversations]
        return Response({"success": True, "conversations": data})


class ConversationView(SuccessErrors, ApiView):
    """A conversation with its whole transcript."""

    @v1_schema.conversation
    def get(self, request: ApiRequest, conversation_id: str) -> Response:
        conversation = _conversation_for(request.auth, conversation_id)
        self.agent = conversation.agent
        messages = list(_messages([conversation]).order_by("pk"))
        calls = _tool_calls(conversation)
        data = conversation_json(conversation, len(messages))
        data["messages"] = [message_json(one, calls[one.pk]) for one in messages]
        return Response({"success": True, "conversation": data})


def _conversation_for(caller: ApiKey | Member, conversation_id: str) -> Conversation:
    """NotFound, whatever the reason: it is missing, another workspace's, an archived
    agent's or, for a key of one agent, a sibling's."""
    found = conversations_for(caller).filter(pk=parse_path_id(conversation_id))
    conversation = found.select_related("agent", "contact").first()
    if conversation is None:
        raise NotFound
    return conversation


def _message_counts(conversations: Iterable[Conversation]) -> dict[int, int]:
    by_conversation = _messages(conversations).order_by().values("conversation_id")
    counts = by_conversation.annotate(count=Count("pk"))
    return dict(counts.values_list("conversation_id", "count"))


def _tool_calls(conversation: Conversation) -> dict[int, list[ToolCall]]:
    """By the message that made them."""
    calls = defaultdict(list)
    for call in conversation.tool_calls.order_by("pk"):
        calls[call.message_id].append(call)
    return calls


def _messages(conversations: Iterable[Conversation]) -> MessageQuerySet:
    """What is shown of these, which somebody has made sure are the caller's. Naming the
    workspace as well, a database may go through all of its messages."""
    ids = [conversation.pk for conversation in conversations]
    # The journal is as long as a reply has deltas, and nobody reads it here.
    return Message.objects.filter(conversation__in=ids).readable().defer("journal")
