"""The id of the current request: made here, never taken from a client."""

import secrets
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

HEADER = "x-request-id"
current: ContextVar[str] = ContextVar("request_id", default="-")


def new_request_id() -> str:
    return "req_" + secrets.token_hex(12)


@sync_and_async_middleware
def request_id_middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]:
    """Gives the request `.id` and its response the header."""

    def begin(request: HttpRequest) -> None:
        # The ASGI shell has made one already, for errors that it answers itself.
        scope = getattr(request, "scope", {})
        request.id = scope.get("bookbag.request_id") or new_request_id()  # type: ignore[attr-defined]
        current.set(request.id)  # type: ignore[attr-defined]

    def end(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers[HEADER] = request.id  # type: ignore[attr-defined]
        return response

    if iscoroutinefunction(get_response):

        async def middleware_async(request: HttpRequest) -> HttpResponseBase:
            begin(request)
            return end(request, await get_response(request))

        return middleware_async

    def middleware(request: HttpRequest) -> HttpResponseBase:
        begin(request)
        return end(request, get_response(request))

    return middleware
