import django.db.models.deletion
from django.db import migrations, models


def carry_over(apps, schema_editor):
    """Record the keys that revocations said it of; the first of each counts."""
    del schema_editor
    rows = apps.get_model("certificates", "Certificate").objects
    said = rows.filter(revocation_reason="keyCompromise", revocation_asked_at__isnull=False).order_by("-revocation_asked_at")
    columns = ("spki_sha256", "revocation_by", "revocation_asked_at", "revocation_comment", "team_id", "environment_id")
    found = {key: rest for key, *rest in said.values_list(*columns).iterator()}
    key_row = apps.get_model("certificates", "CompromisedKey")
    key_row.objects.bulk_create(
        key_row(spki_sha256=key, reported_by=by, reported_at=at, note=note, team_id=team, environment_id=environment)
        for key, (by, at, note, team, environment) in found.items()
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_strong_tokens"), ("certificates", "0008_revoked_key")]

    operations = [
        migrations.CreateModel(
            name="CompromisedKey",
            fields=[
                ("spki_sha256", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("reported_by", models.CharField(max_length=200)),
                ("reported_at", models.DateTimeField()),
                ("note", models.CharField(blank=True, max_length=500)),
                (
                    "environment",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="accounts.environment",
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="accounts.team",
                    ),
                ),
            ],
        ),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
        migrations.RemoveIndex(model_name="certificate", name="certificate_by_revoked_key"),
        migrations.AddIndex(
            model_name="certificate", index=models.Index(fields=["spki_sha256"], name="certificate_by_key")
        ),
    ]
