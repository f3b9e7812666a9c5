"""The endpoints about conversations, each once; `v2` gives them words and routes."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from django.http import StreamingHttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.access import agent_for
from agents.models import Agent
from apikeys.permissions import check_may_write
from apikeys.revocation import revocations
from bookbag.api.errors import (
    ConversationBusy,
    Internal,
    InvalidBody,
    NotFound,
    Unavailable,
)
from bookbag.api.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    UserIdField,
)
from bookbag.api.negotiation import AnyNegotiation
from bookbag.api.views import ApiView
from conversations import runs
from conversations.events import Event, Failed, Finished
from conversations.models import Conversation
from conversations.replies import Busy
from conversations.runs import Run

MAX_MESSAGE = 32_000  # characters
GLANCE = 1.0  # seconds of silence after which it is asked whether the key still holds


class ChatBody(serializers.Serializer):
    """What a client posts to chat."""

    message = StrictCharField(
        max_length=MAX_MESSAGE, help_text="What the end user says. Not blank."
    )
    userId = UserIdField(
        required=False,
        allow_null=True,
        help_text="Your own id of the person: letters, digits, `.`, `_`, `-`; at most"
        " 128. Set when the conversation begins, ignored later.",
    )
    conversationId = StrictIntegerField(
        required=False,
        allow_null=True,
        help_text="A conversation of this agent to continue; without it one begins.",
    )
    stream = StrictBooleanField(
        default=True, help_text="`false` for a single JSON response."
    )


class EventStream(StreamingHttpResponse):
    """Frames are bytes already, and iterated as they are: Django's own way makes two
    generators of it, which every frame would pass."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._iterator  # type: ignore[attr-defined]  # a private of Django's


class ChatView(ApiView):
    """A message in, a reply out: streamed, or in one piece."""

    content_negotiation_class = AnyNegotiation
    # One event, and a whole reply, in a version's dialect.
    encode: Callable[[Event], tuple[bytes, ...]]
    compose: Callable[[Finished, list[Event]], dict[str, Any]]
    agent: Agent
    body: dict[str, Any]

    async def post(self, request: Request, agent_id: str) -> Any:
        body = self.body
        try:
            run = await runs.begin(
                self.agent,
                text=body["message"],
                conversation_id=body.get("conversationId"),
                end_user=body.get("userId"),
                api_key=request.auth,
            )
        except TimeoutError:
            raise Unavailable from None
        except Busy as busy:
            raise ConversationBusy(
                "Another message of this conversation is still being answered."
                " Wait for it to finish, then send this one again."
            ) from busy
        if not body["stream"]:
            return await self._in_one_piece(run)
        return await self._stream(run, key_id=request.auth.pk)

    def read(self, request: Request, agent_id: str) -> None:
        """Agent, scope, conversation, body: the contract's order of checks."""
        agent = agent_for(request.auth, agent_id)
        check_may_write(request.auth)
        form = ChatBody(data=request.data)
        is_valid = form.is_valid()
        if "conversationId" not in form.errors:
            self._check_conversation(agent, request.data.get("conversationId"))
        if not is_valid:
            raise InvalidBody(form.errors)
        self.agent, self.body = agent, form.validated_data

    def _check_conversation(self, agent: Agent, conversation_id: Any) -> None:
        if conversation_id is None:
            return
        found = Conversation.objects.for_workspace(agent.workspace_id).filter(
            agent=agent, pk=int(conversation_id)
        )
        if not found.exists():
            raise NotFound("This agent has no such conversation.")

    async def _in_one_piece(self, run: Run) -> Response:
        end = await run.wait()
        if isinstance(end, Failed):
            raise Internal(end.message)
        return Response({"data": self.compose(end, run.events)})

    async def _stream(self, run: Run, *, key_id: int) -> StreamingHttpResponse:
        # Until something has happened there may still be an ordinary error to answer.
        async for first in run.watch():
            if isinstance(first, Failed):
                raise Internal(first.message)
            break
        response = EventStream(
            self._frames(run, key_id), content_type="text/event-stream"
        )
        response["Cache-Control"] = "no-cache, no-transform"
        response["X-Accel-Buffering"] = "no"
        response["x-conversation-id"] = str(run.turn.conversation_id)
        response["x-user-message-id"] = f"msg_{run.turn.user_message_id}"
        if run.turn.message_id is not None:
            response["x-message-id"] = f"msg_{run.turn.message_id}"
        return response

    async def _frames(self, run: Run, key_id: int) -> AsyncIterator[bytes]:
        encode = self.encode
        async with revocations.watch(key_id) as revoked:
            async for event in run.watch(quiet=GLANCE):
                cut = revoked.is_set()
                if cut:
                    event = Failed("The API key was revoked.")
                for frame in encode(event) if event else ():
                    yield frame
                if cut:
                    return
