"""What the endpoints about agents answer, for the OpenAPI document."""

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, inline_serializer
from rest_framework import serializers

from agents.models import AgentStatus
from bookbag.api import schema
from bookbag.api.pagination import PARAMETERS, PaginationSerializer


class AgentItem(serializers.Serializer):
    id = serializers.IntegerField(help_text="As the dashboard shows it.")
    name = serializers.CharField()
    status = serializers.ChoiceField([AgentStatus.ACTIVE, AgentStatus.DRAFT])
    model = serializers.CharField(help_text="The engine or model that answers.")
    language = serializers.CharField(help_text="Such as `en`.")
    createdAt = serializers.IntegerField(help_text="Unix seconds.")
    updatedAt = serializers.IntegerField(help_text="Unix seconds.")


EXAMPLE = {
    "id": 12,
    "name": "Support",
    "status": "active",
    "model": "embedded",
    "language": "en",
    "createdAt": 1767225600,
    "updatedAt": 1767312000,
}

agents = schema.documented(
    "List agents",
    operation_id="listAgents",
    tags=["agents"],
    description="The agents that this key may speak to, oldest first. Archived ones are"
    " not among them.",
    answers={
        200: OpenApiResponse(
            inline_serializer(
                "AgentsAnswer",
                {"data": AgentItem(many=True), "pagination": PaginationSerializer()},
            ),
            "A page of agents.",
            examples=[
                OpenApiExample(
                    "One agent",
                    value={
                        "data": [EXAMPLE],
                        "pagination": {"cursor": None, "hasMore": False, "total": 1},
                    },
                )
            ],
        )
    },
    errors=[400],
    parameters=PARAMETERS,
)

agent = schema.documented(
    "One agent",
    operation_id="getAgent",
    tags=["agents"],
    answers={
        200: OpenApiResponse(
            inline_serializer("AgentAnswer", {"data": AgentItem()}),
            "The agent.",
            examples=[OpenApiExample("An agent", value={"data": EXAMPLE})],
        )
    },
    parameters=[schema.AGENT_ID],
)
