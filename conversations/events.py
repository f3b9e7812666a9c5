"""What happens during a reply, as every door sees it. One model; `streams` has the
encoders that turn it into each wire dialect."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Delta:
    """More of the answer. An empty one keeps a silent stream alive."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallAsked:
    """A call that waits for the client's result. It is committed, and so it comes after
    all text."""

    call_id: str
    name: str
    input: dict[str, object]


@dataclass(frozen=True, slots=True)
class Finished:
    """The reply is complete, and committed.

    `message_id` is None where people have taken over and nobody replied; all ids are
    where nothing is stored. `is_cut` says that the engine stopped at its limit;
    `citations` are as the message keeps them.
    """

    conversation_id: int | None
    user_message_id: int | None
    message_id: int | None
    end_user: str | None
    reason: Literal["stop", "tool-calls"] = "stop"
    credits: int = 0
    is_cut: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    citations: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The reply broke off. `message` is for the end user's eyes."""

    message: str


Event = Delta | ToolCallAsked | Finished | Failed
_END = (Finished, Failed)


class Watched(ABC):
    """A reply as it is watched; `events` is all that has happened, from the first."""

    events: list[Event]

    @property
    def ended(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], _END)

    @abstractmethod
    def watch(
        self, *, after: int = 0, quiet: float | None = None
    ) -> AsyncIterator[Event | None]:
        """Events from the `after`-th on, to the last; None for each `quiet` seconds
        in which nothing happens."""

    async def wait(self) -> Finished | Failed:
        async for _ in self.watch():
            pass
        last = self.events[-1]
        assert isinstance(last, Finished | Failed)
        return last
