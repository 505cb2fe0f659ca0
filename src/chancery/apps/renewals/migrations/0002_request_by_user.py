import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def by_name(apps, schema_editor):
    """Requests that were left before name their person by name alone; the names of persons are unique."""
    people = dict(apps.get_model("accounts", "User").objects.values_list("username", "pk"))
    plans = apps.get_model("renewals", "Plan").objects.exclude(csr_by="")
    for name in set(plans.values_list("csr_by", flat=True)) & people.keys():
        plans.filter(csr_by=name).update(csr_by_user=people[name])


class Migration(migrations.Migration):
    # PostgreSQL changes no table whose rows were changed in the same transaction.
    atomic = False
    dependencies = [
        ("renewals", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="plan",
            name="csr_by_user",
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
