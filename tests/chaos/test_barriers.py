"""Deactivate, edit and delete, each at every moment around a submission's intent and first byte."""

import threading

import pytest

from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector, ConnectorVersion
from chancery.apps.orders.models import Order
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.authorities.digicert.simulator import build
from chancery.core.errors import Absent, Conflict
from tests.cast import digicert_values, request_pem
from tests.chaos.stand import events, paid, place, state, until

pytestmark = pytest.mark.django_db(transaction=True)

MOMENTS = ("before_intent", "in_intent", "after_intent", "before_last_look", "before_first_byte")
"""Before the claim; inside its transaction; after its commit; before and after the last look at the connector."""


class Moment:
    """Does something once, at one of the moments, on a thread and connection of its own."""

    def __init__(self, monkeypatch, at, engine, act):
        self.at, self.act, self.done, self.overlapped = at, act, threading.Event(), False
        self.outcome = None
        from chancery.engine import claim, gate

        plain_claim, plain_still, plain_dispatch = claim.claim_orders, gate.still, engine.worker._dispatch

        def claim_orders(*args):
            jobs, lost = plain_claim(*args)
            if jobs and self.at == "in_intent" and not self.done.is_set():
                self._begin()
                # The claim holds the connector until its commit, so the action has to wait for it.
                self.overlapped = not self.done.wait(0.4)
            return jobs, lost

        def dispatch(built, jobs):
            if self.at == "in_intent":
                assert self.done.wait(30)
            self.reach("after_intent", bool(jobs))
            plain_dispatch(built, jobs)

        def still(jobs):
            self.reach("before_last_look")
            answers = plain_still(jobs)
            self.reach("before_first_byte", any(answers))
            return answers

        monkeypatch.setattr(claim, "claim_orders", claim_orders)
        monkeypatch.setattr(gate, "still", still)
        monkeypatch.setattr(engine.worker, "_dispatch", dispatch)

    def reach(self, at, here=True):
        if at == self.at and here and not self.done.is_set():
            self._begin()
            assert self.done.wait(30)

    def _begin(self):
        if not self.done.is_set():
            threading.Thread(target=self._run).start()

    def _run(self):
        from django.db import connection

        try:
            self.outcome = self.act()
        except Exception as error:
            self.outcome = error
        finally:
            connection.close()
            self.done.set()


class Watched:
    """A simulated CA of its own key that keeps which keys were shown to it."""

    def __init__(self, key):
        self.sim = build(limits=((5.0, 100_000),), key=key)
        self.key, self.shown = key, []
        plain = self.sim._answer

        def answer(asked):
            if "x-dc-devkey" in asked.headers:
                self.shown.append(asked.headers["x-dc-devkey"])
            return plain(asked)

        self.sim._answer = answer


@pytest.fixture
def two():
    """Two CAs: the connector's, and the one that an edit leads it to."""
    old, new = Watched("OLD-KEY-OLD-KEY-OLD-KEY"), Watched("NEW-KEY-NEW-KEY-NEW-KEY")
    with old.sim, new.sim:
        yield old, new


def run(monkeypatch, engine, actor, at, act):
    """Place one order and have `act` done at the moment; returns the order and the moment, when the dust has settled."""
    order = place(actor, "Public", [f"{at.replace('_', '-')}.example.com"])[0]
    moment = Moment(monkeypatch, at, engine, act)
    moment.reach("before_intent")
    engine.until(moment.done.is_set, 30)
    until(moment.done.is_set, 30, "the action did not end")
    rest(engine)
    assert moment.overlapped == (at == "in_intent"), moment.outcome
    return order, moment


def rest(engine, turns=10):
    """Take turns until nothing is under way, and some more: what must not happen gets its chance."""
    engine.until(lambda: not engine.worker._pacer.busy())
    for _ in range(turns):
        engine.worker.turn()
        engine.worker._wait(0.02)
    engine.until(lambda: not engine.worker._pacer.busy())


@pytest.mark.parametrize("at", MOMENTS)
def test_s9_deactivation_holds_what_it_did_not_count(cast, digicert, simulator, engine, monkeypatch, at):
    act = lambda: connectors.deactivate(cast.ada, digicert.pk)  # noqa: E731  reads as the action it is
    order, moment = run(monkeypatch, engine, cast.rob, at, act)
    reported = moment.outcome.submissions
    assert reported == (0 if at == "before_intent" else 1)
    assert len(simulator.ledger.lines("order")) <= reported
    if at == "before_first_byte":
        assert (state(order), paid(simulator)) == ("issued", {str(order.pk): 1})
    else:
        assert (state(order), paid(simulator)) == ("queued", {})
    later = place(cast.rob, "Public", ["later.example.com"])[0]
    rest(engine)
    assert state(later) == "queued"
    connectors.activate(cast.ada, digicert.pk)
    engine.until(lambda: state(order) == state(later) == "issued", 30)
    assert paid(simulator) == {str(order.pk): 1, str(later.pk): 1}


