"""Our own API v1 as the source: export and import are each other's proof."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from agents.models import Agent
from apikeys.models import ApiKey
from conversations.models import Channel, Conversation, Message
from imports import chatbase
from imports.chatbase import Chatbase
from imports.transfer import Transfer, Watcher, Wish
from tests.conftest import make_member, make_workspace
from tests.imports.conftest import counts_of, everything
from workspaces.models import Role, Workspace

# What API v1 does not give, and an import cannot bring.
FORGOTTEN = {
    "agents": {"id", "chatbotId", "status"},  # `status`: whether its sources are read
    "conversations": {"id", "chatbot_id"},
    "messages": {"id"},
    "leads": {"id", "chatbot_id", "account_id"},
    "contacts": {"id"},
    "transcripts": {"id", "agentId", "userId", "contactId", "externalId", "isTest"}
    | {"status"},
    "said": {"id", "author", "status", "feedback", "confidence", "citations", "score"}
    | {"toolCalls"},
}


class Site:
    """A workspace, seen through API v1 alone."""

    def __init__(self, http: httpx.Client, workspace: Workspace) -> None:
        self.http, self.workspace = http, workspace
        _, self.secret = ApiKey.objects.issue(workspace, label="Tests", rate_limit=9999)

    def call(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.secret}"}
        answer = self.http.request(
            method, f"/api/v1/{path}", headers=headers, **options
        )
        assert answer.status_code in (200, 202), (path, answer.text)
        return answer.json()

    def get(self, path: str, **query: object) -> Any:
        return self.call("GET", path, params=query)

    def post(self, path: str, **body: object) -> Any:
        return self.call("POST", path, json=body)

    def bring(self, into: Workspace) -> dict[str, dict[str, int]]:
        source = Chatbase(f"{self.http.base_url}/api/v1", self.secret)
        run = Transfer(into, source, Wish(), watcher=Watcher())
        return counts_of(run.run())

    # --- All that it gives -----------------------------------------------------------

    def everything(self) -> dict[str, Any]:
        chatbots = self.get("get-chatbots")["chatbots"]
        found = {"agents": [without("agents", one) for one in chatbots]}
        for one in chatbots:
            found[one["name"]] = self.of_agent(one["chatbotId"])
        return found

    def of_agent(self, chatbot: str) -> dict[str, Any]:
        begun = self.all("get-conversations", "data", chatbot)
        contacts = self.get(f"chatbots/{chatbot}/contacts", per_page=1000)
        mine = self.get(f"agents/{chatbot}/conversations")["conversations"]
        left = self.get(f"agents/{chatbot}/leads")["leads"]
        return {
            "conversations": [self.conversation(one) for one in begun],
            "names": [one["id"] for one in begun if not one["id"].isdigit()],
            "leads": [
                without("leads", one)
                for one in self.all("get-leads", "collectedCustomers", chatbot)
            ],
            "left": [(one["name"], one["email"], one["phone"]) for one in left],
            "contacts": [without("contacts", one) for one in contacts["data"]],
            "total": contacts["total"],
            "attributes": self.get(f"chatbots/{chatbot}/custom-attributes")["data"],
            "transcripts": [self.transcript(one["id"]) for one in mine],
        }

    def all(self, path: str, name: str, chatbot: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(1, 100):
            rows = self.get(path, chatbotId=chatbot, page=page, size=100)[name]
            if not rows:
                return found
            found += rows
        raise AssertionError("It has no end.")

    def conversation(self, row: dict[str, Any]) -> dict[str, Any]:
        said = [without("messages", one) for one in row["messages"]]
        return without("conversations", row) | {"messages": said}

    def transcript(self, conversation_id: str) -> dict[str, Any]:
        row = self.get(f"conversations/{conversation_id}")["conversation"]
        said = [without("said", one) for one in row["messages"]]
        return without("transcripts", row) | {"messages": said}


def assert_same(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Row by row, so that one sees which differ."""
    for (where, row), (there, other) in zip(rows(mine), rows(theirs), strict=True):
        assert (where, row) == (there, other)


