"""What the endpoints about chatbots take and answer, for the OpenAPI document."""

from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiRequest,
    OpenApiResponse,
)
from rest_framework import serializers

from agents.api import chatbots_bodies as bodies
from bookbag.api.schema import ChatbaseErrorSerializer, documented


class CreatedChatbot(serializers.Serializer):
    chatbotId = serializers.CharField(help_text="Of digits.")


class ChatbotItem(serializers.Serializer):
    id = serializers.CharField(help_text="Of digits.")
    chatbotId = serializers.CharField(help_text="As `id`.")
    name = serializers.CharField()
    chatbotName = serializers.CharField(help_text="As `name`.")
    status = serializers.ChoiceField(
        ["training", "ready", "failed"],
        help_text="`training` while a source is being learned; `failed` where one could"
        " not be.",
    )
    model = serializers.CharField()
    instructions = serializers.CharField(help_text="May be empty.")
    visibility = serializers.ChoiceField(
        ["public", "private"],
        help_text="A private chatbot answers calls with an API key only.",
    )
    created_at = serializers.DateTimeField(help_text="ISO 8601, UTC, milliseconds.")
    updated_at = serializers.DateTimeField(help_text="ISO 8601, UTC, milliseconds.")


class ChatbotList(serializers.Serializer):
    chatbots = ChatbotItem(many=True)


class Done(serializers.Serializer):
    message = serializers.CharField()


EXAMPLE = {
    "id": "12",
    "chatbotId": "12",
    "name": "Support",
    "chatbotName": "Support",
    "status": "ready",
    "model": "embedded",
    "instructions": "",
    "visibility": "public",
    "created_at": "2026-01-01T00:00:00.000Z",
    "updated_at": "2026-01-02T00:00:00.000Z",
}
CHATBOT_ID = OpenApiParameter(
    "chatbotId",
    {"type": "string"},
    OpenApiParameter.QUERY,
    required=True,
    description="The agent's id, as the dashboard shows it. A JSON body with it is"
    " taken where the address has none.",
)


def _documented(summary: str, operation_id: str, **details: Any) -> Any:
    return documented(
        summary,
        operation_id=operation_id,
        tags=["chatbots"],
        error=ChatbaseErrorSerializer,
        **details,
    )


def _body(serializer: Any, description: str, **value: Any) -> OpenApiRequest:
    return OpenApiRequest(
        serializer, examples=[OpenApiExample(description, value=value)]
    )


def _answer(serializer: Any, description: str, **value: Any) -> OpenApiResponse:
    example = OpenApiExample(description.rstrip("."), value=value)
    return OpenApiResponse(serializer, description, examples=[example])


create = _documented(
    "Make a chatbot",
    "createChatbot",
    description="Of a text and of pages; it learns them within seconds. All of it is"
    " made, or nothing. A key of one agent may not.",
    request=_body(
        bodies.NewChatbot,
        "Of a text and a page",
        chatbotName="Support",
        sourceText="Delivery takes two days.",
        urlsToScrape=["https://example.com/delivery"],
    ),
    answers={200: _answer(CreatedChatbot, "The chatbot is made.", chatbotId="12")},
)
chatbots = _documented(
    "List chatbots",
    "getChatbots",
    description="Those that this key may speak to, oldest first.",
    answers={200: _answer(ChatbotList, "The chatbots.", chatbots=[EXAMPLE])},
)
data = _documented(
    "Rename a chatbot and replace its text",
    "updateChatbotData",
    request=_body(
        bodies.ChatbotData,
        "A new text",
        chatbotId="12",
        chatbotName="Support",
        sourceText="Delivery takes one day.",
    ),
    answers={200: _answer(CreatedChatbot, "It learns the text.", chatbotId="12")},
)
settings = _documented(
    "Change a chatbot's settings",
    "updateChatbotSettings",
    description="Only what is sent changes; null is the default again. All of it is"
    " saved, or nothing.",
    request=_body(
        bodies.ChatbotSettings,
        "A greeting and a limit",
        chatbotId="12",
        initialMessages=["Hi! How can we help?"],
        ipLimit=20,
        ipLimitTimeframe=240,
        ipLimitMessage="Too many messages. Please wait a moment.",
    ),
    answers={202: _answer(Done, "All is saved.", message="Your changes are saved.")},
)
delete = _documented(
    "Delete a chatbot",
    "deleteChatbot",
    description="For every caller it is gone. Its conversations are kept.",
    parameters=[CHATBOT_ID],
    errors=[400, 408, 413, 415],
    answers={200: _answer(Done, "It is gone.", message="Deleted successfully")},
)
upload_icon = _documented(
    "Give a chatbot an icon",
    "uploadChatbotIcon",
    description="It is shown on the button that opens the widget.",
    request={"multipart/form-data": bodies.Icon},
    answers={
        200: _answer(
            Done, "It is shown.", message="Chatbot chat icon uploaded successfully."
        )
    },
)
upload_profile_picture = _documented(
    "Give a chatbot a profile picture",
    "uploadChatbotProfilePicture",
    description="It is shown beside what the chatbot says.",
    request={"multipart/form-data": bodies.ProfilePicture},
    answers={
        200: _answer(
            Done,
            "It is shown.",
            message="Chatbot Profile Picture uploaded successfully.",
        )
    },
)
delete_icon = _documented(
    "Take a chatbot's icon away",
    "deleteChatbotIcon",
    parameters=[CHATBOT_ID],
    errors=[400, 408, 413, 415],
    answers={
        200: _answer(Done, "It has none.", message="Chatbot icon deleted successfully.")
    },
)
delete_profile_picture = _documented(
    "Take a chatbot's profile picture away",
    "deleteChatbotProfilePicture",
    parameters=[CHATBOT_ID],
    errors=[400, 408, 413, 415],
    answers={
        200: _answer(
            Done,
            "It has none.",
            message="Chatbot Profile Picture deleted successfully.",
        )
    },
)
