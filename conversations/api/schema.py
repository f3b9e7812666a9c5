"""What v2's endpoints about conversations answer, for the OpenAPI document."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    inline_serializer,
)
from rest_framework import serializers

from bookbag.api import schema
from conversations.api.chat import ChatBody


class Credits(serializers.Serializer):
    credits = serializers.IntegerField(min_value=0, help_text="What the reply cost.")


class TextPart(serializers.Serializer):
    type = serializers.ChoiceField(choices=["text"])
    text = serializers.CharField()


class ToolCallPart(serializers.Serializer):
    type = serializers.ChoiceField(choices=["tool-call"])
    toolCallId = serializers.CharField()
    toolName = serializers.CharField()
    input = serializers.JSONField()


class ReplyMetadata(serializers.Serializer):
    messageId = serializers.CharField(
        allow_null=True,
        help_text="Null where people have taken over, and nobody has replied yet.",
    )
    userMessageId = serializers.CharField()
    conversationId = serializers.CharField(help_text="Pass it back to continue.")
    userId = serializers.CharField(allow_null=True)
    finishReason = serializers.ChoiceField(choices=["stop", "tool-calls"])
    usage = Credits()


class Reply(serializers.Serializer):
    id = serializers.CharField(allow_null=True, help_text="As `metadata.messageId`.")
    role = serializers.ChoiceField(choices=["assistant"])
    parts = PolymorphicProxySerializer(
        component_name="ReplyPart",
        serializers={"text": TextPart, "tool-call": ToolCallPart},
        resource_type_field_name="type",
        many=True,
    )
    metadata = ReplyMetadata()


STREAM = """\
data: {"type":"text-delta","text":"Two "}

data: {"type":"text-delta","text":"days."}

data: {"type":"finish","finishReason":"stop","metadata":{"userMessageId":"msg_11",\
"conversationId":"5","userId":null,"messageId":"msg_12","usage":{"credits":1}}}

data: [DONE]

"""


def _id_header(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(
        name, str, OpenApiParameter.HEADER, response=[200], description=description
    )


chat = schema.documented(
    "Chat with an agent",
    operation_id="chat",
    tags=["chat"],
    description=(
        "Sends a message and answers with the reply: streamed, or in one piece with"
        " `stream: false`. Omit `conversationId` to begin a conversation.\n\n"
        "The stream is bare `data:` lines, each with one JSON object: `text-delta`"
        " frames to concatenate, `tool-call` frames, then `finish`, or `error` if the"
        " reply broke off; the last line is `data: [DONE]`. The reply is finished and"
        " saved even if you hang up."
    ),
    request=ChatBody,
    answers={
        (200, "application/json"): inline_serializer("ChatAnswer", {"data": Reply()}),
        (200, "text/event-stream"): OpenApiResponse(
            OpenApiTypes.STR,
            "The reply.",
            examples=[OpenApiExample("A stream", value=STREAM)],
        ),
    },
    errors=[409],
    parameters=[
        schema.AGENT_ID,
        _id_header("x-conversation-id", "Of streams: the conversation's id."),
        _id_header("x-user-message-id", "Of streams: the id of your message."),
        _id_header("x-message-id", "Of streams: the id of the reply."),
    ],
)
