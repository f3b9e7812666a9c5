from django.db import migrations

from bookbag.guards import AddGuard
from contacts.guards import COUNTS, recount


class Migration(migrations.Migration):
    dependencies = [("contacts", "0003_email_keys_and_counts")]
    operations = [
        migrations.RunPython(recount, migrations.RunPython.noop),
        AddGuard(COUNTS),
    ]
