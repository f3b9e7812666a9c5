"""The only door to a URL that a customer gave us.

Whatever calls such a URL comes through here: `check` when it is saved, `fetch` when it
is used, `open_session` for callers with needs of their own. Names are resolved once,
every address is checked, and the connection goes to one that was: see decision 012.
"""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, ip_address
from typing import Any

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings
from yarl import URL

from bookbag.addresses import Address, Allowlist, is_name

DEADLINE = 10.0  # seconds for everything: names, redirects, the last byte
MAX_BYTES = 5 * 1024 * 1024  # of a body, unpacked
MAX_REDIRECTS = 3
MAX_URL = 2_000  # characters
USER_AGENT = "Bookbag"

NOT_A_URL = (
    "This is not an address that can be fetched. Give one like"
    " https://example.com/page."
)
NOT_ALLOWED = (
    "This address is not allowed: it is not on the public Internet. Whoever runs this"
    " server can allow it."
)
NOT_THIS_PORT = (
    "This address is not allowed: only the ports 80 and 443 are called. Whoever runs"
    " this server can allow others."
)
NO_PASSWORDS = "An address with a user name or a password in it is not allowed."
NO_DOWNGRADE = "The address leads from https to http, which is not followed."
# One sentence for all of these, so that nobody learns from it what is behind a name.
NOT_REACHED = "The address could not be reached, or did not answer in time."

