"""The outermost layer: what is wrong with a request before anybody asks what it wants,
and clients that are too slow. Pure ASGI, so that it costs a stream nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.http import parse_header_parameters

from bookbag.api.clothes import dress_for, is_dressed
from bookbag.api.errors import AnswerBroken, ApiError, Internal, InvalidBody
from bookbag.api.renderers import to_json
from bookbag.middleware import body_cap, is_api
from bookbag.request_id import HEADER, current, new_request_id

log = structlog.get_logger(__name__)

MAX_HEADERS = 100
MAX_HEADER_BYTES = 16 * 1024
MAX_UPLOAD_BYTES = 32 * 1024 * 1024  # outside /api/: documents for the knowledge
BODY_DEADLINE = 15  # seconds for a body to arrive
SEND_DEADLINE = 30  # seconds without progress, then the client is given up
LINGER = 2  # seconds we go on listening to a body that we have refused

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class ClientTooSlow(Exception):
    """The client has stopped reading its answer."""


class BodyRefused(Exception):
    """A page's body is too large or too slow, said to whoever waits for it."""


class Shell:
    """Wraps the whole site: request id, caps, hosts, deadlines of slow clients.

    `count` counts what is refused here, before there is a request, and gives the
    headers that say so.
    """

    def __init__(
        self, app: App, *, count: Callable[[Scope], dict[str, str]] | None = None
    ) -> None:
        self.app = app
        self.count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        scope = {**scope, "bookbag.request_id": new_request_id()}
        current.set(scope["bookbag.request_id"])
        problem = next(_problems(scope), None)
        if scope["type"] == "websocket":
            if problem is not None:
                # Before it was accepted: the server answers 403.
                return await send({"type": "websocket.close", "code": 1008})
            return await self.app(scope, receive, send)
        exchange = _Exchange(scope, receive, send)
        if problem is not None:
            return await self._refuse(exchange, problem)
        try:
            return await self.app(scope, exchange.receive, exchange.send)
        except ClientTooSlow:
            log.info("gave up a client that had stopped reading")
        except AnswerBroken:
            log.info("broke off an answer that had begun")
        except BodyRefused:
            await self._refuse(exchange, _body_error(scope["bookbag.body_problem"]))
        except Exception:
            if exchange.begun:
                raise
            log.exception("a request failed outside of the views")
            await self._refuse(exchange, Internal())
        finally:
            exchange.close()

    async def _refuse(self, exchange: "_Exchange", error: ApiError) -> None:
        scope = exchange.scope
        headers = dict(error.headers)
        if is_api(scope["path"]) or is_dressed(scope["path"]):
            content = to_json(dress_for(scope["path"], error))
            media_type = "application/json"
            if self.count is not None:
                headers |= self.count(scope)
        else:
            content, media_type = error.message.encode(), "text/plain; charset=utf-8"
        headers |= {
            "Content-Type": media_type,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
        }
        if error.status_code != HTTPStatus.INTERNAL_SERVER_ERROR:
            # Nobody has read the body, which would be taken for the next request.
            headers["Connection"] = "close"
        await exchange.send(
            {
                "type": "http.response.start",
                "status": error.status_code,
                "headers": [
                    (name.lower().encode(), value.encode())
                    for name, value in headers.items()
                ],
            }
        )
        await exchange.send({"type": "http.response.body", "body": content})


