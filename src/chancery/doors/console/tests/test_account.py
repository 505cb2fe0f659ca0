"""One's own account: name, time zone, roles in words, password; and nobody else's."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from chancery.apps.accounts import actions
from chancery.apps.accounts.models import User
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.place import PlaceOrder, place
from chancery.doors.console.tests.test_console import logged_in, text
from tests.cast import PASSWORD, request_pem
from tests.hostile.oddities import certificate

pytestmark = pytest.mark.django_db
ACCOUNT = "/account"
FRESH = "another long pass phrase"


def test_the_name_in_the_header_leads_to_the_account_with_its_roles_in_words(cast):
    rob = logged_in("rob")
    assert 'href="/account"' in rob.get(reverse("home")).content.decode()
    said = text(rob.get(ACCOUNT))
    assert "Requester: Operations , every environment" in said
    actions.set_grants(cast.ada, cast.users["rob"].pk, [])
    assert "You have no role yet. Ask an administrator" in text(rob.get(ACCOUNT))


def test_times_are_shown_in_the_zone_that_somebody_chose_and_the_zone_is_named(cast, local):
    order = place(cast.rob, PlaceOrder("Internal", request_pem("www.example.com")))
    rob, page = logged_in("rob"), reverse("order", args=[order.pk])
    assert "Times are in UTC." in text(rob.get(page))
    assert f"{order.placed_at:%Y-%m-%d %H:%M:%S}" in text(rob.get(page))
    saved = rob.post(ACCOUNT, {"full_name": "Rob", "time_zone": "Asia/Kolkata"}, follow=True)
    assert "Your account is changed." in text(saved)
    shown = text(rob.get(page))
    assert f"{order.placed_at.astimezone(ZoneInfo('Asia/Kolkata')):%Y-%m-%d %H:%M:%S}" in shown
    assert "Times are in Asia/Kolkata." in shown
    assert "Times are in UTC." in text(logged_in("ada").get(page))


def test_a_certificate_without_an_end_is_shown_east_of_greenwich_too(cast, local):
    row = certificate(local)
    Certificate.objects.filter(pk=row.pk).update(not_after=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    User.objects.filter(username="ada").update(time_zone="Asia/Kolkata")
    ada = logged_in("ada")
    for page in (reverse("certificate", args=[row.pk]), reverse("certificates"), reverse("renewals")):
        answer = ada.get(page)
        assert (page, answer.status_code) == (page, 200)
    assert "9999-12-31 23:59" in text(ada.get(reverse("certificate", args=[row.pk])))


def test_a_refused_zone_is_said_at_its_field_and_what_was_typed_stays(cast):
    answer = logged_in("rob").post(ACCOUNT, {"full_name": "Rob <b>", "time_zone": "Mars/Olympus", "user": "1"})
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "There is no time zone &#x27;Mars/Olympus&#x27;." in html
    assert 'value="Rob &lt;b&gt;"' in html
    assert html.count("autofocus") == 1
    assert User.objects.get(username="rob").full_name == ""


def test_a_zone_that_this_machine_no_longer_knows_does_not_break_the_pages(cast):
    User.objects.filter(username="rob").update(time_zone="Gone/Away")
    assert "Times are in UTC." in text(logged_in("rob").get(reverse("home")))


def test_a_new_password_ends_the_sessions_elsewhere_and_keeps_this_one(cast):
    here, elsewhere = logged_in("rob"), logged_in("rob")
    change = {"present": PASSWORD, "fresh": FRESH, "again": FRESH}
    assert "present password is wrong" in text(here.post("/password", {**change, "present": "x"}))
    assert elsewhere.get(ACCOUNT).status_code == 200
    assert here.post("/password", change).status_code == 302
    assert here.get(ACCOUNT).status_code == 200
    assert elsewhere.get(ACCOUNT).status_code == 302
