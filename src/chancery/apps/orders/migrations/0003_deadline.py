from datetime import timedelta

from django.db import migrations, models
from django.db.models import F, Q


def a_day_each(apps, schema_editor):
    """Orders that were placed before there were deadlines get the one that profiles now give."""
    apps.get_model("orders", "Order").objects.update(deadline_at=F("placed_at") + timedelta(hours=24))


class Migration(migrations.Migration):
    # PostgreSQL changes no table whose rows were changed in the same transaction.
    atomic = False
    dependencies = [("orders", "0002_listings")]

    operations = [
        migrations.AddField(model_name="order", name="deadline_at", field=models.DateTimeField(null=True)),
        migrations.RunPython(a_day_each, migrations.RunPython.noop),
        migrations.AlterField(model_name="order", name="deadline_at", field=models.DateTimeField()),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                fields=["connector", "deadline_at", "id"], condition=Q(state="queued"), name="order_by_urgency"
            ),
        ),
    ]
