from django.db import migrations

import contacts.ordered


class Migration(migrations.Migration):
    dependencies = [("contacts", "0004_count_contacts")]

    operations = [
        migrations.AlterField(
            model_name="lead",
            name="fields",
            field=contacts.ordered.OrderedJSONField(
                blank=True,
                default=dict,
                help_text="All that was filled in, by its label, in the form's order.",
            ),
        ),
    ]
