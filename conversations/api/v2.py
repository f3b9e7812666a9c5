"""API v2: its words and routes."""

from django.http.response import HttpResponseBase
from django.urls import path
from rest_framework.response import Response

from bookbag.api.parsers import ApiRequest
from bookbag.api.views import HealthView
from conversations import streams
from conversations.api import chat, export, people, reading, schema, ui_messages


class V2Words(ui_messages.ReplyView):
    """A reply in v2's words, if it is not asked for in the AI SDK's."""

    compose = staticmethod(streams.v2_message)

    def encoder(self) -> chat.Encoder:
        return self.ui_encoder() if self.in_ui_messages else streams.v2_frames


class ChatView(V2Words, ui_messages.ChatView):
    @schema.chat
    async def post(self, request: ApiRequest, agent_id: str) -> HttpResponseBase:
        return await super().post(request, agent_id)


class RetryView(V2Words, chat.RetryView):
    @schema.retry
    async def post(
        self, request: ApiRequest, agent_id: str, conversation_id: str
    ) -> HttpResponseBase:
        return await super().post(request, agent_id, conversation_id)


class ResumeView(V2Words, ui_messages.ResumeView):
    @schema.resume
    async def get(
        self,
        request: ApiRequest,
        agent_id: str,
        conversation_id: str,
        message_id: str,
    ) -> HttpResponseBase:
        return await super().get(request, agent_id, conversation_id, message_id)


class ToolResultView(chat.ToolResultView):
    @schema.tool_result
    def post(
        self, request: ApiRequest, agent_id: str, conversation_id: str
    ) -> Response:
        return super().post(request, agent_id, conversation_id)


AGENT = "agents/<agent_id>"
CONVERSATION = f"{AGENT}/conversations/<conversation_id>"
MESSAGE = f"{CONVERSATION}/messages/<message_id>"

urlpatterns = [
    # /api/v2/
    path("health", HealthView.as_view(), name="v2_health"),
    path(f"{AGENT}/chat", ChatView.as_view(), name="v2_chat"),
    path(
        f"{AGENT}/conversations/export", export.ExportView.as_view(), name="v2_export"
    ),
    # …/conversations and one user's; feedback
    path(
        f"{AGENT}/conversations",
        reading.ConversationsView.as_view(),
        name="v2_conversations",
    ),
    path(
        f"{AGENT}/users/<user_id>/conversations",
        reading.UserConversationsView.as_view(),
        name="v2_user_conversations",
    ),
    path(CONVERSATION, reading.ConversationView.as_view(), name="v2_conversation"),
    path(
        f"{CONVERSATION}/messages", reading.MessagesView.as_view(), name="v2_messages"
    ),
    path(f"{MESSAGE}/feedback", reading.FeedbackView.as_view(), name="v2_feedback"),
    path(f"{CONVERSATION}/retry", RetryView.as_view(), name="v2_retry"),
    path(
        f"{CONVERSATION}/tool-result", ToolResultView.as_view(), name="v2_tool_result"
    ),
    path(f"{CONVERSATION}/takeover", people.TakeoverView.as_view(), name="v2_takeover"),
    path(f"{CONVERSATION}/handback", people.HandbackView.as_view(), name="v2_handback"),
    path(f"{CONVERSATION}/resolve", people.ResolveView.as_view(), name="v2_resolve"),
    path(f"{CONVERSATION}/events", people.EventsView.as_view(), name="v2_events"),
    path(f"{MESSAGE}/stream", ResumeView.as_view(), name="v2_resume"),
]
