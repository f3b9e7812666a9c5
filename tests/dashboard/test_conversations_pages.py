"""The pages of conversations: an agent's list, and what was said in one of them."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Agent
from apikeys.models import ApiKey
from contacts.models import Contact, Lead
from conversations import takeover
from conversations.models import (
    Channel,
    Conversation,
    ConversationStatus,
    Message,
    ToolCall,
)
from dashboard.conversations import inbox, transcript
from dashboard.examples import chat_command
from dashboard.paging import PAGE
from tests.conftest import make_member, make_workspace
from tests.dashboard.conftest import SignIn
from workspaces.models import Role, User, Workspace

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def converse(agent: Agent, *texts: str, ago: float = 0, **fields: Any) -> Conversation:
    """A conversation whose last activity was so many minutes ago: what the user said,
    what the agent answered, and so on."""
    moment = timezone.now() - timedelta(minutes=ago)
    conversation = Conversation.objects.create(
        workspace_id=agent.workspace_id,
        agent=agent,
        updated_at=moment,
        **{"title": texts[0][:80] if texts else "", **fields},
    )
    for number, text in enumerate(texts):
        say(conversation, ("user", "assistant")[number % 2], text)
    return conversation


def say(conversation: Conversation, role: str, text: str, **fields: Any) -> Message:
    return Message.objects.create(
        workspace_id=conversation.workspace_id,
        conversation=conversation,
        role=role,
        text=text,
        **fields,
    )


def call(message: Message, name: str, **fields: Any) -> ToolCall:
    return ToolCall.objects.create(
        workspace_id=message.workspace_id,
        conversation_id=message.conversation_id,
        message=message,
        call_id=f"call_{name}",
        name=name,
        expires_at=timezone.now(),
        **fields,
    )


def page(browser: Client, path: str, status: int = 200) -> str:
    response = browser.get(path)
    assert response.status_code == status
    return response.content.decode()


def words(page: str) -> str:
    """What a reader sees, with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def titles(page: str) -> list[str]:
    found = re.findall(r'<h2 dir="auto"><a [^>]*>(.*?)</a>', page)
    return [html.unescape(title) for title in found]


def listed(browser: Client, agent: Agent, query: str = "") -> list[str]:
    return titles(page(browser, f"/agents/{agent.pk}/conversations{query}"))


def queries(browser: Client, path: str) -> int:
    browser.get(path)  # whatever is kept after a first look, is
    with CaptureQueriesContext(
        connection,
    ) as asked:
        page(browser, path)
    return len(asked)


# --- The list -----------------------------------------------------------------------


def test_it_works(sign_in: SignIn, viewer: User, agent: Agent) -> None:
    converse(
        agent,
        "Do you ship to Canada?",
        "Yes, in two days.",
        ago=5,
        channel=Channel.WIDGET,
        end_user="ada-1815",
    )
    shown = page(sign_in(viewer), f"/agents/{agent.pk}/conversations")
    assert titles(shown) == ["Do you ship to Canada?"]
    assert "Agent: Yes, in two days." in words(shown)
    assert "ada-1815 Widget or Iframe 5 minutes ago" in words(shown)
    assert re.search(r'<time datetime="[^"]+" title="[^"]+ UTC">5.minutes ago', shown)


def test_who_is_not_signed_in_is_sent_to_the_door(client: Client, agent: Agent) -> None:
    path = f"/agents/{agent.pk}/conversations"
    assert client.get(path)["Location"] == f"/accounts/login/?next={path}"


