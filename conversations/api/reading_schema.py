"""What the endpoints of reading and feedback take and answer, for the OpenAPI document
and its readers."""

from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiRequest,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema_field,
    inline_serializer,
)
from rest_framework import serializers

from bookbag.api import pagination, schema
from conversations.api.schema import (
    CONVERSATION_ID,
    MESSAGE_ID,
    Credits,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from conversations.api.shapes import STATUS
from conversations.models import Feedback, MessageRole

# --- Shapes -------------------------------------------------------------------------


@extend_schema_field(
    {"type": "string", "enum": list(STATUS.values())},
    component_name="ConversationStatus",
)
class StatusField(serializers.Field):
    """A component of its own, for clients to name."""


@extend_schema_field(
    {"type": "string", "enum": Feedback.values}, component_name="Feedback"
)
class FeedbackField(serializers.Field):
    """Likewise."""


class Conversation(serializers.Serializer):
    id = serializers.CharField()
    title = serializers.CharField(allow_null=True)
    createdAt = serializers.IntegerField(help_text="Unix seconds.")
    updatedAt = serializers.IntegerField(help_text="The last activity, Unix seconds.")
    userId = serializers.CharField(allow_null=True, help_text="Your id of the person.")
    status = StatusField(help_text="`taken_over`: people answer, the bot is silent.")


class Citation(serializers.Serializer):
    index = serializers.IntegerField(help_text="The n of `[n]` in the answer.")
    sourceId = serializers.IntegerField()
    documentId = serializers.IntegerField()
    documentVersion = serializers.IntegerField()
    title = serializers.CharField()
    url = serializers.CharField(allow_null=True)
    start = serializers.IntegerField(help_text="Where in the document.")
    end = serializers.IntegerField()
    quote = serializers.CharField(help_text="What stands there.")


class MessageMetadata(serializers.Serializer):
    finishReason = serializers.ChoiceField(
        choices=["stop", "tool-calls", "error"],
        help_text="`error` where the reply broke off.",
    )
    usage = Credits()
    author = serializers.ChoiceField(
        choices=["human"], required=False, help_text="Where a person wrote it."
    )
    citations = Citation(
        many=True,
        required=False,
        help_text="The passages that the answer rests on.",
    )
    score = serializers.FloatField(
        required=False, help_text="How well they bear it out, 0 to 1."
    )


class Message(serializers.Serializer):
    id = serializers.CharField()
    role = serializers.ChoiceField(choices=[MessageRole.USER, MessageRole.ASSISTANT])
    parts = PolymorphicProxySerializer(
        component_name="MessagePart",
        serializers={
            "text": TextPart,
            "tool-call": ToolCallPart,
            "tool-result": ToolResultPart,
        },
        resource_type_field_name="type",
        many=True,
    )
    createdAt = serializers.IntegerField(help_text="Unix seconds.")
    feedback = FeedbackField(
        allow_null=True, required=False, help_text="Of the assistant's messages."
    )
    metadata = MessageMetadata(required=False, help_text="Of the assistant's messages.")


class ConversationWithMessages(Conversation):
    messages = Message(many=True, help_text="In the order in which they were said.")


class FeedbackBody(serializers.Serializer):
    """What is thought of a reply."""

    feedback = serializers.ChoiceField(
        choices=Feedback.values,
        allow_null=True,
        error_messages={"invalid_choice": 'Must be "positive", "negative" or null.'},
    )


# Written out: of a PATCH's serializer the document would say that no field need be
# there, and this one must.
FEEDBACK_REQUEST = {
    "application/json": OpenApiRequest(
        {
            "title": "FeedbackBody",
            "type": "object",
            "required": ["feedback"],
            "properties": {
                "feedback": {
                    "oneOf": [
                        {"$ref": "#/components/schemas/Feedback"},
                        {"type": "null"},
                    ],
                    "description": "`null` takes back what was given.",
                }
            },
        },
        examples=[OpenApiExample("Thumbs up", value={"feedback": "positive"})],
    )
}

# --- Examples -----------------------------------------------------------------------

CONVERSATION = {
    "id": "5",
    "title": "How long does delivery take?",
    "createdAt": 1784712000,
    "updatedAt": 1784712360,
    "userId": "u-7",
    "status": "ongoing",
}
QUESTION = {
    "id": "msg_11",
    "role": "user",
    "parts": [{"type": "text", "text": "How long does delivery take?"}],
    "createdAt": 1784712359,
}
REPLY = {
    "id": "msg_12",
    "role": "assistant",
    "parts": [{"type": "text", "text": "Two days."}],
    "createdAt": 1784712360,
    "feedback": None,
    "metadata": {
        "finishReason": "stop",
        "usage": {"credits": 1},
        "citations": [
            {
                "index": 1,
                "sourceId": 4,
                "documentId": 9,
                "documentVersion": 1,
                "title": "Shipping",
                "url": None,
                "start": 17,
                "end": 41,
                "quote": "Delivery takes two days.",
            }
        ],
        "score": 0.93,
    },
}
LAST_PAGE = {"cursor": None, "hasMore": False, "total": 1}
MORE = {"cursor": "WzEyXQ.dGhpcyBpcyBub3QgYSBzaWduYXR1cmU", "hasMore": True, "total": 9}


def _answer(
    name: str, description: str, value: dict[str, Any], **fields: Any
) -> dict[int, Any]:
    if "pagination" in value:
        fields["pagination"] = pagination.PaginationSerializer()
    return {
        200: OpenApiResponse(
            inline_serializer(name, fields),
            description,
            examples=[OpenApiExample("An answer", value=value)],
        )
    }


# --- Endpoints ----------------------------------------------------------------------

FILTERS = [
    OpenApiParameter("status", str, enum=list(STATUS.values())),
    OpenApiParameter(
        "userId",
        {"type": "string", "pattern": "^[a-zA-Z0-9._-]{1,128}$"},
        description="Conversations of this end user.",
    ),
    OpenApiParameter(
        "from",
        {"type": "integer", "minimum": 0},
        description="Last active at this time or later; Unix seconds, as `updatedAt`.",
    ),
    OpenApiParameter(
        "to",
        {"type": "integer", "minimum": 0},
        description="Last active at this time or earlier.",
    ),
    OpenApiParameter(
        "feedback",
        str,
        enum=Feedback.values,
        description="With a reply that was rated so.",
    ),
    OpenApiParameter(
        "q",
        {"type": "string", "minLength": 1, "maxLength": 200},
        description="With a message that has all these words, in any case and order;"
        ' words "in quotes" one after the other.',
    ),
]
USER_ID = schema.path_parameter("user_id", "Your own id of the person.")

conversations = schema.documented(
    "List conversations",
    operation_id="listConversations",
    tags=["conversations"],
    description=(
        "The agent's conversations on all channels, the newest activity first. Filters"
        " narrow the list together; a cursor is good for the same filters only.\n\n"
        "A conversation moves to the top when something is said in it. While you page,"
        " none that does not move is skipped or comes twice."
    ),
    answers=_answer(
        "Conversations",
        "A page of conversations.",
        {"data": [CONVERSATION], "pagination": LAST_PAGE},
        data=Conversation(many=True),
    ),
    errors=[400],
    parameters=[schema.AGENT_ID, *pagination.PARAMETERS, *FILTERS],
)
user_conversations = schema.documented(
    "List an end user's conversations",
    operation_id="listUserConversations",
    tags=["conversations"],
    description=(
        "As the list of all conversations. A person who has not spoken yet has an"
        " empty list."
    ),
    answers=_answer(
        "UserConversations",
        "A page of conversations.",
        {"data": [CONVERSATION], "pagination": LAST_PAGE},
        data=Conversation(many=True),
    ),
    errors=[400],
    parameters=[schema.AGENT_ID, USER_ID, *pagination.PARAMETERS],
)
conversation = schema.documented(
    "Read a conversation",
    operation_id="getConversation",
    tags=["conversations"],
    description=(
        "With its newest messages, in the order in which they were said. `pagination`"
        " is about the messages; its cursor goes on in the list of messages."
    ),
    answers=_answer(
        "ConversationRead",
        "The conversation.",
        {
            "data": CONVERSATION | {"messages": [QUESTION, REPLY]},
            "pagination": MORE,
        },
        data=ConversationWithMessages(),
    ),
    errors=[400],
    parameters=[schema.AGENT_ID, CONVERSATION_ID, *pagination.PARAMETERS],
)
messages = schema.documented(
    "List messages",
    operation_id="listMessages",
    tags=["conversations"],
    description=(
        "Pages go back from the newest message; each is in the order in which things"
        " were said. A reply that is still being made is not among them yet."
    ),
    answers=_answer(
        "Messages",
        "A page of messages.",
        {"data": [QUESTION, REPLY], "pagination": MORE},
        data=Message(many=True),
    ),
    errors=[400],
    parameters=[schema.AGENT_ID, CONVERSATION_ID, *pagination.PARAMETERS],
)
feedback = schema.documented(
    "Give feedback",
    operation_id="setFeedback",
    tags=["conversations"],
    description=(
        "Thumbs up or down for a reply, or neither. Doing it again changes nothing."
    ),
    request=FEEDBACK_REQUEST,
    answers=_answer(
        "MessageAnswer",
        "The message as it is now.",
        {"data": REPLY | {"feedback": "positive"}},
        data=Message(),
    ),
    parameters=[schema.AGENT_ID, CONVERSATION_ID, MESSAGE_ID],
)
