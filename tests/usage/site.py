"""As `tests.api.site`, and a view whose agent is not named by its path."""

from django.urls import path
from rest_framework.response import Response

from agents.access import agent_for
from agents.models import Agent
from bookbag.api.parsers import ApiRequest
from bookbag.api.views import ApiView
from tests.api import site


class AgentInBodyView(ApiView):
    agent: Agent

    def read(self, request: ApiRequest) -> None:
        self.agent = agent_for(request.auth, request.data["agent"])

    async def post(self, request: ApiRequest) -> Response:
        return Response({"data": {"agent": self.agent.name}})


urlpatterns = [
    path("api/v2/in-body", AgentInBodyView.as_view()),
    *site.urlpatterns,
]
