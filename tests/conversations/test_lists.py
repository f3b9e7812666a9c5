"""What was said, as API v2 gives it to read."""

import datetime as dt
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from apikeys.models import Access, ApiKey
from conversations.api.reading import Filters
from conversations.models import (
    Channel,
    Conversation,
    Message,
    ReplyStatus,
    ToolCall,
)
from tests.api.openapi import check_response
from tests.conftest import make_user, make_workspace
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
Get = Callable[..., Any]


def client(workspace: Workspace, **scope: Any) -> Client:
    _, secret = ApiKey.objects.issue(
        workspace, label="Tests", rate_limit=10_000, **scope
    )
    return Client(headers={"authorization": f"Bearer {secret}"})


@pytest.fixture
def get(workspace: Workspace, agent: Agent) -> Get:
    """GET below the agent; every answer is held against the OpenAPI document."""
    caller = client(workspace)

    def get(path: str, agent_id: object = agent.pk, **query: object) -> Any:
        parameters = "&".join(f"{n}={quote(str(v))}" for n, v in query.items())
        joint = "&" if "?" in path else "?"
        address = f"/api/v2/agents/{agent_id}/{path}{joint}{parameters}"
        response = caller.get(address)
        check_response(response, "GET", address)
        return response

    return get


def talk(agent: Agent, **fields: Any) -> Conversation:
    return Conversation.objects.create(
        workspace_id=agent.workspace_id, agent=agent, **fields
    )


def say(
    conversation: Conversation, text: str, role: str = "user", **more: Any
) -> Message:
    return Message.objects.create(
        workspace_id=conversation.workspace_id,
        conversation=conversation,
        role=role,
        text=text,
        **({"finish_reason": "stop"} if role == "assistant" else {}) | more,
    )


def ids(response: Any) -> list[int]:
    assert response.status_code == 200, response.content
    return [int(one["id"].removeprefix("msg_")) for one in response.json()["data"]]


def refusal(response: Any, *fields: str) -> tuple[int, str]:
    error = response.json()["error"]
    assert set(error.get("details", ())) == set(fields)
    return response.status_code, error["code"]


INVALID = (400, "VALIDATION_INVALID_BODY")
NOT_FOUND = (404, "RESOURCE_NOT_FOUND")


# --- The list -----------------------------------------------------------------------


def test_conversations_are_listed(get: Get, agent: Agent) -> None:
    later = NOON + dt.timedelta(minutes=6)
    one = talk(
        agent, title="Parcels", end_user="u-7", created_at=NOON, updated_at=later
    )
    assert get("conversations").json() == {
        "data": [
            {
                "id": str(one.pk),
                "title": "Parcels",
                "createdAt": int(NOON.timestamp()),
                "updatedAt": int(later.timestamp()),
                "userId": "u-7",
                "status": "ongoing",
            }
        ],
        "pagination": {"cursor": None, "hasMore": False, "total": 1},
    }


def test_what_is_not_there_is_null(get: Get, agent: Agent) -> None:
    talk(agent)
    (one,) = get("conversations").json()["data"]
    assert one["title"] is None
    assert one["userId"] is None


def test_an_agent_without_conversations_has_an_empty_list(get: Get) -> None:
    assert get("conversations").json() == {
        "data": [],
        "pagination": {"cursor": None, "hasMore": False, "total": 0},
    }


def test_the_newest_activity_comes_first(get: Get, agent: Agent) -> None:
    first, second, third = (
        talk(agent, updated_at=NOON + dt.timedelta(microseconds=n)) for n in (2, 3, 1)
    )
    assert ids(get("conversations")) == [second.pk, first.pk, third.pk]
    Conversation.objects.filter(pk=third.pk).update(updated_at=timezone.now())
    assert ids(get("conversations")) == [third.pk, second.pk, first.pk]


def test_all_channels_are_listed_not_only_the_apis(get: Get, agent: Agent) -> None:
    for channel in Channel.values:
        talk(agent, channel=channel)
    assert get("conversations").json()["pagination"]["total"] == len(Channel.values)


def test_each_internal_status_has_its_own_word(get: Get, agent: Agent) -> None:
    words = {"bot": "ongoing", "escalated": "taken_over", "resolved": "ended"}
    made = {talk(agent, status=status).pk: word for status, word in words.items()}
    shown = get("conversations").json()["data"]
    assert {int(one["id"]): one["status"] for one in shown} == made


