from django.db import migrations

from bookbag.guards import AddGuard
from workspaces.guards import LAST_OWNER


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0001_initial")]
    operations = [AddGuard(LAST_OWNER)]
