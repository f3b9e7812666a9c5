from django.db import migrations

from bookbag.tenancy import GuardTenant


class Migration(migrations.Migration):
    dependencies = [("conversations", "0001_initial")]
    operations = [
        GuardTenant("conversation", "agent"),
        GuardTenant("conversation", "api_key"),
        GuardTenant("message", "conversation"),
        GuardTenant("message", "answers"),
        GuardTenant("toolcall", "conversation"),
        GuardTenant("toolcall", "message"),
    ]
