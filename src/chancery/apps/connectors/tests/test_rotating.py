"""A credential is rotated in steps, none of which an interruption or an edit in between can turn into a loss."""

from datetime import timedelta

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.audit.models import Entry
from chancery.apps.audit.queries import content
from chancery.apps.connectors import actions, credentials, queries, rekeying, ring, rotating, sealing
from chancery.apps.connectors.models import Call, CallState, Connector, ConnectorVersion, CredentialChange
from chancery.apps.connectors.versions import unsealed_change, unsealed_version
from chancery.apps.shared.action import current_clock
from chancery.core.errors import Absent, Conflict, Invalid, NotPermitted
from tests.cast import PASSWORD, digicert_values

pytestmark = pytest.mark.django_db
OLD, NEW = "the-old-api-key", "the-new-api-key"


@pytest.fixture
def made(cast, simulator):
    return actions.create(cast.ada, "digicert", digicert_values(simulator, api_key=OLD))


@pytest.fixture
def desk(cast, made):
    return Desk(cast.ada, made)


class Desk:
    """One connector, and somebody who rotates its credential."""

    def __init__(self, actor, connector):
        self.actor, self.pk = actor, connector.pk

    def key(self):
        return unsealed_version(self.row().current)["api_key"].reveal()

    def row(self):
        return queries.get(self.actor, self.pk)

    def change(self):
        return credentials.credential(self.row()).change

    def stage(self, **more):
        return rotating.stage(self.actor, self.pk, {"api_key": NEW}, **more)

    def tested(self, level="ok"):
        call = rotating.test_staged(self.actor, self.pk)
        finding = {"stage": "login", "level": level, "message": "m", "remedy": "r", "code": "c", "evidence": ""}
        Call.objects.filter(pk=call.pk).update(
            state=CallState.DONE, finished_at=current_clock().now(), result={"findings": [finding]}
        )
        return call

    def switch(self, **more):
        return rotating.switch(self.actor, self.pk, **more)

    def answered(self, version, level="ok"):
        """A probe of a version, as a worker would have recorded it."""
        now = current_clock().now()
        finding = {"stage": "login", "level": level, "message": "", "remedy": "", "code": ""}
        Call.objects.create(
            kind="probe", state=CallState.DONE, connector_id=self.pk, version=version, authority="digicert", due_at=now,
            created_at=now, finished_at=now, asked_by="engine", result={"findings": [finding]},
        )  # fmt: skip


def test_the_whole_way(desk):
    now = current_clock().now()
    desk.stage(expires_on=(now + timedelta(days=200)).date())
    assert (desk.key(), desk.change().state) == (OLD, "staged")
    assert NEW not in str(desk.change().sealed)
    call = desk.tested()
    sealed = Call.objects.get(pk=call.pk).sealed["secrets"]["api_key"]
    assert sealing.unseal(sealed, table="call", record=str(call.pk), field="api_key").reveal() == NEW
    epoch = desk.row().epoch
    desk.switch(grace_days=3)
    assert (desk.key(), desk.row().epoch) == (NEW, epoch + 1)
    assert unsealed_change(desk.change())["api_key"].reveal() == OLD
    assert desk.row().current.tested_at is not None
    found = credentials.credential(desk.row())
    assert (found.days_left(now), (found.since - now).days) == (200, 0)
    rotating.tidy(current_clock().now())
    assert desk.change().confirmed_at is None, "the test was of the staged one, not a call with the one in force"
    desk.answered(desk.row().current, level="failed")
    rotating.tidy(current_clock().now())
    assert desk.change().confirmed_at is None
    desk.answered(desk.row().current)
    rotating.tidy(current_clock().now())
    rotating.tidy(current_clock().now())
    assert desk.change().confirmed_by == "probe"
    assert Entry.objects.filter(action="connectors.credential_confirmed", actor="engine").count() == 1
    assert credentials.reminders(desk.actor, now) == [(desk.row(), "revoke")]
    rotating.revoked(desk.actor, desk.pk)
    assert (desk.change(), credentials.reminders(desk.actor, now)) == (None, [])
    last = CredentialChange.objects.get()
    assert (last.outcome, last.sealed, last.ended_by) == ("revoked", {}, "ada")
    for entry in Entry.objects.filter(target_id=str(desk.pk)):
        assert NEW not in str(content(entry))
        assert OLD not in str(content(entry))


