"""What is due is ordered once, or somebody is told why it cannot be."""

from datetime import timedelta

import pytest

from chancery.apps.bots import actions as bots
from chancery.apps.bots import targets
from chancery.apps.bots.models import Bot, Target
from chancery.apps.certificates import actions as certificates
from chancery.apps.certificates import keys, reporting
from chancery.apps.certificates.models import Certificate, KeyReport
from chancery.apps.certificates.tests.conftest import NOW
from chancery.apps.orders import actions as orders
from chancery.apps.orders.models import Order
from chancery.apps.profiles.models import Profile
from chancery.apps.renewals import actions, planning, renewing
from chancery.apps.renewals.models import Plan
from chancery.apps.shared.tests.looking import conflict, refused, said
from chancery.core.errors import NotPermitted
from tests.cast import request_pem

pytestmark = pytest.mark.django_db
DUE = NOW + timedelta(days=80)


@pytest.fixture
def due(clock):
    clock.jump(DUE)
    return DUE


def renew(row, now=DUE):
    renewing.renew(now, {})
    row.refresh_from_db()
    return row


def renewals(row):
    return list(Order.objects.filter(replaces=row.certificate).order_by("id"))


def test_what_is_due_is_ordered_with_the_same_request(planned, due):
    row = planned()
    before = bytes(row.certificate.order.csr)
    assert renew(row).state == "ordered"
    (order,) = renewals(row)
    assert (bytes(order.csr), order.requested_via, order.requested_by, row.order) == (before, "engine", None, order)
    assert order.deadline_at == row.certificate.not_after
    assert [(e["actor"]["how"], e["detail"]["replaces"]) for e in said("certificates.renew")] == [
        ("process", str(row.pk))
    ]
    assert renew(row).state == "ordered"
    assert len(renewals(row)) == 1


def test_whose_request_a_renewal_sends_does_not_approve_it(cast, planned, due):
    row = planned("notice")
    Profile.objects.update(needs_approval=True)
    actions.leave_request(cast.ada, row.pk, request_pem("a.example.com"))
    renew(row)
    (order,) = renewals(row)
    assert (order.state, order.caused_by) == ("awaiting_approval", [[cast.ada.user, "request"]])
    with pytest.raises(NotPermitted, match="left the request"):
        orders.approve(cast.ada, order.pk)
    assert orders.approve(cast.amy, order.pk).state == "queued"


def test_the_same_request_again_is_of_whoever_was_behind_the_first_order(cast, planned, due):
    row = planned()
    Order.objects.filter(pk=row.certificate.order_id).update(caused_by=[[cast.amy.user, "credential"]])
    first = row.certificate.order.requested_by_id
    renew(row)
    assert sorted(renewals(row)[0].caused_by) == sorted([[first, "repeated"], [cast.amy.user, "repeated"]])


def test_before_its_time_nothing_is_ordered(planned):
    row = planned()
    assert renew(row, NOW).state == "planned"
    assert renewals(row) == []


def test_a_replacement_that_was_issued_ends_the_plan(planned, due):
    row = renew(planned())
    Order.objects.filter(pk=row.order_id).update(state="issued")
    assert (renew(row).state, row.due_at) == ("replaced", None)


def test_a_rejected_renewal_is_tried_again_by_the_time_that_is_left(planned, due):
    row = renew(planned())
    Order.objects.filter(pk=row.order_id).update(state="rejected", reason="The CA has no room.")
    assert (renew(row).state, row.attempts) == ("retrying", 1)
    assert row.due_at == DUE + (row.certificate.not_after - DUE) / 8
    assert "The CA has no room." in row.text
    assert renew(row, row.due_at).state == "ordered"
    assert len(renewals(row)) == 2


@pytest.mark.parametrize(
    ("state", "reason"), [("cancelled", ""), ("denied", "Not this one."), ("failed", "Given up: nobody knows.")]
)
def test_what_a_person_ended_is_not_ordered_again_unasked(planned, due, state, reason):
    row = renew(planned())
    Order.objects.filter(pk=row.order_id).update(state=state, reason=reason)
    assert (renew(row).state, row.due_at) == ("waiting", None)
    assert reason in row.text
    assert len(renewals(row)) == 1


def test_a_renewal_that_somebody_ordered_is_followed(cast, planned, due):
    row = planned()
    order = certificates.renew(cast.rob, row.pk)
    assert (renew(row).state, row.order) == ("ordered", order)
    other = planned()
    made = certificates.renew(cast.rob, other.pk)
    orders.cancel(cast.rob, made.pk)
    assert renew(other).state == "ordered"
    assert len(renewals(other)) == 2


