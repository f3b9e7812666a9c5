"""Which program calls: one well-formed Bearer key, or a 401 that tells nothing."""

import io
import logging
import random
import string
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog
from django.core.handlers.asgi import ASGIRequest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from apikeys import secret as secrets
from apikeys.authentication import KeyAuthentication, bearer_secret
from apikeys.models import ApiKey
from bookbag.api.errors import InvalidApiKey, MissingApiKey
from bookbag.api.parsers import ApiRequest
from workspaces.models import Workspace

site = pytest.mark.urls("tests.api.site")


def request(*values: bytes, query: bytes = b"", cookie: bytes = b"") -> ApiRequest:
    headers = [(b"authorization", value) for value in values]
    if cookie:
        headers.append((b"cookie", cookie))
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/v2/async",
        "query_string": query,
        "headers": headers,
    }
    return ApiRequest(ASGIRequest(scope, None))


def authenticate(*values: bytes, **more: bytes) -> ApiKey:
    return KeyAuthentication().authenticate(request(*values, **more))[1]


@pytest.mark.django_db
@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
@pytest.mark.parametrize("gap", [b" ", b"   ", b"\t"])
def test_the_scheme_is_case_insensitive(
    api_key: tuple[ApiKey, str], scheme: bytes, gap: bytes
) -> None:
    key, secret = api_key
    assert authenticate(scheme + gap + secret.encode() + b" ") == key


