"""What was said, as API v1 gives it to read."""

import datetime as dt
import itertools
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Agent, AgentStatus
from apikeys.models import ApiKey
from contacts.models import Contact
from conversations.api.v1_reading import Asked
from conversations.models import (
    Channel,
    Conversation,
    Message,
    ReplyStatus,
    ToolCall,
)
from tests.api.openapi import check_response
from tests.conftest import make_user, make_workspace
from tests.conversations.test_lists import client, say, talk
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
Get = Callable[..., Any]


def getter(caller: Client) -> Get:
    """GET below /api/v1/; every answer is held against the OpenAPI document."""

    def get(path: str, **query: object) -> Any:
        parameters = "&".join(f"{n}={quote(str(v))}" for n, v in query.items())
        address = f"/api/v1/{path}?{parameters}"
        response = caller.get(address)
        check_response(response, "GET", address)
        return response

    return get


@pytest.fixture
def get(workspace: Workspace) -> Get:
    return getter(client(workspace))


@pytest.fixture
def chatbase(get: Get, agent: Agent) -> Get:
    def chatbase(**query: object) -> Any:
        return get("get-conversations", **{"chatbotId": agent.pk, **query})

    return chatbase


def names(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [one["id"] for one in response.json()["data"]]


def numbers(*conversations: Conversation) -> list[str]:
    return [str(one.pk) for one in conversations]


def issue(response: Any) -> tuple[str, str]:
    """The field that is to blame, and why."""
    assert response.status_code == 400, response.content
    assert response.json()["message"] == "Invalid request data"
    (found,) = response.json()["issues"]
    return found["field"], found["message"]


def begun(agent: Agent, moment: dt.datetime, **fields: Any) -> Conversation:
    return talk(agent, created_at=moment, updated_at=moment, **fields)


# --- get-conversations --------------------------------------------------------------


def test_conversations_are_as_chatbase_shows_them(chatbase: Get, agent: Agent) -> None:
    later = NOON + 6 * MINUTE + dt.timedelta(milliseconds=120, microseconds=999)
    one = talk(agent, created_at=NOON, updated_at=later, channel=Channel.WIDGET)
    asked = say(one, "How long?", created_at=NOON)
    said = say(one, "Two days.", "assistant", created_at=later, score=0.5)
    assert chatbase().json() == {
        "data": [
            {
                "id": str(one.pk),
                "chatbot_id": str(agent.pk),
                "created_at": "2026-03-01T12:00:00.000Z",
                "updated_at": "2026-03-01T12:06:00.120Z",
                "last_message_at": "2026-03-01T12:06:00.120Z",
                "source": "Widget or Iframe",
                "min_score": 0.5,
                "messages": [
                    {
                        "id": str(asked.pk),
                        "role": "user",
                        "content": "How long?",
                        "type": "text",
                        "createdAt": "2026-03-01T12:00:00.000Z",
                    },
                    {
                        "id": str(said.pk),
                        "role": "assistant",
                        "content": "Two days.",
                        "type": "text",
                        "createdAt": "2026-03-01T12:06:00.120Z",
                    },
                ],
            }
        ]
    }


def test_a_chatbot_without_conversations_has_an_empty_list(chatbase: Get) -> None:
    assert chatbase().json() == {"data": []}


def test_without_messages_the_last_one_is_when_it_began(
    chatbase: Get, agent: Agent
) -> None:
    talk(agent, created_at=NOON, updated_at=NOON + MINUTE)
    (shown,) = chatbase().json()["data"]
    assert shown["messages"] == []
    assert shown["min_score"] is None
    assert shown["last_message_at"] == "2026-03-01T12:00:00.000Z"


def test_the_minimal_score_is_the_lowest_of_what_is_shown(
    chatbase: Get, agent: Agent
) -> None:
    one = talk(agent)
    say(one, "Question")
    for score in (0.9, 0.25, None, 0.5):
        say(one, "Answer", "assistant", score=score)
    say(one, "Replaced", "assistant", score=0.1, hidden_at=timezone.now())
    say(one, "Failed", "assistant", score=0.0, status=ReplyStatus.FAILED)
    assert chatbase().json()["data"][0]["min_score"] == 0.25


def test_what_readers_are_not_shown_is_left_out(chatbase: Get, agent: Agent) -> None:
    one = talk(agent)
    say(one, "shown")
    say(one, "for the model", "system")
    say(one, "replaced", "assistant", hidden_at=timezone.now())
    say(one, "came to nothing", "assistant", status=ReplyStatus.FAILED)
    say(one, "half", "assistant", status=ReplyStatus.PARTIAL)
    say(
        one,
        "being made",
        "assistant",
        status=ReplyStatus.STREAMING,
        lease_expires_at=timezone.now() + MINUTE,
    )
    messages = chatbase().json()["data"][0]["messages"]
    assert [one["content"] for one in messages] == ["shown", "half"]


def test_an_id_is_the_callers_own_name_where_it_names_one_conversation(
    chatbase: Get, agent: Agent
) -> None:
    named = begun(agent, NOON, external_id="order 1047/é")
    digits = begun(agent, NOON - MINUTE, external_id="1047")
    users = begun(agent, NOON - 2 * MINUTE, external_id="order-2", end_user="u-7")
    bare = begun(agent, NOON - 3 * MINUTE)
    expected = [named.external_id, *numbers(digits, users, bare)]
    assert names(chatbase()) == expected


def test_those_begun_last_come_first(chatbase: Get, agent: Agent) -> None:
    old = talk(agent, created_at=NOON, updated_at=NOON + 9 * MINUTE)
    new = begun(agent, NOON + MINUTE)
    twin = begun(agent, NOON + MINUTE)
    assert names(chatbase()) == numbers(twin, new, old)


def test_pages_give_every_conversation_once(chatbase: Get, agent: Agent) -> None:
    chance = random.Random(4)
    minutes = [chance.randrange(5) for _ in range(25)]  # many begin at once
    for minute in minutes:
        begun(agent, NOON + minute * MINUTE)
    whole = names(chatbase(size=100))
    assert len(set(whole)) == 25
    assert names(chatbase()) == whole[:10]  # page 1 of 10, if nothing is said
    for size in (1, 7, 25):
        pages = (
            names(chatbase(page=page, size=size)) for page in range(1, 25 // size + 2)
        )
        assert list(itertools.chain(*pages)) == whole


@pytest.mark.parametrize("page", [2, 10**6, 10**17, "9" * 400])
def test_a_page_beyond_the_end_is_empty(
    chatbase: Get, agent: Agent, page: object
) -> None:
    talk(agent)
    assert chatbase(page=page).json() == {"data": []}


@pytest.mark.parametrize("name", ["page", "size"])
@pytest.mark.parametrize(
    "junk", ["x", "1.0", "1e1", "+1", " 1", "1\n", "١", "1_0", "0x1", "0", "-1"]
)
def test_a_page_that_is_no_number_is_400(chatbase: Get, name: str, junk: str) -> None:
    assert issue(chatbase(**{name: junk}))[0] == name


@pytest.mark.parametrize("size", [101, 2**63, "9" * 400])
def test_a_page_has_at_most_a_hundred(chatbase: Get, size: object) -> None:
    assert issue(chatbase(size=size)) == ("size", "Must be at least 1 and at most 100.")


@pytest.mark.parametrize(
    "name", ["chatbotId", "page", "size", "startDate", "endDate", "filteredSources"]
)
def test_a_parameter_is_given_once(
    workspace: Workspace, agent: Agent, name: str
) -> None:
    query = f"chatbotId={agent.pk}&{name}=1&{name}=1"
    response = client(workspace).get(f"/api/v1/get-conversations?{query}")
    assert issue(response)[0] == name


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (None, None, "abcd"),
        ("2026-03-01", "2026-03-01", "bc"),
        ("2026-03-01", None, "bcd"),
        (None, "2026-03-01", "abc"),
        ("2026-02-28", "2026-03-02", "abcd"),
        ("2026-03-03", None, ""),
        ("2026-03-02", "2026-02-01", ""),
        ("0001-01-01", "9999-12-31", "abcd"),
        ("9999-12-31", None, ""),
        (None, "0001-01-01", ""),
    ],
)
def test_days_are_whole_days_of_utc_both_included(
    chatbase: Get, agent: Agent, start: str | None, end: str | None, found: str
) -> None:
    midnight = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    day, moment = dt.timedelta(days=1), dt.timedelta(microseconds=1)
    for name, at in {
        "a": midnight - moment,
        "b": midnight,
        "c": midnight + day - moment,
        "d": midnight + day,
    }.items():
        # The activity says another day.
        talk(agent, external_id=name, created_at=at, updated_at=NOON + 9 * day)
    days = {"startDate": start, "endDate": end}
    asked = chatbase(**{name: day for name, day in days.items() if day is not None})
    assert sorted(names(asked)) == list(found)


