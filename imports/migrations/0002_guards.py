from django.db import migrations

from bookbag.tenancy import GuardTenant


class Migration(migrations.Migration):
    dependencies = [("imports", "0001_initial")]

    operations = [
        GuardTenant("importedrow", "origin"),
        GuardTenant("importedrow", "agent"),
    ]
