"""GET /api/v2/agents/:agentId/conversations/export. Contract §5.8."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from django.db import OperationalError
from django.utils import timezone

from agents.models import Agent
from apikeys.models import ApiKey
from apikeys.revocation import revocations
from bookbag.api.renderers import to_json
from conversations import export
from conversations.api import shapes
from conversations.models import (
    Conversation,
    ConversationStatus,
    Message,
    ReplyStatus,
    ToolCall,
)
from tests.api.openapi import check_response
from tests.conftest import make_user
from tests.conversations.conftest import Shop, make_shop
from usage.models import AuditEvent

TRICKY = [
    'He said "yes" \\ no / maybe',
    "line one\nline two\r\n\ttabbed",
    "\u2028 and \u2029 and \u0085 end lines for some",
    "\x01\x02\x08\x0b\x0c\x1b\x1f\x7f",
    "naïve 日本語 🎉 👩‍👩‍👧 \ufeff\ufffe e\u0301",
    "</script>&lt;'; DROP TABLE conversations_message; --",
    "{} %s %(at)s %% :at ? $1",
    " ",
]
NUMBERS = {
    "whole": 1,
    "decimal": 1.0,
    "tenth": 0.1,
    "tiny": 5e-324,
    "long": 0.1 + 0.2,
    "negative": -17,
    "largest": 2**63 - 1,
    "smallest": -(2**63),
    "nested": [[], {}, [None, True, False, "", {"b": 1, "a": [2.5]}]],
}


# --- What the tests talk about ------------------------------------------------


def talk(agent: Agent, **fields: Any) -> Conversation:
    return Conversation.objects.create(
        workspace_id=agent.workspace_id, agent=agent, **fields
    )


def say(conversation: Conversation, role: str, text: str, **fields: Any) -> Message:
    return Message.objects.create(
        workspace_id=conversation.workspace_id,
        conversation=conversation,
        role=role,
        text=text,
        **fields,
    )


def call(message: Message, call_id: str, **fields: Any) -> ToolCall:
    return ToolCall.objects.create(
        workspace_id=message.workspace_id,
        conversation_id=message.conversation_id,
        message=message,
        call_id=call_id,
        name=fields.pop("name", "track"),
        expires_at=timezone.now(),
        **fields,
    )


def answer(conversation: Conversation, text: str, **fields: Any) -> Message:
    fields = {"finish_reason": "stop", "credits": 1, **fields}
    return say(conversation, "assistant", text, **fields)


def cite(quote: str) -> dict[str, Any]:
    passage = {"start": 0, "end": len(quote), "quote": quote}
    document = {"sourceId": 3, "documentId": 4, "documentVersion": 1}
    return {"index": 1, **document, "title": quote, "url": None, **passage}


def everything(agent: Agent) -> list[Conversation]:
    """A little of all that there can be."""
    everyday = talk(agent, title="Parcels", end_user="user_8821")
    say(everyday, "user", "Where is it?")
    answer(everyday, "Here.", feedback="positive", score=0.1 + 0.2)
    answer(everyday, "Or there.", feedback="negative", finish_reason="length", score=1)
    answer(everyday, "It says so.", citations=[cite("here"), cite("and here")])

    tricky = talk(agent, title=TRICKY[0], end_user="a.b-c_d")
    for text in TRICKY:
        say(tricky, "user", text)
        answer(tricky, text, citations=[cite(text)])

    tools = talk(agent)
    silent = answer(tools, "", finish_reason="tool_calls")
    for status in ("pending", "submitted", "used", "abandoned", "expired"):
        output = None if status == "pending" else {"status": status, **NUMBERS}
        call(silent, f"call_{status}", status=status, input=NUMBERS, output=output)
    spoken = answer(tools, "Let me look.", finish_reason="tool_calls")
    for number, text in enumerate(TRICKY):
        shown = {"status": "submitted", "input": {text: text}, "output": text}
        call(spoken, f"c{number}", name=text, **shown)

    people = talk(agent, status=ConversationStatus.ESCALATED)
    say(people, "user", "A person, please.")
    author = make_user("anna")
    answer(people, "Me!", author=author, citations=[cite("x")], score=0.5)

    ended = talk(agent, status=ConversationStatus.RESOLVED)
    say(ended, "user", "Never mind")
    answer(ended, "It broke", status=ReplyStatus.PARTIAL, finish_reason="", credits=0)
    answer(ended, "", status=ReplyStatus.PARTIAL, finish_reason="")

    quiet = talk(agent)
    return [everyday, tricky, tools, people, ended, quiet]


def hide_things(conversation: Conversation) -> None:
    """What no reader is shown."""
    then = timezone.now() - timedelta(minutes=1)
    lease = {"lease_expires_at": timezone.now() + timedelta(minutes=1)}
    say(conversation, "system", "Handed back.")
    say(conversation, "user", "Replaced", hidden_at=then)
    answer(conversation, "Replaced too", hidden_at=then, finished_at=then)
    answer(conversation, "Nothing came of it", status=ReplyStatus.FAILED)
    answer(conversation, "Half of", status=ReplyStatus.STREAMING, **lease)


def by_shapes(agent: Agent) -> list[dict[str, Any]]:
    """The same, as the paged reads show it."""
    return [
        {
            **shapes.conversation_json(conversation),
            "messages": [
                shapes.message_json(message, message.tool_calls.order_by("id"))
                for message in conversation.messages.all().readable().order_by("id")
            ],
        }
        for conversation in Conversation.objects.filter(agent=agent).order_by("id")
    ]


def exported(agent: Agent, *, lines: bool = False) -> bytes:
    pages = export.pages(export.begin(agent), lines=lines)
    return b"".join(page.content for page in pages)


def document(conversations: list[dict[str, Any]]) -> bytes:
    total = len(conversations)
    pagination = {"cursor": None, "hasMore": False, "total": total}
    return to_json({"data": conversations, "pagination": pagination})


def path(agent: Agent | int) -> str:
    number = agent.pk if isinstance(agent, Agent) else agent
    return f"/api/v2/agents/{number}/conversations/export"


def get(shop: Shop, *, query: str = "", **headers: str) -> httpx.Response:
    url = path(shop.agent) + query
    response = shop.client.get(url, headers={**shop.headers, **headers})
    check_response(response, "GET", path(shop.agent))
    return response


@pytest.fixture
def shop(http: httpx.Client) -> Shop:
    return make_shop(http)


# --- Shapes -------------------------------------------------------------------


def test_it_works(shop: Shop) -> None:
    everything(shop.agent)
    response = get(shop)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.content == document(by_shapes(shop.agent))
    body = response.json()
    assert body["pagination"] == {"cursor": None, "hasMore": False, "total": 6}
    assert [len(c["messages"]) for c in body["data"]] == [4, 16, 2, 2, 3, 0]


def test_it_has_the_bytes_of_the_paged_reads(agent: Agent) -> None:
    everything(agent)
    expected = by_shapes(agent)
    assert exported(agent) == b",".join(map(to_json, expected))
    lines = exported(agent, lines=True).decode().splitlines()
    assert [orjson.loads(line) for line in lines] == expected


@pytest.mark.parametrize("fraction", [0, 499_999, 500_000, 999_499, 999_999])
def test_times_are_whole_seconds_rounded_down(agent: Agent, fraction: int) -> None:
    moment = timezone.now().replace(second=59, microsecond=fraction)
    conversation = talk(agent, created_at=moment, updated_at=moment)
    say(conversation, "user", "now", created_at=moment)
    assert exported(agent) == to_json(by_shapes(agent)[0])


def test_a_tool_may_have_answered_null(agent: Agent) -> None:
    call(answer(talk(agent), ""), "call_1", status="used", output=None)
    assert exported(agent) == to_json(by_shapes(agent)[0])
    assert b'"output":null' in exported(agent)


def test_a_number_that_nothing_else_can_write_is_no_obstacle(agent: Agent) -> None:
    numbers = {"big": 10**400, "plain": 1.0}
    call(answer(talk(agent), "Let me see"), "call_1", input=numbers)
    (conversation,) = json.loads(b"[" + exported(agent) + b"]")
    assert conversation["messages"][0]["parts"][1]["input"] == numbers


def test_readers_are_shown_what_is_readable_only(agent: Agent) -> None:
    for conversation in everything(agent):
        hide_things(conversation)
    assert exported(agent) == b",".join(map(to_json, by_shapes(agent)))
    assert b"Replaced" not in exported(agent)
    assert b"Handed back" not in exported(agent)


def test_an_agent_without_conversations_has_an_empty_export(shop: Shop) -> None:
    assert get(shop).content == document([])
    assert get(shop, Accept="application/x-ndjson").content == b""


def test_conversations_of_other_agents_are_not_in_it(shop: Shop) -> None:
    sibling = Agent.objects.create(workspace_id=shop.agent.workspace_id, name="Other")
    for agent in (sibling, make_shop(shop.client).agent):
        say(talk(agent), "user", "canary")
    say(talk(shop.agent), "user", "ours")
    assert get(shop).json()["pagination"]["total"] == 1
    assert b"canary" not in get(shop).content


def test_limit_cursor_and_format_are_ignored(shop: Shop) -> None:
    talk(shop.agent)
    talk(shop.agent)
    plain = get(shop).content
    for query in ("?limit=1", "?limit=x", "?cursor=nonsense", "?format=xml", "?q=%00"):
        assert get(shop, query=query).content == plain


# --- Pages --------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 400, 3_000, 10**9])
@pytest.mark.parametrize("lot", [1, 2, 200])
def test_where_pages_end_makes_no_difference(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, size: int, lot: int
) -> None:
    everything(agent)
    whole = b",".join(map(to_json, by_shapes(agent)))
    monkeypatch.setattr(export, "PAGE", size)
    monkeypatch.setattr(export, "LOT", lot)
    pages = list(export.pages(export.begin(agent)))
    assert b"".join(page.content for page in pages) == whole
    assert sum(page.begun for page in pages) == 6
    assert len(pages) > 6 or size > 400


def test_a_long_conversation_is_never_in_memory_as_a_whole(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 128 * 1024)
    long = talk(agent)
    text = "word " * 2_000
    Message.objects.bulk_create(
        Message(
            workspace_id=agent.workspace_id, conversation=long, role="user", text=text
        )
        for _ in range(200)
    )
    talk(agent)
    pages = list(export.pages(export.begin(agent)))
    assert max(len(page.content) for page in pages) < 2 * export.PAGE
    assert sum(len(page.content) for page in pages) > 200 * len(text)
    content = b"".join(page.content for page in pages)
    assert content == b",".join(map(to_json, by_shapes(agent)))


def test_the_tool_calls_of_a_message_weigh_as_well(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 128 * 1024)
    conversation = talk(agent)
    for number in range(20):
        output = [str(n) for n in range(5_000 + number)]
        message = answer(conversation, "")
        call(message, f"c{number}", status="used", output=output)
    pages = list(export.pages(export.begin(agent)))
    assert max(len(page.content) for page in pages) < 4 * export.PAGE
    assert len(pages) > 2


# --- A snapshot ---------------------------------------------------------------


def rest(pages: Iterator[export.Page], first: export.Page) -> list[dict[str, Any]]:
    content = first.content + b"".join(page.content for page in pages)
    return json.loads(b"[" + content + b"]")


def test_what_begins_during_an_export_is_left_out(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 1)
    first, second = talk(agent), talk(agent)
    say(first, "user", "1")
    say(second, "user", "2")
    before = by_shapes(agent)
    pages = export.pages(export.begin(agent))
    page = next(pages)
    for conversation in (first, second, talk(agent)):
        say(conversation, "user", "later")
    assert rest(pages, page) == before


def test_replies_results_and_retries_that_end_during_an_export_are_left_out(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 1)
    first, second, third = (talk(agent) for _ in range(3))
    lease = {"lease_expires_at": timezone.now() + timedelta(minutes=1)}
    say(first, "user", "1")
    live = answer(second, "", status=ReplyStatus.STREAMING, **lease)
    asked = answer(third, "Wait")
    pending = call(asked, "call_1")
    replaced = answer(third, "The first try")
    before = by_shapes(agent)

    pages = export.pages(export.begin(agent))
    page = next(pages)
    now = timezone.now()
    Message.objects.filter(pk=live.pk).update(
        status="complete", text="later", finished_at=now, lease_expires_at=None
    )
    ToolCall.objects.filter(pk=pending.pk).update(
        status="submitted", output=1, submitted_at=now
    )
    Message.objects.filter(pk=replaced.pk).update(hidden_at=now)
    answer(third, "The second try", finished_at=now)

    assert rest(pages, page) == before
    assert by_shapes(agent) != before


def test_a_deleted_conversation_is_not_counted(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (1, 600):
        monkeypatch.setattr(export, "PAGE", size)
        several = [talk(agent) for _ in range(4)]
        for conversation in several:
            say(conversation, "user", "x" * 300)
        pages = export.pages(export.begin(agent))
        page = next(pages)
        for conversation in several[1:3]:
            Message.objects.filter(conversation=conversation).delete()
            conversation.delete()
        left = rest(pages, page)
        ids = [int(one["id"]) for one in left]
        assert set(ids) >= {several[0].pk, several[3].pk}
        assert several[2].pk not in ids
        Message.objects.filter(workspace=agent.workspace_id).delete()
        Conversation.objects.filter(agent=agent).delete()


# --- NDJSON -------------------------------------------------------------------


def test_ndjson_has_one_conversation_a_line(shop: Shop) -> None:
    everything(shop.agent)
    response = get(shop, Accept="application/x-ndjson")
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.content.endswith(b"}\n")
    # Whatever a reader takes for the end of a line.
    lines = response.content.decode().splitlines()
    expected = by_shapes(shop.agent)
    assert [json.loads(line) for line in lines] == expected
    assert response.content.count(b"\n") == len(expected)


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("application/x-ndjson", "x-ndjson"),
        ("application/x-ndjson, */*", "x-ndjson"),
        ("application/x-ndjson;q=0.9, application/json;q=0.8", "x-ndjson"),
        ("application/json;q=0, application/x-ndjson", "x-ndjson"),
        ("APPLICATION/X-NDJSON", "x-ndjson"),
        ("application/json, application/x-ndjson", "json"),
        ("application/x-ndjson;q=0.5, */*", "json"),
        ("application/x-ndjson;q=0, */*", "json"),
        ("application/x-ndjson;q=nonsense, */*", "json"),
        ("*/*", "json"),
        ("application/*", "json"),
        ("", "json"),
        ("application/json", "json"),
        ("text/html", None),
        ("application/x-ndjson;q=0", None),
    ],
)
def test_json_is_the_default_and_ndjson_is_asked_for(
    shop: Shop, accept: str, answered: str | None
) -> None:
    response = get(shop, Accept=accept)
    if answered is None:
        assert response.status_code == 406
    else:
        assert response.status_code == 200
        assert response.headers["content-type"] == f"application/{answered}"


# --- Who may ------------------------------------------------------------------


def test_only_agents_of_ones_own_are_exported(shop: Shop) -> None:
    theirs = make_shop(shop.client)
    say(talk(theirs.agent), "user", "canary")
    archived = Agent.objects.create(
        workspace_id=shop.agent.workspace_id, name="Gone", status="archived"
    )
    answers = {
        shop.client.get(path(number), headers=shop.headers).content
        for number in (theirs.agent.pk, archived.pk, 2**40, 2**63)
    }
    assert len(answers) == 1
    assert orjson.loads(answers.pop())["error"]["code"] == "RESOURCE_NOT_FOUND"
    assert shop.client.get(path(shop.agent)).status_code == 401
    assert not AuditEvent.objects.for_workspace(theirs.agent.workspace_id).exists()


def test_a_key_of_one_agent_exports_that_one(shop: Shop) -> None:
    workspace = shop.agent.workspace
    sibling = Agent.objects.create(workspace=workspace, name="Other")
    _, secret = ApiKey.objects.issue(workspace, label="One", agent=sibling)
    headers = {"Authorization": f"Bearer {secret}"}
    assert shop.client.get(path(sibling), headers=headers).status_code == 200
    assert shop.client.get(path(shop.agent), headers=headers).status_code == 403


def test_a_read_key_exports(shop: Shop) -> None:
    _, secret = ApiKey.objects.issue(shop.agent.workspace, label="R", access="read")
    assert get(shop, Authorization=f"Bearer {secret}").status_code == 200


def test_an_export_is_audited(shop: Shop) -> None:
    get(shop)
    event = AuditEvent.objects.for_workspace(shop.agent.workspace_id).get()
    assert event.action == "conversations.exported"
    assert event.target == f"agent:{shop.agent.pk}"
    assert event.detail == {"api_key": shop.key.pk}


# --- As a stream --------------------------------------------------------------


class Gate:
    """Holds an export up after its first page, until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.failure: Exception | None = None
        self.pages = export.pages

    def __call__(self, *args: Any, **options: Any) -> Iterator[export.Page]:
        for number, page in enumerate(self.pages(*args, **options)):
            if number == 1:
                self.reached.set()
                assert self.opened.wait(50)
                if self.failure:
                    raise self.failure
            yield page


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Every conversation is a page, and the second one waits."""
    gate = Gate()
    monkeypatch.setattr(export, "PAGE", 1)
    monkeypatch.setattr(export, "pages", gate)
    yield gate
    gate.opened.set()


def two_conversations(agent: Agent) -> None:
    for number in range(2):
        say(talk(agent), "user", f"question {number}")


def test_the_first_bytes_go_out_before_the_last_row_is_read(
    shop: Shop, gate: Gate
) -> None:
    two_conversations(shop.agent)
    with shop.client.stream("GET", path(shop.agent), headers=shop.headers) as response:
        chunks = response.iter_raw()
        read = next(chunks)
        while b"messages" not in read:
            read += next(chunks)
        assert read.startswith(b'{"data":[')
        assert b"question 1" not in read
        gate.opened.set()
        read += b"".join(chunks)
    assert read == document(by_shapes(shop.agent))


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
def test_an_export_that_fails_does_not_look_like_a_whole_one(
    shop: Shop, gate: Gate, accept: str
) -> None:
    two_conversations(shop.agent)
    gate.failure = OperationalError("the database went away")
    gate.opened.set()
    with pytest.raises(httpx.RemoteProtocolError):
        get(shop, Accept=accept)
    gate.failure = None
    assert get(shop).status_code == 200  # and the next one may begin


def test_a_revoked_key_ends_its_export(shop: Shop, gate: Gate) -> None:
    two_conversations(shop.agent)
    with shop.client.stream("GET", path(shop.agent), headers=shop.headers) as response:
        chunks = response.iter_raw()
        read = next(chunks)
        while b"messages" not in read:
            read += next(chunks)
        (told,) = revocations._watchers[shop.key.pk]
        shop.key.revoke()
        deadline = time.monotonic() + 30
        while not told.is_set() and time.monotonic() < deadline:
            time.sleep(0.05)
        gate.opened.set()
        with pytest.raises(httpx.RemoteProtocolError):
            read += b"".join(chunks)
    assert b"question 1" not in read


def test_a_workspace_has_one_export_at_a_time(shop: Shop, gate: Gate) -> None:
    two_conversations(shop.agent)
    with shop.client.stream("GET", path(shop.agent), headers=shop.headers) as response:
        chunks = response.iter_raw()
        next(chunks)
        # From here on its thread is busy. Before, the next request may be given the
        # same one, and waits behind it.
        assert gate.reached.wait(50)
        second = get(shop)
        assert second.status_code == 429
        assert second.json()["error"]["code"] == "RATE_LIMIT_TOO_MANY_REQUESTS"
        assert int(second.headers["retry-after"]) > 0
        # Another workspace is not kept waiting.
        assert get(make_shop(shop.client)).status_code == 200
        gate.opened.set()
        b"".join(chunks)
    assert get(shop).status_code == 200
    audited = AuditEvent.objects.for_workspace(shop.agent.workspace_id)
    assert audited.count() == 2  # a refused one has exported nothing


def test_a_client_that_leaves_gives_its_export_up(shop: Shop, gate: Gate) -> None:
    two_conversations(shop.agent)
    with shop.client.stream("GET", path(shop.agent), headers=shop.headers) as response:
        next(response.iter_raw())
    gate.opened.set()
    deadline = time.monotonic() + 60
    while (answer := get(shop)).status_code == 429 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert answer.status_code == 200
