"""The first page, and the checklist on it."""

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from apikeys.models import ApiKey
from knowledge.models import Source
from tests.dashboard.conftest import SignIn
from workspaces.models import User, Workspace

STEPS = ("Create an agent", "Give it something to know", "Make an API key")


def add_source(agent: Agent, **fields: str) -> Source:
    values = {"kind": "text", "title": "Shipping", "content": "Two days."} | fields
    return Source.objects.create(workspace=agent.workspace, agent=agent, **values)


def test_it_works(sign_in: SignIn, owner: User) -> None:
    page = sign_in(owner).get("/").content.decode()
    assert "0 of 4 done" in page
    assert all(step in page for step in STEPS)


def test_who_is_not_signed_in_is_sent_to_the_door(client: Client, db: None) -> None:
    response = client.get("/")
    assert response.status_code == 302
    assert response["Location"] == "/accounts/login/?next=/"


def test_who_has_no_workspace_is_told_so(sign_in: SignIn, db: None) -> None:
    stray = User.objects.create_user("stray@example.com")
    response = sign_in(stray).get("/")
    assert response.status_code == 403
    assert "Ask an admin to invite you" in response.content.decode()


def test_each_step_is_ticked_by_the_data(
    sign_in: SignIn, owner: User, workspace: Workspace
) -> None:
    browser = sign_in(owner)

    def done() -> str:
        return browser.get("/").content.decode().split(" of 4 done")[0][-1]

    agent = Agent.objects.create(workspace=workspace, name="Support")
    assert done() == "1"
    source = add_source(agent)
    assert done() == "1"
    Source.objects.filter(pk=source.pk).update(status="ready")
    assert done() == "2"
    key, _ = ApiKey.objects.issue(workspace, label="Tests")
    assert done() == "3"
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now())
    assert done() == "4"


def test_a_source_that_failed_says_why(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    add_source(agent, status="failed", error="The text is empty.")
    page = sign_in(viewer).get("/").content.decode()
    assert "The text is empty." in page


def test_the_command_names_the_agent_and_no_key(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    page = sign_in(viewer).get("/").content.decode()
    assert f"/api/v2/agents/{agent.pk}/chat" in page
    assert "Bearer $BOOKBAG_API_KEY" in page
    assert "oc_live_" not in page


def test_the_command_asks_what_the_agent_knows(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    add_source(agent, kind="qa", question="What's it cost?", status="ready")
    page = sign_in(viewer).get("/").content
    # The apostrophe is quoted for the shell, and the whole for HTML.
    assert b"What&#x27;&quot;&#x27;&quot;&#x27;s it cost?" in page


def test_of_another_workspace_nothing_is_seen(
    sign_in: SignIn, outsider: User, agent: Agent
) -> None:
    add_source(agent, status="ready")
    page = sign_in(outsider).get("/").content.decode()
    assert "0 of 4 done" in page
    assert agent.name not in page


def test_only_admins_find_the_form(
    sign_in: SignIn, admin: User, editor: User, agent: Agent
) -> None:
    assert "mint-label" in sign_in(admin).get("/").content.decode()
    page = sign_in(editor).get("/").content.decode()
    assert "mint-label" not in page
    assert "/apikeys" not in page


def test_the_page_says_that_the_embedding_model_is_missing(
    sign_in: SignIn, viewer: User, settings: object
) -> None:
    settings.BOOKBAG_EMBEDDING = "off"  # type: ignore[attr-defined]
    page = sign_in(viewer).get("/").content.decode()
    assert "Search works by words alone" in page


def test_the_checklist_moves_only_when_something_did(
    sign_in: SignIn, viewer: User, workspace: Workspace
) -> None:
    browser = sign_in(viewer)
    page = browser.get("/").content.decode()
    link = page.split('hx-get="')[1].split('"')[0]
    assert browser.get(link).status_code == 204
    Agent.objects.create(workspace=workspace, name="Support")
    response = browser.get(link)
    assert response.status_code == 200
    assert "1 of 4 done" in response.content.decode()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_is_in_the_page_that_follows(
    sign_in: SignIn, viewer: User, theme: str
) -> None:
    browser = sign_in(viewer)
    response = browser.post("/theme", {"theme": theme, "next": "/?x=1"})
    assert response["Location"] == "/?x=1"
    assert f'data-theme="{theme}"' in browser.get("/").content.decode()
    browser.post("/theme", {"theme": "system"})
    assert "data-theme=" not in browser.get("/").content.decode()


@pytest.mark.parametrize("there", ["https://evil.example/", "//evil.example", "x:y"])
def test_the_theme_leads_nowhere_else(
    sign_in: SignIn, viewer: User, there: str
) -> None:
    response = sign_in(viewer).post("/theme", {"theme": "dark", "next": there})
    assert response["Location"] == "/"


def test_a_theme_in_the_cookie_is_not_believed(sign_in: SignIn, viewer: User) -> None:
    browser = sign_in(viewer)
    browser.cookies["theme"] = '"><script>'
    assert "<script>" not in browser.get("/").content.decode()


def test_no_link_in_the_sidebar_is_dead(sign_in: SignIn, owner: User) -> None:
    browser = sign_in(owner)
    side = browser.get("/").content.decode().split("<nav")[1].split("</nav>")[0]
    links = [part.split('"')[0] for part in side.split('href="')[1:]]
    assert links[:4] == ["/", "/conversations", "/leads", "/apikeys"]
    for link in links:
        assert browser.get(link).status_code == 200, link
