from django.db import migrations

from bookbag.tenancy import GuardTenant


class Migration(migrations.Migration):
    dependencies = [("conversations", "0003_tools_and_events")]
    operations = [
        GuardTenant("message", "replaces"),
        GuardTenant("toolcall", "used_by"),
        GuardTenant("conversationevent", "conversation"),
        GuardTenant("conversationevent", "message"),
    ]
