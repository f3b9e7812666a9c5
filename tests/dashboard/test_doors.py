"""The paths with two ways in, on the real server: with a key, with a session, with both
and with neither; in JSON and as pages."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from agents.models import Agent, AgentStatus
from apikeys.models import ApiKey
from contacts.models import Lead
from conversations.models import Conversation, Message
from dashboard import doors
from tests.conftest import make_member, make_workspace
from workspaces.models import Member, Role, User, Workspace

JSON = {"Accept": "application/json"}
# As browsers ask for a page.
HTML = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,"
    "image/webp,image/apng,*/*;q=0.8"
}
CLOSED = {"Accept", "Authorization", "Cookie"}


@dataclass
class House:
    """A workspace with an agent, a conversation and a lead of it, a member, a key."""

    workspace: Workspace
    agent: Agent
    conversation: Conversation
    member: User
    secret: str

    @property
    def paths(self) -> list[str]:
        return [
            f"/agents/{self.agent.pk}/conversations",
            f"/conversations/{self.conversation.pk}",
            self.leads,
        ]

    @property
    def leads(self) -> str:
        return f"/agents/{self.agent.pk}/leads"

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}


def make_house(name: str) -> House:
    workspace = make_workspace(name)
    agent = Agent.objects.create(workspace=workspace, name=f"{name}'s agent")
    ours = {"workspace": workspace}
    conversation = Conversation.objects.create(**ours, agent=agent, title=f"Of {name}")
    Message.objects.create(
        **ours, conversation=conversation, role="user", text=f"Said at {name}"
    )
    Lead.objects.create(**ours, agent=agent, name=f"Of {name}", fields={"name": "x"})
    _, secret = ApiKey.objects.issue(workspace, label="Tests")
    member = make_member(workspace, Role.VIEWER)
    return House(workspace, agent, conversation, member, secret)


@pytest.fixture(autouse=True)
def _long_window(settings: Any) -> None:
    """Of what is counted nothing is forgotten meanwhile."""
    settings.RATE_LIMIT_WINDOW = 3600
    settings.RATE_LIMIT = 1000


@pytest.fixture
def house(http: httpx.Client) -> House:
    return make_house("Acme")


@pytest.fixture
def other(http: httpx.Client) -> House:
    return make_house("Elsewhere")


SignIn = Callable[[User], httpx.Client]


@pytest.fixture
def sign_in(http: httpx.Client) -> Iterator[SignIn]:
    """The user's own browser, with a session; each call opens another."""
    browsers = []

    def sign_in(user: User) -> httpx.Client:
        session = Client()
        session.force_login(user)
        cookies = {name: morsel.value for name, morsel in session.cookies.items()}
        browsers.append(
            httpx.Client(base_url=http.base_url, cookies=cookies, timeout=http.timeout)
        )
        return browsers[-1]

    yield sign_in
    for browser in browsers:
        browser.close()


def vary(response: httpx.Response) -> set[str]:
    return {one.strip() for one in response.headers.get("Vary", "").split(",")}


def assert_private(response: httpx.Response) -> None:
    assert vary(response) >= CLOSED
    assert response.headers["Cache-Control"] == "no-store"


