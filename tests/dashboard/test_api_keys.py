"""The page /apikeys, as a person uses it."""

import logging
import re
from datetime import timedelta
from html import unescape

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from apikeys.models import MAX_KEYS, ApiKey
from tests.conftest import make_workspace
from tests.dashboard.conftest import SignIn
from usage.models import AuditEvent
from workspaces.models import User, Workspace

SECRET = re.compile(r"oc_(?:live|test)_[0-9A-Za-z]{42}")
FORM = {"label": "Backend", "access": "full", "environment": "live", "expires": ""}


def secrets_in(response: HttpResponse) -> list[str]:
    return SECRET.findall(unescape(response.content.decode()))


def issue(workspace: Workspace, **fields: object) -> ApiKey:
    return ApiKey.objects.issue(workspace, **{"label": "Old", **fields})[0]


@pytest.fixture
def browser(sign_in: SignIn, admin: User) -> Client:
    return sign_in(admin)


def test_it_works(browser: Client, workspace: Workspace, admin: User) -> None:
    response = browser.post("/apikeys", FORM)
    (secret,) = set(secrets_in(response))
    key = ApiKey.objects.opened_by(secret)
    assert key is not None
    assert (key.workspace, key.label, key.agent) == (workspace, "Backend", None)
    assert key.created_by == admin
    assert key.expires_at is None


def test_the_secret_is_shown_once_and_not_stored(browser: Client) -> None:
    response = browser.post("/apikeys", FORM)
    assert response["Cache-Control"] == "no-store"
    (secret,) = set(secrets_in(response))
    for path in ("/apikeys", "/", "/apikeys/new"):
        assert secret not in browser.get(path).content.decode()
    assert secret[:12] in browser.get("/apikeys").content.decode()
    events = str(list(AuditEvent.objects.values_list("detail", flat=True)))
    assert secret[12:] not in events


def test_the_secret_is_not_logged(
    browser: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        response = browser.post("/apikeys", FORM)
    (secret,) = set(secrets_in(response))
    assert secret not in caplog.text


def test_a_key_for_one_agent_that_only_reads_and_expires(
    browser: Client, agent: Agent
) -> None:
    chosen = {"agent": agent.pk, "access": "read", "environment": "test"}
    response = browser.post("/apikeys", {**FORM, **chosen, "expires": "30"})
    (secret,) = set(secrets_in(response))
    assert secret.startswith("oc_test_")
    key = ApiKey.objects.get()
    assert (key.agent, key.access) == (agent, "read")
    assert key.expires_at is not None
    assert key.expires_at - timezone.now() > timedelta(days=29)


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": " "},
        {"label": "x" * 81},
        {"label": "a\0b"},
        {"agent": "999999"},
        {"agent": "x"},
        {"access": "all"},
        {"environment": "prod"},
        {"expires": "31"},
    ],
)
def test_what_is_wrong_is_said_by_the_field(
    browser: Client, wrong: dict[str, str]
) -> None:
    response = browser.post("/apikeys", FORM | wrong)
    assert response.status_code == 422
    assert "errorlist" in response.content.decode()
    assert not ApiKey.objects.exists()


def test_an_agent_of_another_workspace_cannot_be_chosen(
    browser: Client, outsider: User
) -> None:
    elsewhere = outsider.memberships.get().workspace
    theirs = Agent.objects.create(workspace=elsewhere, name="Theirs")
    response = browser.post("/apikeys", {**FORM, "agent": theirs.pk})
    assert response.status_code == 422
    assert "Theirs" not in browser.get("/apikeys/new").content.decode()


def test_an_archived_agent_cannot_be_chosen(browser: Client, agent: Agent) -> None:
    Agent.objects.update(status="archived")
    response = browser.post("/apikeys", {**FORM, "agent": agent.pk})
    assert response.status_code == 422


def test_one_key_too_many(browser: Client, workspace: Workspace) -> None:
    for number in range(MAX_KEYS):
        issue(workspace, label=f"Key {number}")
    response = browser.post("/apikeys", FORM)
    assert response.status_code == 422
    assert "Revoke one that is not used" in response.content.decode()


def test_in_the_dialog_there_is_no_page_around_it(browser: Client) -> None:
    headers = {"HX-Request": "true"}
    for response in (
        browser.get("/apikeys/new", headers=headers),
        browser.post("/apikeys", FORM, headers=headers),
        browser.post("/apikeys", {**FORM, "label": ""}, headers=headers),
    ):
        assert "<html" not in response.content.decode()
        assert "panel-title" in response.content.decode()


def test_the_list_says_how_each_key_stands(
    browser: Client, workspace: Workspace, agent: Agent
) -> None:
    now = timezone.now()
    issue(workspace, label="Fresh", agent=agent)
    issue(workspace, label="Ending", expires_at=now + timedelta(days=3))
    issue(workspace, label="Ended", expires_at=now - timedelta(days=3))
    issue(workspace, label="Broken").revoke()
    page = browser.get("/apikeys").content.decode()
    body = page.split('<tbody id="keys">')[1]
    rows = {
        label: row
        for row in body.split("<tr")[1:]
        for label in ("Fresh", "Ending", "Ended", "Broken")
        if f">{label}<" in row
    }
    assert "Active" in rows["Fresh"]
    assert agent.name in rows["Fresh"]
    assert "Expires" in rows["Ending"]
    assert "Expired" in rows["Ended"]
    assert "Revoked" in rows["Broken"]
    assert "/revoke" in rows["Ending"]
    assert "/revoke" not in rows["Ended"] + rows["Broken"]


