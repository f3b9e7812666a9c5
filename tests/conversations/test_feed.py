"""Following a conversation: by asking again and again, by waiting, by a stream."""

import asyncio
import itertools
import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.engine import base
from agents.models import Agent
from apikeys.models import Access, ApiKey
from bookbag import threads
from bookbag.api.errors import RetryNoUserMessage
from conversations import endings, feed, replies, takeover, turns
from conversations.api import people
from conversations.api.shapes import message_json
from conversations.asks import Ask
from conversations.feed import Readers
from conversations.models import (
    LIVE,
    Conversation,
    ConversationEvent,
    EventKind,
    Message,
    ToolCall,
)
from conversations.replies import Draft
from tests.api.openapi import check_response
from tests.conftest import make_user, make_workspace
from tests.conversations.conftest import ScriptedShop, Shop
from workspaces.models import User

Event = dict[str, Any]


@pytest.fixture
def conversation(agent: Agent) -> Conversation:
    return Conversation.objects.create(workspace_id=agent.workspace_id, agent=agent)


def path_of(conversation: Conversation) -> str:
    path = f"/api/v2/agents/{conversation.agent_id}/conversations"
    return f"{path}/{conversation.pk}/events"


@pytest.fixture
def events(
    client: Client, conversation: Conversation, api_key: tuple[ApiKey, str]
) -> Callable[..., Any]:
    """What is there, without waiting for more."""

    def get(query: str = "", **headers: str) -> Any:
        path = path_of(conversation)
        headers = {"authorization": f"Bearer {api_key[1]}"} | headers
        response = client.get(f"{path}?wait=0&{query}", headers=headers)
        check_response(response, "GET", path)
        return response

    return get


def say(conversation: Conversation, text: str = "Hello?") -> turns.Turn:
    ask = Ask(agent=conversation.agent, text=text, conversation_id=conversation.pk)
    return turns.begin(ask, lease_owner="a process")


def finished(text: str) -> Draft:
    finish = base.Finish("stop", engine="e", model="m")
    return Draft(text=text, journal=[len(text)], finish=finish)


def happen_often(conversation: Conversation, times: int) -> None:
    conversation.events.bulk_create(
        ConversationEvent(
            workspace_id=conversation.workspace_id,
            conversation=conversation,
            seq=seq,
            kind=EventKind.REOPEN,
        )
        for seq in range(1, times + 1)
    )
    Conversation.objects.filter(pk=conversation.pk).update(last_seq=times)


# --- What is told ----------------------------------------------------------------


def test_it_tells_what_happened_in_order(
    events: Any, conversation: Conversation, owner: User
) -> None:
    turn = say(conversation, "Where is my parcel?")
    replies.complete(turn, finished("On its way."))
    takeover.take_over(conversation, actor=owner)
    takeover.reply(conversation, author=owner, text="It arrives today.")
    takeover.hand_back(conversation, actor=owner)
    takeover.resolve(conversation)
    say(conversation, "Thanks!")
    data = events().json()["data"]
    told = [
        (e["type"], e["status"], e["message"] and e["message"]["parts"][0]["text"])
        for e in data["events"]
    ]
    assert told == [
        ("message", None, "Where is my parcel?"),
        ("message", None, "On its way."),
        ("takeover", "taken_over", None),
        ("message", None, "It arrives today."),
        ("handback", "ongoing", None),
        ("resolve", "ended", None),
        ("reopen", "ongoing", None),
        ("message", None, "Thanks!"),
    ]
    assert [e["seq"] for e in data["events"]] == list(range(1, 9))
    assert (data["lastSeq"], data["hasMore"]) == (8, False)
    human = data["events"][3]["message"]
    assert (human["role"], human["metadata"]["author"]) == ("assistant", "human")
    assert "author" not in data["events"][1]["message"]["metadata"]


def test_a_reply_is_told_once_it_is_complete(
    events: Any, conversation: Conversation
) -> None:
    turn = say(conversation)
    replies.checkpoint([(turn, Draft("So f", [4]))])
    assert events().json()["data"]["lastSeq"] == 1
    replies.complete(turn, finished("So far, so good."))
    (told,) = events("after=1").json()["data"]["events"]
    assert told["message"]["id"] == f"msg_{turn.message_id}"