@pytest.mark.django_db
def test_a_key_costs_one_query(
    api_key: tuple[ApiKey, str], django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        authenticate(b"Bearer " + api_key[1].encode())


@pytest.mark.django_db
@pytest.mark.parametrize(
    "value",
    [b"", b" ", b"Bearer", b"Bearer ", b"bearer\t", b"Basic %s", b"Token %s"]
    + [b"%s", b"Bearer:%s", b"Bearer=%s", b"Digest %s", b"Bearer\xa0%s"],
)
def test_another_scheme_or_none_is_missing(
    api_key: tuple[ApiKey, str], value: bytes, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0), pytest.raises(MissingApiKey):
        authenticate(value.replace(b"%s", api_key[1].encode()))


@pytest.mark.django_db
def test_a_key_in_query_or_cookie_is_missing(api_key: tuple[ApiKey, str]) -> None:
    secret = api_key[1].encode()
    for more in (
        {"query": b"api_key=" + secret},
        {"query": b"authorization=Bearer%20" + secret},
        {"cookie": b"authorization=" + secret},
    ):
        with pytest.raises(MissingApiKey):
            authenticate(**more)


@pytest.mark.django_db
def test_two_headers_are_refused_even_when_both_are_right(
    api_key: tuple[ApiKey, str], django_assert_num_queries: Any
) -> None:
    good = b"Bearer " + api_key[1].encode()
    cases = [
        (good, good),
        (good, b"Bearer junk"),
        (b"Basic x", good),
        (good + b"," + good,),
        (good + b", " + good,),
        (good + b" " + good,),
        (good + b",",),
    ]
    for case in cases:
        with django_assert_num_queries(0), pytest.raises(InvalidApiKey):
            authenticate(*case)


def fuzzed(chance: random.Random) -> bytes:
    """Something that looks a little like a key, a lot, or not at all."""
    good = secrets.generate(chance.choice(["live", "test"]))
    position = chance.randrange(len(good))
    other = chance.choice([c for c in string.printable if c != good[position]])
    token = chance.choice(
        [
            (good[:position] + other + good[position + 1 :]).encode(),
            good[:position].encode(),
            good.encode() + bytes([chance.randrange(256)]),
            good.upper().encode(),
            good.replace("oc_", "0c_").encode(),
            b"' OR 1=1 --",
            b"oc_live_" + bytes(chance.randrange(256) for _ in range(42)),
            bytes(chance.randrange(256) for _ in range(chance.randrange(80))),
            b"\x00" * 50,
            b"\r\nX-Injected: 1",
            b"x" * chance.choice([1, 1_000, 65_536]),
            b"oc_live_" + "é".encode() * 21,
            good.encode().replace(b"o", "о".encode(), 1),
        ]
    )
    return chance.choice([b"Bearer ", b"Bearer ", b"bearer\t", b"", b"Basic "]) + token


@pytest.mark.django_db
def test_5000_fuzzed_headers_are_401_without_a_query(
    django_assert_num_queries: Any,
) -> None:
    chance = random.Random(2026)
    with django_assert_num_queries(0):
        for _ in range(5_000):
            with pytest.raises((MissingApiKey, InvalidApiKey)):
                authenticate(fuzzed(chance))


def test_only_the_checksum_is_wrong_and_no_query_is_made() -> None:
    # No database in this test: a query would fail it.
    good = secrets.generate("live")
    for last in set(secrets.BASE62) - {good[-1]}:
        with pytest.raises(InvalidApiKey):
            authenticate(b"Bearer " + (good[:-1] + last).encode())


def test_wsgi_like_requests_are_read_too(rf: Any) -> None:
    assert bearer_secret(rf.get("/", headers={"authorization": "Bearer abc"})) == "abc"
    with pytest.raises(InvalidApiKey):
        bearer_secret(rf.get("/", headers={"authorization": "Bearer abé"}))


# --- Over the door --------------------------------------------------------------


def get(client: Client, secret: str) -> Any:
    return client.get("/api/v2/async", headers={"authorization": f"Bearer {secret}"})


@site
@pytest.mark.django_db
def test_malformed_unknown_revoked_and_expired_have_the_same_body(
    client: Client, workspace: Workspace
) -> None:
    revoked, revoked_secret = ApiKey.objects.issue(workspace, label="Revoked")
    revoked.revoke()
    _, expired_secret = ApiKey.objects.issue(
        workspace, label="Expired", expires_at=timezone.now() - timedelta(seconds=1)
    )
    unknown = secrets.generate("live")
    answers = [
        get(client, secret)
        for secret in (revoked_secret, expired_secret, unknown, "oc_live_short", "junk")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    for answer in answers:
        names = {name for name in answer.headers if name != "x-request-id"}
        assert names == {name for name in answers[0].headers if name != "x-request-id"}
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answers[0].json()["error"]["code"] == "AUTH_INVALID_API_KEY"


@site
@pytest.mark.django_db
def test_the_next_request_after_a_revocation_is_refused(
    client: Client, api_key: tuple[ApiKey, str]
) -> None:
    key, secret = api_key
    assert get(client, secret).status_code == 200
    key.revoke()
    assert get(client, secret).status_code == 401


@site
@pytest.mark.django_db
def test_a_session_cookie_is_ignored(client: Client, owner: Any) -> None:
    client.force_login(owner)
    response = client.get("/api/v2/async")
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "AUTH_MISSING_API_KEY"


@site
@pytest.mark.django_db
def test_without_the_database_nobody_is_let_in(
    client: Client, api_key: tuple[ApiKey, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("apikeys.models.ApiKeyQuerySet.opened_by", fail)
    monkeypatch.setattr(ApiKey.objects, "opened_by", fail)
    assert get(client, api_key[1]).status_code == 503


@site
@pytest.mark.django_db
def test_refusals_count_against_the_address_and_never_a_key(
    client: Client, api_key: tuple[ApiKey, str], settings: Any
) -> None:
    settings.RATE_LIMIT, settings.RATE_LIMIT_WINDOW = 5, 3600
    codes = [get(client, "junk").status_code for _ in range(7)]
    assert codes == [401] * 5 + [429] * 2
    assert get(client, api_key[1]).headers["X-RateLimit-Remaining"] == "4"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What our own handler writes, formatted and all."""
    [handler] = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter)
    ]
    stream = io.StringIO()
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)


@site
@pytest.mark.django_db
def test_no_secret_is_in_any_log(
    client: Client,
    api_key: tuple[ApiKey, str],
    monkeypatch: pytest.MonkeyPatch,
    written: io.StringIO,
) -> None:
    key, secret = api_key
    unknown = secrets.generate("live")

    def fail(*_: Any) -> None:
        raise RuntimeError(f"with Authorization: Bearer {secret} in hand")

    get(client, secret)
    get(client, unknown)
    get(client, secret + "x")
    client.get(f"/api/v2/async?api_key={secret}")
    monkeypatch.setattr("apikeys.last_used.note", fail)
    assert get(client, secret).status_code == 500
    logged = written.getvalue()
    assert "RuntimeError" in logged
    for hidden in (secret[12:], unknown[12:]):
        assert hidden not in logged
    assert secret not in repr(key) + str(vars(key))