@pytest.mark.parametrize(
    ("renewal", "columns", "word"),
    [
        ("notice", {}, "does not use a key again"),
        ("same_key", {"order": None}, "not ordered here"),
    ],
)
def test_without_a_request_a_person_is_asked(planned, due, renewal, columns, word):
    row = renew(planned(renewal, **columns))
    assert (row.state, row.due_at) == ("waiting", None)
    assert word in row.text
    assert renewals(row) == []


@pytest.mark.parametrize("left", [False, True])
def test_a_reported_key_is_not_renewed_with_neither_the_old_request_nor_a_left_one(planned, due, left):
    row = planned("same_key" if not left else "notice")
    if left:
        Plan.objects.filter(pk=row.pk).update(csr=bytes(row.certificate.order.csr))
    keys.record(row.certificate.order.spki_sha256, row.certificate, "ada", NOW)
    row = renew(row)
    assert (row.state, row.due_at, row.csr) == ("waiting", None, None)
    assert row.text == "Its key was reported as compromised. Make a new key and send its request."
    assert renewals(row) == []


def test_a_renewal_that_waits_for_its_key_goes_on_once_the_report_is_withdrawn(cast, planned, due):
    row, other = planned(), planned(name="b.example.com", order=None)
    keys.record(row.certificate.spki_sha256, row.certificate, "ada", NOW)
    assert (renew(row).state, renew(other).state) == ("waiting", "waiting")
    reporting.withdraw(cast.ada, KeyReport.objects.get().pk, "It was found.")
    planning.recover(NOW, {})
    states = dict(Plan.objects.values_list("pk", "state"))
    assert (states[row.pk], states[other.pk]) == ("planned", "waiting")
    assert renew(Plan.objects.get(pk=row.pk)).state == "ordered"


def test_a_ca_that_wants_it_replaced_at_once_is_quoted(planned):
    row = planned("notice")
    hint = {"explanation": "https://ca.example/incident", "next_look": 60.0}
    past = {"start": (NOW - timedelta(days=2)).isoformat(), "end": (NOW - timedelta(days=1)).isoformat()}
    planning.hinted(str(row.pk), {**past, **hint}, NOW)
    assert "at once: https://ca.example/incident" in renew(row, NOW).text
    planning.hinted(str(row.pk), {**past, **hint, "explanation": ""}, NOW)
    Plan.objects.update(state="planned", due_at=NOW)
    assert renew(row, NOW).text.endswith("at once.")


@pytest.mark.parametrize(
    ("columns", "word"), [({"revocation": "requested"}, "revoked"), ({"not_after": DUE}, "expired before")]
)
def test_what_is_revoked_or_expired_is_over(planned, due, columns, word):
    row = renew(planned(**columns))
    assert (row.state, row.due_at) == ("ended", None)
    assert word in row.text


def test_a_deleted_profile_needs_a_person(planned, due):
    row = planned()
    Profile.objects.update(deleted_at=NOW)
    assert renew(row).state == "waiting"
    assert "profile was deleted" in row.text


def test_a_renewal_that_the_rules_refuse_is_told_and_tried_again(planned, due):
    row = planned()
    Profile.objects.filter(pk=row.profile_id).update(name_suffixes=["example.org"])
    assert (renew(row).state, row.attempts) == ("retrying", 1)
    assert "outside the domains" in row.text


# What a bot serves --------------------------------------------------------------------------------------


@pytest.fixture
def served(cast, planned):
    """Return the plan of a certificate that a bot serves; `columns` are its target's."""

    def make(**columns):
        row = planned()
        bot, _token = bots.create(cast.ada, "web-1", team="Operations", environment="Production")
        files = {"certificate": "/etc/nginx/a.pem", "key": "/etc/nginx/a.key"}
        values = {"name": "www", "kind": "nginx", "profile": "Internal", "names": ["a.example.com"], "settings": files}
        target = targets.add(cast.ada, bot.pk, values)
        Target.objects.filter(pk=target.pk).update(certificate=row.pk, **columns)
        return row

    return make


def test_what_a_bot_serves_is_left_to_it(served, due):
    later = DUE + timedelta(days=2)
    row = renew(served(due_at=later))
    assert (row.state, row.text, row.due_at) == (
        "planned",
        "The bot web-1 renews it.",
        later + timedelta(hours=1),
    )
    assert renewals(row) == []
    assert Target.objects.get().due_at == later


