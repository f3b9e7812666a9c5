"""What an import brings, and how it stands here then."""

from datetime import UTC, date, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, AgentStatus
from contacts.models import Contact, CustomAttribute, Lead
from conversations.models import Conversation, Message
from imports.models import Import, ImportedRow, Kind
from imports.transfer import TransferError, Wish
from tests.conftest import make_workspace
from tests.imports.conftest import Bring, counts_of, everything
from tests.imports.source import (
    SmallChatbase,
    attribute,
    contact,
    conversation,
    fill,
    lead,
)
from usage.models import AuditEvent
from webhooks.models import WebhookEvent
from workspaces.models import Workspace


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_it_works(source: SmallChatbase, bring: Bring, workspace: Workspace) -> None:
    fill(source)
    summary = bring()
    assert counts_of(summary) == {
        "agents": {"made": 2},
        "attributes": {"made": 3},
        "contacts": {"made": 3},
        "conversations": {"made": 6},
        "messages": {"made": 11},
        "leads": {"made": 3},
    }
    assert Import.objects.get().finished_at is not None
    assert Import.objects.get().markers == {}
    (event,) = AuditEvent.objects.for_workspace(workspace)
    assert (event.action, event.detail["agents"]) == ("import.finished", {"made": 2})


def test_agents(source: SmallChatbase, bring: Bring) -> None:
    fill(source)
    summary = bring()
    shop, helper = Agent.objects.order_by("pk")
    assert (shop.name, shop.status) == ("Agent shop", AgentStatus.ACTIVE)
    assert helper.status == AgentStatus.DRAFT  # private there
    assert helper.instructions == "Be brief."
    assert helper.created_at == at("2025-01-01T12:00")
    assert helper.updated_at == at("2025-01-02T12:00")
    assert helper.model == "embedded"
    (remark,) = summary.remarks.values()
    assert "“gpt-4o-mini” is not here; “embedded” answers" in remark.text
    assert remark.examples == ["help"]


def test_conversations(source: SmallChatbase, bring: Bring) -> None:
    fill(source)
    bring()
    three = Conversation.objects.get(external_id="three")
    assert three.title == "A?"
    assert three.channel == "widget"
    assert three.created_at == at("2026-03-03T10:00")
    assert three.updated_at == at("2026-03-03T10:03")
    messages = list(three.messages.order_by("pk"))
    assert [(m.role, m.text) for m in messages] == [
        ("user", "A?"),
        ("assistant", "B."),
        ("user", "C?"),
        ("assistant", "D."),
    ]
    assert [m.answers_id for m in messages] == [
        None,
        messages[0].pk,
        None,
        messages[2].pk,
    ]
    assert [m.score for m in messages] == [None, None, None, 0.25]
    assert {m.status for m in messages} == {"complete"}
    assert messages[2].created_at == at("2026-03-03T10:02")
    assert [e.seq for e in three.events.order_by("seq")] == [1, 2, 3, 4]
    assert three.last_seq == 4
    begun = Conversation.objects.filter(agent__name="Agent shop").order_by("created_at")
    assert [c.external_id for c in begun] == ["one", "two", "three", "four", "five"]


def test_contacts_and_attributes(source: SmallChatbase, bring: Bring) -> None:
    fill(source)
    bring()
    first = Contact.objects.get(external_id="u1")
    assert first.custom_attributes == {"plan": "pro", "age": 40}
    assert first.created_at.timestamp() == 1_771_000_000
    assert first.updated_at.timestamp() == 1_771_000_001
    second = Contact.objects.get(external_id="u2")
    assert second.stripe_accounts == [{"label": "main", "stripe_id": "cus_1"}]
    third = Contact.objects.get(external_id="u/3 ü")
    assert third.custom_attributes == {"old": "kept", "free": [1, {"a": 2}]}
    age = CustomAttribute.objects.get(name="age")
    assert (age.type, age.description, age.archived) == ("number", "Years", False)
    assert CustomAttribute.objects.get(name="old").archived


