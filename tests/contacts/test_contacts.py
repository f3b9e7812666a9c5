"""Contacts as the rooms above write them: who is whom, and what is kept."""

import threading
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from contacts import attributes, records
from contacts.models import Contact
from contacts.records import Taken, Unfit, by_external_id, identify, upsert
from conversations.models import Conversation
from tests.conftest import make_workspace


def people(agent: Agent) -> list[tuple[Any, ...]]:
    return list(agent.contacts.order_by("pk").values_list("external_id", "email"))


@pytest.mark.django_db
class TestUpsert:
    def test_it_works(self, agent: Agent) -> None:
        (made,) = upsert(agent, [{"external_id": "a", "name": "Ada"}])
        assert made == agent.contacts.get(external_id="a")
        assert (made.name, made.email, made.workspace) == ("Ada", None, agent.workspace)

    def test_what_is_not_said_stays(self, agent: Agent) -> None:
        stripe = [{"label": "main", "stripe_id": "cus_1"}]
        upsert(
            agent,
            [
                {
                    "external_id": "a",
                    "name": "Ada",
                    "email": "a@x.example",
                    "phonenumber": "1",
                    "stripe_accounts": stripe,
                    "custom_attributes": {"plan": "pro", "seats": 1},
                }
            ],
        )
        upsert(agent, [{"external_id": "a", "name": None}])
        contact = agent.contacts.get()
        assert contact.name is None
        assert (contact.email, contact.phonenumber) == ("a@x.example", "1")
        assert contact.stripe_accounts == stripe
        upsert(agent, [{"external_id": "a", "custom_attributes": {"plan": None}}])
        contact.refresh_from_db()
        assert contact.custom_attributes == {"plan": None}

    def test_an_id_is_made_where_none_is_given(self, agent: Agent) -> None:
        one, two = upsert(agent, [{"name": "One"}, {"external_id": None}])
        assert len({one.external_id, two.external_id}) == 2
        assert all(len(c.external_id) >= 16 for c in (one, two))

    def test_the_answer_is_in_the_order_of_the_request(self, agent: Agent) -> None:
        upsert(agent, [{"external_id": "b"}])
        names = ["c", "b", "a"]
        found = upsert(agent, [{"external_id": name} for name in names])
        assert [contact.external_id for contact in found] == names
        for contact in found:
            assert agent.contacts.get(pk=contact.pk).external_id == contact.external_id

    def test_who_is_named_twice_is_changed_twice(self, agent: Agent) -> None:
        first, last = upsert(
            agent,
            [
                {"external_id": "a", "name": "Ada", "phonenumber": "1"},
                {"external_id": "a", "name": "Bea"},
            ],
        )
        assert first is last
        assert agent.contacts.get().name == "Bea"
        assert agent.contacts.get().phonenumber == "1"

    @pytest.mark.parametrize("known", [0, 1, 500, 1000])
    def test_a_thousand_take_as_many_queries_as_one(
        self, agent: Agent, known: int
    ) -> None:
        attributes.define(agent, name="plan", label="Plan")
        several: list[records.Fields] = [
            {
                "external_id": f"id {number}",
                "name": "“é'\"\\%s%%",
                "email": f"{number}@x.example",
                "custom_attributes": {"plan": "pro", "n": number},
            }
            for number in range(1000)
        ]
        upsert(agent, several[:known])
        for fields in several:
            fields["phonenumber"] = "1"
        with CaptureQueriesContext(
            connection,
        ) as queries:
            made = upsert(agent, several)
        assert len(queries) <= 8
        assert len(made) == 1000
        stored = agent.contacts.order_by("pk")
        assert [c.custom_attributes["n"] for c in stored] == list(range(1000))
        assert {c.phonenumber for c in stored} == {"1"}
        assert {c.name for c in stored} == {"“é'\"\\%s%%"}

    def test_what_does_not_change_is_not_touched(self, agent: Agent) -> None:
        same: list[records.Fields] = [
            {"external_id": "a", "custom_attributes": {"b": 1.5, "a": [1e22, None]}}
        ]
        (before,) = upsert(agent, same)
        (after,) = upsert(agent, same)
        assert after.updated_at == agent.contacts.get().updated_at == before.updated_at
        upsert(agent, [{"external_id": "a", "custom_attributes": {"b": True}}])
        assert agent.contacts.get().custom_attributes["b"] is True
        assert agent.contacts.get().updated_at > before.updated_at


