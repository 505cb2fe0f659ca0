"""One worker leads in what comes round by itself."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("health", "0001_initial")]
    operations = [
        migrations.CreateModel(
            name="Lead",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("holder", models.UUIDField()),
                ("fence", models.PositiveBigIntegerField()),
                ("until", models.DateTimeField()),
            ],
        ),
    ]
