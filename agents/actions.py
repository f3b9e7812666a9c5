"""What an agent can have done, as tools for an engine."""

from agents.engine import schemas
from agents.engine.base import ToolSpec
from agents.models import Action


def tools_for(workspace_id: int, agent_id: int) -> list[ToolSpec]:
    """The agent's enabled actions, by name. One query."""
    rows = (
        Action.objects.for_workspace(workspace_id)
        .filter(agent=agent_id, enabled=True)
        .order_by("name")
        .values_list("name", "description", "parameters", "examples", "reply")
    )
    return [
        ToolSpec(name, description, parameters, tuple(examples), reply)
        for name, description, parameters, examples, reply in rows
    ]


def check_input(tool: ToolSpec, value: object) -> list[str]:
    """What is wrong with an input of this tool, in sentences; nothing if it fits.

    An engine may ask for anything: what does not fit is not handed on.
    """
    return schemas.problems(tool.parameters, value)
