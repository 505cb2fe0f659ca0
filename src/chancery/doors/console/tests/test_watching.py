"""Health, renewals and notices in the console: what they show, and what their forms do."""

from datetime import timedelta

import pytest
from django.urls import reverse

from chancery.apps.certificates.tests.conftest import NOW, clock, issued  # noqa: F401  fixtures
from chancery.apps.health import record
from chancery.apps.health.overview import overview
from chancery.apps.health.record import Tally
from chancery.apps.notices import actions
from chancery.apps.notices.models import Channel, Delivery, Notice
from chancery.apps.profiles.models import Profile
from chancery.apps.renewals import planning, renewing
from chancery.apps.renewals.models import Plan
from chancery.doors.console.charts import HEIGHT, WIDTH, Series, lined, stacked
from chancery.doors.console.tests.test_console import logged_in, text
from chancery.net import notify
from tests.cast import request_pem

pytestmark = pytest.mark.django_db
URL = "json://host.example/a-token-of-the-test"


@pytest.fixture
def ada(cast):
    return logged_in("ada")


@pytest.fixture
def understood(monkeypatch):
    monkeypatch.setattr(notify, "check", lambda url: "")


@pytest.fixture
def channel(cast, local, understood):
    return actions.create(cast.ada, {"name": "Chat", "team": "Operations", "url": URL})


# Charts ----------------------------------------------------------------------------------------------------


def test_bars_stand_upon_one_another_within_the_plane():
    chart = stacked("Calls", [Series("a", "good", [3, None]), Series("b", "bad", [1, 0])])
    assert (chart.top, chart.top_text, chart.empty) == (5.0, "5", False)
    first, second = chart.bars
    assert (first.y, first.height, second.y, second.height) == ("40", "60", "20", "20")
    assert float(first.x) + float(first.width) <= WIDTH / 2
    assert stacked("Calls", [Series("a", "good", [])]).empty


def test_a_line_breaks_off_where_nothing_is_known():
    chart = lined("Seconds", [Series("mean", "mean", [0.2, None, 0.1, 0.2])], "s")
    assert (chart.top_text, len(chart.lines)) == ("0.2 s", 2)
    points = [tuple(map(float, p.split(","))) for p in chart.lines[1].points.split()]
    assert points[0] == (315.0, 50.0)
    assert points[-1] == (585.0, 0.0)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)


@pytest.mark.parametrize(("most", "top"), [(0, 1), (1, 1), (1.1, 2), (4, 5), (7, 10), (60, 100), (0.03, 0.05)])
def test_an_axis_ends_with_a_round_number(most, top):
    assert stacked("x", [Series("a", "good", [most])]).top == pytest.approx(top)


# Health ----------------------------------------------------------------------------------------------------


def test_the_page_has_charts_without_styles_and_a_table_behind_them(local, ada, clock):
    empty = ada.get(reverse("connector_health", args=[local.pk]))
    assert "Nothing was measured in this time." in text(empty)
    kinds = ("Unreachable", "AuthFailed", "Throttled", "Forbidden", "Bug")
    for outcome in ("ok", *kinds):
        tally = Tally()
        tally.add(2, 0.3)
        record.add({(local.pk, "submit", outcome): tally}, NOW)
    record.vital(local.pk, "crl", NOW, "http://crl", error="It cannot be fetched.")
    record.vital(local.pk, "clock_skew", NOW, seconds=1.0, text="1 s apart")
    record.vital(local.pk, "ca_certificate", NOW, "CN=Root", until=NOW)
    record.vital(local.pk, "crl", NOW, "http://endless", text="Entries: 4.")
    for span in ("", "week", "quarter"):
        page = ada.get(reverse("connector_health", args=[local.pk]), {"span": span})
        assert page.status_code == 200
        body = page.content.decode()
        assert "style=" not in body
        assert "<script>" not in body
        assert body.count("<rect") > 6
    said = text(page)
    for part in ("other errors", "Unreachable: 2", "0.300", "It cannot be fetched.", "1 s apart", "It names no end."):
        assert part in said
    assert ada.get(reverse("connector_health", args=[local.pk]), {"span": "x"}).status_code == 422


# Renewals --------------------------------------------------------------------------------------------------


def test_the_plan_stands_on_the_certificates_page_and_takes_a_request(cast, issued, ada):
    row = issued()
    address = reverse("certificate", args=[row.pk])
    assert "None yet; the engine makes one" in text(ada.get(address))
    planning.cover(NOW, {})
    assert "After 67 % of its lifetime people are told" in text(ada.get(address))
    leave = reverse("certificate_leave_request", args=[row.pk])
    said = text(ada.post(leave, {"csr": request_pem("a.example.com")}, follow=True))
    assert "It will be renewed by that request." in said
    assert "by a request that was left by ada" in said
    assert "The request that was left is gone." in text(ada.post(leave, {"csr": ""}, follow=True))
    assert "other names" in text(ada.post(leave, {"csr": request_pem("b.example.com")}, follow=True))
    Plan.objects.update(hint_start=NOW, hint_end=NOW, hint_url="https://ca.example/why", due_at=NOW)
    Profile.objects.update(renewal="same_key")
    assert "https://ca.example/why" in text(ada.get(address))
    renewing.renew(NOW, {})
    said = text(ada.get(address))
    assert "Replaced by" in said
    assert "Leave it" not in said