class _Exchange:
    """One request and its answer, between the server and the site.

    A body that is too large or too slow is not the shell's to refuse under /api/: the
    key comes first. The scope says what is wrong and the site gets an empty body.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.begun = False
        self._receive = receive
        self._send = send
        self._cap = (
            body_cap(scope["path"]) if is_api(scope["path"]) else MAX_UPLOAD_BYTES
        )
        self._read = 0
        self._complete = False  # the body, to its end or to where we refused it
        self._deadline: float | None = None
        self._sending_since: float | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._given_up = False
        self._answering = asyncio.Event()
        self._drained = asyncio.Event()  # nothing of a refused body is still to come

    async def receive(self) -> Message:
        if self._complete:
            return await self._listen()
        if self._read == 0 and _content_length(self.scope) > self._cap:
            return self._refuse_body("too_large")
        loop = asyncio.get_running_loop()
        self._deadline = self._deadline or loop.time() + BODY_DEADLINE
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            return self._refuse_body("too_slow")
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > self._cap:
                return self._refuse_body("too_large")
            self._complete = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            message = {**message, "headers": self._headers(message)}
        last = message["type"] == "http.response.body" and not message.get("more_body")
        if last and "bookbag.body_problem" in self.scope:
            await self._send_in_time({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send_in_time(message)
        if message["type"] == "http.response.start":
            self._answering.set()

    def _headers(self, message: Message) -> list[tuple[bytes, bytes]]:
        headers = list(message.get("headers", ()))
        if not any(name.lower() == HEADER.encode() for name, _ in headers):
            headers.append((HEADER.encode(), self.scope["bookbag.request_id"].encode()))
        if "bookbag.body_problem" in self.scope:
            headers = [h for h in headers if h[0].lower() != b"connection"]
            headers.append((b"connection", b"close"))
        return headers

    def _refuse_body(self, problem: str) -> Message:
        self.scope["bookbag.body_problem"] = problem
        self._complete = True
        if not is_api(self.scope["path"]):
            raise BodyRefused
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _listen(self) -> Message:
        """Until the client leaves. What it still sends of a refused body is dropped."""
        refused = "bookbag.body_problem" in self.scope
        if refused:
            await self._answering.wait()
        while True:
            message = await self._receive()
            if not message.get("more_body"):
                self._drained.set()
            if not refused or message["type"] != "http.request":
                return message

    async def _linger(self) -> None:
        # Hanging up on a client that is still sending resets the connection, and our
        # answer may be lost with it.
        ends = [
            asyncio.ensure_future(self._listen()),
            asyncio.ensure_future(self._drained.wait()),
        ]
        await asyncio.wait(ends, timeout=LINGER, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()

    async def _send_in_time(self, message: Message) -> None:
        """Raises ClientTooSlow where the client takes nothing for SEND_DEADLINE.

        One timer looks after all frames of an answer: one for each would cost a stream
        a fifth of what a frame costs.
        """
        loop = asyncio.get_running_loop()
        self._sending_since = loop.time()
        if self._watchdog is None:
            self._watchdog = loop.call_later(
                SEND_DEADLINE, self._look, asyncio.current_task()
            )
        try:
            await self._send(message)
        except asyncio.CancelledError:
            if not self._given_up:
                raise
            if task := asyncio.current_task():
                task.uncancel()  # it was we who cancelled it, and this is why
            raise ClientTooSlow from None
        finally:
            self._sending_since = None

    def _look(self, task: "asyncio.Task[Any] | None") -> None:
        loop = asyncio.get_running_loop()
        since = self._sending_since
        left = SEND_DEADLINE if since is None else since + SEND_DEADLINE - loop.time()
        if left > 0:
            self._watchdog = loop.call_later(left, self._look, task)
        else:
            self._given_up = True
            if task is not None:
                task.cancel()

    def close(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()


def _problems(scope: Scope) -> Iterator[ApiError]:
    """What is wrong with a request before anybody looks at what it wants."""
    headers = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        yield InvalidBody(
            message=f"Too many headers: at most {MAX_HEADERS}, and"
            f" {MAX_HEADER_BYTES // 1024} KiB in all.",
            status=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        )
    if not _is_host_allowed(scope):
        yield InvalidBody(message="This host name is not served here.")
    try:
        scope.get("query_string", b"").decode()
    except UnicodeDecodeError:
        yield InvalidBody(message="The query string is not UTF-8.")
    if not _has_readable_content_type(headers):
        yield InvalidBody(
            message="The Content-Type header cannot be understood.",
            status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )


def _is_host_allowed(scope: Scope) -> bool:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) > 1:
        return False
    if hosts:
        host = hosts[0].decode("latin-1")
    else:  # HTTP/1.0
        host = str((scope.get("server") or ("",))[0])
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def _has_readable_content_type(headers: list[tuple[bytes, bytes]]) -> bool:
    """Django reads it when it makes the request, where nothing catches a failure."""
    for name, value in headers:
        if name == b"content-type" and b";" in value:
            try:
                _, parameters = parse_header_parameters(value.decode("latin-1"))
            except Exception:  # the e-mail parser beneath fails in ways of its own
                return False
            if not parameters.get("charset", "").isprintable():
                return False
    return True


def _content_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


def _body_error(problem: str) -> ApiError:
    if problem == "too_slow":
        return InvalidBody(
            message="The body took too long to arrive.",
            status=HTTPStatus.REQUEST_TIMEOUT,
        )
    return InvalidBody(
        message="The body is too large.", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    )
