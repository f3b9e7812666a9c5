"""What Django's handlers wrap around views: errors in the envelope, the page policy."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from bookbag.api.errors import error_response, of_status


def is_api(path: str) -> bool:
    return path.startswith("/api/")


@sync_and_async_middleware
def api_errors_middleware(
    get_response: Callable[[HttpRequest], Any],
) -> Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]:
    """An error page of Django's leaves /api/ in the envelope like any other error."""

    def dress(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.status_code < 400 or not is_api(request.path_info):
            return response
        if response.headers.get("Content-Type", "").startswith("application/json"):
            return response
        response.close()
        return error_response(of_status(response.status_code))

    if iscoroutinefunction(get_response):

        async def middleware_async(request: HttpRequest) -> HttpResponseBase:
            return dress(request, await get_response(request))

        return middleware_async

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return dress(request, get_response(request))

    return middleware


POLICY = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "object-src": "'none'",
}
# What single parts of the site need beyond that, and why.
EXCEPTIONS: dict[str, dict[str, str]] = {
    # Admin's lists without actions set a column's width with a <style> in the page.
    "/admin/": {"style-src": "'self' 'unsafe-inline'"},
}


def content_security_policy(path: str) -> str:
    policy = dict(POLICY)
    for prefix, exception in EXCEPTIONS.items():
        if path.startswith(prefix):
            policy |= exception
    return "; ".join(f"{name} {value}" for name, value in policy.items())


@sync_and_async_middleware
def content_security_policy_middleware(
    get_response: Callable[[HttpRequest], Any],
) -> Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]:
    """A page runs what we serve and nothing else, unless its view says otherwise."""

    def add(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault(
            "Content-Security-Policy", content_security_policy(request.path_info)
        )
        return response

    if iscoroutinefunction(get_response):

        async def middleware_async(request: HttpRequest) -> HttpResponseBase:
            return add(request, await get_response(request))

        return middleware_async

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return add(request, get_response(request))

    return middleware