@pytest.mark.parametrize("name", ["startDate", "endDate"])
@pytest.mark.parametrize(
    "junk",
    [
        "x",
        "2026-3-1",
        "2026-02-30",
        "2026-03-01T00:00:00Z",
        "1784712000",
        "2026-03-01\n",
    ]
    + ["٢٠٢٦-03-01", "0000-01-01", "20260301", "2026-W09-7"],
)
def test_a_day_that_is_none_is_400(chatbase: Get, name: str, junk: str) -> None:
    assert issue(chatbase(**{name: junk}))[0] == name


@pytest.mark.parametrize("channel", Channel)
def test_every_source_has_its_label_and_is_found_by_it(
    chatbase: Get, agent: Agent, channel: Channel
) -> None:
    for one in Channel:
        talk(agent, channel=one, external_id=one.label)
    for label in (channel.label, channel.label.upper(), f" {channel.label.lower()} "):
        (found,) = chatbase(filteredSources=label).json()["data"]
        assert found["id"] == found["source"] == channel.label


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ("API,Widget or Iframe", {"api", "widget"}),
        ("slack, API ,api", {"api", "slack"}),
        ("Slack,", {"slack"}),
        ("", {"api", "widget", "slack"}),
        (",", {"api", "widget", "slack"}),
        (",".join(Channel.labels), {"api", "widget", "slack"}),
        # Chatbase has it, and nothing here comes from there.
        ("Chatbase site", set()),
        ("API,Action preview", {"api"}),
    ],
)
def test_sources_are_a_list_with_commas(
    chatbase: Get, agent: Agent, sources: str, found: set[str]
) -> None:
    for channel in (Channel.API, Channel.WIDGET, Channel.SLACK):
        talk(agent, channel=channel, external_id=channel.value)
    assert set(names(chatbase(filteredSources=sources))) == found


