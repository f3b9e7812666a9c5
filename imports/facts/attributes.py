"""What the source says of a custom attribute."""

import re
from dataclasses import dataclass
from typing import Any, Self

from contacts.attributes import RESERVED
from contacts.models import ATTRIBUTE_NAME, AttributeType, CustomAttribute
from imports.facts.columns import longest
from imports.facts.marks import mark
from imports.facts.row import Misfit, Row


@dataclass(frozen=True, kw_only=True)
class AttributeFacts:
    name: str
    label: str
    type: str
    description: str
    archived: bool
    remarks: list[str]

    @property
    def source_id(self) -> str:
        return self.name

    @classmethod
    def of(cls, raw: object) -> Self:
        row = Row(raw)
        name = row.id("name")
        if not re.match(ATTRIBUTE_NAME, name) or name in RESERVED:
            raise Misfit("its name is no name of an attribute")
        if len(name) > longest(CustomAttribute, "name"):
            raise Misfit("its name is too long")
        kind = row.get("type") or AttributeType.TEXT
        if kind not in AttributeType.values:
            raise Misfit("its type is none of text, number, boolean and date")
        label = row.text("label", most=longest(CustomAttribute, "label"))
        description = row.text(
            "description", most=longest(CustomAttribute, "description")
        )
        return cls(
            name=name,
            label=label or name,
            type=str(kind),
            description=description or "",
            archived=row.get("archived") is True,
            remarks=row.remarks,
        )

    @property
    def marks(self) -> dict[str, Any]:
        return {
            "label": mark(self.label),
            "description": mark(self.description),
            "archived": mark(self.archived),
        }
