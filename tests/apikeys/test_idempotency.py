"""`Idempotency-Key`: a POST that is sent again is not done again. Here endpoints that
answer in one piece; tests/faults/test_idempotency_races.py has replies and races."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import Client
from django.urls import include, path
from rest_framework.response import Response

from agents.access import agent_for
from agents.models import Agent
from apikeys import idempotency
from apikeys.idempotency import AlreadyClaimed, Claim
from apikeys.models import ApiKey, IdempotencyKey
from apikeys.permissions import check_may_write
from bookbag.api.errors import (
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    InvalidBody,
    NotFound,
)
from bookbag.api.idempotency import name_of
from bookbag.api.views import ApiView
from tests.api.conftest import error
from workspaces.models import Workspace


class CopyView(ApiView):
    """Makes an agent of the name in the body, and answers with its id."""

    def post(self, request: Any, agent_id: str) -> Response:
        agent = agent_for(request.auth, agent_id)
        check_may_write(request.auth)
        name = request.data["name"] if request.body else "Copy"
        copy = Agent.objects.create(workspace=agent.workspace, name=name)
        if name == "refused":
            raise NotFound("After the write.")
        if name == "broken":
            raise RuntimeError("After the write.")
        return Response({"data": {"id": copy.pk}}, status=201)

    put = post


urlpatterns = [
    path("api/v2/agents/<agent_id>/copies", CopyView.as_view()),
    path("api/v1/agents/<agent_id>/copies", CopyView.as_view()),
    path("api/", include("bookbag.api.urls")),
]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

Post = Callable[..., Any]
Count = Callable[[], int]


@pytest.fixture
def copies(workspace: Workspace) -> Count:
    """How many there are by now."""
    return Agent.objects.for_workspace(workspace).exclude(name="Support").count


@pytest.fixture
def kept(workspace: Workspace) -> Count:
    """How many names there are by now."""
    return IdempotencyKey.objects.for_workspace(workspace).count


@pytest.fixture
def post(client: Client, agent: Agent, api_key: tuple[ApiKey, str]) -> Post:
    """Sends a copy order; `key` is the Idempotency-Key."""

    def post(body: Any = None, *, key: str | None = "k", **options: Any) -> Any:
        secret = options.pop("secret", api_key[1])
        target = options.pop("path", f"/api/v2/agents/{agent.pk}/copies")
        headers = {"authorization": f"Bearer {secret}"}
        headers |= {} if key is None else {"idempotency-key": key}
        return getattr(client, options.pop("method", "post"))(
            target,
            {"name": "Copy"} if body is None else body,
            content_type=options.pop("content_type", "application/json"),
            headers=headers,
        )

    return post


# --- The same request -------------------------------------------------------------


def test_a_post_sent_again_is_not_done_again_and_answers_alike(
    post: Post, copies: Count
) -> None:
    first, second, third = post(), post(), post()
    assert first.status_code == second.status_code == third.status_code == 201
    assert first.content == second.content == third.content
    assert copies() == 1
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    for name in ("Content-Type", "Content-Length", "Cache-Control"):
        assert first.headers[name] == second.headers[name]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_without_the_header_every_post_is_done_and_nothing_is_kept(
    post: Post, copies: Count, kept: Count
) -> None:
    assert post(key=None).content != post(key=None).content
    assert copies() == 2
    assert kept() == 0


def test_another_name_is_another_request(post: Post, copies: Count) -> None:
    assert post(key="a").content != post(key="A").content
    assert copies() == 2


def test_a_replay_counts_against_the_limit_like_any_request(post: Post) -> None:
    first, second = post(), post()
    left = "X-RateLimit-Remaining"
    assert int(second.headers[left]) == int(first.headers[left]) - 1


def test_only_the_value_of_a_json_body_counts(post: Post, copies: Count) -> None:
    one = post(b'{"name": "Copy", "more": [1, {"a": null, "b": "\\u00e9"}]}')
    other = post('{"more":[1,{"b":"é","a":null}],\n"name":"Copy"}'.encode())
    assert other.content == one.content
    assert copies() == 1


def test_a_post_without_a_body(post: Post, copies: Count) -> None:
    assert post(b"").content == post(b"").content
    assert error(post(b" ")) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert copies() == 1


# --- Another one --------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "Other"}',
        b'{"name": "Copy", "more": null}',
        b'{"name": "Copy", "name": "Copy"}',
        b'{"name": "Copy"',
        b"",
        b"\x00\xff",
        b'{"n":' * 2_000,
    ],
)
def test_another_body_under_the_same_name_is_422(
    post: Post, body: bytes, copies: Count
) -> None:
    post()
    assert error(post(body)) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert copies() == 1


@pytest.mark.parametrize(
    ("one", "other"), [("1", "true"), ("1", "1.0"), ('"1"', "1"), ("0", "false")]
)
def test_values_that_python_takes_for_equal_are_not(
    post: Post, one: str, other: str
) -> None:
    post(f'{{"name": "Copy", "n": {one}}}')
    again = post(f'{{"name": "Copy", "n": {other}}}')
    assert error(again) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_another_route_under_the_same_name_is_422(
    post: Post, workspace: Workspace, agent: Agent, copies: Count
) -> None:
    post()
    sibling = Agent.objects.create(workspace=workspace, name="Support")
    for target in (
        f"/api/v2/agents/{sibling.pk}/copies",
        f"/api/v2/agents/{agent.pk}/copies?protocol=ui-message",
    ):
        assert error(post(path=target)) == (422, "IDEMPOTENCY_KEY_REUSED")
    in_v1 = post(path=f"/api/v1/agents/{agent.pk}/copies")
    assert (in_v1.status_code, in_v1.json()["success"]) == (422, False)
    assert copies() == 1


def test_another_api_key_has_names_of_its_own(
    post: Post, workspace: Workspace, copies: Count
) -> None:
    _, other = ApiKey.objects.issue(workspace, label="Other")
    assert post().content != post(secret=other).content
    assert copies() == 2


def test_a_rotated_api_key_is_another(post: Post, api_key: tuple[ApiKey, str]) -> None:
    _, successor = api_key[0].rotate(grace=timedelta(hours=1), by=None)
    assert post().content != post(secret=successor).content


def test_only_posts_are_kept(post: Post, kept: Count) -> None:
    assert post(method="put").content != post(method="put").content
    assert kept() == 0


# --- What was refused ---------------------------------------------------------------


@pytest.mark.parametrize(("name", "status"), [("refused", 404), ("broken", 500)])
def test_what_failed_leaves_nothing_and_may_be_sent_again(
    post: Post, name: str, status: int, copies: Count, kept: Count
) -> None:
    assert post({"name": name}).status_code == status
    assert copies() == 0
    assert kept() == 0
    assert post({"name": "Corrected"}).status_code == 201


def test_a_key_that_may_only_read_claims_nothing(
    post: Post, workspace: Workspace, kept: Count
) -> None:
    _, reader = ApiKey.objects.issue(workspace, label="Reader", access="read")
    for _ in range(2):
        assert error(post(secret=reader)) == (403, "AUTH_INSUFFICIENT_PERMISSIONS")
    assert kept() == 0


def test_foreign_and_missing_agents_answer_alike_with_the_header_too(
    post: Post, outsider: Any, kept: Count
) -> None:
    elsewhere = outsider.memberships.get().workspace
    foreign = Agent.objects.create(workspace=elsewhere, name="Support")
    ids = (foreign.pk, 2**40, 2**63, "١٢", "%00")
    answers = {
        post(key=key, path=f"/api/v2/agents/{id}/copies").content
        for id in ids
        for key in ("a", "b")
    }
    assert len(answers) == 1
    assert kept() == 0


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "é", "a\tb", "\x7f", "\ud800"])
def test_a_name_is_1_to_255_printable_ascii_characters(
    post: Post, key: str, copies: Count
) -> None:
    response = post(key=key)
    assert error(response) == (400, "VALIDATION_INVALID_BODY")
    assert set(response.json()["error"]["details"]) == {"Idempotency-Key"}
    assert copies() == 0


@pytest.mark.parametrize("key", ["x" * 255, '"a b"', "~", "'; DROP TABLE --", "%00"])
def test_any_other_name_will_do(post: Post, key: str, copies: Count) -> None:
    assert post(key=key).content == post(key=f" {key} ").content
    assert copies() == 1


def test_two_headers_are_refused() -> None:
    header = (b"idempotency-key", b"k")
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [header]}
    assert name_of(ASGIRequest(scope, BytesIO())) == "k"
    with pytest.raises(InvalidBody):
        name_of(ASGIRequest({**scope, "headers": [header, header]}, BytesIO()))


# --- A day --------------------------------------------------------------------------


def age(workspace: Workspace, **by: float) -> None:
    for row in IdempotencyKey.objects.for_workspace(workspace):
        row.created_at -= timedelta(**by)
        row.save(update_fields=["created_at"])


def test_a_name_is_kept_for_24_hours_and_then_free(
    post: Post, workspace: Workspace, kept: Count
) -> None:
    first = post()
    age(workspace, hours=23, minutes=59)
    assert post().content == first.content
    age(workspace, minutes=2)
    second = post({"name": "Another"})  # no 422 either
    assert second.status_code == 201
    assert post({"name": "Another"}).content == second.content
    assert kept() == 1


def test_what_is_older_than_a_day_is_deleted(
    post: Post, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "BATCH", 2)
    for number in range(5):
        post(key=str(number))
    assert idempotency.forget() == 0
    age(workspace, hours=25)
    post(key="new")
    assert idempotency.forget() == 5
    ours = IdempotencyKey.objects.for_workspace(workspace)
    assert ours.get().name == "new"


# --- Claims -------------------------------------------------------------------------


@pytest.fixture
def claim(api_key: tuple[ApiKey, str]) -> Claim:
    return Claim(key=api_key[0], name="n", route="POST /chat", digest=b"d" * 32)


def test_a_claim_stands_for_its_turn(claim: Claim) -> None:
    assert claim.find() is None
    claim.reserve()
    claim.bind(conversation_id=5, message_id=12, user_message_id=11)
    found = claim.find()
    assert found is not None
    ids = (found.conversation_id, found.message_id, found.user_message_id)
    assert ids == (5, 12, 11)
    with pytest.raises(AlreadyClaimed):
        claim.reserve()


def test_a_claim_that_led_to_nothing_yet_is_in_use_until_its_maker_is_gone(
    claim: Claim,
) -> None:
    claim.reserve()
    with pytest.raises(IdempotencyKeyInUse):
        claim.find()
    age(claim.key.workspace, minutes=6)
    assert claim.find() is None
    claim.reserve()
    claim.release()
    assert claim.find() is None


def test_a_claim_is_not_released_once_it_stands_for_something(claim: Claim) -> None:
    claim.reserve()
    claim.bind(conversation_id=5, message_id=None, user_message_id=11)
    claim.release()
    assert claim.find() is not None


def test_a_claim_for_something_else(claim: Claim) -> None:
    claim.reserve()
    other = Claim(key=claim.key, name=claim.name, route=claim.route, digest=b"o" * 32)
    with pytest.raises(IdempotencyKeyReused):
        other.find()


def test_nothing_is_bound_that_was_not_reserved(claim: Claim) -> None:
    with pytest.raises(RuntimeError):
        claim.bind(conversation_id=5, message_id=12, user_message_id=11)


def test_looking_costs_one_query(claim: Claim, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        claim.find()
