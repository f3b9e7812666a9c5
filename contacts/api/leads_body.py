"""What a client posts to leave details."""

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bookbag.api.fields import (
    WHITESPACE,
    StrictCharField,
    StrictIntegerField,
    is_blank,
)
from contacts.leads import NAMED, as_text, found_in

MOST_FIELDS = 50
LONGEST_LABEL = 100  # characters
LONGEST_VALUE = 2_000
LONGEST = {"name": 255, "email": 254, "phone": 64}
# Something, an at sign, a domain with a dot; who has no such address cannot be written
# to, and finer rules turn people away who can.
_EMAIL = re.compile(
    r"""\A[^\s@<>()\[\]\\,;:"\x00-\x1f\x7f]+"""
    r"""@[^\s@<>()\[\]\\,;:"\x00-\x1f\x7f.]+(\.[^\s@<>()\[\]\\,;:"\x00-\x1f\x7f.]+)+\Z"""
)


@extend_schema_field(
    {
        "type": "object",
        "maxProperties": MOST_FIELDS,
        "additionalProperties": {
            "oneOf": [
                {"type": "string", "maxLength": LONGEST_VALUE},
                {"type": "number"},
                {"type": "boolean"},
                {"type": "null"},
            ]
        },
    }
)
class FieldsField(serializers.Field):
    """What was filled in, by its label, in order."""

    default_error_messages = {
        "invalid": "Must be an object of labels and what was filled in.",
        "many": f"Must have {MOST_FIELDS} fields at most.",
        "blank_label": "Must have labels that are not blank.",
        "long_label": f"Must have labels of {LONGEST_LABEL} characters at most.",
        "twice": "Must have each label once.",
        "no_scalar": "Must be a text, a number, true, false or null.",
        "long_value": f"Must have {LONGEST_VALUE:,} characters at most.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        if len(data) > MOST_FIELDS:
            self.fail("many")
        fields: dict[str, Any] = {}
        for written, value in data.items():
            label = written.strip(WHITESPACE)
            if is_blank(label):
                self.fail("blank_label")
            if len(label) > LONGEST_LABEL:
                self.fail("long_label")
            if label in fields:
                self.fail("twice")
            fields[label] = self._value(label, value)
        return fields

    def _value(self, label: str, value: Any) -> Any:
        if value is not None and not isinstance(value, str | int | float | bool):
            raise serializers.ValidationError({label: self.error_messages["no_scalar"]})
        if isinstance(value, str):
            value = value.strip(WHITESPACE)
            if len(value) > LONGEST_VALUE:
                why = self.error_messages["long_value"]
                raise serializers.ValidationError({label: why})
        return value


class LeadBody(serializers.Serializer):
    """What a client posts to leave details."""

    name = StrictCharField(
        required=False, allow_null=True, allow_blank=True, max_length=LONGEST["name"]
    )
    email = StrictCharField(
        required=False, allow_null=True, allow_blank=True, max_length=LONGEST["email"]
    )
    phone = StrictCharField(
        required=False, allow_null=True, allow_blank=True, max_length=LONGEST["phone"]
    )
    fields = FieldsField(
        required=False, allow_null=True, help_text="Whatever else the form asks for."
    )
    conversationId = StrictIntegerField(
        required=False, allow_null=True, help_text="A conversation of this agent."
    )
    visitorToken = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="Without a key: the one that came with the conversation's `done`.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """What `leads.capture` takes, but for the agent and the conversation."""
        fields = attrs.get("fields") or {}
        named: dict[str, str | None] = {}
        for name in NAMED:
            found = found_in(fields, name)
            named[name] = as_text(attrs.get(name)) or None
            if found and named[name] not in (None, found):
                why = "Must not differ from the one in `fields`."
                raise serializers.ValidationError({name: why})
            _check(name, named[name] or found)
        if not any(named.values()) and not any(found_in(fields, n) for n in NAMED):
            why = "Give at least one of email, name and phone."
            raise serializers.ValidationError(why)
        return {"fields": fields, **named}


def _check(name: str, value: str | None) -> None:
    if value is None:
        return
    if len(value) > LONGEST[name]:
        why = f"Must have {LONGEST[name]} characters at most."
        raise serializers.ValidationError({name: why})
    if name == "email" and not _EMAIL.match(value):
        raise serializers.ValidationError({name: "Must be an e-mail address."})
