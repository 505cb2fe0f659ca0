from django.db import migrations, models


def as_it_was(apps, schema_editor):
    """Offers without a challenge were made before that was asked: their clients go on."""
    apps.get_model("acme", "Offer").objects.filter(challenges=[]).update(any_name=True)


class Migration(migrations.Migration):
    # PostgreSQL changes no table whose rows were changed in the same transaction.
    atomic = False
    dependencies = [("acme", "0003_made_by_user")]

    operations = [
        migrations.AddField(
            model_name="offer",
            name="any_name",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.RunPython(as_it_was, migrations.RunPython.noop),
    ]
