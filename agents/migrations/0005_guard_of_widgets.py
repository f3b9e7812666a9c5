from django.db import migrations

from bookbag.tenancy import GuardTenant


class Migration(migrations.Migration):
    dependencies = [("agents", "0004_widget")]

    operations = [GuardTenant("widget", "agent")]
