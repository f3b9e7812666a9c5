"""Route, method, key, limit, agent, scope, body: who fails first is told first."""

from typing import Any

import pytest
from django.test import Client

from agents.models import Agent, AgentStatus
from apikeys.models import ApiKey
from tests.api.conftest import error
from workspaces.models import Workspace

pytestmark = [pytest.mark.urls("tests.api.site"), pytest.mark.django_db]


def post(
    client: Client, agent: Any, body: Any = b"{", *, secret: str | None = None
) -> Any:
    """With a body that is wrong, so that only its turn decides what is said."""
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return client.post(
        f"/api/v2/agents/{agent}/notes",
        body,
        content_type="application/json",
        headers=headers,
    )


def test_no_key_comes_before_the_agent(client: Client) -> None:
    assert error(post(client, "no-id")) == (401, "AUTH_MISSING_API_KEY")


def test_the_limit_comes_before_the_agent(client: Client, workspace: Workspace) -> None:
    key, secret = ApiKey.objects.issue(workspace, label="Slow")
    key.rate_limit = 1
    key.save(update_fields=["rate_limit"])
    assert error(post(client, 0, secret=secret)) == (404, "RESOURCE_NOT_FOUND")
    response = post(client, 0, secret=secret)
    assert error(response) == (429, "RATE_LIMIT_TOO_MANY_REQUESTS")
    assert 1 <= int(response.headers["Retry-After"]) <= 10
    assert response.headers["X-RateLimit-Limit"] == "1"
    assert response.headers["X-RateLimit-Remaining"] == "0"


def test_the_agent_comes_before_the_scope(
    client: Client, foreign_agent: Agent, sibling_secret: str
) -> None:
    response = post(client, foreign_agent.pk, secret=sibling_secret)
    assert error(response) == (404, "RESOURCE_NOT_FOUND")


def test_the_scope_comes_before_the_body(
    client: Client, agent: Agent, sibling_secret: str, read_secret: str
) -> None:
    for secret in (sibling_secret, read_secret):
        response = post(client, agent.pk, secret=secret)
        assert error(response) == (403, "AUTH_INSUFFICIENT_PERMISSIONS")


def test_the_body_comes_last(client: Client, agent: Agent, secret: str) -> None:
    response = post(client, agent.pk, secret=secret)
    assert error(response) == (400, "VALIDATION_INVALID_BODY")


def test_a_key_of_one_agent_opens_that_one(
    client: Client, sibling: Agent, sibling_secret: str
) -> None:
    response = post(client, sibling.pk, {"message": "Hi"}, secret=sibling_secret)
    assert response.status_code == 200


def test_a_reader_reads(client: Client, agent: Agent, read_secret: str) -> None:
    headers = {"authorization": f"Bearer {read_secret}"}
    assert (
        client.get(f"/api/v2/agents/{agent.pk}/notes", headers=headers).status_code
        == 200
    )


def test_foreign_missing_and_archived_agents_answer_byte_for_byte_alike(
    api: Client, agent: Agent, foreign_agent: Agent
) -> None:
    agent.status = AgentStatus.ARCHIVED
    agent.save(update_fields=["status"])
    ids = [foreign_agent.pk, 999_999, agent.pk, 0, 2**63 - 1, 2**63, 2**70]
    ids += [
        "9" * 5000,
        "-1",
        "+1",
        "1.0",
        "1e3",
        "true",
        "1_000",
        "١٢",
        "１",
        "1%0a",
        "%00",
    ]
    answers = {api.get(f"/api/v2/agents/{id}/notes").content for id in ids}
    assert len(answers) == 1
    assert b"RESOURCE_NOT_FOUND" in answers.pop()


def test_a_check_of_agent_and_scope_costs_one_query(
    api: Client, agent: Agent, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):  # the key, the agent
        api.get(f"/api/v2/agents/{agent.pk}/notes")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("msg_12", 12), ("12", 12), ("msg_msg_1", None), ("MSG_1", None), ("msg_", None)],
)
def test_ids_of_messages(client: Client, text: str, expected: int | None) -> None:
    response = client.get(f"/api/v2/messages/{text}")
    assert response.json().get("id") == expected
    assert response.status_code == (404 if expected is None else 200)
