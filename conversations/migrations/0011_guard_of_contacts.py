from django.db import migrations

from bookbag.tenancy import GuardTenant


class Migration(migrations.Migration):
    dependencies = [("conversations", "0010_contacts_and_channels")]

    operations = [GuardTenant("conversation", "contact")]
