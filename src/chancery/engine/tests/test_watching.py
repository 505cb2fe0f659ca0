"""The call that an order left behind is searched for, and a certificate that turns up is listed, not lost and not used."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import transaction

from chancery.apps.audit.models import Entry
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import Call, CallState, Connector, Status
from chancery.apps.inventory import actions as inventory
from chancery.apps.inventory.models import Decision, Finding, Pull, PullState
from chancery.apps.orders import actions as orders
from chancery.apps.orders.models import EarlierCall, Order
from chancery.core.again import LOOKS, call_reference
from chancery.core.ids import new_id
from chancery.engine import inventory as pulls
from chancery.engine import record, routine, watching, work
from chancery.engine.earlier import told
from chancery.engine.jobs import Answered, Bad, Failed, Fetched, Kind, Missing, Stopped, Waiting
from chancery.engine.said import fit
from chancery.engine.tests.kit import CA, FENCE, KEY, Toy, asked, at, job, leaf
from chancery.engine.tests.test_record import GOOD, good
from chancery.sdk.authority import Dedup
from chancery.sdk.outcome import Absence, Found, Issued, Pending, PendingKind

pytestmark = pytest.mark.django_db
DER = leaf(key=KEY).der
CHAIN = (CA.der,)
LAG = timedelta(seconds=60)
"""What DigiCert's search may be behind."""


@pytest.fixture
def left(desk):
    """An order that was ordered again just now, and the call that it left behind."""
    order = desk.order("queued", again=1, fence=None)
    return EarlierCall.objects.create(
        id=new_id(desk.now), order=order, number=0, intended_at=desk.now, decided_at=desk.now, due_at=desk.now
    )


def call(desk, left):
    row = desk.connector
    about = {"connector": row, "version_id": row.current_id, "authority": row.authority, "field": str(left.pk)}
    return Call(id=new_id(desk.now), kind="earlier", due_at=desk.now, created_at=desk.now, **about)


def keep(desk, left, result):
    with transaction.atomic():
        routine.keep(call(desk, left), fit(result), desk.now)
    left.refresh_from_db()
    return left


def searched(desk, left, answer):
    """Search on a seat, as a worker does, and record what came."""
    toy = Toy(find=answer)
    extra = {"kind": "earlier", **routine.about(call(desk, left))}
    result = work.do(job(Kind.CALL, extra=extra), toy, at)
    keep(desk, left, result)
    return toy


FOUND = Found(Issued(DER, CHAIN, "4711"), "The search found order 4711.")


def test_it_is_asked_for_when_due_once_at_a_time_and_only_of_a_connector_that_works(desk, left):
    Connector.objects.filter(pk=desk.connector.pk).update(status=Status.INACTIVE)
    watching.ask_earlier(desk.now, {})
    Connector.objects.filter(pk=desk.connector.pk).update(status=Status.ACTIVE, breaker_until=desk.now)
    watching.ask_earlier(desk.now, {})
    assert not Call.objects.exists()
    Connector.objects.filter(pk=desk.connector.pk).update(breaker_until=None)
    watching.ask_earlier(desk.now - timedelta(seconds=1), {})
    assert not Call.objects.exists()
    assert watching.ask_earlier(desk.now, {"kept": 1}) == {"kept": 1}
    made = Call.objects.get()
    assert (made.kind, made.field, made.connector_id) == ("earlier", str(left.pk), desk.connector.pk)
    watching.ask_earlier(desk.now + timedelta(hours=1), {})
    assert Call.objects.count() == 1
    Call.objects.update(state=CallState.FAILED)
    watching.ask_earlier(desk.now + timedelta(hours=1), {})
    assert Call.objects.count() == 2


def test_it_is_searched_for_by_the_reference_of_that_call_and_from_its_time_on(desk, left):
    toy = searched(desk, left, Absence("None of 3 orders is ours."))
    ((verb, (request, since)),) = toy.asked
    assert (verb, request.reference) == ("find", str(left.order_id))
    assert request.reference != call_reference(left.order_id, 1)
    assert since < left.intended_at


def test_a_certificate_that_turns_up_is_listed_with_all_that_a_decision_needs(cast, desk, left):
    searched(desk, left, FOUND)
    assert (left.state, left.due_at, left.looks, left.ca_reference) == ("found", None, 1, "4711")
    finding = Finding.objects.get()
    assert left.finding == finding
    assert (finding.kind, finding.state, finding.pull_id) == ("at_ca_only", "open", None)
    assert (bytes(finding.der), len(finding.chain)) == (DER, 1)
    assert str(left.order_id) in finding.text
    order = Order.objects.get(pk=left.order_id)
    assert order.state == "queued"
    event = order.events.order_by("id").last()
    assert (event.kind, event.actor) == ("order.earlier_call", "engine")
    assert finding.serial in event.text
    assert Entry.objects.filter(action="engine.record", target_id=str(order.pk)).exists()
    inventory.adopt(cast.ada, finding.pk)
    assert Certificate.objects.get().sha256 == hashlib.sha256(DER).hexdigest()