def test_s9_polls_of_what_the_ca_has_go_on_while_inactive(cast, digicert, simulator, engine):
    simulator.dials.set(issue_delay=0.2)
    order = place(cast.rob, "Public", ["accepted.example.com"])[0]
    engine.until(lambda: state(order) == "pending")
    connectors.deactivate(cast.ada, digicert.pk)
    engine.until(lambda: state(order) == "issued", 30)


@pytest.mark.parametrize("at", MOMENTS)
def test_s8_a_call_goes_out_with_exactly_one_version(cast, two, engine, monkeypatch, at):
    old, new = two
    made = connectors.create(cast.ada, "digicert", digicert_values(old.sim))
    product = {"product": "ssl_basic", "organization_id": "112233"}
    profiles.create(cast.ada, {"name": "Public", "connector": "DigiCert", "product": product})
    first = made.current_id

    def edit():
        return connectors.edit(cast.ada, made.pk, made.revision, digicert_values(new.sim))

    order, moment = run(monkeypatch, engine, cast.rob, at, edit)
    assert isinstance(moment.outcome, Connector), moment.outcome
    engine.until(lambda: state(order) == "issued", 30)
    stays = at == "before_first_byte"
    went, other = (old, new) if stays else (new, old)
    assert paid(went.sim) == {str(order.pk): 1}
    assert paid(other.sim) == {}
    assert Order.objects.get(pk=order.pk).version_id == (first if stays else moment.outcome.current_id)
    assert ("order.requeued" in events(order)) == (at not in {"before_intent", "before_first_byte"})
    later = place(cast.rob, "Public", ["later.example.com"])[0]
    engine.until(lambda: state(later) == "issued", 30)
    assert paid(new.sim)[str(later.pk)] == 1
    # A secret is shown to the CA that it was entered for, and to nobody else.
    assert set(old.shown) <= {old.key}
    assert set(new.shown) == {new.key}


@pytest.mark.parametrize("at", MOMENTS)
def test_s7_deletion_is_refused_with_the_reason_while_anything_is_open(
    cast, digicert, simulator, engine, monkeypatch, at
):
    act = lambda: connectors.delete(cast.ada, digicert.pk)  # noqa: E731  reads as the action it is
    order, moment = run(monkeypatch, engine, cast.rob, at, act)
    assert isinstance(moment.outcome, Conflict), moment.outcome
    blockers = {b.kind: b for b in moment.outcome.blockers}
    assert set(blockers) == {"profile", "order"}
    assert blockers["order"].id == str(order.pk)
    assert blockers["order"].reason == ("is queued" if at == "before_intent" else "is submitting")
    engine.until(lambda: state(order) == "issued", 30)
    assert paid(simulator) == {str(order.pk): 1}
    profiles.delete(cast.ada, Profile.objects.get(name="Public").pk)
    connectors.delete(cast.ada, digicert.pk)
    assert not ConnectorVersion.objects.filter(connector=digicert.pk).exclude(secrets={}).exists()
    shown = len(simulator.ledger.lines())
    rest(engine)
    assert len(simulator.ledger.lines()) == shown


def test_s7_deletion_is_refused_while_a_revocation_is_open(cast, digicert, simulator, engine, monkeypatch):
    from chancery.apps.certificates import actions as certificates
    from chancery.apps.certificates.models import Certificate

    order = place(cast.ada, "Public", ["revoked.example.com"])[0]
    engine.until(lambda: state(order) == "issued")
    profiles.delete(cast.ada, Profile.objects.get(name="Public").pk)
    certificates.revoke(cast.ada, Certificate.objects.get(order=order).pk, "superseded", "")
    with pytest.raises(Conflict) as refused:
        connectors.delete(cast.ada, digicert.pk)
    assert [b.kind for b in refused.value.blockers] == ["certificate"]


def test_s7_no_order_is_placed_at_a_connector_that_was_deleted_meanwhile(cast, digicert, simulator, monkeypatch):
    from chancery.apps.orders import place as placing

    plain = placing._prepare

    def prepare_then_delete(*args):
        prepared = plain(*args)
        profiles.delete(cast.ada, Profile.objects.get(name="Public").pk)
        connectors.delete(cast.ada, digicert.pk)
        return prepared

    monkeypatch.setattr(placing, "_prepare", prepare_then_delete)
    result = placing.place_many(cast.rob, [placing.PlaceOrder("Public", request_pem("gone.example.com"))])[0]
    assert isinstance(result, Absent | Conflict), "the order would wait for ever at a connector that is gone"
    assert Order.objects.count() == 0
