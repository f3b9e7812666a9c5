from typing import Any

from django.db import migrations

from bookbag.guards import AddGuard
from usage.guards import DAILY, DAY


def roll_up_what_is_there(apps: Any, schema_editor: Any) -> None:
    """In the trigger's own transaction, which keeps PostgreSQL's writers away: no entry
    is counted twice or not at all."""
    day = DAY[schema_editor.connection.vendor].format("created_at")
    schema_editor.execute(
        "INSERT INTO usage_dailyusage (workspace_id, day, agent_id, api_key_id, slot,"
        " replies, input_tokens, output_tokens, credits)"
        f" SELECT workspace_id, {day}, agent_id, coalesce(api_key_id, 0), id % 16,"
        " count(*), sum(input_tokens), sum(output_tokens), sum(credits)"
        " FROM usage_ledgerentry GROUP BY 1, 2, 3, 4, 5",
        params=None,
    )


class Migration(migrations.Migration):
    dependencies = [("usage", "0003_rollups")]
    operations = [
        AddGuard(DAILY),
        migrations.RunPython(roll_up_what_is_there, migrations.RunPython.noop),
    ]
