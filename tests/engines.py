"""An engine that does what a test says: the model at the other end of the wire."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from agents.engine import base


class ScriptedEngine:
    """Gives `words`, each after `pause` seconds, then fails with `error` or finishes.

    With `calls` it asks for these tools after the words, once: as soon as the request
    shows that they were made, it says `then` (the same words if not given) and stops.

    `started` counts its replies; `closed` those whose iterator was closed; `requests`
    is what it was told.
    """

    name = "scripted"

    def __init__(
        self,
        words: list[str],
        *,
        pause: float = 0.0,
        error: base.EngineError | None = None,
        calls: Sequence[base.ToolCall] = (),
        then: list[str] | None = None,
    ) -> None:
        self.words = words
        self.pause = pause
        self.error = error
        self.calls = calls
        self.then = words if then is None else then
        self.started = self.closed = 0
        self.requests: list[base.Request] = []

    async def stream(self, request: base.Request) -> AsyncGenerator[base.Event, None]:
        self.started += 1
        self.requests.append(request)
        calls = self._to_make(request)
        words = self.then if self.calls and not calls else self.words
        try:
            for word in words:
                await asyncio.sleep(self.pause)
                yield base.TextDelta(word)
            for call in calls:
                yield call
            if self.error:
                raise self.error
            yield base.Usage(1, len(words))
            reason = "tool_calls" if calls else "stop"
            yield base.Finish(reason, engine=self.name, model="script")
        finally:
            self.closed += 1

    def _to_make(self, request: base.Request) -> list[base.ToolCall]:
        # By name: calls go out under ids of Bookbag's own.
        made = {call.name for turn in request.turns for call in turn.calls}
        made |= {result.name for turn in request.turns for result in turn.results}
        return [call for call in self.calls if call.name not in made]
