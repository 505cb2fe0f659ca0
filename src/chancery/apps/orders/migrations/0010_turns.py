from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("orders", "0009_approvals")]

    operations = [
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                fields=["connector", "team", "deadline_at", "id"], condition=Q(state="queued"), name="order_by_turn"
            ),
        ),
    ]