def test_a_reply_that_broke_off_is_told_as_far_as_it_came(
    events: Any, conversation: Conversation
) -> None:
    turn = say(conversation)
    replies.break_off(turn, Draft("So f", [4]), error="The engine failed.")
    silent = say(conversation)
    replies.break_off(silent, Draft(), error="The engine failed.")
    told = events("after=1").json()["data"]["events"]
    assert [e["message"]["role"] for e in told] == ["assistant", "user"]
    assert told[0]["message"]["metadata"]["finishReason"] == "error"


def test_a_retry_says_what_it_replaces(events: Any, conversation: Conversation) -> None:
    readable = conversation.messages.all().readable()
    first = say(conversation)
    replies.complete(first, finished("One."))
    for text in ("Two.", "Three."):
        target = readable.get(role="assistant")
        ask = Ask(
            agent=conversation.agent,
            conversation_id=conversation.pk,
            retry_of=target.pk,
        )
        replies.complete(turns.begin(ask, lease_owner="p"), finished(text))
    newest = readable.get(role="assistant")
    _, once, twice, thrice = events().json()["data"]["events"]
    assert (once["type"], once["message"]) == ("message", None)
    assert (twice["type"], twice["message"]) == ("retry", None)
    assert twice["replaces"] == f"msg_{first.message_id}"
    assert thrice["type"] == "retry"
    assert thrice["replaces"] == f"msg_{newest.replaces_id}"
    assert thrice["message"]["id"] == newest.public_id


def test_pages_have_100_events(events: Any, conversation: Conversation) -> None:
    happen_often(conversation, 251)
    seen, after = [], 0
    for _ in range(3):
        data = events(f"after={after}").json()["data"]
        seen += [event["seq"] for event in data["events"]]
        after = data["lastSeq"]
        assert data["hasMore"] == (after < 251)
    assert seen == list(range(1, 252))
    rest = events("after=251").json()["data"]
    assert rest == {"events": [], "lastSeq": 251, "hasMore": False}


def test_a_page_costs_two_queries(conversation: Conversation) -> None:
    for _ in range(5):
        replies.complete(say(conversation), finished("Yes."))
    with CaptureQueriesContext(connection) as queries:
        feed.page(conversation.pk, after=0)
    assert len(queries) == 2


# --- Whoever has all events has the transcript ------------------------------------


@dataclass
class Follower:
    """Does what the reference says that a client should do with each event."""

    messages: list[Event] = field(default_factory=list)
    status: str = "ongoing"
    after: int = 0

    def look(self, conversation: Conversation) -> None:
        while True:
            data = people.page_json(feed.page(conversation.pk, after=self.after))
            for event in data["events"]:
                assert event["seq"] == self.after + 1, "a gap"
                self.after = event["seq"]
                self.take(event)
            assert data["lastSeq"] == self.after
            if not data["hasMore"]:
                return

    def take(self, event: Event) -> None:
        if event["replaces"]:
            first = number(event["replaces"])
            self.messages = [m for m in self.messages if number(m["id"]) < first]
        if event["message"]:
            self.messages.append(event["message"])
        self.status = event["status"] or self.status


def number(message_id: str) -> int:
    return int(message_id.removeprefix("msg_"))


def transcript(conversation: Conversation) -> list[Event]:
    shown = Message.objects.readable().filter(conversation=conversation)
    return [
        message_json(one, ToolCall.objects.filter(message=one).order_by("id"))
        for one in shown.order_by("id")
    ]


