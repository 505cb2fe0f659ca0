"""A decision keeps how much its finding weighed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the column; decisions of before have none."""

    dependencies = [("posture", "0002_decisions_by_connector")]

    operations = [
        migrations.AddField(
            "Decision", "level", models.CharField(blank=True, db_default="", default="", max_length=10)
        ),
    ]
