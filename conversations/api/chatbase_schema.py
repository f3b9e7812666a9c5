"""What `POST /api/v1/chat` takes and answers, for the OpenAPI document."""

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
from conversations.api.chatbase import ChatbaseBody
from conversations.api.visitors import VisitorBody

STREAM = """\
event: token
data: {"text":"Two "}

event: token
data: {"text":"days."}

event: citations
data: {"citations":[{"index":1,"sourceId":9,"title":"Delivery","url":null,\
"snippet":"Delivery takes two days."}]}

event: done
data: {"conversationId":41,"messageId":77,"text":"Two days.","visitorToken":"NDE:1vF…"}

"""

ERRORS = PolymorphicProxySerializer(
    component_name="ChatFailure",
    serializers=[schema.ChatbaseErrorSerializer, schema.FailureSerializer],
    resource_type_field_name=None,
)

chat = schema.documented(
    "Chat with an agent",
    operation_id="chatWithAgent",
    tags=["chat"],
    description=(
        "Two dialects on one path, told apart by the body.\n\n"
        "**Chatbase's**, with `messages`: the whole conversation goes in. The answer is"
        " `{text}`, or with `stream: true` the text itself, chunk by chunk; a failure"
        " then closes the connection before its end. What is stored, under your"
        " `conversationId`, is the last message and the answer; without it nothing is."
        " Errors are `{message}`.\n\n"
        "**Bookbag's**, with `message` and `agentId`: one message goes in, events with"
        " names come out: `token`, then `citations` if the answer quotes sources, then"
        " `done` or `error`. The key is optional: without one, only an agent that is"
        " not a draft answers, on sites it is meant for, so many messages a minute, and"
        " a conversation is continued with the `visitorToken` of its last `done`."
        " Errors are `{success: false, error}`."
    ),
    request=OpenApiRequest(
        PolymorphicProxySerializer(
            component_name="V1Chat",
            serializers=[ChatbaseBody, VisitorBody],
            resource_type_field_name=None,
        ),
        examples=[
            OpenApiExample(
                "Chatbase's dialect",
                value={
                    "chatbotId": "12",
                    "messages": [
                        {"role": "user", "content": "How long does delivery take?"}
                    ],
                    "conversationId": "order-7",
                },
            ),
            OpenApiExample(
                "Bookbag's dialect",
                value={"agentId": 12, "message": "How long does delivery take?"},
            ),
        ],
    ),
    answers={
        (200, "application/json"): OpenApiResponse(
            inline_serializer("TextAnswer", {"text": serializers.CharField()}),
            "The reply.",
            examples=[OpenApiExample("A reply", value={"text": "Two days."})],
        ),
        (200, "text/plain"): OpenApiResponse(
            OpenApiTypes.STR,
            "The reply.",
            examples=[OpenApiExample("A stream of Chatbase's", value="Two days.")],
        ),
        (200, "text/event-stream"): OpenApiResponse(
            OpenApiTypes.STR,
            "The reply.",
            examples=[OpenApiExample("A stream of Bookbag's", value=STREAM)],
        ),
    },
    errors=[409],
    error=ERRORS,
    optional_key=True,
    parameters=[
        OpenApiParameter(
            "X-Visitor-Token",
            str,
            OpenApiParameter.HEADER,
            description="Of Bookbag's dialect without a key: the `visitorToken` of the"
            " conversation's last `done`.",
        ),
        *(
            OpenApiParameter(
                name, str, OpenApiParameter.HEADER, response=[200], description=what
            )
            for name, what in {
                "x-conversation-id": "Where it is stored: the conversation.",
                "x-user-message-id": "There: your message.",
                "x-message-id": "There: the reply.",
                "X-Bookbag-Model": "Of Chatbase's dialect: who answers in the place of"
                " a model that is not here.",
            }.items()
        ),
    ],
)
