"""What an API key looks like, and what its kind changes."""

import re
import zlib

import pytest
from django.test import Client

from agents.models import Agent
from apikeys.models import ApiKey
from workspaces.models import Workspace

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["live", "test"])
def test_a_key_is_its_kind_36_characters_and_a_checksum_over_all_before(
    workspace: Workspace, kind: str
) -> None:
    _, secret = ApiKey.objects.issue(workspace, label="K", environment=kind)
    assert re.fullmatch(rf"oc_{kind}_[0-9A-Za-z]{{42}}", secret)
    number = 0
    for digit in secret[-6:]:
        number = number * 62 + BASE62.index(digit)
    assert number == zlib.crc32(secret[:-6].encode())


@pytest.mark.django_db
def test_live_and_test_keys_open_the_same(workspace: Workspace, agent: Agent) -> None:
    answers = {
        Client()
        .get(
            f"/api/v2/agents/{agent.pk}",
            headers={"authorization": f"Bearer {secret}"},
        )
        .content
        for _, secret in (
            ApiKey.objects.issue(workspace, label="K", environment=kind)
            for kind in ("live", "test")
        )
    }
    assert len(answers) == 1
    assert str(agent.pk).encode() in answers.pop()


@pytest.mark.django_db
def test_a_key_may_carry_a_limit_of_its_own(workspace: Workspace) -> None:
    _, secret = ApiKey.objects.issue(workspace, label="K", rate_limit=7)
    answer = Client().get("/api/v2/me", headers={"authorization": f"Bearer {secret}"})
    assert answer.headers["X-RateLimit-Limit"] == "7"
    assert answer.headers["X-RateLimit-Remaining"] == "6"
