"""emCA in the engine's hands: what can be done depends on the protocol, and a lost answer is never sent again blindly."""

import pytest
from django.utils.timezone import now

from chancery.apps.certificates import actions as certificates
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.orders import actions as orders
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profiles
from chancery.authorities.emca.simulator import build
from chancery.core.errors import Conflict
from tests.cast import request_pem

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ca():
    with build() as simulator:
        yield simulator


@pytest.fixture
def emca(cast, ca):
    """Make an active connector for a protocol, and a profile for it."""

    def made(transport, **more):
        known = ca.credentials
        common = {name: known[name] for name in ("username", "password", "issuing_ca", "subscriber_id")}
        values = {
            "name": f"emCA {transport}",
            "base_url": ca.url,
            "allowed_networks": "127.0.0.0/8",
            "team": "Operations",
            "environment": "Production",
            "transport": transport,
            "path": known["paths"][transport],
            **common,
            **more,
        }
        connector = connectors.create(cast.ada, "emca", values)
        profiles.create(cast.ada, {"name": transport, "connector": values["name"], "validity_days": 90})
        return connector, values

    return made


def state(order):
    return Order.objects.get(pk=order.pk).state


def test_cmp_orders_and_revokes(cast, emca, ca, engine):
    emca("cmp", cmp_secret=ca.credentials["cmp_secret"])
    made = place(cast.ada, PlaceOrder("cmp", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "issued")
    certificate = Certificate.objects.get(order=made)
    certificates.revoke(cast.ada, certificate.pk, "superseded", "replaced")
    engine.until(lambda: Certificate.objects.get(order=made).revocation == "confirmed")
    assert [line.kind for line in ca.ledger.lines()] == ["order", "certificate", "revoke"]


def test_est_orders_and_offers_no_revocation(cast, emca, ca, engine, client):
    emca("est")
    made = place(cast.ada, PlaceOrder("est", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "issued")
    certificate = Certificate.objects.get(order=made)
    with pytest.raises(Conflict) as refused:
        certificates.revoke(cast.ada, certificate.pk, "superseded")
    assert refused.value.code == "no_power"
    client.force_login(cast.users["ada"])
    page = client.get(f"/certificates/{certificate.pk}").content.decode()
    assert "/revoke" not in page


def test_a_protocol_changed_later_changes_what_can_be_done(cast, emca, ca, engine):
    connector, values = emca("est")
    made = place(cast.ada, PlaceOrder("est", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "issued")
    certificate = Certificate.objects.get(order=made)
    with pytest.raises(Conflict):
        certificates.revoke(cast.ada, certificate.pk, "superseded")
    changed = {**values, "transport": "cmp", "path": "cmp", "cmp_secret": ca.credentials["cmp_secret"]}
    connectors.edit(cast.ada, connector.pk, connector.revision, changed)
    # Allowed now; that the simulator's CMP knows no certificate of its EST is its own answer.
    certificates.revoke(cast.ada, certificate.pk, "superseded")
    engine.until(lambda: Certificate.objects.get(order=made).revocation == "refused")


def test_a_lost_answer_over_cmp_is_a_persons_to_decide(cast, emca, ca, engine):
    connector, _ = emca("cmp", cmp_secret=ca.credentials["cmp_secret"])
    # Its first probe speaks CMP too: only after that is the next message the order's.
    engine.until(lambda: Connector.objects.get(pk=connector.pk).health == "healthy")
    ca.dials.set(fail_next=1, fail_next_with="lose", fail_next_path="/cmp")
    made = place(cast.ada, PlaceOrder("cmp", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "outcome_unknown")
    for _ in range(5):
        engine.worker.turn()
    assert state(made) == "outcome_unknown"
    assert len(ca.ledger.lines("order")) == 1


def test_a_vanished_worker_over_cmp_sends_nothing_again(cast, emca, ca, engine):
    emca("cmp", cmp_secret=ca.credentials["cmp_secret"])
    ca.dials.set(needs_approval=True)
    made = place(cast.ada, PlaceOrder("cmp", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "pending")
    lost = {"state": "submitting", "poll_state": {}, "fence": None, "lease_until": now(), "due_at": now()}
    Order.objects.filter(pk=made.pk).update(**lost)
    engine.until(lambda: state(made) == "outcome_unknown")
    assert len(ca.ledger.lines("order")) == 1


def test_a_refused_secret_keeps_orders_waiting(cast, emca, ca, engine):
    emca("cmp", cmp_secret="a wrong one")
    made = place(cast.ada, PlaceOrder("cmp", request_pem("www.example.com")))
    engine.until(lambda: Order.objects.get(pk=made.pk).reason_code == "badMessageCheck")
    assert state(made) == "queued"
    assert ca.ledger.lines() == []


def test_what_no_protocol_shows_is_no_button(cast, emca, ca, engine):
    emca("est")
    ca.dials.set(needs_approval=True)
    made = place(cast.ada, PlaceOrder("est", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "pending")
    with pytest.raises(Conflict):
        orders.cancel(cast.ada, made.pk)
