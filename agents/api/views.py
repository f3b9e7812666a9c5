"""The agents that a key may speak to."""

from typing import Any

from rest_framework.response import Response

from agents.access import agent_for, agents_for
from agents.api import schema
from agents.models import Agent
from apikeys.models import ApiKey
from bookbag.api.pagination import Page
from bookbag.api.parsers import ApiRequest
from bookbag.api.views import ApiView


class AgentsView(ApiView):
    @schema.agents
    def get(self, request: ApiRequest) -> Response:
        key: ApiKey = request.auth
        page = Page.of(
            request,
            workspace=key.workspace_id,
            route="agents",
            filters={"agent": key.agent_id},
        )
        rows, pagination = page.rows(agents_for(key), keys=["id"])
        return Response(
            {"data": [agent_json(agent) for agent in rows], "pagination": pagination}
        )


class AgentView(ApiView):
    @schema.agent
    def get(self, request: ApiRequest, agent_id: str) -> Response:
        return Response({"data": agent_json(agent_for(request.auth, agent_id))})


def agent_json(agent: Agent) -> dict[str, Any]:
    return {
        "id": agent.pk,
        "name": agent.name,
        "status": agent.status,
        "model": agent.model,
        "language": agent.language,
        "createdAt": int(agent.created_at.timestamp()),
        "updatedAt": int(agent.updated_at.timestamp()),
    }
