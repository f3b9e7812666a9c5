"""What a key is told of itself, for the OpenAPI document."""

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, inline_serializer
from rest_framework import serializers

from apikeys.models import Access, Environment
from bookbag.api import schema


class MyWorkspace(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()


class MyKey(serializers.Serializer):
    id = serializers.IntegerField()
    label = serializers.CharField()
    prefix = serializers.CharField(help_text="How its secret begins.")
    environment = serializers.ChoiceField(Environment.values)
    access = serializers.ChoiceField(
        Access.values, help_text="`read` keys change nothing."
    )
    agentId = serializers.IntegerField(
        allow_null=True, help_text="The one agent it opens; null for all."
    )
    createdAt = serializers.IntegerField(help_text="Unix seconds.")
    expiresAt = serializers.IntegerField(
        allow_null=True, help_text="Unix seconds; null if it does not expire."
    )


class MyLimits(serializers.Serializer):
    requests = serializers.IntegerField(help_text="How many in any window.")
    windowSeconds = serializers.FloatField()


EXAMPLE = {
    "data": {
        "workspace": {"id": 3, "name": "Northwind Outfitters"},
        "key": {
            "id": 7,
            "label": "Web shop",
            "prefix": "oc_live_1a2B",
            "environment": "live",
            "access": "full",
            "agentId": None,
            "createdAt": 1767225600,
            "expiresAt": None,
        },
        "limits": {"requests": 100, "windowSeconds": 10},
    }
}

me = schema.documented(
    "This key",
    operation_id="getMe",
    tags=["account"],
    description="The workspace that the API key belongs to, what the key may do, and"
    " how often. Never its secret.",
    answers={
        200: OpenApiResponse(
            inline_serializer(
                "MeAnswer",
                {
                    "data": inline_serializer(
                        "Me",
                        {
                            "workspace": MyWorkspace(),
                            "key": MyKey(),
                            "limits": MyLimits(),
                        },
                    )
                },
            ),
            "Who is calling.",
            examples=[OpenApiExample("A key", value=EXAMPLE)],
        )
    },
)
