"""The main job, through actions and engine, on the local CA and the simulated DigiCert."""

from datetime import timedelta

import pytest
from django.db.models import F

from chancery.apps.audit.models import Entry
from chancery.apps.certificates import actions as certificate_actions
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.orders import actions as orders
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place, place_many
from chancery.core.errors import Conflict, Invalid, NotPermitted
from tests.cast import digicert_values, request_pem

pytestmark = pytest.mark.django_db(transaction=True)


def order(actor, profile, *names, **more):
    return place(actor, PlaceOrder(profile, request_pem(*names), **more))


def state(order):
    return Order.objects.get(pk=order.pk).state


def test_local_issues_and_every_step_is_audited(cast, local, engine):
    made = order(cast.rob, "Internal", "a.example.com")
    engine.until(lambda: state(made) == "issued")
    certificate = Certificate.objects.get(order=made)
    assert certificate.names == [["dns", "a.example.com"]]
    assert Entry.objects.filter(target_id=str(made.pk)).count() == 2


def test_digicert_issues_and_the_ledger_knows_our_reference(cast, digicert, simulator, engine):
    made = order(cast.rob, "Public", "b.example.com")
    engine.until(lambda: state(made) == "issued")
    assert simulator.ledger.orders_by_reference() == {f"chancery:{made.pk}": 1}


def test_orders_are_held_while_the_ca_is_down_and_issued_afterwards(cast, digicert, simulator, engine):
    simulator.down()
    made = [order(cast.rob, "Public", f"h{i}.example.com") for i in range(5)]
    engine.until(lambda: Connector.objects.get(pk=digicert.pk).breaker_until is not None)
    assert all(state(o) in {"queued", "submitting"} for o in made)
    simulator.up()
    engine.until(lambda: all(state(o) == "issued" for o in made), 30)
    assert set(simulator.ledger.orders_by_reference().values()) == {1}


def test_a_lost_answer_is_never_sent_again_but_found(cast, digicert, simulator, engine):
    simulator.dials.set(fail_after=1.0)
    made = order(cast.rob, "Public", "lost.example.com")
    engine.until(lambda: state(made) == "outcome_unknown")
    simulator.dials.reset()
    Order.objects.filter(pk=made.pk).update(due_at=F("placed_at"))
    engine.until(lambda: state(made) == "issued")
    assert len(simulator.ledger.lines("order")) == 1


def test_a_connector_that_is_pointed_elsewhere_never_orders_there_what_it_had_ordered_before(
    cast, digicert, simulator, engine
):
    from chancery.authorities.digicert.simulator import build

    simulator.dials.set(needs_approval=True)
    at_the_ca = order(cast.rob, "Public", "accepted.example.com")
    engine.until(lambda: state(at_the_ca) == "pending")
    simulator.dials.set(needs_approval=False, fail_after=1.0)
    lost = order(cast.rob, "Public", "unanswered.example.com")
    engine.until(lambda: state(lost) == "outcome_unknown")
    with build(limits=((5.0, 100_000),)) as other:
        row = Connector.objects.get(pk=digicert.pk)
        connectors.edit(cast.ada, row.pk, row.revision, digicert_values(other))

        def left_to_a_person():
            Order.objects.exclude(due_at=None).update(due_at=F("placed_at"))
            return all(state(o) == "outcome_unknown" and due(o) is None for o in (at_the_ca, lost))

        engine.until(left_to_a_person)
        assert other.ledger.lines("order") == []
    assert set(simulator.ledger.orders_by_reference().values()) == {1}


def due(order):
    return Order.objects.get(pk=order.pk).due_at


def test_a_ca_that_answers_with_its_maintenance_page_takes_no_second_order_with_it(cast, digicert, simulator, engine):
    first = order(cast.rob, "Public", "first.example.com")
    engine.until(lambda: state(first) == "issued")
    # The next probe comes a good while after, else it may be the one that meets the page, and the order is held back.
    Connector.objects.filter(pk=digicert.pk).update(probe_at=F("created_at") + timedelta(hours=1))
    simulator.dials.set(error_page=1.0)
    unlucky = order(cast.rob, "Public", "second.example.com")
    engine.until(lambda: state(unlucky) == "outcome_unknown")
    assert Connector.objects.get(pk=digicert.pk).health == "error"
    others = [order(cast.rob, "Public", f"h{i}.example.com") for i in range(20)]
    engine.until(lambda: Connector.objects.get(pk=digicert.pk).failures > 1)
    assert {state(o) for o in others} == {"queued"}
    simulator.dials.reset()
    Connector.objects.filter(pk=digicert.pk).update(breaker_until=F("created_at"))

    def issued():
        Order.objects.filter(pk=unlucky.pk, fence=None).exclude(due_at=None).update(due_at=F("placed_at"))
        return all(state(o) == "issued" for o in [unlucky, *others])

    engine.until(issued, 30)
    assert set(simulator.ledger.orders_by_reference().values()) == {1}


