"""What the source says of a lead."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Self

from contacts.models import Lead
from imports.facts.columns import longest
from imports.facts.marks import mark
from imports.facts.row import Misfit, Row


@dataclass(frozen=True, kw_only=True)
class LeadFacts:
    source_id: str
    name: str | None
    email: str | None
    phone: str | None
    created_at: dt.datetime | None
    remarks: list[str]

    @classmethod
    def of(cls, raw: object) -> Self:
        row = Row(raw)
        name = row.text("name", most=longest(Lead, "name"))
        email = row.text("email", most=longest(Lead, "email"))
        phone = row.text(
            "phone", "phonenumber", "phone_number", most=longest(Lead, "phone")
        )
        created_at = row.time("created_at", "createdAt")
        details = [name or None, email or None, phone or None]
        if not any(details):
            raise Misfit("it has neither a name nor an e-mail address nor a phone")
        try:
            source_id = row.id("id")
        except Misfit:  # some give none; the same details at the same time are the same
            source_id = f"details:{mark([*details, created_at])}"
        return cls(
            source_id=source_id,
            name=details[0],
            email=details[1],
            phone=details[2],
            created_at=created_at,
            remarks=row.remarks,
        )

    @property
    def given(self) -> dict[str, Any]:
        """As a form that was filled in."""
        details = {"name": self.name, "email": self.email, "phone": self.phone}
        return {name: value for name, value in details.items() if value}

    @property
    def marks(self) -> dict[str, Any]:
        return {}  # a lead does not change
