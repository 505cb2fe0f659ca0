"""Writes hostile texts into every field that pages show, past all rules; run by `test_markup.py` as a program against its home.

Where several fit into a field they stand one behind the other. Prints how many fields and pairs of field and text it wrote.
"""

import json
import sys
from itertools import islice

from tests.browser.payloads import payloads

SHOWN = {
    "accounts.Team": "name", "accounts.Environment": "name", "accounts.User": "full_name", "accounts.ApiToken": "name",
    "accounts.Role": "description", "accounts.Session": "agent", "changes.Change": "name proposer text", "changes.Vote": "name",
    "connectors.Connector": "name owner contact region description health_text updated_by",
    "connectors.ConnectorVersion": "created_by untested_reason", "connectors.Pool": "name description trust_reason",
    "connectors.Call": "asked_by", "connectors.WorkerBeat": "name version host", "profiles.Profile": "name description region",
    "orders.Order": "comment common_name ca_reference reason_code reason", "orders.OrderEvent": "actor text",
    "orders.AgainRequest": "reason answer", "orders.EarlierCall": "ca_reference reason text", "orders.Approval": "name",
    "certificates.Certificate": "issuer common_name ca_reference origin_text owner contact revocation_comment revocation_text revocation_by",
    "certificates.KeyReport": "certificate reported_by note confirmed_by withdrawn_by withdrawn_why",
    "inventory.Pull": "text asked_by", "inventory.Finding": "subject common_name issuer reference text reason decided_by",
    "health.Vital": "subject text error", "renewals.Plan": "text csr_by", "notices.Channel": "name service last_error",
    "notices.Notice": "title text link", "notices.Delivery": "error asked_by", "webhooks.Webhook": "name url last_error",
    "posture.Decision": "owner reason by", "bots.Bot": "name token_host hostname os version problem clone created_by",
    "bots.Target": "name problem", "bots.Deployment": "asked_by text", "bots.DeploymentEvent": "actor text",
    "bots.LogLine": "text", "acme.Credential": "name created_by", "acme.AcmeOrder": "profile", "acme.Authorization": "value",
    "audit.Entry": "actor subject",
}  # fmt: skip
NAMES = ("orders.Order", "certificates.Certificate")
LONGEST = 1200


def text(every, at, longest):
    """Return as many of the texts as fit, beginning with the nth."""
    found = ""
    turned = [*every[at % len(every) :], *every[: at % len(every)]]
    number = 0
    for one in turned:
        if len(found) + len(one) + 1 > longest:
            break
        found, number = f"{found}{one} ", number + 1
    return found.rstrip(), max(number, 1)


def write(turn):
    """Give each field of each row other texts; returns what was written, as (field, text's number)."""
    from django.apps import apps
    from django.db import connection

    every, pairs, step = payloads(), set(), 0
    for label, fields in SHOWN.items():
        model = apps.get_model(label)
        for name in fields.split():
            longest = min(model._meta.get_field(name).max_length or LONGEST, LONGEST)
            for pk in islice(model.objects.values_list("pk", flat=True).order_by("pk"), 40):
                step += 1
                begin = turn * 25 + step * 7
                value, number = text(every, begin, longest)
                with connection.cursor() as cursor:  # past every rule, trigger and signal of ours
                    column = model._meta.get_field(name).column
                    where = model._meta.pk.get_db_prep_value(pk, connection)
                    sql = f'UPDATE "{model._meta.db_table}" SET "{column}" = %s WHERE "{model._meta.pk.column}" = %s'
                    cursor.execute(sql, [value, where])
                pairs |= {(f"{label}.{name}", (begin + n) % len(every)) for n in range(number)}
    for label in NAMES:
        for row in apps.get_model(label).objects.all():
            names = [["dns", one] for one in islice(every, (turn * 40) % 160, (turn * 40) % 160 + 40)]
            type(row).objects.filter(pk=row.pk).update(names=names)
            pairs |= {(f"{label}.names", every.index(value)) for _, value in names}
    return pairs


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(sorted(write(int(sys.argv[1])))))
