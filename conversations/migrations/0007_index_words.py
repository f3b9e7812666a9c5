from typing import Any

from django.db import migrations

from bookbag.guards import AddGuard
from conversations.guards import (
    CREATE_SQLITE_INDEX,
    DROP_SQLITE_INDEX,
    WORDS,
    reindex,
)


def create(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute(CREATE_SQLITE_INDEX)


def drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute(DROP_SQLITE_INDEX)


class Migration(migrations.Migration):
    dependencies = [("conversations", "0006_count_conversations")]
    operations = [
        migrations.RunPython(create, drop),
        migrations.RunPython(reindex, migrations.RunPython.noop),
        AddGuard(WORDS),
    ]
