"""What a caller wants of an agent, whichever door it came by."""

from dataclasses import dataclass
from typing import Protocol

from agents.engine import base
from agents.models import Agent
from apikeys.models import ApiKey
from conversations.models import Channel


class Claim(Protocol):
    """What makes a turn begin once only: see `apikeys.idempotency`."""

    def reserve(self) -> None: ...

    def bind(
        self,
        *,
        conversation_id: int | None,
        message_id: int | None,
        user_message_id: int | None,
    ) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a caller wants of an agent.

    `text` is None where the reply goes on from tools' results, or where `retry_of`
    names a reply to make anew. The conversation is one of the agent's by its number,
    or by the caller's own name `external_id`: then it begins with the first use.
    `results` are pairs of a call's id and its output, kept before the turn begins.
    `history` replaces the stored one, the present turn included; `tools` the agent's
    own. With `keep` off nothing is stored, but what it cost.
    """

    agent: Agent
    text: str | None = None
    conversation_id: int | None = None
    external_id: str | None = None
    end_user: str | None = None
    contact_id: int | None = None
    api_key: ApiKey | None = None
    channel: str = Channel.API
    retry_of: int | None = None
    results: tuple[tuple[str, object], ...] = ()
    history: tuple[base.Turn, ...] | None = None
    tools: tuple[base.ToolSpec, ...] | None = None
    keep: bool = True
    model: str | None = None
    temperature: float | None = None
    claim: Claim | None = None