def test_wrong_key_is_quarantined(cast, digicert, simulator, engine):
    simulator.dials.set(wrong_name=True)
    made = order(cast.rob, "Public", "wrong.example.com")
    engine.until(lambda: state(made) == "quarantined")
    assert not Certificate.objects.filter(order=made).exists()


def test_refusal_ends_the_order_with_the_cas_words(cast, digicert, simulator, engine):
    simulator.dials.set(reject=True)
    made = order(cast.rob, "Public", "no.example.com")
    engine.until(lambda: state(made) == "rejected")
    assert "not allowed" in Order.objects.get(pk=made.pk).reason


def test_deactivated_connector_takes_no_new_orders_but_keeps_them(cast, local, engine):
    connectors.deactivate(cast.ada, local.pk)
    made = order(cast.rob, "Internal", "c.example.com")
    for _ in range(5):
        engine.worker.turn()
    assert state(made) == "queued"
    connectors.activate(cast.ada, local.pk)
    engine.until(lambda: state(made) == "issued")


def test_deactivation_between_claim_and_first_byte_sends_nothing(cast, digicert, simulator, engine, monkeypatch):
    from chancery.engine import gate

    still = gate.still

    def switch_off_first(jobs):
        connectors.deactivate(cast.ada, digicert.pk)
        return still(jobs)

    monkeypatch.setattr(gate, "still", switch_off_first)
    made = order(cast.rob, "Public", "gate.example.com")
    engine.until(lambda: Connector.objects.get(pk=digicert.pk).status == "inactive")
    engine.until(lambda: state(made) == "queued")
    assert simulator.ledger.lines("order") == []


def test_a_vanished_worker_leaves_the_outcome_unknown(cast, digicert, engine):
    made = order(cast.rob, "Public", "crash.example.com")
    Order.objects.filter(pk=made.pk).update(
        state="submitting", intended_at=F("placed_at"), due_at=F("placed_at"), fence=made.pk
    )
    engine.worker.turn()
    assert state(made) == "outcome_unknown"


def test_stale_fence_changes_nothing(cast, local):
    import random
    import uuid

    from django.db import transaction

    from chancery.apps.shared.action import current_clock
    from chancery.engine.jobs import Asked, Failed, Job, Kind
    from chancery.engine.record import Recorder

    made = order(cast.rob, "Internal", "fence.example.com")
    asked = Asked(made.pk, b"", "", (), "", None, made.placed_at, {})
    job = Job(Kind.SUBMIT, made.pk, uuid.uuid4(), local.pk, 1, None, "local", asked)
    with transaction.atomic():
        Recorder(current_clock().now(), random.Random(0)).record([(job, Failed("RejectedByPolicy", "no"))])
    assert state(made) == "queued"


def test_approval_never_by_the_requester(cast, local, engine):
    made = order(cast.rob, "Careful", "d.example.com")
    assert state(made) == "awaiting_approval"
    with pytest.raises(NotPermitted):
        orders.approve(cast.rob, made.pk)
    own = order(cast.ada, "Careful", "e.example.com")
    with pytest.raises(NotPermitted):
        orders.approve(cast.ada, own.pk)
    orders.approve(cast.amy, made.pk)
    engine.until(lambda: state(made) == "issued")


def test_same_key_same_order_other_body_refused(cast, local):
    first = order(cast.rob, "Internal", "f.example.com", idem_key="k1")
    assert order(cast.rob, "Internal", "f.example.com", idem_key="k1").pk == first.pk
    with pytest.raises(Conflict):
        order(cast.rob, "Internal", "g.example.com", idem_key="k1")


def test_one_bad_item_does_not_refuse_the_others(cast, local):
    good, bad = request_pem("h.example.com"), "no request"
    results = place_many(cast.rob, [PlaceOrder("Internal", good), PlaceOrder("Internal", bad)])
    assert isinstance(results[0], Order)
    assert isinstance(results[1], Invalid)


def test_delete_is_refused_with_the_reason_then_possible(cast, digicert, engine):
    with pytest.raises(Conflict) as refused:
        connectors.delete(cast.ada, digicert.pk)
    assert [b.kind for b in refused.value.blockers] == ["profile"]
    from chancery.apps.profiles import actions as profiles
    from chancery.apps.profiles.models import Profile

    profiles.delete(cast.ada, Profile.objects.get(name="Public").pk)
    connectors.delete(cast.ada, digicert.pk)
    assert Connector.objects.get(pk=digicert.pk).current.secrets == {}


