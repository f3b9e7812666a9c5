"""API v2: its words and routes."""

from django.http.response import HttpResponseBase
from django.urls import path

from bookbag.api.parsers import ApiRequest
from bookbag.api.views import HealthView
from conversations import streams
from conversations.api import chat, schema


class ChatView(chat.ChatView):
    encode = staticmethod(streams.v2_frames)
    compose = staticmethod(streams.v2_message)

    @schema.chat
    async def post(self, request: ApiRequest, agent_id: str) -> HttpResponseBase:
        return await super().post(request, agent_id)


urlpatterns = [
    # /api/v2/
    path("health", HealthView.as_view(), name="v2_health"),
    # /api/v2/agents/<id>/
    path("agents/<agent_id>/chat", ChatView.as_view(), name="v2_chat"),
]