def test_an_order_that_the_ca_took_confirms_too(desk, cast):
    from chancery.apps.orders import place
    from chancery.apps.orders.models import Order
    from chancery.apps.profiles import actions as profiles
    from tests.cast import request_pem

    product = {"product": "ssl_basic", "organization_id": "112233"}
    profiles.create(cast.ada, {"name": "Public", "connector": desk.row().name, "product": product})
    desk.stage()
    desk.switch(untested="the CA has no test")
    order = place.place(cast.rob, place.PlaceOrder("Public", request_pem("a.example.com")))
    Order.objects.filter(pk=order.pk).update(state="pending", version=desk.row().current, connector_id=desk.pk)
    rotating.tidy(current_clock().now())
    assert desk.change().confirmed_by == "order"


def test_two_workers_confirm_once(desk, monkeypatch):
    desk.stage()
    desk.switch(untested="x")
    faster = CredentialChange.objects.all()
    monkeypatch.setattr(rotating, "_accepted", lambda _: faster.update(confirmed_at=current_clock().now()) and "probe")
    rotating.tidy(current_clock().now())
    assert not Entry.objects.filter(action="connectors.credential_confirmed").exists()


def test_nothing_is_switched_to_untested_without_a_reason(desk):
    desk.stage()
    with pytest.raises(Invalid, match="has not passed a test"):
        desk.switch()
    desk.tested("failed")
    with pytest.raises(Invalid, match="found faults"):
        desk.switch()
    assert desk.key() == OLD
    desk.switch(untested="the old one leaked")
    assert (desk.key(), desk.row().current.untested_reason) == (NEW, "the old one leaked")


def test_the_way_back_is_open_while_the_old_one_is_kept(desk):
    desk.stage()
    desk.switch(untested="x", grace_days=1)
    rotating.switch_back(desk.actor, desk.pk)
    assert (desk.key(), desk.change(), CredentialChange.objects.get().outcome) == (OLD, None, "switched_back")
    desk.stage()
    desk.switch(untested="x", grace_days=1)
    rotating.tidy(current_clock().now() + timedelta(hours=25))
    assert desk.change().sealed == {}
    with pytest.raises(Conflict, match="No credential of before"):
        rotating.switch_back(desk.actor, desk.pk)
    rotating.revoked(desk.actor, desk.pk)
    desk.stage()
    desk.switch(untested="x", grace_days=0)
    assert desk.change().sealed == {}, "kept for no time at all"
    with pytest.raises(Invalid, match="from 0 to 90"):
        rotating.revoked(desk.actor, desk.pk)
        desk.stage()
        desk.switch(untested="x", grace_days=91)


def test_the_way_back_takes_along_nothing_of_the_new_one(desk):
    rotating.stage(desk.actor, desk.pk, {"api_key": NEW, "second_api_key": "another-new-key"})
    desk.switch(untested="x")
    rotating.switch_back(desk.actor, desk.pk)
    assert {n: s.reveal() for n, s in unsealed_version(desk.row().current).items()} == {"api_key": OLD}


def test_one_at_a_time_and_each_step_in_its_turn(desk):
    for early in (
        desk.switch,
        lambda: rotating.revoked(desk.actor, desk.pk),
        lambda: rotating.cancel(desk.actor, desk.pk),
    ):
        with pytest.raises(Conflict):
            early()
    with pytest.raises(Absent):
        rotating.test_staged(desk.actor, desk.pk)
    desk.stage()
    desk.stage()
    assert sorted(CredentialChange.objects.values_list("outcome", flat=True)) == ["", "replaced"]
    rotating.cancel(desk.actor, desk.pk)
    assert not CredentialChange.objects.exclude(sealed={}).exists()
    desk.stage()
    desk.switch(untested="x")
    with pytest.raises(Conflict, match="not said to be revoked"):
        desk.stage()


def test_what_is_no_credential_is_refused(desk, cast):
    past = current_clock().now().date() - timedelta(days=1)
    for secrets, more, word in (
        ({"base_url": "https://x"}, {}, "no credential of this CA type"),
        ({}, {}, "No credential was given"),
        ({"api_key": ""}, {}, "No credential was given"),
        ({"api_key": NEW}, {"expires_on": past}, "is over"),
    ):
        with pytest.raises(Invalid, match=word):
            rotating.stage(desk.actor, desk.pk, secrets, **more)
    local = actions.create(cast.ada, "local", {"name": "L", "team": "Operations", "environment": "Production"})
    rotating.stage(cast.ada, local.pk, {"issuing_key": unsealed_version(local.current)["issuing_key"].reveal()})


