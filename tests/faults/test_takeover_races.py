"""A bot, people, a client and the reaper at one conversation, each with a thread and a
connection of its own: what a takeover has found is what stays."""

import random
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from agents.engine import base
from agents.models import Agent
from conversations import endings, replies, takeover, turns
from conversations.asks import Ask
from conversations.models import Conversation, ConversationEvent, Message
from conversations.replies import Draft
from conversations.turns import Turn
from tests.conftest import make_workspace
from usage.models import LedgerEntry

RACES = 200
ACTORS = 4
LONGEST = 0.02  # seconds that somebody may be late


@pytest.fixture
def agent(patient: None) -> Agent:
    return Agent.objects.create(workspace=make_workspace(), name="Support")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(ACTORS) as pool:
        yield pool
        # Every thread closes its own: each waits until the others are at it, too.
        together = Barrier(ACTORS)
        list(pool.map(lambda _: (together.wait(), connections.close_all()), "...."))


class Race:
    """One conversation with a reply in the making, and all who want something of it."""

    def __init__(self, agent: Agent, chance: random.Random) -> None:
        self.agent = agent
        self.chance = chance
        self.turn = self.begin(None)
        assert self.turn is not None
        self.conversation = Conversation.objects.get(pk=self.turn.conversation_id)
        self.completed = False
        self.found: dict[str, Any] = {}
        self.together = Barrier(ACTORS)

    def begin(self, conversation_id: int | None) -> Turn:
        ask = Ask(agent=self.agent, text="Hello?", conversation_id=conversation_id)
        return turns.begin(ask, lease_owner="bot")

    def bot(self, pauses: list[float]) -> None:
        draft = Draft()
        for pause in pauses:
            time.sleep(pause)
            draft.add("word ")
            replies.checkpoint([(self.turn, draft)])
        draft.finish = base.Finish("stop", engine="e", model="m")
        try:
            replies.complete(self.turn, draft)
            self.completed = True
        except replies.Overtaken:
            replies.break_off(self.turn, draft, error="Overtaken.")

    def people(self, pauses: list[float]) -> None:
        time.sleep(pauses[0])
        takeover.take_over(self.conversation)
        self.found = self.row()
        time.sleep(pauses[1])
        takeover.hand_back(self.conversation)

    def client(self, pauses: list[float]) -> None:
        for pause in pauses:
            time.sleep(pause)
            try:
                turn = self.begin(self.conversation.pk)
            except turns.Busy:
                continue
            if turn.message_id is not None:
                replies.break_off(turn, Draft(), error="Never mind.")

    def reaper(self, pauses: list[float]) -> None:
        time.sleep(pauses[0])
        if self.chance.random() < 0.3:
            Message.objects.live().filter(pk=self.turn.message_id).update(
                lease_expires_at=timezone.now() - timedelta(seconds=1)
            )
        endings.reap()

    def run(self, pool: ThreadPoolExecutor) -> None:
        actors = [self.bot, self.people, self.client, self.reaper]
        pauses = [
            [self.chance.uniform(0, LONGEST) for _ in range(2)] for _ in range(ACTORS)
        ]

        def act(number: int) -> None:
            self.together.wait()
            actors[number](pauses[number])

        for done in [pool.submit(act, number) for number in range(ACTORS)]:
            done.result(timeout=60)

    def row(self) -> dict[str, Any]:
        return Message.objects.values().get(pk=self.turn.message_id)

    def judge(self) -> str:
        """The reply's ending, which is as the takeover has found it."""
        assert self.row() == self.found
        status = self.found["status"]
        assert status in ("complete", "partial", "failed")
        assert (status == "complete") == self.completed
        charged = LedgerEntry.objects.filter(message_id=self.turn.message_id)
        assert charged.count() == self.completed
        events = ConversationEvent.objects.filter(conversation=self.conversation)
        kinds = dict(events.values_list("seq", "kind"))
        assert sorted(kinds) == list(range(1, len(kinds) + 1))
        told = events.filter(message_id=self.turn.message_id).values_list("seq")
        assert len(told) == (status != "failed"), "said once, if there is a word of it"
        if told:
            before = next(seq for seq, kind in kinds.items() if kind == "takeover")
            assert told[0][0] < before
        return str(status)


def test_what_a_takeover_has_found_is_what_stays(
    agent: Agent, pool: ThreadPoolExecutor
) -> None:
    seed = secrets.randbits(32)
    endings = set()
    for place in range(RACES):
        race = Race(agent, random.Random(f"{seed} {place}"))
        race.run(pool)
        try:
            endings.add(race.judge())
        except AssertionError as problem:
            problem.add_note(f"race {place} of seed {seed}")
            raise
    assert endings >= {"complete", "partial"}
