"""Webhooks in the console: the secret once, the forms by field, the buttons."""

import pytest
from django.urls import reverse

from chancery.apps.webhooks import queries
from chancery.doors.console.tests.test_console import logged_in, text

pytestmark = pytest.mark.django_db
FORM = {"name": "Tickets", "team": "Operations", "environment": "", "url": "https://tickets.example.com/hook",
        "events": "order.*\n", "allowed_networks": "", "is_active": "on"}  # fmt: skip


def test_made_shown_once_changed_and_removed(cast, local):
    ada = logged_in("ada")
    assert "None yet." in text(ada.get(reverse("webhooks")))
    bad = ada.post(reverse("webhook_create"), {**FORM, "url": "http://tickets.example.com"})
    assert (bad.status_code, "only https is spoken" in text(bad)) == (422, True)
    made = ada.post(reverse("webhook_create"), FORM)
    assert "whsec_" in text(made)
    assert made["Cache-Control"] == "no-store"
    row = queries.get(cast.ada, "Tickets")
    page, edit = reverse("webhook", args=[row.pk]), reverse("webhook_edit", args=[row.pk])
    assert "whsec_" not in text(ada.get(page))
    assert "order.*" in text(ada.get(edit))
    assert "Tickets" in text(ada.get(reverse("webhooks"), {"search": "tick"}))
    assert "The webhook is saved." in text(ada.post(edit, {**FORM, "events": "", "revision": "1"}, follow=True))
    assert ada.post(edit, {**FORM, "revision": "1"}).status_code == 409
    assert ada.post(edit, {**FORM, "name": "", "revision": "2"}).status_code == 422
    act = [reverse("webhook_act", args=[row.pk, what]) for what in ("rotate", "test", "delete")]
    assert "whsec_" in text(ada.post(act[0]))
    assert "A worker sends a test" in text(ada.post(act[1], follow=True))
    vic = logged_in("rob")
    assert vic.get(reverse("webhooks")).status_code == 403
    assert "may not" in text(vic.post(act[0], follow=True)).lower() or vic.post(act[0]).status_code in {302, 403}
    assert ada.post(act[2])["Location"] == reverse("webhooks")