def test_pages_go_on_where_the_last_one_ended(get: Get, agent: Agent) -> None:
    talks = [talk(agent, updated_at=NOON).pk for _ in range(45)]
    seen, cursor, sizes = [], {}, []
    while True:
        page = get("conversations", **cursor)
        seen += ids(page)
        sizes.append(len(ids(page)))
        pagination = page.json()["pagination"]
        assert pagination["total"] == 45
        if not pagination["hasMore"]:
            assert pagination["cursor"] is None
            break
        cursor = {"cursor": pagination["cursor"]}
    assert sizes == [20, 20, 5]
    assert seen == talks[::-1]


def test_activity_while_a_client_pages_neither_skips_nor_repeats(
    get: Get, agent: Agent
) -> None:
    chance = random.Random(5)
    for number in range(30):
        talk(agent, updated_at=NOON + dt.timedelta(seconds=number % 7))
    talks = Conversation.objects.filter(agent=agent)
    before = set(talks.values_list("pk", flat=True))
    seen: list[int] = []
    moved: set[int] = set()
    query: dict[str, Any] = {"limit": 4}
    while query:
        page = get("conversations", **query)
        seen += ids(page)
        talk(agent)
        busy = chance.choice(sorted(before))
        Conversation.objects.filter(pk=busy).update(updated_at=timezone.now())
        moved.add(busy)
        cursor = page.json()["pagination"]["cursor"]
        query = {"limit": 4, "cursor": cursor} if cursor else {}
    still = before - moved
    order = talks.order_by("-updated_at", "-id")
    assert len(still) > 15
    assert [pk for pk in seen if pk in still] == [
        pk for pk in order.values_list("pk", flat=True) if pk in still
    ]


def test_a_list_costs_four_queries_and_its_first_whole_page_three(
    get: Get, agent: Agent, django_assert_num_queries: Any
) -> None:
    """Key, agent, page, total: however many rows there are."""
    for _ in range(3):
        talk(agent)
    get("conversations")
    with django_assert_num_queries(3):
        get("conversations")
    with django_assert_num_queries(4):
        get("conversations", limit=1)


# --- Filters ------------------------------------------------------------------------


@pytest.fixture
def varied(agent: Agent) -> dict[str, Conversation]:
    """One of each kind, an hour apart."""
    kinds: dict[str, dict[str, Any]] = {
        "plain": {},
        "ann": {"end_user": "ann"},
        "bob": {"end_user": "Ann"},
        "taken": {"status": "escalated", "end_user": "ann"},
        "ended": {"status": "resolved"},
    }
    talks = {
        name: talk(
            agent, updated_at=NOON + dt.timedelta(hours=n, microseconds=5), **kind
        )
        for n, (name, kind) in enumerate(kinds.items())
    }
    say(talks["plain"], "Where is my PARCEL?")
    say(talks["plain"], "On its way", "assistant", feedback="positive")
    say(talks["ann"], "parcel, please, parcel")
    say(talks["ann"], "It is lost", "assistant", feedback="negative")
    say(talks["bob"], "hello")
    say(talks["bob"], "parcel", "assistant", feedback="negative", hidden_at=NOON)
    say(talks["taken"], "is my parcel lost?")
    return talks


