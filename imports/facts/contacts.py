"""What the source says of a contact."""

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from bookbag.api.parsers import MAX_DEPTH
from contacts.attributes import LARGEST, size_of
from contacts.models import Contact
from imports.facts.columns import longest
from imports.facts.marks import mark
from imports.facts.row import Misfit, Row, storable


@dataclass(frozen=True, kw_only=True)
class ContactFacts:
    source_id: str
    external_id: str
    name: str | None
    email: str | None
    phonenumber: str | None
    stripe_accounts: list[dict[str, str]]
    custom_attributes: dict[str, object]
    created_at: dt.datetime | None
    updated_at: dt.datetime | None
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, raw: object) -> Self:
        row = Row(raw)
        attributes = row.get("custom_attributes", "customAttributes") or {}
        if not isinstance(attributes, dict):
            raise Misfit("its custom attributes are no JSON object")
        attributes = _storable_json(attributes)
        if size_of(attributes) > LARGEST:
            kib = LARGEST // 1024
            raise Misfit(f"its custom attributes are larger than {kib} KiB")
        accounts = row.get("stripe_accounts", "stripeAccounts")
        return cls(
            source_id=row.id("id", "external_id", "externalId"),
            external_id=row.id("external_id", "externalId", "id"),
            # An empty one is none: API v1 takes no empty address back.
            name=row.text("name", most=longest(Contact, "name")) or None,
            email=row.text("email", most=longest(Contact, "email")) or None,
            phonenumber=row.text(
                "phonenumber", "phone", most=longest(Contact, "phonenumber")
            )
            or None,
            stripe_accounts=_accounts(accounts),
            custom_attributes=attributes,
            created_at=row.time("created_at", "createdAt"),
            updated_at=row.time("updated_at", "updatedAt"),
            remarks=row.remarks,
        )

    @property
    def values(self) -> dict[str, Any]:
        """As our columns are called."""
        names = ("external_id", "name", "email", "phonenumber")
        return {name: getattr(self, name) for name in names} | {
            "stripe_accounts": self.stripe_accounts,
            "custom_attributes": self.custom_attributes,
        }

    @property
    def marks(self) -> dict[str, Any]:
        return {"row": mark([self.values, self.updated_at])}


def _accounts(said: object) -> list[dict[str, str]]:
    accounts: Iterable[object] = said if isinstance(said, list) else ()
    kept = [
        {
            name: storable(one[name])[:255]
            for name in ("label", "stripe_id", "stripe_email")
            if isinstance(one.get(name), str)
        }
        for one in accounts
        if isinstance(one, dict)
    ]
    return [one for one in kept if one][:100]


def _storable_json(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Raises Misfit for what the API would not take either, nor every database."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, int | float) and not _is_finite(value):
        raise Misfit("its custom attributes have a number that is out of range")
    if isinstance(value, list | dict) and not depth:
        raise Misfit(f"its custom attributes are nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, list):
        return [_storable_json(one, depth - 1) for one in value]
    if isinstance(value, dict):
        return {storable(n): _storable_json(one, depth - 1) for n, one in value.items()}
    return value


def _is_finite(number: int | float) -> bool:
    try:
        return math.isfinite(number)  # Python reads 1e999 as infinity
    except OverflowError:
        return False
