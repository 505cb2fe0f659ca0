"""Calls that the engine asks for by itself: written when they are due, made by a worker, kept as measures."""

from datetime import timedelta

import pytest
from django.db import transaction

from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import Call, Connector
from chancery.apps.health.models import Vital
from chancery.apps.renewals import planning
from chancery.apps.renewals.models import Plan
from chancery.core.ids import new_id
from chancery.engine import routine, work
from chancery.engine.jobs import Answered, Failed, Kind
from chancery.engine.tests.kit import Toy, at, job, utc
from chancery.engine.tests.test_record import GOOD
from chancery.sdk.outcome import RenewalHint

pytestmark = pytest.mark.django_db
DER = {"der": b"x", "serial": "1", "reference": "r"}


@pytest.fixture
def issued(desk):
    order = desk.order()
    desk.record((desk.job(order, Kind.SUBMIT), GOOD))
    return Certificate.objects.get()


def call(desk, kind, field=""):
    row = desk.connector
    return Call(
        id=new_id(desk.now),
        kind=kind,
        field=field,
        connector=row,
        authority=row.authority,
        due_at=desk.now,
        created_at=desk.now,
    )


def keep(desk, kind, result, field=""):
    with transaction.atomic():
        routine.keep(call(desk, kind, field), result, desk.now)


def test_freshness_is_asked_for_once_an_hour_of_what_has_issued(desk, issued):
    state = routine.ask_freshness(desk.now, {})
    assert Call.objects.get().kind == "freshness"
    state = routine.ask_freshness(desk.now + timedelta(minutes=59), state)
    assert Call.objects.count() == 1
    routine.ask_freshness(desk.now + timedelta(minutes=61), state)
    assert Call.objects.count() == 2
    Connector.objects.update(last_issue_at=None)
    assert routine.ask_freshness(desk.now, {}) == {"asked": {}}


def test_a_seat_gets_the_newest_certificate_and_its_chain(desk, issued):
    extra = routine.about(call(desk, "freshness"))
    assert (extra["leaf"], extra["networks"]) == (bytes(issued.der), ["127.0.0.0/8"])
    assert len(extra["chain"]) == len(issued.chain.ders)
    Certificate.objects.update(chain=None)
    assert routine.about(call(desk, "freshness"))["chain"] == []
    assert routine.about(call(desk, "probe")) == {}
    assert routine.about(call(desk, "hint", str(new_id(desk.now)))) == {}


def test_before_the_first_certificate_there_is_nothing_to_look_at(desk):
    assert (extra := routine.about(call(desk, "freshness")))["leaf"] == b""
    assert work.do(job(Kind.CALL, extra={"kind": "freshness", **extra}), None, at) == Answered({"vitals": []})
    unsaved = call(desk, "freshness")
    unsaved.connector = None
    assert routine.about(unsaved)["networks"] == []


def test_what_was_looked_at_replaces_what_was_known(desk):
    found = {"kind": "crl", "subject": "http://a", "until": desk.now.isoformat(), "text": "Fresh.", "error": ""}
    keep(desk, "freshness", Answered({"vitals": [found, {**found, "subject": "http://b", "until": None}]}))
    keep(desk, "freshness", Answered({"vitals": [found]}))
    row = Vital.objects.get()
    assert (row.subject, row.until, row.text) == ("http://a", desk.now, "Fresh.")
    keep(desk, "freshness", Failed("Bug", "x"))
    assert Vital.objects.count() == 1


def test_a_test_measures_the_clock_and_the_servers_certificate(desk):
    ends = utc(2031, 1, 1)
    findings = [
        {"stage": "name", "evidence": "127.0.0.1"},
        {"stage": "tls", "evidence": "TLSv1.3", "value": ends.timestamp()},
        {"stage": "clock", "evidence": "3 s apart", "value": 3.0},
        {"stage": "clock", "evidence": "", "value": None},
        {"stage": "clock", "evidence": "", "value": "noon"},
        {"stage": "tls", "evidence": "", "value": 1e300},
        {"stage": "tls", "evidence": "", "value": float("nan")},
    ]
    keep(desk, "probe", Answered({"findings": findings}))
    clock, server = Vital.objects.order_by("kind")
    assert (clock.kind, clock.seconds, clock.until, clock.text) == ("clock_skew", 3.0, None, "3 s apart")
    assert (server.kind, server.seconds, server.until) == ("server_certificate", None, ends)


def test_a_call_of_no_connector_is_kept_nowhere(desk):
    row = call(desk, "diagnose")
    row.connector = None
    routine.keep(row, Answered({"findings": [{"stage": "clock", "evidence": "", "value": 3.0}]}), desk.now)
    assert not Vital.objects.exists()


def test_the_ca_is_asked_for_its_window_and_the_plan_follows(desk, issued, monkeypatch):
    monkeypatch.setattr(planning, "advises", lambda row: True)
    planning.cover(desk.now, {})
    routine.ask_hints(desk.now, {})
    row = Call.objects.get()
    assert (row.kind, row.field) == ("hint", str(issued.pk))
    extra = routine.about(row)
    assert extra == {"der": bytes(issued.der), "serial": issued.serial, "reference": issued.ca_reference}
    told = RenewalHint(desk.now, desk.now + timedelta(days=1), "https://ca.example", timedelta(hours=3))
    answered = work.do(job(Kind.CALL, extra={"kind": "hint", **extra}), Toy(renewal_hint=told), at)
    keep(desk, "hint", answered, str(issued.pk))
    plan = Plan.objects.get()
    assert (plan.hint_start, plan.hint_url, plan.ask_at) == (
        desk.now,
        "https://ca.example",
        desk.now + timedelta(hours=3),
    )
    keep(desk, "hint", Failed("Unreachable", "x"), str(issued.pk))
    assert Plan.objects.get().hint_start == desk.now


def hint(answer):
    return work.do(job(Kind.CALL, extra={"kind": "hint", **DER}), Toy(renewal_hint=answer), at)


def test_a_ca_without_a_word_has_no_window():
    assert hint(None) == Answered({"hint": None})


@pytest.mark.parametrize(
    "odd",
    [
        "soon",
        RenewalHint(utc(2030, 1, 2), utc(2030, 1, 1), "", timedelta(hours=1)),
        RenewalHint(utc(2030, 1, 2).replace(tzinfo=None), utc(2030, 1, 3), "", timedelta(hours=1)),
    ],
)
def test_a_window_that_is_none_is_a_bug_of_the_authority(odd, caplog):
    assert hint(odd).kind == "Bug"
    caplog.clear()


@pytest.mark.parametrize(("wait", "kept"), [(timedelta(0), 60.0), (timedelta(days=9999), 7 * 86400.0)])
def test_how_soon_it_is_asked_again_is_bounded(wait, kept):
    told = RenewalHint(utc(2030, 1, 1), utc(2030, 1, 2), "", wait)
    assert hint(told).result["hint"]["next_look"] == kept


def test_a_confirmed_revocation_ends_the_plan(desk, issued):
    from chancery.engine.tests.test_record_calls import revoke
    from chancery.sdk.outcome import Revoked

    planning.cover(desk.now, {})
    Certificate.objects.update(fence="00000000-0000-0000-0000-000000000007")
    revoke(desk, issued, Revoked())
    assert Plan.objects.get().state == "ended"
