"""What was said, to be read: lists of conversations, their messages, and what end users
thought of them."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db.models import BigIntegerField, QuerySet
from rest_framework.response import Response

from agents.access import agent_for
from agents.models import Agent
from apikeys.permissions import check_may_write
from bookbag.api import query
from bookbag.api.errors import (
    InvalidBody,
    MessageNotAssistant,
    MessageNotFound,
    NotFound,
)
from bookbag.api.fields import is_user_id, parse_message_id
from bookbag.api.pagination import HotList, Page
from bookbag.api.parsers import ApiRequest
from bookbag.api.views import ApiView
from bookbag.compiled import Slot
from conversations import search
from conversations.access import conversation_for, conversations_of
from conversations.api import reading_schema
from conversations.api.shapes import STATUS, conversation_json, message_json
from conversations.counters import total_of
from conversations.models import (
    Conversation,
    Feedback,
    Message,
    MessageQuerySet,
    MessageRole,
    ToolCall,
)

NEWEST_ACTIVITY = ("-updated_at", "-id")
MAX_QUERY = 200  # characters
SECOND = dt.timedelta(seconds=1)
INTERNAL_STATUS = {shown: internal for internal, shown in STATUS.items()}


# --- Conversations ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which conversations of an agent are asked for."""

    user_id: str | None = None
    status: str | None = None
    first: dt.datetime | None = None
    last: dt.datetime | None = None  # to the end of this second
    feedback: str | None = None
    words: str | None = None

    @classmethod
    def of(cls, request: ApiRequest) -> "Filters":
        """As the address has them. InvalidBody."""
        user_id = query.parameter(request, "userId")
        if user_id is not None and not is_user_id(user_id):
            raise InvalidBody({"userId": USER_ID})
        return cls(
            user_id=user_id,
            status=query.choice(request, "status", list(INTERNAL_STATUS)),
            first=query.moment(request, "from"),
            last=query.moment(request, "to"),
            feedback=query.choice(request, "feedback", Feedback.values),
            words=_words(request),
        )

    @property
    def given(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value}

    def conversations(self, agent: Agent) -> QuerySet[Conversation]:
        """Those of the agent that pass."""
        workspace = agent.workspace_id
        found: QuerySet[Conversation] = conversations_of(agent)
        if self.user_id is not None:
            found = found.filter(end_user=self.user_id)
        if self.status is not None:
            found = found.filter(status=INTERNAL_STATUS[self.status])
        if self.first is not None:
            found = found.filter(updated_at__gte=self.first)
        if self.last is not None:
            found = found.filter(updated_at__lt=self.last + SECOND)
        if self.feedback is not None:
            rated = Message.objects.for_workspace(workspace).readable()
            rated = rated.filter(feedback=self.feedback)
            found = found.filter(pk__in=rated.values("conversation_id"))
        if self.words is not None:
            saying = search.readable_messages(workspace, self.words)
            found = found.filter(pk__in=saying.values("conversation_id"))
        return found


USER_ID = "Must be 1 to 128 letters, digits, dots, underscores or hyphens."


def _words(request: ApiRequest) -> str | None:
    text = query.parameter(request, "q")
    if text is None:
        return None
    if len(text) > MAX_QUERY:
        raise InvalidBody({"q": f"Must be at most {MAX_QUERY} characters."})
    if not search.has_words(text):
        raise InvalidBody({"q": "Must contain a letter or a digit."})
    return text


class ConversationsView(ApiView):
    """An agent's conversations, the newest activity first."""

    @reading_schema.conversations
    def get(self, request: ApiRequest, agent_id: str) -> Response:
        agent = agent_for(request.auth, agent_id)
        return _conversations(request, agent, "conversations", Filters.of(request))


class UserConversationsView(ApiView):
    """The same of one end user."""

    @reading_schema.user_conversations
    def get(self, request: ApiRequest, agent_id: str, user_id: str) -> Response:
        agent = agent_for(request.auth, agent_id)
        if not is_user_id(user_id):
            raise InvalidBody({"userId": USER_ID})
        return _conversations(request, agent, "user", Filters(user_id=user_id))