def failure(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert body["success"] is False
    assert set(body) == {"success", "error"}
    return response.status_code, body["error"]["code"]


# --- With a key ---------------------------------------------------------------------


@pytest.mark.parametrize("accept", [JSON, HTML, {"Accept": "*/*"}])
def test_a_key_is_answered_as_under_v1(
    http: httpx.Client, house: House, accept: dict[str, str]
) -> None:
    for address in house.paths:
        here = http.get(address, headers=house.bearer | accept)
        there = http.get(f"/api/v1{address}", headers=house.bearer | accept)
        assert here.status_code == there.status_code == 200
        assert here.content == there.content
        assert "Set-Cookie" not in here.headers
        assert set(there.headers) <= set(here.headers)
        for name in ("content-type", "x-ratelimit-limit", "x-content-type-options"):
            assert here.headers[name] == there.headers[name]
        spent = int(here.headers["x-ratelimit-remaining"])
        assert int(there.headers["x-ratelimit-remaining"]) == spent - 1
        assert_private(here)


def test_what_is_wrong_with_a_key_is_said_as_under_v1(
    http: httpx.Client, house: House, other: House
) -> None:
    sibling = Agent.objects.create(workspace=house.workspace, name="Sibling")
    _, scoped = ApiKey.objects.issue(house.workspace, label="One", agent=sibling)
    for address in house.paths:
        for key in ("", "junk", "oc_live_" + "x" * 42, other.secret, scoped):
            headers = HTML | {"Authorization": f"Bearer {key}".strip()}
            here = http.get(address, headers=headers)
            there = http.get(f"/api/v1{address}", headers=headers)
            assert failure(here)[0] == there.status_code >= 400, key
            assert here.content == there.content
            assert here.headers.get("www-authenticate") == there.headers.get(
                "www-authenticate"
            )
            assert "x-ratelimit-remaining" in here.headers
            assert_private(here)


def test_a_keys_limit_is_one_for_both_paths(http: httpx.Client, house: House) -> None:
    _, secret = ApiKey.objects.issue(house.workspace, label="Two", rate_limit=2)
    bearer = {"Authorization": f"Bearer {secret}"}
    address, *_ = house.paths
    assert http.get(f"/api/v1{address}", headers=bearer).status_code == 200
    assert http.get(address, headers=bearer).status_code == 200
    refused = http.get(address, headers=bearer)
    assert failure(refused) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert_private(refused)


def test_cookies_never_count_beside_a_key(
    house: House, other: House, sign_in: SignIn
) -> None:
    browser = sign_in(house.member)
    for address in house.paths:
        # Theirs is not the session's workspace, and so nothing is found.
        strange = browser.get(address, headers=JSON | other.bearer)
        assert failure(strange)[0] == 404
        wrong = browser.get(address, headers=HTML | {"Authorization": "Bearer junk"})
        assert failure(wrong) == (401, "unauthorized")
    for address in other.paths:
        assert browser.get(address, headers=JSON | other.bearer).status_code == 200


def test_a_second_authorization_header_does_not_hide_the_first(
    http: httpx.Client, house: House, sign_in: SignIn
) -> None:
    browser = sign_in(house.member)
    for values in (["Bearer junk", "Basic eDp5"], ["Basic eDp5", "bearer junk"]):
        headers = [("Authorization", value) for value in values]
        for address in house.paths:
            answer = browser.get(address, headers=[*headers, *HTML.items()])
            assert failure(answer) == (401, "unauthorized")


# --- With a session -----------------------------------------------------------------


def test_a_session_is_given_what_a_key_is(
    http: httpx.Client, house: House, sign_in: SignIn
) -> None:
    browser = sign_in(house.member)
    for address in house.paths:
        mine = browser.get(address, headers=JSON)
        keys = http.get(address, headers=house.bearer)
        assert mine.status_code == 200
        assert mine.content == keys.content
        assert mine.headers["Content-Type"] == "application/json"
        assert "X-RateLimit-Remaining" in mine.headers
        assert_private(mine)


def test_a_browser_is_shown_a_page(house: House, sign_in: SignIn) -> None:
    browser = sign_in(house.member)
    for address in house.paths:
        for accept in (HTML, {"Accept": "*/*"}):
            page = browser.get(address, headers=accept)
            assert page.status_code == 200
            assert page.headers["Content-Type"].startswith("text/html")
            assert "Of Acme" in page.text
            assert_private(page)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/html", "text/html"),
        ("application/json", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/html, application/json;q=0.9", "text/html"),
        ("", "application/json"),
    ],
)
def test_the_accept_header_says_which(
    house: House, sign_in: SignIn, accept: str, media_type: str
) -> None:
    browser = sign_in(house.member)
    for address in house.paths:
        answer = browser.get(address, headers={"Accept": accept})
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].partition(";")[0] == media_type


def test_who_takes_neither_is_told_so(house: House, sign_in: SignIn) -> None:
    browser = sign_in(house.member)
    for address in house.paths:
        answer = browser.get(address, headers={"Accept": "image/png"})
        assert failure(answer) == (406, "not_acceptable")


def test_another_scheme_is_no_key(house: House, sign_in: SignIn) -> None:
    """A proxy may ask people for a password of its own."""
    browser = sign_in(house.member)
    for address in house.paths:
        basic = {"Authorization": "Basic YmVhcmVyOmJlYXJlcg=="}
        assert browser.get(address, headers=JSON | basic).status_code == 200
        page = browser.get(address, headers=HTML | basic)
        assert page.headers["Content-Type"].startswith("text/html")


def test_a_session_sees_the_workspace_it_looks_at_and_no_other(
    house: House, other: House, sign_in: SignIn
) -> None:
    Member.objects.create(
        workspace=other.workspace, user=house.member, role=Role.VIEWER
    )
    session = Client()
    session.force_login(house.member)
    for here, there in ((house, other), (other, house)):
        chosen = session.post("/workspace", {"workspace": here.workspace.pk})
        assert chosen.status_code == 302
        for address in here.paths:
            assert session.get(address, headers=JSON).status_code == 200
        for address in there.paths:
            assert session.get(address, headers=JSON).status_code == 404
            assert session.get(address, headers=HTML).status_code == 404