def test_an_edit_of_address_or_credential_ends_it_and_another_edit_does_not(desk, simulator):
    desk.stage()
    values = digicert_values(simulator)
    del values["api_key"]
    actions.edit(desk.actor, desk.pk, desk.row().revision, {**values, "description": "other"})
    assert desk.change().state == "staged"
    elsewhere = {**values, "base_url": "https://elsewhere.example", "api_key": "third"}
    actions.edit(desk.actor, desk.pk, desk.row().revision, elsewhere)
    assert (desk.change(), CredentialChange.objects.get().outcome) == (None, "edited")
    desk.stage()
    desk.switch(untested="x")
    rotating.expires(desk.actor, desk.pk, current_clock().now().date() + timedelta(days=5))
    actions.edit(desk.actor, desk.pk, desk.row().revision, {**elsewhere, "api_key": "fourth"})
    assert desk.change() is None
    assert desk.row().credential_expires_on is None
    assert not CredentialChange.objects.exclude(sealed={}).exists()


def test_a_deletion_erases_what_is_staged_and_a_copy_has_none_of_it(desk):
    rotating.expires(desk.actor, desk.pk, current_clock().now().date())
    desk.stage()
    twin = actions.copy(desk.actor, desk.pk, "Twin")
    assert (twin.credential_expires_on, credentials.credential(twin).change) == (None, None)
    actions.delete(desk.actor, desk.pk)
    assert [(c.outcome, c.sealed) for c in CredentialChange.objects.all()] == [("deleted", {})]


def test_what_ends_soon_is_said(desk, cast):
    today = current_clock().now().date()
    rotating.expires(desk.actor, desk.pk, today + timedelta(days=30))
    assert credentials.reminders(desk.actor, current_clock().now()) == [(desk.row(), "expires")]
    assert credentials.reminders(cast.cleo, current_clock().now()) == []
    rotating.expires(desk.actor, desk.pk, today + timedelta(days=31))
    assert credentials.reminders(desk.actor, current_clock().now()) == []
    rotating.expires(desk.actor, desk.pk, None)
    found = credentials.credential(desk.row())
    assert (found.expires_on, found.days_left(current_clock().now())) == (None, None)


def test_its_age_counts_from_when_it_was_given(desk, simulator):
    given = desk.row().current
    ConnectorVersion.objects.filter(pk=given.pk).update(created_at=given.created_at - timedelta(days=400))
    values = digicert_values(simulator)
    del values["api_key"]
    actions.edit(desk.actor, desk.pk, desk.row().revision, {**values, "description": "other"})
    assert (current_clock().now() - credentials.credential(desk.row()).since).days == 400


def test_who_may(desk, cast, simulator, settings, tmp_path):
    for doing in (desk_step(cast.rob, desk.pk), desk_step(cast.dan, desk.pk)):
        with pytest.raises(NotPermitted):
            doing()
    settings.SECRET_FILES = str(tmp_path)
    user = people.create_user(cast.host, "oli", PASSWORD, grants=[("ca_operator", None, None)])
    oli = who.actor_of(user, how="test")
    rotating.stage(oli, desk.pk, {"api_key": NEW})
    with pytest.raises(NotPermitted):
        rotating.stage(oli, desk.pk, {"api_key": "@file:x"})


def desk_step(actor, pk):
    return lambda: rotating.stage(actor, pk, {"api_key": NEW})


def test_what_is_kept_is_wrapped_anew_like_the_rest(desk, cast):
    desk.stage()
    rekeying.rotate(cast.host)
    while rekeying.step(current_clock().now()):
        pass
    assert set(sealing.sealed_with()) == {sealing.key_id()}
    ring.forget()
    assert unsealed_change(desk.change())["api_key"].reveal() == NEW


def test_two_rotations_of_one_connector_are_refused_by_the_database(desk):
    from django.db import IntegrityError

    desk.stage()
    row = Connector.objects.get(pk=desk.pk)
    with pytest.raises(IntegrityError):
        CredentialChange.objects.create(connector=row, staged_at=current_clock().now(), staged_by="x")