def test_nobody_is_told_of_leads_that_are_old_news(
    source: SmallChatbase, bring: Bring
) -> None:
    fill(source)
    bring()
    ann = Lead.objects.get(name="Lead ann")
    assert (ann.email, ann.phone) == ("ann@example.com", "+1 555 0100")
    assert ann.fields == {"name": ann.name, "email": ann.email, "phone": ann.phone}
    assert ann.created_at == at("2026-03-01T09:00")
    assert not WebhookEvent.objects.exists()


def test_a_second_run_changes_nothing(
    source: SmallChatbase, bring: Bring, workspace: Workspace
) -> None:
    fill(source)
    bring()
    before = everything(workspace)
    rows = list(ImportedRow.objects.order_by("pk").values())
    with CaptureQueriesContext(
        connection,
    ) as queries:
        summary = bring()
    assert counts_of(summary) == {
        "agents": {"known": 2},
        "attributes": {"known": 3},
        "contacts": {"known": 3},
        "conversations": {"known": 6},
        "leads": {"known": 3},
    }
    assert everything(workspace) == before
    assert list(ImportedRow.objects.order_by("pk").values()) == rows
    written = [
        query["sql"]
        for query in queries
        if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))
        and "imports_import" not in query["sql"]
    ]
    assert written == []


def test_a_run_after_new_things_brings_just_these(
    source: SmallChatbase, bring: Bring
) -> None:
    fill(source)
    bring()
    shop = source.chatbots["shop"]
    shop.conversations[0] = conversation("five", "Hi", "Hello!", "Bye", "Ciao", day=5)
    shop.conversations.insert(0, conversation("seven", "New?", day=7))
    shop.leads.insert(0, lead("dora"))
    shop.contacts.append(contact("u4"))
    shop.contacts[0] = contact("u1", name="Renamed", updated_at=1_771_000_099)
    shop.attributes[0]["archived"] = True
    source.chatbots["help"].row["instructions"] = "Be long."
    assert counts_of(bring()) == {
        "agents": {"changed": 1, "known": 1},
        "attributes": {"changed": 1, "known": 2},
        "contacts": {"changed": 1, "known": 2, "made": 1},
        "conversations": {"changed": 1, "known": 5, "made": 1},
        "messages": {"made": 3},
        "leads": {"known": 3, "made": 1},
    }
    five = Conversation.objects.get(external_id="five")
    said = five.messages.order_by("pk")
    assert [m.text for m in said] == ["Hi", "Hello!", "Bye", "Ciao"]
    assert said[3].answers == said[2]
    assert list(five.events.values_list("seq", flat=True)) == [1, 2, 3, 4]
    assert five.updated_at == at("2026-03-05T10:03")
    assert Contact.objects.get(external_id="u1").name == "Renamed"
    assert CustomAttribute.objects.get(name="plan").archived
    assert Agent.objects.get(name="Agent help").instructions == "Be long."
    assert counts_of(bring())["conversations"] == {"known": 7}


def test_what_was_changed_here_stays_so_while_the_source_does_not_change(
    source: SmallChatbase, bring: Bring
) -> None:
    fill(source)
    bring()
    Agent.objects.filter(name="Agent help").update(name="Helper", model="embedded")
    Contact.objects.filter(external_id="u2").update(name="Ours")
    Contact.objects.filter(external_id="u1").delete()
    Conversation.objects.get(external_id="two").delete()
    Lead.objects.all().delete()
    source.chatbots["help"].row["instructions"] = "Be long."
    source.chatbots["shop"].contacts[0]["name"] = "Gone"
    source.chatbots["shop"].conversations[3] = conversation("two", "Q", "A", "More")
    bring()
    helper = Agent.objects.get(name="Helper")  # only what changed there changes here
    assert helper.instructions == "Be long."
    assert Contact.objects.get(external_id="u2").name == "Ours"
    assert not Contact.objects.filter(external_id="u1").exists()
    assert not Conversation.objects.filter(external_id="two").exists()
    assert not Lead.objects.exists()


