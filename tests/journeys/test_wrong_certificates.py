"""A CA sends a certificate that is not what was ordered: it is kept apart, told of, and reaches no host."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from django.db import connection
from django.db.models import F

from chancery.apps.bots import actions as bots
from chancery.apps.bots import targets
from chancery.apps.bots.models import Deployment, Stage, Target
from chancery.apps.certificates.models import Certificate
from chancery.apps.notices.conditions import CONDITIONS
from chancery.apps.notices.models import Kind
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place_many
from chancery.apps.shared.action import current_clock
from chancery.core.ids import new_id
from chancery.core.tests.making import key_of
from chancery.sandbox.ca import SandboxCa
from tests.cast import request_pem

pytestmark = pytest.mark.django_db(transaction=True)
ONCE = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="the check knows no database")
DAY = timedelta(days=1)
STRANGE = key_of("EC-P256", 77)
ISSUE = SandboxCa.issue_until


def resigned(made, key, **changes):
    """Return a certificate again, with some fields changed, under the signature of `key`."""
    values = {
        "issuer_name": made.issuer,
        "subject_name": made.subject,
        "public_key": made.public_key(),
        "serial_number": made.serial_number,
        "not_valid_before": made.not_valid_before_utc,
        "not_valid_after": made.not_valid_after_utc,
        **changes,
    }
    return x509.CertificateBuilder(extensions=list(made.extensions), **values).sign(key, hashes.SHA256())


def authority(ca, key, name, names, now, until):
    """Return a CA certificate, by which others could be made, in the place of a server's."""
    made = ISSUE(ca, key, name, names, now, until)
    able = x509.Extension(x509.BasicConstraints.oid, True, x509.BasicConstraints(ca=True, path_length=None))
    kept = [able if isinstance(e.value, x509.BasicConstraints) else e for e in made.extensions]
    values = {"issuer_name": made.issuer, "subject_name": made.subject, "public_key": made.public_key()}
    dates = {"not_valid_before": made.not_valid_before_utc, "not_valid_after": made.not_valid_after_utc}
    builder = x509.CertificateBuilder(extensions=kept, serial_number=made.serial_number, **values, **dates)
    return builder.sign(ca._key, hashes.SHA256())


def other_issuer(ca, key, name, names, now, until):
    stranger = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Stranger CA")])
    return resigned(ISSUE(ca, key, name, names, now, until), STRANGE, issuer_name=stranger)


WRONG = {
    "key": lambda ca, key, *rest: ISSUE(ca, STRANGE.public_key(), *rest),
    "names": lambda ca, key, name, names, *rest: ISSUE(ca, key, name, ["elsewhere.example.net"], *rest),
    "more-names": lambda ca, key, name, names, *rest: ISSUE(ca, key, name, [*names, "more.example.net"], *rest),
    "issuer": other_issuer,
    "signature": lambda *given: resigned(ISSUE(*given), STRANGE),
    "too-long": lambda ca, key, name, names, now, until: ISSUE(ca, key, name, names, now, until + 400 * DAY),
    "expired": lambda ca, key, name, names, now, until: ISSUE(ca, key, name, names, now - 9 * DAY, now - DAY),
    "not-yet": lambda ca, key, name, names, now, until: ISSUE(ca, key, name, names, now + 9 * DAY, until),
    "authority": authority,
}
"""What is wrong → how it is made."""
SAID = {
    "key": "another key",
    "names": "lacks the names",
    "more-names": "also has the names",
    "issuer": "no certificate that signed it",
    "signature": "no certificate that signed it",
    "too-long": "longer than was asked for",
    "expired": "has expired",
    "not-yet": "not valid before",
    "authority": "CA certificate",
}


@pytest.fixture
def lying(monkeypatch):
    """Have the simulated CA make what the first label of a name says is wrong, and keep to all else."""

    def issue(ca, key, name, names, now, until):
        kind = name.partition(".")[0].rpartition("-")[0]
        return WRONG.get(kind, ISSUE)(ca, key, name, names, now, until)

    monkeypatch.setattr(SandboxCa, "issue_until", issue)


def wanted(cast, orders):
    """Have each order be for a target on a host, as a bot orders."""
    place = {"team": "Operations", "environment": "Production"}
    bot = bots.create(cast.ada, "web-1", **place)[0]
    files = {"certificate": "/etc/nginx/www.pem", "key": "/etc/nginx/www.key"}
    values = {"name": "www", "kind": "nginx", "profile": "Public", "names": ["www.example.com"], "settings": files}
    one, now = targets.add(cast.ada, bot.pk, values), current_clock().now()
    Deployment.objects.bulk_create(
        Deployment(
            id=new_id(now), target=Target.objects.get(pk=one.pk), order=order, state=Stage.ORDERED, created_at=now
        )
        for order in orders
    )


def rested():
    """Say whether everything has ended; what is fetched again, as the CA's own faults want it, is due at once."""
    Order.objects.filter(state="pending", fence=None).update(due_at=F("placed_at"))
    return not Order.objects.exclude(state__in=["issued", "quarantined"]).exists()


@pytest.mark.parametrize("each", [pytest.param(1, marks=ONCE), pytest.param(25, marks=pytest.mark.long)])
def test_a_wrong_certificate_is_kept_apart_told_of_and_not_deployed(
    cast, digicert, simulator, engine, lying, each, result
):
    kinds = [*WRONG, "good"]
    hosts = [f"{kind}-{n}.example.com" for n in range(each) for kind in kinds]
    orders = place_many(cast.rob, [PlaceOrder("Public", request_pem(host)) for host in hosts])
    wanted(cast, orders)
    engine.until(rested, 60 + 60 * each)
    stages = dict(Deployment.objects.values_list("order", "state"))
    alarms = {one.key: one for one in CONDITIONS[Kind.OUTCOME_UNKNOWN](current_clock().now()).found}
    for row in Order.objects.all():
        kind = row.common_name.partition(".")[0].rpartition("-")[0]
        if kind == "good":
            assert (row.state, stages[row.pk]) == ("issued", Stage.READY)
            continue
        assert row.state == "quarantined", (row.common_name, row.state)
        assert SAID[kind] in row.reason, (kind, row.reason)
        assert stages[row.pk] == Stage.ORDERED, "a host waits for the person who decides"
        assert str(row.pk) in alarms, "nobody is told"
    held = Certificate.objects.values_list("order__common_name", flat=True)
    assert sorted(held) == sorted(host for host in hosts if host.startswith("good-"))
    assert not Deployment.objects.exclude(state=Stage.READY).exclude(certificate=None).exists()
    assert len(alarms) == len(WRONG) * each
    number = each * len(WRONG)
    unit = (
        f"wrong certificates let through of {number}, {len(WRONG)} kinds ({', '.join(WRONG)}): all quarantined and told of, "
        f"none stored or deployed; {each} right ones between them were issued"
    )
    result("R9", 0, unit, database=connection.vendor)
