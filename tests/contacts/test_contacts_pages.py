"""A page is what OFFSET would give, and the total what COUNT would; whatever has been
done to the contacts."""

import random
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from contacts import attributes, pages, records
from contacts.guards import recount
from contacts.models import Contact, ContactCount
from tests.conftest import make_workspace


class Undone(Exception):
    pass


def expect_pages(agent: Agent, size: int) -> None:
    """All of them, and the one behind the last."""
    ids = list(agent.contacts.order_by("pk").values_list("pk", flat=True))
    for number in range(1, len(ids) // size + 3):
        found, total = pages.page(agent, number=number, size=size)
        assert total == len(ids) == pages.total_of(agent)
        offset = (number - 1) * size
        assert [contact.pk for contact in found] == ids[offset : offset + size]


class Cast:
    """Agents of two workspaces, and what may happen to their contacts."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.made = 0
        # Ids far apart, as where a table has had many customers' contacts.
        self.next_id = 0
        self.agents = [
            Agent.objects.create(workspace=workspace, name=f"Agent {number}")
            for workspace in (make_workspace("One"), make_workspace("Two"))
            for number in range(2)
        ]
        self.doings: list[Callable[[], Any]] = [
            self.create,
            self.create_many,
            self.upsert,
            self.delete,
            self.delete_many,
            self.move_many,
            self.move_away,
            self.change,
            self.undo,
        ]

    def happen(self) -> None:
        self.chance.choice(self.doings)()

    def new(self, agent: Agent) -> Contact:
        self.made += 1
        self.next_id += self.chance.choice([1, 1, 1, 200, 70_000])
        return Contact(
            pk=10**9 + self.next_id,
            workspace_id=agent.workspace_id,
            agent=agent,
            external_id=f"made {self.made}",
        )

    def some(self, most: int) -> list[int]:
        ours = Contact.objects.filter(agent__in=self.agents).order_by("pk")
        ids = list(ours.values_list("pk", flat=True))
        return self.chance.sample(ids, min(most, len(ids)))

    def create(self) -> None:
        self.new(self.chance.choice(self.agents)).save()

    def create_many(self) -> None:
        agents = self.chance.choices(self.agents, k=30)
        Contact.objects.bulk_create([self.new(agent) for agent in agents])

    def upsert(self) -> None:
        names = self.chance.choices([f"upserted {n}" for n in range(40)], k=10)
        records.upsert(
            self.chance.choice(self.agents), [{"external_id": name} for name in names]
        )

    def delete(self) -> None:
        for contact in Contact.objects.filter(pk__in=self.some(1)):
            records.delete(contact)

    def delete_many(self) -> None:
        Contact.objects.filter(pk__in=self.some(12)).delete()

    def move_many(self) -> None:
        third, fourth = self.agents[2:]
        made = Contact.objects.filter(external_id__startswith="made")
        made.filter(agent=third, pk__in=self.some(20)).update(agent=fourth)

    def move_away(self) -> None:
        there = self.chance.choice(self.agents)
        made = Contact.objects.filter(external_id__startswith="made")
        made.filter(pk__in=self.some(3)).update(
            agent=there, workspace=there.workspace_id
        )

    def change(self) -> None:
        Contact.objects.filter(pk__in=self.some(5)).update(name="Changed")

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
            expect_pages(agent, self.chance.choice([7, 50]))


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(4))
def test_pages_are_those_of_offset_after_random_operations(seed: int) -> None:
    cast = Cast(seed)
    for _ in range(40):
        cast.happen()
        cast.check()
    assert Contact.objects.count() > 0


@pytest.mark.django_db
def test_what_was_there_before_the_triggers_is_counted() -> None:
    cast = Cast(seed=5)
    for _ in range(5):
        cast.create_many()
    ContactCount.objects.update(total=4711)
    recount(None, SimpleNamespace(connection=connection))
    cast.check()
    cast.create()
    cast.check()


@pytest.mark.django_db
def test_a_deep_page_takes_as_many_queries_as_the_first(agent: Agent) -> None:
    Contact.objects.bulk_create(
        Contact(workspace_id=agent.workspace_id, agent=agent, external_id=str(number))
        for number in range(1500)
    )
    for number in (1, 149):
        with CaptureQueriesContext(connection) as queries:
            found, total = pages.page(agent, number=number, size=10)
        assert len(queries) == 3
        assert (len(found), total) == (10, 1500)
        assert found[0].external_id == str((number - 1) * 10)


@pytest.mark.django_db
def test_no_more_is_skipped_than_a_block_has(agent: Agent) -> None:
    Contact.objects.bulk_create(
        Contact(workspace_id=agent.workspace_id, agent=agent, external_id=str(number))
        for number in range(1500)
    )
    for number in range(1, 151):
        with CaptureQueriesContext(connection) as queries:
            pages.page(agent, number=number, size=10)
        _, _, offset = queries[-1]["sql"].rpartition("OFFSET")
        assert number == 1 or not offset.strip().isdigit() or int(offset) < 256


@pytest.mark.django_db
def test_an_agent_without_contacts_has_no_pages(agent: Agent) -> None:
    assert pages.page(agent, number=1, size=10) == ([], 0)
    assert pages.page(agent, number=2**63 - 1, size=1000) == ([], 0)


@pytest.mark.usefixtures("committed")
def test_pages_are_those_of_offset_after_many_at_once() -> None:
    """Threads that add, delete and roll back, in transactions that overlap."""
    workspace = make_workspace("Busy")
    agents = [
        Agent.objects.create(workspace=workspace, name=f"Busy {number}")
        for number in range(2)
    ]
    problems: list[Exception] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for round_ in range(12):
                agent = agents[(seed + round_) % 2]
                try:
                    with transaction.atomic():
                        attributes.locked(agent)
                        made = Contact.objects.bulk_create(
                            Contact(
                                workspace=workspace,
                                agent=agent,
                                external_id=f"{seed} {round_} {number}",
                            )
                            for number in range(4)
                        )
                        mine = agent.contacts.filter(external_id__startswith=f"{seed} ")
                        gone = [c.pk for c in mine.order_by("pk")[:2]]
                        agent.contacts.filter(pk__in=gone).delete()
                        records.upsert(
                            agent, [{"external_id": made[3].external_id}, {}]
                        )
                        if chance.random() < 0.3:
                            raise Undone
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
        assert pages.total_of(agent) > 0
        expect_pages(agent, 7)
