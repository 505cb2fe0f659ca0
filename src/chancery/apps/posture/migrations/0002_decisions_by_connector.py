"""A decision names its connector, so that pages find it without looking at every finding; its key says the kind."""

import hashlib

import django.db.models.deletion
from django.db import migrations, models

_SEVERAL = {"shared_credential", "shared_account"}


def _rekey(apps, schema_editor):
    """Give decisions the keys of today: those of before were a hash of the kind and the connectors' ids."""
    del schema_editor
    decisions = apps.get_model("posture", "Decision").objects
    rows = {row.key: row for row in decisions.all()}
    found = {key: (None, key) for key, row in rows.items() if row.kind in _SEVERAL}
    kinds = {row.kind for row in rows.values()} - _SEVERAL
    idents = apps.get_model("connectors", "Connector").objects.values_list("pk", flat=True) if kinds else ()
    for ident in idents:
        for kind in kinds:
            old = hashlib.sha256(f"{kind}|{ident}".encode()).hexdigest()[:32]
            if old in rows:
                found[old] = (ident, ident.hex)
    for old, (ident, rest) in found.items():
        row = rows[old]
        row.key, row.connector_id = f"{row.kind}-{rest}", ident
        row.save(force_insert=True)
    decisions.filter(key__in=list(rows)).delete()


class Migration(migrations.Migration):
    """Alter the decisions, then give them their keys."""

    dependencies = [("connectors", "0013_turn"), ("posture", "0001_initial")]

    operations = [
        migrations.AlterField("Decision", "key", models.CharField(max_length=64, primary_key=True, serialize=False)),
        migrations.AddField(
            "Decision",
            "connector",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="connectors.connector",
            ),
        ),
        migrations.AddIndex("Print", models.Index(fields=["value"], name="print_value")),
        migrations.RunPython(_rekey, migrations.RunPython.noop),
    ]