@pytest.mark.parametrize("junk", ["Fax", "widget", "API;Slack", "ＡＰＩ", "\u200bAPI"])
def test_a_source_that_there_is_not_is_named(chatbase: Get, junk: str) -> None:
    field, message = issue(chatbase(filteredSources=f"API,{junk}"))
    assert field == "filteredSources"
    assert f"“{junk}”" in message
    assert "Widget or Iframe" in message


def test_nul_is_400(chatbase: Get) -> None:
    for name in ("chatbotId", "filteredSources", "startDate", "page"):
        assert issue(chatbase(**{name: "API\0"}))[0] == name


def test_filters_narrow_together(chatbase: Get, agent: Agent) -> None:
    wanted = begun(agent, NOON, channel=Channel.SLACK)
    begun(agent, NOON, channel=Channel.API)
    begun(agent, NOON - dt.timedelta(days=1), channel=Channel.SLACK)
    found = chatbase(filteredSources="Slack", startDate="2026-03-01", size=1)
    assert names(found) == numbers(wanted)


def test_without_a_chatbot_it_is_400(get: Get) -> None:
    assert issue(get("get-conversations"))[0] == "chatbotId"


def test_whoever_is_not_there_is_404_before_all_that_is_wrong(
    get: Get, agent: Agent, workspace: Workspace
) -> None:
    theirs = Agent.objects.create(workspace=make_workspace("Elsewhere"), name="Theirs")
    gone = Agent.objects.create(
        workspace=workspace, name="Gone", status=AgentStatus.ARCHIVED
    )
    scoped = getter(client(workspace, agent=agent))
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    answers = [
        get("get-conversations", chatbotId=one, size="x")
        for one in (theirs.pk, gone.pk, 2**40, 2**63, 2**70, "x", "", "١٢", "-1")
    ]
    answers.append(scoped("get-conversations", chatbotId=sibling.pk))
    for answer in answers:
        assert answer.status_code == 404
        assert answer.json() == {"message": "Resource not found"}
    assert scoped("get-conversations", chatbotId=agent.pk).status_code == 200