HOUR = 3600
START = int(NOON.timestamp())


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"status": "ongoing"}, ["bob", "ann", "plain"]),
        ({"status": "taken_over"}, ["taken"]),
        ({"status": "ended"}, ["ended"]),
        ({"userId": "ann"}, ["taken", "ann"]),
        ({"userId": "nobody"}, []),
        ({"from": START + 3 * HOUR}, ["ended", "taken"]),
        ({"from": START + 3 * HOUR + 1}, ["ended"]),
        ({"to": START}, ["plain"]),
        ({"to": START - 1}, []),
        ({"from": START + HOUR, "to": START + 2 * HOUR}, ["bob", "ann"]),
        ({"from": START + 2 * HOUR, "to": START + HOUR}, []),
        ({"from": 0, "to": 32_503_680_000}, ["ended", "taken", "bob", "ann", "plain"]),
        ({"feedback": "positive"}, ["plain"]),
        ({"feedback": "negative"}, ["ann"]),
        ({"q": "parcel"}, ["taken", "ann", "plain"]),
        ({"q": "PARCEL my"}, ["taken", "plain"]),
        ({"q": '"my parcel"'}, ["taken", "plain"]),
        ({"q": "lost"}, ["taken", "ann"]),
        ({"q": "parcel lost"}, ["taken"]),
        ({"q": "parcel", "userId": "ann", "status": "ongoing"}, ["ann"]),
        ({"q": "lost", "feedback": "negative"}, ["ann"]),
    ],
)
def test_filters_narrow_the_list(
    get: Get,
    varied: dict[str, Conversation],
    query: dict[str, Any],
    names: list[str],
) -> None:
    response = get("conversations", **query)
    assert ids(response) == [varied[name].pk for name in names]
    assert response.json()["pagination"]["total"] == len(names)
    if len(names) > 1:
        first = get("conversations", limit=1, **query).json()
        assert first["pagination"]["total"] == len(names)
        cursor = first["pagination"]["cursor"]
        assert ids(get("conversations", cursor=cursor, **query)) == [
            varied[name].pk for name in names[1:]
        ]
        assert refusal(get("conversations", cursor=cursor), "cursor") == INVALID


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("status", word) for word in ("", "bot", "Ongoing", "ongoing ", "\n")),
        *(("feedback", word) for word in ("", "null", "good", "POSITIVE")),
        *(("userId", word) for word in ("", "a b", "ä", "x" * 129, "ann\n", "a/b")),
        *(("from", word) for word in ("", "x", "1.5", "-1", "1e3", "2026-01-01")),
        *(("to", word) for word in ("٣", "1_0", "9" * 40, 2**63, 1_700_000_000_000)),
        *(("q", word) for word in ("", " ", "***", '""', "x" * 201)),
        *(("limit", word) for word in ("", "ten", "1_0", "٣")),
        *(("cursor", word) for word in ("", "null", "x" * 10_240, "é")),
    ],
)
def test_a_filter_that_means_nothing_is_400(get: Get, name: str, value: object) -> None:
    assert refusal(get("conversations", **{name: value}), name) == INVALID


@pytest.mark.parametrize(
    "name", ["status", "feedback", "userId", "from", "to", "q", "limit", "cursor"]
)
def test_a_parameter_given_twice_or_with_nul_is_400(
    get: Get, agent: Agent, name: str
) -> None:
    twice = get(f"conversations?{name}=1&{name}=1")
    assert refusal(twice, name) == INVALID
    assert refusal(get("conversations", **{name: "a\0b"}), name) == INVALID


def test_unknown_parameters_are_ignored(get: Get, agent: Agent) -> None:
    one = talk(agent)
    assert ids(get("conversations", page=7, sort="id", format="xml")) == [one.pk]


@pytest.mark.parametrize(
    "words", ["NEAR(", "a*", "-a", "a:b", "(a", "a OR", "^a", "'a"]
)
def test_no_search_is_an_error(
    get: Get, varied: dict[str, Conversation], words: str
) -> None:
    assert get("conversations", q=words).status_code == 200


# --- One conversation and its messages ------------------------------------------------


def test_a_conversation_is_read_with_its_messages(get: Get, agent: Agent) -> None:
    one = talk(agent, title="Parcels", created_at=NOON, updated_at=NOON)
    asked = say(one, "How long?", created_at=NOON)
    answer = say(
        one, "Two days.", "assistant", created_at=NOON, credits=1, feedback="positive"
    )
    assert get(f"conversations/{one.pk}").json() == {
        "data": {
            "id": str(one.pk),
            "title": "Parcels",
            "createdAt": int(NOON.timestamp()),
            "updatedAt": int(NOON.timestamp()),
            "userId": None,
            "status": "ongoing",
            "messages": [
                {
                    "id": f"msg_{asked.pk}",
                    "role": "user",
                    "parts": [{"type": "text", "text": "How long?"}],
                    "createdAt": int(NOON.timestamp()),
                },
                {
                    "id": f"msg_{answer.pk}",
                    "role": "assistant",
                    "parts": [{"type": "text", "text": "Two days."}],
                    "createdAt": int(NOON.timestamp()),
                    "feedback": "positive",
                    "metadata": {"finishReason": "stop", "usage": {"credits": 1}},
                },
            ],
        },
        "pagination": {"cursor": None, "hasMore": False, "total": 2},
    }


def test_messages_walk_back_from_the_newest_each_page_in_order(
    get: Get, agent: Agent
) -> None:
    """The conversation has the newest page; its cursor goes on in the messages."""
    one = talk(agent)
    said = [say(one, f"{n}", created_at=NOON).pk for n in range(45)]
    first = get(f"conversations/{one.pk}").json()
    shown = [int(m["id"].removeprefix("msg_")) for m in first["data"]["messages"]]
    assert shown == said[25:]
    assert first["pagination"]["total"] == 45
    second = get(
        f"conversations/{one.pk}/messages", cursor=first["pagination"]["cursor"]
    )
    assert ids(second) == said[5:25]
    say(one, "Something new")
    third = get(
        f"conversations/{one.pk}/messages",
        cursor=second.json()["pagination"]["cursor"],
    )
    assert ids(third) == said[:5]
    assert third.json()["pagination"] == {"cursor": None, "hasMore": False, "total": 46}


