"""API v1: agents as Chatbase's clients make, list, change and delete them."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from agents.models import Agent, AgentStatus
from apikeys.models import Access, ApiKey
from knowledge.models import MAX_CHARACTERS, Source, SourceStatus
from tests.api.openapi import check_response
from tests.conftest import make_workspace
from workspaces.models import Workspace

API = "/api/v1/"


@pytest.fixture
def secret(workspace: Workspace) -> str:
    return ApiKey.objects.issue(workspace, label="K")[1]


def call(
    secret: str | None, method: str, path: str, body: Any = None, **headers: str
) -> Any:
    if secret:
        headers["authorization"] = f"Bearer {secret}"
    response = Client(headers=headers).generic(
        method,
        API + path,
        b"" if body is None else _json(body),
        content_type="application/json",
    )
    check_response(response, method, API + path)
    return response


def _json(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def said(response: Any, status: int = 200) -> Any:
    assert response.status_code == status, response.content
    return response.json()


def issues(response: Any) -> dict[str, str]:
    body = said(response, 400)
    assert body["message"] == "Invalid request data"
    return {issue["field"]: issue["message"] for issue in body["issues"]}


NOT_FOUND = {"message": "Resource not found"}


# --- Made -----------------------------------------------------------------------------


def test_a_chatbot_is_made_of_a_text_and_of_pages(
    workspace: Workspace, secret: str
) -> None:
    body = {
        "chatbotName": " Parcel help ",
        "sourceText": "# Shipping\n\nTwo days. 🦊",
        "urlsToScrape": ["https://example.com/faq", "http://example.org"],
        "anythingElse": {"of": ["no", "importance"]},
    }
    answer = said(call(secret, "POST", "create-chatbot", body))
    agent = Agent.objects.for_workspace(workspace).get()
    assert answer == {"chatbotId": str(agent.pk)}
    assert (agent.name, agent.status) == ("Parcel help", AgentStatus.ACTIVE)
    text, *pages = agent.sources.order_by("id")
    assert (text.kind, text.content) == ("text", "# Shipping\n\nTwo days. 🦊")
    assert [page.url for page in pages] == body["urlsToScrape"]
    assert {one.workspace_id for one in [text, *pages]} == {workspace.pk}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"sourceText": None, "urlsToScrape": None},
        {"sourceText": "", "urlsToScrape": []},
        {"sourceText": " \n\u200b"},
    ],
)
def test_a_name_is_enough(secret: str, more: dict[str, Any]) -> None:
    said(call(secret, "POST", "create-chatbot", {"chatbotName": "Bot", **more}))
    assert Agent.objects.get().name == "Bot"
    assert not Source.objects.exists()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"chatbotName"}),
        ({"chatbotName": "No"}, {"chatbotName"}),
        ({"chatbotName": "N  "}, {"chatbotName"}),
        ({"chatbotName": "x" * 121}, {"chatbotName"}),
        ({"chatbotName": None}, {"chatbotName"}),
        ({"chatbotName": 123}, {"chatbotName"}),
        ({"chatbotName": ["Bot"]}, {"chatbotName"}),
        ({"chatbotName": "Bot", "sourceText": 5}, {"sourceText"}),
        (
            {"chatbotName": "Bot", "sourceText": "x" * (MAX_CHARACTERS + 1)},
            {"sourceText"},
        ),
        ({"chatbotName": "Bot", "urlsToScrape": "https://a.com"}, {"urlsToScrape"}),
        ({"chatbotName": "Bot", "urlsToScrape": {}}, {"urlsToScrape"}),
        (
            {"chatbotName": "Bot", "urlsToScrape": ["https://example.com"] * 101},
            {"urlsToScrape"},
        ),
        (
            {"chatbotName": "Bot", "urlsToScrape": ["https://a.example", 5, None]},
            {"urlsToScrape.1", "urlsToScrape.2"},
        ),
    ],
)
def test_nothing_is_made_of_a_wrong_body(
    secret: str, body: dict[str, Any], fields: set[str]
) -> None:
    assert set(issues(call(secret, "POST", "create-chatbot", body))) == fields
    assert not Agent.objects.exists()


def test_nothing_is_made_where_a_page_may_not_be_read(secret: str) -> None:
    body = {
        "chatbotName": "Bot",
        "sourceText": "Two days.",
        "urlsToScrape": [
            "https://example.com",
            "http://127.0.0.1/",
            "https://example.com/more",
            "file:///etc/passwd",
            "http://[::ffff:169.254.169.254]/latest",
        ],
    }
    why = issues(call(secret, "POST", "create-chatbot", body))
    assert set(why) == {"urlsToScrape.1", "urlsToScrape.3", "urlsToScrape.4"}
    assert all(sentence.endswith(".") for sentence in why.values())
    assert not Agent.objects.exists()
    assert not Source.objects.exists()


def test_the_largest_text_that_may_be(secret: str) -> None:
    body = {"chatbotName": "Bot", "sourceText": "x" * MAX_CHARACTERS}
    said(call(secret, "POST", "create-chatbot", body))
    assert len(Source.objects.get().content) == MAX_CHARACTERS


def test_a_key_of_one_agent_makes_none(workspace: Workspace, agent: Agent) -> None:
    _, secret = ApiKey.objects.issue(workspace, label="One", agent=agent)
    answer = call(secret, "POST", "create-chatbot", {"chatbotName": "Bot"})
    assert "belongs to one agent" in said(answer, 403)["message"]
    assert Agent.objects.count() == 1


def test_made_once_however_often_it_is_sent(secret: str) -> None:
    body = {"chatbotName": "Bot", "sourceText": "Two days."}
    key = {"idempotency-key": "one"}
    first = said(call(secret, "POST", "create-chatbot", body, **key))
    assert said(call(secret, "POST", "create-chatbot", body, **key)) == first
    assert Agent.objects.count() == Source.objects.count() == 1


# --- Listed ---------------------------------------------------------------------------


def chatbots(secret: str) -> list[dict[str, Any]]:
    return said(call(secret, "GET", "get-chatbots"))["chatbots"]


def test_a_chatbot_is_listed(workspace: Workspace, secret: str) -> None:
    assert chatbots(secret) == []
    agent = Agent.objects.create(
        workspace=workspace, name="Support", instructions="Be kind."
    )
    (listed,) = chatbots(secret)
    for field in ("created_at", "updated_at"):
        moment = getattr(agent, field).isoformat(timespec="milliseconds")
        assert listed.pop(field) == moment.replace("+00:00", "Z")
    assert listed == {
        "id": str(agent.pk),
        "chatbotId": str(agent.pk),
        "name": "Support",
        "chatbotName": "Support",
        "status": "ready",
        "model": "embedded",
        "instructions": "Be kind.",
        "visibility": "public",
    }


def test_each_key_sees_its_own(workspace: Workspace, secret: str) -> None:
    names = ["B", "A", "C"]
    agents = [Agent.objects.create(workspace=workspace, name=n) for n in names]
    Agent.objects.create(workspace=make_workspace("Elsewhere"), name="Theirs")
    Agent.objects.create(workspace=workspace, name="Gone", status=AgentStatus.ARCHIVED)
    draft = Agent.objects.create(
        workspace=workspace, name="Draft", status=AgentStatus.DRAFT
    )
    _, one = ApiKey.objects.issue(workspace, label="One", agent=agents[1])
    _, reader = ApiKey.objects.issue(workspace, label="R", access=Access.READ)
    assert [bot["name"] for bot in chatbots(secret)] == [*names, "Draft"]
    assert chatbots(reader) == chatbots(secret)
    assert [bot["id"] for bot in chatbots(one)] == [str(agents[1].pk)]
    assert chatbots(secret)[-1]["visibility"] == "private"
    assert chatbots(secret)[-1]["id"] == str(draft.pk)


def test_its_status_says_whether_it_has_learned(agent: Agent, secret: str) -> None:
    def status(*sources: str) -> str:
        Source.objects.all().delete()
        for number, one in enumerate(sources):
            Source.objects.create(
                workspace=agent.workspace,
                agent=agent,
                kind="text",
                title=str(number),
                content="x",
                status=one,
            )
        return chatbots(secret)[0]["status"]

    ready, failed = SourceStatus.READY, SourceStatus.FAILED
    assert status() == status(ready) == "ready"
    assert status(ready, failed) == "failed"
    assert status(failed, SourceStatus.QUEUED) == "training"
    assert status(SourceStatus.INDEXING) == "training"


def test_a_list_costs_the_same_however_long_it_is(
    workspace: Workspace, secret: str, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        Agent.objects.create(workspace=workspace, name=str(number))
    with django_assert_max_num_queries(3):
        assert len(chatbots(secret)) == 30


# --- Changed and deleted --------------------------------------------------------------


def test_its_text_is_replaced(workspace: Workspace, secret: str) -> None:
    made = {"chatbotName": "Bot", "sourceText": "Old.", "urlsToScrape": ["http://a.de"]}
    bot = said(call(secret, "POST", "create-chatbot", made))["chatbotId"]
    for number, text in enumerate(["New.", "Newer."]):
        body = {"chatbotId": bot, "chatbotName": f"Bot {number}", "sourceText": text}
        answer = said(call(secret, "POST", "update-chatbot-data", body))
        assert answer == {"chatbotId": bot}
        agent = Agent.objects.get()
        assert agent.name == f"Bot {number}"
        contents = agent.sources.filter(kind="text").values_list("content", flat=True)
        assert list(contents) == [text]
        assert agent.sources.count() == 2


def test_an_agent_without_a_text_gets_one(agent: Agent, secret: str) -> None:
    body = {"chatbotId": agent.pk, "chatbotName": "Bot", "sourceText": "New."}
    said(call(secret, "POST", "update-chatbot-data", body))
    assert agent.sources.get().content == "New."


def test_without_a_text_it_is_only_renamed(agent: Agent, secret: str) -> None:
    before = agent.updated_at
    for more in ({}, {"sourceText": None}):
        body = {"chatbotId": str(agent.pk), "chatbotName": "AI", **more}
        said(call(secret, "POST", "update-chatbot-data", body))
    agent.refresh_from_db()
    assert agent.name == "AI"
    assert agent.updated_at > before
    assert not agent.sources.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "chatbotName"),
        ({"chatbotName": " "}, "chatbotName"),
        ({"chatbotName": "Bot", "sourceText": ""}, "sourceText"),
        ({"chatbotName": "Bot", "sourceText": "\n \u200b"}, "sourceText"),
        ({"chatbotName": "Bot", "sourceText": ["x"]}, "sourceText"),
        (
            {"chatbotName": "Bot", "sourceText": "x" * (MAX_CHARACTERS + 1)},
            "sourceText",
        ),
    ],
)
def test_a_wrong_body_changes_nothing(
    agent: Agent, secret: str, body: dict[str, Any], field: str
) -> None:
    body = {"chatbotId": agent.pk, **body}
    assert list(issues(call(secret, "POST", "update-chatbot-data", body))) == [field]
    agent.refresh_from_db()
    assert agent.name == "Support"
    assert not agent.sources.exists()


def test_a_deleted_chatbot_is_gone_for_everybody(agent: Agent, secret: str) -> None:
    path = f"delete-chatbot?chatbotId={agent.pk}"
    assert said(call(secret, "DELETE", path)) == {"message": "Deleted successfully"}
    agent.refresh_from_db()
    assert agent.status == AgentStatus.ARCHIVED
    assert chatbots(secret) == []
    assert said(call(secret, "DELETE", path), 404) == NOT_FOUND


def test_a_body_may_say_what_is_to_be_deleted(agent: Agent, secret: str) -> None:
    answer = call(secret, "DELETE", "delete-chatbot", {"chatbotId": agent.pk})
    assert said(answer) == {"message": "Deleted successfully"}


@pytest.mark.parametrize(
    "path", ["delete-chatbot", "delete-chatbot-icon", "delete-chatbot-profile-picture"]
)
def test_what_is_to_be_deleted_has_to_be_said_once(
    agent: Agent, secret: str, path: str
) -> None:
    for query in ("", "?chatbotId=", "?chatbotid=1"):
        assert list(issues(call(secret, "DELETE", path + query))) == ["chatbotId"]
    for body in ({}, {"chatbotId": None}, {"chatbotId": True}, {"chatbotId": [1]}):
        answer = call(secret, "DELETE", path, body)
        assert list(issues(answer)) == ["chatbotId"], body
    twice = f"{path}?chatbotId={agent.pk}&chatbotId={agent.pk}"
    assert list(issues(call(secret, "DELETE", twice))) == ["chatbotId"]
    agent.refresh_from_db()
    assert agent.status == AgentStatus.ACTIVE


# --- Who may --------------------------------------------------------------------------

NAMED = [
    ("POST", "update-chatbot-data"),
    ("POST", "update-chatbot-settings"),
    ("DELETE", "delete-chatbot"),
    ("DELETE", "delete-chatbot-icon"),
    ("DELETE", "delete-chatbot-profile-picture"),
]
MISSING = ["2" * 18, "0", "-1", "x", "1_0", "٣", "9" * 19, "1" * 5000, "1\n", " 1"]


def about(secret: str | None, method: str, path: str, agent_id: Any) -> Any:
    """A request that changes the agent, where it is there and the key may."""
    if method == "DELETE" and isinstance(agent_id, str):
        return call(secret, method, f"{path}?chatbotId={quote(agent_id)}")
    return call(
        secret, method, path, {"chatbotId": agent_id, "chatbotName": "x", "name": "x"}
    )


@pytest.mark.parametrize(("method", "path"), NAMED)
def test_foreign_archived_missing_and_siblings_are_the_same(
    workspace: Workspace, agent: Agent, secret: str, method: str, path: str
) -> None:
    foreign = Agent.objects.create(workspace=make_workspace("Other"), name="Foreign")
    archived = Agent.objects.create(
        workspace=workspace, name="Archived", status=AgentStatus.ARCHIVED
    )
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    _, one = ApiKey.objects.issue(workspace, label="One", agent=agent)
    _, reader = ApiKey.objects.issue(workspace, label="R", access=Access.READ)
    answers = [about(one, method, path, str(sibling.pk))]
    answers += [
        about(key, method, path, agent_id)
        for key in (secret, reader)
        for agent_id in [str(foreign.pk), str(archived.pk), *MISSING]
    ]
    assert {said(one, 404)["message"] for one in answers} == {"Resource not found"}
    assert len({one.content for one in answers}) == 1
    for row in (foreign, sibling, archived):
        before = (row.name, row.status)
        row.refresh_from_db()
        assert (row.name, row.status) == before


@pytest.mark.parametrize(("method", "path"), NAMED)
def test_a_read_key_changes_nothing(
    workspace: Workspace, agent: Agent, method: str, path: str
) -> None:
    _, reader = ApiKey.objects.issue(workspace, label="R", access=Access.READ)
    answer = about(reader, method, path, str(agent.pk))
    assert said(answer, 403) == {"message": "This API key may only read."}
    answer = call(reader, "POST", "create-chatbot", {"chatbotName": "Bot"})
    assert said(answer, 403) == {"message": "This API key may only read."}
    agent.refresh_from_db()
    assert (agent.name, agent.status) == ("Support", AgentStatus.ACTIVE)


@pytest.mark.parametrize(("method", "path"), NAMED)
def test_without_a_key_nothing(agent: Agent, method: str, path: str) -> None:
    answer = about(None, method, path, str(agent.pk))
    assert said(answer, 401) == {"message": "No API key provided."}
    answer = about("oc_live_x", method, path, str(agent.pk))
    assert said(answer, 401) == {"message": "Invalid API key."}


@pytest.mark.parametrize(("method", "path"), NAMED[:2])
def test_the_agent_is_looked_for_before_the_rest_of_the_body(
    secret: str, method: str, path: str
) -> None:
    body = {"chatbotId": "7" * 12, "chatbotName": 5, "name": [], "sourceText": 5}
    assert said(call(secret, method, path, body), 404) == NOT_FOUND
    for wrong in (None, True, 1.5, [], {}, ""):
        answer = call(secret, method, path, {**body, "chatbotId": wrong})
        assert list(issues(answer)) == ["chatbotId"], wrong


def test_other_methods_are_405(secret: str) -> None:
    for method, path in [("GET", "create-chatbot"), ("POST", "get-chatbots"), NAMED[0]]:
        other = {"POST": "PUT", "GET": "PATCH"}.get(method, "GET")
        response = Client(headers={"authorization": f"Bearer {secret}"}).generic(
            other, API + path
        )
        assert set(said(response, 405)) == {"message"}