def _conversations(
    request: ApiRequest, agent: Agent, route: str, filters: Filters
) -> Response:
    given = filters.given
    page = Page.of(
        request,
        workspace=agent.workspace_id,
        route=f"{route} {agent.pk}",
        filters=given,
    )
    if given:
        rows, pagination = page.rows(filters.conversations(agent), NEWEST_ACTIVITY)
    else:
        own = {"workspace": agent.workspace_id, "agent": agent.pk}
        total = partial(total_of, agent.workspace_id, agent.pk)
        rows, pagination = page.rows_of(_newest, total=total, **own)
    data = [conversation_json(row) for row in rows]
    return Response({"data": data, "pagination": pagination})


def _of_agent() -> QuerySet[Conversation]:
    return Conversation.objects.filter(
        workspace=Slot("workspace", BigIntegerField()),
        agent=Slot("agent", BigIntegerField()),
    )


_newest = HotList(_of_agent, NEWEST_ACTIVITY)


# --- One, and its messages ----------------------------------------------------------


class ConversationView(ApiView):
    """A conversation with its newest messages."""

    @reading_schema.conversation
    def get(self, request: ApiRequest, agent_id: str, conversation_id: str) -> Response:
        agent = agent_for(request.auth, agent_id)
        conversation = conversation_for(agent, conversation_id)
        messages, pagination = _messages(request, conversation)
        data = conversation_json(conversation) | {"messages": messages}
        return Response({"data": data, "pagination": pagination})


class MessagesView(ApiView):
    """A conversation's messages: pages go back from the newest, each in order."""

    @reading_schema.messages
    def get(self, request: ApiRequest, agent_id: str, conversation_id: str) -> Response:
        agent = agent_for(request.auth, agent_id)
        conversation = conversation_for(agent, conversation_id)
        messages, pagination = _messages(request, conversation)
        return Response({"data": messages, "pagination": pagination})


def _messages(
    request: ApiRequest, conversation: Conversation
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    page = Page.of(
        request,
        workspace=conversation.workspace_id,
        route=f"messages {conversation.pk}",
    )
    rows, pagination = page.rows_of(
        _said,
        total=_readable(conversation).count,
        workspace=conversation.workspace_id,
        conversation=conversation.pk,
    )
    return messages_json(reversed(rows)), pagination


def messages_json(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """With their tool calls, in one query."""
    messages = list(messages)
    makers = [one.pk for one in messages if one.role == MessageRole.ASSISTANT]
    calls = defaultdict(list)
    if makers:
        for call in ToolCall.objects.filter(message__in=makers).order_by("pk"):
            calls[call.message_id].append(call)
    return [message_json(one, calls[one.pk]) for one in messages]


def _readable(conversation: Conversation) -> QuerySet[Message]:
    messages = Message.objects.for_workspace(conversation.workspace_id)
    return _shown(messages.filter(conversation=conversation))


def _of_conversation() -> QuerySet[Message]:
    return _shown(
        Message.objects.filter(
            workspace=Slot("workspace", BigIntegerField()),
            conversation=Slot("conversation", BigIntegerField()),
        )
    )


def _shown(messages: MessageQuerySet) -> MessageQuerySet:
    # The journal is as long as a reply has deltas, and nobody reads it here.
    return messages.readable().defer("journal")


_said = HotList(_of_conversation, ("-id",))


# --- Feedback -----------------------------------------------------------------------


class FeedbackView(ApiView):
    """Thumbs up, thumbs down, or neither, for a reply."""

    @reading_schema.feedback
    def patch(
        self,
        request: ApiRequest,
        agent_id: str,
        conversation_id: str,
        message_id: str,
    ) -> Response:
        agent = agent_for(request.auth, agent_id)
        check_may_write(request.auth)
        readable = _readable(conversation_for(agent, conversation_id))
        message = _message_for(readable, message_id)
        body = reading_schema.FeedbackBody(data=request.data)
        if not body.is_valid():
            raise InvalidBody(body.errors)
        if message.role != MessageRole.ASSISTANT:
            raise MessageNotAssistant
        feedback = body.validated_data["feedback"]
        # A retry may have hidden it meanwhile.
        if not readable.filter(pk=message.pk).update(feedback=feedback):
            raise MessageNotFound
        message.feedback = feedback
        (data,) = messages_json([message])
        return Response({"data": data})


def _message_for(messages: QuerySet[Message], message_id: str) -> Message:
    try:
        message = messages.filter(pk=parse_message_id(message_id)).first()
    except NotFound:
        message = None
    if message is None:
        raise MessageNotFound
    return message
