"""Rules that only the database can keep: constraints beyond what Django can say.

On PostgreSQL a guard is made and dropped by its migration. SQLite drops a table's
triggers whenever Django rebuilds the table, and refuses the rebuild while a trigger
elsewhere names it; so there every guard is dropped before `migrate` and made again
after it, from the list of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.operations.base import Operation


@dataclass(frozen=True)
class Guard:
    """`sqlite` maps a trigger's name to what follows `CREATE TRIGGER name`."""

    name: str
    table: str
    sqlite: dict[str, str]
    postgres_up: str
    postgres_down: str


class GuardOperation(Operation):
    """Makes and drops a guard on PostgreSQL; SQLite's are made after `migrate`."""

    reduces_to_sql = True
    reversible = True

    def guard(self, app_label: str, state: Any) -> Guard:
        raise NotImplementedError("Return the guard that this migration brings.")

    def state_forwards(self, app_label: str, state: Any) -> None:
        """The models do not change."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(
                self.guard(app_label, to_state).postgres_up, params=None
            )

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(
                self.guard(app_label, from_state).postgres_down, params=None
            )


class AddGuard(GuardOperation):
    """Migration operation for a guard of a module: `AddGuard(LAST_OWNER)`."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def guard(self, app_label: str, state: Any) -> Guard:
        return self._guard

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return (self.__class__.__qualname__, [self._guard], {})

    def describe(self) -> str:
        return f"Add the guard {self._guard.name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"guard_{self._guard.name}"


def all_guards() -> Iterable[Guard]:
    """Those between tenant rows, from the models; the others, from `GUARDS` of apps."""
    # Here, because tenancy builds on this module.
    from bookbag.tenancy import (  # noqa: PLC0415
        TenantModel,
        tenant_guard,
        tenant_references,
    )

    for model in apps.get_models():
        if issubclass(model, TenantModel):
            for field in tenant_references(model):
                parent = field.related_model._meta.db_table
                yield tenant_guard(model._meta.db_table, field.column, parent)
    for config in apps.get_app_configs():
        yield from getattr(config, "guards", ())


def drop_sqlite_guards(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    connection = connections[using]
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        for guard in all_guards():
            for trigger in guard.sqlite:
                cursor.execute(f"DROP TRIGGER IF EXISTS {trigger}")


def make_sqlite_guards(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    connection = connections[using]
    if connection.vendor != "sqlite":
        return
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for guard in all_guards():
            if guard.table in tables:
                for trigger, body in guard.sqlite.items():
                    cursor.execute(f"CREATE TRIGGER IF NOT EXISTS {trigger} {body}")