def test_revoking_asks_first_and_says_what_breaks(
    browser: Client, workspace: Workspace, admin: User
) -> None:
    key = issue(workspace)
    page = browser.get(f"/apikeys/{key.pk}/revoke").content.decode()
    assert "stops working at once" in page
    key.refresh_from_db()
    assert key.is_live
    response = browser.post(f"/apikeys/{key.pk}/revoke", follow=True)
    assert "Revoked “Old”" in response.content.decode()
    key.refresh_from_db()
    assert not key.is_live
    event = AuditEvent.objects.get(action="api_key.revoked")
    assert (event.actor, event.target) == (admin, f"api_key:{key.pk}")


def test_revoking_twice_is_recorded_once(browser: Client, workspace: Workspace) -> None:
    key = issue(workspace)
    for _ in range(2):
        browser.post(f"/apikeys/{key.pk}/revoke")
    assert AuditEvent.objects.filter(action="api_key.revoked").count() == 1


@pytest.mark.parametrize("hours", [0, 1, 24, 168])
def test_rotating(
    browser: Client, workspace: Workspace, agent: Agent, hours: int
) -> None:
    old, former = ApiKey.objects.issue(workspace, label="Old", agent=agent)
    response = browser.post(f"/apikeys/{old.pk}/rotate", {"grace": hours})
    assert response["Cache-Control"] == "no-store"
    (secret,) = set(secrets_in(response))
    new = ApiKey.objects.opened_by(secret)
    assert new is not None
    assert (new.label, new.agent, new.replaces) == ("Old", agent, old)
    still = ApiKey.objects.opened_by(former)
    assert (still is not None) == (hours > 0)
    if still is not None and still.expires_at is not None:
        assert still.expires_at <= timezone.now() + timedelta(hours=hours)


def test_a_dead_key_is_not_rotated(browser: Client, workspace: Workspace) -> None:
    key = issue(workspace)
    key.revoke()
    response = browser.post(f"/apikeys/{key.pk}/rotate", {"grace": 0}, follow=True)
    assert "Create a new key" in response.content.decode()
    assert ApiKey.objects.count() == 1


def test_a_grace_of_ones_own_is_refused(browser: Client, workspace: Workspace) -> None:
    key = issue(workspace)
    response = browser.post(f"/apikeys/{key.pk}/rotate", {"grace": "99999"})
    assert response.status_code == 422
    assert ApiKey.objects.count() == 1


def test_making_a_key_leaves_an_audit_event(browser: Client, admin: User) -> None:
    browser.post("/apikeys", FORM)
    event = AuditEvent.objects.get()
    assert (event.action, event.actor) == ("api_key.created", admin)
    assert event.detail["label"] == "Backend"


def test_a_label_is_shown_as_it_is(browser: Client, workspace: Workspace) -> None:
    issue(workspace, label="<script>alert(1)</script>")
    page = browser.get("/apikeys").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


PATHS = ["/apikeys", "/apikeys/new", "/apikeys/{key}/revoke", "/apikeys/{key}/rotate"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_without_the_role_it_is_403(
    sign_in: SignIn,
    workspace: Workspace,
    request: pytest.FixtureRequest,
    path: str,
    role: str,
) -> None:
    key = issue(workspace)
    browser = sign_in(request.getfixturevalue(role))
    url = path.format(key=key.pk)
    assert browser.get(url).status_code == 403
    assert browser.post(url, {**FORM, "grace": 0}).status_code == 403
    assert ApiKey.objects.live().count() == 1


@pytest.mark.parametrize("path", PATHS[2:])
def test_outsider_gets_404(
    sign_in: SignIn, workspace: Workspace, outsider: User, path: str
) -> None:
    key = issue(workspace)
    browser = sign_in(outsider)
    for number in (key.pk, 999_999, 2**70):
        url = path.format(key=number)
        assert browser.get(url).status_code == 404
        assert browser.post(url, {"grace": 0}).status_code == 404
    assert ApiKey.objects.live().count() == 1


def test_outsider_sees_no_key_of_ours(
    sign_in: SignIn, workspace: Workspace, outsider: User
) -> None:
    issue(workspace, label="Ours alone")
    assert "Ours alone" not in sign_in(outsider).get("/apikeys").content.decode()


def test_a_form_from_elsewhere_is_refused(admin: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)
    assert browser.post("/apikeys", FORM).status_code == 403
    assert not ApiKey.objects.exists()


def test_the_list_takes_as_many_queries_for_many_keys(
    browser: Client, workspace: Workspace, agent: Agent, django_assert_max_num_queries
) -> None:
    for number in range(20):
        issue(workspace, label=f"Key {number}", agent=agent)
    make_workspace("Other")
    with django_assert_max_num_queries(8):
        browser.get("/apikeys")
