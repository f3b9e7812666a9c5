"""What API v1's endpoints for reading take and answer, for the OpenAPI document."""

from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    inline_serializer,
)
from rest_framework import serializers

from bookbag.api import schema
from conversations.api.shapes import STATUS
from conversations.models import (
    Channel,
    Feedback,
    MessageRole,
    ReplyStatus,
    ToolCallStatus,
)

ROLES = [MessageRole.USER.value, MessageRole.ASSISTANT.value]
MILLISECONDS = r"^[0-9]+$"


# --- To Chatbase's clients ----------------------------------------------------------


class ChatbaseMessage(serializers.Serializer):
    id = serializers.CharField()
    role = serializers.ChoiceField(choices=ROLES)
    content = serializers.CharField(help_text="Its text.")
    type = serializers.ChoiceField(choices=["text"])
    createdAt = serializers.DateTimeField()


class ChatbaseConversation(serializers.Serializer):
    id = serializers.CharField(
        help_text="Your own name of it, the `conversationId` of your chats; or else our"
        " number."
    )
    chatbot_id = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField(help_text="The last activity.")
    last_message_at = serializers.DateTimeField(
        help_text="Without messages: `created_at`."
    )
    source = serializers.ChoiceField(choices=Channel.labels)
    min_score = serializers.FloatField(
        allow_null=True,
        help_text="How well the sources bear out the weakest reply, 0 to 1. Null where"
        " no reply was scored.",
    )
    messages = ChatbaseMessage(many=True, help_text="In the order of the conversation.")


CHATBASE_CONVERSATION = {
    "id": "order-1047",
    "chatbot_id": "12",
    "created_at": "2026-07-22T12:00:00.000Z",
    "updated_at": "2026-07-22T12:06:00.120Z",
    "last_message_at": "2026-07-22T12:06:00.120Z",
    "source": "API",
    "min_score": 0.93,
    "messages": [
        {
            "id": "11",
            "role": "user",
            "content": "How long does delivery take?",
            "type": "text",
            "createdAt": "2026-07-22T12:05:59.000Z",
        },
        {
            "id": "12",
            "role": "assistant",
            "content": "Two days.",
            "type": "text",
            "createdAt": "2026-07-22T12:06:00.120Z",
        },
    ],
}
DAY = {"type": "string", "format": "date"}


def _answer(
    name: str, description: str, value: dict[str, Any], **fields: Any
) -> dict[int, Any]:
    return {
        200: OpenApiResponse(
            inline_serializer(name, fields),
            description,
            examples=[OpenApiExample("An answer", value=value)],
        )
    }


