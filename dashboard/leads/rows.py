"""Leads as the page shows them: an address or a number is a link only if it is one."""

import re
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.text import Truncator

from contacts.leads import NAMED, as_text
from contacts.models import Lead

PHONE = re.compile(r"\A\+?[0-9 ()./-]{5,40}\Z")
FEWEST_DIGITS = 5
FEW = 4  # fields, and characters of one, that a row shows at once
SHORT_LABEL, SHORT = 40, 120


@dataclass(frozen=True)
class Row:
    lead: Lead
    mailto: str
    tel: str
    others: list[tuple[str, str]]

    @property
    def brief(self) -> list[tuple[str, str]]:
        """As much of the others as a line of a table should hold."""
        return [
            (Truncator(label).chars(SHORT_LABEL), Truncator(value).chars(SHORT))
            for label, value in self.others[:FEW]
        ]

    @property
    def is_long(self) -> bool:
        return self.brief != self.others

    @classmethod
    def of(cls, lead: Lead) -> Self:
        return cls(
            lead=lead,
            mailto=_mailto(lead.email or ""),
            tel=_tel(lead.phone or ""),
            others=_others(lead),
        )


def _mailto(email: str) -> str:
    try:
        validate_email(email)
    except ValidationError:
        return ""
    # What may stand in an address may also begin a mail's subject or body.
    return f"mailto:{quote(email, safe='@')}"


def _tel(phone: str) -> str:
    digits = re.sub(r"[^0-9]", "", phone)
    if not PHONE.match(phone) or len(digits) < FEWEST_DIGITS:
        return ""
    return f"tel:{'+' if phone.startswith('+') else ''}{digits}"


def _others(lead: Lead) -> list[tuple[str, str]]:
    """What was filled in beside what has a column of its own."""
    return [
        (label, _words(value))
        for label, value in lead.fields.items()
        if not _has_column(lead, label, value)
    ]


def _has_column(lead: Lead, label: str, value: Any) -> bool:
    name = label.strip().casefold()
    return name in NAMED and getattr(lead, name) == (as_text(value) or None)


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
