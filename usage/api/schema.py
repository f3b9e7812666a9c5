"""What the endpoint about usage answers, for the OpenAPI document."""

from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    inline_serializer,
)
from rest_framework import serializers

from bookbag.api import schema


def _count(help_text: str) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=0, help_text=help_text)


class UsageCounts(serializers.Serializer):
    requests = _count("API requests that had a valid key and were within its limit.")
    replies = _count("Complete replies, those of other channels included.")
    inputTokens = _count("Tokens that models were given.")
    outputTokens = _count("Tokens that models made.")
    credits = _count("What the replies cost.")


class UsageRow(UsageCounts):
    day = serializers.DateField(required=False, help_text="Of UTC.")
    agentId = serializers.IntegerField(
        required=False,
        allow_null=True,
        help_text="Null for requests that were about no agent.",
    )
    keyId = serializers.IntegerField(
        required=False,
        allow_null=True,
        help_text="Null for replies that no API key asked for.",
    )


EXAMPLE: dict[str, Any] = {
    "data": {
        "from": "2026-01-01",
        "to": "2026-01-31",
        "groupBy": ["day", "agent"],
        "rows": [
            {
                "day": "2026-01-05",
                "agentId": 12,
                "requests": 64,
                "replies": 41,
                "inputTokens": 20_480,
                "outputTokens": 6_150,
                "credits": 41,
            }
        ],
        "totals": {
            "requests": 64,
            "replies": 41,
            "inputTokens": 20_480,
            "outputTokens": 6_150,
            "credits": 41,
        },
    }
}


def _parameter(name: str, kind: dict[str, Any], description: str) -> OpenApiParameter:
    return OpenApiParameter(name, kind, description=description)


usage = schema.documented(
    "Usage",
    operation_id="getUsage",
    tags=["account"],
    description=(
        "Requests, replies, tokens and credits by day, agent and key. Groups without"
        " any usage are left out. Days are those of UTC.\n\n"
        "Replies, tokens and credits are the ledger's: each is counted with the reply"
        " that it belongs to. Requests are noted in memory and written every few"
        " seconds; what a server that is killed had not written is not counted.\n\n"
        "A key of one agent sees that agent's usage."
    ),
    answers={
        200: OpenApiResponse(
            inline_serializer(
                "UsageAnswer",
                {
                    "data": inline_serializer(
                        "Usage",
                        {
                            "from": serializers.DateField(),
                            "to": serializers.DateField(),
                            "groupBy": serializers.ListField(
                                child=serializers.ChoiceField(["day", "agent", "key"])
                            ),
                            "rows": UsageRow(many=True),
                            "totals": UsageCounts(),
                        },
                    )
                },
            ),
            "In order of day, agent and key.",
            examples=[OpenApiExample("A day", value=EXAMPLE)],
        )
    },
    errors=[400],
    parameters=[
        _parameter(
            "from",
            {"type": "string", "format": "date"},
            "The first day; without it, 30 days are counted.",
        ),
        _parameter(
            "to",
            {"type": "string", "format": "date"},
            "The last day; without it, today. At most 366 days.",
        ),
        _parameter(
            "groupBy",
            {
                "type": "string",
                "pattern": "^(day|agent|key)(,(day|agent|key))*$",
                "default": "day",
            },
            "What to tell apart: `day`, `agent`, `key`, or several with commas.",
        ),
        _parameter(
            "agentId", {"type": "integer", "minimum": 1}, "Only this agent's usage."
        ),
        _parameter(
            "keyId", {"type": "integer", "minimum": 1}, "Only this key's usage."
        ),
    ],
)
