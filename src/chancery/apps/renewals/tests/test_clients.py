"""What an ACME client ordered is renewed by that client, with or without saying what it replaces."""

from datetime import timedelta
from uuid import uuid4

import pytest

from chancery.apps.acme import actions as acme
from chancery.apps.acme.models import Account, AcmeOrder, Placement, Standing
from chancery.apps.certificates.tests.conftest import NOW
from chancery.apps.orders.models import Order
from chancery.apps.renewals import actions, renewing
from chancery.apps.renewals.models import Plan
from tests.cast import request_pem

pytestmark = pytest.mark.django_db
DUE = NOW + timedelta(days=70)
LATE = NOW + timedelta(days=85)


@pytest.fixture
def client(cast, local):
    """Return what makes accounts, and what makes an order one that an account's client placed."""

    class Client:
        def __init__(self):
            self.offer = acme.offer(cast.ada, "Internal", any_name=True)
            self.credential, _ = acme.create_credential(cast.ada, "web-1", profile="Internal", accounts=9)
            self.account = self.another()

        def another(self, credential=None):
            where = {"team_id": self.offer.team_id, "environment_id": self.offer.environment_id}
            more = {"jwk": {}, "thumbprint": uuid4().hex, "hour_from": NOW, "created_at": NOW}
            return Account.objects.create(credential=credential or self.credential, **where, **more)

        def ordered(self, order, names=(("dns", "a.example.com"),), account=None):
            where = {"team_id": self.offer.team_id, "environment_id": self.offer.environment_id}
            dates = {"created_at": NOW, "expires_at": NOW}
            row = AcmeOrder.objects.create(
                account=account or self.account, offer=self.offer, names=[list(n) for n in names], **where, **dates
            )
            Placement.objects.create(acme_order=row, order=order)

    return Client()


@pytest.fixture
def plan(client, planned):
    found = planned("same_key")
    client.ordered(found.certificate.order)
    return found


def renew(row, now=DUE):
    renewing.renew(now, {})
    row.refresh_from_db()
    return row


def test_it_is_left_to_the_client_and_never_ordered_beside_it(plan, clock):
    for moment in (DUE, DUE + timedelta(days=2), LATE):
        clock.jump(moment)
        renew(plan, moment)
        assert not Order.objects.exclude(replaces=None).exists()
        assert plan.due_at > moment
        if moment < LATE:
            assert (plan.state, plan.text) == ("planned", "The ACME client of web-1 renews it.")
    assert (plan.state, plan.text) == ("retrying", "The ACME client of web-1 has not renewed it. Look at that host.")


@pytest.mark.parametrize("again", [False, True], ids=["the same account", "set up anew"])
def test_what_the_client_orders_later_for_the_same_names_is_the_renewal(client, plan, issued, clock, again):
    clock.jump(NOW + timedelta(days=50))
    newer = issued().order
    client.ordered(newer, account=client.another() if again else None)
    assert (renew(plan).state, plan.order_id) == ("ordered", newer.pk)
    renewing.renew(DUE, {})
    plan.refresh_from_db()
    assert plan.state == "replaced"


def test_its_first_name_may_be_another(client, planned, issued):
    found, names = planned("same_key"), (("dns", "a.example.com"), ("dns", "b.example.com"))
    client.ordered(found.certificate.order, names=names)
    newer = issued("b.example.com").order
    client.ordered(newer, names=names[::-1])
    assert renew(found).order_id == newer.pk


def test_what_is_ordered_beside_it_is_no_renewal_of_it(client, plan, issued):
    """Another host with an account of its own, whose first order came minutes after; and another type of key."""
    client.ordered(issued().order, account=client.another())
    other = issued().order
    Order.objects.filter(pk=other.pk).update(key_type="RSA-2048")
    client.ordered(other)
    assert renew(plan).state == "planned"


def test_what_only_asks_is_no_renewal_and_what_follows_its_approval_is(client, plan, issued):
    held = issued().order
    Order.objects.filter(pk=held.pk).update(state="awaiting_approval")
    client.ordered(held)
    assert (renew(plan).state, plan.order) == ("planned", None)
    Order.objects.filter(pk=held.pk).update(state="cancelled", reason_code="approved_for_next")
    assert (renew(plan, plan.due_at).state, plan.order) == ("planned", None)
    newer = issued().order
    client.ordered(newer)
    assert renew(plan, plan.due_at).order_id == newer.pk


def test_what_somebody_cancelled_is_followed_by_the_client_s_next(client, plan, issued):
    first = issued().order
    Order.objects.filter(pk=first.pk).update(state="queued")
    client.ordered(first)
    assert renew(plan).order_id == first.pk
    Order.objects.filter(pk=first.pk).update(state="cancelled")
    assert (renew(plan).state, plan.text) == ("retrying", "The order of its ACME client was cancelled.")
    newer = issued().order
    client.ordered(newer)
    assert renew(plan, plan.due_at).order_id == newer.pk


def test_a_window_of_the_ca_that_is_over_is_told_of(plan):
    Plan.objects.update(hint_start=DUE, hint_end=DUE, hint_url="https://ca.example.com/why")
    renew(plan)
    wanted = "The ACME client of web-1 has not renewed it. The CA wants it renewed at once: https://ca.example.com/why"
    assert (plan.state, plan.text) == ("retrying", wanted)


def test_what_is_for_others_or_other_names_or_came_to_nothing_is_none(cast, client, plan, issued):
    other, _ = acme.create_credential(cast.ada, "web-2", profile="Internal")
    client.ordered(issued().order, account=client.another(other))
    client.ordered(issued().order, names=(("dns", "a.example.com"), ("dns", "b.example.com")))
    failed = issued().order
    Order.objects.filter(pk=failed.pk).update(state="failed")
    client.ordered(failed)
    assert renew(plan).state == "planned"


def test_a_client_that_may_not_order_any_more_is_told_of(client, plan):
    Account.objects.update(state=Standing.DEACTIVATED)
    assert renew(plan).state == "retrying"
    assert "No account of the ACME credential web-1" in plan.text


def test_a_request_that_was_left_goes_before_the_client(cast, plan, clock):
    clock.jump(DUE)
    actions.leave_request(cast.rob, plan.pk, request_pem.__wrapped__("a.example.com"))
    assert renew(plan).state == "ordered"
    assert Order.objects.get(pk=plan.order_id).replaces_id == plan.pk
