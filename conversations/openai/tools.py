"""Tools that a body offers, as an engine is told of them."""

import json
import re
from functools import lru_cache

from agents.engine import base, schemas
from bookbag.api.errors import InvalidBody
from conversations.openai.fields import mapping, string

MAX_TOOLS = 64
MAX_TOOLS_LENGTH = 64 * 1024  # of all tools together, as JSON
MAX_PARTS = 1_000  # of the schemas of all tools together: see `schemas.weight`

_TOOL = re.compile(r"\A[a-zA-Z0-9_-]{1,60}\Z")
_NO_PARAMETERS: dict[str, object] = {"type": "object", "properties": {}}


def tools_of(tools: object, choice: object) -> tuple[base.ToolSpec, ...] | None:
    if tools is None:
        tools = []
    if not isinstance(tools, list) or len(tools) > MAX_TOOLS:
        raise InvalidBody({"tools": f"Must be a list of at most {MAX_TOOLS} tools."})
    if len(json.dumps(tools)) > MAX_TOOLS_LENGTH:
        raise InvalidBody(
            {"tools": f"At most {MAX_TOOLS_LENGTH // 1024} KiB of JSON in all."}
        )
    if schemas.weight(tools) > MAX_PARTS:
        raise InvalidBody(
            {
                "tools": f"At most {MAX_PARTS} objects, true and false in all, of which"
                f" one with a “pattern” counts {schemas.PATTERN_WEIGHT} times."
            }
        )
    specs = [_tool(tool, f"tools[{number}]") for number, tool in enumerate(tools)]
    if len({spec.name for spec in specs}) < len(specs):
        raise InvalidBody({"tools": "Two tools have the same name."})
    if choice == "none":
        return None
    if choice not in (None, "auto"):
        raise InvalidBody(
            {"tool_choice": "Must be “auto” or “none”: nobody makes an agent call."}
        )
    return tuple(specs)


def tool_name(value: object, field: str) -> str:
    if not isinstance(value, str) or not _TOOL.match(value):
        raise InvalidBody(
            {field: "Must be 1 to 60 letters, digits, underscores or hyphens."}
        )
    return value


def _tool(tool: object, place: str) -> base.ToolSpec:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise InvalidBody({place: "Must be a tool of type “function”."})
    function = mapping(tool.get("function"), f"{place}.function")
    name = tool_name(function.get("name"), f"{place}.function.name")
    description = function.get("description")
    parameters = function.get("parameters")
    if parameters is None:
        parameters = _NO_PARAMETERS
    if flaw := _flaw(json.dumps(parameters)):
        raise InvalidBody({f"{place}.function.parameters": flaw})
    return base.ToolSpec(
        name,
        ""
        if description is None
        else string(description, f"{place}.function.description"),
        parameters,
    )


@lru_cache(maxsize=256)
def _flaw(schema: str) -> str | None:
    """Why a tool cannot have these parameters. A look takes a millisecond for each
    four of them, and a client posts the same tools with every message."""
    try:
        schemas.check_schema(json.loads(schema))
    except schemas.Flaw as flaw:
        return str(flaw)
    return None
