"""What the CA has and what we have, held against each other: the report names exactly what differs."""

import pytest

from chancery.apps.certificates.models import Certificate
from chancery.apps.inventory import actions
from chancery.apps.inventory.models import Finding, Pull
from chancery.apps.shared.action import use_clock
from tests.journeys.inventorying import Account, manual

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account(db, request):
    from chancery.authorities.digicert.simulator import build

    clock = manual()
    before = use_clock(clock)
    try:
        cast = request.getfixturevalue("cast")
        with build(clock=clock, limits=((5.0, 1_000_000),)) as simulator:
            made = Account(cast, simulator, clock)
            yield made
            made.engine.close()
    finally:
        use_clock(before)


def serials(rows):
    return {row["serial"].lower().lstrip("0") for row in rows}


def found(kind):
    return set(Finding.objects.filter(kind=kind, state="open").values_list("serial", flat=True))


def done(pull):
    return lambda: Pull.objects.get(pk=pull.pk).state not in {"listing", "comparing"}


@pytest.mark.parametrize(
    ("number", "unknown", "revoked", "missing"),
    [(90, 8, 5, 4), pytest.param(10_000, 200, 50, 20, marks=pytest.mark.long)],
)
def test_the_two_sided_report_names_exactly_what_differs(account, number, unknown, revoked, missing):
    there = account.stock(number, "there")
    lost = account.stock(missing, "lost", kept=False)
    known = there[unknown:]
    assert account.import_([*known, *lost]).stored == number - unknown + missing
    for certificate in known[:revoked]:
        account.revoke(certificate)
    pull = account.pull()
    account.until(done(pull))
    pull.refresh_from_db()
    assert (pull.state, pull.entries, pull.matched) == ("done", number, number - unknown), pull.text
    assert (pull.at_ca_only, pull.state_differs, pull.ours_only) == (unknown, revoked, missing)
    assert found("at_ca_only") == serials(there[:unknown])
    assert found("state_differs") == serials(known[:revoked])
    assert found("ours_only") == serials(lost)
    assert Finding.objects.count() == unknown + revoked + missing
    assert Certificate.objects.filter(ca_reference="").count() == missing
