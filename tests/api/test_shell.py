"""The shell around the site: caps, hosts and deadlines, before there is a request."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson
import pytest

from apikeys.throttling import count_scope
from bookbag import shell
from bookbag.shell import Shell

CAP = 1024 * 1024


class Client:
    """The server's side of one exchange. Its body comes in the given pieces."""

    def __init__(
        self, pieces: Iterable[bytes] = (b"",), *, stalls: bool = False
    ) -> None:
        self.pieces = list(pieces)
        self.stalls = stalls
        self.taken = 0
        self.sent: list[dict[str, Any]] = []
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self.taken < len(self.pieces):
            piece = self.pieces[self.taken]
            self.taken += 1
            more = self.stalls or self.taken < len(self.pieces)
            return {"type": "http.request", "body": piece, "more_body": more}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def headers(self) -> dict[str, str]:
        return {n.decode(): v.decode() for n, v in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


async def site(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body as Django does, and says what it got."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    problem = scope.get("bookbag.body_problem", "none")
    start = {"type": "http.response.start", "status": 200, "headers": []}
    await send(start)
    text = f"{problem} {len(body)}".encode()
    await send({"type": "http.response.body", "body": text})


def scope(
    path: str = "/api/v2/size",
    *headers: tuple[str, str],
    host: str | None = "localhost",
    **more: Any,
) -> dict[str, Any]:
    pairs = [("host", host)] if host is not None else []
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "client": ("198.51.100.7", 1234),
        "server": ("localhost", 8000),
        "headers": [
            (name.encode(), value.encode("latin-1"))
            for name, value in (*pairs, *headers)
        ],
        **more,
    }


@pytest.fixture(autouse=True)
def _short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "LINGER", 0.05)


def run(
    request: dict[str, Any],
    *,
    app: Callable[..., Awaitable[None]] = site,
    pieces: Iterable[bytes] = (b"",),
    stalls: bool = False,
) -> Client:
    async def exchange() -> Client:
        client = Client(pieces, stalls=stalls)
        await Shell(app, count=count_scope)(request, client.receive, client.send)
        return client

    return asyncio.run(exchange())


def check_envelope(client: Client, status: int) -> None:
    assert client.status == status
    error = orjson.loads(client.body)["error"]
    assert error["code"] in {"VALIDATION_INVALID_BODY", "INTERNAL_SERVER_ERROR"}
    assert client.headers["x-request-id"].startswith("req_")
    assert client.headers["x-ratelimit-limit"] == "100"
    assert client.headers["content-length"] == str(len(client.body))


def test_it_works() -> None:
    client = run(scope(), pieces=[b"ab", b"c"])
    assert (client.status, client.body) == (200, b"none 3")
    assert client.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    "headers",
    [
        [(f"x-{number}", "1") for number in range(100)],
        [("a", "1")] * 20_000,
        [("authorization", "Bearer " + "x" * 65_536)],
    ],
)
def test_too_many_headers_are_431(headers: list[tuple[str, str]]) -> None:
    check_envelope(run(scope("/api/v2/size", *headers)), 431)
    client = run(scope("/", *headers))
    assert client.status == 431
    assert client.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost#@evil", "a@b#c", "", " ", "localhost/x", "localhost:x"]
    + ["localhost\x00", "localhöst", "localhost,evil", "127.0.0.1.evil.example"],
)
def test_a_bad_host_is_400(host: str) -> None:
    check_envelope(run(scope(host=host)), 400)
    assert run(scope("/admin/", host=host)).status == 400


def test_two_hosts_are_400() -> None:
    check_envelope(run(scope("/api/v2/size", ("host", "localhost"))), 400)


def test_a_forwarded_host_does_not_count() -> None:
    request = scope("/api/v2/size", ("x-forwarded-host", "localhost"), host="evil")
    check_envelope(run(request), 400)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1", "[::1]:1"]
)
def test_a_good_host_is_served(host: str) -> None:
    assert run(scope(host=host)).status == 200


def test_http_1_0_without_a_host_is_served() -> None:
    assert run(scope(host=None)).status == 200


def test_a_socket_with_a_bad_host_is_not_opened() -> None:
    async def connect() -> list[dict[str, Any]]:
        client = Client()
        request = {**scope(host="evil.example"), "type": "websocket"}
        await Shell(site)(request, client.receive, client.send)
        return client.sent

    assert asyncio.run(connect()) == [{"type": "websocket.close", "code": 1008}]


