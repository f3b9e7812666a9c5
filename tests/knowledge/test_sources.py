"""Giving an agent something to know."""

import threading

import pytest
from django.db import connection

from agents.models import Agent
from bookbag import outbound, threads
from knowledge import indexing, search, sources
from knowledge.models import Source
from tests.conftest import make_workspace
from tests.installation import eventually
from workspaces.models import User


def texts(agent: Agent) -> dict[str, str]:
    found = Source.objects.for_workspace(agent.workspace).filter(agent=agent)
    return {source.title: source.content for source in found}


def is_learned(source: Source) -> bool:
    """As it is now; by us, or by a server's sweeper if that was faster."""
    source.refresh_from_db()
    current = source.indexed_version == source.content_version
    return source.status == "ready" and current


@pytest.fixture
def other(agent: Agent) -> Agent:
    return Agent.objects.create(workspace=agent.workspace, name="Other")


def test_a_text_waits_to_be_indexed(agent: Agent) -> None:
    source = sources.add_text(agent, title="Shipping", text="Two days.")

    assert (source.kind, source.status, source.content_version) == ("text", "queued", 1)
    assert (source.workspace_id, source.agent) == (agent.workspace_id, agent)
    assert texts(agent) == {"Shipping": "Two days."}


@pytest.fixture
def command(committed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does its background work itself, as soon as it is committed."""
    monkeypatch.setattr(threads, "serving", False)


def test_a_worker_is_woken_once_all_is_committed(command: None) -> None:
    agent = Agent.objects.create(workspace=make_workspace(), name="Support")

    source = sources.add_text(agent, title="Shipping", text="Two days.")
    eventually(lambda: is_learned(source))

    replaced = sources.replace_text(agent, title="Shipping", text="Three days.")
    assert replaced.pk == source.pk
    eventually(lambda: is_learned(source))
    assert source.documents.get(superseded_at=None).text == "Three days."
    search.forget_indexes()
    indexing.forget(source)


def test_a_text_is_replaced_and_others_stay(agent: Agent, other: Agent) -> None:
    source = sources.add_text(agent, title="Shipping", text="Two days.")
    sources.add_text(agent, title="Returns", text="60 days.")
    sources.add_text(other, title="Shipping", text="Never.")
    Source.objects.filter(pk=source.pk).update(status="ready", indexed_version=1)

    replaced = sources.replace_text(agent, title="Shipping", text="Three days.")

    assert replaced == source
    assert (replaced.status, replaced.content_version) == ("queued", 2)
    assert texts(agent) == {"Shipping": "Three days.", "Returns": "60 days."}
    assert texts(other) == {"Shipping": "Never."}


def test_what_there_is_none_of_is_made(agent: Agent, other: Agent) -> None:
    sources.add_text(other, title="Shipping", text="Never.")
    Source.objects.create(
        workspace=agent.workspace, agent=agent, kind="qa", title="Shipping", content="x"
    )

    sources.replace_text(agent, title="Shipping", text="Two days.")

    assert texts(other) == {"Shipping": "Never."}
    kinds = Source.objects.filter(agent=agent).values_list("kind", "content")
    assert sorted(kinds) == [("qa", "x"), ("text", "Two days.")]


def test_two_who_replace_what_there_is_none_of_make_one(command: None) -> None:
    agent = Agent.objects.create(workspace=make_workspace(), name="Support")
    start = threading.Barrier(4)
    errors: list[Exception] = []

    def replace(text: str) -> None:
        start.wait()
        try:
            sources.replace_text(agent, title="Shipping", text=text)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    writers = [threading.Thread(target=replace, args=(f"{n} days.",)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert errors == []
    source = Source.objects.get(agent=agent)
    eventually(lambda: is_learned(source))
    assert source.documents.get(superseded_at=None).text == source.content
    search.forget_indexes()
    indexing.forget(source)


def test_an_address_is_checked_before_it_is_kept(agent: Agent) -> None:
    with pytest.raises(outbound.OutboundRefused, match="not on the public Internet"):
        sources.add_url(agent, "http://169.254.169.254/")
    assert texts(agent) == {}


def test_the_same_address_twice_is_one_source(agent: Agent, other: Agent) -> None:
    source = sources.add_url(agent, "https://example.com/")
    assert sources.add_url(agent, "https://example.com/") == source
    assert sources.add_url(agent, "https://example.com/faq") != source
    assert sources.add_url(other, "https://example.com/") != source
    source.refresh_from_db()
    assert (source.status, source.content_version) == ("queued", 2)


def test_agents_of_other_workspaces_are_not_touched(
    agent: Agent, outsider: User
) -> None:
    elsewhere = outsider.memberships.get().workspace
    theirs = Agent.objects.create(workspace=elsewhere, name="Theirs")
    sources.add_text(theirs, title="Shipping", text="Theirs.")
    sources.replace_text(agent, title="Shipping", text="Ours.")
    assert texts(theirs) == {"Shipping": "Theirs."}
