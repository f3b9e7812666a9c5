"""The life of a reply: what is kept when clients, engines and servers go away."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from agents.engine.base import EngineError
from conversations import replies, runs, takeover, turns
from conversations.asks import Ask
from conversations.checkpoints import Checkpoints
from conversations.events import Failed, Finished
from conversations.locks import locked
from conversations.models import Conversation, Message
from tests.conversations.conftest import HeldShop, ScriptedShop, Shop, Threshold
from tests.installation import eventually
from usage.models import LedgerEntry

WORDS = [f"word{n} " for n in range(20)]


def only_reply(shop: Shop) -> Message:
    return Message.objects.get(conversation__agent=shop.agent, role="assistant")


def test_a_client_that_leaves_changes_nothing(scripted: ScriptedShop) -> None:
    shop, engine = scripted(WORDS, pause=0.05)
    with shop.stream("Go on.") as stream:
        stream.next()
    eventually(lambda: only_reply(shop).status == "complete")
    assert only_reply(shop).text == "".join(WORDS)
    assert LedgerEntry.objects.filter(message_id=only_reply(shop).pk).count() == 1
    assert (engine.started, engine.closed) == (1, 1)


def test_the_users_message_is_there_before_the_first_byte(held: HeldShop) -> None:
    shop, _ = held(WORDS)
    with shop.stream("Remember me.") as stream:
        stream.next()
        asked = Message.objects.get(conversation__agent=shop.agent, role="user")
        assert asked.text == "Remember me."
        assert only_reply(shop).status == "streaming"


def test_the_reply_is_there_before_finish(scripted: ScriptedShop) -> None:
    shop, _ = scripted(WORDS)
    with shop.stream("Go.") as stream:
        while (frame := stream.next()) and frame["type"] != "finish":
            pass
        assert only_reply(shop).status == "complete"
    assert only_reply(shop).journal == [len(word) for word in WORDS]


def test_long_replies_are_checkpointed(held: HeldShop) -> None:
    shop, engine = held(["x" * 100] * 60, first=30)
    with shop.stream("Go.") as stream:
        eventually(lambda: len(only_reply(shop).text) >= 2048)
        assert only_reply(shop).status == "streaming"
        engine.let_go.set()
        stream.rest()


def test_a_model_that_fails_at_once_is_an_ordinary_error(
    scripted: ScriptedShop,
) -> None:
    for stream in (True, False):
        shop, _ = scripted([], error=EngineError("unavailable", "no model there"))
        response = shop.chat("hi", stream=stream)
        assert response.status_code == 500
        assert response.json()["error"]["code"] == "INTERNAL_SERVER_ERROR"
        assert "no model there" not in response.text
        assert only_reply(shop).status == "failed"
        asked = Message.objects.get(conversation__agent=shop.agent, role="user")
        assert asked.text == "hi"
        assert not LedgerEntry.objects.filter(message_id=only_reply(shop).pk).exists()


def test_a_model_that_fails_midway_leaves_a_partial_reply(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted(["Some ", "words"], error=EngineError("timeout", "stalled"))
    with shop.stream("Go.") as stream:
        frames = stream.rest()
    assert [frame["type"] for frame in frames] == ["text-delta", "text-delta", "error"]
    assert only_reply(shop).status == "partial"
    assert only_reply(shop).text == "Some words"
    assert not LedgerEntry.objects.filter(message_id=only_reply(shop).pk).exists()


def test_the_conversation_goes_on_after_a_failure(scripted: ScriptedShop) -> None:
    shop, engine = scripted([], error=EngineError("unavailable", "away"))
    shop.chat("hi")
    engine.words, engine.error = ["hello"], None
    conversation = Conversation.objects.get(agent=shop.agent)
    assert shop.chat("again", conversationId=conversation.pk).status_code == 200


def test_a_reply_has_a_deadline(held: HeldShop, settings: Any) -> None:
    settings.REPLY_DEADLINE = 4  # the first word is there by then
    shop, engine = held(WORDS)
    with shop.stream("Go.") as stream:
        frames = stream.rest()
    assert frames[-1]["type"] == "error"
    assert only_reply(shop).status == "partial"
    assert engine.closed == 1


def test_a_model_that_never_stops_is_stopped(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["x" * 10_000] * 20)
    with shop.stream("Go.") as stream:
        frames = stream.rest()
    assert frames[-1]["type"] == "error"
    assert len(only_reply(shop).text) <= runs.MAX_CHARACTERS


def test_nul_never_reaches_the_database(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["a\0b", "\0"])
    with shop.stream("Go.") as stream:
        stream.rest()
    assert stream.text == only_reply(shop).text == "ab"


# --- Leases, fences, epochs -----------------------------------------------------------


def begin(shop: Shop, **words: Any) -> turns.Turn:
    ask = Ask(agent=shop.agent, text="hi", **words)
    return turns.begin(ask, lease_owner="a process")


def lose(turn: turns.Turn) -> None:
    """As if the process had died half a minute ago."""
    Message.objects.filter(pk=turn.message_id).update(
        lease_expires_at=timezone.now() - timedelta(seconds=1)
    )


def finished(text: str) -> replies.Draft:
    return replies.Draft(
        text=text,
        journal=[len(text)],
        finish=replies.base.Finish("stop", engine="e", model="m"),
    )


@pytest.mark.parametrize(("text", "ending"), [("", "failed"), ("so far", "partial")])
def test_the_reaper_ends_what_nobody_makes(
    scripted: ScriptedShop, text: str, ending: str
) -> None:
    shop, _ = scripted([])
    turn = begin(shop)
    assert replies.checkpoint([(turn, replies.Draft(text=text))]) == [True]
    runs.reap()
    assert only_reply(shop).status == "streaming"  # its lease holds
    lose(turn)
    runs.reap()
    assert only_reply(shop).status == ending
    assert only_reply(shop).text == text


def test_the_reaper_spares_who_was_only_slow(scripted: ScriptedShop) -> None:
    shop, _ = scripted([])
    turn = begin(shop)
    lose(turn)

    def reap() -> None:
        runs.reap()
        connection.close()

    reaper = threading.Thread(target=reap)
    assert turn.conversation_id is not None
    with locked(turn.conversation_id):
        reaper.start()  # it has seen the turn, and waits for its conversation
        time.sleep(0.5)
        assert replies.checkpoint([(turn, replies.Draft("so far", [6]))]) == [True]
    reaper.join()
    assert only_reply(shop).status == "streaming"


def test_who_wakes_too_late_writes_nothing(scripted: ScriptedShop) -> None:
    shop, _ = scripted([])
    turn = begin(shop)
    lose(turn)
    runs.reap()
    assert replies.checkpoint([(turn, finished("too late"))]) == [False]
    with pytest.raises(replies.Overtaken):
        replies.complete(turn, finished("too late"))
    replies.break_off(turn, finished("too late"), error="late")
    assert only_reply(shop).status == "failed"
    assert only_reply(shop).text == ""
    assert not LedgerEntry.objects.filter(message_id=turn.message_id).exists()


def test_nothing_is_kept_of_a_reply_begun_before_a_takeover(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted([])
    turn = begin(shop)
    Conversation.objects.filter(pk=turn.conversation_id).update(
        status="escalated", epoch=1
    )
    with pytest.raises(replies.Overtaken):
        replies.complete(turn, finished("bot talks over human"))
    assert only_reply(shop).text == ""


def test_a_new_turn_need_not_wait_for_the_reaper(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["ok"])
    turn = begin(shop)
    lose(turn)
    answer = shop.chat("still there?", conversationId=turn.conversation_id)
    assert answer.status_code == 200
    assert Message.objects.get(pk=turn.message_id).status == "failed"


def test_a_server_that_stops_says_so_on_the_row(
    scripted: ScriptedShop, settings: Any
) -> None:
    shop, _ = scripted(["some ", "words ", "more"], pause=0.2)

    async def stop_midway() -> runs.Run:
        run = await runs.begin(Ask(agent=shop.agent, text="hi"))
        async for _ in run.watch():
            break
        await runs.drain(seconds=0)
        return run

    run = asyncio.run(stop_midway())
    assert run.ended
    assert only_reply(shop).status == "partial"
    assert only_reply(shop).text == "some "


@contextmanager
def held_up(conversation_id: int | None) -> Iterator[None]:
    """Nobody else can write to the conversation meanwhile."""
    is_held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        assert conversation_id is not None
        with locked(conversation_id):
            is_held.set()
            let_go.wait()
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait()
    try:
        yield
    finally:
        let_go.set()
        holder.join()


@pytest.mark.parametrize("_", range(3))
def test_a_server_that_stops_while_a_reply_is_saved_says_what_became_of_it(
    scripted: ScriptedShop, _: int
) -> None:
    shop, _engine = scripted(["all"], pause=0.3)

    async def stop_while_it_is_saved() -> runs.Run:
        run = await runs.begin(Ask(agent=shop.agent, text="hi"))
        with held_up(run.ids.conversation):
            await asyncio.sleep(1)
            drain = asyncio.create_task(runs.drain(seconds=0))
            await asyncio.sleep(0.5)
        await drain
        return run

    run = asyncio.run(stop_while_it_is_saved())
    charged = LedgerEntry.objects.filter(message_id=only_reply(shop).pk).exists()
    is_told = isinstance(run.events[-1], Finished)
    assert is_told == charged == (only_reply(shop).status == "complete")


def test_a_server_that_stops_while_a_reply_is_broken_off_tells_the_client(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted(["some "], error=EngineError("timeout", "stalled"), pause=0.3)

    async def stop_while_it_is_broken_off() -> runs.Run:
        run = await runs.begin(Ask(agent=shop.agent, text="hi"))
        with held_up(run.ids.conversation):
            await asyncio.sleep(1)
            await runs.drain(seconds=0)
        return run

    run = asyncio.run(stop_while_it_is_broken_off())
    assert isinstance(run.events[-1], Failed)


@pytest.mark.parametrize("heartbeat", [0.5, 1000])
def test_a_takeover_is_heard_while_the_model_is_silent(
    scripted: ScriptedShop, settings: Any, heartbeat: float
) -> None:
    """At the next heartbeat, as in another process, or because this one is told."""
    settings.REPLY_HEARTBEAT = heartbeat
    shop, engine = scripted(["never said"], pause=60)

    def step_in() -> None:
        takeover.take_over(Conversation.objects.get(agent=shop.agent))
        connection.close()

    async def take_over() -> Finished | Failed:
        run = await runs.begin(Ask(agent=shop.agent, text="hi"))
        await asyncio.to_thread(step_in)
        async with asyncio.timeout(20):
            return await run.wait()

    assert isinstance(asyncio.run(take_over()), Failed)
    assert engine.closed == engine.started


def test_a_silent_reply_says_that_it_lives(
    scripted: ScriptedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "KEEP_ALIVE", 1)
    shop, _ = scripted(["at last"], pause=3.5)
    with shop.stream("Think hard.") as stream:
        *deltas, finish = stream.rest()
    assert deltas[0] == {"type": "text-delta", "text": ""}
    assert deltas[-1] == {"type": "text-delta", "text": "at last"}
    assert finish["type"] == "finish"
    # What a resumed stream counts is what this one was sent.
    assert only_reply(shop).journal == [len(delta["text"]) for delta in deltas]


def test_half_a_character_is_replaced(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["a\ud83d", "b"])
    with shop.stream("Go.") as stream:
        stream.rest()
    assert stream.text == only_reply(shop).text == "a\ufffdb"


def test_a_turn_that_was_overtaken_does_not_keep_the_conversation_busy(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted([])
    turn = begin(shop)
    Conversation.objects.filter(pk=turn.conversation_id).update(
        status="escalated", epoch=1
    )
    replies.break_off(turn, finished("bot talks over human"), error="overtaken")
    assert only_reply(shop).status == "failed"
    assert only_reply(shop).text == ""
    assert begin(shop, conversation_id=turn.conversation_id).message_id is None


def test_of_two_writers_who_race_the_fence_lets_one_write(
    scripted: ScriptedShop,
) -> None:
    """The second waits at the row, and must then see what the first has made of it."""
    shop, _ = scripted([])
    late_writes: dict[str, Callable[[turns.Turn], object]] = {
        "checkpoint": lambda turn: replies.checkpoint([(turn, finished("too late"))]),
        "complete": lambda turn: replies.complete(turn, finished("too late")),
        "break_off": lambda turn: replies.break_off(
            turn, finished("too late"), error="late"
        ),
    }
    for late in late_writes.values():
        turn = begin(shop)
        waiting = threading.Thread(target=_ignoring_overtaken, args=[late, turn])
        with transaction.atomic():
            # As the reaper does, in a transaction that is held open for a moment.
            Message.objects.filter(pk=turn.message_id).update(
                status="failed", fence=1, lease_expires_at=None
            )
            waiting.start()
            time.sleep(0.5)
        waiting.join()
        reply = Message.objects.get(pk=turn.message_id)
        assert (reply.status, reply.text, reply.fence) == ("failed", "", 1)
        assert not LedgerEntry.objects.filter(message_id=reply.pk).exists()


def _ignoring_overtaken(write: Callable[[turns.Turn], object], turn: Any) -> None:
    try:
        write(turn)
    except replies.Overtaken:
        pass
    finally:
        connection.close()


def test_a_client_that_leaves_while_the_turn_begins_is_answered_all_the_same(
    scripted: ScriptedShop, threshold: Threshold
) -> None:
    shop, _ = scripted(["ok"])
    shop.leave({"message": "hi"}, path=shop.path, once=threshold.reached.is_set)
    time.sleep(0.2)  # the server hears of it
    threshold.let_go.set()
    eventually(
        lambda: Message.objects.filter(
            conversation__agent=shop.agent, status="complete", text="ok"
        ).exists()
    )


def test_a_checkpoint_of_many_tells_each_its_own(scripted: ScriptedShop) -> None:
    shop, _ = scripted([])
    begun = [begin(shop) for _ in range(5)]
    lose(begun[1])
    Conversation.objects.filter(pk=begun[3].conversation_id).update(epoch=1)
    runs.reap()
    held = replies.checkpoint([(turn, replies.Draft("so far", [6])) for turn in begun])
    assert held == [True, False, True, False, True]
    texts = [Message.objects.get(pk=turn.message_id).text for turn in begun]
    assert texts == ["so far", "", "so far", "", "so far"]
    assert Message.objects.get(pk=begun[0].message_id).journal == [6]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows.")
def test_a_row_that_is_held_up_costs_no_other_reply_its_checkpoint(
    scripted: ScriptedShop,
) -> None:
    shop, _ = scripted([])
    stuck, other = begin(shop), begin(shop)
    draft = replies.Draft("so far", [6])

    async def save_both() -> list[object]:
        together = Checkpoints()
        both = (together.save(turn, draft) for turn in (stuck, other))
        return await asyncio.gather(*both, return_exceptions=True)

    with transaction.atomic():
        Message.objects.select_for_update().get(pk=stuck.message_id)
        outcomes = asyncio.run(save_both())
    assert isinstance(outcomes[0], OperationalError)
    assert outcomes[1] is None
    assert Message.objects.get(pk=other.message_id).text == "so far"


def test_a_reply_that_is_not_kept_is_charged_once(scripted: ScriptedShop) -> None:
    """Also where the answer to its COMMIT was lost, and it is saved again."""
    shop, _ = scripted([])
    ask = Ask(agent=shop.agent, text="hi", keep=False)
    turn = turns.begin(ask, lease_owner="a process")
    for _ in range(2):
        replies.complete(turn, finished("ok"))
    assert LedgerEntry.objects.filter(agent_id=shop.agent.pk).count() == 1
