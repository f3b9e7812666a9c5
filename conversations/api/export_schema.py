"""What the export answers, for the OpenAPI document."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiResponse,
    inline_serializer,
)
from rest_framework import serializers

from bookbag.api import schema
from conversations.api.reading_schema import (
    CONVERSATION,
    QUESTION,
    REPLY,
    ConversationWithMessages,
)


class ExportPagination(serializers.Serializer):
    cursor = serializers.CharField(allow_null=True, help_text="Always null.")
    hasMore = serializers.BooleanField(help_text="Always false: this is everything.")
    total = serializers.IntegerField(
        min_value=0, help_text="How many conversations there are in `data`."
    )


EXPORTED = {**CONVERSATION, "messages": [QUESTION, REPLY]}
LINE = (
    '{"id":"5","title":null,"createdAt":1784712000,"updatedAt":1784712360,'
    '"userId":"u-7","status":"ongoing","messages":[]}\n'
)

export = schema.documented(
    "Export all conversations",
    operation_id="exportConversations",
    tags=["conversations"],
    description=(
        "Every conversation of the agent with every message, as they were when the"
        " request came: conversations by id, messages oldest first. The answer is"
        " written as it is read, so it begins at once and may be long; if something"
        " fails meanwhile, the connection is closed before the end of the document,"
        " and what you have is not valid JSON.\n\n"
        "`limit` and `cursor` are ignored. With `Accept: application/x-ndjson` each"
        " conversation is a line by itself. A workspace can have one export at a time;"
        " another one is answered with 429."
    ),
    answers={
        (200, "application/json"): OpenApiResponse(
            inline_serializer(
                "ExportAnswer",
                {
                    "data": ConversationWithMessages(many=True),
                    "pagination": ExportPagination(),
                },
            ),
            "All conversations.",
            examples=[
                OpenApiExample(
                    "One conversation",
                    value={
                        "data": [EXPORTED],
                        "pagination": {"cursor": None, "hasMore": False, "total": 1},
                    },
                )
            ],
        ),
        (200, "application/x-ndjson"): OpenApiResponse(
            OpenApiTypes.STR,
            "The same conversations, one a line.",
            examples=[OpenApiExample("One line", value=LINE)],
        ),
    },
    parameters=[schema.AGENT_ID],
)
