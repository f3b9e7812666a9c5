"""Values of a body, each of its kind or refused by the name of its field."""

from collections.abc import Mapping
from typing import Any

from bookbag.api.errors import InvalidBody


def flag(value: object, field: str) -> bool:
    if value is not None and not isinstance(value, bool):
        raise InvalidBody({field: "Must be true or false."})
    return bool(value)


def mapping(value: object, field: str) -> Mapping[str, Any]:
    """What is absent is empty."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidBody({field: "Must be an object."})
    return value


def string(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidBody({field: "Must be a string."})
    return value
