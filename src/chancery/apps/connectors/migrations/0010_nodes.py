"""A sign of life says which kind of node left it, its name and its release."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("connectors", "0009_credential_changes")]
    operations = [
        migrations.AddField("workerbeat", "kind", models.CharField(db_default="worker", max_length=10)),
        migrations.AddField("workerbeat", "name", models.CharField(db_default="", max_length=200)),
        migrations.AddField("workerbeat", "version", models.CharField(db_default="", max_length=40)),
    ]
