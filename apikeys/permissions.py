"""What a key may: its agent, and whether it writes."""

from typing import Protocol

from apikeys.models import Access, ApiKey
from bookbag.api.errors import InsufficientPermissions


class _Agent(Protocol):
    pk: int


def check_agent_scope(key: ApiKey, agent: _Agent) -> None:
    """A key of one agent does not open another, even in its own workspace."""
    if key.agent_id is not None and key.agent_id != agent.pk:
        raise InsufficientPermissions("This API key belongs to another agent.")


def check_may_write(key: ApiKey) -> None:
    if key.access != Access.FULL:
        raise InsufficientPermissions("This API key may only read.")
