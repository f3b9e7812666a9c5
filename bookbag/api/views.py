"""How every request under /api/ is received and answered."""

import asyncio
import time
from collections.abc import Callable
from functools import cache, partial
from inspect import iscoroutinefunction
from typing import Any, NoReturn

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import serializers
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.response import Response
from rest_framework.views import APIView

from bookbag.api.clothes import dress_for
from bookbag.api.errors import ApiError, NotFound, Unavailable, as_api_error
from bookbag.api.negotiation import AnyNegotiation, JSONNegotiation
from bookbag.api.parsers import ApiRequest
from bookbag.api.renderers import to_json
from bookbag.api.schema import documented
from bookbag.api.signals import admitted

# Seconds a request may spend with the database. A frozen server ignores its own
# time-outs, so ours is kept here.
DATABASE_DEADLINE = 8


class ApiView(APIView):
    """Route, method, key, limit, permission, handler; errors in the surface's clothes.

    A sync handler runs together with the checks in one visit to a database thread. If
    it is a POST with an Idempotency-Key, what it writes is one transaction. An async
    one is awaited after the checks, on the event loop: it must not touch the database
    itself, and sees to such keys itself.
    """

    view_is_async = True
    # No OPTIONS: keyed routes are not for other sites' pages, and describe themselves
    # in the schema.
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    content_negotiation_class = JSONNegotiation
    # False: the checks neither need nor may wait for a database thread.
    visits_database = True
    format_kwarg = None  # `?format=` means nothing here

    async def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        self.args, self.kwargs = args, kwargs
        self.request = self.initialize_request(request, *args, **kwargs)
        try:
            answer = await self._answer()
            return self._finish(answer)
        except Exception as problem:
            return self._finish(self._refuse(problem))

    def dress(self, error: ApiError) -> dict[str, Any]:
        """The body of an error, in the clothes of this path."""
        return dress_for(self.request._request.path_info, error)

    def read(self, request: ApiRequest, *args: Any, **kwargs: Any) -> None:
        """What an async handler needs of database and body, looked up in the same
        visit to a thread as the checks. An endpoint keeps it on itself."""

    def look_up(self) -> None:
        """Reads, for the handler. A family of endpoints may have more to look up."""
        self.read(self.request, *self.args, **self.kwargs)

    # --- The checks -----------------------------------------------------------

    def initial(self, request: ApiRequest, *args: Any, **kwargs: Any) -> None:
        try:
            if self._handler() is None:
                raise MethodNotAllowed(str(request.method))
            self.perform_authentication(request)
        except Exception:
            # It counts all the same, against the caller's address.
            self._no_key(request)
            self.check_throttles(request)
            raise
        self.check_throttles(request)
        neg = self.perform_content_negotiation(request)
        request.accepted_renderer, request.accepted_media_type = neg
        self.check_permissions(request)

    def initialize_request(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> ApiRequest:
        return ApiRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def _no_key(self, request: ApiRequest) -> None:
        request.user = request.auth = None

    def _handler(self) -> Callable[..., Any] | None:
        name = str(self.request.method).lower()
        return getattr(self, name, None) if name in self.http_method_names else None

    # --- The answer -----------------------------------------------------------

    async def _answer(self) -> HttpResponseBase:
        handler = self._handler()
        if handler is None or iscoroutinefunction(handler):
            await self._hop(self._check)
            assert handler is not None  # else the check has raised
            return await handler(self.request, *self.args, **self.kwargs)
        return await self._hop(self._check_and_handle, handler)

    def _check(self) -> None:
        self.initial(self.request, *self.args, **self.kwargs)
        try:
            self.look_up()
        finally:
            admitted.send(type(self), view=self)

    def _check_and_handle(self, handler: Callable[..., Any]) -> HttpResponseBase:
        self.initial(self.request, *self.args, **self.kwargs)
        try:
            return _once()(self.request, partial(self._read_and_handle, handler))
        finally:
            admitted.send(type(self), view=self)

    def _read_and_handle(self, handler: Callable[..., Any]) -> HttpResponseBase:
        self.look_up()
        return self._finish(handler(self.request, *self.args, **self.kwargs))

    async def _hop(self, function: Callable[..., Any], *args: Any) -> Any:
        """One visit to a thread that holds a database connection."""
        if not self.visits_database:
            return function(*args)
        return await in_database_thread(function, *args)

    def _refuse(self, problem: Exception) -> HttpResponse:
        error = as_api_error(problem)
        response = HttpResponse(
            to_json(self.dress(error)),
            status=error.status_code,
            content_type="application/json",
            headers=error.headers,
        )
        if isinstance(problem, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(self.allowed_methods)
        # Django would log it a second time, without saying what happened.
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response

    def _finish(self, answer: HttpResponseBase) -> HttpResponseBase:
        if isinstance(answer, Response):
            # Rendered here: Django would visit a thread for it.
            answer = HttpResponse(
                b"" if answer.data is None else to_json(answer.data),
                status=answer.status_code,
                content_type=answer.content_type or "application/json",
                headers=_own_headers(answer),
            )
        if isinstance(answer, HttpResponse):
            answer.headers.setdefault("Content-Length", str(len(answer.content)))
        answer.headers.setdefault("Cache-Control", "no-store")
        answer.headers.setdefault("X-Content-Type-Options", "nosniff")
        return answer


async def in_database_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Runs it in this request's thread, within the deadline. Unavailable."""
    try:
        async with asyncio.timeout(DATABASE_DEADLINE) as deadline:
            return await _in_thread(function, *args)
    except TimeoutError:
        if deadline.expired():
            raise Unavailable from None
        raise


def _with_fresh_connection(function: Callable[..., Any], *args: Any) -> Any:
    # As close_old_connections() does, which Django calls for pages, but not inside of
    # a transaction that is older than the request: a test's.
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
    return function(*args)


_in_thread = sync_to_async(_with_fresh_connection, thread_sensitive=True)


@cache
def _once() -> Callable[..., HttpResponseBase]:
    """`once(request, handle)` does what is asked for if it has not been done before."""
    return import_string(settings.API_ONCE)


def _own_headers(response: Response) -> dict[str, str]:
    return {n: v for n, v in response.headers.items() if n.lower() != "content-type"}


class PublicApiView(ApiView):
    """No key: it counts against the caller's address."""

    authentication_classes: list[Any] = []


class HealthDataSerializer(serializers.Serializer):
    status = serializers.CharField()


class HealthSerializer(serializers.Serializer):
    status = serializers.CharField()
    timestamp = serializers.IntegerField(help_text="Unix seconds.")
    data = HealthDataSerializer()


HEALTHY = {"status": "ok", "timestamp": 1784712000, "data": {"status": "ok"}}


class HealthView(PublicApiView):
    """The process answers. It asks nobody else, so it can always be asked."""

    visits_database = False
    content_negotiation_class = AnyNegotiation  # probes ask with any Accept

    @documented(
        "Health",
        operation_id="getHealth",
        tags=["health"],
        answers={
            200: OpenApiResponse(
                HealthSerializer,
                "The server answers.",
                examples=[OpenApiExample("It answers", value=HEALTHY)],
            )
        },
        keyed=False,
    )
    async def get(self, request: ApiRequest) -> Response:
        return Response(
            {"status": "ok", "timestamp": int(time.time()), "data": {"status": "ok"}}
        )


class UnknownPathView(PublicApiView):
    """Whatever else is asked for under /api/."""

    schema = None
    http_method_names = []

    def initial(self, request: ApiRequest, *args: Any, **kwargs: Any) -> NoReturn:
        self._no_key(request)
        self.check_throttles(request)
        raise NotFound("There is nothing at this address. Check the path.")