def test_name_is_free_again_after_deletion(cast, simulator):
    values = digicert_values(simulator)
    first = connectors.create(cast.ada, "digicert", values)
    with pytest.raises(Invalid):
        connectors.create(cast.ada, "digicert", values)
    connectors.delete(cast.ada, first.pk)
    connectors.create(cast.ada, "digicert", values)


def test_changing_the_address_drops_the_secret(cast, digicert, simulator):
    values = digicert_values(simulator, base_url="https://elsewhere.example.com/v2")
    values.pop("api_key")
    with pytest.raises(Invalid) as refused:
        connectors.edit(cast.ada, digicert.pk, digicert.revision, values)
    assert [p.code for p in refused.value.problems] == ["secret_needed"]


def test_second_editor_is_told(cast, digicert, simulator):
    values = digicert_values(simulator, description="mine")
    connectors.edit(cast.ada, digicert.pk, digicert.revision, values)
    with pytest.raises(Conflict):
        connectors.edit(cast.ada, digicert.pk, digicert.revision, values)


def test_test_connection_reports_stages(cast, digicert, engine):
    from chancery.apps.connectors.models import Call

    call = connectors.test_saved(cast.ada, digicert.pk)
    engine.until(lambda: Call.objects.get(pk=call.pk).state == "done")
    findings = Call.objects.get(pk=call.pk).result["findings"]
    assert [f["stage"] for f in findings][:5] == ["name", "tcp", "tls", "clock", "login"]


def test_unsaved_settings_are_tested_and_erased(cast, simulator, engine):
    from chancery.apps.connectors.models import Call

    call = connectors.test_unsaved(cast.ada, "digicert", digicert_values(simulator, api_key="wrong"))
    engine.until(lambda: Call.objects.get(pk=call.pk).state == "done")
    found = Call.objects.get(pk=call.pk)
    assert found.sealed == {}
    assert [f["code"] for f in found.result["findings"] if f["level"] == "failed"] == [
        "access_denied|access_denied_invalid_key"
    ]


def test_revoke_with_reason_and_renew_without_revoking(cast, digicert, simulator, engine):
    made = order(cast.ada, "Public", "r.example.com")
    engine.until(lambda: state(made) == "issued")
    certificate = Certificate.objects.get(order=made)
    again = certificate_actions.renew(cast.ada, certificate.pk)
    engine.until(lambda: state(again) == "issued")
    assert simulator.ledger.lines("revoke") == []
    certificate_actions.revoke(cast.ada, certificate.pk, "superseded", "test")
    engine.until(lambda: Certificate.objects.get(pk=certificate.pk).revocation == "confirmed")
    assert [line.detail for line in simulator.ledger.lines("revoke")] == ["superseded"]


def test_cancel_at_the_ca(cast, digicert, simulator, engine):
    simulator.dials.set(issue_delay=60)
    made = order(cast.rob, "Public", "cancel.example.com")
    engine.until(lambda: state(made) == "pending")
    orders.cancel(cast.rob, made.pk)
    engine.until(lambda: state(made) == "cancelled")
    assert len(simulator.ledger.lines("cancel")) == 1


def test_login_refused_waits_and_recovers(cast, digicert, simulator, engine):
    simulator.dials.set(refuse_key=True)
    made = order(cast.rob, "Public", "login.example.com")
    engine.until(lambda: Connector.objects.get(pk=digicert.pk).health == "login_refused")
    engine.until(lambda: state(made) == "queued")
    simulator.dials.reset()
    connectors.activate(cast.ada, digicert.pk)
    engine.until(lambda: state(made) == "issued")


def test_adopt_settles_by_the_cas_number(cast, digicert, simulator, engine):
    simulator.dials.set(fail_after=1.0)
    made = order(cast.rob, "Public", "adopt.example.com")
    engine.until(lambda: state(made) == "outcome_unknown")
    simulator.dials.reset()
    orders.adopt(cast.ada, made.pk, simulator.ledger.lines("order")[0].order)
    engine.until(lambda: state(made) == "issued")


def test_give_up_needs_a_reason_and_ends(cast, digicert, simulator, engine):
    simulator.dials.set(fail_after=1.0)
    made = order(cast.rob, "Public", "up.example.com")
    engine.until(lambda: state(made) == "outcome_unknown")
    with pytest.raises(Invalid):
        orders.give_up(cast.ada, made.pk, " ")
    orders.give_up(cast.ada, made.pk, "asked the CA by phone")
    assert state(made) == "failed"


def test_another_team_sees_nothing(cast, local):
    from chancery.apps.orders import queries
    from chancery.core.errors import Absent

    made = order(cast.rob, "Internal", "secret.example.com")
    with pytest.raises(Absent):
        queries.get(cast.cleo, made.pk)
    with pytest.raises(Absent):
        order(cast.cleo, "Internal", "x.example.com")
