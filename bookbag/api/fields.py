"""Serializer fields that take a value for what it is, and ids wherever they stand."""

import re
import unicodedata
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from bookbag.api.errors import NotFound

MAX_ID = 2**63 - 1
_DIGITS = re.compile(r"\A[0-9]{1,19}\Z")
_USER_ID = re.compile(r"\A[a-zA-Z0-9._-]{1,128}\Z")
WHITESPACE = " \t\r\n\f\v"


def parse_path_id(text: str) -> int:
    """The id in a path, or NotFound: what is no id names nothing."""
    if not _DIGITS.match(text) or (number := int(text)) > MAX_ID:
        raise NotFound
    return number


def parse_message_id(text: str) -> int:
    """As above; `msg_` in front is optional."""
    return parse_path_id(text.removeprefix("msg_"))


def is_user_id(text: str) -> bool:
    return bool(_USER_ID.match(text))


def is_blank(text: str) -> bool:
    """Nothing to see: white space, separators and characters of no width only."""
    return all(
        character.isspace()
        or unicodedata.category(character)[0] == "Z"
        # Format characters: zero width spaces, joiners, the byte order mark.
        or unicodedata.category(character) == "Cf"
        for character in text
    )


@extend_schema_field(
    {
        "oneOf": [
            {"type": "integer", "minimum": 1, "maximum": MAX_ID},
            {"type": "string", "pattern": "^[0-9]{1,19}$"},
        ]
    }
)
class StrictIntegerField(serializers.IntegerField):
    """An id: a JSON integer, or a string of digits. Never true, never 1.0."""

    default_error_messages = {
        "invalid": "Must be a positive integer.",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_ID, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and _DIGITS.match(data):
            data = int(data)
        if type(data) is not int or not 1 <= data <= MAX_ID:
            self.fail("invalid")
        return data


class StrictBooleanField(serializers.BooleanField):
    """true or false; not "yes", not 1."""

    default_error_messages = {
        "invalid": "Must be true or false.",
    }

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class StrictCharField(serializers.CharField):
    """A JSON string, without the white space around it; a number is none."""

    default_error_messages = {
        "invalid": "Must be a string.",
        "blank": "Must not be blank.",
    }

    def run_validation(self, data: Any = empty) -> Any:
        if isinstance(data, str) and not self.allow_blank and is_blank(data):
            self.fail("blank")
        # CharField's own looks at strip(), which knows no zero width characters.
        return super(serializers.CharField, self).run_validation(data)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data.strip(WHITESPACE) if self.trim_whitespace else data


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string"}]})
class AgentIdField(serializers.Field):
    """An agent's id: an integer, or a string of digits; other text names none."""

    default_error_messages = {"invalid": "Must be the chatbot's id."}

    def to_internal_value(self, data: Any) -> str:
        if type(data) is int:
            return str(data)
        if not isinstance(data, str) or not data:
            self.fail("invalid")
        return data


class ListField(serializers.ListField):
    """Looks how long a list is before it looks at what is in it."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


@extend_schema_field({"type": "string", "pattern": "^[a-zA-Z0-9._-]{1,128}$"})
class UserIdField(StrictCharField):
    """The caller's own id of a person."""

    default_error_messages = {
        "pattern": "Must be 1 to 128 letters, digits, dots, underscores or hyphens.",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not is_user_id(text):
            self.fail("pattern")
        return text
