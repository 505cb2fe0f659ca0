"""Webhooks: made, changed over, told in order and at least once, and switched off when nobody answers for days."""

import json
from datetime import timedelta

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts.models import Environment
from chancery.apps.audit import sequencer
from chancery.apps.audit.models import Entry
from chancery.apps.certificates import keys, reporting
from chancery.apps.certificates.tests.conftest import NOW, clock  # noqa: F401  fixture
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.webhooks import actions, following, queries
from chancery.apps.webhooks.models import Webhook
from chancery.core import webhook
from chancery.core.errors import Absent, Conflict, Invalid, NotPermitted
from tests.cast import request_pem

pytestmark = pytest.mark.django_db
VALUES = {"name": "Tickets", "team": "Operations", "url": "https://tickets.example.com/hook"}


@pytest.fixture
def made(cast, local, clock):
    sequencer.sequence()
    return actions.create(cast.ada, VALUES)


def told(row, at=NOW, sent=None, error=""):
    """Have a webhook told once, as a worker does; returns the names and what was taken."""
    sequencer.sequence()
    found = following.batch(row, at)
    following.record(found, len(found.messages) if sent is None else sent, error, at)
    return found


def claimed(at=NOW):
    sequencer.sequence()
    Webhook.objects.update(due_at=at)
    return following.claim(at)


def names(found):
    import json

    return [json.loads(m.body)["type"] for m in found.messages]


def test_what_happened_before_is_not_told_and_what_happens_then_is_in_order(cast, made):
    row, secret = made
    assert secret.reveal().startswith("whsec_")
    assert secret.reveal() not in str(row.sealed)
    assert str(row) == "Tickets"
    order = place(cast.rob, PlaceOrder("Internal", request_pem("www.example.com")))
    found = told(claimed())
    assert names(found) == ["order.place"] or names(found) == [f"order.{order.state}"]
    assert found.messages[0].ident == str(Entry.objects.get(action="orders.place").pk)
    row.refresh_from_db()
    assert (row.last_sent_at, row.failures, row.due_at) == (NOW, 0, NOW + following.PAUSE)
    assert told(claimed()).messages == []


def test_what_was_not_taken_is_sent_again_with_the_same_id_and_nothing_overtakes_it(cast, made):
    for name in "abc":
        place(cast.rob, PlaceOrder("Internal", request_pem(f"{name}.example.com")))
    first = told(claimed(), sent=1, error="It answered 500.")
    row = queries.get(cast.ada, "Tickets")
    assert (row.failures, row.last_error, row.due_at) == (1, "It answered 500.", NOW + timedelta(seconds=10))
    assert following.claim(NOW + timedelta(seconds=9)) is None
    again = told(claimed())
    assert [m.ident for m in again.messages] == [m.ident for m in first.messages[1:]]


def test_only_what_was_asked_for_of_the_team_and_its_environment(cast, made, monkeypatch):
    row, _ = made
    monkeypatch.setattr(following, "_CHUNK", 1)
    place(cast.rob, PlaceOrder("Internal", request_pem("www.example.com")))
    profiles.edit(cast.ada, str(Profile.objects.get(name="Internal").pk), 1, edited())
    actions.edit(cast.ada, row.pk, 1, {**VALUES, "events": ["profile.*"]})
    assert names(told(claimed())) == ["profile.edit"]
    actions.edit(cast.ada, row.pk, 2, {**VALUES, "environment": "Production"})
    Webhook.objects.update(position=0)
    here = names(told(claimed()))
    assert any(name.startswith("order.") for name in here)
    assert "webhook.create" not in here
    people.create_environment(cast.ada, "Test")
    actions.edit(cast.ada, row.pk, 3, {**VALUES, "environment": "Test"})
    Webhook.objects.update(position=0)
    assert names(told(claimed())) == []


def edited():
    row = Profile.objects.get(name="Internal")
    kept = ("name", "validity_days", "validity_days_max", "max_names", "name_kinds")
    return {n: getattr(row, n) for n in kept} | {"connector": str(row.pool.members.first().connector_id), "product": {}}


def test_a_long_record_is_told_in_parts(cast, made, monkeypatch):
    monkeypatch.setattr(following, "_AT_ONCE", 2)
    for name in "abc":
        place(cast.rob, PlaceOrder("Internal", request_pem(f"{name}.example.com")))
    found = told(claimed())
    assert (len(found.messages), found.more) == (2, True)
    assert Webhook.objects.get().due_at == NOW
    assert len(told(claimed()).messages) == 1


def test_one_worker_at_a_time_and_a_late_one_records_nothing(made):
    row = claimed()
    assert following.claim(NOW) is None
    late = following.batch(row, NOW)
    taken = following.claim(NOW + following.LEASE)
    assert taken is not None
    following.record(late, 0, "It answered 500.", NOW)
    assert Webhook.objects.get().failures == 0
    Webhook.objects.all().delete()
    following.record(late, 0, "", NOW)


def test_one_that_does_not_answer_for_days_is_switched_off(cast, made):
    place(cast.rob, PlaceOrder("Internal", request_pem("www.example.com")))
    told(claimed(), sent=0, error="It answered 500.")
    told(claimed(), at=NOW + timedelta(days=5, seconds=1), sent=0, error="It answered 503.")
    row = Webhook.objects.get()
    assert (row.is_active, row.due_at) == (False, None)
    assert row.last_error == "Switched off after 5 days without an answer; last: It answered 503."
    actions.edit(cast.ada, row.pk, 1, VALUES)
    assert len(told(claimed()).messages) == 1


