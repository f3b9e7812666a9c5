"""Many contacts in one statement.

They are sent as one parameter. The ORM sends a parameter for every value, of which
SQLite takes few: it would write ninety contacts at a time.
"""

import datetime as dt
import json
from collections.abc import Sequence

from django.db import connection

from contacts.models import Contact

# What of a contact can change, and its type on PostgreSQL.
CHANGING = {
    "external_id": "text",
    "name": "text",
    "email": "text",
    "phonenumber": "text",
    "stripe_accounts": "jsonb",
    "custom_attributes": "jsonb",
}
_COLUMNS = {**CHANGING, "email_key": "text"}
_TABLE = "contacts_contact"
_LISTED = ", ".join(_COLUMNS)

_INSERT = (
    f"INSERT INTO {_TABLE} ({_LISTED}, workspace_id, agent_id, created_at, updated_at)"
    f" SELECT {_LISTED}, %s, %s, %s, %s FROM {{given}} RETURNING id, external_id"
)
_UPDATE = (
    f"UPDATE {_TABLE} SET {', '.join(f'{one} = given.{one}' for one in _COLUMNS)},"
    f" updated_at = %s FROM {{given}} WHERE {_TABLE}.id = given.id"
)
_GIVEN = {
    "postgresql": "jsonb_to_recordset(%s::jsonb) AS given (id bigint, "
    + ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    + ")",
    "sqlite": "(SELECT "
    + ", ".join(f"json_extract(value, '$.{one}') AS {one}" for one in ["id", *_COLUMNS])
    + " FROM json_each(%s)) AS given",
}


def insert(contacts: Sequence[Contact], now: dt.datetime) -> None:
    """Adds them, all of one agent, in their order, and gives them their ids."""
    if not contacts:
        return
    at = connection.ops.adapt_datetimefield_value(now)
    first = contacts[0]
    owner = [first.workspace_id, first.agent_id]
    with connection.cursor() as cursor:
        cursor.execute(_statement(_INSERT), [*owner, at, at, _given(contacts)])
        ids = {name: number for number, name in cursor.fetchall()}
    for contact in contacts:
        contact.pk = ids[contact.external_id]
        contact._state.adding = False


def update(contacts: Sequence[Contact], now: dt.datetime) -> None:
    if not contacts:
        return
    at = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(_statement(_UPDATE), [at, _given(contacts)])


def _statement(template: str) -> str:
    return template.format(given=_GIVEN[connection.vendor])


def _given(contacts: Sequence[Contact]) -> str:
    return json.dumps(
        [{name: getattr(one, name) for name in ["id", *_COLUMNS]} for one in contacts]
    )
