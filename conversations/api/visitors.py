"""`POST /api/v1/chat` in Bookbag's own dialect, for visitors: `message` and `agentId`
go in, named events come out. The key is optional."""

from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework import serializers

from agents import identity, sites
from agents.access import chatbot_for
from agents.models import Agent, Widget
from apikeys.limits import limiter
from apikeys.throttling import address_bucket, client_address, refusal
from bookbag.api.clothes import success_flag
from bookbag.api.errors import (
    ApiError,
    ConversationNotFound,
    InvalidBody,
)
from bookbag.api.fields import StrictCharField, StrictIntegerField, is_user_id
from bookbag.api.parsers import ApiRequest, read_body
from contacts import records, visitors
from contacts.models import Contact
from conversations import streams
from conversations.access import check_conversation, check_model
from conversations.api.chat import Encoder, ReplyView
from conversations.asks import Ask
from conversations.models import Channel

MAX_MESSAGE = 8_000  # characters
MAX_MODEL = 120
MAX_USER = 255
LIMIT_MESSAGE = "Too many messages. Please wait a moment."
WINDOW = 60  # seconds, where only a number of messages is set


class VisitorBody(serializers.Serializer):
    """What a visitor's page posts."""

    agentId = StrictIntegerField(help_text="As the dashboard shows it.")
    message = StrictCharField(
        max_length=MAX_MESSAGE, help_text="What the visitor says. Not blank."
    )
    conversationId = StrictIntegerField(
        required=False,
        allow_null=True,
        help_text="A conversation to continue. Without a key the `visitorToken` of its"
        " last `done` must come with it.",
    )
    visitorToken = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="Or in the header `X-Visitor-Token`.",
    )
    model = StrictCharField(required=False, allow_null=True, max_length=MAX_MODEL)
    user_id = StrictCharField(
        required=False,
        allow_null=True,
        max_length=MAX_USER,
        trim_whitespace=False,
        help_text="Your own id of the person, proved by `user_hash` or by a key.",
    )
    user_hash = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="Hex HMAC-SHA256 of `user_id` under the agent's identity secret. A"
        " wrong one makes the visitor anonymous.",
    )
    user_metadata = serializers.DictField(
        required=False,
        allow_null=True,
        help_text="`name`, `email`, and whatever else is known of the person.",
    )


class VisitorChatView(ReplyView):
    """Bookbag's dialect: one message in, named events out. The key is optional."""

    schema = None  # the path's other dialect describes both
    is_streamed = True

    async def post(self, request: ApiRequest) -> HttpResponseBase:
        return await self.reply(request)

    def dress(self, error: ApiError) -> dict[str, Any]:
        return success_flag(error)

    def perform_authentication(self, request: ApiRequest) -> None:
        if "authorization" in request.headers:
            super().perform_authentication(request)
        else:
            self._no_key(request)

    def read(self, request: ApiRequest) -> None:
        """Agent, site, limit, conversation, body: what a stranger learns comes last."""
        form = VisitorBody(data=request.data)
        is_valid = form.is_valid()
        if "agentId" in form.errors:
            raise InvalidBody(form.errors)
        agent_id = str(int(request.data["agentId"]))
        conversation_id = request.data.get("conversationId")
        if "conversationId" in form.errors or conversation_id is None:
            conversation_id = None
        else:
            conversation_id = int(conversation_id)
        if request.auth is not None:
            agent = chatbot_for(request.auth, agent_id, to_write=True)
            self.agent = agent
        else:
            agent = sites.public_agent(agent_id, request.headers.get("Origin"))
            _admit(request, agent)
        if conversation_id is not None:
            if request.auth is None:
                _check_token(request, conversation_id)
            check_conversation(agent, conversation_id)
        if not is_valid:
            raise InvalidBody(form.errors)
        body = form.validated_data
        model = body.get("model")
        check_model(model)
        # Models cost differently, and the workspace pays.
        if request.auth is None and model not in (None, agent.model):
            raise InvalidBody({"model": "Only calls with an API key may choose it."})
        contact = _known(request, agent, body)
        end_user = contact.external_id if contact else None
        self.ask = Ask(
            agent=agent,
            text=body["message"],
            conversation_id=conversation_id,
            end_user=end_user if end_user and is_user_id(end_user) else None,
            contact_id=contact.pk if contact else None,
            api_key=request.auth,
            channel=Channel.API if request.auth else Channel.WIDGET,
            tools=(),
            model=model,
        )

    def encoder(self) -> Encoder:
        return streams.NamedEvents(visitors.token_for)


def is_visitors(request: HttpRequest) -> bool:
    """Whether the body is in Bookbag's own dialect. What cannot be read is not.

    A glance only, for it is taken on the event loop, before the key and the limit: the
    strict parser would hold everybody up for a tenth of a second.
    """
    if request.method != "POST":
        return False
    try:
        body = orjson.loads(read_body(request))
    except (InvalidBody, orjson.JSONDecodeError):
        return False
    if not isinstance(body, dict) or "messages" in body:
        return False
    return "message" in body or "agentId" in body


def _admit(request: ApiRequest, agent: Agent) -> None:
    """TooManyRequests for a visitor who has sent more messages than the agent wants."""
    widget: Widget | None = getattr(agent, "widget", None)
    limit, window = settings.VISITOR_LIMIT, settings.VISITOR_WINDOW
    message = LIMIT_MESSAGE
    if widget is not None and widget.ip_limit is not None:
        limit, window = widget.ip_limit, widget.ip_limit_timeframe or WINDOW
        message = widget.ip_limit_message or message
    address = address_bucket(client_address(request._request))
    decision = limiter().hit(
        f"visitor:{agent.pk}:{address}", limit=limit, window=window
    )
    if not decision.allowed:
        error = refusal(request, decision)
        error.message = message
        raise error


def _check_token(request: ApiRequest, conversation_id: int) -> None:
    """NotFound, as for a conversation that there is not."""
    token = request.headers.get("X-Visitor-Token") or request.data.get("visitorToken")
    if not isinstance(token, str) or not visitors.holds(token, conversation_id):
        raise ConversationNotFound


def _known(request: ApiRequest, agent: Agent, body: dict[str, Any]) -> Contact | None:
    """The contact that the visitor is, if that is proved."""
    user_id = body.get("user_id")
    if not user_id:
        return None
    proof = body.get("user_hash") or ""
    if request.auth is None and not identity.is_genuine(agent, user_id, proof):
        return None
    return records.identify(agent, user_id, body.get("user_metadata") or {})
