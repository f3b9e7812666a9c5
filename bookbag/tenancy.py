"""Rows belong to a workspace, and the database itself keeps them apart.

`TenantModel` gives a row its workspace and `for_workspace` its only reading of it.
`TenantGuard` makes a reference between two tenant rows hold only inside one
workspace: a composite foreign key on PostgreSQL, triggers on SQLite, which cannot add
one to a table that exists.
"""

from typing import Any, Self, TypeVar

from django.db import models

from bookbag.guards import Guard, GuardOperation

Row = TypeVar("Row", bound=models.Model)


class TenantQuerySet(models.QuerySet[Row]):
    def for_workspace(self, workspace: models.Model | int) -> Self:
        return self.filter(workspace=workspace)


class TenantModel(models.Model):
    workspace = models.ForeignKey(
        "workspaces.Workspace", on_delete=models.PROTECT, related_name="+"
    )

    objects = TenantQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints = [
            # What composite foreign keys point at.
            models.UniqueConstraint(
                fields=["workspace", "id"], name="%(class)s_workspace_id"
            )
        ]


def tenant_references(model: type[models.Model]) -> list[models.ForeignKey]:
    """The model's foreign keys to other tenant rows."""
    return [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey)
        and issubclass(field.related_model, TenantModel)
    ]


def tenant_guard(child: str, column: str, parent: str) -> Guard:
    """`child.column` may only point at a `parent` row of the same workspace."""
    name = f"tenant_{child}_{column}"
    misplaced = (
        f"WHEN NEW.{column} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {parent}"
        f" WHERE id = NEW.{column} AND workspace_id = NEW.workspace_id)"
        f" BEGIN SELECT RAISE(ABORT, '{name}: rows of two workspaces'); END"
    )
    return Guard(
        name=name,
        table=child,
        sqlite={
            f"{name}_insert": f"BEFORE INSERT ON {child} {misplaced}",
            f"{name}_update": (
                f"BEFORE UPDATE OF {column}, workspace_id ON {child} {misplaced}"
            ),
            f"{name}_moved": (
                f"BEFORE UPDATE OF workspace_id ON {parent}"
                " WHEN NEW.workspace_id <> OLD.workspace_id AND EXISTS"
                f" (SELECT 1 FROM {child} WHERE {column} = OLD.id)"
                f" BEGIN SELECT RAISE(ABORT, '{name}: row has dependents'); END"
            ),
        },
        postgres_up=(
            f"ALTER TABLE {child} ADD CONSTRAINT {name}"
            f" FOREIGN KEY (workspace_id, {column})"
            f" REFERENCES {parent} (workspace_id, id) DEFERRABLE INITIALLY DEFERRED"
        ),
        postgres_down=f"ALTER TABLE {child} DROP CONSTRAINT {name}",
    )


class GuardTenant(GuardOperation):
    """Migration operation: `GuardTenant("message", "conversation")`."""

    def __init__(self, model_name: str, field_name: str) -> None:
        self.model_name = model_name
        self.field_name = field_name

    def guard(self, app_label: str, state: Any) -> Guard:
        model = state.apps.get_model(app_label, self.model_name)
        field = model._meta.get_field(self.field_name)
        return tenant_guard(
            model._meta.db_table, field.column, field.related_model._meta.db_table
        )

    def describe(self) -> str:
        return f"Keep {self.model_name}.{self.field_name} inside one workspace"

    @property
    def migration_name_fragment(self) -> str:
        return f"guard_{self.model_name}_{self.field_name}"
