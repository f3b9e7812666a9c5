"""The rate limit's doors: for API views, and for all else that answers under /api/."""

import functools
import ipaddress
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apikeys.limits import Decision, limiter, local_limiter
from apikeys.models import ApiKey
from bookbag.api.clothes import dress_for
from bookbag.api.errors import TooManyRequests, error_response
from bookbag.middleware import changes_response, is_api


class KeyThrottle(BaseThrottle):
    """A key's requests, or those of an address where there is no valid key.

    The bucket is the key's id or the socket's address, never a text that the client
    chose: nobody can use up another's.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        # A view that may wait for nothing counts in this process.
        shared = getattr(view, "visits_database", True)
        counter = limiter() if shared else local_limiter()
        key = request.auth
        if isinstance(key, ApiKey):
            limit = settings.RATE_LIMIT if key.rate_limit is None else key.rate_limit
            bucket = f"key:{key.pk}"
        else:
            limit = settings.RATE_LIMIT
            bucket = address_bucket(client_address(request._request))
        self.decision = counter.hit(
            bucket, limit=limit, window=settings.RATE_LIMIT_WINDOW
        )
        request._request.rate_limit = self.decision
        return self.decision.allowed

    def wait(self) -> float:
        return self.decision.retry_after


def refusal(request: Request, decision: Decision) -> TooManyRequests:
    """By an endpoint's own limit: of that the headers tell, not of the wider one."""
    request._request.rate_limit = decision
    return TooManyRequests(max(1, int(decision.retry_after)))


def rate_limit_headers(decision: Decision) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(decision.limit),
        "X-RateLimit-Remaining": str(decision.remaining),
        "X-RateLimit-Reset": str(decision.reset_at),
    }


@changes_response
def rate_limit_headers_middleware(
    request: HttpRequest, response: HttpResponseBase
) -> HttpResponseBase:
    """Every answer under /api/ says how much is left, and none is free of charge. So
    does an API view's answer elsewhere."""
    decision = getattr(request, "rate_limit", None)
    if decision is None and not is_api(request.path_info):
        return response
    if decision is None:  # no view got as far as counting it
        decision = count_address(client_address(request))
        if not decision.allowed:
            response.close()
            error = TooManyRequests(decision.retry_after)
            response = error_response(error, dress_for(request.path_info, error))
    for name, value in rate_limit_headers(decision).items():
        response.headers[name] = value
    return response


def count_scope(scope: dict[str, Any]) -> dict[str, str]:
    """For what is refused before there is a request: counts it, gives the headers."""
    remote = (scope.get("client") or ("",))[0]
    forwarded = [
        value.decode("latin-1")
        for name, value in scope["headers"]
        if name == b"x-forwarded-for"
    ]
    decision = count_address(_address(remote, ",".join(forwarded)))
    return rate_limit_headers(decision)


def count_address(address: str) -> Decision:
    """In this process: such requests are many and cheap, and must not wait."""
    return local_limiter().hit(
        address_bucket(address),
        limit=settings.RATE_LIMIT,
        window=settings.RATE_LIMIT_WINDOW,
    )


def client_address(request: HttpRequest) -> str:
    """The caller's address; what a header says of it counts only from our proxies."""
    return _address(
        request.META.get("REMOTE_ADDR") or "",
        request.META.get("HTTP_X_FORWARDED_FOR", ""),
    )


def address_bucket(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "ip:unknown"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return f"ip:{ip.ipv4_mapped}"
        # A household has 2^64 addresses of IPv6; it gets one bucket.
        return f"ip:{ipaddress.ip_network((int(ip), 64), strict=False)}"
    return f"ip:{ip}"


def _address(remote: str, forwarded: str) -> str:
    if not _is_trusted(remote):
        return remote
    # Each proxy adds the one it heard it from on the right.
    for hop in reversed(forwarded.split(",")):
        if not _is_address(hop := hop.strip()):
            return remote
        if not _is_trusted(hop):
            return hop
        remote = hop
    return remote


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(address: str) -> bool:
    if not settings.TRUSTED_PROXIES or not _is_address(address):
        return False
    ip = ipaddress.ip_address(address)
    return any(ip in network for network in _networks(tuple(settings.TRUSTED_PROXIES)))


@functools.cache
def _networks(
    proxies: Iterable[str],
) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies)
