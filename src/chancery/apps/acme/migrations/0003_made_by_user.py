import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def by_name(apps, schema_editor):
    """Credentials that were made before name their maker by name alone; the names of persons are unique."""
    people = dict(apps.get_model("accounts", "User").objects.values_list("username", "pk"))
    made = apps.get_model("acme", "Credential").objects.all()
    for name in set(made.values_list("created_by", flat=True)) & people.keys():
        made.filter(created_by=name).update(created_by_user=people[name])


class Migration(migrations.Migration):
    # PostgreSQL changes no table whose rows were changed in the same transaction.
    atomic = False
    dependencies = [
        ("acme", "0002_offers_end"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="credential",
            name="created_by_user",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunPython(by_name, migrations.RunPython.noop),
    ]
