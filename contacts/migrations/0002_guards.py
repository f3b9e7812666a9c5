from django.db import migrations

from bookbag.tenancy import GuardTenant


class Migration(migrations.Migration):
    dependencies = [("contacts", "0001_initial")]

    operations = [
        GuardTenant("contact", "agent"),
        GuardTenant("customattribute", "agent"),
        GuardTenant("lead", "agent"),
        GuardTenant("lead", "conversation"),
    ]
