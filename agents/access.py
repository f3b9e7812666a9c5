"""Which agents a caller may speak to."""

from django.db.models import BigIntegerField, QuerySet

from agents.models import Agent, AgentQuerySet
from apikeys.models import ApiKey
from apikeys.permissions import check_agent_scope, check_may_write
from bookbag.api.errors import NotFound
from bookbag.api.fields import parse_path_id
from bookbag.compiled import Compiled, Slot
from workspaces.models import Member


def agent_for(key: ApiKey, agent_id: str) -> Agent:
    """The agent of this id. NotFound for a foreign, missing or archived one alike, and
    InsufficientPermissions for a sibling of the key's own."""
    found = _agents.rows(workspace=key.workspace_id, agent=parse_path_id(agent_id))
    if not found:
        raise NotFound
    check_agent_scope(key, found[0])
    return found[0]


def agents_for(caller: ApiKey | Member) -> AgentQuerySet:
    """All agents that this caller may speak to."""
    found = Agent.objects.for_workspace(caller.workspace_id).existing()
    if isinstance(caller, ApiKey) and caller.agent_id is not None:
        return found.filter(pk=caller.agent_id)
    return found


class AgentNotFound(NotFound):
    """API v1's: whatever the reason."""

    v1_code = "agent_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such agent. Check the id.")


def chatbot_for(
    caller: ApiKey | Member, agent_id: str, *, to_write: bool = False
) -> Agent:
    """The agent of this id, for API v1 and for members. AgentNotFound, for a sibling of
    a key's own as well; InsufficientPermissions for a key that may not write."""
    try:
        number = parse_path_id(agent_id)
    except NotFound:
        raise AgentNotFound from None
    found = _agents.rows(workspace=caller.workspace_id, agent=number)
    own = getattr(caller, "agent_id", None)  # a member is bound to none
    if not found or own not in (None, number):
        raise AgentNotFound
    if to_write and isinstance(caller, ApiKey):
        check_may_write(caller)
    return found[0]


def _existing() -> QuerySet[Agent]:
    return Agent.objects.existing().filter(
        workspace=Slot("workspace", BigIntegerField()),
        pk=Slot("agent", BigIntegerField()),
    )


_agents = Compiled(_existing)