_SCHEME_AND_HOST = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
_HOST_AND_PORT = re.compile(
    r"(?:\[[0-9a-f:.]+\]|[^\[\]:@%]+)(?::[0-9]{1,5})?", re.IGNORECASE | re.ASCII
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LOCALHOST = IPv4Address("127.0.0.1")

log = structlog.get_logger(__name__)

# From a name and a port to its addresses, as the system tells them. May block.
LookUp = Callable[[str, int], Sequence[str]]


class OutboundError(Exception):
    """A URL that gave nothing. The message is a sentence for people, and tells neither
    what answered nor whether anything did."""


class OutboundRefused(OutboundError):
    """We do not call this URL, now or later."""


class OutboundFailed(OutboundError):
    """It was called, and what came is of no use: the same would come again."""


class OutboundUnreachable(OutboundFailed):
    """Nothing came, or not all of it. Another time it may."""


@dataclass(frozen=True)
class Fetched:
    url: str  # where it was in the end, after redirects
    status: int
    content_type: str  # as the server spelled it; may be empty
    body: bytes


def check(url: str) -> URL:
    """The URL, if it may be called as far as can be told without asking anybody."""
    if len(url) > MAX_URL or not url.isprintable() or " " in url or "\\" in url:
        raise OutboundRefused(NOT_A_URL)
    found = _SCHEME_AND_HOST.match(url)
    if found and "@" in found[1]:
        raise OutboundRefused(NO_PASSWORDS)
    if not found or not _HOST_AND_PORT.fullmatch(found[1]):
        raise OutboundRefused(NOT_A_URL)
    try:
        # Read by what will call it: nobody else's idea of the host is of any interest.
        target = URL(url).with_fragment(None)
    except ValueError:
        raise OutboundRefused(NOT_A_URL) from None
    _check_target(target.raw_host or "", target.port or 0)
    return target


def redirected(url: URL, location: str) -> URL:
    """Where a redirect leads, if we may follow."""
    try:
        # Not joined before it is looked at: what is no part of a URL would be encoded.
        if not location.isprintable() or "\\" in location:
            raise OutboundRefused(NOT_A_URL)
        target = check(str(url.join(URL(location))))
    except ValueError:
        raise OutboundRefused(NOT_A_URL) from None
    if url.scheme == "https" and target.scheme == "http":
        raise OutboundRefused(NO_DOWNGRADE)
    return target


def fetch(
    url: str, *, max_bytes: int = MAX_BYTES, deadline: float = DEADLINE
) -> Fetched:
    """What a GET of the URL gives, whatever its status. Not from an event loop, and not
    inside a transaction: it may take as long as the deadline."""
    return asyncio.run(afetch(url, max_bytes=max_bytes, deadline=deadline))


async def afetch(
    url: str,
    *,
    max_bytes: int = MAX_BYTES,
    deadline: float = DEADLINE,
    look_up: LookUp | None = None,
) -> Fetched:
    target = check(url)
    try:
        async with asyncio.timeout(deadline), open_session(look_up) as session:
            return await _follow(session, target, max_bytes=max_bytes)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # The operator may know more than the customer.
        reason = type(error.__cause__ or error).__name__
        log.info("outbound_unreachable", host=target.raw_host, reason=reason)
        raise OutboundUnreachable(NOT_REACHED) from error


def open_session(look_up: LookUp | None = None) -> aiohttp.ClientSession:
    """A client that connects to checked addresses only, keeps no cookies and knows no
    proxy. URLs are checked by the caller, and redirects followed by `redirected`."""
    resolver = Resolver(look_up or system_addresses)
    connector = aiohttp.TCPConnector(
        resolver=resolver,
        socket_factory=resolver.socket,
        use_dns_cache=False,
        family=socket.AF_UNSPEC,
        force_close=True,  # hardly ever is the same host called twice
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"},
        timeout=aiohttp.ClientTimeout(total=None),  # the caller's deadline is for all
        trust_env=False,
    )


class Resolver(AbstractResolver):
    """Names to addresses that may be called, all of them; and the sockets to those."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._trusted: set[tuple[Address, int]] = set()  # by the name they came from

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[ResolveResult]:
        found = [
            ip_address(one) for one in await _on_a_thread(self._look_up, host, port)
        ]
        if not found:
            raise OSError("The name has no address.")
        allowed = _allowed()
        if allowed.trusts(host, port):
            self._trusted.update((address, port) for address in found)
        elif not all(allowed.permits(address, port) for address in found):
            raise OutboundRefused(NOT_ALLOWED)
        return [
            {
                "hostname": host,
                "host": str(address),
                "port": port,
                "family": _family(address),
                "proto": 0,
                "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            }
            for address in found
        ]

    def socket(self, found: tuple[Any, ...]) -> socket.socket:
        """The last look: what is about to be connected to was checked, by whatever way
        it came here."""
        family, kind, protocol, _, (host, port, *_) = found
        address = ip_address(host)
        known = (address, port) in self._trusted
        if not known and not _allowed().permits(address, port):
            raise OutboundRefused(NOT_ALLOWED)
        return socket.socket(family=family, type=kind, proto=protocol)

    async def close(self) -> None:
        """Nothing is held."""


def system_addresses(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def _allowed() -> Allowlist:
    allowed: Allowlist = settings.OUTBOUND_ALLOW
    return allowed


def _check_target(host: str, port: int) -> None:
    allowed = _allowed()
    if is_name(host):
        if allowed.trusts(host, port):
            return
        if not allowed.may_permit(port):
            raise OutboundRefused(NOT_THIS_PORT)
        if host != "localhost" and not host.endswith(".localhost"):
            return
        address: Address = _LOCALHOST
    else:
        try:
            address = ip_address(host)
        except ValueError:  # a number in an odd spelling among others
            raise OutboundRefused(NOT_A_URL) from None
    if not allowed.permits(address, port):
        usual = allowed.may_permit(port)
        raise OutboundRefused(NOT_ALLOWED if usual else NOT_THIS_PORT)


async def _follow(
    session: aiohttp.ClientSession, url: URL, *, max_bytes: int
) -> Fetched:
    for _ in range(1 + MAX_REDIRECTS):
        async with session.get(url, allow_redirects=False) as response:
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                return Fetched(
                    url=str(url),
                    status=response.status,
                    content_type=response.headers.get("Content-Type", ""),
                    body=await _body(response, max_bytes=max_bytes),
                )
        url = redirected(url, location)
    raise OutboundFailed(f"The address redirects more than {MAX_REDIRECTS} times.")


async def _body(response: aiohttp.ClientResponse, *, max_bytes: int) -> bytes:
    too_large = OutboundFailed(
        f"The answer is larger than {max_bytes / 1024 / 1024:.3g} MB."
    )
    if (response.content_length or 0) > max_bytes:
        raise too_large
    body = bytearray()
    # Unpacked piece by piece: a bomb is noticed before it has gone off.
    async for piece in response.content.iter_chunked(2**16):
        body += piece
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)


async def _on_a_thread(look_up: LookUp, host: str, port: int) -> Sequence[str]:
    """On a thread of its own: one of a pool would be waited for when the loop closes,
    and a name server that is silent would take longer than the deadline."""
    found: Future[Sequence[str]] = Future()
    ask = partial(_answer, found, look_up, host, port)
    threading.Thread(target=ask, name="look-up", daemon=True).start()
    return await asyncio.wrap_future(found)


def _answer(
    found: "Future[Sequence[str]]", look_up: LookUp, host: str, port: int
) -> None:
    if not found.set_running_or_notify_cancel():
        return
    try:
        found.set_result(look_up(host, port))
    except Exception as error:
        found.set_exception(error)


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6
