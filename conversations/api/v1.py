"""API v1: its words and routes."""

from django.http.response import HttpResponseBase
from django.urls import path

from bookbag.api.parsers import ApiRequest
from conversations.api import chatbase, chatbase_schema
from conversations.api import v1_reading as reading


class ChatView(chatbase.ChatView):
    @chatbase_schema.chat
    async def post(self, request: ApiRequest) -> HttpResponseBase:
        return await super().post(request)


urlpatterns = [
    # /api/v1/
    path("chat", ChatView.as_view(), name="v1_chat"),
    path(
        "get-conversations",
        reading.GetConversationsView.as_view(),
        name="v1_get_conversations",
    ),
    path(
        "agents/<agent_id>/conversations",
        reading.AgentConversationsView.as_view(),
        name="v1_agent_conversations",
    ),
    path(
        "conversations/<conversation_id>",
        reading.ConversationView.as_view(),
        name="v1_conversation",
    ),
]
