"""A small site in front of the real doors: views that do what a test needs."""

import asyncio
import threading
from typing import Any

from django.db import OperationalError, connection
from django.http import StreamingHttpResponse
from django.urls import include, path
from rest_framework import serializers
from rest_framework.response import Response

from agents.access import agent_for
from apikeys.permissions import check_may_write
from bookbag.api.errors import ApiError
from bookbag.api.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    UserIdField,
    parse_message_id,
)
from bookbag.api.views import ApiView, HealthView, PublicApiView


class BodySerializer(serializers.Serializer):
    message = StrictCharField(max_length=32_000)
    userId = UserIdField(required=False, allow_null=True)
    conversationId = StrictIntegerField(required=False)
    stream = StrictBooleanField(default=True)


class NoteView(ApiView):
    """As a keyed endpoint is: agent, scope, body."""

    def get(self, request: Any, agent_id: str) -> Response:
        return Response({"data": {"agent": agent_for(request.auth, agent_id).name}})

    def post(self, request: Any, agent_id: str) -> Response:
        agent_for(request.auth, agent_id)
        check_may_write(request.auth)
        body = BodySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response({"data": body.validated_data})


class AsyncView(ApiView):
    async def get(self, request: Any) -> Response:
        return Response({"data": {"key": request.auth.pk}})


class StreamView(ApiView):
    async def get(self, request: Any) -> StreamingHttpResponse:
        async def frames() -> Any:
            for number in range(3):
                await asyncio.sleep(0)
                yield f"data: {number}\n\n".encode()

        return StreamingHttpResponse(
            frames(),
            content_type="text/event-stream",
            headers={"Cache-Control": "no-cache, no-transform"},
        )


class MessageView(PublicApiView):
    def get(self, request: Any, message_id: str) -> Response:
        return Response({"id": parse_message_id(message_id)})


class FailingView(PublicApiView):
    def get(self, request: Any, how: str) -> Response:
        if how == "database":
            raise OperationalError("SELECT secret FROM /var/lib/somewhere")
        raise RuntimeError("SELECT secret FROM /var/lib/somewhere")


class SlowView(PublicApiView):
    """Its database answers only after the request has been given up."""

    refused = threading.Event()

    def get(self, request: Any) -> Response:
        self.refused.wait(60)
        return Response({})

    def dress(self, error: ApiError) -> dict[str, Any]:
        self.refused.set()
        return super().dress(error)


class SizeView(ApiView):
    def post(self, request: Any) -> Response:
        return Response({"data": {"keys": len(request.data)}})


class ConnectionView(PublicApiView):
    def get(self, request: Any) -> Response:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return Response({"one": cursor.fetchone()[0]})


urlpatterns = [
    path("api/v2/health", HealthView.as_view()),
    path("api/v2/agents/<agent_id>/notes", NoteView.as_view()),
    path("api/v2/async", AsyncView.as_view()),
    path("api/v2/stream", StreamView.as_view()),
    path("api/v2/size", SizeView.as_view()),
    path("api/v2/one", ConnectionView.as_view()),
    path("api/v2/messages/<message_id>", MessageView.as_view()),
    path("api/v2/failing/<how>", FailingView.as_view()),
    path("api/v2/slow", SlowView.as_view()),
    path("api/", include("bookbag.api.urls")),
]
