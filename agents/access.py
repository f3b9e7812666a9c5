"""Which agent a key may speak to."""

from agents.models import Agent
from apikeys.models import ApiKey
from apikeys.permissions import check_agent_scope
from bookbag.api.errors import NotFound
from bookbag.api.fields import parse_path_id


def agent_for(key: ApiKey, agent_id: str) -> Agent:
    """The agent of this id. NotFound for a foreign, missing or archived one alike, and
    InsufficientPermissions for a sibling of the key's own."""
    agents = Agent.objects.for_workspace(key.workspace_id).existing()
    agent = agents.filter(pk=parse_path_id(agent_id)).first()
    if agent is None:
        raise NotFound
    check_agent_scope(key, agent)
    return agent