def test_what_the_order_itself_has_is_no_second_one(desk, left):
    order = desk.order()
    desk.record((desk.job(order, Kind.SUBMIT), GOOD))
    kept = Certificate.objects.get()
    searched(desk, left, Found(Issued(bytes(kept.der), (), "4711"), "Order 4711."))
    assert (left.state, left.due_at, left.finding) == ("same", None, None)
    assert kept.serial in left.text
    assert not Finding.objects.exists()


def test_it_is_searched_for_in_growing_intervals_and_then_given_up_with_a_line(desk, left):
    seen = []
    for _ in LOOKS:
        assert left.due_at is not None
        searched(desk, left, Absence("Nothing."))
        seen.append(left.due_at)
    assert seen[:-1] == [desk.now + LAG + look for look in LOOKS[1:]]
    assert (seen[-1], left.state, left.looks) == (None, "gone", len(LOOKS))
    assert "not searched for any more" in left.order.events.order_by("id").last().text
    before = left.text
    keep(desk, left, Answered({"absent": "Later than the end."}))
    assert left.text == before


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Found(Pending({"v": 1}, reference="4711"), "Order 4711 waits there."), "Order 4711 waits there."),
        (Found(Issued(b"nonsense", (), "4711"), "Order 4711."), "cannot be read"),
    ],
)
def test_what_waits_at_the_ca_or_cannot_be_read_is_said_and_looked_for_again(desk, left, answer, text):
    searched(desk, left, answer)
    assert (left.state, left.ca_reference, left.due_at) == ("waiting", "4711", desk.now + LAG + LOOKS[1])
    assert text in left.text
    for _ in LOOKS[1:]:
        searched(desk, left, answer)
    assert (left.state, left.due_at) == ("waiting", None)


def test_a_search_that_fails_counts_as_none_and_says_why(desk, left):
    keep(desk, left, Failed("Unreachable", "Nobody answered."))
    assert (left.state, left.looks, left.text) == ("watched", 0, "Nobody answered.")
    assert (left.looked_at, left.due_at) == (desk.now, desk.now)
    desk.now += LOOKS[-1]
    keep(desk, left, Failed("Bug", "There is no search."))
    assert (left.state, left.due_at) == ("unseen", None)
    assert "not searched for any more" in left.order.events.order_by("id").last().text


def test_one_search_at_a_time_for_each_ca(desk, left):
    other = desk.order("queued", again=1, fence=None)
    EarlierCall.objects.create(
        id=new_id(desk.now), order=other, number=0, decided_at=desk.now, due_at=desk.now + timedelta(seconds=1)
    )
    watching.ask_earlier(desk.now + timedelta(seconds=1), {})
    assert Call.objects.get().field == str(left.pk)


# An answer that came after its worker had been given up for lost --------------------------------------


def test_a_late_certificate_settles_the_call_that_it_is_about(desk):
    order = desk.order("outcome_unknown", fence=None, due_at=None)
    late = desk.job(order, Kind.SUBMIT, late=True)
    after = desk.record((late, GOOD))[0]
    assert (after.state, after.due_at, after.fence) == ("issued", None, None)
    event = after.events.order_by("id").last()
    assert (event.kind, event.text) == ("order.settled", "The answer came after its worker had been given up for lost.")
    assert Certificate.objects.get().order_id == order.pk
    assert desk.record((late, GOOD))[0].state == "issued"
    assert Certificate.objects.count() == 1


def test_a_late_number_settles_it_too_also_while_somebody_searches(desk):
    order = desk.order("outcome_unknown", fence=UUID(int=8))
    pending = Waiting(Pending({"v": 1}, reference="4711"))
    after = desk.record((desk.job(order, Kind.SUBMIT, late=True), pending))[0]
    assert (after.state, after.ca_reference) == ("pending", "4711")


@pytest.mark.parametrize(
    ("came", "state"), [(GOOD, "issued"), (Waiting(Pending({"v": 1}, reference="4711")), "pending")]
)
def test_an_order_that_was_to_be_sent_again_is_not_sent_when_its_answer_comes_after_all(desk, came, state):
    order = desk.order("queued", fence=None, bound=True, due_at=desk.now)
    after = desk.record((desk.job(order, Kind.SUBMIT, late=True), came))[0]
    assert after.state == state
    kinds = list(after.events.order_by("id").values_list("kind", flat=True))
    assert kinds[-2:] == ["order.answered_late", "order.settled"]


