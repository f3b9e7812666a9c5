from django.db import migrations

from bookbag.guards import AddGuard
from conversations.guards import TOTALS, recount


class Migration(migrations.Migration):
    dependencies = [("conversations", "0005_totals_and_indexes")]
    operations = [
        migrations.RunPython(recount, migrations.RunPython.noop),
        AddGuard(TOTALS),
    ]
