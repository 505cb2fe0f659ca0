from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("profiles", "0002_listings")]

    operations = [
        migrations.AddField(
            model_name="profile", name="deadline_hours", field=models.PositiveIntegerField(default=24)
        ),
    ]