def test_what_came_late_and_cannot_be_taken_has_the_ca_searched_instead_of_asked_again(desk):
    order = desk.order("queued", fence=None, bound=True, due_at=desk.now)
    after = desk.record((desk.job(order, Kind.SUBMIT, late=True), Bad(("Another key.",))))[0]
    assert (after.state, after.due_at) == ("outcome_unknown", desk.now)


def test_what_a_person_was_to_accept_came_of_nothing_that_was_sent(desk):
    order = desk.order("queued", fence=None, bound=True, poll_state={"confirmed": True})
    asks = Waiting(Pending({"v": 1}, kind=PendingKind.CONFIRMATION, text="A deposit is due."))
    after = desk.record((desk.job(order, Kind.SUBMIT, late=True), asks))[0]
    assert (after.state, after.poll_state) == ("queued", {"confirmed": True})


@pytest.mark.parametrize(
    ("dedup", "listed"), [(Dedup.NONE, True), (Dedup.ISSUES_LATER, True), (Dedup.RETURN_ORIGINAL, False)]
)
def test_a_certificate_that_comes_while_its_order_is_sent_again_is_told_of_where_the_ca_makes_another(
    desk, monkeypatch, dedup, listed
):
    about = watching.descriptor_of("digicert", desk.connector.current_id)
    other = replace(about, facts=replace(about.facts, dedup=dedup))
    monkeypatch.setattr(watching, "descriptor_of", lambda *_: other)
    order = desk.order("submitting", fence=UUID(int=8))
    after = desk.record((desk.job(order, Kind.SUBMIT, late=True), GOOD))[0]
    told = order.events.filter(kind="order.came_late")
    assert (after.state, after.fence, told.count()) == ("submitting", UUID(int=8), int(listed))
    # It may be the one that this order gets in the end, so nobody is offered to revoke it.
    assert not Finding.objects.exists()


def test_what_could_not_be_taken_is_sent_again_where_the_ca_gives_the_original_back_and_is_a_persons_without_a_search(
    desk, monkeypatch
):
    about = record.descriptor_of("digicert", desk.connector.current_id)
    for dedup, state in ((Dedup.RETURN_ORIGINAL, "queued"), (Dedup.NONE, "outcome_unknown")):
        other = replace(about, facts=replace(about.facts, dedup=dedup), powers=about.powers - {"finds"})
        monkeypatch.setattr(record, "descriptor_of", lambda *_, other=other: other)
        order = desk.order("queued", fence=None, bound=True, due_at=desk.now)
        after = desk.record((desk.job(order, Kind.SUBMIT, late=True), Bad(("Another key.",))))[0]
        assert (after.state, after.due_at) == (state, desk.now if state == "queued" else None)


def test_what_came_twice_at_once_is_stored_and_not_listed(desk):
    order = desk.order()
    current = desk.job(order, Kind.SUBMIT)
    desk.record((replace(current, fence=UUID(int=8)), GOOD), (current, GOOD))
    assert (Certificate.objects.count(), Finding.objects.count()) == (1, 0)
    assert not order.events.filter(kind="order.came_late").exists()


def test_a_second_certificate_of_an_order_that_has_one_is_listed(desk):
    order = desk.order()
    submitted, second = desk.job(order, Kind.SUBMIT), good(leaf())
    desk.record((submitted, GOOD))
    desk.record((submitted, GOOD))
    assert not Finding.objects.exists()
    after = desk.record((submitted, second))[0]
    assert (after.state, Finding.objects.get().serial) == ("issued", second.facts.serial)


@pytest.mark.parametrize("other", [{"again": 1}, {"bound": False}])
def test_a_late_answer_holds_no_order_that_was_never_sent_like_that(desk, other):
    order = desk.order("queued", **{"fence": None, "bound": True, **other})
    late = desk.job(order, Kind.SUBMIT, late=True)
    late = replace(late, asked=replace(late.asked, again=0))
    assert desk.record((late, GOOD))[0].state == "queued"


@pytest.mark.parametrize("result", [Failed("Unreachable", "x"), Stopped(), Missing("x")])
def test_nothing_else_that_comes_late_changes_anything(desk, result):
    order = desk.order("outcome_unknown", fence=None)
    after = desk.record((desk.job(order, Kind.SUBMIT, late=True), result))[0]
    assert (after.state, after.fence) == ("outcome_unknown", None)


