"""The way in and out: where a log-in leads, what it keeps, what is left of a page afterwards."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from chancery.apps.accounts.entering import TRIES
from chancery.apps.audit.models import Entry
from chancery.apps.audit.record import Note, write
from chancery.apps.shared.actor import engine_actor
from chancery.doors.console.tests.test_account import ACCOUNT
from chancery.doors.console.tests.test_console import logged_in, text
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db


def log_in(client, following="", password=PASSWORD):
    return client.post("/login", {"username": "rob", "password": password, "next": following})


@pytest.mark.parametrize(
    "elsewhere",
    # The last ones could be taken for names of pages, with parts that they have not.
    ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:1", "foo", "order", "x\0", "/" * 9000],
)
def test_a_log_in_leads_to_no_other_site(cast, elsewhere):
    assert log_in(Client(), elsewhere).headers["Location"] == "/"


def test_a_log_in_leads_back_to_the_page_that_was_wanted_with_its_filters(cast):
    client, wanted = Client(), "/orders?state=queued&search=%C3%A9"
    asked = client.get(wanted)
    assert asked.headers["Location"] == "/login?next=%2Forders%3Fstate%3Dqueued%26search%3D%25C3%25A9"
    form = client.get(asked.headers["Location"]).context["next"]
    wrong = log_in(client, form, "not the password")
    assert wrong.status_code == 403
    assert log_in(client, wrong.context["next"]).headers["Location"] == wanted


def passkey(said=b"{}", data=bytes(37), user=b"1"):
    """Return what a browser would send of a passkey, with parts that somebody made up."""
    parts = {"clientDataJSON": said, "authenticatorData": data, "signature": b"x", "userHandle": user}
    response = {name: urlsafe_b64encode(raw).decode().rstrip("=") for name, raw in parts.items()}
    return json.dumps({"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": response})


SAID = json.dumps({"type": "webauthn.get", "challenge": "AAAA", "origin": "https://localhost"}).encode()
NO_PASSKEYS = {
    "deep": "[" * 60_000,
    "deep objects": '{"a":' * 6_000,
    "a list": "[]",
    "nothing": "",
    "an id that is none": '{"id": []}',
    "deep in what was said": passkey(b"[" * 60_000),
    "deep in the data": passkey(SAID, bytes(32) + b"\x80" + bytes(4) + b"\x81" * 5000),
    "data cut off": passkey(SAID, bytes(32) + b"\x80" + bytes(4) + b"\x1b"),
    "no data": passkey(SAID, b""),
    "data of a key cut off": passkey(SAID, bytes(32) + b"\x40" + bytes(24)),
    "a user past every column": passkey(SAID, user=b"9" * 300),
    "a user with NUL": passkey(SAID, user=b"1\0"),
    "a user in no encoding": passkey(SAID, user=b"\xff"),
    "nobody": passkey(SAID),
}


@pytest.mark.parametrize("what", sorted(NO_PASSKEYS))
def test_an_answer_of_no_passkey_is_refused(cast, what):
    client = Client()
    assert client.get("/login/challenge").status_code == 200
    assert client.post("/login", {"credential": NO_PASSKEYS[what]}).status_code == 403


def test_a_session_that_somebody_planted_is_not_the_one_that_is_logged_in(cast):
    client = Client()
    planted = client.session.session_key
    client.cookies["sessionid"] = planted
    log_in(client)
    assert client.cookies["sessionid"].value != planted
    thief = Client()
    thief.cookies["sessionid"] = planted
    assert thief.get(ACCOUNT).status_code == 302
    assert client.cookies["sessionid"]["httponly"]
    assert client.cookies["sessionid"]["samesite"] == "Lax"


def test_nothing_is_left_after_the_log_out(cast):
    client = logged_in("rob")
    page = client.get(ACCOUNT)
    assert page.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert client.get("/logout").status_code == 405
    client.post("/logout")
    assert client.get(ACCOUNT).status_code == 302


@pytest.mark.parametrize("path", [ACCOUNT, "/password", "/tokens", "/login", "/logout"])
def test_no_form_is_taken_without_its_token(cast, path):
    client = logged_in("rob", enforce_csrf_checks=True)
    assert client.post(path, {"full_name": "Mallory", "time_zone": ""}).status_code == 403


def test_the_audit_shows_its_times_in_the_zone_that_the_page_names(cast):
    dan = logged_in("dan")
    dan.post(ACCOUNT, {"full_name": "", "time_zone": "Asia/Kolkata"})
    page = dan.get(reverse("audit"))
    assert "+05:30" not in text(page)
    entry = page.context["rows"][0]
    shown = datetime.fromisoformat(entry["at"]).astimezone(ZoneInfo("Asia/Kolkata"))
    assert f"{shown:%Y-%m-%d %H:%M:%S}" in text(page)


@pytest.mark.parametrize(("page", "said"), [("orders?search=zzz", "No order fits"), ("orders", "Place the first one")])
def test_an_empty_list_says_what_to_do(cast, page, said):
    assert said in text(logged_in("rob").get(f"/{page}"))


def test_after_many_wrong_tries_even_the_right_password_waits_but_not_where_its_owner_works(cast):
    at_work = Client(REMOTE_ADDR="192.0.2.67")
    assert log_in(at_work).status_code == 302
    at_work.post("/logout")
    guesser = Client(REMOTE_ADDR="192.0.2.66")
    assert {log_in(guesser, password="guess").status_code for _ in range(TRIES)} == {403}
    held = log_in(guesser)
    assert held.status_code == 429
    assert "Wait an hour" in text(held)
    assert log_in(Client(REMOTE_ADDR="192.0.2.68")).status_code == 429
    assert log_in(at_work).status_code == 302


def test_coming_going_and_guessing_stand_in_the_record(cast):
    client = Client(REMOTE_ADDR="192.0.2.70")
    log_in(client)
    client.post("/logout")
    client.post("/logout")
    guesser = Client(REMOTE_ADDR="192.0.2.71")
    for _ in range(TRIES + 3):
        log_in(guesser, password="hunter2 guessed")
    dan = logged_in("dan")
    page = dan.get(reverse("audit"), {"action": "people", "address": "192.0.2.70"})
    assert [(e["action"], e["target"]["name"]) for e in page.context["rows"]] == [
        ("people.log_out", "rob"),
        ("people.log_in", "rob"),
    ]
    page = dan.get(reverse("audit"), {"outcome": "refused"})
    assert [e["reason"] for e in page.context["rows"]] == ["paused", *["wrong_password"] * TRIES]
    assert "from 192.0.2.71" in text(page)
    assert "hunter2" not in page.content.decode()
    assert not any(b"hunter2" in bytes(b) for b in Entry.objects.values_list("body", flat=True))


def test_the_record_says_what_state_the_engine_reached(cast):
    note = Note("order", "1", "www.example.com", detail={"state": "outcome_unknown"})
    revoked = Note("certificate", "2", "www.example.com", detail={"revocation": "confirmed"})
    write(engine_actor(), "engine.record", datetime(2026, 1, 1, tzinfo=UTC), [note, revoked])
    said = text(logged_in("dan").get(reverse("audit"), {"action": "engine"}))
    assert "done Outcome unknown" in said
    assert "done Confirmed" in said


@pytest.mark.parametrize(("name", "menus"), [("ada", 1), ("rob", 0)])
def test_nobody_is_given_a_menu_with_nothing_in_it(local, name, menus):
    page = logged_in(name).get(reverse("connectors", args=["local"]))
    assert "Local" in text(page)
    assert page.content.decode().count('<details class="menu">') == menus
