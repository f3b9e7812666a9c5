"""Custom attributes: what a customer wants to know of its contacts, and of what type.

What is not defined may be kept all the same, as it is. What is defined has its type:
a value that can be read as one is, and what is kept is the value that was read.
"""

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from agents.models import Agent
from contacts.models import ATTRIBUTE_NAME, AttributeType, CustomAttribute

MOST = 500  # attributes of an agent: they are listed, and looked up, all at once
LARGEST = 16 * 1024  # bytes of a contact's custom attributes, as JSON
# A contact has these without anybody's defining them.
RESERVED = frozenset(
    [
        "id",
        "external_id",
        "name",
        "email",
        "phonenumber",
        "stripe_accounts",
        "custom_attributes",
        "created_at",
        "updated_at",
    ]
)

Values = dict[str, Any]
Schema = dict[str, CustomAttribute]


class Duplicate(Exception):
    """The agent has an attribute of this name."""


class TooMany(Exception):
    """The agent has as many attributes as it may."""


@dataclass(frozen=True)
class Flaw:
    """A value that cannot be kept: the attribute's name, None for all of them."""

    name: str | None
    message: str


def schema_of(agent: Agent) -> Schema:
    return {one.name: one for one in agent.custom_attributes.all()}


def named(agent: Agent, name: str) -> CustomAttribute | None:
    # What could be none is not asked for: PostgreSQL refuses some of it.
    if not re.match(ATTRIBUTE_NAME, name):
        return None
    return agent.custom_attributes.filter(name=name).first()


def define(
    agent: Agent,
    *,
    name: str,
    label: str,
    type: str = AttributeType.TEXT,
    description: str = "",
    archived: bool = False,
) -> CustomAttribute:
    """A new one. Duplicate, TooMany."""
    try:
        with transaction.atomic():
            locked(agent)
            if agent.custom_attributes.filter(name=name).exists():
                raise Duplicate
            if agent.custom_attributes.count() >= MOST:
                raise TooMany
            return CustomAttribute.objects.create(
                workspace_id=agent.workspace_id,
                agent=agent,
                name=name,
                label=label,
                type=type,
                description=description,
                archived=archived,
            )
    except IntegrityError:  # by somebody who takes no turns: the staff admin
        raise Duplicate from None


def change(attribute: CustomAttribute, **fields: Any) -> CustomAttribute:
    """Label, description, archived: those of them that are given."""
    with transaction.atomic():
        # After contacts that are being written by what the attribute was before.
        locked(attribute.agent)
        for name, value in fields.items():
            setattr(attribute, name, value)
        attribute.save(update_fields=[*fields, "updated_at"])
    return attribute


def locked(agent: Agent) -> None:
    """Until the transaction ends, nobody else writes this agent's contacts or
    attributes. SQLite has one writer anyway."""
    # Not against those who add rows that refer to it.
    writers = Agent.objects.select_for_update(no_key=True)
    writers.values_list("pk").get(pk=agent.pk)


def fit(values: Values, schema: Schema) -> tuple[Values, list[Flaw]]:
    """The values as they are kept, those that can be, and what is wrong with the
    others."""
    kept: Values = {}
    flaws: list[Flaw] = []
    for name, value in values.items():
        try:
            kept[name] = _fitted(value, schema.get(name))
        except ValueError as misfit:
            flaws.append(Flaw(name, str(misfit)))
    return kept, flaws


def size_of(values: Values) -> int:
    return len(json.dumps(values, ensure_ascii=False).encode())


def archived(values: Values, schema: Schema) -> Values:
    """Those of attributes that take no new ones: they stay until set to null."""
    return {
        n: value for n, value in values.items() if n in schema and schema[n].archived
    }


def added(values: Values, more: Values) -> Values:
    """The values with as many of the others as there is room for."""
    kept = dict(values)
    size = size_of(kept)
    for name, value in more.items():
        there = size_of({name: kept[name]}) if name in kept else 0
        grown = size + size_of({name: value}) - there
        if grown <= LARGEST:
            kept[name] = value
            size = grown
    return kept


def _fitted(value: Any, attribute: CustomAttribute | None) -> Any:
    if attribute is None or value is None:
        return value
    if attribute.archived:
        raise ValueError("Is archived: only null can be set.")
    return _READERS[attribute.type](value)


# --- Types --------------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Must be a string.")
    return value


def _number(value: Any) -> int | float:
    # Text is none, though it has the digits of one: as at Chatbase.
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise ValueError("Must be a number.")


_BOOLEANS: Mapping[Any, bool] = {"true": True, "false": False, 1: True, 0: False}


def _boolean(value: Any) -> bool:
    # As keys, true and 1 are the same: either says the same here.
    known = _BOOLEANS.get(value) if isinstance(value, str | int | float) else None
    if known is None:
        raise ValueError("Must be true or false.")
    return known


_ISO = re.compile(
    r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?\Z"
)


def _date(value: Any) -> str:
    """To the millisecond, in UTC, which is taken for granted where no zone is given."""
    if isinstance(value, str) and _ISO.match(value):
        try:
            moment = dt.datetime.fromisoformat(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=dt.UTC)
            moment = moment.astimezone(dt.UTC)
        except (ValueError, OverflowError):
            pass  # the 30th of February; the year 0
        else:
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    raise ValueError("Must be an ISO 8601 date, such as 2026-11-22T07:00:00Z.")


_READERS: dict[str, Callable[[Any], Any]] = {
    AttributeType.TEXT: _text,
    AttributeType.NUMBER: _number,
    AttributeType.BOOLEAN: _boolean,
    AttributeType.DATE: _date,
}
