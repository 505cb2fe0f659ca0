import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

_NEW = (
    ("bot", "created_by_user"),
    ("bot", "token_by_user"),
    ("bot", "enrolled_by_user"),
    ("target", "edited_by_user"),
    ("target", "names_by_user"),
    ("deployment", "asked_by_user"),
)


def _field():
    return models.ForeignKey(
        db_index=False,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
    )


def by_name(apps, schema_editor):
    """Bots and deployments of before name their person by name alone; the names of persons are unique.

    Who took a token, or changed a target, stands in the record alone.
    """
    people = dict(apps.get_model("accounts", "User").objects.values_list("username", "pk"))
    for model, name, user in (("Bot", "created_by", "created_by_user"), ("Deployment", "asked_by", "asked_by_user")):
        rows = apps.get_model("bots", model).objects.all()
        for known in set(rows.values_list(name, flat=True)) & people.keys():
            rows.filter(**{name: known}).update(**{user: people[known]})


class Migration(migrations.Migration):
    # PostgreSQL changes no table whose rows were changed in the same transaction.
    atomic = False
    dependencies = [
        ("bots", "0002_open_deployments"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        *(migrations.AddField(model_name=model, name=name, field=_field()) for model, name in _NEW),
        migrations.RunPython(by_name, migrations.RunPython.noop),
    ]
