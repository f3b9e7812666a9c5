"""Sources that word things differently, and sources that talk nonsense."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Agent
from contacts.models import Contact, CustomAttribute, Lead
from conversations.models import Conversation, Message
from imports.facts.agents import AgentFacts
from imports.facts.attributes import AttributeFacts
from imports.facts.contacts import ContactFacts
from imports.facts.conversations import ConversationFacts
from imports.facts.leads import LeadFacts
from imports.facts.row import Misfit, moment
from tests.imports.conftest import Bring, counts_of
from tests.imports.source import (
    SmallChatbase,
    attribute,
    contact,
    conversation,
    fill,
    lead,
)

WRAPPERS = {
    "bare": lambda rows: rows,
    "data": lambda rows: {"data": rows},
    "named": lambda rows: {"collectedCustomers": rows},
    "named, in data": lambda rows: {"collectedCustomers": {"data": rows}},
    "data, in named": lambda rows: {"data": {"collectedCustomers": rows}},
}


@pytest.mark.parametrize("wrapper", WRAPPERS.values(), ids=WRAPPERS)
def test_leads_however_they_are_wrapped(
    source: SmallChatbase, bring: Bring, wrapper: Any
) -> None:
    source.add("shop", leads=[lead("a"), lead("b"), lead("c")])
    source.wrap["get-leads"] = lambda body: wrapper(body["collectedCustomers"])
    bring()
    assert Lead.objects.count() == 3


@pytest.mark.parametrize(
    "wrap",
    [
        lambda body: body["chatbots"],
        lambda body: {"chatbots": {"data": body["chatbots"]}},
        lambda body: {"data": body["chatbots"]},
    ],
)
def test_agents_however_they_are_wrapped(
    source: SmallChatbase, bring: Bring, wrap: Any
) -> None:
    source.add("shop")
    source.wrap["get-chatbots"] = wrap
    bring()
    assert Agent.objects.get().name == "Agent shop"


def test_other_names_of_the_same_fields(source: SmallChatbase, bring: Bring) -> None:
    source.add("shop").row = {"chatbotId": 7, "chatbotName": "Shop"}
    source.chatbots = {"7": source.chatbots["shop"]}
    source.chatbots["7"].contacts = [
        {"id": "uuid-1", "external_id": "u1", "phone": 15550100}
    ]
    bring()
    assert Agent.objects.get().name == "Shop"
    assert Contact.objects.get().phonenumber == "15550100"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("API", "api"),
        ("api", "api"),
        ("Widget or Iframe", "widget"),
        ("Widget or iframe", "widget"),
        ("website", "widget"),
        ("WhatsApp", "whatsapp"),
        ("Playground", "playground"),
        ("Unspecified", "unspecified"),
        ("Action preview", "unspecified"),
        ("Fax", "unspecified"),
        ("", "unspecified"),
        (None, "unspecified"),
        ({"label": "API"}, "unspecified"),
    ],
)
def test_where_a_conversation_was_held(said: object, meant: str) -> None:
    assert ConversationFacts.of({"id": "c", "source": said}).channel == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-03-01T10:00:00.000Z", "2026-03-01T10:00:00"),
        ("2026-03-01T12:00:00+02:00", "2026-03-01T10:00:00"),
        ("2026-03-01 10:00:00", "2026-03-01T10:00:00"),
        ("2026-03-01", "2026-03-01T00:00:00"),
        (1772359200, "2026-03-01T10:00:00"),
        (1772359200000, "2026-03-01T10:00:00"),
        ("1772359200000", "2026-03-01T10:00:00"),
        (1772359200.0, "2026-03-01T10:00:00"),
        ("yesterday", None),
        ("", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-12:00", None),
        (10**400, None),
        (float("inf"), None),
        (float("nan"), None),
        (-1, None),
        (True, None),
        ("١٧٧٢٣٥٩٢٠٠", None),
        ([], None),
    ],
)
def test_times(said: object, meant: str | None) -> None:
    wanted = datetime.fromisoformat(meant).replace(tzinfo=UTC) if meant else None
    assert moment(said) == wanted


def test_messages_without_ids_and_times(source: SmallChatbase, bring: Bring) -> None:
    bare = conversation("one", "Q", "A", "Q2")
    for message in bare["messages"]:
        del message["id"], message["createdAt"], message["type"]
    shop = source.add("shop", conversations=[bare])
    bring()
    begun = datetime(2026, 3, 1, 10, tzinfo=UTC)
    times = Message.objects.order_by("pk").values_list("created_at", flat=True)
    assert list(times) == [begun, begun, begun + timedelta(minutes=2)]
    bare["messages"].append({"role": "assistant", "content": "A2"})
    bring()
    said = Message.objects.order_by("pk").values_list("text", flat=True)
    assert list(said) == ["Q", "A", "Q2", "A2"]
    shop.conversations = [{"id": "two"}]
    before = timezone.now()
    bring()
    two = Conversation.objects.get(external_id="two")
    assert before <= two.created_at <= timezone.now()


def test_scores_of_the_messages_themselves(source: SmallChatbase, bring: Bring) -> None:
    scored = conversation("one", "Q", "A", "Q", "A", min_score=0.2)
    scored["messages"][1]["score"] = 0.2
    scored["messages"][3]["score"] = 0.9
    source.add("shop", conversations=[scored])
    bring()
    scores = Message.objects.order_by("pk").values_list("score", flat=True)
    assert list(scores) == [None, 0.2, None, 0.9]


def test_what_is_no_message_of_words_stays_behind(
    source: SmallChatbase, bring: Bring
) -> None:
    mixed = conversation("one", "Q", "A")
    mixed["messages"][1:1] = [
        {"role": "system", "content": "Be nice."},
        {"role": "assistant", "type": "tool-call", "content": {"name": "x"}},
        {"role": "assistant"},
        None,
        7,
    ]
    source.add("shop", conversations=[mixed])
    summary = bring()
    said = Message.objects.order_by("pk").values_list("text", flat=True)
    assert list(said) == ["Q", "A"]
    remarks = {remark.text: remark.rows for remark in summary.remarks.values()}
    assert remarks == {
        "a message that is neither the user's nor the assistant's stayed behind": 1,
        "a message that is no text stayed behind": 2,
        "a message that is no JSON object stayed behind": 2,
    }


def test_rows_that_do_not_fit_are_left_out_and_reported(
    source: SmallChatbase, bring: Bring
) -> None:
    source.add(
        "shop",
        conversations=[None, {"id": ""}, {"id": "a", "messages": {}}, {"id": "x" * 256}]
        + [conversation("good"), conversation("good", "again")],
        leads=[{}, [], lead("good"), {"id": "n", "name": None}],
        contacts=["u", {"id": "\ud800"}, {"id": "\0"}, contact("good"), contact("good")]
        + [contact("big", custom_attributes={"a": "x" * 20_000})],
        attributes=[{"name": "1st"}, {"name": "id"}, {"name": "a", "type": "list"}]
        + [attribute("good"), attribute("good\n")],
    )
    source.page = 100
    counts = counts_of(bring())
    assert counts["conversations"] == {"made": 1, "skipped": 4}
    assert counts["leads"] == {"made": 1, "skipped": 3}
    assert counts["contacts"] == {"made": 1, "skipped": 4}
    assert counts["attributes"] == {"made": 1, "skipped": 4}


def test_an_empty_text_of_a_contact_is_none(
    source: SmallChatbase, bring: Bring
) -> None:
    empty = {"name": "", "email": "", "phonenumber": ""}
    source.add("shop", contacts=[contact("u1", **empty), contact("u2", **empty)])
    bring()
    kept = Contact.objects.values_list("name", "email", "email_key", "phonenumber")
    assert set(kept) == {(None, None, None, None)}


def test_two_contacts_of_one_external_id(source: SmallChatbase, bring: Bring) -> None:
    source.page = 10
    twins = [contact("u1"), contact("u1", id="another")]
    source.add("shop", contacts=twins)
    summary = bring()
    assert counts_of(summary)["contacts"] == {"made": 1, "skipped": 1}
    assert "another contact of the source" in next(iter(summary.remarks.values())).text


@pytest.mark.parametrize("size", [1, 10], ids=["pages apart", "of one page"])
def test_no_run_gives_a_contact_what_its_twin_is(
    source: SmallChatbase, bring: Bring, size: int
) -> None:
    source.page = size
    twin = contact("u1", id="another", name="Another", updated_at=1_900_000_000)
    source.add("shop", contacts=[contact("u1"), twin])
    assert counts_of(bring())["contacts"] == {"made": 1, "skipped": 1}
    assert counts_of(bring())["contacts"] == {"known": 1, "skipped": 1}
    assert Contact.objects.get().name == "Contact u1"


def test_a_contact_whose_external_id_has_changed(
    source: SmallChatbase, bring: Bring
) -> None:
    shop = source.add("shop", contacts=[contact("u1"), contact("u2")])
    bring()
    shop.contacts[0]["external_id"] = "renamed"
    shop.contacts[1]["external_id"] = "renamed"
    summary = bring()
    assert counts_of(summary)["contacts"] == {"changed": 1, "skipped": 1}
    names = Contact.objects.order_by("pk").values_list("external_id", flat=True)
    assert list(names) == ["renamed", "u2"]


def test_text_that_a_database_has_no_place_for(
    source: SmallChatbase, bring: Bring
) -> None:
    source.add(
        "shop",
        conversations=[conversation("one", "a\0b", "\ud83d half, \ud83d\ude00 whole")],
        contacts=[contact("u1", custom_attributes={"k\0": ["\0", {"\udfff": "v"}]})],
        leads=[lead("l", name="N\0")],
        attributes=[attribute("plan", label="L\ud800", description="\0")],
    )
    bring()
    said = Message.objects.order_by("pk").values_list("text", flat=True)
    assert list(said) == ["a�b", "� half, 😀 whole"]
    assert Contact.objects.get().custom_attributes == {"k�": ["�", {"�": "v"}]}
    assert Lead.objects.get().name == "N�"
    assert CustomAttribute.objects.get().label == "L�"


def test_what_is_too_long_is_cut_and_remarked_on(
    source: SmallChatbase, bring: Bring
) -> None:
    shop = source.add("shop")
    shop.row |= {"name": "n" * 200, "instructions": "i" * 20_001}
    summary = bring()
    agent = Agent.objects.get()
    assert (len(agent.name), len(agent.instructions)) == (120, 20_000)
    assert [remark.text for remark in summary.remarks.values()] == [
        "of its name the first 120 characters were kept",
        "of its instructions the first 20,000 characters were kept",
    ]
    assert counts_of(bring())["agents"] == {"known": 1}


def test_a_source_that_knows_no_pages(source: SmallChatbase, bring: Bring) -> None:
    everything = [lead("a"), lead("b"), lead("c")]
    source.add("shop", leads=everything)
    source.wrap["get-leads"] = lambda body: {"collectedCustomers": everything}
    assert counts_of(bring())["leads"] == {"made": 3}


def test_a_source_without_contacts(source: SmallChatbase, bring: Bring) -> None:
    """An older one, or a plan that has none."""
    fill(source)
    source._found = _without_contacts(source)  # type: ignore[method-assign]
    summary = bring()
    counts = counts_of(summary)
    assert "contacts" not in counts
    assert counts["conversations"] == {"made": 6}
    remarks = [remark.text for remark in summary.remarks.values()]
    assert "the source does not give them (404: Resource not found)" in remarks


def _without_contacts(source: SmallChatbase) -> Any:
    found = source._found

    def look(path: str, query: dict[str, str]) -> Any:
        return None if path.endswith("/contacts") else found(path, query)

    return look


# --- Nonsense -------------------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["user", "assistant", "2026-01-01", "text", "a", "\0", "\ud800"])
)
FIELDS = [
    *["id", "name", "messages", "role", "content", "created_at", "updated_at"],
    *["score", "min_score", "source", "email", "phone", "external_id", "type", "label"],
    *["custom_attributes", "stripe_accounts", "archived", "visibility", "model"],
    *[
        "instructions",
        "description",
        "title",
        "last_message_at",
        "createdAt",
        "stripe_id",
    ],
]
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(FIELDS) | st.text(max_size=3), inner, max_size=6
        )
    ),
    max_leaves=25,
)
rows = st.dictionaries(st.sampled_from(FIELDS), values, max_size=12)


@given(row=rows | values)
@settings(max_examples=200, deadline=None)
def test_no_row_is_too_odd_to_be_read(row: Any) -> None:
    sent = json.loads(json.dumps(row))
    for facts in (
        AgentFacts,
        AttributeFacts,
        ContactFacts,
        ConversationFacts,
        LeadFacts,
    ):
        try:
            read = facts.of(sent)
        except Misfit:
            continue
        assert read.marks == facts.of(sent).marks
        assert read.source_id


@pytest.mark.django_db
@given(lists=st.lists(st.lists(rows | values, max_size=3), min_size=4, max_size=4))
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_answer_is_too_odd_to_be_brought(
    source: SmallChatbase, bring: Bring, lists: list[list[Any]]
) -> None:
    source.page = 5
    named = [
        [{"id": f"r{n}", **row} if isinstance(row, dict) else row for row in some]
        for n, some in enumerate(lists)
    ]
    name = f"agent-{len(source.chatbots)}"
    source.chatbots.clear()
    source.add(
        name,
        conversations=named[0],
        leads=named[1],
        contacts=named[2],
        attributes=named[3],
    )
    counts = bring().counts
    for kind, sent in zip(
        ("conversations", "leads", "contacts", "attributes"), named, strict=True
    ):
        assert sum(counts[kind].values()) <= len(sent)


@pytest.mark.parametrize(
    "value",
    ["1e999", "-1e999", "1" + 400 * "0", 600 * "[" + 600 * "]"],
    ids=["infinite", "negative", "long", "deep"],
)
def test_an_attribute_that_no_database_keeps_does_not_stop_the_others(
    source: SmallChatbase, bring: Bring, value: str
) -> None:
    rows = [contact("odd", custom_attributes={"a": "VALUE"}), contact("plain")]
    source.add("shop", contacts=rows)
    source.wrap["contacts"] = lambda body: (
        json.dumps(body).replace('"VALUE"', value).encode()
    )
    summary = bring()
    assert Contact.objects.filter(external_id="plain").exists()
    assert summary.counts["contacts"]["skipped"] == 1
