from django.db import migrations

from bookbag.tenancy import GuardTenant


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0001_initial")]
    operations = [
        GuardTenant("source", "agent"),
        GuardTenant("document", "source"),
        GuardTenant("chunk", "agent"),
        GuardTenant("chunk", "document"),
    ]
