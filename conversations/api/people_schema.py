"""What the endpoints about people answer, for the OpenAPI document."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    inline_serializer,
)
from rest_framework import serializers

from bookbag.api import schema
from conversations.api.reading_schema import Conversation, Message, StatusField
from conversations.api.schema import CONVERSATION_ID
from conversations.models import EventKind

BODY_ERRORS = [400, 408, 413, 415]  # a body that need not be there can be wrong


class ConversationEvent(serializers.Serializer):
    seq = serializers.IntegerField(
        min_value=1, help_text="Its number in the conversation: 1, 2, 3, without gaps."
    )
    type = serializers.ChoiceField(choices=EventKind.values)
    createdAt = serializers.IntegerField(help_text="Unix seconds.")
    message = Message(
        allow_null=True,
        help_text="Of `message` and `retry`: what was said, as it is now. Null where a"
        " later retry has replaced it.",
    )
    replaces = serializers.CharField(
        allow_null=True,
        help_text="Of `retry`: this message is gone, and every one with a higher"
        " number; then comes `message`.",
    )
    status = StatusField(
        allow_null=True,
        help_text="Of `takeover`, `handback`, `resolve` and `reopen`: what the"
        " conversation's status is from then on.",
    )


class EventPage(serializers.Serializer):
    events = ConversationEvent(many=True, help_text="At most 100.")
    lastSeq = serializers.IntegerField(help_text="Ask for what is `after` this one.")
    hasMore = serializers.BooleanField(help_text="Whether there is more already.")


CONVERSATION = {
    "id": "5",
    "title": "Where is my parcel?",
    "createdAt": 1784712000,
    "updatedAt": 1784712360,
    "userId": "u-7",
    "status": "taken_over",
}
PERSONS_REPLY = {
    "seq": 4,
    "type": "message",
    "createdAt": 1784712420,
    "message": {
        "id": "msg_14",
        "role": "assistant",
        "parts": [{"type": "text", "text": "I have called the carrier for you."}],
        "createdAt": 1784712420,
        "feedback": None,
        "metadata": {
            "finishReason": "stop",
            "usage": {"credits": 0},
            "author": "human",
        },
    },
    "replaces": None,
    "status": None,
}
TAKEOVER = {
    "seq": 3,
    "type": "takeover",
    "createdAt": 1784712360,
    "message": None,
    "replaces": None,
    "status": "taken_over",
}
STREAM = """\
retry: 1000

id: 3
event: takeover
data: {"seq":3,"type":"takeover","createdAt":1784712360,"message":null,\
"replaces":null,"status":"taken_over"}

: still here

"""


CONVERSATION_ANSWER = inline_serializer("ConversationAnswer", {"data": Conversation()})


def _conversation_answer(status: str) -> dict[tuple[int, str], OpenApiResponse]:
    value = {"data": CONVERSATION | {"status": status}}
    return {
        (200, "application/json"): OpenApiResponse(
            CONVERSATION_ANSWER,
            "The conversation as it is now.",
            examples=[OpenApiExample("A conversation", value=value)],
        )
    }


takeover = schema.documented(
    "Take a conversation over",
    operation_id="takeOverConversation",
    tags=["people"],
    description=(
        "From now on people answer and the bot is silent: `chat` stores what the end"
        " user says and answers without text. A reply that is being made ends where it"
        " is; nothing of the bot is added any more. Tool calls that wait for a result"
        " are given up. Taking over twice is taking over once. No body is needed."
    ),
    answers=_conversation_answer("taken_over"),
    errors=BODY_ERRORS,
    parameters=[schema.AGENT_ID, CONVERSATION_ID],
)
handback = schema.documented(
    "Hand a conversation back",
    operation_id="handBackConversation",
    tags=["people"],
    description=(
        "From now on the bot answers again, and is told that a person did meanwhile. A"
        " conversation that nobody has taken over stays as it is. No body is needed."
    ),
    answers=_conversation_answer("ongoing"),
    errors=BODY_ERRORS,
    parameters=[schema.AGENT_ID, CONVERSATION_ID],
)
resolve = schema.documented(
    "End a conversation",
    operation_id="resolveConversation",
    tags=["people"],
    description=(
        "Nothing is left to answer; a reply that is being made ends where it is. The"
        " end user's next message opens the conversation again, for the bot. No body"
        " is needed."
    ),
    answers=_conversation_answer("ended"),
    errors=BODY_ERRORS,
    parameters=[schema.AGENT_ID, CONVERSATION_ID],
)
events = schema.documented(
    "Follow a conversation",
    operation_id="followConversation",
    tags=["people"],
    description=(
        "What has happened after event number `after`: messages of end user, bot and"
        " people, replies made anew, takeover, hand-back, end, reopening. From 0 on it"
        " is the whole transcript. Feedback, and results of tools, are no events.\n\n"
        "Answers at once where there is something to tell; else it waits for it,"
        " `wait` seconds at most. Pass `lastSeq` as the next `after`.\n\n"
        "With `Accept: text/event-stream` the answer is a stream of server-sent"
        " events, `id` being the number, and `Last-Event-ID` is heeded. After ten"
        " minutes it ends: come back."
    ),
    answers={
        (200, "application/json"): OpenApiResponse(
            inline_serializer("EventsAnswer", {"data": EventPage()}),
            "What has happened; nothing, if nothing did in time.",
            examples=[
                OpenApiExample(
                    "A person steps in",
                    value={
                        "data": {
                            "events": [TAKEOVER, PERSONS_REPLY],
                            "lastSeq": 4,
                            "hasMore": False,
                        }
                    },
                )
            ],
        ),
        (200, "text/event-stream"): OpenApiResponse(
            OpenApiTypes.STR,
            "The same, as it happens.",
            examples=[OpenApiExample("A stream", value=STREAM)],
        ),
    },
    errors=[400],
    parameters=[
        schema.AGENT_ID,
        CONVERSATION_ID,
        OpenApiParameter(
            "after",
            {"type": "integer", "minimum": 0, "default": 0},
            description="The number of the last event you know.",
        ),
        OpenApiParameter(
            "wait",
            {"type": "integer", "default": 25},
            description="Seconds to wait where nothing has happened: 0 to 30. What is"
            " outside is taken for the nearest of them.",
        ),
        OpenApiParameter(
            "Last-Event-ID",
            str,
            OpenApiParameter.HEADER,
            description="Of streams: counts instead of `after`.",
        ),
    ],
)