def test_what_is_anothers_answers_as_what_does_not_exist(
    house: House, other: House, sign_in: SignIn
) -> None:
    browser = sign_in(house.member)
    archived = Agent.objects.create(
        workspace=house.workspace, name="Gone", status=AgentStatus.ARCHIVED
    )
    talk = Conversation.objects.create(workspace=house.workspace, agent=archived)
    nowhere = (2**40, 2**63, 2**70, "x", "-1", "%00", "1%0A", "1_0", "%D9%A1", "%FF")
    conversations = [other.conversation.pk, talk.pk, *nowhere]
    agents = [other.agent.pk, archived.pk, *nowhere]
    for addresses in (
        [f"/conversations/{one}" for one in conversations],
        [f"/agents/{one}/conversations" for one in agents],
        [f"/agents/{one}/leads" for one in agents],
        [f"/agents/{one}/leads/export" for one in agents],
    ):
        refusals = [browser.get(one, headers=JSON) for one in addresses]
        assert {one.status_code for one in refusals} == {404}
        assert len({one.content for one in refusals}) == 1
        assert refusals[0].json()["success"] is False
        pages = [browser.get(one, headers=HTML) for one in addresses]
        assert {one.status_code for one in pages} == {404}
        assert "There is nothing here" in pages[0].text
        for answer in (*refusals, *pages):
            assert_private(answer)


def test_who_is_no_member_any_more_is_refused_at_once(
    house: House, sign_in: SignIn
) -> None:
    browser = sign_in(house.member)
    assert browser.get(house.paths[0], headers=JSON).status_code == 200
    Member.objects.filter(user=house.member).delete()
    for address in (*house.paths, f"{house.leads}/export"):
        assert failure(browser.get(address, headers=JSON)) == (403, "forbidden")
        page = browser.get(address, headers=HTML)
        assert page.status_code == 403
        assert page.headers["Content-Type"].startswith("text/html")
        assert_private(page)


def test_a_switched_off_account_has_no_session(house: House, sign_in: SignIn) -> None:
    browser = sign_in(house.member)
    User.objects.filter(pk=house.member.pk).update(is_active=False)
    for address in house.paths:
        assert failure(browser.get(address, headers=JSON)) == (401, "unauthorized")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_session_opens_nothing_but_reading(
    house: House, sign_in: SignIn, method: str
) -> None:
    browser = sign_in(house.member)
    for address in (*house.paths, f"{house.leads}/export"):
        if method == "POST" and address == house.leads:
            continue  # it is anybody's; see below
        for accept in (JSON, HTML):
            answer = browser.request(method, address, headers=accept, json={})
            assert failure(answer) == (405, "method_not_allowed")
            assert "GET" in answer.headers["Allow"]
            assert_private(answer)


def test_head_answers_without_a_body(
    http: httpx.Client, house: House, sign_in: SignIn
) -> None:
    browser = sign_in(house.member)
    for address in house.paths:
        for answer in (
            browser.head(address, headers=JSON),
            browser.head(address, headers=HTML),
            http.head(address, headers=house.bearer),
        ):
            assert answer.status_code == 200
            assert answer.content == b""
            assert_private(answer)


# --- Leads --------------------------------------------------------------------------


def test_a_lead_is_left_without_key_session_or_token_of_a_form(house: House) -> None:
    visitor = Client(enforce_csrf_checks=True)
    for number, accept in enumerate([JSON, HTML, {}]):
        lead = {"email": f"{number}@example.com"}
        answer: Any = visitor.post(
            house.leads, lead, content_type="application/json", headers=accept
        )
        assert answer.status_code == 200, answer.content
        assert answer.json()["success"] is True
        assert not answer.cookies
        assert Lead.objects.filter(agent=house.agent, **lead).count() == 1
        assert "no-store" in answer["Cache-Control"]


def test_a_session_makes_nobody_more_than_a_visitor(
    http: httpx.Client, house: House, sign_in: SignIn
) -> None:
    """A page of somebody else's may post here in a member's browser."""
    Agent.objects.filter(pk=house.agent.pk).update(status=AgentStatus.DRAFT)
    lead = {"email": "a@example.com"}
    answer = sign_in(house.member).post(house.leads, json=lead, headers=JSON)
    assert failure(answer) == (404, "agent_not_found")
    answer = http.post(house.leads, json=lead, headers=house.bearer)
    assert answer.status_code == 200, answer.text