@dataclass
class Life:
    """A conversation to which anything may happen."""

    conversation: Conversation
    person: User
    chance: random.Random
    live: list[turns.Turn] = field(default_factory=list)

    def step(self) -> None:
        doing = self.chance.choice(
            [self.say, self.say, self.retry, self.end_reply, self.end_reply]
            + [self.take_over, self.answer, self.hand_back, self.resolve, self.reap]
        )
        doing()

    def say(self) -> None:
        self.begin(text=f"Question {self.chance.randrange(1000)}")

    def retry(self) -> None:
        # Also one that came to nothing, which nobody has been told of.
        said = Message.objects.visible().filter(conversation=self.conversation)
        targets = said.filter(role="assistant", author=None).exclude(status__in=LIVE)
        if ids := list(targets.values_list("pk", flat=True)):
            self.begin(retry_of=self.chance.choice(ids))

    def begin(self, **words: Any) -> None:
        agent, pk = self.conversation.agent, self.conversation.pk
        try:
            turn = turns.begin(
                Ask(agent=agent, conversation_id=pk, **words), lease_owner="p"
            )
        except (turns.Busy, RetryNoUserMessage):
            return
        if turn.message_id is not None:
            self.live.append(turn)

    def end_reply(self) -> None:
        if not self.live:
            return
        turn = self.live.pop()
        draft = finished(self.chance.choice(["", "So far "]))
        replies.checkpoint([(turn, draft)])
        if self.chance.random() < 0.3:
            replies.break_off(turn, draft, error="The engine failed.")
            return
        with suppress(replies.Overtaken):
            replies.complete(turn, finished(f"Answer {self.chance.randrange(1000)}"))

    def reap(self) -> None:
        """Its process dies, and with some text saved."""
        if self.live:
            replies.checkpoint([(self.live[-1], Draft("Half a", [6]))])
            Message.objects.live().filter(conversation=self.conversation).update(
                lease_expires_at="2020-01-01T00:00:00Z"
            )
            if self.chance.random() < 0.5:
                endings.reap()

    def take_over(self) -> None:
        if self.chance.random() < 0.4:
            takeover.take_over(self.conversation, actor=self.person)

    def answer(self) -> None:
        with suppress(takeover.NotTakenOver):
            takeover.reply(self.conversation, author=self.person, text="I am here.")

    def hand_back(self) -> None:
        takeover.hand_back(self.conversation)

    def resolve(self) -> None:
        if self.chance.random() < 0.4:
            takeover.resolve(self.conversation)


def test_events_from_0_are_the_transcript_after_anything(
    agent: Agent, owner: User
) -> None:
    seed = secrets.randbits(32)
    kinds: set[str] = set()
    for place in itertools.count():
        # Twenty, and more if chance has left something out.
        if place >= 200 or (place >= 20 and kinds == set(EventKind.values)):
            break
        conversation = Conversation.objects.create(
            workspace_id=agent.workspace_id, agent=agent
        )
        life = Life(conversation, owner, random.Random(f"{seed} {place}"))
        live = Follower()
        for step in range(24):
            life.step()
            # Nothing commits here, and every rollback would look through all of them.
            connection.run_on_commit.clear()
            if life.chance.random() < 0.4:
                live.look(conversation)
            if step % 8 == 0:
                check_followers(conversation, live, f"{seed} {place}")
        check_followers(conversation, live, f"{seed} {place}")
        kinds |= set(conversation.events.values_list("kind", flat=True))
    assert kinds == set(EventKind.values)


def check_followers(conversation: Conversation, live: Follower, seed: str) -> None:
    live.look(conversation)
    late = Follower()
    late.look(conversation)
    conversation.refresh_from_db()
    truth = transcript(conversation)
    assert late.messages == truth, seed
    assert live.messages == truth, seed
    assert late.status == live.status == people.STATUS[conversation.status]
    assert late.after == conversation.last_seq


# --- Who may ask, and how ---------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    ["after=" + bad for bad in ("", "-1", "1.5", "abc", "١٢", "1_0", "true", "%00")]
    + ["after=1%0a", "after=1&after=2", "after=+1", f"after={2**63}", f"after={2**70}"]
    + ["after=" + "9" * 3000, "wait=x", "wait=", "wait=1.0", "wait=0", "after=%ff"],
)
def test_a_bad_query_is_400(events: Any, query: str) -> None:
    # `wait` is given already, so each of its own is one too many.
    response = events(query)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "VALIDATION_INVALID_BODY"
    assert set(response.json()["error"]["details"]) == {query.partition("=")[0]}


@pytest.mark.parametrize("bad", ["-1", "x", "1_0", "9" * 300])
def test_a_bad_last_event_id_is_400(events: Any, bad: str) -> None:
    stream = {"accept": "text/event-stream"}
    response = events(**stream, **{"last-event-id": bad})
    assert response.status_code == 400
    assert response.json()["error"]["details"].keys() == {"Last-Event-ID"}
    assert events(**{"last-event-id": bad}).status_code == 200, "no stream, no such id"


