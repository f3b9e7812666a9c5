"""Replies over HTTP: chat, retry, tools' results, and following a reply. Each endpoint
once; a version gives it words and routes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import orjson
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from agents.access import agent_for
from agents.models import Agent
from apikeys.idempotency import AlreadyClaimed, Claim, claim_of, replay
from apikeys.models import IdempotencyKey
from apikeys.permissions import check_may_write
from apikeys.revocation import revocations
from bookbag import threads
from bookbag.api.errors import (
    ConversationBusy,
    Internal,
    InvalidBody,
    MessageNotFound,
    NotFound,
    ToolCallNotFound,
    Unavailable,
)
from bookbag.api.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    UserIdField,
    parse_message_id,
    parse_path_id,
)
from bookbag.api.idempotency import REPLAYED
from bookbag.api.negotiation import AnyNegotiation
from bookbag.api.parsers import ApiRequest
from bookbag.api.views import ApiView
from conversations import calls, resume, retries, runs, turns
from conversations.access import check_conversation
from conversations.api import repeats
from conversations.asks import Ask
from conversations.events import Event, Failed, Finished
from conversations.models import Message, MessageRole
from conversations.resume import Replay
from conversations.runs import Run

MAX_MESSAGE = 32_000  # characters
MAX_OUTPUT = 65_536  # bytes of a tool's result, as compact JSON
GLANCE = 1.0  # seconds of silence after which it is asked whether the key still holds

Encoder = Callable[[Event], tuple[bytes, ...]]


class ChatBody(serializers.Serializer):
    """What a client posts to chat."""

    message = StrictCharField(
        required=False,
        max_length=MAX_MESSAGE,
        help_text="What the end user says. Not blank. It may be left out only to go on"
        " after a tool's result.",
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

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "message" not in attrs and attrs.get("conversationId") is None:
            raise serializers.ValidationError({"message": "This field is required."})
        return attrs


@extend_schema_field({"type": "string", "pattern": "^(msg_)?[0-9]+$"})
class MessageIdField(serializers.Field):
    """A message's id, with or without `msg_`. What is no id names no message: 0."""

    default_error_messages = {"invalid": "Must be the id of a message, as in msg_12."}

    def to_internal_value(self, data: Any) -> int:
        if type(data) is int:
            data = str(data)
        if not isinstance(data, str) or not data:
            self.fail("invalid")
        try:
            return parse_message_id(data)
        except NotFound:
            return 0


class RetryBody(serializers.Serializer):
    """What a client posts to retry."""

    messageId = MessageIdField(help_text="The assistant's message to make anew.")
    stream = StrictBooleanField(
        default=True, help_text="`false` for a single JSON response."
    )


@extend_schema_field({})
class AnyJSONField(serializers.JSONField):
    """Any JSON, null included."""

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        return (True, None) if data is None else super().validate_empty_values(data)


class ToolResultBody(serializers.Serializer):
    """What a client posts as a tool's result."""

    toolCallId = StrictCharField(
        trim_whitespace=False, help_text="The id of the `tool-call` frame or part."
    )
    output = AnyJSONField(
        required=False, help_text="What the tool gave: any JSON, at most 64 KiB."
    )

    def validate_output(self, output: Any) -> Any:
        if len(orjson.dumps(output)) > MAX_OUTPUT:
            raise serializers.ValidationError("Must be at most 64 KiB of JSON.")
        return output


