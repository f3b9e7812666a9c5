from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0002_guards")]
    operations = [
        migrations.AlterField(
            model_name="source",
            name="kind",
            field=models.CharField(
                choices=[("text", "Text"), ("qa", "Q&A"), ("url", "Web page")],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="source",
            name="url",
            field=models.URLField(
                blank=True,
                help_text="What is fetched for a web page; of others, what citations link to.",
                max_length=2000,
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="source",
            name="content",
            field=models.TextField(
                blank=True,
                help_text="The text, or the answer to the question.",
                max_length=2000000,
            ),
        ),
        migrations.RemoveConstraint(model_name="source", name="source_kind"),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["text", "qa", "url"])),
                name="source_kind",
            ),
        ),
    ]