def test_a_wait_outside_of_its_range_is_taken_for_the_nearest(
    client: Client, conversation: Conversation, api_key: tuple[ApiKey, str]
) -> None:
    say(conversation)
    for wait in ("-5", "31", "9" * 3000):
        response = client.get(
            f"{path_of(conversation)}?wait={wait}",
            headers={"authorization": f"Bearer {api_key[1]}"},
        )
        assert response.json()["data"]["lastSeq"] == 1


def test_a_key_that_only_reads_may_follow(
    events: Any, conversation: Conversation
) -> None:
    workspace = conversation.workspace
    reader = ApiKey.objects.issue(workspace, label="Reader", access=Access.READ)[1]
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    other = ApiKey.objects.issue(workspace, label="Other", agent=sibling)[1]
    assert events(authorization=f"Bearer {reader}").status_code == 200
    assert events("after=x", authorization=f"Bearer {other}").status_code == 403
    assert events("after=x", authorization="").status_code == 401


def test_a_foreign_conversation_answers_like_one_that_never_existed(
    client: Client, agent: Agent, api_key: tuple[ApiKey, str]
) -> None:
    sibling = Agent.objects.create(workspace=agent.workspace, name="Sibling")
    foreign = Agent.objects.create(workspace=make_workspace("Other"), name="Foreign")
    others = [
        Conversation.objects.create(workspace_id=one.workspace_id, agent=one).pk
        for one in (sibling, foreign)
    ]
    answers = set()
    for pk in (*others, 2**40):
        for accept in ("application/json", "text/event-stream"):
            answer = client.get(
                f"/api/v2/agents/{agent.pk}/conversations/{pk}/events?after=x",
                headers={"authorization": f"Bearer {api_key[1]}", "accept": accept},
            )
            assert answer.status_code == 404
            answers.add(answer.content)
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/event-stream;q=0, application/json", "application/json"),
        ("text/event-stream", "text/event-stream"),
        ("Text/Event-Stream, */*;q=0.1", "text/event-stream"),
    ],
)
def test_a_stream_is_for_whoever_names_it(
    http: httpx.Client, scripted: ScriptedShop, accept: str, media_type: str
) -> None:
    line = follow(scripted([])[0])
    headers = line.shop.headers | {"accept": accept}
    with http.stream("GET", f"{line.path}?wait=0", headers=headers) as response:
        assert response.headers["content-type"] == media_type


def test_neither_head_nor_html(events: Any, client: Client) -> None:
    response = events(accept="text/html")
    assert response.status_code == 406
    head = client.head(response.request["PATH_INFO"])
    assert (head.status_code, head.headers["Allow"]) == (405, "GET")


# --- Waiting ----------------------------------------------------------------------


@dataclass
class Line:
    """A conversation of a shop, and one who follows it over HTTP."""

    shop: Shop
    conversation: Conversation

    @property
    def path(self) -> str:
        return path_of(self.conversation)

    def wait(self, *, after: int = 0, seconds: int = 30) -> httpx.Response:
        query = f"?after={after}&wait={seconds}"
        with httpx.Client(base_url=self.shop.client.base_url, timeout=60) as client:
            response = client.get(self.path + query, headers=self.shop.headers)
        check_response(response, "GET", self.path)
        return response

    @contextmanager
    def stream(self, *, after: int = 0, **headers: str) -> Iterator[Iterator[str]]:
        headers |= self.shop.headers | {"accept": "text/event-stream"}
        with self.shop.client.stream(
            "GET", f"{self.path}?after={after}", headers=headers
        ) as response:
            check_response(response, "GET", self.path)
            assert response.headers["cache-control"] == "no-cache, no-transform"
            lines = response.iter_lines()
            assert [next(lines), next(lines)] == ["retry: 1000", ""]
            yield lines

    @transaction.atomic
    def happen(self) -> None:
        """Something, of which this process is given no hint: as if by another one."""
        Conversation.objects.filter(pk=self.conversation.pk).update(last_seq=1)
        self.conversation.events.create(
            workspace_id=self.conversation.workspace_id, seq=1, kind="resolve"
        )


def follow(shop: Shop) -> Line:
    # Of a reader who has left, the server hears a little later.
    until(lambda: feed.readers.waiting == 0)
    agent = shop.agent
    return Line(
        shop,
        Conversation.objects.create(workspace_id=agent.workspace_id, agent=agent),
    )


