"""Every certificate gets one plan, by its profile and by what its CA says."""

from datetime import timedelta
from uuid import UUID

import pytest

from chancery.apps.certificates.models import Certificate
from chancery.apps.certificates.tests.conftest import NOW
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.apps.profiles.models import Profile
from chancery.apps.renewals import planning
from chancery.apps.renewals.models import Plan
from chancery.core.ids import first_of, new_id
from chancery.core.renewal import renew_at

pytestmark = pytest.mark.django_db
HINT = {
    "start": (NOW + timedelta(days=10)).isoformat(),
    "end": (NOW + timedelta(days=12)).isoformat(),
    "explanation": "https://ca.example/why",
    "next_look": 3600.0,
}


def plan(row):
    return Plan.objects.get(pk=row.pk)


def test_a_certificate_is_planned_once_by_its_profiles_share(issued):
    row = issued()
    state = planning.cover(NOW, {})
    found = plan(row)
    assert (found.state, found.connector_id, found.team_id) == ("planned", row.connector_id, row.team_id)
    assert found.due_at == renew_at(row.not_before, row.not_after, 0.67, str(row.pk))
    assert UUID(state["after"]) == first_of(NOW - timedelta(minutes=10))
    planning.cover(NOW, state)
    assert Plan.objects.count() == 1


def test_an_expired_certificate_needs_no_plan(issued):
    issued(not_after=NOW)
    planning.cover(NOW, {})
    assert not Plan.objects.exists()


@pytest.mark.parametrize("missing", ["profile_id", "connector_id"])
def test_what_was_imported_and_cannot_be_renewed_has_no_plan(issued, missing):
    issued(**{missing: None})
    planning.cover(NOW, {})
    assert not Plan.objects.exists()


def test_what_was_stored_late_is_found_by_looking_back(issued):
    state = planning.cover(NOW, {})
    row = issued(id=new_id(NOW - timedelta(minutes=5)))
    planning.cover(NOW, state)
    assert plan(row)


def test_many_are_planned_some_at_a_time(issued, monkeypatch):
    monkeypatch.setattr(planning, "_AT_ONCE", 2)
    rows = [issued(id=new_id(NOW - timedelta(days=3 - n))) for n in range(3)]
    state = planning.cover(NOW, {})
    assert state == {"after": str(rows[1].pk)}
    planning.cover(NOW, state)
    assert Plan.objects.count() == 3


def test_what_a_clock_that_is_behind_or_ahead_has_named_is_found_by_the_sweep(issued, monkeypatch):
    monkeypatch.setattr(planning, "_AT_ONCE", 2)
    behind = issued(id=new_id(NOW - timedelta(days=3)))
    others = [issued(id=new_id(NOW - timedelta(days=2 - n))) for n in range(2)]
    state = {"after": str(first_of(NOW + timedelta(days=900)))}
    for swept in (others[0].pk, others[1].pk, UUID(int=0)):
        state = planning.cover(NOW, state)
        assert UUID(state["swept"]) == swept
    assert plan(behind)
    assert Plan.objects.count() == 3


def test_a_changed_profile_plans_anew_in_batches(planned, issued, policy, monkeypatch):
    first, second = planned("notice"), issued()
    planning.cover(NOW, {})
    monkeypatch.setattr(planning, "_AT_ONCE", 1)
    policy("same_key", share=50)
    planning.recover(NOW, {})
    for row in (first, second):
        found = plan(row)
        assert found.due_at == renew_at(found.certificate.not_before, found.certificate.not_after, 0.5, str(row.pk))
    policy("off")
    planning.recover(NOW, {})
    planning.recover(NOW, {})
    assert set(Plan.objects.values_list("state", "due_at")) == {("off", None)}


def test_what_is_ordered_or_over_keeps_its_state(planned, policy):
    row = planned()
    Plan.objects.update(state="ordered", due_at=None)
    policy("off")
    found = plan(row)
    assert (found.state, found.revision) == ("ordered", Profile.objects.get(name="Internal").revision)


