"""Which agent a key may speak to."""

from django.db.models import BigIntegerField, QuerySet

from agents.models import Agent
from apikeys.models import ApiKey
from apikeys.permissions import check_agent_scope
from bookbag.api.errors import NotFound
from bookbag.api.fields import parse_path_id
from bookbag.compiled import Compiled, Slot


def agent_for(key: ApiKey, agent_id: str) -> Agent:
    """The agent of this id. NotFound for a foreign, missing or archived one alike, and
    InsufficientPermissions for a sibling of the key's own."""
    found = _agents.rows(workspace=key.workspace_id, agent=parse_path_id(agent_id))
    if not found:
        raise NotFound
    check_agent_scope(key, found[0])
    return found[0]


def _existing() -> QuerySet[Agent]:
    return Agent.objects.existing().filter(
        workspace=Slot("workspace", BigIntegerField()),
        pk=Slot("agent", BigIntegerField()),
    )


_agents = Compiled(_existing)
