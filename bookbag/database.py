"""Whether the database is there and up to date, in sentences for the command line."""

from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor


def require_migrated() -> None:
    """Raises CommandError with what to do where it is not."""
    connection = require_database()
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise CommandError(
            "The database is not up to date. Run `manage.py migrate` first."
        )


def require_database() -> BaseDatabaseWrapper:
    """The connection. Raises CommandError where nobody answers."""
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        connection.ensure_connection()
    except OperationalError as error:
        reason = str(error).strip().partition("\n")[0]
        raise CommandError(
            f"The database does not answer: {reason}. Look at DATABASE_URL."
        ) from None
    return connection
