"""Usage of whole installations: one that is brought up to date, one that is stopped."""

import signal

import httpx
import pytest

from tests.faults.conftest import Install
from tests.installation import Installation, eventually

ENTRIES = """
from django.db import connection
from workspaces.models import User, Workspace
owner, _ = User.objects.get_or_create(email="owner@example.com")
workspace = Workspace.objects.first() or Workspace.objects.found("W", owner=owner)
with connection.cursor() as cursor:  # the model may have columns of later days
    for number in range(40):
        cursor.execute(
            "INSERT INTO usage_ledgerentry (workspace_id, agent_id, message_id,"
            " conversation_id, engine, model, credits, input_tokens, output_tokens,"
            " estimated, created_at) VALUES (%s, %s, %s, 1, '', '', %s, 2, 3, %s, %s)",
            [workspace.pk, number % 2, {first} + number, number, False,
             f"2026-01-0{{1 + number % 3}} 23:59:59+00:00"],
        )
"""
KEY = """
from apikeys.models import ApiKey
from workspaces.models import User, Workspace
owner = User.objects.create_user("owner@example.com")
workspace = Workspace.objects.found("W", owner=owner)
print(ApiKey.objects.issue(workspace, label="K")[1])
"""
ROLLED_UP = (
    "SELECT agent_id, count(DISTINCT day), sum(replies), sum(credits)"
    " FROM usage_dailyusage WHERE api_key_id = 0 GROUP BY agent_id ORDER BY agent_id"
)
REQUESTS = "SELECT sum(requests) FROM usage_requestcount"


@pytest.mark.slow
def test_what_the_ledger_held_before_is_rolled_up(install: Install) -> None:
    site = install()
    site.manage("migrate", "usage", "0002", "--verbosity=0")
    site.python(ENTRIES.format(first=1))
    site.manage("migrate", "--verbosity=0")
    assert numbers(site, ROLLED_UP) == [[0, 3, 20, 380], [1, 3, 20, 400]]
    site.python(ENTRIES.format(first=100))
    assert numbers(site, ROLLED_UP) == [[0, 3, 40, 760], [1, 3, 40, 800]]
    assert "agree" in site.manage("check_usage")


@pytest.mark.slow
def test_a_server_told_to_stop_writes_the_requests_it_noted(install: Install) -> None:
    site = install()
    secret = site.python(KEY).strip()
    site.secrets.append(secret)
    server = site.serve()
    headers = {"Authorization": f"Bearer {secret}"}
    # The chore writes them every few seconds; the last ones only the end can write.
    for _ in range(3):
        assert httpx.get(f"{site.url}/api/v2/me", headers=headers).status_code == 200
    server.send_signal(signal.SIGTERM)
    eventually(lambda: server.poll() is not None)
    assert numbers(site, REQUESTS) == [[3]]


def numbers(site: Installation, query: str) -> list[list[int]]:
    return [[int(value) for value in row] for row in site.rows(query)]