def test_a_draft_is_read_like_any_other(chatbase: Get, agent: Agent) -> None:
    Agent.objects.filter(pk=agent.pk).update(status=AgentStatus.DRAFT)
    one = talk(agent)
    assert names(chatbase()) == numbers(one)


def test_a_read_key_is_enough(workspace: Workspace, agent: Agent) -> None:
    reader = getter(client(workspace, access="read"))
    one = talk(agent)
    assert names(reader("get-conversations", chatbotId=agent.pk)) == numbers(one)


def test_no_key_is_401_in_chatbases_words(db: None) -> None:
    answer = Client().get("/api/v1/get-conversations")
    check_response(answer, "GET", "/api/v1/get-conversations")
    assert answer.status_code == 401
    assert answer.json() == {"message": "No API key provided."}


def test_siblings_and_strangers_conversations_are_not_among_them(
    chatbase: Get, agent: Agent, workspace: Workspace
) -> None:
    elsewhere = make_workspace("Elsewhere")
    for other in (workspace, elsewhere):
        sibling = Agent.objects.create(workspace=other, name="Another")
        say(talk(sibling), "not yours")
    mine = talk(agent)
    assert names(chatbase()) == numbers(mine)


def test_a_page_costs_as_many_queries_however_much_is_on_it(
    chatbase: Get, agent: Agent
) -> None:
    counts = []
    for _ in range(3):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            chatbase(size=100)
        counts.append(len(queries))
        for _ in range(5):
            one = talk(agent)
            for _ in range(4):
                say(one, "Hello")
    assert counts == [3, 4, 4]  # key, agent, conversations; and their messages


def test_what_lies_before_a_page_is_passed_in_the_index(agent: Agent) -> None:
    """A page far down costs no visit to the rows above it."""
    Conversation.objects.bulk_create(
        Conversation(
            workspace_id=agent.workspace_id,
            agent=agent,
            created_at=NOON + n * MINUTE,
            title="x" * 100,
        )
        for n in range(2_000)
    )
    page = Asked(channels=None, days={}, offset=1_990, size=10)
    with CaptureQueriesContext(connection) as queries:
        assert len(page.conversations(agent)) == 10
    plan = plan_of(queries)
    assert "conversation_begun" in plan.pop(INDEX_ONLY), plan
    assert not any("conversation_begun" in rest for rest in plan.values()), plan


def test_messages_are_found_by_their_conversation(chatbase: Get, agent: Agent) -> None:
    """However many the workspace has."""
    say(talk(agent), "Hello")
    with CaptureQueriesContext(connection) as queries:
        chatbase()
    steps = " ".join(plan_of(queries).values())
    assert "conversation" in steps.replace("conversations_message", "")
    assert "workspace" not in steps, steps


INDEX_ONLY = {"sqlite": "COVERING INDEX", "postgresql": "Index Only Scan"}[
    connection.vendor
]


def plan_of(queries: CaptureQueriesContext) -> dict[str, str]:
    """How the last of them is run: what is said of each way to read a table."""
    sql = queries[-1]["sql"]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        else:
            # Whatever the planner thinks of tables as small as these.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
            cursor.execute(f"EXPLAIN {sql}")
        steps = [str(row[-1]) for row in cursor.fetchall()]
    plan: dict[str, str] = {}
    for step in steps:
        way = INDEX_ONLY if INDEX_ONLY in step else "other"
        plan[way] = f"{plan.get(way, '')} {step}"
    return plan