def test_a_query_that_is_no_utf8_is_400() -> None:
    check_envelope(run(scope(query_string=b"q=\xff\xfe")), 400)


@pytest.mark.parametrize(
    "value",
    [
        "application/json; charset=a\x00b",
        "text/plain; x*=no-such'en'a",
        "a/b; c*=utf-8''%ff",
    ],
)
def test_a_content_type_that_breaks_django_is_415(value: str) -> None:
    client = run(scope("/api/v2/size", ("content-type", value)))
    assert client.status in {200, 415}
    if "utf-8" not in value:
        check_envelope(client, 415)


# --- Bodies -----------------------------------------------------------------------


def test_a_declared_body_over_the_cap_is_not_read() -> None:
    request = scope("/api/v2/size", ("content-length", str(CAP + 1)))
    client = run(request, pieces=[b"x" * 1000] * 5)
    assert client.body == b"too_large 0"
    assert client.headers["connection"] == "close"


def test_a_chunked_body_over_the_cap_is_cut_off() -> None:
    client = run(scope(), pieces=[b"x" * 400_000] * 5)
    assert client.body.startswith(b"too_large")
    assert client.headers["connection"] == "close"


def test_a_body_of_the_cap_passes() -> None:
    client = run(scope(), pieces=[b"x" * (CAP // 2)] * 2)
    assert client.body == f"none {CAP}".encode()
    assert "connection" not in client.headers


def test_a_body_that_does_not_end_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shell, "BODY_DEADLINE", 0.05)
    client = run(scope(), pieces=[b"{"], stalls=True)
    assert client.body.startswith(b"too_slow")
    assert client.headers["connection"] == "close"


def test_a_page_is_refused_by_the_shell_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "MAX_UPLOAD_BYTES", 10)
    monkeypatch.setattr(shell, "BODY_DEADLINE", 0.05)
    assert run(scope("/upload"), pieces=[b"x" * 11]).status == 413
    assert run(scope("/upload"), pieces=[b"x"], stalls=True).status == 408


def test_django_hears_a_client_that_leaves() -> None:
    heard = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        heard.append((await receive())["type"])

    async def exchange() -> None:
        client = Client([b"{}"])
        asyncio.get_running_loop().call_later(0.02, client.gone.set)
        await Shell(app)(scope(), client.receive, client.send)

    asyncio.run(exchange())
    assert heard == ["http.disconnect"]


def test_the_rest_of_a_refused_body_never_reaches_django() -> None:
    heard = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        listening = asyncio.create_task(receive())
        await site(scope, receive=_empty, send=send)
        heard.append((await listening)["type"])

    async def _empty() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def exchange() -> Client:
        client = Client([b"x" * 100_000] * 50)
        asyncio.get_running_loop().call_later(0.2, client.gone.set)
        request = scope("/api/v2/size", ("content-length", "5000000"))
        await Shell(app)(request, client.receive, client.send)
        return client

    client = asyncio.run(exchange())
    assert heard == ["http.disconnect"]
    assert client.body == b"too_large 0"


# --- Answers ------------------------------------------------------------------------


def test_a_client_that_stops_reading_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shell, "SEND_DEADLINE", 0.05)
    closed = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send(
                    {"type": "http.response.body", "body": b"x", "more_body": True}
                )
        finally:
            closed.append(True)

    async def exchange() -> int:
        sent = 0

        async def send(message: Any) -> None:
            nonlocal sent
            sent += 1
            if sent > 3:
                await asyncio.Event().wait()

        await Shell(app)(scope(), Client().receive, send)
        return sent

    assert asyncio.run(exchange()) == 4
    assert closed


def test_a_stream_that_is_silent_for_long_is_not_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shell, "SEND_DEADLINE", 0.02)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.1)
        await send({"type": "http.response.body", "body": b"late"})

    assert run(scope(), app=app).body == b"late"


def test_what_breaks_outside_of_the_views_is_a_500() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("SELECT secret")

    client = run(scope(), app=app)
    check_envelope(client, 500)
    assert b"SELECT" not in client.body


def test_what_breaks_after_the_beginning_is_the_servers_to_end() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("late")

    with pytest.raises(RuntimeError, match="late"):
        run(scope(), app=app)


def test_the_request_id_is_ours_and_one() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"x-request-id", scope["bookbag.request_id"].encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    client = run(scope("/api/v2/size", ("x-request-id", "req_mine")), app=app)
    assert len(client.sent[0]["headers"]) == 1
    assert client.headers["x-request-id"] != "req_mine"
