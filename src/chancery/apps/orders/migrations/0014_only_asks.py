from django.db import migrations


def replace_nothing(apps, schema_editor):
    """A held order of an ACME client only asks from now on: the next one that says what it replaces is to be placed."""
    orders = apps.get_model("orders", "Order").objects
    orders.filter(state="awaiting_approval", requested_via="acme", replaces__isnull=False).update(replaces=None)


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0013_approval_of'),
    ]

    operations = [
        migrations.RunPython(replace_nothing, migrations.RunPython.noop),
    ]
