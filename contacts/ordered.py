"""JSON objects that keep the order in which they were written."""

import json
from typing import Any

from django.db import models


class OrderedJSONField(models.Field):
    """PostgreSQL's own kind sorts an object's names and rewrites its numbers: a form
    would be shown with its fields shuffled. Nobody asks it for a single name."""

    # What django-stubs takes its values for.
    _pyi_private_set_type: dict[str, Any]
    _pyi_private_get_type: dict[str, Any]

    def get_internal_type(self) -> str:
        return "TextField"

    def from_db_value(self, value: str | None, *_: Any) -> Any:
        return None if value is None else json.loads(value)

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        if value is None or isinstance(value, str):  # a text is one already
            return value
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.get_prep_value(self.value_from_object(obj)))
