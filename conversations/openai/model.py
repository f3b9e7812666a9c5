"""An agent as a model: its name, and its JSON."""

import re
from typing import Any

from bookbag.api.errors import ApiError, InvalidBody

_MODEL = re.compile(r"\Aagent-([0-9]{1,19})\Z")


def model_name(agent_id: int) -> str:
    return f"agent-{agent_id}"


def agent_id(model: object) -> str:
    """The agent's id in a model's name. InvalidBody, ModelNotFound."""
    if model is None:
        raise InvalidBody({"model": "Say which agent is to answer: “agent-<id>”."})
    if not isinstance(model, str):
        raise InvalidBody({"model": "Must be a string."})
    named = _MODEL.match(model)
    if named is None:
        raise ModelNotFound
    return named[1]


def model_json(agent_id: int, *, created: int) -> dict[str, Any]:
    return {
        "id": model_name(agent_id),
        "object": "model",
        "created": created,
        "owned_by": "bookbag",
    }


class ModelNotFound(ApiError):
    """Missing, archived or somebody else's: the answer is the same, byte for byte."""

    def __init__(self) -> None:
        message = "There is no such model here. GET /v1/models lists those there are."
        super().__init__(404, "model_not_found", message, {"model": "Not found."})
