from django.db import migrations

from bookbag.guards import AddGuard
from usage.guards import AUDIT, LEDGER


class Migration(migrations.Migration):
    dependencies = [("usage", "0001_initial")]
    operations = [AddGuard(LEDGER), AddGuard(AUDIT)]