class EventStream(StreamingHttpResponse):
    """Frames are bytes already, and iterated as they are: Django's own way makes two
    generators of it, which every frame would pass."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._iterator  # type: ignore[attr-defined]  # a private of Django's


class ReplyView(ApiView):
    """A reply: streamed, or in one piece. `read` sets `ask` and `is_streamed`."""

    content_negotiation_class = AnyNegotiation
    media_type = "text/event-stream"  # of its stream
    # A whole reply in a version's dialect.
    compose: Callable[[Finished, list[Event]], dict[str, Any]]
    ask: Ask
    is_streamed: bool
    claim: Claim | None = None
    # What the same request has led to before. Then `read` looks at the body only: what
    # it refers to may have changed since.
    done: IdempotencyKey | None = None

    def encoder(self) -> Encoder:
        """What turns the events of one stream into a version's dialect, in order."""
        raise NotImplementedError("Say in which words this version streams.")

    def look_up(self) -> None:
        self.claim = claim_of(self.request)
        self.done = self.claim.find() if self.claim else None
        super().look_up()

    async def reply(self, request: ApiRequest) -> HttpResponseBase:
        """Begins the turn that was asked for, and answers with its reply; or with the
        one that the same request has led to before."""
        if self.done is not None:
            return await self._once_more(self.done, request)
        if self.claim and not self.ask.keep:
            # There will be no row to tell the reply from again, so the answer is kept,
            # also where the client leaves before the turn has begun.
            return await asyncio.shield(repeats.later(self._begin(request)))
        return await self._begin(request)

    async def _begin(self, request: ApiRequest) -> HttpResponseBase:
        try:
            run = await runs.begin(replace(self.ask, claim=self.claim))
        except AlreadyClaimed:
            assert self.claim is not None
            return await self._once_more(await threads.run(self.claim.twin), request)
        except TimeoutError:
            raise Unavailable from None
        except turns.NothingToAnswer as nothing:
            raise InvalidBody({"message": str(nothing)}) from nothing
        except turns.Busy as busy:
            raise ConversationBusy(
                "Another message of this conversation is still being answered."
                " Wait for it to finish, then send this one again."
            ) from busy
        if self.claim and not run.turn.kept:
            return await self._answer_and_keep(self.claim, run, request)
        return await self.answer(run, request)

    async def answer(self, run: Run | Replay, request: ApiRequest) -> HttpResponseBase:
        """The reply, from its beginning."""
        if not self.is_streamed:
            end = await run.wait()
            if isinstance(end, Failed):
                raise Internal(end.message)
            return self.in_one_piece(end, run.events)
        # Until something has happened there may still be an ordinary error to answer.
        async for first in run.watch():
            if isinstance(first, Failed):
                raise Internal(first.message)
            break
        return self.stream(run, key_id=request.auth and request.auth.pk)

    async def _once_more(
        self, done: IdempotencyKey, request: ApiRequest
    ) -> HttpResponseBase:
        if done.is_answer:
            return replay(done)
        answer = await self.answer(await repeats.follow(done), request)
        answer.headers[REPLAYED] = "true"
        return answer

    async def _answer_and_keep(
        self, claim: Claim, run: Run, request: ApiRequest
    ) -> HttpResponseBase:
        try:
            answer = await self.answer(run, request)
        except Exception:
            if run.events and isinstance(run.events[-1], Failed):
                # Nothing came of it: it may be tried again.
                await threads.run(claim.release)
            raise
        if isinstance(answer, StreamingHttpResponse):
            repeats.later(self._keep_stream(claim, run))
        else:
            whole = self._finish(answer)
            assert isinstance(whole, HttpResponse)
            await threads.run(claim.keep, whole)
        return answer

    async def _keep_stream(self, claim: Claim, run: Run) -> None:
        if isinstance(await run.wait(), Failed):
            return await threads.run(claim.release)
        encode = self.encoder()
        frames = b"".join(frame for event in run.events for frame in encode(event))
        answer = HttpResponse(frames, content_type=self.media_type)
        await threads.run(claim.keep, answer)

    def in_one_piece(self, end: Finished, events: list[Event]) -> Response:
        return Response({"data": self.compose(end, events)})

    def stream(
        self, run: Run | Replay, *, key_id: int | None, after: int = 0
    ) -> StreamingHttpResponse:
        """The frames from the `after`-th on. Without a key nobody can revoke one."""
        response = EventStream(
            self._frames(run, key_id, after), content_type=self.media_type
        )
        response["Cache-Control"] = "no-cache, no-transform"
        response["X-Accel-Buffering"] = "no"
        name_ids(response, run)
        return response

    async def _frames(
        self, run: Run | Replay, key_id: int | None, after: int
    ) -> AsyncIterator[bytes]:
        encode = self.encoder()
        async with revocations.watch(key_id) as revoked:
            async for event in run.watch(quiet=GLANCE):
                cut = revoked.is_set()
                if cut:
                    event = Failed("The API key was revoked.")
                if isinstance(event, Failed):
                    # Told in any case: of a reply that broke off a client may have had
                    # more frames than were saved, and would wait for the end in vain.
                    after = 0
                for frame in encode(event) if event else ():
                    if after > 0:
                        after -= 1
                    else:
                        yield frame
                if cut:
                    return


def name_ids(response: HttpResponseBase, run: Run | Replay) -> None:
    """In the headers, where the turn is stored."""
    conversation, user_message, message = run.ids
    if conversation is not None:
        response["x-conversation-id"] = str(conversation)
    if user_message is not None:
        response["x-user-message-id"] = f"msg_{user_message}"
    if message is not None:
        response["x-message-id"] = f"msg_{message}"


