"""What `?protocol=ui-message` takes and answers, for the OpenAPI document."""

from typing import Any

from drf_spectacular.serializers import PolymorphicProxySerializerExtension
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiRequest,
    PolymorphicProxySerializer,
    extend_schema_field,
)
from rest_framework import serializers

from bookbag.api.fields import UserIdField
from conversations import ui_messages
from conversations.api.chat import ChatBody
from conversations.api.ui_messages import PROTOCOL


@extend_schema_field({"type": "string", "enum": list(ui_messages.ROLES)})
class RoleField(serializers.Field):
    """Written in place: as a `ChoiceField` it would share a name with other roles."""


class UIMessage(serializers.Serializer):
    """A message as the SDK keeps it; what is not named here is not looked at."""

    id = serializers.CharField(required=False)
    role = RoleField()
    parts = serializers.ListField(
        child=serializers.DictField(),
        help_text="`text` parts, and tools' parts with their outputs.",
    )


class UIMessagesBody(serializers.Serializer):
    """What `DefaultChatTransport` posts, with `?protocol=ui-message`."""

    id = serializers.CharField(
        max_length=ui_messages.MAX_CHAT_ID,
        help_text="The chat's own id: it names the conversation, for this agent and"
        " `userId`. The conversation begins with the first message.",
    )
    messages = UIMessage(many=True, help_text="The last user message is the turn.")
    trigger = serializers.ChoiceField(
        choices=[ui_messages.SUBMIT, ui_messages.REGENERATE],
        default=ui_messages.SUBMIT,
    )
    messageId = serializers.CharField(
        required=False, allow_null=True, help_text="The reply to regenerate."
    )
    userId = UserIdField(
        required=False,
        allow_null=True,
        help_text="Your own id of the person: put it into the transport's `body`.",
    )


class EitherBody(PolymorphicProxySerializer):
    """A body that fits one of several; it may fit more, fields being optional."""


class EitherBodyExtension(PolymorphicProxySerializerExtension):
    target_class = f"{__name__}.EitherBody"

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema = super().map_serializer(auto_schema, direction)
        return {"anyOf": schema["oneOf"]}


REQUEST = OpenApiRequest(
    EitherBody(
        component_name="Chat",
        serializers=[ChatBody, UIMessagesBody],
        resource_type_field_name=None,
    ),
    examples=[
        OpenApiExample(
            "A message", value={"message": "How long is delivery?", "stream": False}
        ),
        OpenApiExample(
            "A chat of the AI SDK",
            value={
                "id": "mT4pQ0cE",
                "messages": [
                    {
                        "id": "Zx81",
                        "role": "user",
                        "parts": [{"type": "text", "text": "How long is delivery?"}],
                    }
                ],
                "trigger": ui_messages.SUBMIT,
            },
        ),
    ],
)

PARAMETERS = [
    OpenApiParameter(
        "protocol",
        enum=[PROTOCOL],
        description="Streams the reply as a UI message stream of the Vercel AI SDK.",
    ),
    OpenApiParameter(
        ui_messages.HEADER,
        str,
        OpenApiParameter.HEADER,
        response=[200],
        description="`v1`, of streams with `?protocol=ui-message`.",
    ),
]

STREAM = """\
data: {"type":"start","messageId":"msg_12"}

data: {"type":"start-step"}

data: {"type":"text-start","id":"text"}

data: {"type":"text-delta","id":"text","delta":"Two days."}

data: {"type":"text-end","id":"text"}

data: {"type":"finish-step"}

data: {"type":"finish","messageMetadata":{"userMessageId":"msg_11",\
"conversationId":"5","userId":null,"messageId":"msg_12","usage":{"credits":1},\
"finishReason":"stop"}}

data: [DONE]

"""
EXAMPLE = OpenApiExample("With protocol=ui-message", value=STREAM)
DESCRIPTION = (
    "\n\nWith `?protocol=ui-message` the reply is a UI message stream of the Vercel AI"
    " SDK, and the body may be the SDK's own: a chat whose `DefaultChatTransport` has"
    " this address as `api` and the key in `headers` needs nothing else."
)