def test_only_a_ca_that_says_when_is_asked(issued, monkeypatch):
    plain = issued()
    planning.cover(NOW, {})
    assert plan(plain).ask_at is None
    monkeypatch.setattr(planning, "advises", lambda row: True)
    row = issued()
    planning.cover(NOW, {})
    assert plan(row).ask_at == NOW
    assert [p.pk for p in planning.to_ask(NOW, 5)] == [row.pk]
    assert planning.to_ask(NOW, 5) == []
    assert plan(row).ask_at == NOW + timedelta(hours=6)
    Plan.objects.filter(pk=row.pk).update(ask_at=NOW, state="off")
    assert planning.to_ask(NOW, 5) == []
    assert plan(row).ask_at == NOW + timedelta(hours=6)
    Plan.objects.filter(pk=row.pk).update(ask_at=NOW, state="replaced")
    assert planning.to_ask(NOW, 5) == []
    assert plan(row).ask_at is None


def test_whether_a_ca_says_when_is_its_authoritys_power(issued):
    row = issued().connector
    assert planning.advises(row) is False
    row.authority = "acme"
    assert planning.advises(row) is True
    row.deleted_at = NOW
    assert planning.advises(row) is False
    row.deleted_at, row.authority = None, "gone"
    assert planning.advises(row) is False


def test_nobody_asks_for_what_has_expired_or_whose_connector_is_gone(issued, monkeypatch):
    monkeypatch.setattr(planning, "advises", lambda row: True)
    row = issued()
    planning.cover(NOW, {})
    assert planning.to_ask(NOW + timedelta(days=100), 5) == []
    assert plan(row).ask_at is None
    Plan.objects.update(ask_at=NOW)
    Connector.objects.update(deleted_at=NOW)
    assert planning.to_ask(NOW, 5) == []


def test_the_window_of_the_ca_goes_before_the_share(planned):
    row = planned()
    planning.hinted(str(row.pk), HINT, NOW)
    found = plan(row)
    assert NOW + timedelta(days=10) <= found.due_at <= NOW + timedelta(days=12)
    assert (found.hint_url, found.hint_at, found.ask_at) == (HINT["explanation"], NOW, NOW + timedelta(hours=1))


@pytest.mark.parametrize("generation", ["first", "successor"])
def test_a_ca_whose_windows_are_always_over_has_no_successor_replaced_at_once(planned, issued, generation):
    """Its first certificate is replaced as the CA wants it; what came instead is kept for half a day."""
    row = planned()
    if generation == "successor":
        Order.objects.filter(pk=row.certificate.order_id).update(replaces=issued("b.example.com"))
    over = {**HINT, "start": (NOW - timedelta(days=2)).isoformat(), "end": (NOW - timedelta(days=1)).isoformat()}
    planning.hinted(str(row.pk), over, NOW)
    due = plan(row).due_at
    assert due < NOW if generation == "first" else due == NOW + timedelta(hours=12)


def test_a_window_beyond_the_end_is_cut_to_it(planned):
    row = planned()
    late = {**HINT, "start": (NOW + timedelta(days=800)).isoformat(), "end": (NOW + timedelta(days=801)).isoformat()}
    planning.hinted(str(row.pk), late, NOW)
    assert plan(row).due_at == row.certificate.not_after


def test_no_answer_and_an_answer_about_what_is_ordered_change_no_date(planned):
    row = planned()
    planning.hinted(str(row.pk), None, NOW)
    planning.hinted(str(UUID(int=1)), HINT, NOW)
    assert plan(row).due_at == row.due_at
    Plan.objects.update(state="ordered", due_at=None)
    planning.hinted(str(row.pk), HINT, NOW)
    assert (plan(row).state, plan(row).due_at) == ("ordered", None)


def test_a_revoked_certificate_is_not_renewed(planned):
    row = planned()
    planning.revoked(row.pk)
    assert (plan(row).state, plan(row).due_at) == ("ended", None)
    Plan.objects.update(state="ordered")
    planning.revoked(row.pk)
    assert plan(row).state == "ordered"


def test_a_plan_goes_with_its_certificate(planned):
    row = planned()
    Certificate.objects.filter(pk=row.pk).delete()
    assert not Plan.objects.exists()
