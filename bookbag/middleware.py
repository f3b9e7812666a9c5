"""What Django's handlers wrap around views: errors in the envelope, the page policy."""

import functools
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from bookbag.api.clothes import dress_for
from bookbag.api.errors import error_response, of_status

GetResponse = Callable[[HttpRequest], Any]  # a response, or one to await
Change = Callable[[HttpRequest, HttpResponseBase], HttpResponseBase]


# Where programs call, and not people: keys instead of cookies, JSON instead of pages.
API_PREFIXES = ("/api/", "/v1/")


def is_api(path: str) -> bool:
    return path.startswith(API_PREFIXES)


def body_cap(path: str) -> int:
    """Bytes that a body for this path of the API may have."""
    for prefix, cap in settings.LARGE_BODIES.items():
        if path.startswith(prefix):
            return cap
    return settings.MAX_BODY_BYTES


def changes_response(change: Change) -> Callable[[GetResponse], Any]:
    """The middleware that passes every response through this function. It is as
    asynchronous as what it wraps, so that no request visits a thread for it."""

    @sync_and_async_middleware
    @functools.wraps(change)
    def wrap(get_response: GetResponse) -> GetResponse:
        if iscoroutinefunction(get_response):

            async def middleware_async(request: HttpRequest) -> HttpResponseBase:
                return change(request, await get_response(request))

            return middleware_async

        def middleware(request: HttpRequest) -> HttpResponseBase:
            return change(request, get_response(request))

        return middleware

    return wrap


@changes_response
def api_errors_middleware(
    request: HttpRequest, response: HttpResponseBase
) -> HttpResponseBase:
    """An error page of Django's leaves the API in the clothes of any other error."""
    if response.status_code < 400 or not is_api(request.path_info):
        return response
    if response.headers.get("Content-Type", "").startswith("application/json"):
        return response
    response.close()
    error = of_status(response.status_code)
    return error_response(error, dress_for(request.path_info, error))


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


@changes_response
def content_security_policy_middleware(
    request: HttpRequest, response: HttpResponseBase
) -> HttpResponseBase:
    """A page runs what we serve and nothing else, unless its view says otherwise."""
    response.headers.setdefault(
        "Content-Security-Policy", content_security_policy(request.path_info)
    )
    return response
