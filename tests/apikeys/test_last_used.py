"""When a key was last used is written later, together, and at most once a minute."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apikeys import last_used
from apikeys.models import ApiKey
from workspaces.models import Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.api.site")]


def use(client: Client, secret: str) -> None:
    client.get("/api/v2/async", headers={"authorization": f"Bearer {secret}"})


def test_it_is_written_outside_of_the_request(
    client: Client, api_key: tuple[ApiKey, str]
) -> None:
    key, secret = api_key
    use(client, secret)
    key.refresh_from_db()
    assert key.last_used_at is None
    assert last_used.flush() == 1
    key.refresh_from_db()
    assert key.last_used_at is not None


def test_not_twice_in_a_minute(client: Client, api_key: tuple[ApiKey, str]) -> None:
    key, secret = api_key
    use(client, secret)
    last_used.flush()
    use(client, secret)
    assert last_used.flush() == 0
    past = timezone.now() - timedelta(minutes=2)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=past)
    use(client, secret)
    assert last_used.flush() == 1


def test_many_keys_cost_one_query_and_none_costs_none(
    workspace: Workspace, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        last_used.note(ApiKey.objects.issue(workspace, label=str(number))[0])
    with django_assert_num_queries(1):
        assert last_used.flush() == 5
    with django_assert_num_queries(0):
        assert last_used.flush() == 0


def test_a_refused_key_was_not_used(
    client: Client, api_key: tuple[ApiKey, str]
) -> None:
    key, secret = api_key
    key.revoke()
    use(client, secret)
    assert last_used.flush() == 0
