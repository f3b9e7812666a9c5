"""People in a conversation: the doors by which they step in, and the feed by which a
client hears of it."""

import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from agents.access import agent_for
from apikeys.permissions import check_may_write
from apikeys.revocation import revocations
from bookbag.api import query
from bookbag.api.errors import InvalidApiKey, InvalidBody, NotFound, Unavailable
from bookbag.api.fields import parse_path_id
from bookbag.api.negotiation import JSONNegotiation
from bookbag.api.parsers import ApiRequest, read_body
from bookbag.api.renderers import JSONRenderer
from bookbag.api.views import ApiView, in_database_thread
from conversations import feed, takeover
from conversations.access import conversation_for
from conversations.api import people_schema
from conversations.api.shapes import STATUS, conversation_json, message_json
from conversations.feed import Happening, Page
from conversations.models import Conversation, ConversationStatus, EventKind
from conversations.streams import line

log = structlog.get_logger(__name__)

MAX_WAIT = 30  # seconds
DEFAULT_WAIT = 25
GLANCE = 2.0  # seconds after which it is asked whether the key still holds
KEEP_ALIVE = 15  # seconds of silence after which a stream says that it lives
LONGEST = 600  # seconds; then the client comes back with `Last-Event-ID`
TOO_MANY = 10**18  # events
EVENT_STREAM = "text/event-stream"
RECONNECT = b"retry: 1000\n\n"  # milliseconds until a client that was cut off is back
STILL_HERE = b": still here\n\n"

# What a conversation's status is after an event that changes it.
STATUS_AFTER = {
    EventKind.TAKEOVER: STATUS[ConversationStatus.ESCALATED],
    EventKind.HANDBACK: STATUS[ConversationStatus.BOT],
    EventKind.RESOLVE: STATUS[ConversationStatus.RESOLVED],
    EventKind.REOPEN: STATUS[ConversationStatus.BOT],
}


class TakeoverView(ApiView):
    @people_schema.takeover
    def post(
        self, request: ApiRequest, agent_id: str, conversation_id: str
    ) -> Response:
        conversation = _to_change(request, agent_id, conversation_id)
        return Response({"data": conversation_json(takeover.take_over(conversation))})


class HandbackView(ApiView):
    @people_schema.handback
    def post(
        self, request: ApiRequest, agent_id: str, conversation_id: str
    ) -> Response:
        conversation = _to_change(request, agent_id, conversation_id)
        return Response({"data": conversation_json(takeover.hand_back(conversation))})


class ResolveView(ApiView):
    @people_schema.resolve
    def post(
        self, request: ApiRequest, agent_id: str, conversation_id: str
    ) -> Response:
        conversation = _to_change(request, agent_id, conversation_id)
        return Response({"data": conversation_json(takeover.resolve(conversation))})


class EventStreamRenderer(BaseRenderer):
    """Names the media type; the stream is written by the view."""

    media_type = EVENT_STREAM
    format = "sse"
    charset = None


