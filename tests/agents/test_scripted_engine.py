"""The engine of other tests keeps to its script."""

import asyncio

from agents.engine import base
from tests.agents.test_embedded import request
from tests.engines import ScriptedEngine

CALLS = [base.ToolCall("call_1", "a", {}), base.ToolCall("call_2", "b", {"n": 1})]


def play(engine: ScriptedEngine, *turns: base.Turn) -> list[base.Event]:
    asked = request()
    asked.turns.extend(turns)

    async def collect() -> list[base.Event]:
        return [event async for event in engine.stream(asked)]

    return asyncio.run(collect())


def test_it_calls_once_and_goes_on_with_the_results() -> None:
    engine = ScriptedEngine(["Wait. "], calls=CALLS, then=["Done."])

    first = play(engine)
    assert first == [
        base.TextDelta("Wait. "),
        *CALLS,
        base.Usage(1, 1),
        base.Finish("tool_calls", "scripted", "script"),
    ]
    results = tuple(base.ToolResult(call.id, call.name, "ok") for call in CALLS)
    second = play(
        engine,
        base.Turn("assistant", "Wait. ", calls=tuple(CALLS)),
        base.Turn("tool", "", results=results),
    )
    assert second == [
        base.TextDelta("Done."),
        base.Usage(1, 1),
        base.Finish("stop", "scripted", "script"),
    ]
    assert [len(told.turns) for told in engine.requests] == [1, 3]
    assert engine.started == engine.closed == 2