def test_the_forecast_shows_weeks_and_what_is_overdue(cast, issued, ada, local):
    assert "No renewal is planned." in text(ada.get(reverse("forecast")))
    assert f'hx-get="{reverse("forecast")}"' in ada.get(reverse("renewals")).content.decode()
    issued()
    planning.cover(NOW, {})
    Plan.objects.update(due_at=NOW - timedelta(days=1))
    said = text(ada.get(reverse("forecast"), headers={"HX-Request": "true"}))
    assert "Chancery" not in said
    assert "1 renewal is due now." in said
    assert "signs here" in said
    assert "a.example.com" in text(ada.get(reverse("renewals"), {"state": "planned"}))
    assert "a.example.com" not in text(ada.get(reverse("renewals"), {"state": "waiting"}))


def test_a_profile_says_what_is_done_when_a_certificate_is_due(local, ada):
    row = Profile.objects.get(name="Internal")
    Profile.objects.filter(pk=row.pk).update(renewal="off")
    assert "Nothing is done when a certificate is due." in text(ada.get(reverse("profile", args=[row.pk])))
    form = ada.get(reverse("profile_edit", args=[row.pk])).content.decode()
    assert '<option value="off" selected>' in form


# Notices ---------------------------------------------------------------------------------------------------


def test_what_is_so_is_listed_and_channels_for_those_who_may(cast, local, channel, ada):
    mine = {"team_id": local.team_id, "environment_id": local.environment_id, "opened_at": NOW, "told_at": NOW}
    Notice.objects.create(kind="ca_stale", key="1", title="A list runs out", link="/x", **mine)
    said = text(ada.get(reverse("notices")))
    assert "A list runs out" in said
    assert "Nothing sent yet" in said
    assert "A list runs out" not in text(ada.get(reverse("notices"), {"state": "over"}))
    assert "Chat" not in text(logged_in("rob").get(reverse("notices")))
    assert ada.get(reverse("notices"), {"kind": "weather"}).status_code == 422


def test_a_channel_is_made_changed_tested_and_deleted(cast, local, ada, understood):
    given = {"name": "Chat", "team": "Operations", "environment": "", "url": URL, "is_active": "on"}
    made = ada.post(reverse("channel_create"), {**given, "kinds": ["ca_stale"], "allowed_networks": "10.1.0.0/16\n"})
    row = Channel.objects.get()
    assert made["Location"] == reverse("channel", args=[row.pk])
    page = ada.get(made["Location"])
    assert "a-token" not in page.content.decode()
    assert "A CA certificate or revocation list runs out" in text(page)
    ada.post(reverse("channel_act", args=[row.pk, "test"]))
    assert "No worker is running" in text(ada.get(made["Location"]))
    edit = reverse("channel_edit", args=[row.pk])
    form = ada.get(edit).content.decode()
    assert "10.1.0.0/16" in form
    assert "a-token" not in form
    kept = {**given, "url": "", "allowed_networks": "10.1.0.0/16", "revision": "1"}
    assert ada.post(edit, {**kept, "name": "Talk"}).status_code == 302
    late = ada.post(edit, {**kept, "name": "Late"})
    assert late.status_code == 409
    assert "was changed while you were editing" in text(late)
    assert 'value="Late"' in late.content.decode()
    Channel.objects.update(environment_id=local.environment_id, is_active=False)
    assert "Production" in ada.get(edit).content.decode()
    Delivery.objects.update(state="failed", due_at=None, error="No.")
    assert "Given up" in text(ada.get(reverse("channel", args=[row.pk])))
    gone = ada.post(reverse("channel_act", args=[row.pk, "delete"]))
    assert gone["Location"] == reverse("notices")
    assert not Channel.objects.exists()


def test_what_was_typed_stays_but_the_address_does_not_come_back(cast, local, ada, understood):
    answer = ada.post(reverse("channel_create"), {"name": "Chat", "team": "Operations", "url": URL, "kinds": ["x"]})
    assert answer.status_code == 422
    body = answer.content.decode()
    assert 'value="Chat"' in body
    assert "a-token" not in body


def test_a_channel_that_is_in_nobodys_power_stays(cast, channel):
    dan = logged_in("dan")
    assert dan.get(reverse("channel", args=[channel.pk])).status_code == 200
    for address in (reverse("channel_create"), reverse("channel_edit", args=[channel.pk])):
        assert dan.get(address).status_code == 403
    answer = dan.post(reverse("channel_act", args=[channel.pk, "delete"]), follow=True)
    assert "channels.manage" in text(answer)
    assert Channel.objects.exists()


def test_a_channel_tells_how_it_fares(channel, ada):
    for columns, said in (
        ({"failures": 2, "last_error": "No."}, "Failing"),
        ({"failures": 0, "last_sent_at": NOW}, "Works"),
        ({"is_active": False}, "Off"),
    ):
        Channel.objects.update(**columns)
        assert said in text(ada.get(reverse("channel", args=[channel.pk])))


# The whole -------------------------------------------------------------------------------------------------


def test_the_whole_at_a_glance(local, ada, cast, clock, issued):
    assert "None yet." in text(ada.get(reverse("overview")))
    issued()
    tally = Tally()
    tally.add(3, 0.3)
    record.add({(local.pk, "submit", "issued"): tally}, NOW)
    record.add({(local.pk, "submit", "ok"): tally}, NOW)
    planning.cover(NOW, {})
    found = overview(cast.ada)
    assert (sum(found.health.values()), found.issued[-1], sum(found.issued)) == (1, 3, 3)
    assert sum(found.expiring) == 1
    assert (found.open, found.ended) == ({}, {"issued": 1})
    part = ada.get(reverse("overview"), headers={"HX-Request": "true"})
    assert "<html" not in part.content.decode()
    assert "Certificates issued, by day" in text(part)
    assert f'hx-get="{reverse("overview")}"' in ada.get(reverse("home")).content.decode()
