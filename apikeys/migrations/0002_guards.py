from django.db import migrations

from bookbag.tenancy import GuardTenant


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0001_initial")]
    operations = [
        GuardTenant("apikey", "agent"),
        GuardTenant("apikey", "replaces"),
    ]