get_conversations = schema.documented(
    "Get conversations",
    operation_id="getConversations",
    tags=["chatbots"],
    description=(
        "A chatbot's conversations with all their messages, those begun last first. A"
        " page that is beyond the end is empty. Replies that failed, and those that a"
        " retry has replaced, are left out."
    ),
    answers=_answer(
        "ChatbaseConversations",
        "A page of conversations.",
        {"data": [CHATBASE_CONVERSATION]},
        data=ChatbaseConversation(many=True),
    ),
    errors=[400],
    error=schema.ChatbaseErrorSerializer,
    parameters=[
        OpenApiParameter("chatbotId", str, required=True),
        OpenApiParameter(
            "filteredSources",
            str,
            description="Only of these sources, with commas between them: "
            + ", ".join(f"`{label}`" for label in Channel.labels)
            + ". In any case.",
            examples=[OpenApiExample("Two sources", value="API,Widget or Iframe")],
        ),
        OpenApiParameter(
            "startDate", DAY, description="Begun on this day of UTC or later."
        ),
        OpenApiParameter(
            "endDate", DAY, description="Begun on this day of UTC or earlier."
        ),
        OpenApiParameter("page", {"type": "integer", "minimum": 1, "default": 1}),
        OpenApiParameter(
            "size",
            {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
            description="Conversations of a page.",
        ),
    ],
)


# --- In Bookbag's own words ---------------------------------------------------------


class Millis(serializers.RegexField):
    def __init__(self, what: str) -> None:
        super().__init__(MILLISECONDS, help_text=f"{what}, in Unix milliseconds.")


class ConversationSummary(serializers.Serializer):
    id = serializers.CharField(help_text="A string of digits.")
    agentId = serializers.IntegerField()
    title = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(
        choices=list(STATUS.values()),
        help_text="`taken_over`: people answer, the agent is silent.",
    )
    source = serializers.ChoiceField(choices=Channel.labels)
    isTest = serializers.BooleanField(help_text="Begun with a test key.")
    userId = serializers.CharField(
        allow_null=True, help_text="The caller's own id of the person."
    )
    contactId = serializers.CharField(
        allow_null=True, help_text="The `external_id` of the contact it is with."
    )
    externalId = serializers.CharField(
        allow_null=True, help_text="The caller's own name of the conversation."
    )
    createdAt = Millis("When it began")
    updatedAt = Millis("The last activity")
    messageCount = serializers.IntegerField(
        min_value=0, help_text="Of those that are shown."
    )


class TranscriptCitation(serializers.Serializer):
    index = serializers.IntegerField(help_text="The n of `[n]` in the text.")
    sourceId = serializers.IntegerField()
    title = serializers.CharField()
    url = serializers.CharField(allow_null=True)
    snippet = serializers.CharField(help_text="What stands there.")
    documentId = serializers.IntegerField()
    documentVersion = serializers.IntegerField()
    start = serializers.IntegerField(help_text="Where in the document.")
    end = serializers.IntegerField()


class TranscriptToolCall(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField(help_text="The action.")
    input = serializers.JSONField()
    status = serializers.ChoiceField(choices=ToolCallStatus.values)
    output = serializers.JSONField(
        help_text="Any JSON, once it is `submitted` or `used`; before, null."
    )


class TranscriptMessage(serializers.Serializer):
    """What follows `createdAt` is there for the assistant's messages."""

    id = serializers.CharField(help_text="A string of digits.")
    role = serializers.ChoiceField(choices=ROLES)
    author = serializers.ChoiceField(
        choices=["user", "agent", "human"],
        help_text="Who said it. `human`: a person who answered instead of the agent.",
    )
    text = serializers.CharField()
    createdAt = Millis("When it was said")
    status = serializers.ChoiceField(
        choices=[
            ReplyStatus.COMPLETE.value,
            ReplyStatus.PARTIAL.value,
            ReplyStatus.AWAITING_TOOL.value,
        ],
        required=False,
        help_text="`partial`: it broke off. `awaiting_tool`: for a tool's result.",
    )
    feedback = serializers.ChoiceField(
        choices=Feedback.values,
        allow_null=True,
        required=False,
        help_text="How it was rated.",
    )
    confidence = serializers.ChoiceField(
        choices=["sure", "hedged", "unknown"],
        allow_null=True,
        required=False,
        help_text="How sure the agent was of its sources.",
    )
    score = serializers.FloatField(
        allow_null=True,
        required=False,
        help_text="How well they bear the reply out, 0 to 1.",
    )
    citations = TranscriptCitation(
        many=True, required=False, help_text="The passages that the reply rests on."
    )
    toolCalls = TranscriptToolCall(many=True, required=False)


class Transcript(ConversationSummary):
    messages = TranscriptMessage(
        many=True, help_text="All that are shown, in the order of the conversation."
    )


CONVERSATION = {
    "id": "41",
    "agentId": 12,
    "title": "How long does delivery take?",
    "status": "ongoing",
    "source": "Widget or Iframe",
    "isTest": False,
    "userId": None,
    "contactId": "u-7",
    "externalId": None,
    "createdAt": "1784712000000",
    "updatedAt": "1784712360120",
    "messageCount": 2,
}
TRANSCRIPT = {
    **CONVERSATION,
    "messages": [
        {
            "id": "76",
            "role": "user",
            "author": "user",
            "text": "How long does delivery take?",
            "createdAt": "1784712359000",
        },
        {
            "id": "77",
            "role": "assistant",
            "author": "agent",
            "text": "Two days. [1]",
            "createdAt": "1784712360120",
            "status": "complete",
            "feedback": "positive",
            "confidence": "sure",
            "score": 0.93,
            "citations": [
                {
                    "index": 1,
                    "sourceId": 4,
                    "title": "Shipping",
                    "url": None,
                    "snippet": "Delivery takes two days.",
                    "documentId": 9,
                    "documentVersion": 1,
                    "start": 17,
                    "end": 41,
                }
            ],
            "toolCalls": [],
        },
    ],
}
CONVERSATION_ID = schema.path_parameter(
    "conversation_id", "The conversation's id.", {"type": "integer", "minimum": 1}
)

agent_conversations = schema.documented(
    "List an agent's conversations",
    operation_id="listAgentConversations",
    tags=["conversations"],
    description=(
        "On all channels, the newest activity first, at most a hundred. For all of them"
        " page by page there is API v2.\n\n"
        "The same at `/agents/:id/conversations`, for a key and for whoever is signed"
        " in; a browser is shown a page there."
    ),
    answers=_answer(
        "AgentConversations",
        "The conversations.",
        {"success": True, "conversations": [CONVERSATION]},
        success=serializers.BooleanField(help_text="Always true."),
        conversations=ConversationSummary(many=True),
    ),
    errors=[400],
    error=schema.FailureSerializer,
    parameters=[
        schema.AGENT_ID,
        OpenApiParameter(
            "limit",
            {"type": "integer", "default": 100},
            description="1 to 100. What is outside is taken for the nearest of them.",
        ),
    ],
)
conversation = schema.documented(
    "Read a transcript",
    operation_id="readTranscript",
    tags=["conversations"],
    description=(
        "A conversation with all that is shown of it. Replies that failed or are still"
        " being made, and those that a retry has replaced, are left out.\n\n"
        "The same at `/conversations/:id`, for a key and for whoever is signed in; a"
        " browser is shown a page there."
    ),
    answers=_answer(
        "TranscriptAnswer",
        "The conversation.",
        {"success": True, "conversation": TRANSCRIPT},
        success=serializers.BooleanField(help_text="Always true."),
        conversation=Transcript(),
    ),
    error=schema.FailureSerializer,
    parameters=[CONVERSATION_ID],
)