def rows(found: dict[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from rows(value, name)
        elif isinstance(value, list):
            yield from ((f"{where} {name}", row) for row in value)
        else:
            yield f"{where} {name}", value


def without(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in FORGOTTEN[kind]}


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows are several pages."""
    monkeypatch.setattr(chatbase, "CONVERSATIONS", 5)
    monkeypatch.setattr(chatbase, "LEADS", 3)
    monkeypatch.setattr(chatbase, "CONTACTS", 10)


@pytest.fixture
def site(http: httpx.Client) -> Callable[[str], Site]:
    return lambda name: Site(http, make_workspace(name))


@pytest.fixture
def ours(site: Callable[[str], Site]) -> Site:
    """A company's, with everything that can be exported."""
    ours = site("Ours")
    text = "We ship to Canada in 5 days. Returns are free for 30 days."
    shop = ours.post("create-chatbot", chatbotName="Shop", sourceText=text)["chatbotId"]
    other = ours.post("create-chatbot", chatbotName="Quiet one")["chatbotId"]
    ours.post(
        "update-chatbot-settings",
        chatbotId=shop,
        instructions="Be brief.\nAnd kind. 👋",
        initialMessages=["Hi!"],
    )
    ours.post("update-chatbot-settings", chatbotId=other, visibility="private")
    _people(ours, shop)
    _chats(ours, shop)
    _other_channels(ours.workspace, shop)
    for number in range(8):
        lead = {"fields": {"Company": f"Firm {number}"}, "email": f"l{number}@ex.com"}
        lead |= {"name": "=SUM(1)"} if number % 2 else {"phone": "+1 555 0100"}
        ours.post(f"agents/{shop}/leads", **lead)
    return ours


def _people(ours: Site, shop: str) -> None:
    path = f"chatbots/{shop}/custom-attributes"
    ours.post(path, name="plan", label="Plan", description="What they pay for")
    for kind in ("number", "boolean", "date"):
        ours.post(path, name=f"a_{kind}", type=kind)
    people: list[dict[str, Any]] = [
        {"external_id": f"user {n}/ü", "name": f"U{n}", "email": f"U{n}@example.com"}
        for n in range(23)
    ]
    people[3] |= {"name": None, "email": None, "phonenumber": "+49 1"}
    people[4]["stripe_accounts"] = [{"label": "main", "stripe_id": "cus_1"}]
    people[5]["custom_attributes"] = {
        "plan": "pro",
        "a_number": 12.5,
        "a_boolean": "true",
        "a_date": "2026-01-31",
        "free": {"deep": [1, None, "ü"]},
    }
    ours.post(f"chatbots/{shop}/contacts", users=people)
    ours.call("PUT", f"{path}/plan", json={"archived": True})


def _chats(ours: Site, shop: str) -> None:
    turns = [{"role": "user", "content": "Do you ship to Canada?"}]
    for question in ("And returns?", "Thanks 👋"):
        said = ours.post(
            "chat", chatbotId=shop, messages=turns, conversationId="chat-1"
        )
        turns += [
            {"role": "assistant", "content": said["text"]},
            {"role": "user", "content": question},
        ]
    ours.post("chat", chatbotId=shop, messages=turns, conversationId="chat-2/ü")
    path = f"/api/v2/agents/{shop}/chat"
    for user in ("u-1", None):
        answer = ours.http.post(
            path,
            headers={"Authorization": f"Bearer {ours.secret}"},
            json={"message": "Canada?", "stream": False}
            | ({"userId": user} if user else {}),
        )
        assert answer.status_code == 200


def _other_channels(workspace: Workspace, shop: str) -> None:
    """What no API makes, but what is there and is given."""
    begun = datetime(2026, 3, 1, 10, 0, 0, 123_456, tzinfo=UTC)
    staff = make_member(workspace, Role.EDITOR)
    for number, channel in enumerate(Channel):
        at = begun + timedelta(hours=number)
        conversation = Conversation.objects.create(
            workspace=workspace,
            agent_id=int(shop),
            channel=channel,
            title=f"{channel} 0" if number else "",
            created_at=at,
            updated_at=at + timedelta(minutes=number),
        )
        for n in range(number):
            is_reply = n % 2 == 1
            Message.objects.create(
                workspace=workspace,
                conversation=conversation,
                role="assistant" if is_reply else "user",
                text=f"{channel} {n}  ",
                score=0.75 if is_reply and n == 1 else None,
                author=staff if n == 3 else None,
                status="partial" if n == 5 else "complete",
                hidden_at=at if n == 2 else None,
                created_at=at + timedelta(seconds=n),
            )


def test_what_was_brought_is_given_again_as_it_was_given(
    ours: Site, site: Callable[[str], Site]
) -> None:
    theirs, third = site("Theirs"), site("Third")
    before = ours.everything()
    counts = ours.bring(theirs.workspace)
    brought = theirs.everything()
    assert_same(brought, before)
    assert ours.everything() == before  # reading has changed nothing
    shop = before["Shop"]
    assert shop["names"] == ["chat-2/ü", "chat-1"]
    assert counts == {
        "agents": {"made": 2},
        "attributes": {"made": 4},
        "contacts": {"made": 23},
        "conversations": {"made": len(shop["conversations"])},
        "messages": {
            "made": sum(len(one["messages"]) for one in shop["conversations"])
        },
        "leads": {"made": 8},
    }
    assert len(shop["conversations"]) == 4 + len(Channel)
    assert {one["min_score"] for one in shop["conversations"]} >= {None, 0.75}

    # And once more, from what was brought: nothing wears off.
    assert theirs.bring(third.workspace) == counts
    assert_same(third.everything(), before)
    assert _named(everything(third.workspace)) == _named(everything(theirs.workspace))


def test_a_second_run_changes_nothing_and_a_later_one_brings_what_is_new(
    ours: Site, site: Callable[[str], Site]
) -> None:
    theirs = site("Theirs")
    ours.bring(theirs.workspace)
    before = everything(theirs.workspace)
    counts = ours.bring(theirs.workspace)
    assert {what for one in counts.values() for what in one} == {"known"}
    assert everything(theirs.workspace) == before

    shop = str(Agent.objects.for_workspace(ours.workspace).get(name="Shop").pk)
    turns = [{"role": "user", "content": "Returns?"}]
    ours.post("chat", chatbotId=shop, messages=turns, conversationId="chat-1")
    ours.post("chat", chatbotId=shop, messages=turns, conversationId="chat-3")
    ours.post(f"agents/{shop}/leads", email="new@example.com")
    ours.post(
        f"chatbots/{shop}/contacts",
        users=[
            {"external_id": "user 1/ü", "phonenumber": "1"},
            {"external_id": "new"},
        ],
    )
    ours.call("PUT", f"chatbots/{shop}/custom-attributes/plan", json={"label": "P"})
    counts = ours.bring(theirs.workspace)
    assert counts["conversations"]["made"] == counts["conversations"]["changed"] == 1
    assert counts["messages"] == {"made": 4}
    assert counts["leads"]["made"] == 1
    assert (counts["contacts"]["made"], counts["contacts"]["changed"]) == (1, 1)
    assert counts["attributes"] == {"changed": 1, "known": 3}
    assert_same(theirs.everything(), ours.everything())


def test_a_chat_goes_on_here_under_the_name_it_had_there(
    ours: Site, site: Callable[[str], Site]
) -> None:
    theirs = site("Theirs")
    ours.bring(theirs.workspace)
    agent = Agent.objects.for_workspace(theirs.workspace).get(name="Shop")
    turns = [{"role": "user", "content": "Me again"}]
    theirs.post("chat", chatbotId=agent.pk, messages=turns, conversationId="chat-1")
    there = agent.conversations.get(external_id="chat-1")
    said = list(there.messages.order_by("pk"))
    assert len(said) == 6
    assert said[4].text == "Me again"
    seqs = list(there.events.order_by("seq").values_list("seq", flat=True))
    assert seqs == [1, 2, 3, 4, 5, 6]


def test_of_a_key_of_one_agent_just_this_is_brought(
    ours: Site, site: Callable[[str], Site]
) -> None:
    theirs = site("Theirs")
    shop = Agent.objects.for_workspace(ours.workspace).get(name="Shop")
    _, ours.secret = ApiKey.objects.issue(
        ours.workspace, label="One", agent=shop, access="read"
    )
    assert ours.bring(theirs.workspace)["agents"] == {"made": 1}
    assert theirs.everything()["agents"][0]["name"] == "Shop"


def _named(rows: dict[str, Any]) -> dict[str, Any]:
    """A conversation that its caller named not has the number that it had where it came
    from."""
    return rows | {
        "conversations": [
            (one[0], None if (one[1] or "").isdigit() else one[1], *one[2:])
            for one in rows["conversations"]
        ]
    }
