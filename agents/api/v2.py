"""API v2: routes."""

from django.urls import path

from agents.api.views import AgentsView, AgentView

urlpatterns = [
    path("agents", AgentsView.as_view(), name="v2_agents"),
    path("agents/<agent_id>", AgentView.as_view(), name="v2_agent"),
]
