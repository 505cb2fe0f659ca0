from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0011_caused_by")]

    operations = [
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(
                    ("due_at__isnull", False), ("state__in", ["submitting", "pending", "outcome_unknown"])
                ),
                fields=["connector", "due_at"],
                name="order_begun",
            ),
        ),
    ]
