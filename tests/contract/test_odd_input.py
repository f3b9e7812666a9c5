"""Input that breaks others, on every route: a clean 400, or 404 where a path names what
cannot be. Never a 500, never something stored, and the same on both databases."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest

from bookbag.api.renderers import to_json
from bookbag.api.schema import document
from tests.contract.test_tenant_matrix import (
    ROUTES,
    Row,
    Tenant,
    filled,
    make_tenant,
    paths,
    rows,
)
from tests.engines import ScriptedEngine

IN_PATHS = [
    *("0", "-1", "+1", "1.0", "1e3", "0x1", "1_0", " 1", "1 ", "1,2", "true", "null"),
    *("2147483648", "9223372036854775807", "9223372036854775808", "9" * 30, "9" * 5000),
    *("١٢", "１", "²", "1\n", "\n1", "1\0", "\0", "msg_", "msg_msg_1", "MSG_1", "_1"),
    *("'", '"', "1;1", "1 OR 1=1", "%", "*", "🦊", "\ufeff1", "a" * 3000),
]
IN_PATHS_RAW = ["%ff", "%c0%ae", "%ed%a0%80", "%80"]  # no UTF-8
IN_QUERIES = [
    *IN_PATHS,
    *("NaN", "Infinity", "--1", "1e400", "0000-00-00", "2026-02-30", "9999-12-31"),
    *("\u200b", "\u2028", "e\u0301", "ﬀ", "(", "\\", '"a', "NEAR(a b)", "a AND", "a:b"),
]
IN_BODIES = {  # of no meaning in any field, known or not
    "not a number": b"NaN",
    "infinity": b"-Infinity",
    "too large for a float": b"1e400",
    "2^63": b"9223372036854775808",
    "-2^63-1": b"-9223372036854775809",
    "5,000 digits": b"9" * 5000,
    "NUL": b'"a\\u0000"',
    "NUL in a name": b'{"\\u0000":1}',
    "half a surrogate pair": b'"\\ud800"',
    "the other half first": b'"\\udc00\\ud800"',
    "half a pair in a name": b'{"\\udfff":1}',
    "2,000 levels": b"[" * 2000 + b"]" * 2000,
    "70 levels of objects": b'{"a":' * 70 + b"1" + b"}" * 70,
    "a name twice": b'{"a":1,"a":2}',
    "no UTF-8": b'"\xff"',
    "surrogates in UTF-8": b'"\xed\xa0\x80"',
    "a raw line break": b'"a\nb"',
    "a comment": b"1/**/",
    "a comma too many": b"[1,]",
    "another quote": b"'a'",
}
AS_IDS = [
    *(True, False, 0, -1, 1.5, "", " ", "0", "-1", "+1", "1.0", "1e3", "1_000", "true"),
    *("١٢", "１", "1\n", "9223372036854775808", "9" * 5000, "msg_msg_1", "MSG_1"),
    *("🦊", [], [1], {}, {"id": 1}, "'; DROP TABLE conversations_message; --"),
]
IDS = {
    "v2_chat": "conversationId",
    "v2_retry": "messageId",
    "v2_tool_result": "toolCallId",
    "openai_completion": "model",
}
KEYED = {name: row for name, row in ROUTES.items() if row is not None}
POSTED = [name for name, row in KEYED.items() if row.method != "GET"]


@pytest.fixture
def tenant(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    engines = {"scripted": lambda: ScriptedEngine(["ok"])}
    monkeypatch.setattr("agents.engines.ENGINES", engines)
    return make_tenant("odd")


class Caller:
    """Somebody with a key to all of it."""

    def __init__(self, http: httpx.Client, tenant: Tenant, route: str) -> None:
        self.http = http
        self.row: Row = KEYED[route]
        self.route = route
        self.references = tenant.references(tenant.agents[0])
        self.headers = {
            "Authorization": f"Bearer {tenant.keys['workspace']}",
            "Content-Type": "application/json",
        }

    def path(self, **odd: str) -> str:
        path = paths()[self.route]
        for name, value in (self.references | odd).items():
            path = path.replace(f"<{name}>", value)
        return f"/{path}"

    def send(self, address: str, body: bytes | None = None) -> httpx.Response:
        if body is None and self.row.body is not None:
            body = orjson.dumps(self.body())
        response = self.http.request(
            self.row.method, address, headers=self.headers, content=body
        )
        assert response.status_code < 500, address
        if response.status_code >= 400:
            assert response.json()["error"]["message"]
        return response

    def body(self) -> dict[str, Any]:
        whole = filled(self.row.body, self.references)
        assert isinstance(whole, dict)
        return whole


def parameters_in_path() -> Iterator[tuple[str, str]]:
    for route in KEYED:
        for name in ("agent_id", "conversation_id", "message_id", "user_id", "model"):
            if f"<{name}>" in paths()[route]:
                yield route, name


@pytest.mark.parametrize(("route", "name"), list(parameters_in_path()))
def test_what_is_no_id_names_nothing(
    http: httpx.Client, tenant: Tenant, route: str, name: str
) -> None:
    caller = Caller(http, tenant, route)
    before = rows(tenant)
    for odd in [*(quote(one, safe="") for one in IN_PATHS), *IN_PATHS_RAW]:
        answer = caller.send(caller.path(**{name: odd}))
        if name == "user_id":  # any name of the right letters may be somebody's
            assert answer.status_code in (200, 400), odd
            continue
        assert answer.status_code == 404, odd
    assert rows(tenant) == before


def parameters_in_query() -> Iterator[tuple[str, str]]:
    described = orjson.loads(to_json(document()))["paths"]
    for route, row in KEYED.items():
        template = f"/{paths()[route]}".replace("<", "{").replace(">", "}")
        template = template.replace("_id}", "Id}")
        for parameter in described[template][row.method.lower()].get("parameters", ()):
            if parameter["in"] == "query":
                yield route, parameter["name"]


@pytest.mark.parametrize(("route", "name"), list(parameters_in_query()))
def test_an_odd_parameter_is_understood_or_refused(
    http: httpx.Client, tenant: Tenant, route: str, name: str
) -> None:
    caller = Caller(http, tenant, route)
    odd = [quote(one, safe="") for one in IN_QUERIES]
    if name == "wait":  # nobody has the time
        odd = [one for one in odd if not one.isdigit() or int(one[:9]) == 0]
    extra = "" if name == "wait" or "wait" not in KEYED[route].query else "&wait=0"
    for value in [*odd, f"1&{name}=2", ""]:
        answer = caller.send(f"{caller.path()}?{name}={value}{extra}")
        assert answer.status_code in (200, 400), value
        if "%00" in value or "&" in value:
            assert answer.status_code == 400, value


@pytest.mark.parametrize("route", POSTED)
def test_what_no_database_could_hold_is_400_in_any_field(
    http: httpx.Client, tenant: Tenant, route: str
) -> None:
    caller = Caller(http, tenant, route)
    right = orjson.dumps(caller.body())
    before = rows(tenant)
    for what, odd in IN_BODIES.items():
        # Unknown fields are ignored, but only if there is nothing wrong with them.
        body = b'{"unknown":' + odd + (b"," if right != b"{}" else b"") + right[1:]
        assert caller.send(caller.path(), body).status_code == 400, what
    for body in (b"[]", b"null", b"1", b'"x"', b"{", b"\xef\xbb\xbf{}", b"{}{}"):
        assert caller.send(caller.path(), body).status_code == 400, body
    assert rows(tenant) == before


@pytest.mark.parametrize("route", IDS)
def test_what_is_no_id_in_a_body_names_nothing(
    http: httpx.Client, tenant: Tenant, route: str
) -> None:
    caller = Caller(http, tenant, route)
    before = rows(tenant)
    for odd in AS_IDS:
        body = caller.body() | {IDS[route]: odd}
        answer = caller.send(caller.path(), orjson.dumps(body))
        assert answer.status_code in (400, 404), odd
    assert rows(tenant) == before


@pytest.mark.parametrize("route", POSTED)
def test_unknown_fields_are_ignored(
    http: httpx.Client, tenant: Tenant, route: str
) -> None:
    caller = Caller(http, tenant, route)
    body = caller.body() | {"id": "7", "workspaceId": 1, "credits": -5, "": None}
    assert caller.send(caller.path(), orjson.dumps(body)).status_code == 200
