import threading

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from agents.models import Agent
from knowledge import indexing, search
from knowledge.models import Source
from tests.conftest import make_workspace


@pytest.fixture(autouse=True)
def _cold() -> None:
    search.forget_indexes()


def learn(agent: Agent, content: str, title: str = "Shipping") -> Source:
    with transaction.atomic():  # or a server's sweeper may see it first
        source = Source.objects.create(
            workspace=agent.workspace,
            agent=agent,
            kind="text",
            title=title,
            content=content,
        )
        indexing.index_source(source.pk)
    agent.refresh_from_db()
    return source


def ask(agent: Agent, *turns: str) -> search.Found:
    return search.search(agent.workspace_id, agent.pk, agent.index_version, turns)


def test_it_works(agent: Agent) -> None:
    source = learn(agent, "Delivery to Canada takes 5 days.")

    found = ask(agent, "How long does delivery to Canada take?")

    assert found.confidence == "sure"
    assert not found.degraded
    passage = found.passages[0]
    assert (passage.source_id, passage.title) == (source.pk, "Shipping")
    assert passage.sentences[0].text == "Delivery to Canada takes 5 days."


def test_one_query_cold_and_none_warm(
    agent: Agent, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    learn(agent, "Delivery to Canada takes 5 days.")

    with django_assert_num_queries(1):
        ask(agent, "Do you ship to Canada?")
    with django_assert_num_queries(0):
        ask(agent, "Do you ship to Canada?", "How long does it take?")


def test_a_new_source_is_found_at_once(agent: Agent) -> None:
    learn(agent, "Delivery to Canada takes 5 days.")
    assert ask(agent, "Who repairs zips?").confidence == "unknown"

    learn(agent, "Our workshop repairs zips.", title="Repairs")

    assert ask(agent, "Who repairs zips?").passages[0].title == "Repairs"


def test_a_forgotten_source_is_not_found(agent: Agent) -> None:
    source = learn(agent, "Delivery to Canada takes 5 days.")
    indexing.forget(source)
    agent.refresh_from_db()

    assert ask(agent, "Do you ship to Canada?").passages == []


def test_other_agents_know_nothing_of_it(agent: Agent) -> None:
    learn(agent, "Delivery to Canada takes 5 days.")
    neighbour = Agent.objects.create(workspace=agent.workspace, name="Other")
    stranger = Agent.objects.create(workspace=make_workspace("Else"), name="Stranger")

    assert ask(neighbour, "Do you ship to Canada?").passages == []
    assert ask(stranger, "Do you ship to Canada?").passages == []
    found = search.search(stranger.workspace_id, agent.pk, 99, ["Do you ship?"])
    assert found.passages == []


def test_many_threads_build_one_index(committed: None) -> None:
    agent = Agent.objects.create(workspace=make_workspace(), name="Support")
    source = learn(agent, "Delivery to Canada takes 5 days.")
    found: list[search.Found] = []

    def work() -> None:
        from django.db import connection  # noqa: PLC0415 - this thread's own

        try:
            found.append(ask(agent, "How long does delivery to Canada take?"))
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert len(found) == 6
    assert all(one == found[0] for one in found)
    indexing.forget(source)
