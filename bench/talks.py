"""Fills an empty PostgreSQL with an agent of very many conversations and one of few,
and says what is in it.

DATABASE_URL=… python -m bench.talks 500000
"""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookbag.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402  (all after setup)

from agents.models import Agent  # noqa: E402
from apikeys.models import ApiKey  # noqa: E402
from workspaces.models import User, Workspace  # noqa: E402

FEW = 400
PARTS = 16  # transactions, so that the total is in several slots, as in life
BIG = 1_000_000  # requests in a window: more than any scenario makes

FILL = """
INSERT INTO conversations_conversation (workspace_id, agent_id, end_user, channel,
    is_test, title, status, epoch, last_seq, created_at, updated_at)
SELECT %(workspace)s, %(agent)s, 'user-' || n %% 1000, 'api', false,
    'Conversation number ' || n, 'bot', 0, 2, at, at
FROM (
    SELECT n, timestamptz '2026-01-01' + n * interval '7 seconds' AS at
    FROM generate_series(%(first)s, %(last)s) AS n
) AS numbered
"""


def fill(many: int) -> dict[str, object]:
    owner = User.objects.create_user("bench@bookbag.example", None, name="Bench")
    workspace = Workspace.objects.found("Bench", owner=owner)
    big, small = (
        Agent.objects.create(workspace=workspace, name=name)
        for name in ("Big", "Small")
    )
    for agent, count in ((big, many), (small, FEW)):
        size = count // PARTS
        for part in range(PARTS):
            numbers = {"first": part * size + 1, "last": part * size + size}
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    FILL, {"workspace": workspace.pk, "agent": agent.pk, **numbers}
                )
    with connection.cursor() as cursor:
        # Now, and not while it is measured.
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("ALTER SYSTEM SET autovacuum = off")
        cursor.execute("SELECT pg_reload_conf()")
    _, secret = ApiKey.objects.issue(workspace, label="Open", rate_limit=BIG)
    return {"agent_id": big.pk, "small_agent_id": small.pk, "key": secret}


if __name__ == "__main__":
    print(json.dumps(fill(int(sys.argv[1]))))
