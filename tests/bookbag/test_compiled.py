"""Queries made once give what the ORM gives."""

import datetime as dt
import random
from typing import Any

import pytest
from django.db.models import BigIntegerField, CharField, DateTimeField, Q, QuerySet

from agents.models import Agent
from bookbag.compiled import Compiled, Slot
from conversations.models import Conversation, Message
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def before(agent: Any, at: Any, most: int) -> QuerySet[Conversation]:
    rows = Conversation.objects.filter(Q(agent=agent), Q(updated_at__lt=at))
    return rows.order_by("-updated_at", "-id")[:most]


@pytest.fixture
def talks(workspace: Workspace, agent: Agent) -> list[Conversation]:
    other = Agent.objects.create(workspace=workspace, name="Other")
    chance = random.Random(2)
    return Conversation.objects.bulk_create(
        Conversation(
            workspace=workspace,
            agent=chance.choice([agent, other]),
            title=f"Talk {number}",
            end_user=chance.choice([None, "ann"]),
            updated_at=NOON + dt.timedelta(microseconds=chance.randrange(30) * 100_000),
        )
        for number in range(40)
    )


@pytest.fixture
def compiled() -> Compiled[Conversation]:
    return Compiled(
        lambda most: before(
            Slot("agent", BigIntegerField()), Slot("at", DateTimeField()), most
        )
    )


def everything(rows: Any) -> list[dict[str, Any]]:
    fields = [field.attname for field in Conversation._meta.concrete_fields]
    return [{name: getattr(row, name) for name in fields} for row in rows]


def test_rows_are_those_of_the_orm_whatever_the_values(
    talks: list[Conversation], compiled: Compiled[Conversation]
) -> None:
    seen = 0
    for agent in {talk.agent_id for talk in talks}:
        for step in range(0, 32, 5):
            for most in (1, 7, 100):
                at = NOON + dt.timedelta(microseconds=step * 100_000)
                rows = compiled.rows(most, agent=agent, at=at)
                assert everything(rows) == everything(before(agent, at, most))
                seen += len(rows)
    assert seen > 50


def test_a_query_is_built_once_for_each_shape(
    talks: list[Conversation], agent: Agent, django_assert_num_queries: Any
) -> None:
    shapes = []

    def make(most: int) -> QuerySet[Conversation]:
        shapes.append(most)
        return before(Slot("agent", BigIntegerField()), NOON, most)

    compiled = Compiled(make)
    with django_assert_num_queries(4):
        for most in (3, 5, 3, 5):
            compiled.rows(most, agent=agent.pk)
    assert shapes == [3, 5]


def test_rows_can_be_changed_and_saved(
    talks: list[Conversation], agent: Agent, compiled: Compiled[Conversation]
) -> None:
    (row,) = compiled.rows(1, agent=agent.pk, at=NOON + dt.timedelta(days=1))
    row.title = "New"
    row.save(update_fields=["title"])
    assert Conversation.objects.get(pk=row.pk).title == "New"


def test_what_is_deferred_is_fetched_when_asked_for(
    talks: list[Conversation], agent: Agent, django_assert_num_queries: Any
) -> None:
    compiled: Compiled[Conversation] = Compiled(
        lambda: (
            Conversation.objects.filter(agent=Slot("agent", BigIntegerField()))
            .only("title")
            .order_by("pk")
        )
    )
    with django_assert_num_queries(1):
        rows = compiled.rows(agent=agent.pk)
        titles = [row.title for row in rows]
    assert titles == [talk.title for talk in talks if talk.agent_id == agent.pk]
    with django_assert_num_queries(1):
        assert rows[0].status == "bot"


def test_json_and_text_come_and_go_as_they_are(workspace: Workspace) -> None:
    """Quotes and percent signs are values, JSON is decoded."""
    agent = Agent.objects.create(workspace=workspace, name="100% 'A' \"B\" %s")
    talk = Conversation.objects.create(workspace=workspace, agent=agent)
    cited = [{"title": "é", "index": 1}]
    Message.objects.create(
        workspace=workspace,
        conversation=talk,
        role="assistant",
        text="50% 'off' %s",
        citations=cited,
    )
    agents = Compiled(lambda: Agent.objects.filter(name=Slot("name", CharField())))
    assert [one.pk for one in agents.rows(name=agent.name)] == [agent.pk]
    assert agents.rows(name="' OR 1=1 --") == []
    messages = Compiled(
        lambda: Message.objects.readable().filter(text=Slot("text", CharField()))
    )
    (message,) = messages.rows(text="50% 'off' %s")
    assert message.citations == cited


def test_a_few_columns_come_as_tuples_decoded_and_in_the_order_asked_for(
    workspace: Workspace, agent: Agent
) -> None:
    talk = Conversation.objects.create(workspace=workspace, agent=agent)
    cited = [{"title": "é", "index": 1}]
    for text, citations in (("Yes.", cited), ("No.", [])):
        Message.objects.create(
            workspace=workspace,
            conversation=talk,
            role="assistant",
            text=text,
            citations=citations,
        )
    compiled = Compiled(
        lambda: (
            Message.objects.filter(conversation=Slot("talk", BigIntegerField()))
            .order_by("pk")
            .values_list("text", "citations", "conversation")
        )
    )
    assert compiled.rows(talk=talk.pk) == [
        ("Yes.", cited, talk.pk),
        ("No.", [], talk.pk),
    ]


def test_a_slot_left_empty_is_an_error(compiled: Compiled[Conversation]) -> None:
    with pytest.raises(KeyError):
        compiled.rows(1, agent=1)
