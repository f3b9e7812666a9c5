"""An engine that does what a test says: the model at the other end of the wire."""

import asyncio
from collections.abc import AsyncGenerator

from agents.engine import base


class ScriptedEngine:
    """Gives `words`, each after `pause` seconds, then fails with `error` or finishes.

    `started` counts its replies; `closed` those whose iterator was closed.
    """

    name = "scripted"

    def __init__(
        self,
        words: list[str],
        *,
        pause: float = 0.0,
        error: base.EngineError | None = None,
    ) -> None:
        self.words = words
        self.pause = pause
        self.error = error
        self.started = self.closed = 0

    async def stream(self, request: base.Request) -> AsyncGenerator[base.Event, None]:
        self.started += 1
        try:
            for word in self.words:
                await asyncio.sleep(self.pause)
                yield base.TextDelta(word)
            if self.error:
                raise self.error
            yield base.Usage(1, len(self.words))
            yield base.Finish("stop", engine=self.name, model="script")
        finally:
            self.closed += 1
