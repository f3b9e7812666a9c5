"""How many requests there were: noted in memory, written every few seconds.

A request makes no write of its own for it. A process that is killed loses what it
noted in the last seconds; one that is told to stop writes it first.
"""

import threading
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.dispatch import receiver

from apikeys.models import ApiKey
from bookbag.api.errors import NotFound
from bookbag.api.fields import parse_path_id
from bookbag.api.signals import admitted
from usage.models import NOBODY

BATCH = 200  # rows in one statement: databases bound the number of parameters

Noted = tuple[date, int, int]  # day of UTC, key, agent

_noted: Counter[Noted] = Counter()
_lock = threading.Lock()

_ADD = (
    "INSERT INTO usage_requestcount (workspace_id, day, agent_id, api_key_id, requests)"
    " VALUES {} ON CONFLICT (workspace_id, day, agent_id, api_key_id) DO UPDATE"
    " SET requests = usage_requestcount.requests + excluded.requests"
)


def note(key: ApiKey, agent_id: int = NOBODY) -> None:
    """One request of the key, about that agent. Whose the agent is shows later."""
    today = datetime.now(UTC).date()
    with _lock:
        _noted[today, key.pk, agent_id] += 1


@receiver(admitted)
def _note_admitted(view: Any, **_: Any) -> None:
    key = view.request.auth
    if isinstance(key, ApiKey):
        note(key, _agent_of(view))


def _agent_of(view: Any) -> int:
    """The agent that the view has found, or else the one that the path names."""
    agent = getattr(view, "agent", None)
    if agent is not None:
        return agent.pk
    try:
        # Which is one thing under two names.
        named = view.kwargs.get("agent_id") or view.kwargs.get("chatbot_id") or ""
        return parse_path_id(named)
    except NotFound:
        return NOBODY


def flush() -> int:
    """Writes what was noted; says how many requests. Call it every few seconds."""
    with _lock:
        noted = _noted.copy()
        _noted.clear()
    if not noted:
        return 0
    try:
        return _write(noted)
    except (OperationalError, InterfaceError):
        with _lock:  # the database is away; it may be back the next time
            _noted.update(noted)
        raise


def _write(noted: Counter[Noted]) -> int:
    workspaces = _workspaces_of({key_id for _, key_id, _ in noted})
    agents = _agents_among({agent_id for _, _, agent_id in noted})
    totals: Counter[tuple[int, date, int, int]] = Counter()
    for (day, key_id, agent_id), requests in noted.items():
        workspace_id = workspaces.get(key_id)
        if workspace_id is None:
            continue  # the whole workspace was removed meanwhile
        # What is no agent of this workspace is a number that the client made up.
        known = (agent_id, workspace_id) in agents
        totals[workspace_id, day, agent_id if known else NOBODY, key_id] += requests
    # In order, so that two processes never wait for each other in a circle.
    rows = sorted(totals.items())
    with transaction.atomic(), connection.cursor() as cursor:
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            cursor.execute(
                _ADD.format(", ".join(["(%s, %s, %s, %s, %s)"] * len(batch))),
                [value for row, requests in batch for value in (*row, requests)],
            )
    return totals.total()


def _workspaces_of(key_ids: set[int]) -> dict[int, int]:
    return dict(ApiKey.objects.filter(pk__in=key_ids).values_list("pk", "workspace_id"))


def _agents_among(agent_ids: set[int]) -> set[tuple[int, int]]:
    """Pairs of an agent and its workspace."""
    # The model is above this room; the key's own column knows it.
    agents: Any = ApiKey._meta.get_field("agent").related_model
    found = agents.objects.filter(pk__in=agent_ids)
    return set(found.values_list("pk", "workspace_id"))