def test_a_bad_key_leaves_no_lead(house: House, sign_in: SignIn) -> None:
    answer = sign_in(house.member).post(
        house.leads,
        json={"email": "b@example.com"},
        headers={"Authorization": "Bearer junk"},
    )
    assert failure(answer) == (401, "unauthorized")
    assert not Lead.objects.filter(agent=house.agent, email="b@example.com").exists()


def test_a_body_has_the_same_cap_as_under_v1(http: httpx.Client, house: House) -> None:
    large = {"name": "x" * 1024 * 1024}
    here = http.post(house.leads, json=large)
    there = http.post(f"/api/v1{house.leads}", json=large)
    assert failure(here) == (413, "payload_too_large")
    assert here.content == there.content
    assert_private(here)


def test_a_table_of_leads_is_the_same_for_keys_and_sessions(
    http: httpx.Client, house: House, sign_in: SignIn
) -> None:
    address = f"{house.leads}/export"
    browser = sign_in(house.member)
    tables = [
        http.get(f"/api/v1{address}", headers=house.bearer),
        http.get(address, headers=house.bearer),
        browser.get(address, headers=HTML),
        browser.get(address, headers=JSON),
        browser.get(address, headers={"Accept": "text/csv"}),
    ]
    for table in tables:
        assert table.status_code == 200
        assert table.content == tables[0].content
        assert table.headers["Content-Type"].startswith("text/csv")
        assert "attachment" in table.headers["Content-Disposition"]
    assert b"Of Acme" in tables[0].content
    for table in tables[1:]:
        assert_private(table)


# --- With neither -------------------------------------------------------------------


def test_who_asks_for_a_page_is_sent_to_sign_in(
    http: httpx.Client, house: House
) -> None:
    for address in (*house.paths, f"{house.leads}/export"):
        answer = http.get(f"{address}?status=ended", headers=HTML)
        assert answer.status_code == 302
        assert answer.headers["Location"] == (
            f"/accounts/login/?next={address}%3Fstatus%3Dended"
        )
        assert_private(answer)


def test_who_asks_for_json_is_told_to_sign_in_or_send_a_key(
    http: httpx.Client, house: House
) -> None:
    nowhere = ("/agents/x/conversations", "/conversations/0", "/agents/0/leads")
    for address in (*house.paths, f"{house.leads}/export", *nowhere):
        answer = http.get(address, headers=JSON)
        assert failure(answer) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "X-RateLimit-Remaining" in answer.headers
        assert_private(answer)


def test_a_session_that_is_none_is_none(http: httpx.Client, house: House) -> None:
    for junk in ("x", "x" * 32, "%00", "a" * 4000):
        cookie = {"Cookie": f"sessionid={junk}"}
        for address in house.paths:
            answer = http.get(address, headers=JSON | cookie)
            assert failure(answer) == (401, "unauthorized")
            answer = http.get(address, headers=HTML | cookie)
            assert answer.status_code == 302


# --- Errors that Django makes -------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["/agents/", "/agents/1/conversations/", "/conversations/1/2"]
)
def test_what_is_no_path_is_said_in_the_same_words(
    http: httpx.Client, house: House, sign_in: SignIn, address: str
) -> None:
    browser = sign_in(house.member)
    for answer in (
        http.get(address, headers=JSON),
        http.get(address, headers=HTML | house.bearer),
        browser.get(address, headers=JSON),
    ):
        assert failure(answer) == (404, "not_found")
        assert_private(answer)
    page = browser.get(address, headers=HTML)
    assert page.status_code == 404
    assert "There is nothing here" in page.text


def test_other_pages_are_as_they_were(http: httpx.Client) -> None:
    answer = http.get("/no/such/page", headers=JSON)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


urlpatterns = [path("agents/broken", broken), path("broken", broken)]
handler500 = doors.failed


@pytest.mark.urls("tests.dashboard.test_doors")
def test_what_breaks_is_said_in_the_same_words() -> None:
    client = Client(raise_request_exception=False)
    answer: Any = client.get("/agents/broken", headers=JSON)
    assert answer.json() == {
        "success": False,
        "error": {
            "code": "internal_error",
            "message": "Something went wrong on our side. Try again.",
        },
    }
    assert answer.status_code == 500
    for address, accept in (("/agents/broken", HTML), ("/broken", JSON)):
        page = client.get(address, headers=accept)
        assert page.status_code == 500
        assert "Something broke on our side" in page.content.decode()
