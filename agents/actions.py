"""What an agent can have done, as tools for an engine."""

from typing import Any

from django.db.models import BigIntegerField, QuerySet

from agents.engine import schemas
from agents.engine.base import ToolSpec
from agents.models import Action
from bookbag.compiled import Compiled, Slot


def tools_for(workspace_id: int, agent_id: int) -> list[ToolSpec]:
    """The agent's enabled actions, by name. One query."""
    rows = _enabled.rows(workspace=workspace_id, agent=agent_id)
    return [
        ToolSpec(name, description, parameters, tuple(examples), reply)
        for name, description, parameters, examples, reply in rows
    ]


def _of_agent() -> QuerySet[Action, Any]:
    rows = Action.objects.filter(
        workspace=Slot("workspace", BigIntegerField()),
        agent=Slot("agent", BigIntegerField()),
        enabled=True,
    ).order_by("name")
    return rows.values_list("name", "description", "parameters", "examples", "reply")


_enabled = Compiled(_of_agent)  # asked for at every turn


def check_input(tool: ToolSpec, value: object) -> list[str]:
    """What is wrong with an input of this tool, in sentences; nothing if it fits.

    An engine may ask for anything: what does not fit is not handed on.
    """
    return schemas.problems(tool.parameters, value)
