"""Every answer under /api/, known path or not, has an id, a limit and an envelope."""

import re
from typing import Any

import pytest
from django.test import Client
from rest_framework.exceptions import ValidationError

from agents.models import Agent
from bookbag.api.errors import InvalidBody, as_api_error
from tests.api.conftest import error
from tests.api.site import SlowView

pytestmark = [pytest.mark.urls("tests.api.site"), pytest.mark.django_db]


def check_headers(response: Any) -> None:
    assert re.fullmatch(r"req_[0-9a-f]{24}", response.headers["x-request-id"])
    limit = int(response.headers["X-RateLimit-Limit"])
    assert 0 <= int(response.headers["X-RateLimit-Remaining"]) < limit
    assert int(response.headers["X-RateLimit-Reset"]) > 1_700_000_000


def test_it_works(api: Client, agent: Agent) -> None:
    response = api.get(f"/api/v2/agents/{agent.pk}/notes")
    assert response.status_code == 200
    assert response.json() == {"data": {"agent": "Support"}}
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Length"] == str(len(response.content))
    check_headers(response)


def test_async_and_streamed_answers_have_them_too(api: Client) -> None:
    check_headers(api.get("/api/v2/async"))
    response = api.get("/api/v2/stream")
    check_headers(response)
    assert response.headers["Cache-Control"] == "no-cache, no-transform"


def test_health_needs_no_key_and_no_database(
    client: Client, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        response = client.get("/api/v2/health")
    assert response.json()["data"] == {"status": "ok"}
    assert response.json()["status"] == "ok"
    assert isinstance(response.json()["timestamp"], int)
    check_headers(response)


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize(
    "path", ["", "nothing", "v2/nothing", "v2/%00", "v2/../admin", "%ff"]
)
def test_unknown_paths_are_404_before_any_key_is_asked_for(
    client: Client, method: str, path: str
) -> None:
    response = getattr(client, method)(f"/api/{path}")
    assert error(response) == (404, "RESOURCE_NOT_FOUND")
    check_headers(response)


@pytest.mark.parametrize("path", ["nothing", "%00", "agents/", "agents/1/nothing"])
def test_unknown_paths_of_v1_are_404_in_its_own_clothes(
    client: Client, path: str
) -> None:
    response = client.get(f"/api/v1/{path}")
    assert response.status_code == 404
    if path.startswith("agents/"):
        error = {
            "code": "not_found",
            "message": "There is nothing at this address. Check the path.",
        }
        assert response.json() == {"success": False, "error": error}
    else:
        assert response.json() == {"message": "Resource not found"}
    check_headers(response)


@pytest.mark.parametrize("method", ["put", "delete", "options", "trace", "patch"])
def test_a_wrong_method_is_405_before_any_key_is_asked_for(
    client: Client, method: str
) -> None:
    response = getattr(client, method)("/api/v2/agents/1/notes")
    assert error(response) == (405, "VALIDATION_INVALID_BODY")
    assert response.headers["Allow"] == "GET, HEAD, POST"
    check_headers(response)


def test_head_is_get_without_the_body(api: Client, agent: Agent) -> None:
    response = api.head(f"/api/v2/agents/{agent.pk}/notes")
    assert (response.status_code, response.content) == (200, b"")


def test_a_clients_own_request_id_is_ignored(client: Client) -> None:
    response = client.get("/api/v2/health", headers={"x-request-id": "req_mine"})
    assert "mine" not in response.headers["x-request-id"]


def test_keyed_routes_send_no_cors_headers(api: Client) -> None:
    response = api.get("/api/v2/async", headers={"origin": "https://evil.example"})
    assert not [name for name in response.headers if name.lower().startswith("access-")]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("", 200),
        ("application/*;q=0.1", 200),
        ("text/html, application/json;q=0.5", 200),
        ("text/html", 406),
        ("application/json;q=0, */*", 406),
    ],
)
def test_accept(api: Client, accept: str, status: int) -> None:
    response = api.get("/api/v2/async", headers={"accept": accept})
    assert response.status_code == status
    if status == 406:
        assert error(response) == (406, "VALIDATION_INVALID_BODY")


def test_a_format_in_the_query_means_nothing(api: Client) -> None:
    assert api.get("/api/v2/async?format=xml").status_code == 200


def test_a_failure_says_nothing_of_our_insides(client: Client, caplog: Any) -> None:
    response = client.get("/api/v2/failing/badly")
    assert error(response) == (500, "INTERNAL_SERVER_ERROR")
    assert b"SELECT" not in response.content
    assert b"/var" not in response.content
    check_headers(response)
    request_id = response.headers["x-request-id"]
    failures = [
        record
        for record in caplog.records
        if record.levelname == "ERROR" and request_id in str(record.msg)
    ]
    assert len(failures) == 1
    assert isinstance(failures[0].msg["exc_info"], RuntimeError)  # with its traceback
    assert failures[0].msg["request_id"] == request_id


def test_a_database_that_is_down_is_503_with_retry_after(client: Client) -> None:
    response = client.get("/api/v2/failing/database")
    assert error(response) == (503, "INTERNAL_SERVER_ERROR")
    assert response.headers["Retry-After"] == "2"
    assert b"SELECT" not in response.content


def test_a_database_that_hangs_is_503_too(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookbag.api.views.DATABASE_DEADLINE", 0.05)
    SlowView.refused.clear()
    response = client.get("/api/v2/slow")
    assert error(response) == (503, "INTERNAL_SERVER_ERROR")
    assert response.headers["Retry-After"] == "2"


def test_a_bad_host_is_400_in_the_envelope(client: Client) -> None:
    response = client.get("/api/v2/health", headers={"host": "evil.example"})
    assert error(response) == (400, "VALIDATION_INVALID_BODY")
    check_headers(response)


def test_pages_outside_of_api_keep_their_own_errors(client: Client) -> None:
    response = client.get("/nothing")
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")
    assert "X-RateLimit-Limit" not in response.headers
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["nothing", "v2/agents/1/notes", "v2/failing/badly"])
def test_what_fails_counts_too(client: Client, path: str, settings: Any) -> None:
    settings.RATE_LIMIT_WINDOW = 3600
    left = [
        int(client.get(f"/api/{path}").headers["X-RateLimit-Remaining"])
        for _ in range(3)
    ]
    assert left == [99, 98, 97]


def test_details_name_fields_however_deep() -> None:
    problem = ValidationError(
        {
            "stream": ["Must be true or false."],
            "users": [{}, {"email": ["Too long.", "Not an address."]}],
            "non_field_errors": ["Too much."],
        }
    )
    error = as_api_error(problem)
    assert error.status_code == 400
    assert error.details == {
        "stream": "Must be true or false.",
        "users.1.email": "Too long. Not an address.",
    }
    assert error.message.endswith("; Too much.")
    assert InvalidBody(problem.detail).details == error.details
