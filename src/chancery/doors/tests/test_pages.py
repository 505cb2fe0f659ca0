"""Programs with a token of their own go past what only people's pages need; everybody else through all of it."""

import json

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import translation

from chancery.doors.pages import ForPages

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
