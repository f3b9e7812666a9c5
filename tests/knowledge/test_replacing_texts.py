"""Two who give an agent the same text at once, and a worker between them."""

import threading

import pytest
from django.db import OperationalError, connection, connections, transaction

from agents.models import Agent
from bookbag import threads
from knowledge import sources
from tests.conftest import make_workspace
from tests.installation import eventually


def test_who_waited_for_the_agent_does_not_hold_it_beside_the_source(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer.")
    # What waits to be indexed waits for another thread: this one has more to do.
    monkeypatch.setattr(threads, "serving", True)
    agent = Agent.objects.create(workspace=make_workspace(), name="Support")
    replaced, looked = threading.Event(), threading.Event()

    def second() -> None:
        with transaction.atomic():
            sources.replace_text(agent, title="Text", text="Second.")
            replaced.set()
            looked.wait(60)
        connections.close_all()

    other = threading.Thread(target=second)
    with transaction.atomic():
        Agent.objects.select_for_update().get(pk=agent.pk)
        other.start()
        with connection.cursor() as cursor:

            def it_waits_for_us() -> bool:
                cursor.execute(
                    "SELECT count(*) FROM pg_locks"
                    " WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
                )
                return bool(cursor.fetchone()[0])

            eventually(it_waits_for_us)
        sources.add_text(agent, title="Text", text="First.")
    try:
        assert replaced.wait(60)
        with transaction.atomic():
            Agent.objects.select_for_update(nowait=True).get(pk=agent.pk)
    except OperationalError:
        pytest.fail("The agent is locked, as well as the source.")
    finally:
        looked.set()
        other.join(60)
    assert agent.sources.get().content == "Second."
