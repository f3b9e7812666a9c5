"""Fills an empty database with an agent of very many contacts and one of few, whose ids
are between them, and says what is in it.

BOOKBAG_DATA=… python -m bench.people 100000
"""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookbag.settings")
django.setup()

from django.db import connection  # noqa: E402  (all after setup)

from agents.models import Agent  # noqa: E402
from apikeys.models import ApiKey  # noqa: E402
from contacts import records  # noqa: E402
from workspaces.models import User, Workspace  # noqa: E402

AT_ONCE = 1_000
FEW = 4  # of the small agent, for every thousand of the big one
BIG = 1_000_000  # requests in a window: more than any scenario makes


def fill(many: int) -> dict[str, object]:
    owner = User.objects.create_user("bench@bookbag.example", None, name="Bench")
    workspace = Workspace.objects.found("Bench", owner=owner)
    big, small = (
        Agent.objects.create(workspace=workspace, name=name)
        for name in ("Big", "Small")
    )
    for first in range(0, many, AT_ONCE):
        for agent, count in ((big, AT_ONCE), (small, FEW)):
            numbers = range(first, first + count)
            records.upsert(agent, [_person(number) for number in numbers])
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # Now, and not while it is measured.
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("ALTER SYSTEM SET autovacuum = off")
            cursor.execute("SELECT pg_reload_conf()")
    _, secret = ApiKey.objects.issue(workspace, label="Open", rate_limit=BIG)
    return {"agent_id": big.pk, "small_agent_id": small.pk, "key": secret}


def _person(number: int) -> records.Fields:
    return {
        "external_id": f"user-{number}",
        "name": f"Person number {number}",
        "email": f"{number}@people.example",
        "stripe_accounts": [{"label": "main", "stripe_id": f"cus_{number}"}],
        "custom_attributes": {"plan": "pro", "seats": number % 50},
    }


if __name__ == "__main__":
    print(json.dumps(fill(int(sys.argv[1]))))