def test_a_late_certificate_of_a_call_that_was_left_behind_is_listed(desk, left):
    late = desk.job(Order.objects.get(pk=left.order_id), Kind.SUBMIT, late=True)
    desk.record((late, Waiting(Pending({"v": 1}, reference="4711"))))
    left.refresh_from_db()
    assert (left.state, left.ca_reference) == ("waiting", "4711")
    for _ in range(2):
        desk.record((late, GOOD))
        left.refresh_from_db()
        assert (left.state, left.finding) == ("found", Finding.objects.get())
    assert Order.objects.get(pk=left.order_id).state == "queued"
    left.delete()
    desk.record((late, GOOD))
    assert not Certificate.objects.exists()


@pytest.mark.parametrize("odd", [None, Issued(DER), Found(None, "?")])
def test_what_is_no_answer_is_a_bug_of_the_authority(desk, left, odd):
    with pytest.raises(TypeError):
        told(odd)


def test_an_order_that_is_gone_is_no_reason_to_fail(desk, left):
    made = call(desk, left)
    left.delete()
    watching.keep(made, Answered({"absent": ""}), desk.now)
    assert watching.about(made) == {}


def test_the_call_itself_is_recorded_as_done(desk, left):
    with transaction.atomic():
        watching.ask_earlier(desk.now, {})
    made = Call.objects.get()
    fenced = Call.objects.filter(pk=made.pk)
    fenced.update(fence=FENCE, state=CallState.RUNNING)
    extra = {"kind": "earlier"}
    done = job(Kind.CALL, extra=extra, row=made.pk, connector=desk.connector.pk, authority="digicert")
    desk.record((done, told(FOUND)))
    made.refresh_from_db()
    assert (made.state, made.result) == ("done", {})


def test_a_list_that_does_not_show_it_yet_does_not_close_it_and_one_that_shows_it_takes_it_over(desk, left):
    searched(desk, left, FOUND)
    about = {"connector": desk.connector, "version_id": desk.connector.current_id, "created_at": desk.now}
    where = {"team_id": left.order.team_id, "environment_id": left.order.environment_id}
    pull = Pull.objects.create(state=PullState.COMPARING, asked_by="ada", **about, **where)
    pulls.compare(pull, desk.now)
    assert Finding.objects.get().state == Decision.OPEN


def test_a_certificate_of_the_search_keeps_its_words_fit_to_be_stored():
    mended = fit(Fetched(GOOD.facts, (), "47\x0011", "Found\x00 it."))
    assert (mended.reference, mended.evidence) == (
        "47\N{REPLACEMENT CHARACTER}11",
        "Found\N{REPLACEMENT CHARACTER} it.",
    )


def test_a_seat_knows_the_order_as_it_was_asked_for_then(desk, left):
    given = watching.about(call(desk, left))["asked"]
    assert (given.id, given.again, given.intended_at) == (left.order_id, 0, left.intended_at)
    assert work.request_of(asked(id=left.order_id, again=1), Toy()).reference == call_reference(left.order_id, 1)


def test_a_certificate_that_comes_for_an_order_given_up_meanwhile_is_listed_and_told_of(cast, desk):
    """The search was at the CA when its lease ran out, and somebody gave the order up."""
    order = desk.order("outcome_unknown", fence=FENCE)
    search = desk.job(order, Kind.SETTLE)
    orders.give_up(cast.ada, order.pk, "It will not come.")
    desk.record((search, Missing("Searched.")))
    assert not Finding.objects.exists()
    for _ in range(2):
        after = desk.record((search, GOOD))[0]
    finding = Finding.objects.get()
    assert (after.state, finding.kind, finding.state, bytes(finding.der)) == (
        "failed",
        "at_ca_only",
        "open",
        GOOD.facts.der,
    )
    assert "which was failed when the CA's answer came" in finding.text
    event = order.events.order_by("id").last()
    assert (event.kind, GOOD.facts.serial in event.text) == ("order.came_late", True)
    inventory.adopt(cast.ada, finding.pk)
    lines = order.events.count()
    desk.record((search, GOOD))
    assert (Finding.objects.filter(state="open").count(), order.events.count()) == (0, lines)


def test_a_cancellation_is_not_put_off_by_the_look_that_was_under_way(cast, desk):
    order = desk.order("pending", fence=FENCE, lease_until=desk.now + timedelta(seconds=30))
    look = desk.job(order, Kind.POLL)
    orders.cancel(cast.ada, order.pk)
    asked_at = Order.objects.get(pk=order.pk).due_at
    after = desk.record((look, Waiting(Pending({"v": 2}, next_check=timedelta(hours=1)))))[0]
    assert (after.cancel_requested, after.due_at) == (True, asked_at)