@contextmanager
def waiting(wait: Callable[[], httpx.Response]) -> Iterator[list[httpx.Response]]:
    """In the body the request is waiting; after it, the answer is there."""
    answers: list[httpx.Response] = []
    others = feed.readers.waiting
    thread = threading.Thread(target=lambda: answers.append(wait()))
    thread.start()
    until(lambda: feed.readers.waiting > others)
    yield answers
    thread.join()
    assert answers


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def next_event(lines: Iterator[str]) -> tuple[str, str, Event]:
    """Its id, its name, its data."""
    block = []
    for line in lines:
        if line.startswith(":"):
            assert next(lines) == ""
        elif line:
            block.append(line)
        else:
            break
    names = [line.partition(": ")[0] for line in block]
    assert names == ["id", "event", "data"], block
    seq, kind, data = (line.partition(": ")[2] for line in block)
    return seq, kind, json.loads(data)


def test_whoever_waits_hears_what_happens_next(scripted: ScriptedShop) -> None:
    line = follow(scripted([])[0])
    with waiting(line.wait) as answers:
        takeover.take_over(line.conversation)
    (event,) = answers[0].json()["data"]["events"]
    assert event["type"] == "takeover"


def test_whoever_waits_hears_a_persons_reply(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["Hi."])
    said = shop.chat("Hello?").json()["data"]["metadata"]
    line = Line(shop, Conversation.objects.get(pk=said["conversationId"]))
    takeover.take_over(line.conversation)
    silent = shop.chat("Anybody?", conversationId=line.conversation.pk).json()["data"]
    assert silent["parts"] == []
    with waiting(lambda: line.wait(after=4)) as answers:
        takeover.reply(line.conversation, author=make_user("helper"), text="Yes, me.")
    (event,) = answers[0].json()["data"]["events"]
    assert event["message"]["parts"] == [{"type": "text", "text": "Yes, me."}]
    # And from the beginning it is the whole transcript, as the conversation has it.
    told = line.wait().json()["data"]["events"]
    shown = shop.client.get(line.path.removesuffix("/events"), headers=shop.headers)
    messages = shown.json()["data"]["messages"]
    assert [e["message"] for e in told if e["message"]] == messages


def test_what_another_process_writes_is_heard_of_as_well(
    scripted: ScriptedShop,
) -> None:
    line = follow(scripted([])[0])
    with waiting(line.wait) as answers:
        line.happen()
    assert answers[0].json()["data"]["lastSeq"] == 1


def test_whoever_waits_in_vain_is_told_so(scripted: ScriptedShop) -> None:
    line = follow(scripted([])[0])
    nothing = {"data": {"events": [], "lastSeq": 0, "hasMore": False}}
    assert line.wait(seconds=0).json() == nothing
    assert line.wait(seconds=1).json() == nothing
    assert feed.readers.waiting == 0


def test_a_stream_tells_the_past_and_then_what_happens(
    scripted: ScriptedShop,
) -> None:
    line = follow(scripted([])[0])
    say(line.conversation, "Line\u2028ends\r\nand \u00e9.")
    takeover.take_over(line.conversation)
    with line.stream() as lines:
        seq, kind, data = next_event(lines)
        assert (seq, kind, data["seq"], data["type"]) == ("1", "message", 1, "message")
        said = data["message"]["parts"][0]["text"]
        assert said == "Line\u2028ends\r\nand \u00e9."
        assert next_event(lines)[:2] == ("2", "takeover")
        until(lambda: feed.readers.waiting == 1)
        takeover.hand_back(line.conversation)
        assert next_event(lines)[:2] == ("3", "handback")
    until(lambda: feed.readers.waiting == 0)


def test_a_stream_goes_on_after_the_last_event_id(scripted: ScriptedShop) -> None:
    line = follow(scripted([])[0])
    happen_often(line.conversation, 121)
    with line.stream() as lines:
        seen = [next_event(lines)[0] for _ in range(30)]
    with line.stream(after=7, **{"last-event-id": seen[-1]}) as lines:
        seen += [next_event(lines)[0] for _ in range(91)]
    assert seen == [str(seq) for seq in range(1, 122)]