def test_the_list_of_messages_begins_like_the_conversation(
    get: Get, agent: Agent
) -> None:
    one = talk(agent)
    for number in range(5):
        say(one, f"{number}")
    whole = get(f"conversations/{one.pk}", limit=3).json()
    pages = get(f"conversations/{one.pk}/messages", limit=3).json()
    assert pages["data"] == whole["data"]["messages"]
    assert pages["pagination"] == whole["pagination"]


def test_a_persons_reply_is_the_assistants_and_says_so(get: Get, agent: Agent) -> None:
    one = talk(agent, status="escalated")
    say(one, "I am Ann.", "assistant", author=make_user("ann"))
    (message,) = get(f"conversations/{one.pk}/messages").json()["data"]
    assert message["role"] == "assistant"
    assert message["metadata"]["author"] == "human"


def test_only_what_readers_are_shown_is_there(get: Get, agent: Agent) -> None:
    one = talk(agent)
    shown = say(one, "Hello")
    partial = say(one, "I was cut", "assistant", status=ReplyStatus.PARTIAL)
    say(one, "replaced", "assistant", hidden_at=NOON)
    say(one, "failed", "assistant", status=ReplyStatus.FAILED)
    say(one, "a person was here", "system")
    say(one, "half", "assistant", status=ReplyStatus.STREAMING, lease_expires_at=NOON)
    response = get(f"conversations/{one.pk}/messages")
    assert ids(response) == [shown.pk, partial.pk]
    assert response.json()["pagination"]["total"] == 2


def test_tool_calls_are_parts_of_their_message_and_one_query(
    get: Get, agent: Agent, django_assert_num_queries: Any
) -> None:
    one = talk(agent)
    for number in range(3):
        say(one, "Do it")
        made = say(
            one,
            "",
            "assistant",
            finish_reason="tool_calls",
            status=ReplyStatus.AWAITING_TOOL,
        )
        for call, status in (("a", "used"), ("b", "pending")):
            ToolCall.objects.create(
                workspace_id=one.workspace_id,
                conversation=one,
                message=made,
                call_id=f"call_{number}{call}",
                name="look",
                input={"n": number},
                output={"ok": True} if status == "used" else None,
                status=status,
                expires_at=NOON,
            )
    with django_assert_num_queries(5):
        response = get(f"conversations/{one.pk}/messages")
    last = response.json()["data"][-1]
    assert last["metadata"]["finishReason"] == "tool-calls"
    common = {"toolName": "look"}
    assert last["parts"] == [
        {"type": "tool-call", "toolCallId": "call_2a", **common, "input": {"n": 2}},
        {
            "type": "tool-result",
            "toolCallId": "call_2a",
            **common,
            "output": {"ok": True},
        },
        {"type": "tool-call", "toolCallId": "call_2b", **common, "input": {"n": 2}},
    ]


def test_a_cursor_of_another_conversation_is_400(get: Get, agent: Agent) -> None:
    mine, other = talk(agent), talk(agent)
    for conversation in (mine, other):
        for _ in range(3):
            say(conversation, "Hello")
    page = get(f"conversations/{mine.pk}", limit=1).json()
    cursor = page["pagination"]["cursor"]
    path = f"conversations/{other.pk}/messages"
    assert refusal(get(path, cursor=cursor), "cursor") == INVALID
    assert refusal(get("conversations", cursor=cursor), "cursor") == INVALID


# --- One user's -----------------------------------------------------------------------


def test_one_users_conversations_are_listed(
    get: Get, varied: dict[str, Conversation]
) -> None:
    response = get("users/ann/conversations")
    assert ids(response) == [varied["taken"].pk, varied["ann"].pk]
    assert response.json()["pagination"]["total"] == 2
    assert set(response.json()["data"][0]) == {
        *("id", "title", "createdAt", "updatedAt", "userId", "status"),
    }


def test_an_unknown_users_list_is_empty(get: Get) -> None:
    assert get("users/nobody/conversations").json() == {
        "data": [],
        "pagination": {"cursor": None, "hasMore": False, "total": 0},
    }


