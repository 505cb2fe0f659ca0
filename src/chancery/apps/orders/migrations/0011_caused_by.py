from django.db import migrations, models
from django.db.models import F

_ENDED = ("issued", "failed", "denied", "cancelled", "rejected")
_AT_ONCE = 500


def behind(apps, schema_editor):
    """Orders of machines that are open know who was behind them, as far as that is written down."""
    orders = apps.get_model("orders", "Order").objects.exclude(state__in=_ENDED)
    orders = orders.filter(requested_by=None)
    found = {}
    for pk, bot, asked in _bots(apps, orders):
        found[pk] = [[who, how] for who, how in ((asked, "asked"), (bot, "bot")) if who is not None]
    rows = apps.get_model("acme", "Placement").objects.filter(order__in=orders)
    who = F("acme_order__account__credential__created_by_user")
    for pk, made in rows.annotate(who=who).exclude(who=None).values_list("order", "who"):
        found[pk] = [[made, "credential"]]
    plans = apps.get_model("renewals", "Plan").objects.filter(order__in=orders, csr_by_user__isnull=False)
    for pk, left in plans.values_list("order", "csr_by_user"):
        found[pk] = [[left, "request"]]
    for pk, causes in found.items():
        orders.filter(pk=pk).update(caused_by=causes)


def _bots(apps, orders):
    rows = apps.get_model("bots", "Deployment").objects.filter(order__in=orders)
    return list(rows.values_list("order", "target__bot__created_by_user", "asked_by_user"))


class Migration(migrations.Migration):
    # PostgreSQL changes no table whose rows were changed in the same transaction.
    atomic = False
    dependencies = [
        ("orders", "0010_turns"),
        ("acme", "0003_made_by_user"),
        ("bots", "0003_by_users"),
        ("renewals", "0002_request_by_user"),
    ]

    operations = [
        migrations.AddField(model_name="order", name="caused_by", field=models.JSONField(default=list)),
        migrations.RunPython(behind, migrations.RunPython.noop),
    ]