@pytest.fixture
def secret(workspace: Workspace) -> str:
    return ApiKey.objects.issue(workspace, label="Fuzz", rate_limit=10**6)[1]


ODD = st.one_of(
    st.text(max_size=20),
    st.integers().map(str),
    st.dates().map(str),
    st.lists(st.sampled_from([*Channel.labels, "Fax"])).map(",".join),
)


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    query=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ["filteredSources", "startDate", "endDate", "page", "size"], ODD
        ),
    )
)
def test_any_query_is_answered_or_cleanly_refused(
    secret: str, agent: Agent, query: dict[str, str]
) -> None:
    caller = Client(headers={"authorization": f"Bearer {secret}"})
    odd = {n: text.encode("utf-8", "replace") for n, text in query.items()}
    answer: Any = caller.get(
        "/api/v1/get-conversations", {"chatbotId": agent.pk, **odd}
    )
    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert {one["field"] for one in answer.json()["issues"]} <= set(query)


# --- An agent's conversations -------------------------------------------------------


def path_of(agent: Agent) -> str:
    return f"agents/{agent.pk}/conversations"


def test_an_agents_conversations(get: Get, agent: Agent, workspace: Workspace) -> None:
    contact = Contact.objects.create(
        workspace=workspace, agent=agent, external_id="c/1"
    )
    one = talk(
        agent,
        title="Parcels",
        end_user="u-7",
        external_id="order-1",
        contact=contact,
        channel=Channel.WIDGET,
        is_test=True,
        created_at=NOON,
        updated_at=NOON + dt.timedelta(milliseconds=1, microseconds=999),
    )
    say(one, "Hello")
    say(one, "Hi", "assistant")
    say(one, "Hidden", "assistant", hidden_at=timezone.now())
    assert get(path_of(agent)).json() == {
        "success": True,
        "conversations": [
            {
                "id": str(one.pk),
                "agentId": agent.pk,
                "title": "Parcels",
                "status": "ongoing",
                "source": "Widget or Iframe",
                "isTest": True,
                "userId": "u-7",
                "contactId": "c/1",
                "externalId": "order-1",
                "createdAt": "1772366400000",
                "updatedAt": "1772366400001",
                "messageCount": 2,
            }
        ],
    }


def test_what_is_not_there_is_null(get: Get, agent: Agent) -> None:
    talk(agent)
    (one,) = get(path_of(agent)).json()["conversations"]
    for name in ("title", "userId", "contactId", "externalId"):
        assert one[name] is None
    assert one["messageCount"] == 0


@pytest.mark.parametrize(
    ("status", "shown"),
    [("bot", "ongoing"), ("escalated", "taken_over"), ("resolved", "ended")],
)
def test_a_status_has_the_word_of_v2(
    get: Get, agent: Agent, status: str, shown: str
) -> None:
    talk(agent, status=status)
    assert get(path_of(agent)).json()["conversations"][0]["status"] == shown


def test_the_newest_activity_comes_first_and_at_most_a_hundred(
    get: Get, agent: Agent
) -> None:
    def ids(**query: object) -> list[int]:
        found = get(path_of(agent), **query).json()["conversations"]
        return [int(one["id"]) for one in found]

    made = [
        talk(agent, created_at=NOON - n * MINUTE, updated_at=NOON + n * MINUTE)
        for n in range(103)
    ]
    newest = [one.pk for one in reversed(made)]
    assert ids() == newest[:100]
    assert ids(limit=3) == newest[:3]
    assert ids(limit=0) == ids(limit=-5) == newest[:1]
    assert ids(limit=101) == ids(limit="9" * 400) == newest[:100]


@pytest.mark.parametrize("junk", ["x", "", "1.5", "١", "1\n"])
def test_a_limit_that_is_no_integer_is_400(get: Get, agent: Agent, junk: str) -> None:
    answer = get(path_of(agent), limit=junk)
    assert answer.status_code == 400
    assert answer.json() == {
        "success": False,
        "error": {
            "code": "validation_error",
            "message": "limit: Must be an integer.",
            "details": {"limit": "Must be an integer."},
        },
    }