def test_a_conversation_that_is_no_longer_as_it_was_is_left_alone(
    source: SmallChatbase, bring: Bring
) -> None:
    shop = source.add("shop", conversations=[conversation("one", "Q", "A")])
    bring()
    shop.conversations[0] = conversation("one", "Q", "Another answer")
    shop.conversations[0]["messages"][1]["id"] = "made-anew"
    summary = bring()
    assert counts_of(summary)["conversations"] == {"skipped": 1}
    (remark,) = summary.remarks.values()
    assert "no longer so at the source" in remark.text
    assert list(Message.objects.values_list("text", flat=True)) == ["Q", "A"]


def test_of_a_long_conversation_the_source_may_give_the_end_only(
    source: SmallChatbase, bring: Bring
) -> None:
    shop = source.add("shop", conversations=[conversation("one", "1", "2", "3", "4")])
    bring()
    longer = conversation("one", "1", "2", "3", "4", "5", "6")
    longer["messages"] = longer["messages"][3:]
    shop.conversations[0] = longer
    bring()
    said = Message.objects.order_by("pk").values_list("text", flat=True)
    assert list(said) == ["1", "2", "3", "4", "5", "6"]


def test_an_id_that_is_in_use_here_stays_whose_it_is(
    source: SmallChatbase, bring: Bring, workspace: Workspace
) -> None:
    shop = source.add("shop")
    bring()
    agent = Agent.objects.get()
    mine = Conversation.objects.create(
        workspace=workspace, agent=agent, external_id="one", title="Ours"
    )
    shop.conversations = [conversation("one", "Theirs")]
    summary = bring()
    assert Conversation.objects.get(external_id="one") == mine
    theirs = Conversation.objects.get(title="Theirs")
    assert theirs.external_id is None
    assert "its id has been used here" in next(iter(summary.remarks.values())).text
    assert counts_of(bring())["conversations"] == {"known": 1}


def test_of_a_contact_that_is_here_already_the_newer_one_stands(
    source: SmallChatbase, bring: Bring, workspace: Workspace
) -> None:
    shop = source.add("shop", attributes=[attribute("plan")])
    bring()
    agent = Agent.objects.get()
    for name, day in (("old", 1), ("new", 28)):
        Contact.objects.create(
            workspace=workspace,
            agent=agent,
            external_id=name,
            name="Ours",
            updated_at=datetime(2026, 2, day, tzinfo=UTC),
        )
    there = int(datetime(2026, 2, 14, tzinfo=UTC).timestamp())
    shop.contacts = [
        contact("old", updated_at=there),
        contact("new", updated_at=there),
    ]
    assert counts_of(bring())["contacts"] == {"changed": 1, "known": 1}
    assert Contact.objects.get(external_id="old").name == "Contact old"
    assert Contact.objects.get(external_id="new").name == "Ours"
    assert counts_of(bring())["contacts"] == {"known": 2}


def test_an_attribute_of_another_type_here_is_left_out(
    source: SmallChatbase, bring: Bring, workspace: Workspace
) -> None:
    shop = source.add("shop")
    bring()
    CustomAttribute.objects.create(
        workspace=workspace,
        agent=Agent.objects.get(),
        name="age",
        label="Age",
        type="number",
    )
    shop.attributes = [attribute("age", "text")]
    shop.contacts = [contact("u1", custom_attributes={"age": "forty", "b": 1})]
    summary = bring()
    assert counts_of(summary)["attributes"] == {"skipped": 1}
    assert Contact.objects.get().custom_attributes == {"b": 1}
    assert [remark.text for remark in summary.remarks.values()] == [
        "left out: its type is “number” here and “text” there",
        "a value of the attribute “age” is not of its type",
    ]


def test_an_agent_that_was_archived_here_stays_so(
    source: SmallChatbase, bring: Bring
) -> None:
    fill(source)
    bring()
    Agent.objects.filter(name="Agent shop").update(status="archived")
    source.chatbots["shop"].conversations.insert(0, conversation("late", "?"))
    summary = bring()
    assert counts_of(summary)["agents"] == {"known": 1, "skipped": 1}
    assert not Conversation.objects.filter(external_id="late").exists()