class FeedNegotiation(JSONNegotiation):
    """A stream for whoever names its media type, JSON for everybody else."""

    def select_renderer(
        self,
        request: Request,
        renderers: Sequence[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        accept = request.META.get("HTTP_ACCEPT", "*/*").lower()
        if EVENT_STREAM not in accept:
            renderers = [one for one in renderers if one.media_type != EVENT_STREAM]
        return super().select_renderer(request, renderers, format_suffix)


class EventsView(ApiView):
    """What has happened, at once; else what happens next, as soon as it does."""

    http_method_names = ["get"]
    content_negotiation_class = FeedNegotiation
    # The stream first: it is offered only where it is asked for.
    renderer_classes = [EventStreamRenderer, JSONRenderer]
    conversation_id: int
    wait: int
    first: Page

    @people_schema.events
    async def get(
        self, request: ApiRequest, agent_id: str, conversation_id: str
    ) -> HttpResponseBase:
        if self._is_stream:
            return self._stream(request.auth.pk)
        page = await self._page(request.auth.pk)
        return Response({"data": page_json(page)})

    def read(self, request: ApiRequest, agent_id: str, conversation_id: str) -> None:
        agent = agent_for(request.auth, agent_id)
        self.conversation_id = conversation_for(agent, conversation_id).pk
        after = _last_seen(request, is_stream=self._is_stream)
        wait = query.integer(request, "wait")
        self.wait = min(max(DEFAULT_WAIT if wait is None else wait, 0), MAX_WAIT)
        self.first = feed.page(self.conversation_id, after=after)

    @property
    def _is_stream(self) -> bool:
        return self.request.accepted_media_type == EVENT_STREAM

    async def _page(self, key_id: int) -> Page:
        """The first page with something on it, or an empty one when time is up."""
        page, until = self.first, time.monotonic() + self.wait
        async with revocations.watch(key_id) as revoked:
            while not page.happenings and not feed.readers.closed:
                left = until - time.monotonic()
                if left <= 0:
                    break
                page = await self._next(page, seconds=min(left, GLANCE))
                if revoked.is_set():
                    raise InvalidApiKey
        return page

    def _stream(self, key_id: int) -> StreamingHttpResponse:
        response = StreamingHttpResponse(
            self._frames(key_id), content_type=EVENT_STREAM
        )
        response["Cache-Control"] = "no-cache, no-transform"
        response["X-Accel-Buffering"] = "no"
        return response

    async def _frames(self, key_id: int) -> AsyncIterator[bytes]:
        page, until = self.first, time.monotonic() + LONGEST
        yield RECONNECT  # however silent the conversation is, the client is heard
        spoke = time.monotonic()
        async with revocations.watch(key_id) as revoked:
            while time.monotonic() < until:
                if revoked.is_set() or feed.readers.closed:
                    return
                for happening in page.happenings:
                    yield event_frame(happening)
                now = time.monotonic()
                if page.happenings:
                    spoke = now
                elif now - spoke >= KEEP_ALIVE:
                    yield STILL_HERE
                    spoke = now
                try:
                    page = await self._next(page, seconds=GLANCE)
                except (DatabaseError, InterfaceError, Unavailable):
                    log.warning("feed_broken_off", exc_info=True)
                    return  # the client comes back, and to where it was

    async def _next(self, page: Page, *, seconds: float) -> Page:
        """The page after this one; an empty one where nothing happens in time."""
        after = page.last_seq
        if page.has_more or await feed.readers.news(
            self.conversation_id, after=after, seconds=seconds
        ):
            look = partial(feed.page, self.conversation_id, after=after)
            return await in_database_thread(look)
        return Page([], last_seq=after, has_more=False)


def event_json(happening: Happening) -> dict[str, Any]:
    event, message = happening.event, happening.message
    replaced = event.message and event.message.replaces_id
    return {
        "seq": event.seq,
        "type": event.kind,
        "createdAt": int(event.created_at.timestamp()),
        "message": message and message_json(message, happening.calls),
        "replaces": f"msg_{replaced}" if replaced else None,
        "status": STATUS_AFTER.get(EventKind(event.kind)),
    }


def page_json(page: Page) -> dict[str, Any]:
    return {
        "events": [event_json(one) for one in page.happenings],
        "lastSeq": page.last_seq,
        "hasMore": page.has_more,
    }


def event_frame(happening: Happening) -> bytes:
    event = happening.event
    data = line(event_json(happening))
    return f"id: {event.seq}\nevent: {event.kind}\ndata: ".encode() + data + b"\n\n"


def _to_change(
    request: ApiRequest, agent_id: str, conversation_id: str
) -> Conversation:
    """The conversation of a key that may write, after a look at the body, which may
    be empty."""
    agent = agent_for(request.auth, agent_id)
    check_may_write(request.auth)
    conversation = conversation_for(agent, conversation_id)
    if read_body(request._request):
        request.data  # noqa: B018  (whatever it says: it must be an object)
    return conversation


def _last_seen(request: ApiRequest, *, is_stream: bool) -> int:
    """The number of the last event that the client knows of. InvalidBody."""
    came_back = request.headers.get("Last-Event-ID") if is_stream else None
    if came_back:
        try:
            return parse_path_id(came_back)
        except NotFound:
            raise InvalidBody({"Last-Event-ID": "Must be an event's id."}) from None
    after = query.integer(request, "after") or 0
    if not 0 <= after < TOO_MANY:
        raise InvalidBody({"after": "Must be the number of an event, or 0."})
    return after