def test_a_list_costs_as_many_queries_however_long_it_is(
    get: Get, agent: Agent
) -> None:
    counts = []
    for _ in range(2):
        for _ in range(5):
            say(talk(agent), "Hello")
        with CaptureQueriesContext(connection) as queries:
            get(path_of(agent))
        counts.append(len(queries))
    assert counts == [4, 4]  # key, agent, conversations, how many messages


def test_an_agent_that_is_not_there_is_404_in_bookbags_words(
    get: Get, agent: Agent, workspace: Workspace
) -> None:
    theirs = Agent.objects.create(workspace=make_workspace("Elsewhere"), name="Theirs")
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    scoped = getter(client(workspace, agent=sibling))
    answers = [
        get(f"agents/{one}/conversations", limit="x")
        for one in (theirs.pk, 2**40, 2**70, "x", "%00", quote("١٢"), "1%0A")
    ]
    answers.append(scoped(path_of(agent)))
    for answer in answers:
        assert answer.status_code == 404
        assert answer.json()["success"] is False
        assert answer.json()["error"]["code"] == "agent_not_found"
    assert len({answer.content for answer in answers}) == 1


# --- A transcript -------------------------------------------------------------------

CITATION = {
    "index": 1,
    "sourceId": 4,
    "documentId": 9,
    "documentVersion": 2,
    "title": "Shipping",
    "url": None,
    "start": 17,
    "end": 41,
    "quote": "Delivery takes two days.",
}


def test_a_transcript(get: Get, agent: Agent) -> None:
    one = talk(agent, title="Parcels", created_at=NOON, updated_at=NOON)
    asked = say(one, "How long?", created_at=NOON)
    said = say(
        one,
        "Two days. [1]",
        "assistant",
        created_at=NOON + dt.timedelta(milliseconds=1500),
        citations=[CITATION],
        confidence="sure",
        score=0.75,
        feedback="negative",
    )
    assert get(f"conversations/{one.pk}").json() == {
        "success": True,
        "conversation": {
            "id": str(one.pk),
            "agentId": agent.pk,
            "title": "Parcels",
            "status": "ongoing",
            "source": "API",
            "isTest": False,
            "userId": None,
            "contactId": None,
            "externalId": None,
            "createdAt": "1772366400000",
            "updatedAt": "1772366400000",
            "messageCount": 2,
            "messages": [
                {
                    "id": str(asked.pk),
                    "role": "user",
                    "author": "user",
                    "text": "How long?",
                    "createdAt": "1772366400000",
                },
                {
                    "id": str(said.pk),
                    "role": "assistant",
                    "author": "agent",
                    "text": "Two days. [1]",
                    "createdAt": "1772366401500",
                    "status": "complete",
                    "feedback": "negative",
                    "confidence": "sure",
                    "score": 0.75,
                    "citations": [
                        {
                            "index": 1,
                            "sourceId": 4,
                            "title": "Shipping",
                            "url": None,
                            "snippet": "Delivery takes two days.",
                            "documentId": 9,
                            "documentVersion": 2,
                            "start": 17,
                            "end": 41,
                        }
                    ],
                    "toolCalls": [],
                },
            ],
        },
    }


def test_it_is_the_whole_transcript(get: Get, agent: Agent) -> None:
    one = talk(agent)
    Message.objects.bulk_create(
        Message(
            workspace_id=agent.workspace_id, conversation=one, role="user", text=str(n)
        )
        for n in range(250)
    )
    shown = get(f"conversations/{one.pk}").json()["conversation"]
    assert [said["text"] for said in shown["messages"]] == [str(n) for n in range(250)]
    assert shown["messageCount"] == 250


def test_a_transcript_leaves_out_what_readers_are_not_shown(
    get: Get, agent: Agent
) -> None:
    one = talk(agent)
    say(one, "shown")
    say(one, "for the model", "system")
    say(one, "replaced", "assistant", hidden_at=timezone.now())
    say(one, "came to nothing", "assistant", status=ReplyStatus.FAILED)
    say(one, "half", "assistant", status=ReplyStatus.PARTIAL)
    shown = get(f"conversations/{one.pk}").json()["conversation"]
    assert [said["text"] for said in shown["messages"]] == ["shown", "half"]
    assert shown["messages"][1]["status"] == "partial"


