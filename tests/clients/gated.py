"""An engine that says nothing before it is let: what happens between two words happens
there on any machine."""

import asyncio
import threading
from collections.abc import AsyncGenerator

from agents.engine import base
from tests.engines import ScriptedEngine

PATIENCE = 60  # seconds until it gives up; nothing is told by how long it took


class Gated(ScriptedEngine):
    """Says each word only when it is let."""

    def __init__(self, words: list[str]) -> None:
        super().__init__(words)
        self.let = threading.Semaphore(0)

    async def stream(self, request: base.Request) -> AsyncGenerator[base.Event, None]:
        async for event in super().stream(request):
            if isinstance(event, base.TextDelta):
                let = await asyncio.to_thread(self.let.acquire, timeout=PATIENCE)
                assert let, "nobody let it say the next word"
            yield event