def test_a_silent_stream_says_that_it_lives(
    scripted: ScriptedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "KEEP_ALIVE", 0)
    monkeypatch.setattr(people, "GLANCE", 0.1)
    line = follow(scripted([])[0])
    with line.stream() as lines:
        assert [next(lines) for _ in range(4)] == [": still here", ""] * 2


def test_a_stream_ends_after_a_while(
    scripted: ScriptedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(people, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(people, "GLANCE", 0.1)
    line = follow(scripted([])[0])
    takeover.take_over(line.conversation)
    with line.stream() as lines:
        assert next_event(lines)[0] == "1"
        now[0] += people.LONGEST
        assert [line for line in lines if line not in (": still here", "")] == []


def test_a_key_that_is_revoked_hears_nothing_more(scripted: ScriptedShop) -> None:
    line = follow(scripted([])[0])
    with line.stream() as lines, waiting(line.wait) as answers:
        line.shop.key.revoke()
        assert list(lines) == []
    assert answers[0].status_code == 401


def test_a_server_that_stops_keeps_nobody(scripted: ScriptedShop) -> None:
    line = follow(scripted([])[0])
    try:
        with line.stream() as lines, waiting(line.wait) as answers:
            feed.readers.close()
            assert list(lines) == []
        assert answers[0].json()["data"]["events"] == []
        assert line.wait().status_code == 200
    finally:
        feed.readers.closed = False


# --- Many -------------------------------------------------------------------------

READERS = 300


def test_300_who_wait_take_no_thread_and_hear_it_all(scripted: ScriptedShop) -> None:
    line = follow(scripted([])[0])
    _, key = ApiKey.objects.issue(
        line.conversation.workspace, label="Readers", rate_limit=100_000
    )
    others = threading.active_count()

    async def all_wait() -> list[bytes]:
        port = line.shop.client.base_url.port
        tasks: list[asyncio.Task[bytes]] = []
        # Not all at once: here it is the waiting that counts, not the coming in.
        while len(tasks) < READERS:
            hear = (_hear(port, line.path + "?wait=30", key) for _ in range(20))
            tasks += [asyncio.create_task(one) for one in hear]
            while feed.readers.waiting < len(tasks):
                assert not [task.result() for task in tasks if task.done()]
                await asyncio.sleep(0.01)
        assert threading.active_count() <= others + threads.K
        await asyncio.to_thread(_in_thread, takeover.take_over, line.conversation)
        return await asyncio.gather(*tasks)

    answers = set(asyncio.run(all_wait()))
    assert len(answers) == 1, answers
    assert json.loads(answers.pop())["data"]["events"][0]["type"] == "takeover"


async def _hear(port: int | None, path: str, key: str) -> bytes:
    """As clients do: who has heard nothing in time asks again."""
    while True:
        body = (await _get(port, path, key)).partition(b"\r\n\r\n")[2]
        if b'"events":[]' not in body:
            return body


async def _get(port: int | None, path: str, key: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {key}\r\nConnection: close\r\n\r\n".encode()
    )
    received = await reader.read()
    writer.close()
    return received


def test_one_query_asks_for_all_who_wait(
    committed: None, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent.objects.create(workspace=make_workspace(), name="Support")
    every = [
        Conversation.objects.create(workspace_id=agent.workspace_id, agent=agent)
        for _ in range(50)
    ]
    settings.DEBUG = True  # so that statements are logged

    async def wait() -> list[bool]:
        readers = Readers(interval=0.2)
        news = [readers.news(one.pk, after=0, seconds=60) for one in every]
        tasks = [asyncio.create_task(one) for one in news]
        await asyncio.sleep(0)
        assert readers.waiting == len(every)
        await asyncio.to_thread(_in_thread, _happen_to, every)
        return await asyncio.gather(*tasks)

    with caplog.at_level("DEBUG", logger="django.db.backends"):
        assert asyncio.run(wait()) == [True] * len(every)
    looks = [
        record.getMessage()
        for record in caplog.records
        if "last_seq" in record.getMessage() and " IN (" in record.getMessage()
    ]
    assert looks
    assert all(str(one.pk) in looks[0] for one in every)


def _in_thread(function: Callable[..., object], *args: object) -> None:
    try:
        function(*args)
    finally:
        connection.close()


def _happen_to(every: list[Conversation]) -> None:
    Conversation.objects.filter(pk__in=[one.pk for one in every]).update(last_seq=1)
