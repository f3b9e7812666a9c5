"""Ten thousand random schedules of reply, takeover and hand-back, half of them on each
database: after a takeover no word of the bot is committed. The oracle is a few lines
that know nothing of epochs, fences or rows.
"""

import os
import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from agents.engine import base
from agents.models import Agent
from conversations import replies, takeover, turns
from conversations.asks import Ask
from conversations.models import Conversation, Message
from conversations.replies import Draft
from conversations.turns import Turn
from usage.models import LedgerEntry

PARTS = 8  # each within the time that one test may take
SCHEDULES = int(os.environ.get("TEST_SCHEDULES", 5_200)) // PARTS
PEOPLE = {
    "take over": takeover.take_over,
    "hand back": takeover.hand_back,
    "resolve": takeover.resolve,
}
Complete = Callable[[Turn, Draft], object]


@dataclass
class Reply:
    """What should be in the row of a reply."""

    status: str = "streaming"
    text: str = ""


@dataclass
class Schedule:
    """One conversation: a bot that goes on with its work, people who step in. Each step
    is a transaction; chance says whose is next, and the oracle what must come of it."""

    conversation: Conversation
    turn: Turn
    chance: random.Random
    complete: Complete
    people_answer: bool = False
    replies: dict[int, Reply] = field(default_factory=dict)
    taken_over: int = 0

    def run(self) -> None:
        actors = [self.bot(), self.people()]
        while actors:
            actor = self.chance.choice(actors)
            if next(actor, "done") == "done":
                actors.remove(actor)

    def bot(self) -> Iterator[None]:
        yield from self.make(self.turn)
        if self.chance.random() < 0.1:
            yield from self.chat()

    def chat(self) -> Iterator[None]:
        ask = Ask(
            agent=self.turn.agent, text="And?", conversation_id=self.conversation.pk
        )
        turn = turns.begin(ask, lease_owner="bot")
        assert turn.is_silent == self.people_answer
        if turn.message_id is None:
            return
        self.replies[turn.message_id] = Reply()
        yield
        yield from self.make(turn)

    def make(self, turn: Turn) -> Iterator[None]:
        assert turn.message_id is not None
        mine = self.replies[turn.message_id]
        draft = Draft()
        for _ in range(self.chance.randrange(3)):
            draft.add(f"word{self.chance.randrange(10)} ")
            is_mine = mine.status == "streaming"
            assert replies.checkpoint([(turn, draft)]) == [is_mine]
            if is_mine:
                mine.text = draft.text
            yield
        draft.add("the end")
        is_mine = mine.status == "streaming"
        if self.chance.random() < 0.25:
            replies.break_off(turn, draft, error="The engine failed.")
            ending = "partial"
        else:
            draft.finish = base.Finish("stop", engine="e", model="m")
            try:
                self.complete(turn, draft)
            except replies.Overtaken:
                assert not is_mine
            else:
                assert is_mine, "a reply was completed after a takeover"
            ending = "complete"
        if is_mine:
            mine.status, mine.text = ending, draft.text
        yield

    def people(self) -> Iterator[None]:
        for _ in range(self.chance.choice([1, 1, 1, 2, 3])):
            (move,) = self.chance.choices(list(PEOPLE), [6, 3, 1])
            now = PEOPLE[move](self.conversation)
            if move == "take over":
                self.taken_over += 1
                self.people_answer = True
            elif move == "hand back" or now.status == "resolved":
                self.people_answer = False
            assert (now.status == "escalated") == self.people_answer
            if move != "hand back":
                self.silence()
            yield

    def silence(self) -> None:
        for mine in self.replies.values():
            if mine.status == "streaming":
                mine.status = "partial" if mine.text else "failed"


def begin_all(agent: Agent, number: int) -> list[tuple[Conversation, Turn]]:
    """As so many chats leave the database; they would take longer than all the rest."""
    now = timezone.now()
    conversations = Conversation.objects.bulk_create(
        Conversation(workspace_id=agent.workspace_id, agent=agent)
        for _ in range(number)
    )
    live = Message.objects.bulk_create(
        Message(
            workspace_id=agent.workspace_id,
            conversation=conversation,
            role="assistant",
            status="streaming",
            lease_owner="bot",
            lease_expires_at=now + timedelta(minutes=10),
        )
        for conversation in conversations
    )
    return [
        (
            conversation,
            Turn(
                agent=agent,
                conversation_id=conversation.pk,
                user_message_id=None,
                message_id=message.pk,
                end_user=None,
                api_key_id=None,
                history=[],
                model="m",
                temperature=None,
            ),
        )
        for conversation, message in zip(conversations, live, strict=True)
    ]


def run_all(
    agent: Agent, number: int, complete: Complete, seed: int
) -> tuple[dict[int, Reply], int]:
    """What should be in every reply's row, and how often people have taken over."""
    expected: dict[int, Reply] = {}
    taken_over = 0
    for place, (conversation, turn) in enumerate(begin_all(agent, number)):
        schedule = Schedule(
            conversation, turn, random.Random(f"{seed} {place}"), complete
        )
        assert turn.message_id is not None
        schedule.replies[turn.message_id] = Reply()
        try:
            schedule.run()
        except Exception as problem:
            problem.add_note(f"schedule {place} of seed {seed}")
            raise
        # Nothing commits here, and every rollback would look through all of them.
        connection.run_on_commit.clear()
        expected |= schedule.replies
        taken_over += schedule.taken_over
    return expected, taken_over


def judge(agent: Agent, expected: dict[int, Reply]) -> None:
    said = Message.objects.for_workspace(agent.workspace_id).filter(role="assistant")
    found = {pk: Reply(*row) for pk, *row in said.values_list("pk", "status", "text")}
    assert found == expected
    charged = LedgerEntry.objects.filter(agent_id=agent.pk)
    assert sorted(charged.values_list("message_id", flat=True)) == sorted(
        pk for pk, reply in expected.items() if reply.status == "complete"
    )


@pytest.mark.parametrize("part", range(PARTS))
def test_over_10000_random_schedules_no_bot_text_is_committed_after_a_takeover(
    agent: Agent, part: int
) -> None:
    seed = secrets.randbits(32)
    expected, taken_over = run_all(agent, SCHEDULES, replies.complete, seed)
    judge(agent, expected)
    endings = [reply.status for reply in expected.values()]
    assert taken_over > SCHEDULES / 2
    assert {"complete", "partial", "failed"} <= set(endings)


def test_the_judge_hears_a_bot_that_speaks_out_of_turn(agent: Agent) -> None:
    def blurt(turn: Turn, draft: Draft) -> None:
        Message.objects.filter(pk=turn.message_id).update(
            status="complete", text=draft.text, lease_expires_at=None
        )

    with pytest.raises(AssertionError, match="after a takeover"):
        run_all(agent, 100, blurt, seed=1)
