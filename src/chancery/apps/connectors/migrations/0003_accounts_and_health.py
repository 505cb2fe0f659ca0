import uuid

from django.db import migrations, models
from django.db.models import F


def each_its_own(apps, schema_editor):
    """Nobody wrote down which versions lead to the same account, so none is taken to."""
    apps.get_model("connectors", "ConnectorVersion").objects.update(account=F("id"))


class Migration(migrations.Migration):
    dependencies = [("connectors", "0002_listings")]

    operations = [
        migrations.AddField(
            model_name="connectorversion",
            name="account",
            field=models.UUIDField(default=uuid.uuid4, editable=False),
        ),
        migrations.RunPython(each_its_own, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="connector",
            name="health",
            field=models.CharField(
                choices=[
                    ("unknown", "Not measured yet"),
                    ("healthy", "Healthy"),
                    ("throttled", "Throttled"),
                    ("unreachable", "Unreachable"),
                    ("login_refused", "Login refused"),
                    ("no_rights", "Right missing"),
                    ("quota_exhausted", "Quota used up"),
                    ("error", "Answers nonsense"),
                ],
                default="unknown",
                max_length=20,
            ),
        ),
    ]