def test_a_transcript_says_who_said_it(get: Get, agent: Agent) -> None:
    one = talk(agent)
    say(one, "Is anybody there?")
    say(one, "I am.", "assistant")
    say(one, "I am, too.", "assistant", author=make_user("staff"))
    shown = get(f"conversations/{one.pk}").json()["conversation"]["messages"]
    assert [said["author"] for said in shown] == ["user", "agent", "human"]
    assert [said["role"] for said in shown] == ["user", "assistant", "assistant"]


def test_tool_calls_are_with_the_message_that_made_them(get: Get, agent: Agent) -> None:
    one = talk(agent)
    say(one, "Where is it?")
    asked = say(one, "", "assistant", status=ReplyStatus.AWAITING_TOOL)
    say(one, "There.", "assistant")
    for number, status in enumerate(["used", "pending"]):
        ToolCall.objects.create(
            workspace_id=agent.workspace_id,
            conversation=one,
            message=asked,
            call_id=f"call_{number}",
            name="track",
            input={"number": number},
            output={"where": "Canada"},
            status=status,
            expires_at=timezone.now() + dt.timedelta(days=1),
        )
    shown = get(f"conversations/{one.pk}").json()["conversation"]["messages"]
    assert shown[1]["status"] == "awaiting_tool"
    assert shown[1]["toolCalls"] == [
        {
            "id": "call_0",
            "name": "track",
            "input": {"number": 0},
            "status": "used",
            "output": {"where": "Canada"},
        },
        {
            "id": "call_1",
            "name": "track",
            "input": {"number": 1},
            "status": "pending",
            "output": None,
        },
    ]
    assert shown[2]["toolCalls"] == []


def test_a_transcript_costs_as_many_queries_however_long_it_is(
    get: Get, agent: Agent
) -> None:
    one = talk(agent)
    counts = []
    for _ in range(2):
        for _ in range(6):
            say(one, "Hello")
            say(one, "Hi", "assistant")
        with CaptureQueriesContext(connection) as queries:
            get(f"conversations/{one.pk}")
        counts.append(len(queries))
    assert counts == [4, 4]  # key, conversation, messages, tool calls


def test_a_conversation_that_is_not_there_is_404_whatever_the_reason(
    get: Get, agent: Agent, workspace: Workspace
) -> None:
    elsewhere = make_workspace("Elsewhere")
    theirs = talk(Agent.objects.create(workspace=elsewhere, name="Theirs"))
    archived = talk(
        Agent.objects.create(
            workspace=workspace, name="Gone", status=AgentStatus.ARCHIVED
        )
    )
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    scoped = getter(client(workspace, agent=sibling))
    answers = [
        get(f"conversations/{one}")
        for one in (theirs.pk, archived.pk, 2**40, 2**63, 2**70, "x", "0", "-1", "1e3")
        + ("%00", quote("١٢"), "1%0A", "1" * 5000)
    ]
    answers.append(scoped(f"conversations/{talk(agent).pk}"))
    for answer in answers:
        assert answer.status_code == 404, answer.content
        assert answer.json() == {
            "success": False,
            "error": {
                "code": "not_found",
                "message": "There is nothing here. Check the id.",
            },
        }
    own = talk(sibling)
    assert scoped(f"conversations/{own.pk}").status_code == 200


def test_what_it_costs_is_counted_for_its_agent(
    workspace: Workspace, agent: Agent
) -> None:
    """Also where the path does not name one."""
    from usage import request_counts  # noqa: PLC0415

    key, secret = ApiKey.objects.issue(workspace, label="Tests")
    caller = Client(headers={"authorization": f"Bearer {secret}"})
    request_counts._noted.clear()
    caller.get(f"/api/v1/conversations/{talk(agent).pk}")
    caller.get(f"/api/v1/get-conversations?chatbotId={agent.pk}")
    ((noted, count),) = request_counts._noted.items()
    assert noted[1:] == (key.pk, agent.pk)
    assert count == 2
