"""`POST /api/v1/chat` in Chatbase's dialect: a whole conversation goes in, text comes
out. A body of Bookbag's own dialect, on the same path, is handed on to `visitors`."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.response import Response

from agents import engines
from agents.access import chatbot_for
from agents.engine import base
from agents.models import Agent
from bookbag.api.errors import InvalidBody, NotFound
from bookbag.api.fields import (
    WHITESPACE,
    AgentIdField,
    StrictBooleanField,
    StrictCharField,
)
from bookbag.api.parsers import ApiRequest
from contacts import records
from contacts.models import Contact
from conversations import posted, streams
from conversations.api.chat import Encoder, ReplyView, name_ids
from conversations.api.visitors import MAX_MODEL, VisitorChatView, is_visitors
from conversations.asks import Ask
from conversations.events import Delta, Event, Finished
from conversations.resume import Replay
from conversations.runs import Run


class NameField(StrictCharField):
    """The caller's own name of something: a text, or a number for one. An empty one is
    as good as none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False,
            allow_null=True,
            allow_blank=True,
            trim_whitespace=False,
            max_length=posted.MAX_NAME,
            **kwargs,
        )

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(str(data) if type(data) is int else data)


class TemperatureField(serializers.FloatField):
    default_error_messages = dict.fromkeys(
        ("invalid", "min_value", "max_value"), "Must be a number from 0 to 1."
    )

    def to_internal_value(self, data: Any) -> float:
        if type(data) not in (int, float):
            self.fail("invalid")
        return float(data)


class ChatbaseMessage(serializers.Serializer):
    # What a caller calls the system's is told to the agent as the application's words.
    role = serializers.ChoiceField(
        ["user", "assistant", "system"],
        error_messages={"invalid_choice": "Must be “user” or “assistant”."},
    )
    content = StrictCharField(allow_blank=True, trim_whitespace=False)


class ChatbaseBody(serializers.Serializer):
    """What a program posts that was written for Chatbase."""

    chatbotId = AgentIdField(
        required=False, allow_null=True, help_text="As the dashboard shows it."
    )
    chatId = AgentIdField(
        required=False, allow_null=True, help_text="Another name for `chatbotId`."
    )
    messages = ChatbaseMessage(
        many=True,
        allow_empty=False,
        error_messages={
            "empty": "Must have at least one message.",
            "not_a_list": "Must be a list of messages.",
        },
        help_text="All turns, oldest first; the last one is the user's. Of more than"
        f" {posted.MAX_MESSAGES} those last count.",
    )
    stream = StrictBooleanField(
        required=False,
        allow_null=True,
        help_text="`true` for the text as it is made, chunk by chunk, as plain text.",
    )
    temperature = TemperatureField(
        required=False, allow_null=True, min_value=0, max_value=1
    )
    model = StrictCharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=MAX_MODEL,
        help_text="Instead of the agent's own. One that is not installed here is"
        " answered by the agent's own, and the header `X-Bookbag-Model` names it.",
    )
    conversationId = NameField(
        help_text="Your own name of the conversation, which begins with the first use."
        " Without it nothing is stored."
    )
    contactId = NameField(help_text="The `external_id` of the contact who speaks.")

    def to_internal_value(self, data: dict[str, Any]) -> dict[str, Any]:
        messages = data.get("messages")
        if isinstance(messages, list):  # which only ever grows
            data = {**data, "messages": messages[-posted.MAX_MESSAGES :]}
        body: dict[str, Any] = super().to_internal_value(data)
        return body

    def validate_messages(self, messages: list[dict[str, str]]) -> list[dict[str, str]]:
        if messages[-1]["role"] != "user":
            raise serializers.ValidationError("The last one must be the user's.")
        return messages


class ChatView(ReplyView):
    """Chatbase's dialect: the posted conversation goes in, text comes out."""

    media_type = "text/plain; charset=utf-8"
    instead = ""  # the model that answers in the place of one that is not here

    async def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        if is_visitors(request):
            return await VisitorChatView.as_view()(request)
        return await super().dispatch(request, *args, **kwargs)

    async def post(self, request: ApiRequest) -> HttpResponseBase:
        return await self.reply(request)

    def read(self, request: ApiRequest) -> None:
        form = ChatbaseBody(data=request.data)
        is_valid = form.is_valid()
        self.agent = agent = chatbot_for(request.auth, _chatbot_id(form), to_write=True)
        contact = self._contact(agent, form)
        if not is_valid:
            raise InvalidBody(form.errors)
        body = form.validated_data
        turns = _turns(body["messages"])
        name = body.get("conversationId") or None
        self.is_streamed = bool(body.get("stream"))
        self.ask = Ask(
            agent=agent,
            text=turns[-1].text.strip(WHITESPACE),
            external_id=name,
            contact_id=contact.pk if contact else None,
            api_key=request.auth,
            history=tuple(turns),
            tools=(),
            keep=name is not None,
            model=self._model(body.get("model")),
            temperature=body.get("temperature"),
        )

    async def answer(self, run: Run | Replay, request: ApiRequest) -> HttpResponseBase:
        answer = await super().answer(run, request)
        name_ids(answer, run)  # the body of a whole answer has no room for them
        if self.instead:
            answer.headers["X-Bookbag-Model"] = self.instead
        return answer

    def _model(self, wanted: str | None) -> str | None:
        """What programs name that were written for Chatbase is mostly not here. Then
        the agent's own answers, and a header says so."""
        if not wanted:
            return None
        if engines.is_known(wanted):
            return wanted
        self.instead = self.agent.model
        return None

    def encoder(self) -> Encoder:
        return streams.plain_text

    def in_one_piece(self, end: Finished, events: list[Event]) -> Response:
        text = "".join(event.text for event in events if isinstance(event, Delta))
        return Response({"text": text})

    def _contact(self, agent: Agent, form: ChatbaseBody) -> Contact | None:
        """Whom the caller says it talks to. NotFound."""
        named = form.initial_data.get("contactId")
        if "contactId" in form.errors or named in (None, ""):
            return None
        contact = records.by_external_id(agent, str(named))
        if contact is None:
            raise NotFound
        return contact


def _chatbot_id(form: ChatbaseBody) -> str:
    """InvalidBody where none is named."""
    for name in ("chatbotId", "chatId"):
        if name in form.errors:
            raise InvalidBody(form.errors)
        if (value := form.initial_data.get(name)) is not None:
            return str(value)
    raise InvalidBody({"chatbotId": "This field is required."})


def _turns(messages: list[dict[str, str]]) -> list[base.Turn]:
    """What the engine is told. InvalidBody."""
    turns = []
    for message in messages:
        text = message["content"]
        match message["role"]:
            case "user":
                turns.append(base.Turn("user", text))
            case "assistant" if text:
                turns.append(base.Turn("assistant", text))
            case "system":
                turns.append(posted.context(text))
    turns = posted.newest(turns)
    posted.check_turns(turns)
    return posted.said(turns)