def test_the_newest_activity_comes_first(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    for minutes in (3, 1, 2):
        converse(agent, f"{minutes} ago", ago=minutes)
    assert listed(sign_in(viewer), agent) == ["1 ago", "2 ago", "3 ago"]


def test_at_most_a_hundred_and_then_the_older_ones(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    same = timezone.now()  # a tie: the page ends between rows of one moment
    Conversation.objects.bulk_create(
        Conversation(
            workspace_id=agent.workspace_id, agent=agent, title=f"{n}", updated_at=same
        )
        for n in range(PAGE + 50)
    )
    browser = sign_in(viewer)
    first = page(browser, f"/agents/{agent.pk}/conversations")
    assert len(titles(first)) == PAGE == 100
    older = re.search(r'href="(\?[^"]*)" rel="next"', first)
    assert older
    # What comes in meanwhile moves nothing.
    converse(agent, "News", ago=-1)
    second = page(browser, f"/agents/{agent.pk}/conversations{html.unescape(older[1])}")
    assert [int(t) for t in titles(first) + titles(second)] == [
        *range(PAGE + 49, -1, -1)
    ]
    assert 'rel="next"' not in second
    assert f'href="/agents/{agent.pk}/conversations"' in second  # to the newest


@pytest.mark.parametrize(
    "query",
    [
        "?before=x",
        "?before=1.2.3",
        "?before=99999999999999999.1",
        "?before=1.99999999999999999999",
        "?before=%D9%A1.%D9%A2",
        "?before=1%00.2",
        "?status=bot&source=fax&feedback=meh",
        "?q=%00&user=%00",
        "?q=%FF%FE",
        "?status=ended%0A",
    ],
)
def test_what_makes_no_sense_is_not_asked(
    sign_in: SignIn, viewer: User, agent: Agent, query: str
) -> None:
    converse(agent, "Hello")
    response = sign_in(viewer).get(f"/agents/{agent.pk}/conversations{query}")
    assert response.status_code == 200


def test_filters_of_the_address(
    sign_in: SignIn, viewer: User, agent: Agent, owner: User
) -> None:
    converse(agent, "Plain", end_user="ada")
    ended = converse(agent, "Ended", channel=Channel.SLACK)
    takeover.resolve(ended)
    taken = converse(agent, "Taken", channel=Channel.SLACK)
    takeover.take_over(taken, actor=owner)
    rated = converse(agent, "Rated")
    say(rated, "assistant", "Sorry.", feedback="negative")
    hidden = converse(agent, "Rated, and retried")
    say(
        hidden,
        "assistant",
        "Gone.",
        feedback="negative",
        hidden_at=timezone.now(),
    )
    browser = sign_in(viewer)

    def found(query: str) -> set[str]:
        return set(listed(browser, agent, query))

    everything = {"Plain", "Ended", "Taken", "Rated", "Rated, and retried"}
    assert found("") == everything
    assert found("?status=ended") == {"Ended"}
    assert found("?status=taken_over") == {"Taken"}
    assert found("?status=ongoing") == everything - {"Ended", "Taken"}
    assert found("?source=slack") == {"Ended", "Taken"}
    assert found("?source=slack&status=ended") == {"Ended"}
    assert found("?feedback=negative") == {"Rated"}
    assert found("?feedback=positive") == set()
    assert found("?user=ada") == {"Plain"}
    assert found("?status=&source=&feedback=&q=&user=") == everything


def test_filters_stay_in_the_links(sign_in: SignIn, viewer: User, agent: Agent) -> None:
    Conversation.objects.bulk_create(
        Conversation(workspace_id=agent.workspace_id, agent=agent, channel="slack")
        for _ in range(PAGE + 1)
    )
    path = f"/agents/{agent.pk}/conversations"
    shown = page(sign_in(viewer), f"{path}?source=slack&status=&user=")
    (older,) = re.findall(r'href="(\?[^"]*)" rel="next"', shown)
    assert re.fullmatch(r"\?source=slack&amp;before=\d+\.\d+", older)
    assert '<option value="slack" selected>' in shown
    again = page(sign_in(viewer), path + html.unescape(older))
    assert f'href="{path}?source=slack"' in again  # to the newest


def test_the_form_s_address_says_only_what_was_chosen(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    browser = sign_in(viewer)
    path = f"/agents/{agent.pk}/conversations"
    query = "?q=a+b%26c&status=&source=slack&feedback="
    asked = browser.get(path + query, headers={"HX-Request": "true"})
    assert asked["HX-Push-Url"] == f"{path}?q=a+b%26c&source=slack"
    # Going back is no new step.
    back = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "HX-Push-Url" not in browser.get(path + query, headers=back)
    assert "HX-Push-Url" not in browser.get(path + query)


def test_search_shows_what_it_found(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    long = "Lorem ipsum. " * 500 + "Snowshoes are sold out. " + "Dolor. " * 500
    converse(agent, "What about shoes?", long, "Thanks!")
    converse(agent, "Boots?", "No.")
    shown = page(sign_in(viewer), f"/agents/{agent.pk}/conversations?q=SNOWSHOES")
    assert titles(shown) == ["What about shoes?"]
    assert "Snowshoes are sold out." in words(shown)
    assert 'value="SNOWSHOES"' in shown
    assert "1 found" in words(shown)


@pytest.mark.parametrize("text", ["zebra", "!!!", '"', "x" * 5_000])
def test_search_that_finds_nothing(
    sign_in: SignIn, viewer: User, agent: Agent, text: str
) -> None:
    converse(agent, "Hello")
    path = f"/agents/{agent.pk}/conversations"
    response = sign_in(viewer).get(path, {"q": text})
    shown = response.content.decode()
    assert titles(shown) == []
    assert "None found" in words(shown)
    assert "No conversation is like that." in words(shown)
    assert f'<a href="{path}">Clear all</a>' in shown


def test_search_does_not_meet_strangers_or_siblings(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    sibling = Agent.objects.create(workspace_id=agent.workspace_id, name="Sibling")
    stranger = Agent.objects.create(workspace=make_workspace(), name="Stranger")
    for other in (agent, sibling, stranger):
        converse(other, f"snowshoes of {other.name}")
    assert listed(sign_in(viewer), agent, "?q=snowshoes") == ["snowshoes of Support"]


def test_who_is_handling_it(
    sign_in: SignIn, viewer: User, agent: Agent, owner: User, admin: User
) -> None:
    converse(agent, "With the AI")
    waiting = converse(agent, "Nobody has come")
    takeover.take_over(waiting)
    taken = converse(agent, "Somebody took it")
    takeover.take_over(taken, actor=owner)
    answered = converse(agent, "Somebody else answers")
    takeover.take_over(answered, actor=owner)
    takeover.reply(answered, author=admin, text="Hello.")
    again = converse(agent, "Nobody has come again")
    takeover.take_over(again, actor=owner)
    takeover.hand_back(again)
    takeover.take_over(again)
    back = converse(agent, "Handed back")
    takeover.take_over(back, actor=owner)
    takeover.hand_back(back, actor=owner)
    ended = converse(agent, "It has ended")
    takeover.resolve(ended, actor=owner)
    shown = page(sign_in(viewer), f"/agents/{agent.pk}/conversations")
    rows = re.findall(r"<li>\s*<div class=\"about\">.*?</li>", shown, re.DOTALL)
    handled = {
        titles(row)[0]: re.search(r"Handled by: (.*?) (?:Visitor)", words(row))[1]  # type: ignore[index]
        for row in rows
    }
    assert handled == {
        "With the AI": "AI",
        "Nobody has come": "Waiting for a person",
        "Somebody took it": owner.get_full_name(),
        "Somebody else answers": admin.get_full_name(),
        "Nobody has come again": "Waiting for a person",
        "Handed back": "AI",
        "It has ended": "Ended",
    }


def test_test_conversations_are_labelled(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    browser = sign_in(viewer)
    converse(agent, "Live")
    label = '<span class="chip">Test</span>'
    assert label not in page(browser, f"/agents/{agent.pk}/conversations")
    tried = converse(agent, "Tried", is_test=True)
    assert label in page(browser, f"/agents/{agent.pk}/conversations")
    assert label in page(browser, f"/conversations/{tried.pk}")


def test_ratings_are_in_the_list(sign_in: SignIn, viewer: User, agent: Agent) -> None:
    rated = converse(agent, "Hello")
    say(rated, "assistant", "Hi.", feedback="positive")
    shown = words(page(sign_in(viewer), f"/agents/{agent.pk}/conversations"))
    assert "Rated helpful" in shown.split("Hello")[-1]
    assert "Rated unhelpful" not in shown.split("Hello")[-1]


def test_an_empty_list_says_how_to_begin(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    path = f"/agents/{agent.pk}/conversations"
    shown = page(sign_in(viewer), path)
    assert chat_command(agent) in html.unescape(shown)
    assert "<form class" not in shown
    # A page beyond the last one is no empty list.
    assert "There are no older ones." in page(sign_in(viewer), f"{path}?before=1.1")


def test_a_conversation_of_no_words(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    nothing = converse(agent)
    browser = sign_in(viewer)
    assert listed(browser, agent) == [f"Conversation {nothing.pk}"]
    shown = words(page(browser, f"/conversations/{nothing.pk}"))
    assert "Nothing was said yet." in shown


def test_the_sidebar_leads_to_the_first_agent(
    sign_in: SignIn, viewer: User, workspace: Workspace
) -> None:
    browser = sign_in(viewer)
    assert "There is no agent yet" in page(browser, "/conversations")
    Agent.objects.create(workspace=workspace, name="A", status="archived")
    first = Agent.objects.create(workspace=workspace, name="Z")
    Agent.objects.create(workspace=workspace, name="B")
    response = browser.get("/conversations")
    assert response["Location"] == f"/agents/{first.pk}/conversations"
    shown = page(browser, response["Location"])
    assert '<a href="/conversations" aria-current="page">' in shown


def test_the_switch_between_agents(sign_in: SignIn, viewer: User, agent: Agent) -> None:
    browser = sign_in(viewer)
    path = f"/agents/{agent.pk}/conversations"
    Agent.objects.create(workspace=make_workspace(), name="Stranger")
    Agent.objects.create(workspace=agent.workspace, name="Old", status="archived")
    assert "Switch agent" not in page(browser, path)
    other = Agent.objects.create(workspace=agent.workspace, name="Returns")
    shown = page(browser, path)
    menu = shown.split('id="agents"')[1].split("</nav>")[0]
    assert re.findall(r'href="([^"]*)"', menu) == [
        f"/agents/{other.pk}/conversations",
        path,
    ]
    assert f'<a href="{path}" aria-current="page">' in menu


def test_what_people_type_is_never_markup(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    contact = Contact.objects.create(
        workspace=agent.workspace, agent=agent, external_id=SCRIPT, name=SCRIPT
    )
    conversation = converse(
        agent,
        SCRIPT,
        SCRIPT,
        title=SCRIPT,
        end_user=SCRIPT,
        external_id=SCRIPT,
        contact=contact,
    )
    reply = say(
        conversation,
        "assistant",
        SCRIPT,
        error=SCRIPT,
        status="partial",
        citations=[{"index": SCRIPT, "title": SCRIPT, "url": SCRIPT, "quote": SCRIPT}],
    )
    call(reply, SCRIPT[:60], input={SCRIPT: SCRIPT}, output=SCRIPT, status="used")
    browser = sign_in(viewer)
    for path in (
        f"/agents/{agent.pk}/conversations",
        f"/agents/{agent.pk}/conversations?q=alert",
        f"/conversations/{conversation.pk}",
    ):
        shown = page(browser, path)
        assert "<script>" not in shown
        assert "<img" not in shown
        assert shown.count("&lt;script&gt;") >= 2
    asked = f"/agents/{agent.pk}/conversations"
    echoed = browser.get(asked, {"q": SCRIPT, "user": SCRIPT}).content.decode()
    assert "<script>" not in echoed
    assert "<img" not in echoed


def test_a_page_of_the_list_costs_as_many_queries_as_a_line(
    sign_in: SignIn, viewer: User, agent: Agent, owner: User
) -> None:
    def add(number: int) -> None:
        conversation = converse(agent, f"Hello {number}", "Hi.", end_user=f"u{number}")
        say(conversation, "assistant", "Good?", feedback="positive")
        takeover.take_over(conversation, actor=owner)
        takeover.reply(conversation, author=owner, text="Hello, I am a person.")

    browser = sign_in(viewer)
    add(0)
    path = f"/agents/{agent.pk}/conversations"
    few = [
        queries(browser, path),
        queries(browser, f"{path}?q=hello&feedback=positive"),
    ]
    for number in range(1, 30):
        add(number)
    many = [
        queries(browser, path),
        queries(browser, f"{path}?q=hello&feedback=positive"),
    ]
    # Session, user, the member's place (two); agent, conversations, people, ratings,
    # messages; the sidebar's workspaces and the switch's agents.
    assert few == many == [11, 11]


def test_a_long_message_is_not_read_for_a_line(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    converse(agent, "word " * 6_000)
    path = f"/agents/{agent.pk}/conversations"
    shown = page(sign_in(viewer), path)
    assert shown.count("word word") < inbox.SNIPPET


# --- One of them --------------------------------------------------------------------


def test_a_transcript(sign_in: SignIn, viewer: User, agent: Agent) -> None:
    conversation = converse(agent, "Do you ship?\n\n  To Canada?", end_user="ada")
    say(
        conversation,
        "assistant",
        "Yes [1].",
        confidence="sure",
        score=0.914,
        feedback="positive",
        citations=[
            {
                "index": 1,
                "sourceId": 3,
                "title": "Shipping",
                "url": "https://shop.example/shipping",
                "quote": "We ship to Canada.",
            }
        ],
    )
    shown = page(sign_in(viewer), f"/conversations/{conversation.pk}")
    # White space is the writer's.
    assert 'dir="auto">Do you ship?\n\n  To Canada?</div>' in shown
    assert '<a href="https://shop.example/shipping" target="_blank"' in shown
    for said in (
        "Yes [1].",
        "1 citation",
        "We ship to Canada.",
        "Helpful",
        "Sure of its sources, 91 %",
    ):
        assert said in words(shown)
    assert words(shown).index("To Canada?") < words(shown).index("Yes [1].")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", " https:x", 7]
)
def test_a_citation_links_to_the_web_only(
    sign_in: SignIn, viewer: User, agent: Agent, url: object
) -> None:
    conversation = converse(agent, "Hello")
    say(conversation, "assistant", "Hi.", citations=[{"title": "Bad", "url": url}])
    shown = page(sign_in(viewer), f"/conversations/{conversation.pk}")
    assert "<b>Bad</b>" in shown
    assert f'href="{url}' not in shown


@pytest.mark.parametrize(
    "citations", [[None], ["x"], [[]], [{}], [{"title": None, "snippet": "Old"}]]
)
def test_citations_of_another_shape_break_nothing(
    sign_in: SignIn, viewer: User, agent: Agent, citations: list[Any]
) -> None:
    conversation = converse(agent, "Hello")
    say(conversation, "assistant", "Hi.", citations=citations)
    assert "Hi." in page(sign_in(viewer), f"/conversations/{conversation.pk}")


def test_tool_calls_show_what_went_in_and_came_back(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    conversation = converse(agent, "Where is it?")
    reply = say(conversation, "assistant", "", status="awaiting_tool")
    call(reply, "order_status", input={"n": 7}, output={"is": "été"}, status="used")
    call(reply, "carrier", input={}, output=None, status="submitted")
    call(reply, "refund", input={"n": 8}, status="pending")
    shown = words(page(sign_in(viewer), f"/conversations/{conversation.pk}"))
    assert 'order_status answered Input, as call_order_status { "n": 7 }' in shown
    assert 'Output { "is": "été" }' in shown
    assert "carrier answered Input, as call_carrier {} Output null" in shown
    assert "refund waits for its result" in shown
    assert shown.count("Output") == 2
    assert "Waits for a result" in shown


def test_replies_that_went_wrong_are_marked(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    conversation = converse(agent, "Hello")
    say(conversation, "assistant", "Half of it", status="partial", error="Cut.")
    say(conversation, "assistant", "", status="failed", error="It timed out.")
    say(
        conversation,
        "assistant",
        "",
        status="queued",
        lease_expires_at=timezone.now() + timedelta(days=1),
    )
    shown = words(page(sign_in(viewer), f"/conversations/{conversation.pk}"))
    assert "Half of it This reply was cut short. Cut." in shown
    assert "This reply failed. It timed out." in shown
    assert "Being written" in shown


def test_what_a_retry_replaced_and_notes_to_the_model_are_not_shown(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    conversation = converse(agent, "Hello")
    say(conversation, "assistant", "The first try", hidden_at=timezone.now())
    say(conversation, "system", "A note to the model")
    say(conversation, "assistant", "The second try")
    shown = page(sign_in(viewer), f"/conversations/{conversation.pk}")
    assert "The second try" in shown
    assert "The first try" not in shown
    assert "A note to the model" not in shown


def test_people_and_what_they_did_stand_where_it_happened(
    sign_in: SignIn, viewer: User, agent: Agent, owner: User
) -> None:
    conversation = converse(agent, "I want a person")
    takeover.take_over(conversation, actor=owner)
    takeover.reply(conversation, author=owner, text="Here I am.")
    takeover.hand_back(conversation)
    say(conversation, "user", "And now?")
    takeover.resolve(conversation, actor=owner)
    shown = words(page(sign_in(viewer), f"/conversations/{conversation.pk}"))
    name = owner.get_full_name()
    order = [
        "I want a person",
        f"{name} took over",
        f"{name} Person",
        "Here I am.",
        "The API handed back to the AI",
        "And now?",
        f"{name} ended the conversation",
    ]
    places = [shown.rindex(part) for part in order]
    assert places == sorted(places)


def test_a_long_transcript_is_read_in_pages(
    sign_in: SignIn, viewer: User, agent: Agent, owner: User
) -> None:
    conversation = converse(agent)
    count = 2 * transcript.PAGE + 10
    start = timezone.now() - timedelta(hours=2)
    Message.objects.bulk_create(
        Message(
            workspace_id=agent.workspace_id,
            conversation=conversation,
            role="user",
            text=f"Number {number}.",
            created_at=start + timedelta(seconds=number),
        )
        for number in range(count)
    )
    takeover.take_over(conversation, actor=owner)
    # It happened between the pages: after the last message of the first one.
    conversation.events.update(created_at=start + timedelta(seconds=9.5))
    browser, path = sign_in(viewer), f"/conversations/{conversation.pk}"
    seen: list[int] = []
    taken_over: list[bool] = []
    query: str | None = ""
    while query is not None:
        shown = page(browser, path + query)
        seen = [int(n) for n in re.findall(r"Number (\d+)\.", shown)] + seen
        taken_over.append("took over" in words(shown))
        found = re.search(r'href="(\?before=\d+)"', shown)
        query = found[1] if found else None
    assert seen == list(range(count))
    assert taken_over == [False, False, True]
    for junk in ("x", "-1", "٣", "9" * 30, "1%00"):
        assert f"Number {count - 1}." in page(browser, f"{path}?before={junk}")


def test_facts(
    sign_in: SignIn, viewer: User, agent: Agent, api_key: tuple[ApiKey, str]
) -> None:
    contact = Contact.objects.create(
        workspace=agent.workspace,
        agent=agent,
        external_id="cust/42",
        name="Grace Hopper",
        email="grace@example.com",
    )
    conversation = converse(
        agent,
        "Hello",
        end_user="grace-1906",
        external_id="thread-77",
        contact=contact,
        channel=Channel.WHATSAPP,
        api_key=api_key[0],
    )
    Lead.objects.create(
        workspace=agent.workspace, agent=agent, conversation=conversation, name="Lead G"
    )
    shown = page(sign_in(viewer), f"/conversations/{conversation.pk}")
    facts = shown.split('aria-label="Facts"')[1].split("</aside>")[0]
    for fact in (
        f"Conversation {conversation.pk}",
        "Contact Grace Hopper grace@example.com",
        "cust/42",
        "grace-1906",
        "thread-77",
        "Source WhatsApp",
        "API key Tests",
        f"{api_key[0].prefix}…",
        "Lead Lead G",
        "Begun",
        "Last activity",
    ):
        assert fact in words(facts)
    assert f'href="/agents/{agent.pk}/conversations?user=grace-1906"' in facts
    assert facts.count("<copy-button") == 4
    assert api_key[1] not in shown


def test_only_staff_are_led_to_the_staff_admin(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    conversation = converse(agent, "Hello")
    path = f"/conversations/{conversation.pk}"
    assert "/admin/" not in page(sign_in(viewer), path)
    User.objects.filter(pk=viewer.pk).update(is_staff=True, is_superuser=True)
    browser = sign_in(viewer)
    (door,) = re.findall(r'href="(/admin/conversations/[^"]*)"', page(browser, path))
    assert browser.get(door).status_code == 200


def test_a_transcript_costs_as_many_queries_as_a_message(
    sign_in: SignIn, viewer: User, agent: Agent, owner: User
) -> None:
    def story(length: int) -> Conversation:
        conversation = converse(agent, "Hello")
        for number in range(length):
            reply = say(conversation, "assistant", f"Reply {number}")
            call(reply, f"tool_{number}", status="abandoned")
            takeover.take_over(conversation, actor=owner)
            takeover.reply(conversation, author=owner, text="Hello.")
            takeover.hand_back(conversation, actor=owner)
            Lead.objects.create(
                workspace=agent.workspace, agent=agent, conversation=conversation
            )
        takeover.take_over(conversation, actor=owner)
        return conversation

    browser = sign_in(viewer)
    few, many = story(1), story(20)
    # Session, user, the member's place (two); conversation, messages, calls, events,
    # who is handling it, leads; the sidebar's workspaces.
    assert queries(browser, f"/conversations/{few.pk}") == 11
    assert queries(browser, f"/conversations/{many.pk}") == 11


# --- The stranger -------------------------------------------------------------------


def test_whatever_is_not_ours_is_nothing(
    sign_in: SignIn, viewer: User, agent: Agent
) -> None:
    browser = sign_in(viewer)
    stranger = Agent.objects.create(workspace=make_workspace(), name="Stranger")
    archived = Agent.objects.create(
        workspace=agent.workspace, name="Old", status="archived"
    )
    foreign, gone = converse(stranger, "Theirs"), converse(archived, "Gone")
    ids = ["x", "0", "-1", "1_0", "٣", "1%0A", "1%00", str(2**63), "9" * 5_000]
    agents = [stranger.pk, archived.pk, 2**40, *ids]
    conversations = [foreign.pk, gone.pk, 2**40, *ids]
    paths = [f"/agents/{one}/conversations" for one in agents]
    paths += [f"/conversations/{one}" for one in conversations]
    nothing = {page(browser, path, 404) for path in paths}
    assert len(nothing) == 1, "foreign and missing must look alike"
    assert "There is nothing here" in nothing.pop()


def test_a_member_sees_the_workspace_they_are_in(
    sign_in: SignIn, outsider: User, agent: Agent
) -> None:
    conversation = converse(agent, "Ours")
    page(sign_in(outsider), f"/conversations/{conversation.pk}", 404)
    page(sign_in(outsider), f"/agents/{agent.pk}/conversations", 404)


@pytest.mark.parametrize("role", list(Role))
def test_every_member_may_read(sign_in: SignIn, agent: Agent, role: Role) -> None:
    conversation = converse(agent, "Hello", status=ConversationStatus.BOT)
    browser = sign_in(make_member(agent.workspace, role))
    page(browser, f"/agents/{agent.pk}/conversations")
    page(browser, f"/conversations/{conversation.pk}")
