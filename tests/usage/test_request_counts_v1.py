"""Requests of API v1 count as their agent's, wherever they name it."""

from typing import Any

import pytest
from django.test import Client

from agents.models import Agent
from apikeys.models import ApiKey
from usage import request_counts
from usage.models import RequestCount

CALLS = {
    "in the path": ("get", "chatbots/{}/contacts", None),
    "of attributes": ("get", "chatbots/{}/custom-attributes", None),
    "in the query": ("get", "get-leads?chatbotId={}", None),
    "in the query of a write": ("delete", "delete-chatbot-icon?chatbotId={}", None),
    "in the body": (
        "post",
        "update-chatbot-data",
        {"chatbotId": "{}", "chatbotName": "Shop"},
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_they_count_as_their_agents(
    client: Client, agent: Agent, api_key: tuple[ApiKey, str], call: tuple[Any, ...]
) -> None:
    request_counts._noted.clear()
    method, path, body = call
    response = getattr(client, method)(
        "/api/v1/" + path.format(agent.pk),
        body and {name: text.format(agent.pk) for name, text in body.items()},
        content_type="application/json",
        headers={"authorization": f"Bearer {api_key[1]}"},
    )
    assert response.status_code == 200
    request_counts.flush()
    counted = RequestCount.objects.for_workspace(agent.workspace)
    assert counted.get().agent_id == agent.pk
