from django.db import migrations, models

REVOKED = "The certificate that is served was revoked. Another is ordered, and deployed within the target's window."
EDITED = "Edited since: "


def told(apps, schema_editor):
    """Say by a column what was known by the sentence."""
    targets = apps.get_model("bots", "Target").objects
    targets.filter(problem=REVOKED).update(trouble="revoked")
    targets.filter(problem__startswith=EDITED).update(trouble="edited")


class Migration(migrations.Migration):

    dependencies = [
        ('bots', '0004_as_asked'),
    ]

    operations = [
        migrations.AddField(
            model_name='target',
            name='trouble',
            field=models.CharField(blank=True, choices=[('revoked', 'What it serves was revoked'), ('edited', 'It was edited since it failed')], db_default='', default='', max_length=10),
        ),
        migrations.RunPython(told, migrations.RunPython.noop),
    ]
