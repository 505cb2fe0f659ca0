"""Programs with a token of their own go past what only people's pages need; everybody else through all of it."""

import json
import sqlite3

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import translation

from chancery.doors.acme import door as acme
from chancery.doors.bots import door as bots
from chancery.doors.pages import ForPages
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db


def answer(request):
    said = {"session": hasattr(request, "session"), "language": translation.get_language()}
    return HttpResponse(json.dumps(said))


def said(path, **headers):
    return json.loads(ForPages(answer)(RequestFactory().get(path, headers=headers)).content)


def test_a_program_with_a_token_costs_no_session_and_no_language():
    with translation.override("de"):
        found = said("/api/v1/orders", Authorization="Bearer x")
    assert found == {"session": False, "language": "en"}


@pytest.mark.parametrize(("path", "headers"), [("/api/v1/orders", {}), ("/orders", {"Authorization": "Bearer x"})])
def test_the_console_has_both_also_when_it_asks_the_api(path, headers):
    assert said(path, **headers)["session"]


def test_a_form_without_its_token_is_still_refused():
    refused = Client(enforce_csrf_checks=True).post("/login", {"username": "a", "password": "b"})
    assert refused.status_code == 403


def test_what_a_program_is_told_when_there_is_nothing_is_a_problem_document(cast):
    answer = Client(HTTP_AUTHORIZATION="Bearer nobody").get("/api/v1/nothing/there")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def failing(error):
    def fail(*_, **__):
        raise error

    return fail


def test_a_page_says_that_the_database_is_away(cast, monkeypatch, caplog):
    monkeypatch.setattr(SessionStore, "load", failing(OperationalError("database or disk is full")))
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "x" * 32
    answer = client.get("/orders")
    assert (answer.status_code, b"The database does not answer." in answer.content) == (503, True)
    assert "database or disk is full" in caplog.text


def test_a_full_disk_is_called_one_at_each_door(cast, monkeypatch, caplog, settings):
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    error = OperationalError("database or disk is full")
    error.__cause__ = full
    settings.ACME_URL = "https://acme.example"
    monkeypatch.setattr(SessionStore, "load", failing(error))
    monkeypatch.setattr(bots, "_answer", failing(error))
    monkeypatch.setattr(acme, "_answer", failing(error))
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "x" * 32
    for answer in (client.get("/orders"), client.post("/api/bot/poll"), client.post("/acme/new-order")):
        assert b"The disk of the database is full" in answer.content
        assert answer.status_code in {500, 503}
    assert client.post("/api/bot/poll").json()["code"] == "disk_full"
    assert "database or disk is full" in caplog.text


def test_a_log_in_that_cannot_be_stored_is_no_unreadable_request(cast, monkeypatch):
    keep = SessionStore.save
    later = failing(UpdateError())  # what the store makes of any error of the database
    monkeypatch.setattr(
        SessionStore, "save", lambda self, must_create=False: (keep if must_create else later)(self, True)
    )
    answer = Client().post("/login", {"username": "rob", "password": PASSWORD})
    assert answer.status_code == 400
    assert b"The session could not be kept" in answer.content
