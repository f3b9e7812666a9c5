"""Whatever is wrong with a body is a clean 400, 413 or 415, and never stored."""

import json
from contextlib import suppress
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from agents.models import Agent
from bookbag.api.errors import InvalidBody
from bookbag.api.fields import is_blank
from bookbag.api.parsers import parse_object
from tests.api.conftest import error

site = pytest.mark.urls("tests.api.site")
INVALID = (400, "VALIDATION_INVALID_BODY")


def deep(levels: int) -> bytes:
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


MALFORMED = {
    "empty": b"",
    "blanks": b"  \n",
    "cut off": b'{"message": "Hi"',
    "two objects": b'{"message": "Hi"}{}',
    "single quotes": b"{'message': 'Hi'}",
    "trailing comma": b'{"message": "Hi",}',
    "comment": b'{"message": "Hi"} // hello',
    "array": b'[{"message": "Hi"}]',
    "string": b'"Hi"',
    "null": b"null",
    "number": b"1",
    "NaN": b'{"message": "Hi", "x": NaN}',
    "Infinity": b'{"message": "Hi", "x": -Infinity}',
    "1e400": b'{"message": "Hi", "x": 1e400}',
    "2^63": b'{"message": "Hi", "x": 9223372036854775808}',
    "2^70": b'{"message": "Hi", "x": 1180591620717411303424}',
    "5,000 digits": b'{"message": "Hi", "x": ' + b"9" * 5000 + b"}",
    "5,000 decimals": b'{"message": "Hi", "x": 0.' + b"9" * 5000 + b"}",
    "same key twice": b'{"message": "Hi", "message": "Ho"}',
    "same key twice, deeper": b'{"message": "Hi", "x": [{"a": 1, "a": 2}]}',
    "BOM": b'\xef\xbb\xbf{"message": "Hi"}',
    "UTF-16": '{"message": "Hi"}'.encode("utf-16"),
    "latin-1": '{"message": "Grüße"}'.encode("latin-1"),
    "overlong": b'{"message": "\xc0\xaf"}',
    "cut character": b'{"message": "\xe2\x82"}',
    "raw NUL": b'{"message": "a\x00b"}',
    "escaped NUL": b'{"message": "a\\u0000b"}',
    "NUL in a key": b'{"message": "Hi", "a\\u0000": 1}',
    "NUL in an unknown field": b'{"message": "Hi", "x": {"y": ["\\u0000"]}}',
    "surrogate": b'{"message": "\\ud800"}',
    "low surrogate": b'{"message": "\\uDC00 Hi"}',
    "surrogate in a key": b'{"message": "Hi", "\\udfff": 1}',
    "raw surrogate": b'{"message": "\xed\xa0\x80"}',
    "raw newline": b'{"message": "a\nb"}',
    "depth 65": deep(65),
    "depth 2,000": deep(2000),
    "depth 100,000": deep(100_000),
    "open brackets": b"[" * 100_000,
}


@site
@pytest.mark.django_db
@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_json(api: Client, agent: Agent, name: str) -> None:
    response = api.post(
        f"/api/v2/agents/{agent.pk}/notes",
        MALFORMED[name],
        content_type="application/json",
    )
    assert error(response) == INVALID


def test_what_is_strange_but_right() -> None:
    assert parse_object(deep(64))
    assert parse_object(
        b'{"\\u00e9": "\\ud83d\\ude00", "n": -9223372036854775808}'
    ) == {
        "é": "😀",
        "n": -(2**63),
    }
    assert parse_object(b' {"a": 1.5e300} ') == {"a": 1.5e300}
    assert parse_object(b'{"a": "\\\\u0000"}') == {"a": "\\u0000"}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abcé😀"), json_values), st.booleans())
def test_all_other_json_comes_through_as_it_is(
    value: dict[str, Any], ascii_only: bool
) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert parse_object(body) == json.loads(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_clean_refusal(body: bytes) -> None:
    with suppress(InvalidBody):
        assert isinstance(parse_object(body), dict)


WRONG = {
    "message": [
        None,
        1,
        True,
        [],
        {},
        "",
        " ",
        "\u00a0",
        "\u200b\u2060",
        "\ufeff",
        "\n\t",
    ],
    "userId": ["", "a b", "abc\n", "a" * 129, "ａ", "ü", "a/b", "\u202ea", 1, True, []],
    "conversationId": [
        0,
        -1,
        1.0,
        1.5,
        True,
        "",
        " 1",
        "1\n",
        "+1",
        "1_0",
        "١٢",
        "0x1",
    ],
    "stream": [None, 0, 1, "true", "false", "", [], {}],
}
WRONG["message"].append("x" * 32_001)
WRONG["conversationId"] += ["-1", "1.0", "1e3", [], {}, "9" * 19, "9" * 5000, None]


@site
@pytest.mark.django_db
@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_value_is_a_400_that_names_the_field(
    api: Client, agent: Agent, field: str, settings: Any
) -> None:
    settings.RATE_LIMIT = 1000
    for value in WRONG[field]:
        response = api.post(
            f"/api/v2/agents/{agent.pk}/notes",
            {"message": "Hi", field: value},
            content_type="application/json",
        )
        assert error(response) == INVALID, value
        assert list(response.json()["error"]["details"]) == [field]


@site
@pytest.mark.django_db
def test_right_values_and_unknown_fields(api: Client, agent: Agent) -> None:
    response = api.post(
        f"/api/v2/agents/{agent.pk}/notes",
        {
            "message": " \n Hi\u00a0\u200b ",
            "userId": "..",
            "conversationId": "0007",
            "stream": False,
            "colour": {"of": ["no", "importance"]},
        },
        content_type="application/json; charset=UTF-8",
    )
    assert response.json()["data"] == {
        "message": "Hi\u00a0\u200b",
        "userId": "..",
        "conversationId": 7,
        "stream": False,
    }


@pytest.mark.parametrize(
    ("text", "blank"),
    [("", True), ("\u2028\u3000", True), ("\u200d", True), ("\u00ad", True)]
    + [("a", False), ("\u200ba", False), (".", False), ("😀", False)],
)
def test_blank(text: str, blank: bool) -> None:
    assert is_blank(text) is blank


@site
@pytest.mark.django_db
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/vnd.api+json",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/json, application/json",
        "application/jsonp",
        "/",
        ";",
    ],
)
def test_other_media_types_are_415(api: Client, content_type: str) -> None:
    response = api.generic("POST", "/api/v2/size", b'{"a": 1}', content_type)
    assert error(response) == (415, "VALIDATION_INVALID_BODY")


@site
@pytest.mark.django_db
def test_a_packed_body_is_415(api: Client) -> None:
    response = api.post(
        "/api/v2/size",
        {},
        content_type="application/json",
        headers={"content-encoding": "gzip"},
    )
    assert error(response) == (415, "VALIDATION_INVALID_BODY")


@site
@pytest.mark.django_db
def test_a_body_over_the_cap_is_413_after_the_key(api: Client, client: Client) -> None:
    def post(sender: Client, size: int) -> Any:
        body = b'{"a": "' + b"x" * (size - 9) + b'"}'
        return sender.post("/api/v2/size", body, content_type="application/json")

    assert post(api, settings.MAX_BODY_BYTES).status_code == 200
    over = settings.MAX_BODY_BYTES + 1
    assert error(post(api, over)) == (413, "VALIDATION_INVALID_BODY")
    assert error(post(client, over)) == (401, "AUTH_MISSING_API_KEY")