class ChatView(ReplyView):
    """A message in, a reply out."""

    async def post(self, request: ApiRequest, agent_id: str) -> HttpResponseBase:
        return await self.reply(request)

    def read(self, request: ApiRequest, agent_id: str) -> None:
        """Agent, scope, conversation, body: the contract's order of checks."""
        agent = agent_for(request.auth, agent_id)
        check_may_write(request.auth)
        self.read_ask(request, agent)

    def read_ask(self, request: ApiRequest, agent: Agent) -> None:
        """What the body asks of the agent."""
        form = ChatBody(data=request.data)
        is_valid = form.is_valid()
        conversation_id = request.data.get("conversationId")
        if "conversationId" not in form.errors and conversation_id is not None:
            check_conversation(agent, int(conversation_id))
        if not is_valid:
            raise InvalidBody(form.errors)
        body = form.validated_data
        self.is_streamed = body["stream"]
        self.ask = Ask(
            agent=agent,
            text=body.get("message"),
            conversation_id=body.get("conversationId"),
            end_user=body.get("userId"),
            api_key=request.auth,
        )


class RetryView(ReplyView):
    """A reply made anew, in the place of one and of all that came after it."""

    async def post(
        self, request: ApiRequest, agent_id: str, conversation_id: str
    ) -> HttpResponseBase:
        return await self.reply(request)

    def read(self, request: ApiRequest, agent_id: str, conversation_id: str) -> None:
        agent = agent_for(request.auth, agent_id)
        check_may_write(request.auth)
        conversation_pk = parse_path_id(conversation_id)
        check_conversation(agent, conversation_pk)
        form = RetryBody(data=request.data)
        is_valid = form.is_valid()
        if "messageId" not in form.errors:
            message_id = form.fields["messageId"].run_validation(
                request.data.get("messageId")
            )
            if self.done is None:  # else it may be the one that is made anew
                retries.target(conversation_pk, message_id)
        if not is_valid:
            raise InvalidBody(form.errors)
        self.is_streamed = form.validated_data["stream"]
        self.ask = Ask(
            agent=agent,
            conversation_id=conversation_pk,
            retry_of=form.validated_data["messageId"],
            api_key=request.auth,
        )


class ToolResultView(ApiView):
    """What a client's tool gave; the next chat goes on from it."""

    def post(
        self, request: ApiRequest, agent_id: str, conversation_id: str
    ) -> Response:
        agent = agent_for(request.auth, agent_id)
        check_may_write(request.auth)
        conversation_pk = parse_path_id(conversation_id)
        check_conversation(agent, conversation_pk)
        form = ToolResultBody(data=request.data)
        is_valid = form.is_valid()
        call_id = request.data.get("toolCallId")
        if "toolCallId" not in form.errors and not calls.is_pending(
            conversation_pk, call_id
        ):
            raise ToolCallNotFound
        if not is_valid:
            raise InvalidBody(form.errors)
        calls.submit(conversation_pk, call_id, form.validated_data.get("output"))
        return Response({"data": {"success": True}})


class ResumeView(ReplyView):
    """A reply's stream once more, from the frame on that the client has not had."""

    is_streamed = True
    after = 0

    async def get(
        self,
        request: ApiRequest,
        agent_id: str,
        conversation_id: str,
        message_id: str,
    ) -> HttpResponseBase:
        run = await resume.follow(self.message_pk, self.conversation_pk)
        return self.stream(run, key_id=request.auth.pk, after=self.after)

    def read(
        self,
        request: ApiRequest,
        agent_id: str,
        conversation_id: str,
        message_id: str,
    ) -> None:
        agent = agent_for(request.auth, agent_id)
        self.conversation_pk = parse_path_id(conversation_id)
        check_conversation(agent, self.conversation_pk)
        try:
            self.message_pk = parse_message_id(message_id)
        except NotFound:
            raise MessageNotFound from None
        replies = Message.objects.followable().filter(
            conversation=self.conversation_pk, role=MessageRole.ASSISTANT
        )
        if not replies.filter(pk=self.message_pk).exists():
            raise MessageNotFound
        self.after = self._after(request)

    def _after(self, request: ApiRequest) -> int:
        given = request.query_params.getlist("after")
        if not given:
            return 0
        text = given[0]
        if len(given) > 1 or not (text.isascii() and text.isdigit()) or len(text) > 9:
            raise InvalidBody({"after": "Must be how many frames you have had: 0 …"})
        return int(text)
