from django.db import migrations

from bookbag.tenancy import GuardTenant


class Migration(migrations.Migration):
    dependencies = [("agents", "0002_actions")]
    operations = [GuardTenant("action", "agent")]