@pytest.mark.django_db
class TestEmails:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("a@x.example", "a@x.example"),
            ("a@x.example", "A@X.example"),
            ("éa@x.example", "ÉA@x.example"),
            ("ΑΣ@x.example", "ας@x.example"),
        ],
    )
    def test_two_contacts_never_get_one(
        self, agent: Agent, one: str, other: str
    ) -> None:
        upsert(agent, [{"external_id": "a", "email": one}])
        before = people(agent)
        with pytest.raises(Taken):
            upsert(
                agent,
                [{"external_id": "c"}, {"external_id": "b", "email": other}],
            )
        with pytest.raises(Taken):
            upsert(
                agent,
                [
                    {"external_id": "b", "email": "new@x.example"},
                    {"external_id": "c", "email": "NEW@x.example"},
                ],
            )
        assert people(agent) == before

    def test_of_another_agent_it_is_no_matter(self, agent: Agent) -> None:
        other = Agent.objects.create(workspace=agent.workspace, name="Other")
        for one in (agent, other):
            upsert(one, [{"external_id": "a", "email": "a@x.example"}])
        assert Contact.objects.count() == 2

    def test_who_keeps_it_keeps_it(self, agent: Agent) -> None:
        upsert(agent, [{"external_id": "a", "email": "a@x.example"}])
        upsert(agent, [{"external_id": "a", "email": "A@x.example"}])
        assert people(agent) == [("a", "A@x.example")]

    def test_two_exchange_theirs(self, agent: Agent) -> None:
        upsert(agent, [{"external_id": n, "email": f"{n}@x.example"} for n in "ab"])
        upsert(
            agent,
            [
                {"external_id": "a", "email": "b@x.example"},
                {"external_id": "b", "email": "a@x.example"},
            ],
        )
        assert people(agent) == [("a", "b@x.example"), ("b", "a@x.example")]

    def test_one_that_is_given_up_is_free(self, agent: Agent) -> None:
        upsert(agent, [{"external_id": "a", "email": "a@x.example"}])
        upsert(
            agent,
            [
                {"external_id": "b", "email": "a@x.example"},
                {"external_id": "a", "email": None},
            ],
        )
        assert people(agent) == [("a", None), ("b", "a@x.example")]

    def test_what_two_have_already_stays(self, agent: Agent) -> None:
        for name in "ab":
            Contact.objects.create(
                workspace=agent.workspace,
                agent=agent,
                external_id=name,
                email="a@x.example",
            )
        upsert(agent, [{"external_id": n, "email": "a@x.example"} for n in "ab"])
        upsert(agent, [{"external_id": "a", "name": "Ada"}])
        with pytest.raises(Taken):
            upsert(agent, [{"external_id": "c", "email": "a@x.example"}])


@pytest.mark.django_db
class TestByExternalId:
    def test_the_callers_id_wins(self, agent: Agent) -> None:
        (one,) = upsert(agent, [{"external_id": "one"}])
        (two,) = upsert(agent, [{"external_id": one.public_id}])
        assert by_external_id(agent, "one") == one
        assert by_external_id(agent, one.public_id) == two
        assert by_external_id(agent, two.public_id) == two

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "\0",
            "\ud800",
            "x" * 256,
            "contact_",
            "contact_x",
            "contact_0",
            "contact_-1",
            "contact_١",
            "contact_9223372036854775808",
            "contact_" + "9" * 200,
            "CONTACT_1",
        ],
    )
    def test_what_is_no_id_names_nobody(self, agent: Agent, text: str) -> None:
        upsert(agent, [{"external_id": "one"}])
        assert by_external_id(agent, text) is None

    def test_of_another_agent_it_names_nobody(self, agent: Agent) -> None:
        other = Agent.objects.create(workspace=agent.workspace, name="Other")
        (one,) = upsert(agent, [{"external_id": "one"}])
        assert by_external_id(other, "one") is None
        assert by_external_id(other, one.public_id) is None


