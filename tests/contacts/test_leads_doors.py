"""Leads at /agents/<id>/leads: for forms, for programs, and for who is signed in."""

import csv
import io

import httpx
import pytest
from django.conf import settings
from django.test import Client

from agents.models import Agent
from apikeys.models import ApiKey
from contacts import leads
from contacts.models import Lead
from tests.conftest import make_workspace
from usage.models import AuditEvent
from workspaces.models import Workspace

JSON = {"Accept": "application/json"}


@pytest.fixture
def workspace(committed: None) -> Workspace:
    return make_workspace()


@pytest.fixture
def agent(workspace: Workspace) -> Agent:
    return Agent.objects.create(workspace=workspace, name="Support")


def session_of(workspace: Workspace) -> dict[str, str]:
    browser = Client()
    browser.force_login(workspace.members.get().user)
    name = settings.SESSION_COOKIE_NAME
    return {"Cookie": f"{name}={browser.cookies[name].value}"}


def test_a_form_needs_neither_key_nor_cookie(
    http: httpx.Client, workspace: Workspace, agent: Agent
) -> None:
    path = f"/agents/{agent.pk}/leads"
    answers = [
        http.post(path, json={"name": "Ada"}),
        http.post(f"/api/v1{path}", json={"name": "Ada"}),
        http.post(path, json={"name": "Ada"}, headers=session_of(workspace)),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert answer.json()["lead"]["name"] == "Ada"
        assert "x-ratelimit-remaining" in answer.headers
    assert Lead.objects.filter(agent=agent).count() == 3


def test_refusals_wear_the_same_on_both_paths(http: httpx.Client, agent: Agent) -> None:
    for body in (b"{", b'{"email": "junk"}', b"", b"[]"):
        answers = [
            http.post(path, content=body, headers={"Content-Type": "application/json"})
            for path in (
                f"/agents/{agent.pk}/leads",
                f"/api/v1/agents/{agent.pk}/leads",
            )
        ]
        assert [answer.status_code for answer in answers] == [400, 400]
        assert answers[0].content == answers[1].content
        assert answers[0].json()["success"] is False
    wrong = {"Authorization": "Bearer oc_live_junk"}
    answer = http.post(f"/agents/{agent.pk}/leads", json={"name": "A"}, headers=wrong)
    assert answer.status_code == 401
    assert http.post(f"/agents/{2**40}/leads", json={"name": "A"}).status_code == 404
    assert not Lead.objects.filter(agent=agent).exists()


def test_a_key_and_a_session_read_the_same(
    http: httpx.Client, workspace: Workspace, agent: Agent
) -> None:
    leads.capture(agent, name="Ada", fields={"Company": "Engines"})
    _, secret = ApiKey.objects.issue(workspace, label="Tests")
    by_key = {"headers": {"Authorization": f"Bearer {secret}"}}
    by_session = {"headers": {**session_of(workspace), **JSON}}
    for path in (f"/agents/{agent.pk}/leads", f"/agents/{agent.pk}/leads/export"):
        answers = [
            http.get(path, **by_key),
            http.get(f"/api/v1{path}", **by_key),
            http.get(path, **by_session),
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert len({answer.content for answer in answers}) == 1
    table = list(csv.reader(io.StringIO(answers[2].content.decode("utf-8-sig"))))
    assert table[1][2] == "Ada"
    exported = AuditEvent.objects.filter(workspace=workspace).order_by("pk")
    actors = [event.actor for event in exported]
    assert actors == [None, None, workspace.members.get().user]


def test_another_workspaces_are_not_there(http: httpx.Client, agent: Agent) -> None:
    leads.capture(agent, name="Canary")
    stranger = {**session_of(make_workspace("Elsewhere")), **JSON}
    for end in ("leads", "leads/export"):
        foreign = http.get(f"/agents/{agent.pk}/{end}", headers=stranger)
        missing = http.get(f"/agents/{2**40}/{end}", headers=stranger)
        assert foreign.status_code == missing.status_code == 404
        assert foreign.content == missing.content
        nobody = http.get(f"/agents/{agent.pk}/{end}", headers=JSON)
        assert nobody.status_code == 401
