"""The page of an agent's leads."""

import csv
import html
import io
import re
import shlex
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from agents.models import Agent, AgentStatus, Widget
from apikeys.models import ApiKey
from contacts import leads
from contacts.models import Lead
from conversations.models import Conversation
from dashboard.examples import KEY, lead_command
from dashboard.leads.rows import Row
from dashboard.paging import PAGE
from tests.conftest import make_member, make_workspace
from tests.dashboard.conftest import SignIn
from tests.dashboard.test_conversations_pages import SCRIPT, page, queries, words
from workspaces.models import Role, User, Workspace


def leave(agent: Agent, *, ago: float = 0, **fields: Any) -> Lead:
    """Details left so many minutes ago."""
    return Lead.objects.create(
        workspace_id=agent.workspace_id,
        agent=agent,
        created_at=timezone.now() - timedelta(minutes=ago),
        **fields,
    )


def names(page: str) -> list[str]:
    return re.findall(r'<td class="name" dir="auto">(.*?)</td>', page)


@pytest.mark.django_db
class TestThePage:
    def test_it_works(self, sign_in: SignIn, viewer: User, agent: Agent) -> None:
        conversation = Conversation.objects.create(
            workspace=agent.workspace, agent=agent, title="Call me"
        )
        lead = leads.capture(
            agent,
            fields={"Name": "Ada", "E-mail of work": "w@example.com", "VIP": True},
            email="ada@example.com",
            phone="+44 20 7946 0018",
            conversation_id=conversation.pk,
        )
        Lead.objects.filter(pk=lead.pk).update(
            created_at=timezone.now() - timedelta(minutes=5)
        )
        shown = page(sign_in(viewer), f"/agents/{agent.pk}/leads")
        assert names(shown) == ["Ada"]
        assert '<a href="mailto:ada@example.com">ada@example.com</a>' in shown
        assert '<a href="tel:+442079460018">+44 20 7946 0018</a>' in shown
        assert f'<a href="/conversations/{conversation.pk}" dir="auto">' in shown
        # What has a column of its own is not said again.
        others = shown.split('<td class="others">')[1].split("</td>")[0]
        assert words(others) == "E-mail of work w@example.com VIP yes"
        assert "5 minutes ago" in words(shown)
        assert f'href="/agents/{agent.pk}/leads/export"' in shown

    def test_newest_first_a_hundred_and_then_the_older_ones(
        self, sign_in: SignIn, viewer: User, agent: Agent
    ) -> None:
        same = timezone.now()
        Lead.objects.bulk_create(
            Lead(
                workspace_id=agent.workspace_id,
                agent=agent,
                name=str(number),
                created_at=same + timedelta(seconds=number // 60),
            )
            for number in range(PAGE + 50)
        )
        browser = sign_in(viewer)
        first = page(browser, f"/agents/{agent.pk}/leads")
        (older,) = re.findall(r'href="(\?before=[^"]*)" rel="next"', first)
        leave(agent, ago=-60, name="News")
        second = page(browser, f"/agents/{agent.pk}/leads{older}")
        assert len(names(first)) == PAGE == 100
        assert [int(name) for name in names(first) + names(second)] == [
            *range(PAGE + 49, -1, -1)
        ]
        assert 'rel="next"' not in second

    @pytest.mark.parametrize("before", ["x", "1.1", "9" * 17 + ".1", "٣.٣", "1.1%00"])
    def test_no_place_in_the_list(
        self, sign_in: SignIn, viewer: User, agent: Agent, before: str
    ) -> None:
        leave(agent, name="Ada")
        page(sign_in(viewer), f"/agents/{agent.pk}/leads?before={before}")

    def test_what_people_type_is_never_markup(
        self, sign_in: SignIn, viewer: User, agent: Agent
    ) -> None:
        long = {f"{SCRIPT} {number}": SCRIPT * 9 for number in range(9)}
        leave(agent, name=SCRIPT, email=SCRIPT, phone=SCRIPT[:64], fields=long)
        shown = page(sign_in(viewer), f"/agents/{agent.pk}/leads")
        assert "<script>" not in shown
        assert "<img" not in shown
        assert shown.count("&lt;script&gt;") > 9

    def test_long_forms_are_folded(
        self, sign_in: SignIn, viewer: User, agent: Agent
    ) -> None:
        leave(agent, fields={f"Field {n}": f"Value {n}" for n in range(50)})
        shown = page(sign_in(viewer), f"/agents/{agent.pk}/leads")
        folded = shown.split("<summary>")[1]
        brief, whole = folded.split("</summary>")
        assert "Value 3" in brief
        assert "Value 4" not in brief
        assert "Value 49" in whole

    def test_an_empty_page_says_how_to_leave_one(
        self, sign_in: SignIn, viewer: User, agent: Agent
    ) -> None:
        browser, path = sign_in(viewer), f"/agents/{agent.pk}/leads"
        shown = page(browser, path)
        assert lead_command(agent) in html.unescape(shown)
        assert "Export CSV" not in shown
        assert "There are no older ones." in page(browser, f"{path}?before=1.1")

    def test_the_sidebar_leads_to_the_first_agent(
        self, sign_in: SignIn, viewer: User, workspace: Workspace
    ) -> None:
        browser = sign_in(viewer)
        assert "There is no agent yet" in page(browser, "/leads")
        agent = Agent.objects.create(workspace=workspace, name="First")
        assert browser.get("/leads")["Location"] == f"/agents/{agent.pk}/leads"
        shown = page(browser, f"/agents/{agent.pk}/leads")
        assert '<a href="/leads" aria-current="page">' in shown

    def test_the_switch_between_agents(
        self, sign_in: SignIn, viewer: User, agent: Agent
    ) -> None:
        browser, path = sign_in(viewer), f"/agents/{agent.pk}/leads"
        assert "Switch agent" not in page(browser, path)
        other = Agent.objects.create(workspace=agent.workspace, name="Returns")
        assert f'<a href="/agents/{other.pk}/leads">' in page(browser, path)

    def test_only_the_agents_own(
        self, sign_in: SignIn, viewer: User, agent: Agent
    ) -> None:
        sibling = Agent.objects.create(workspace=agent.workspace, name="Sibling")
        leave(sibling, name="Not here")
        leave(agent, name="Here")
        shown = page(sign_in(viewer), f"/agents/{agent.pk}/leads")
        assert names(shown) == ["Here"]

    def test_a_page_costs_as_many_queries_as_a_row(
        self, sign_in: SignIn, viewer: User, agent: Agent
    ) -> None:
        conversation = Conversation.objects.create(
            workspace=agent.workspace, agent=agent
        )
        browser, path = sign_in(viewer), f"/agents/{agent.pk}/leads"
        leave(agent, name="Ada", conversation=conversation)
        few = queries(browser, path)
        for number in range(30):
            leave(agent, fields={"n": number}, conversation=conversation)
        # Session, user, the member's place (two); agent, leads; the sidebar's
        # workspaces and the switch's agents.
        assert few == queries(browser, path) == 8

    def test_whatever_is_not_ours_is_nothing(
        self, sign_in: SignIn, viewer: User, agent: Agent
    ) -> None:
        browser = sign_in(viewer)
        stranger = Agent.objects.create(workspace=make_workspace(), name="Stranger")
        archived = Agent.objects.create(
            workspace=agent.workspace, name="Old", status=AgentStatus.ARCHIVED
        )
        ids = [stranger.pk, archived.pk, 2**40, "x", "-1", "٣", "1%0A", 2**63]
        nothing = {page(browser, f"/agents/{one}/leads", 404) for one in ids}
        assert len(nothing) == 1, "foreign and missing must look alike"

    @pytest.mark.parametrize("role", list(Role))
    def test_every_member_may_read(
        self, sign_in: SignIn, agent: Agent, role: Role
    ) -> None:
        member = make_member(agent.workspace, role)
        page(sign_in(member), f"/agents/{agent.pk}/leads")

    def test_who_is_not_signed_in_is_sent_to_the_door(
        self, client: Client, agent: Agent
    ) -> None:
        path = f"/agents/{agent.pk}/leads"
        assert client.get(path)["Location"] == f"/accounts/login/?next={path}"


@pytest.mark.parametrize(
    ("email", "link"),
    [
        ("ada@example.com", "mailto:ada@example.com"),
        ("a+b@example.com", "mailto:a%2Bb@example.com"),
        # Nothing of it becomes another field of the mail.
        ("a?cc=b&c@example.com", "mailto:a%3Fcc%3Db%26c@example.com"),
        ("ada@example.com?cc=eve@example.com", ""),
        ("ada@example.com\n", ""),
        ("javascript:alert(1)", ""),
        ("call me", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_an_address_is_a_link_if_it_is_one(email: str | None, link: str) -> None:
    assert Row.of(Lead(email=email)).mailto == link


@pytest.mark.parametrize(
    ("phone", "link"),
    [
        ("+44 20 7946 0018", "tel:+442079460018"),
        ("(020) 7946-0018", "tel:02079460018"),
        ("555.0100", "tel:5550100"),
        ("call me", ""),
        ("1", ""),
        ("555-0100 after six", ""),
        ("٠٢٠٧٩٤٦", ""),
        ("+44 20 7946 0018\n", ""),
        (")(/-. +", ""),
        (None, ""),
    ],
)
def test_a_number_is_a_link_if_it_is_one(phone: str | None, link: str) -> None:
    assert Row.of(Lead(phone=phone)).tel == link


# --- On the real server -----------------------------------------------------------


def run(http: httpx.Client, command: str, key: str = "") -> httpx.Response:
    """What curl sends for a line pasted into a shell; to the server of the tests."""
    line = command.replace("\\\n", "").replace("$BOOKBAG_API_KEY", key)
    program, url, *options = shlex.split(line)
    assert program == "curl"
    pairs = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(value.split(": ", 1) for name, value in pairs if name == "-H")
    (body,) = (value for name, value in pairs if name == "-d")
    path = url.removeprefix(settings.BASE_URL)
    # As curl does, where nothing else is said.
    headers = {"Accept": "*/*", **headers}
    return http.post(path, content=body, headers=headers)


def test_the_line_leaves_a_lead_when_it_is_pasted(http: httpx.Client) -> None:
    agent = Agent.objects.create(workspace=make_workspace(), name="Support")
    command = lead_command(agent)
    assert "Authorization" not in command
    response = run(http, command)
    assert response.status_code == 200, response.text
    assert response.json()["success"] is True
    lead = Lead.objects.get(agent=agent)
    assert (lead.name, lead.email) == ("Ada Lovelace", "ada@example.com")


@pytest.mark.parametrize("why", ["a draft", "kept to some sites"])
def test_the_line_has_a_key_where_one_is_needed(http: httpx.Client, why: str) -> None:
    workspace = make_workspace()
    agent = Agent.objects.create(workspace=workspace, name="Support")
    if why == "a draft":
        agent.status = AgentStatus.DRAFT
        agent.save(update_fields=["status"])
    else:
        Widget.objects.create(
            workspace=workspace,
            agent=agent,
            only_allowed_domains=True,
            domains=["example.com"],
        )
    _, secret = ApiKey.objects.issue(workspace, label="Tests")
    command = lead_command(agent)
    assert run(http, command.replace(KEY, "")).status_code in (403, 404)
    assert run(http, command, secret).status_code == 200
    assert Lead.objects.filter(agent=agent).count() == 1


def test_the_button_gives_the_table(http: httpx.Client, sign_in: SignIn) -> None:
    workspace = make_workspace()
    agent = Agent.objects.create(workspace=workspace, name="Support")
    leave(agent, name="Ada", fields={"Company": "=1+1"})
    browser = sign_in(workspace.members.get().user)
    shown = page(browser, f"/agents/{agent.pk}/leads")
    (path,) = re.findall(r'href="(/agents/[^"]*/export)"', shown)
    session = browser.cookies[settings.SESSION_COOKIE_NAME].value
    http.cookies.set(settings.SESSION_COOKIE_NAME, session)
    response = http.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert response.status_code == 200
    assert "attachment" in response.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [row["Company"] for row in rows] == ["'=1+1"]
