"""What the CA has and what we have, held against each other: the report names exactly what differs."""

import pytest

from chancery.apps.certificates.models import Certificate
from chancery.apps.inventory import actions
from chancery.apps.inventory.models import Finding, Pull
from tests.journeys.inventorying import Account, done, found, opened, serials

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account(db, request):
    from chancery.authorities.digicert.simulator import build

    with opened(request, Account, build, limits=((5.0, 1_000_000),)) as made:
        yield made


@pytest.mark.parametrize(
    ("number", "unknown", "revoked", "missing"),
    [(90, 8, 5, 4), pytest.param(10_000, 200, 50, 20, marks=pytest.mark.long)],
)
def test_the_two_sided_report_names_exactly_what_differs(account, number, unknown, revoked, missing):
    there = account.stock(number, "there")
    lost = account.stock(missing, "lost", kept=False)
    account.compare(there, lost, unknown=unknown, revoked=revoked)
    assert Certificate.objects.filter(ca_reference="").count() == missing


def test_a_pull_goes_on_where_a_worker_vanished_and_keeps_nothing_twice(account):
    there = account.stock(70, "there")
    account.import_(there[5:])
    pull = account.pull()
    pages = 0
    while not done(pull)():
        account.until(lambda: Pull.objects.get(pk=pull.pk).pages > pages or done(pull)())
        pages = Pull.objects.get(pk=pull.pk).pages
        # It dies with the next part in its hands, if there is one.
        account.engine.worker.turn()
        account.lose_worker()
    pull.refresh_from_db()
    assert (pull.state, pull.matched, pull.at_ca_only, pull.ours_only) == ("done", 65, 5, 0)
    assert found("at_ca_only") == serials(there[:5])


def test_an_inventory_leaves_orders_their_room(account):
    from chancery.apps.orders.models import Order
    from chancery.apps.orders.place import PlaceOrder, place
    from chancery.apps.profiles import actions as profiles
    from tests.cast import request_pem

    product = {"product": "ssl_basic", "organization_id": "112233"}
    profiles.create(account.cast.ada, {"name": "Public", "connector": "DigiCert", "product": product})
    account.stock(120, "there")
    pull = account.pull()
    account.until(lambda: Pull.objects.get(pk=pull.pk).pages > 1)
    order = place(account.cast.ada, PlaceOrder("Public", request_pem("www.example.com")))
    account.until(lambda: Order.objects.get(pk=order.pk).state == "issued")
    assert not done(pull)(), "the order waited for the whole list"
    account.until(done(pull))


def test_what_the_ca_alone_has_becomes_ours_renews_and_is_revoked(account):
    from chancery.apps.certificates import actions as certificates
    from chancery.apps.orders.models import Order
    from chancery.apps.profiles import actions as profiles
    from tests.cast import request_pem

    product = {"product": "ssl_basic", "organization_id": "112233", "order_days": 365}
    profiles.create(account.cast.ada, {"name": "Public", "connector": "DigiCert", "product": product})
    first, second, third = account.stock(3, "there")
    pull = account.pull()
    account.until(done(pull))
    finding = {f.serial: f for f in Finding.objects.all()}
    mine, stray, old = (finding[next(iter(serials([c])))] for c in (first, second, third))
    actions.adopt(account.cast.ada, mine.pk, "Public")
    actions.revoke(account.cast.ada, stray.pk, "superseded", "Nobody knows it.", confirmed=True)
    actions.ignore(account.cast.ada, old.pk, "The intranet team's.")
    account.until(lambda: Certificate.objects.filter(revocation="confirmed").count() == 1)
    account.until(lambda: Certificate.objects.count() == 2)
    assert [o["certificates"][0]["revoked"] for o in account.simulator.state()["orders"]] == [False, True, False]
    row = Certificate.objects.get(serial=mine.serial)
    assert (row.origin, row.profile.name, row.ca_reference) == (
        "adopted",
        "Public",
        f"{first['order']}/{first['certificate']}",
    )
    order = certificates.renew(account.cast.ada, row.pk, request_pem(row.common_name))
    account.until(lambda: Order.objects.get(pk=order.pk).state == "issued")
    assert [line.kind for line in account.simulator.ledger.lines()] == ["revoke", "reissue"]
    again = account.pull()
    account.until(done(again))
    again.refresh_from_db()
    states = dict(Finding.objects.values_list("serial", "state"))
    assert states == {mine.serial: "adopted", stray.serial: "revoked", old.serial: "ignored"}
    assert (again.matched, again.at_ca_only, again.ours_only, again.state_differs) == (3, 1, 0, 0)