@pytest.mark.django_db
class TestIdentify:
    def test_a_visitor_is_found_or_made(self, agent: Agent) -> None:
        told = {"name": "Ada", "email": "a@x.example", "phonenumber": "1", "plan": "x"}
        made = identify(agent, "u1", told)
        assert identify(agent, "u1", {}) == made == agent.contacts.get()
        assert (made.external_id, made.name, made.email, made.phonenumber) == (
            "u1",
            "Ada",
            "a@x.example",
            "1",
        )
        assert made.custom_attributes == {"plan": "x"}

    def test_what_is_said_is_added_to_what_is_known(self, agent: Agent) -> None:
        upsert(agent, [{"external_id": "u1", "custom_attributes": {"a": 1, "b": 1}}])
        found = identify(agent, "u1", {"b": 2, "custom_attributes": {"c": 3}})
        found.refresh_from_db()
        assert found.custom_attributes == {"a": 1, "b": 2, "c": 3}

    def test_what_does_not_fit_is_left_out(self, agent: Agent) -> None:
        attributes.define(agent, name="seats", label="Seats", type="number")
        attributes.define(agent, name="rooms", label="Rooms", type="number")
        attributes.define(agent, name="vip", label="VIP", type="boolean")
        attributes.define(agent, name="old", label="Old", archived=True)
        found = identify(
            agent,
            "u1",
            {
                "name": 5,
                "email": "nobody",
                "phonenumber": "1" * 65,
                "seats": "12",
                "rooms": 12,
                "vip": "perhaps",
                "old": "x",
                "stripe_accounts": [{"label": "x", "stripe_id": "cus_other"}],
                "id": "contact_1",
                "long": "x" * attributes.LARGEST,
                "custom_attributes": 5,
                "last": [None],
            },
        )
        found.refresh_from_db()
        assert (found.name, found.email, found.phonenumber) == (None, None, None)
        assert found.stripe_accounts == []
        assert found.custom_attributes == {"rooms": 12, "last": [None]}

    def test_what_once_did_fit_stays(self, agent: Agent) -> None:
        told = {"seats": "many", "old": "x"}
        identify(agent, "u1", told)
        attributes.define(agent, name="seats", label="Seats", type="number")
        attributes.define(agent, name="old", label="Old", archived=True)
        found = identify(agent, "u1", {**told, "name": "Ada"})
        found.refresh_from_db()
        assert (found.name, found.custom_attributes) == ("Ada", told)

    def test_an_email_stays_with_who_has_it(self, agent: Agent) -> None:
        upsert(agent, [{"external_id": "a", "email": "a@x.example"}])
        told = {"email": "A@x.example", "name": "Bea"}
        found = identify(agent, "b", told)
        assert (found.name, found.email) == ("Bea", None)
        identify(agent, "b", {"email": "b@x.example"})
        found = identify(agent, "b", told)
        assert found.email == agent.contacts.get(pk=found.pk).email == "b@x.example"

    def test_who_says_nothing_new_writes_nothing(self, agent: Agent) -> None:
        told = {"name": "Ada", "email": "a@x.example", "plan": "x" * 9_000}
        made = identify(agent, "u1", told)
        with CaptureQueriesContext(connection) as queries:
            assert identify(agent, "u1", told).updated_at == made.updated_at
        assert len(queries) == 2
        assert all(one["sql"].startswith("SELECT") for one in queries)

    def test_there_is_room_for_what_is_said_again(self, agent: Agent) -> None:
        told = {"a": "x" * 9_000}
        identify(agent, "u1", told)
        found = identify(agent, "u1", {**told, "b": "y"})
        assert found.custom_attributes == {**told, "b": "y"}


