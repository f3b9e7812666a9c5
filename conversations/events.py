"""What happens during a reply, as every door sees it. One model; `streams` has the
encoders that turn it into each wire dialect."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delta:
    """More of the answer. An empty one keeps a silent stream alive."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallAsked:
    """A call that waits for the client's result."""

    call_id: str
    name: str
    input: dict[str, object]


@dataclass(frozen=True, slots=True)
class Finished:
    """The reply is complete, and committed."""

    conversation_id: int
    user_message_id: int | None
    message_id: int | None  # None where people have taken over and nobody replied
    end_user: str | None
    reason: str = "stop"
    credits: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """The reply broke off. `message` is for the end user's eyes."""

    message: str


Event = Delta | ToolCallAsked | Finished | Failed
END = (Finished, Failed)
