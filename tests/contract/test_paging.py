"""Pages, the same on every list: `limit`, `cursor` and `pagination`."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from agents.models import Agent
from apikeys.models import ApiKey
from conversations.models import Conversation, Message
from tests.api.openapi import check_response
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db

MANY = 120  # more than the longest page
LISTS = {
    "agents": "agents",
    "conversations": "agents/{agent}/conversations",
    "one user's": "agents/{agent}/users/ann/conversations",
    "filtered": "agents/{agent}/conversations?status=ongoing",
    "found": "agents/{agent}/conversations?q=hello",
    "a conversation": "agents/{agent}/conversations/{conversation}",
    "messages": "agents/{agent}/conversations/{conversation}/messages",
}
# Two ways to ask for the same list: the messages begin in their conversation.
SAME = {"a conversation", "messages"}


class Lists:
    """An agent with enough of everything for several pages."""

    def __init__(self, workspace: Workspace, agent: Agent) -> None:
        ids = {"workspace": workspace, "agent": agent, "end_user": "ann"}
        talks = Conversation.objects.bulk_create(
            Conversation(**ids) for _ in range(MANY)
        )
        Message.objects.bulk_create(
            Message(workspace=workspace, conversation=one, role="user", text="hello")
            for one in [*talks, *[talks[0]] * (MANY - 1)]
        )
        Agent.objects.bulk_create(
            Agent(workspace=workspace, name=str(n)) for n in range(MANY - 1)
        )
        self.ids = {"agent": agent.pk, "conversation": talks[0].pk}
        _, secret = ApiKey.objects.issue(workspace, label="K", rate_limit=1_000_000)
        self.client = Client(headers={"authorization": f"Bearer {secret}"})

    def get(self, name: str, **query: Any) -> Any:
        path, _, own = LISTS[name].partition("?")
        address = f"/api/v2/{path.format(**self.ids)}"
        filters = dict(one.split("=") for one in own.split("&") if one)
        response = self.client.get(address, filters | query)
        check_response(response, "GET", address)
        return response

    def page(self, name: str, **query: Any) -> tuple[list[str], dict[str, Any]]:
        """The ids on the page, the newest first, and its `pagination`."""
        response = self.get(name, **query)
        assert response.status_code == 200, response.content
        body = response.json()
        rows = body["data"]
        if name == "a conversation":
            rows = rows["messages"]
        ids = [str(row["id"]) for row in rows]
        return ids[::-1] if name in SAME else ids, body["pagination"]

    def pages(self, name: str, **query: Any) -> Iterator[list[str]]:
        while True:
            ids, pagination = self.page(name, **query)
            assert set(pagination) == {"cursor", "hasMore", "total"}
            assert pagination["total"] == MANY
            assert (pagination["cursor"] is None) == (not pagination["hasMore"])
            yield ids
            if not pagination["hasMore"]:
                return
            query["cursor"] = pagination["cursor"]


@pytest.fixture
def lists(workspace: Workspace, agent: Agent) -> Lists:
    return Lists(workspace, agent)


@pytest.mark.parametrize("name", LISTS)
def test_a_page_has_20_rows_if_nobody_says_how_many(lists: Lists, name: str) -> None:
    assert len(lists.page(name)[0]) == 20


@pytest.mark.parametrize("name", LISTS)
def test_a_limit_is_clamped_outside_of_1_to_100(lists: Lists, name: str) -> None:
    for limit, rows in {"1": 1, "100": 100, "0": 1, "-7": 1, "101": 100}.items():
        assert len(lists.page(name, limit=limit)[0]) == rows, limit
    assert len(lists.page(name, limit="9" * 5000)[0]) == 100


@pytest.mark.parametrize("name", LISTS)
def test_a_limit_that_is_no_integer_is_400(lists: Lists, name: str) -> None:
    for limit in ("", "x", "1.0", "1e1", "١٢", "1_0", " 1", "1\n", "1\0"):
        response = lists.get(name, limit=limit)
        assert response.status_code == 400, limit
        assert set(response.json()["error"]["details"]) == {"limit"}


@pytest.mark.parametrize("name", LISTS)
def test_the_cursor_is_null_exactly_when_there_is_no_more_and_total_counts_all(
    lists: Lists, name: str
) -> None:
    pages = list(lists.pages(name, limit=50))
    assert [len(page) for page in pages] == [50, 50, 20]
    seen = [one for page in pages for one in page]
    assert len(set(seen)) == MANY, "none twice, none left out"


@pytest.mark.parametrize("name", LISTS)
def test_a_page_may_be_longer_than_the_one_before(lists: Lists, name: str) -> None:
    whole, _ = lists.page(name, limit=100)
    first, pagination = lists.page(name, limit=3)
    second, _ = lists.page(name, limit=97, cursor=pagination["cursor"])
    assert first + second == whole


@pytest.mark.parametrize("name", LISTS)
def test_a_cursor_of_another_list_is_400(lists: Lists, name: str) -> None:
    _, pagination = lists.page(name, limit=1)
    for other in LISTS:
        response = lists.get(other, cursor=pagination["cursor"])
        fits = other == name or {name, other} == SAME
        assert response.status_code == (200 if fits else 400), other
        if not fits:
            assert set(response.json()["error"]["details"]) == {"cursor"}


def test_the_messages_go_on_where_the_conversation_ended(lists: Lists) -> None:
    first, pagination = lists.page("a conversation", limit=30)
    second, _ = lists.page("messages", limit=30, cursor=pagination["cursor"])
    assert first + second == lists.page("messages", limit=60)[0]
