"""An agent's total is its conversations, whatever has been done to them."""

import random
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models import QuerySet

from agents.models import Agent
from conversations.counters import total_of
from conversations.guards import recount
from conversations.models import Conversation, ConversationTotal
from tests.conftest import make_workspace


class Undone(Exception):
    pass


class Cast:
    """Agents of two workspaces, and what may happen to their conversations."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.agents = [
            Agent.objects.create(workspace=workspace, name=f"Agent {number}")
            for workspace in (make_workspace("One"), make_workspace("Two"))
            for number in range(2)
        ]
        self.doings: list[Callable[[], Any]] = [
            self.create,
            self.create_many,
            self.delete,
            self.delete_many,
            self.move,
            self.move_many,
            self.move_away,
            self.touch,
            self.save_whole,
            self.undo,
        ]

    def happen(self) -> None:
        self.chance.choice(self.doings)()

    def new(self) -> Conversation:
        agent = self.chance.choice(self.agents)
        return Conversation(workspace_id=agent.workspace_id, agent=agent)

    def some(self, most: int) -> list[int]:
        ids = list(self.all.order_by("pk").values_list("pk", flat=True))
        return self.chance.sample(ids, min(most, len(ids)))

    @property
    def all(self) -> QuerySet[Conversation]:
        return Conversation.objects.filter(agent__in=self.agents)

    def create(self) -> None:
        self.new().save()

    def create_many(self) -> None:
        Conversation.objects.bulk_create([self.new() for _ in range(25)])

    def delete(self) -> None:
        for one in Conversation.objects.filter(pk__in=self.some(1)):
            one.delete()

    def delete_many(self) -> None:
        Conversation.objects.filter(pk__in=self.some(12)).delete()

    def move(self) -> None:
        """To the other agent of the workspace."""
        first, second = self.agents[:2]
        for one in Conversation.objects.filter(pk__in=self.some(1), agent=first):
            one.agent = second
            one.save()

    def move_many(self) -> None:
        third, fourth = self.agents[2:]
        Conversation.objects.filter(agent=third, pk__in=self.some(20)).update(
            agent=fourth
        )

    def move_away(self) -> None:
        """To an agent of another workspace."""
        there = self.chance.choice(self.agents)
        Conversation.objects.filter(pk__in=self.some(3)).update(
            agent=there, workspace=there.workspace_id
        )

    def touch(self) -> None:
        Conversation.objects.filter(pk__in=self.some(5)).update(title="Touched")

    def save_whole(self) -> None:
        for one in Conversation.objects.filter(pk__in=self.some(2)):
            one.save()

    def undo(self) -> None:
        try:
            with transaction.atomic():
                for _ in range(3):
                    self.chance.choice(self.doings[:-1])()
                raise Undone
        except Undone:
            pass

    def check(self) -> None:
        for agent in self.agents:
            counted = Conversation.objects.filter(agent=agent).count()
            assert total_of(agent.workspace_id, agent.pk) == counted


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(4))
def test_total_equals_count_after_random_operations(seed: int) -> None:
    cast = Cast(seed)
    for _ in range(60):
        cast.happen()
        cast.check()
    assert cast.all.exists()


@pytest.mark.django_db
def test_total_of_an_agent_without_conversations_is_zero(agent: Agent) -> None:
    assert total_of(agent.workspace_id, agent.pk) == 0
    Conversation.objects.create(workspace_id=agent.workspace_id, agent=agent).delete()
    assert total_of(agent.workspace_id, agent.pk) == 0


@pytest.mark.django_db
def test_total_is_the_workspaces_own(agent: Agent) -> None:
    Conversation.objects.create(workspace_id=agent.workspace_id, agent=agent)
    assert total_of(agent.workspace_id, agent.pk) == 1
    assert total_of(agent.workspace_id + 1, agent.pk) == 0


@pytest.mark.django_db
def test_what_was_there_before_the_triggers_is_counted() -> None:
    cast = Cast(seed=5)
    for _ in range(20):
        cast.create_many()
        cast.delete_many()
    ConversationTotal.objects.update(total=4711)
    recount(None, SimpleNamespace(connection=connection))
    cast.check()
    cast.create()
    cast.check()


@pytest.mark.usefixtures("patient")
def test_total_equals_count_after_many_at_once() -> None:
    """Threads that create, delete and roll back, in transactions that overlap."""
    workspace = make_workspace("Busy")
    agents = [
        Agent.objects.create(workspace=workspace, name=f"Busy {number}")
        for number in range(2)
    ]
    problems: list[Exception] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        mine: list[int] = []
        try:
            for _ in range(12):
                try:
                    with transaction.atomic():
                        made = Conversation.objects.bulk_create(
                            Conversation(workspace=workspace, agent=agent)
                            for agent in chance.choices(agents, k=4)
                        )
                        Conversation.objects.filter(pk__in=mine[:2]).delete()
                        if chance.random() < 0.3:
                            raise Undone
                    mine = [*mine[2:], *(one.pk for one in made)]
                except Undone:
                    pass
        except Exception as problem:
            problems.append(problem)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not problems
    for agent in agents:
        counted = Conversation.objects.filter(agent=agent).count()
        assert total_of(workspace.pk, agent.pk) == counted > 0