def test_a_test_goes_first_and_is_tried_once(cast, made):
    row = actions.test(cast.ada, "Tickets")
    place(cast.rob, PlaceOrder("Internal", request_pem("www.example.com")))
    assert names(told(claimed(), sent=0, error="It answered 404."))[0] == webhook.TEST
    row.refresh_from_db()
    assert (row.test_asked_at, row.tested_at, row.failures) == (None, None, 1)
    actions.test(cast.ada, row.pk)
    assert len(told(claimed()).messages) == 2
    row.refresh_from_db()
    assert (row.tested_at, row.failures) == (NOW, 0)
    actions.edit(cast.ada, row.pk, 1, {**VALUES, "is_active": False})
    with pytest.raises(Conflict, match="switched off"):
        actions.test(cast.ada, row.pk)
    found = following.batch(Webhook.objects.get(), NOW)
    Webhook.objects.update(fence=found.fence)
    following.record(found, 0, "late", NOW)
    assert Webhook.objects.get().due_at is None


def test_secrets_are_changed_over_within_a_day(cast, made):
    row, old = made
    row, new = actions.rotate(cast.ada, row.pk)
    assert [s.reveal() for s in following.secrets(row, NOW)] == [new.reveal(), old.reveal()]
    assert [s.reveal() for s in following.secrets(row, NOW + actions.GRACE)] == [new.reveal()]


def test_a_secret_that_was_rotated_twice_counts_for_its_own_day(cast, made, clock):
    row, first = made
    _, lost = actions.rotate(cast.ada, row.pk)
    clock.advance(timedelta(hours=1))
    row, new = actions.rotate(cast.ada, row.pk)
    later = NOW + timedelta(hours=1)
    assert [s.reveal() for s in following.secrets(row, later)] == [new.reveal(), lost.reveal(), first.reveal()]
    assert [s.reveal() for s in following.secrets(row, NOW + actions.GRACE)] == [new.reveal(), lost.reveal()]
    assert [s.reveal() for s in following.secrets(row, later + actions.GRACE)] == [new.reveal()]
    clock.advance(timedelta(days=2))
    row, _ = actions.rotate(cast.ada, row.pk)
    assert set(row.sealed) == {"present", "former"}


def test_at_most_eight_secrets_count(cast, made):
    row, first = made
    for _ in range(7):
        row, _ = actions.rotate(cast.ada, row.pk)
    assert len(following.secrets(row, NOW)) == 8
    assert following.secrets(row, NOW)[-1].reveal() == first.reveal()
    with pytest.raises(Conflict, match="8 secrets that count already") as caught:
        actions.rotate(cast.ada, row.pk)
    assert caught.value.remedy.startswith("Wait for the end of the oldest")
    assert Webhook.objects.get().sealed == row.sealed


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"url": "http://tickets.example.com/"}, "url"),
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"url": "https://10.1.2.3/"}, "url"),
        ({"url": "https://u:p@tickets.example.com/"}, "url"),
        ({"events": ["user.created"]}, "events"),
        ({"allowed_networks": ["10.1.2.3/8"]}, "allowed_networks"),
        ({"name": ""}, "name"),
        ({"name": "TICKETS"}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_used_is_refused_by_field(cast, made, changed, field):
    with pytest.raises(Invalid) as caught:
        actions.create(cast.ada, {**VALUES, "name": "Other", **changed})
    (problem,) = caught.value.problems
    assert problem.field == field
    assert problem.remedy


def test_who_may_and_who_comes_second(cast, made):
    row, _ = made
    with pytest.raises(NotPermitted):
        actions.create(cast.rob, VALUES)
    with pytest.raises(NotPermitted):
        queries.get(cast.rob, row.pk)
    with pytest.raises(Absent):
        queries.get(cast.ada, "Nobody")
    with pytest.raises(Absent):
        queries.get(cast.ada, "\x00")
    with pytest.raises(Conflict, match="while you were editing"):
        actions.edit(cast.ada, row.pk, 7, VALUES)
    assert [w.name for w in queries.listing(cast.ada, search="tick").items] == ["Tickets"]
    assert queries.listing(cast.ada, search="x").items == []
    actions.delete(cast.ada, row.pk)
    assert queries.listing(cast.ada).items == []


def test_another_worker_was_faster(made, monkeypatch):
    Webhook.objects.update(due_at=NOW)
    row = Webhook.objects.get()
    row.fence = row.pk
    monkeypatch.setattr(Webhook.objects, "filter", lambda *a, **k: Stale(row, Webhook.objects.all().filter(*a, **k)))
    assert following.claim(NOW) is None


class Stale:
    """What was read before another worker wrote."""

    def __init__(self, row, rows):
        self.row, self.rows = row, rows

    def order_by(self, *names):
        return self

    def first(self):
        return self.row

    def update(self, **columns):
        return self.rows.update(**columns)


def test_what_has_no_table_is_of_no_environment(cast, made):
    row, _ = made
    Webhook.objects.update(environment=Environment.objects.first())
    row.refresh_from_db()
    entries = [Entry(target_kind="weather", target_id="1"), Entry(target_kind="team", target_id="1")]
    assert following._within(row, entries) == set()


def test_a_program_hears_what_is_decided_about_a_report_of_a_key(cast, made, local, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://chancery.example.com"]
    row, _ = keys.record("7" * 64, local, "ada", NOW, for_everybody=False)
    reporting.confirm(cast.ada, row.pk)
    reporting.withdraw(cast.ada, row.pk, "It was found.")
    said = [json.loads(message.body) for message in told(made[0]).messages]
    assert [one["type"] for one in said] == ["key_report.confirm", "key_report.withdraw"]
    assert {one["data"]["link"] for one in said} == {
        f"https://chancery.example.com/certificates/key-reports?key={'7' * 64}"
    }