def test_a_bot_follows_the_window_of_the_ca(served, due):
    row = served(due_at=DUE + timedelta(days=2))
    Plan.objects.update(hint_start=DUE, hint_end=DUE)
    assert renew(row).due_at == DUE + timedelta(hours=1)
    assert Target.objects.get().due_at == DUE


def test_a_bot_that_does_not_renew_is_told_of(served, due):
    row = renew(served(problem="nginx does not start."))
    assert (row.state, row.attempts) == ("retrying", 1)
    assert "the bot web-1 to renew, which does not now. nginx does not start." in row.text
    Target.objects.update(problem="", due_at=DUE)
    Bot.objects.update(stopped_at=NOW)
    assert "It is stopped." in renew(row, row.due_at).text
    assert renewals(row) == []


def test_a_request_that_was_left_goes_before_a_bot(cast, served, due):
    row = served(due_at=DUE + timedelta(days=2))
    actions.leave_request(cast.rob, row.pk, request_pem.__wrapped__("a.example.com"))
    assert renew(row).state == "ordered"


# A request that was left --------------------------------------------------------------------------------


def test_a_request_that_was_left_renews_it_when_it_is_due(cast, planned, due):
    row = planned("notice")
    fresh = request_pem.__wrapped__("a.example.com")
    made = actions.leave_request(cast.rob, row.pk, fresh)
    assert (made.csr_by, made.csr_at, made.state) == ("rob", DUE, "planned")
    assert said("certificates.leave_request")[0]["changed"] == ["next_request"]
    assert renew(row).state == "ordered"
    (order,) = renewals(row)
    assert bytes(order.csr) != bytes(row.certificate.order.csr)
    assert row.csr is None


def test_a_request_that_is_left_wakes_a_renewal_that_waited_for_it(cast, planned, due):
    row = renew(planned("notice"))
    assert row.state == "waiting"
    actions.leave_request(cast.rob, row.pk, request_pem.__wrapped__("a.example.com"))
    assert renew(row).state == "ordered"


def test_a_request_can_be_taken_back(cast, planned):
    row = planned("notice")
    actions.leave_request(cast.rob, row.pk, request_pem.__wrapped__("a.example.com"))
    assert actions.leave_request(cast.rob, row.pk, " ").csr is None


def test_a_request_for_other_names_is_refused(cast, planned):
    row = planned()
    with refused("csr"):
        actions.leave_request(cast.rob, row.pk, request_pem("b.example.com"))


def test_what_is_ordered_or_has_no_plan_takes_no_request(cast, planned, issued, due):
    ordered, fresh = renew(planned()), issued()
    for row in (ordered, fresh):
        with conflict("not_planned"):
            actions.leave_request(cast.rob, row.pk, request_pem("a.example.com"))


def test_a_clock_that_was_ahead_ends_no_renewal_for_good(planned, clock, monkeypatch):
    """What it ended as expired goes on once it is put right, also on an installation that did not write down how late it was."""
    rows = [planned() for _ in range(2)]
    gone = planned()
    Certificate.objects.filter(pk=gone.pk).update(revocation="confirmed", revoked_at=NOW)
    ahead = NOW + timedelta(days=400)
    state = renewing.renew(ahead, {"until": NOW.isoformat()})
    assert set(Plan.objects.values_list("state", flat=True)) == {"ended"}
    assert state["until"] == ahead.isoformat()
    monkeypatch.setattr(renewing, "_FOLLOWED", 1)
    for begun in (state, {}):
        kept = dict(begun)
        Plan.objects.update(state="ended", due_at=None)
        for left in (1, 0, 0):
            kept |= renewing.renew(NOW, kept)
            assert Plan.objects.filter(state="ended").exclude(pk=gone.pk).count() == left
        assert kept["until"] == NOW.isoformat()
        for row in rows:
            row.refresh_from_db()
            assert (row.state, row.text) == ("planned", "")
            assert NOW < row.due_at < row.certificate.not_after
    assert Plan.objects.get(pk=gone.pk).state == "ended"


def test_the_ca_is_asked_for_its_window_again_then(planned, monkeypatch):
    row = planned()
    renewing.renew(NOW + timedelta(days=400), {})
    monkeypatch.setattr(renewing, "advises", lambda connector: True)
    renewing.renew(NOW, {})
    row.refresh_from_db()
    assert (row.state, row.ask_at) == ("planned", NOW)