@pytest.mark.parametrize(
    "user", ["a b", "%C3%A4", "x" * 129, "a%0A", "a@b", "%00", "a:b"]
)
def test_a_user_id_that_breaks_the_pattern_is_400(get: Get, user: str) -> None:
    assert refusal(get(f"users/{user}/conversations"), "userId") == INVALID


def test_a_cursor_of_one_user_is_not_anothers(get: Get, agent: Agent) -> None:
    for _ in range(2):
        talk(agent, end_user="ann")
        talk(agent, end_user="bob")
    page = get("users/ann/conversations", limit=1).json()
    cursor = page["pagination"]["cursor"]
    assert refusal(get("users/bob/conversations", cursor=cursor), "cursor") == INVALID
    assert refusal(get("conversations", cursor=cursor), "cursor") == INVALID
    assert len(ids(get("users/ann/conversations", cursor=cursor))) == 1


# --- Who may ------------------------------------------------------------------------

LISTS = ["conversations", "conversations/{own}", "conversations/{own}/messages"]
EVERY = [*LISTS, "users/ann/conversations"]


@pytest.mark.parametrize("path", EVERY)
def test_a_foreign_missing_or_archived_agent_is_404_byte_for_byte(
    get: Get, agent: Agent, path: str
) -> None:
    own = path.format(own=talk(agent).pk)
    foreign = Agent.objects.create(workspace=make_workspace("Else"), name="Theirs")
    archived = Agent.objects.create(
        workspace_id=agent.workspace_id, name="Old", status="archived"
    )
    bodies = set()
    for agent_id in (foreign.pk, archived.pk, 2**40, 2**63, 2**70, "1_0", "٣", "x"):
        response = get(own, agent_id=agent_id, limit="x")
        assert refusal(response) == NOT_FOUND
        bodies.add(response.content)
    assert len(bodies) == 1


@pytest.mark.parametrize("path", LISTS[1:])
def test_a_foreign_or_missing_conversation_is_404_byte_for_byte(
    get: Get, agent: Agent, path: str
) -> None:
    sibling = Agent.objects.create(workspace_id=agent.workspace_id, name="Sibling")
    foreign = Agent.objects.create(workspace=make_workspace("Else"), name="Theirs")
    bodies = set()
    for one in (talk(sibling).pk, talk(foreign).pk, 2**40):
        response = get(path.format(own=one), limit="x")
        assert refusal(response) == NOT_FOUND
        bodies.add(response.content)
    assert len(bodies) == 1


@pytest.mark.parametrize("conversation", [2**63, 2**70, "1_0", "٣", "x", "-1", "1.0"])
def test_what_is_no_id_names_no_conversation(get: Get, conversation: object) -> None:
    assert refusal(get(f"conversations/{quote(str(conversation))}")) == NOT_FOUND


@pytest.mark.parametrize("path", EVERY)
def test_a_siblings_key_is_403_and_a_readers_reads(
    workspace: Workspace, agent: Agent, path: str
) -> None:
    own = path.format(own=talk(agent).pk)
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    address = f"/api/v2/agents/{agent.pk}/{own}"
    refused = client(workspace, agent=sibling).get(address)
    assert refusal(refused) == (403, "AUTH_INSUFFICIENT_PERMISSIONS")
    assert client(workspace, agent=agent).get(address).status_code == 200
    assert client(workspace, access=Access.READ).get(address).status_code == 200
    assert Client().get(address).status_code == 401


def test_another_agents_conversations_are_not_among_ours(
    get: Get, agent: Agent
) -> None:
    sibling = Agent.objects.create(workspace_id=agent.workspace_id, name="Sibling")
    theirs = talk(sibling, end_user="ann")
    say(theirs, "parcel")
    for query in ({}, {"q": "parcel"}, {"userId": "ann"}):
        response = get("conversations", **query)
        assert ids(response) == []
        assert response.json()["pagination"]["total"] == 0
    assert ids(get("users/ann/conversations")) == []


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's plan")
def test_the_lists_are_read_through_their_indexes(agent: Agent) -> None:
    Conversation.objects.bulk_create(
        Conversation(workspace_id=agent.workspace_id, agent=agent) for _ in range(3_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE conversations_conversation")
    for filters, index in (
        (Filters(), "conversation_newest"),
        (Filters(user_id="ann"), "conversation_of_user"),
        (Filters(status="ended"), "conversation_of_status"),
    ):
        rows = filters.conversations(agent).order_by("-updated_at", "-id")[:21]
        assert index in rows.explain()