def test_only_some_of_it(source: SmallChatbase, bring: Bring) -> None:
    fill(source)
    summary = bring(Wish(kinds=(Kind.LEADS,)))
    assert counts_of(summary) == {"agents": {"skipped": 2}}
    bring(Wish(kinds=(Kind.AGENTS,), agents=("shop",)))
    assert [agent.name for agent in Agent.objects.all()] == ["Agent shop"]
    assert counts_of(bring(Wish(kinds=(Kind.LEADS,), agents=("shop",)))) == {
        "leads": {"made": 3}
    }
    assert not Conversation.objects.exists()
    with pytest.raises(TransferError, match="has no agent nope. It has: shop, help."):
        bring(Wish(agents=("nope", "shop")))


def test_since_a_day(source: SmallChatbase, bring: Bring) -> None:
    fill(source)
    bring(Wish(since=date(2026, 3, 1)))
    for asked in source.asked:
        dated = asked.path.endswith(("get-conversations", "get-leads"))
        assert asked.query.get("startDate") == ("2026-03-01" if dated else None)


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    source: SmallChatbase, bring: Bring, workspace: Workspace
) -> None:
    fill(source)
    would = counts_of(bring(write=False))
    assert not Import.objects.exists()
    assert not any(everything(workspace).values())
    assert counts_of(bring()) == would
    shop = source.chatbots["shop"]
    shop.conversations[0] = conversation("five", "Hi", "Hello!", "Bye", day=5)
    shop.contacts[0]["name"] = "Renamed"
    shop.attributes[0]["label"] = "Renamed"
    source.chatbots["help"].row["name"] = "Renamed"
    before = everything(workspace)
    would = counts_of(bring(write=False))
    assert everything(workspace) == before
    assert counts_of(bring()) == would


def test_two_workspaces_have_each_their_own(
    source: SmallChatbase, bring: Bring, workspace: Workspace
) -> None:
    fill(source)
    other = make_workspace("Other")
    bring()
    bring(into=other)
    assert everything(other) == everything(workspace)
    assert everything(other)["conversations"]


def test_a_page_takes_a_handful_of_queries_whatever_its_size(
    source: SmallChatbase, bring: Bring
) -> None:
    source.page = 500
    shop = source.add("shop", contacts=[contact("first")])
    with CaptureQueriesContext(connection) as few:
        bring()
    shop.contacts += [contact(f"u{n}") for n in range(40)]
    with CaptureQueriesContext(connection) as many:
        bring()
    assert len(many) <= len(few) + 4
    shop.contacts = [contact(f"u{n}", name="Renamed") for n in range(40)]
    with CaptureQueriesContext(connection) as changed:
        bring()
    assert len(changed) <= len(few) + 4
    assert Contact.objects.filter(name="Renamed").count() == 40


def test_an_id_that_one_contact_gives_up_and_another_takes(
    source: SmallChatbase, bring: Bring
) -> None:
    chatbot = source.add("shop", contacts=[contact("b")])
    bring()
    renamed = contact("b", external_id="c", name="First", updated_at=1_771_000_002)
    taking = contact("new", external_id="b", name="Second", updated_at=1_771_000_003)
    chatbot.contacts[:] = [renamed, taking]
    bring()
    names = Contact.objects.values_list("external_id", "name")
    assert dict(names) == {"c": "First", "b": "Second"}


def test_no_message_is_older_than_the_one_before_it(
    source: SmallChatbase, bring: Bring
) -> None:
    row = conversation("one", "Hi", "Hello!", "Where is it?")
    row["messages"][1]["createdAt"] = "2026-01-01T00:00:00.000Z"
    source.add("shop", conversations=[row])
    bring()
    times = list(Message.objects.order_by("pk").values_list("created_at", flat=True))
    assert times == sorted(times)
