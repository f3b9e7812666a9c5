"""Ids and times of API v1: in Chatbase's words to its clients, in Bookbag's own
elsewhere; and whichever way an id is sent."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.contract import test_tenant_matrix_v1 as v1
from tests.contract.test_tenant_matrix import PLENTY, Cell, Tenant, make_tenant
from tests.contract.test_tenant_matrix_v1 import CALLS, Call
from tests.engines import ScriptedEngine

MILLISECONDS = re.compile(r"\A1[0-9]{12}\Z")
ISO = re.compile(r"\A20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9:]{8}\.[0-9]{3}Z\Z")
ID = re.compile(r"\A(contact_|call_)?[1-9][0-9]*\Z")
READS = [call for call in CALLS if call.method == "GET" and "export" not in call.route]
NUMBERED = [
    call
    for call in CALLS
    if {"chatbotId", "agentId"} & set(call.body or ())
    if not call.file  # a form has but strings
]


@pytest.fixture
def tenant(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> Tenant:
    settings.VISITOR_LIMIT = PLENTY
    engines = {"scripted": lambda: ScriptedEngine(["ok"])}
    monkeypatch.setattr("agents.engines.ENGINES", engines)
    return make_tenant("named")


def values(answer: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(answer, list):
        for one in answer:
            yield from values(one)
    if isinstance(answer, dict):
        for name, value in answer.items():
            yield name, value
            yield from values(value)


@pytest.mark.parametrize("call", READS, ids=str)
def test_times_are_what_each_surface_says_wherever_one_is(
    http: httpx.Client, tenant: Tenant, call: Call
) -> None:
    """Seconds of contacts, text of milliseconds in Bookbag's own, else ISO 8601."""
    cell = Cell(v1.references(tenant, tenant.agents[0]))
    answer = v1.send(http, call, cell, tenant.keys["workspace"]).json()
    times = [
        value
        for name, value in values(answer)
        if name.endswith(("_at", "At")) and value is not None
    ]
    assert times or "attribute" in call.route
    for time in times:
        if call.route.startswith("v1_contact"):
            assert type(time) is int
            assert 1_700_000_000 < time < 10_000_000_000
        elif call.route.startswith(("v1_agent_", "v1_conversation")):
            assert MILLISECONDS.match(time)
        else:
            assert ISO.match(time)


@pytest.mark.parametrize("call", READS, ids=str)
def test_ids_are_strings_wherever_one_is(
    http: httpx.Client, tenant: Tenant, call: Call
) -> None:
    """But the agent's in Bookbag's own shapes, which is the number that it is."""
    cell = Cell(v1.references(tenant, tenant.agents[0]))
    answer = v1.send(http, call, cell, tenant.keys["workspace"]).json()
    ids = {"id", "chatbotId", "chatbot_id", "account_id", "conversationId"}
    found = [
        (name, value)
        for name, value in values(answer)
        if name in ids and value is not None
    ]
    assert found or "attribute" in call.route
    for _, value in found:
        assert ID.match(value)
    for name, value in values(answer):
        assert name != "agentId" or value == tenant.agents[0].pk


@pytest.mark.parametrize("call", NUMBERED, ids=str)
def test_an_id_in_a_body_is_an_integer_or_a_string_of_digits(
    http: httpx.Client, tenant: Tenant, call: Call
) -> None:
    references = v1.references(tenant, tenant.agents[0])
    headers = {"Authorization": f"Bearer {tenant.keys['workspace']}"}
    body = v1.filled(call.body, references)
    numbers = {
        name: int(body[name])
        for name in ("chatbotId", "agentId", "conversationId")
        if name in body and body[name].isdigit()
    }
    path = v1.v2.paths()[call.route]
    for one in (body, {**body, **numbers}):
        answer = http.request(call.method, f"/{path}", headers=headers, json=one)
        assert answer.status_code == call.ok, answer.text
