"""What v2's endpoints about replies answer, for the OpenAPI document."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiRequest,
    OpenApiResponse,
    PolymorphicProxySerializer,
    inline_serializer,
)
from rest_framework import serializers

from bookbag.api import schema
from conversations.api import ui_messages_schema
from conversations.api.chat import RetryBody, ToolResultBody


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


class ToolResultPart(serializers.Serializer):
    type = serializers.ChoiceField(choices=["tool-result"])
    toolCallId = serializers.CharField()
    toolName = serializers.CharField()
    output = serializers.JSONField(help_text="Any JSON, null included.")


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


CONVERSATION_ID = schema.path_parameter(
    "conversation_id", "The conversation's id, as chat gave it."
)
MESSAGE_ID = schema.path_parameter("message_id", "As in `msg_12`, or `12`.")

REPLY = {
    "id": "msg_12",
    "role": "assistant",
    "parts": [{"type": "text", "text": "Two days."}],
    "metadata": {
        "messageId": "msg_12",
        "userMessageId": "msg_11",
        "conversationId": "5",
        "userId": None,
        "finishReason": "stop",
        "usage": {"credits": 1},
    },
}
ANSWERS: dict[Any, Any] = {
    (200, "application/json"): OpenApiResponse(
        inline_serializer("ChatAnswer", {"data": Reply()}),
        "The reply.",
        examples=[OpenApiExample("A reply", value={"data": REPLY})],
    ),
    (200, "text/event-stream"): OpenApiResponse(
        OpenApiTypes.STR,
        "The reply.",
        examples=[OpenApiExample("A stream", value=STREAM), ui_messages_schema.EXAMPLE],
    ),
}
ID_HEADERS = [
    _id_header("x-conversation-id", "Of streams: the conversation's id."),
    _id_header("x-user-message-id", "Of streams: the id of your message."),
    _id_header("x-message-id", "Of streams: the id of the reply."),
]

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
        " saved even if you hang up.\n\n"
        "After a tool's result `message` may be left out: the reply goes on from it."
        + ui_messages_schema.DESCRIPTION
    ),
    request=ui_messages_schema.REQUEST,
    answers=ANSWERS,
    errors=[409],
    parameters=[schema.AGENT_ID, *ui_messages_schema.PARAMETERS, *ID_HEADERS],
)

retry = schema.documented(
    "Make a reply anew",
    operation_id="retryReply",
    tags=["chat"],
    description=(
        "Runs the user's turn again that produced this reply. Once the new reply is"
        " complete, the old one and everything after it disappear; if it fails, nothing"
        " is lost. Answers like chat."
    ),
    request=OpenApiRequest(
        RetryBody,
        examples=[
            OpenApiExample("A reply", value={"messageId": "msg_12", "stream": False})
        ],
    ),
    answers=ANSWERS,
    errors=[409],
    parameters=[
        schema.AGENT_ID,
        CONVERSATION_ID,
        *ui_messages_schema.PARAMETERS,
        *ID_HEADERS,
    ],
)

resume = schema.documented(
    "Resume a reply's stream",
    operation_id="resumeReply",
    tags=["chat"],
    description=(
        "The frames of a reply from the `after`-th on, and then live to `[DONE]`, byte"
        " for byte as the first stream had them. `after` is how many `data:` lines you"
        " have had. Of a finished reply it replays every frame."
    ),
    answers={(200, "text/event-stream"): ANSWERS[200, "text/event-stream"]},
    errors=[400],
    parameters=[
        schema.AGENT_ID,
        CONVERSATION_ID,
        MESSAGE_ID,
        OpenApiParameter(
            "after",
            {"type": "integer", "minimum": 0, "default": 0},
            description="How many frames you have had.",
        ),
        *ui_messages_schema.PARAMETERS,
        *ID_HEADERS,
    ],
)

tool_result = schema.documented(
    "Submit a tool's result",
    operation_id="submitToolResult",
    tags=["chat"],
    description=(
        "What your side made of a `tool-call`. Once all calls of the reply have their"
        " results, chat without a `message` to go on. A call can be answered once, and"
        " within 24 hours."
    ),
    request=OpenApiRequest(
        ToolResultBody,
        examples=[
            OpenApiExample(
                "What an order is like",
                value={"toolCallId": "call_a1", "output": {"status": "shipped"}},
            )
        ],
    ),
    answers={
        200: OpenApiResponse(
            inline_serializer(
                "ToolResultAnswer",
                {
                    "data": inline_serializer(
                        "ToolResultKept", {"success": serializers.BooleanField()}
                    )
                },
            ),
            "It is kept.",
            examples=[OpenApiExample("Kept", value={"data": {"success": True}})],
        )
    },
    parameters=[schema.AGENT_ID, CONVERSATION_ID],
)
