"""A source that is slow, broken, or somebody else; and a key that is told to nobody."""

import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from imports import chatbase
from imports.chatbase import Chatbase, Refused, SourceError
from tests.imports.source import KEY, SmallChatbase, fill, send
from tests.installation import eventually

Request = BaseHTTPRequestHandler


class Waits:
    """How long one would have waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def client(source: SmallChatbase, waits: Waits) -> Chatbase:
    fill(source)
    return Chatbase(source.url, KEY, sleep=waits)


def status(code: int, body: object = None, **headers: str) -> Callable:
    return lambda request: send(request, code, body or {"message": "No."}, **headers)


def hang_up(request: Request) -> None:
    request.close_connection = True


def half(request: Request) -> None:
    send(request, 200, b'{"chatbots": [', Content_Length="500")


def half_of_json(request: Request) -> None:
    send(request, 200, b'{"chatbots": [')


def silent(request: Request) -> None:
    request.rfile.read()  # until nobody listens any more


def dripping(request: Request) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.end_headers()
    try:
        while True:
            request.wfile.write(b" ")
            time.sleep(0.1)
    except OSError:
        pass  # nobody listens any more


def no_http(request: Request) -> None:
    request.wfile.write(b"I am no web server.\r\n\r\n")
    request.close_connection = True


PASSING = {
    "500": status(500),
    "502 as a page": lambda r: send(r, 502, b"<html>Bad gateway", kind="text/html"),
    "503": status(503),
    "hangs up": hang_up,
    "half an answer": half,
    "half a document": half_of_json,
    "not a number": lambda r: send(r, 200, b'{"chatbots": [NaN]}'),
    "too deep": lambda r: send(r, 200, b"[" * 200_000 + b"]" * 200_000),
    "no HTTP": no_http,
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_may_pass_is_asked_again(
    source: SmallChatbase, client: Chatbase, waits: Waits, fault: Callable
) -> None:
    source.faults = {1: fault}
    assert len(client.chatbots()) == 2
    assert len(source.asked) == 2
    assert waits.seconds == [1]


@pytest.mark.parametrize("fault", [silent, dripping])
def test_who_is_too_slow_is_asked_again(
    source: SmallChatbase, waits: Waits, fault: Callable
) -> None:
    fill(source)
    source.faults = dict.fromkeys(range(1, 20), fault)

    def better_then(seconds: float) -> None:
        waits(seconds)
        source.faults.clear()
        client._silence = client._deadline = 60  # for who answers as fast as it can

    client = Chatbase(source.url, KEY, sleep=better_then, silence=0.5, deadline=0.5)
    assert len(client.chatbots()) == 2
    assert waits.seconds == [1]
    eventually(lambda: len(source.asked) == 2)


def test_it_waits_longer_each_time_and_gives_up_with_what_to_do(
    source: SmallChatbase, client: Chatbase, waits: Waits
) -> None:
    source.faults = dict.fromkeys(range(1, 20), status(503, {"message": "Busy."}))
    with pytest.raises(SourceError) as problem:
        client.chatbots()
    assert waits.seconds == [1, 2, 4, 8, 16]
    assert len(source.asked) == 6
    assert "status 503: Busy" in str(problem.value)
    assert "it goes on where it was" in str(problem.value)


def test_nobody_at_the_address(waits: Waits) -> None:
    client = Chatbase("http://127.0.0.1:9/api/v1", KEY, sleep=waits)
    with pytest.raises(SourceError, match="does not answer: .*refused"):
        client.chatbots()


@pytest.mark.parametrize(
    ("after", "waited"),
    [
        ("7", 7),
        ("0", 0),
        ("99999", 300),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 0),
        ("soon", 1),
        ("-5", 1),
        ("", 1),
    ],
)
def test_who_asks_for_fewer_requests_is_given_the_time_asked_for(
    source: SmallChatbase, client: Chatbase, waits: Waits, after: str, waited: float
) -> None:
    source.faults = {1: status(429, Retry_After=after)}
    assert len(client.chatbots()) == 2
    assert waits.seconds == [waited]


def test_no_more_requests_than_the_source_allows(
    source: SmallChatbase,
    client: Chatbase,
    waits: Waits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert chatbase.REQUESTS < 100
    assert chatbase.WINDOW == 10
    monkeypatch.setattr(chatbase, "REQUESTS", 5)
    monkeypatch.setattr(chatbase, "WINDOW", 3600.0)  # however long five may take
    client = Chatbase(source.url, KEY, sleep=waits)
    for _ in range(5):
        client.chatbots()
    assert waits.seconds == []
    client.chatbots()
    (waited,) = waits.seconds
    assert 0 < waited <= 3600


@pytest.mark.parametrize("code", [400, 403, 404, 402, 422])
def test_a_list_that_is_not_given(
    source: SmallChatbase, client: Chatbase, waits: Waits, code: int
) -> None:
    source.faults = {1: status(code, {"message": "Upgrade your plan"})}
    with pytest.raises(Refused, match=rf"\({code}: Upgrade your plan\)"):
        client.contacts("shop", page=1)
    assert waits.seconds == []


def test_a_key_that_is_not_accepted(source: SmallChatbase) -> None:
    client = Chatbase(source.url, "another-key")
    with pytest.raises(SourceError, match=r"does not accept the API key \(401\)"):
        client.chatbots()
    assert len(source.asked) == 1


@pytest.mark.parametrize("code", [200, 404])
def test_a_web_page_where_json_should_be(
    source: SmallChatbase, client: Chatbase, code: int
) -> None:
    page = b"<!doctype html><title>Welcome"
    source.faults = {1: lambda request: send(request, code, page, kind="text/html")}
    with pytest.raises(SourceError, match="answered with a web page") as problem:
        client.chatbots()
    assert source.url in str(problem.value)


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_the_key_is_not_sent_on(
    source: SmallChatbase, client: Chatbase, code: int
) -> None:
    with SmallChatbase() as elsewhere:
        to = f"{elsewhere.url}/get-chatbots"
        source.faults = {1: status(code, Location=to)}
        with pytest.raises(SourceError, match="sends its visitors elsewhere"):
            client.chatbots()
        assert elsewhere.asked == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"chatbots": None},
        {"chatbots": "none"},
        7,
        "text",
        None,
        {"data": {"data": {}}},
    ],
)
def test_an_answer_of_another_shape(
    source: SmallChatbase, client: Chatbase, body: object
) -> None:
    content = json.dumps(body).encode()
    source.faults = {1: lambda request: send(request, 200, content)}
    with pytest.raises(SourceError, match="get-chatbots is not what Chatbase sends"):
        client.chatbots()


def test_an_answer_without_end(
    source: SmallChatbase, client: Chatbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chatbase, "LARGEST", 1000)
    source.faults = {1: lambda request: send(request, 200, b" " * 2000)}
    with pytest.raises(SourceError, match="is larger than"):
        client.chatbots()


def test_an_id_is_one_part_of_the_path(source: SmallChatbase, client: Chatbase) -> None:
    source.add("a/b?c#d é", contacts=[])
    assert client.contacts("a/b?c#d é", page=1) == ([], 0)


@pytest.mark.parametrize("code", [400, 401, 403, 429, 500])
def test_the_key_is_in_no_message(
    source: SmallChatbase, client: Chatbase, code: int
) -> None:
    echo = {"message": f"Bearer {KEY} is not known", "error": KEY}
    source.faults = dict.fromkeys(range(1, 20), status(code, echo))
    with pytest.raises(SourceError) as problem:
        client.chatbots()
    assert KEY not in str(problem.value)
    assert KEY not in repr(problem.value.__dict__)
    assert KEY not in repr(client)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "www.chatbase.co/api/v1",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "https://user:password@example.com/api",
        "https://example.com/api?x=1",
        "https://example.com/api#x",
        "https://exa mple.com",
        "https://example.com:99999",
        "https://[::1",
        "https://example.com/\nHost: x",
        "https://exämple.com",
    ],
)
def test_what_is_no_address_of_an_api(url: str) -> None:
    with pytest.raises(SourceError, match="is not the address of an API"):
        Chatbase(url, KEY)


@pytest.mark.parametrize("key", ["", "  \n", "a b", "a\nb", "ключ", "a\0"])
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(SourceError, match="API key is empty") as problem:
        Chatbase("https://example.com", key)
    assert key.strip() == "" or key not in str(problem.value)


def test_a_slash_at_the_end_and_a_line_break_after_the_key(
    source: SmallChatbase,
) -> None:
    assert Chatbase(f"{source.url}/", f"{KEY}\n").chatbots() == []
    assert source.asked[0].path == "/api/v1/get-chatbots"
