import django.db.models.deletion
from django.db import migrations, models

from chancery.core.ids import new_id


def carry_over(apps, schema_editor):
    """Keep every report, for everybody, as it was meant; by which certificate was not written down then."""
    del schema_editor
    old = apps.get_model("certificates", "CompromisedKey").objects
    report = apps.get_model("certificates", "KeyReport")
    columns = ("spki_sha256", "reported_by", "reported_at", "note", "team_id", "environment_id")
    report.objects.bulk_create(
        [
            report(id=new_id(row["reported_at"]), for_everybody=True, **row)
            for row in old.order_by("reported_at").values(*columns)
        ],
        batch_size=200,
    )


def _place(model):
    return models.ForeignKey(
        db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=model
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_strong_tokens"), ("certificates", "0009_compromised_keys")]

    operations = [
        migrations.CreateModel(
            name="KeyReport",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("spki_sha256", models.CharField(max_length=64)),
                ("team", _place("accounts.team")),
                ("environment", _place("accounts.environment")),
                ("certificate", models.CharField(blank=True, max_length=300)),
                ("reported_by", models.CharField(max_length=200)),
                ("reported_at", models.DateTimeField()),
                ("note", models.CharField(blank=True, max_length=500)),
                ("for_everybody", models.BooleanField()),
                ("confirmed_by", models.CharField(blank=True, max_length=200)),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("withdrawn_by", models.CharField(blank=True, max_length=200)),
                ("withdrawn_at", models.DateTimeField(null=True)),
                ("withdrawn_why", models.CharField(blank=True, max_length=500)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["spki_sha256", "id"], name="key_report_by_key"),
                    models.Index(fields=["team", "id"], name="key_report_by_team"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("withdrawn_at__isnull", True)),
                        fields=("spki_sha256", "team"),
                        name="one_standing_key_report",
                    )
                ],
            },
        ),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
        migrations.DeleteModel(name="CompromisedKey"),
    ]
