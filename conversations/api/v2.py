"""API v2: its words and routes."""

from django.urls import path

from bookbag.api.views import HealthView
from conversations import streams
from conversations.api import views


class ChatView(views.ChatView):
    encode = staticmethod(streams.v2_frames)
    compose = staticmethod(streams.v2_message)


urlpatterns = [
    # /api/v2/
    path("health", HealthView.as_view(), name="v2_health"),
    # /api/v2/agents/<id>/
    path("agents/<agent_id>/chat", ChatView.as_view(), name="v2_chat"),
]