@pytest.mark.django_db
def test_the_conversations_of_a_deleted_contact_stay(agent: Agent) -> None:
    (contact,) = upsert(agent, [{"external_id": "a"}])
    talk = Conversation.objects.create(
        workspace=agent.workspace, agent=agent, contact=contact
    )
    records.delete(contact)
    talk.refresh_from_db()
    assert talk.contact is None
    assert not agent.contacts.exists()
    with pytest.raises(records.Gone):
        records.delete(contact)
    with pytest.raises(records.Gone):
        records.change(contact, {"name": "Ada"})


@pytest.mark.django_db
def test_all_or_nothing_where_one_does_not_fit(agent: Agent) -> None:
    attributes.define(agent, name="seats", label="Seats", type="number")
    with pytest.raises(Unfit) as raised:
        upsert(
            agent,
            [
                {"external_id": "a"},
                {"external_id": "b", "custom_attributes": {"seats": "x", "n": 1}},
            ],
        )
    assert [(n, flaw.name) for n, flaw in raised.value.flaws] == [(1, "seats")]
    assert not agent.contacts.exists()


@pytest.mark.usefixtures("committed")
def test_of_many_who_want_one_email_at_once_one_gets_it() -> None:
    workspace = make_workspace("Race")
    agent = Agent.objects.create(workspace=workspace, name="Race")
    upsert(agent, [{"external_id": "old 0"}, {"external_id": "old 1"}])
    refused: list[str] = []
    problems: list[Exception] = []
    start = threading.Barrier(6)

    def write(name: str, way: int) -> None:
        try:
            for round_ in range(5):
                start.wait(60)
                email = f"{round_}@x.example"
                try:
                    if way == 0:
                        upsert(agent, [{"external_id": name, "email": email}])
                    elif way == 1:
                        old = agent.contacts.get(external_id=f"old {name}")
                        records.change(old, {"email": email.upper()})
                    else:
                        identify(agent, name, {"email": email})
                except Taken:
                    refused.append(name)
        except Exception as problem:
            problems.append(problem)
        finally:
            connections.close_all()

    writers = [("a", 0), ("b", 0), ("0", 1), ("1", 1), ("c", 2), ("d", 2)]
    threads = [threading.Thread(target=write, args=args) for args in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not problems
    emails = [c.email.lower() for c in agent.contacts.all() if c.email]
    assert len(emails) == len(set(emails))
    assert refused


@pytest.mark.usefixtures("committed")
def test_who_makes_one_id_at_once_makes_one_contact() -> None:
    workspace = make_workspace("Race")
    agent = Agent.objects.create(workspace=workspace, name="Race")
    found: list[int] = []
    start = threading.Barrier(6)

    def write(number: int) -> None:
        try:
            start.wait(60)
            if number % 2:
                found.append(identify(agent, "u1", {f"n{number}": number}).pk)
            else:
                found.extend(
                    c.pk for c in upsert(agent, [{"external_id": "u1", "name": "x"}])
                )
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    contact = agent.contacts.get()
    assert found == [contact.pk] * 6
    assert contact.custom_attributes == {"n1": 1, "n3": 3, "n5": 5}


@pytest.mark.django_db
def test_a_contact_is_not_renamed_as_another(agent: Agent) -> None:
    contact, _ = upsert(agent, [{"external_id": "a"}, {"external_id": "b"}])
    with pytest.raises(Taken):
        records.change(contact, {"external_id": "b"})
    assert records.change(contact, {"external_id": "c"}).external_id == "c"
    assert people(agent) == [("c", None), ("b", None)]
