"""Profiles in the console: nothing is re-routed that nobody chose, and forms are for those who may send them."""

import re

import pytest
from django.urls import reverse

from chancery.apps.accounts import actions as people
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors import queries as connector_queries
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles import queries
from chancery.apps.profiles.models import Profile
from chancery.doors.console.tests.test_console import PROFILE, logged_in, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(cast):
    return logged_in("ada")


@pytest.fixture
def internal(local):
    return Profile.objects.get(name="Internal")


@pytest.fixture
def qa(cast):
    people.create_environment(cast.host, "QA")
    return connectors.create(cast.ada, "local", {"name": "A QA CA", "team": "Operations", "environment": "QA"})


def hidden(answer, name):
    found = re.search(rf'name="{name}" value="([^"]*)"', answer.content.decode())
    return found and found[1]


def send(client, row, answer, **changes):
    """Send the form as a browser would: with the connector that the page itself names."""
    body = {**PROFILE, "name": row.name, "revision": hidden(answer, "revision")}
    connector = re.search(
        r'<form method="post" id="profile">.*?name="connector" value="([^"]*)"', answer.content.decode(), re.DOTALL
    )
    return client.post(reverse("profile_edit", args=[row.pk]), {**body, "connector": connector[1], **changes})


def test_saving_a_profile_keeps_its_inactive_connector(cast, local, internal, qa, ada):
    connectors.deactivate(cast.ada, local.pk)
    page = ada.get(reverse("profile_edit", args=[internal.pk]))
    assert "Local (Production; the present one; inactive)" in text(page)
    assert "orders with this profile wait" in text(page)
    assert send(ada, internal, page).status_code == 302
    assert queries.route(queries.get(cast.ada, internal.pk)) == local


def test_saving_a_profile_keeps_a_connector_beyond_the_list(cast, local, internal, qa, ada, monkeypatch):
    monkeypatch.setattr(connector_queries, "NAMES", 1)
    page = ada.get(reverse("profile_edit", args=[internal.pk]))
    assert send(ada, internal, page).status_code == 302
    assert queries.route(queries.get(cast.ada, internal.pk)) == local
    found = ada.get(reverse("profile_edit", args=[internal.pk]), {"find": "Loc", "connector": str(qa.pk)})
    assert "A QA CA" in text(found)
    assert hidden(found, "connector") == str(qa.pk)


def test_another_environment_is_asked_about(cast, local, internal, qa, ada):
    where = reverse("profile_edit", args=[internal.pk])
    page = ada.get(where, {"connector": str(qa.pk)})
    assert "A QA CA is in QA, and this profile has ordered in Production." in text(page)
    refused = send(ada, internal, page)
    assert refused.status_code == 422
    assert "confirm the move" in text(refused)
    assert hidden(refused, "confirm_environment") == "QA"
    assert queries.route(queries.get(cast.ada, internal.pk)) == local
    assert send(ada, internal, page, confirm_environment="QA").status_code == 302
    assert queries.get(cast.ada, internal.pk).environment.name == "QA"


def test_a_connector_that_takes_no_new_work_is_refused_with_the_reason(cast, local, internal, ada):
    spare = connectors.copy(cast.ada, local.pk, "Spare")
    page = ada.get(reverse("profile_edit", args=[internal.pk]), {"connector": str(spare.pk)})
    refused = send(ada, internal, page)
    assert refused.status_code == 422
    assert "Spare is inactive." in text(refused)


@pytest.mark.parametrize("connector", ["", "nonsense", "00000000-0000-7000-8000-000000000000"])
def test_a_form_without_its_connector_is_refused_and_changes_nothing(cast, local, internal, qa, ada, connector):
    answer = ada.post(reverse("profile_edit", args=[internal.pk]), {**PROFILE, "connector": connector, "revision": "1"})
    assert answer.status_code == 404
    assert Profile.objects.get(pk=internal.pk).revision == 1


def test_the_second_editor_sees_what_differs_and_may_save_on_purpose(cast, local, internal, ada):
    page = ada.get(reverse("profile_edit", args=[internal.pk]))
    profiles.edit(cast.ada, internal.pk, 1, {"name": "Internal", "connector": "Local", "description": "of the bank"})
    refused = send(ada, internal, page, description="of the shop")
    assert refused.status_code == 409
    assert "Description of the bank of the shop" in text(refused)
    assert "Wildcard no yes" in text(refused)
    assert "name :" not in text(refused)
    assert send(ada, internal, refused, description="of the shop", seen="2").status_code == 302
    assert queries.get(cast.ada, internal.pk).description == "of the shop"


def test_without_any_connector_there_is_nothing_to_make_a_profile_for(cast, ada):
    assert "A profile needs an active connector" in text(ada.get(reverse("profile_create")))


def test_a_profile_is_shown_to_who_may_only_order(cast, local, internal):
    rob = logged_in("rob")
    page = rob.get(reverse("profile", args=[internal.pk]))
    assert reverse("connector", args=[local.pk]) in page.content.decode()
    assert reverse("order_new") in page.content.decode()
    assert "30 days, 199 at most" in text(page)
    assert reverse("profile_edit", args=[internal.pk]) not in page.content.decode()
    connectors.deactivate(cast.ada, local.pk)
    assert "orders wait" in text(rob.get(reverse("profile", args=[internal.pk])))
    assert "its connector is inactive" in text(rob.get(reverse("order_new")))
    assert "Inactive" in text(rob.get(reverse("profiles")))


def test_profiles_are_searched(local, ada):
    page = ada.get(reverse("profiles"), {"search": "Int"})
    assert "Internal" in text(page)
    assert "Careful" not in text(page)
    assert "No profile fits" in text(ada.get(reverse("profiles"), {"search": "x"}))


FORMS = {
    "profile_create": "rob amy dan", "profile_edit": "rob amy dan", "connector_create": "rob amy dan",
    "connector_edit": "rob amy dan", "connector_copy": "rob amy dan", "connector_delete": "rob amy dan",
    "order_new": "amy dan",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms_are_for_those_who_may_send_them(local, internal, form):
    arguments = {"profile_create": [], "profile_edit": [internal.pk], "connector_create": ["local"], "order_new": []}
    where = reverse(form, args=arguments.get(form, [local.pk]))
    for name in FORMS[form].split():
        answer = logged_in(name).get(where)
        assert answer.status_code == 403, name
        assert '<form method="post" id' not in answer.content.decode()
    for name in {"ada", "rob"} - set(FORMS[form].split()):
        assert logged_in(name).get(where).status_code == 200


@pytest.mark.parametrize("page", ["home", "orders", "connectors", "connector", "profiles", "profile"])
def test_pages_offer_no_form_that_would_be_refused(cast, local, internal, page):
    where = {"connectors": ["local"], "connector": [local.pk], "profile": [internal.pk]}
    for name, refused in (
        ("rob", ("edit", "copy", "delete", "create")),
        ("dan", ("edit", "copy", "delete", "create", "orders/new")),
    ):
        shown = logged_in(name).get(reverse(page, args=where.get(page, []))).content.decode()
        assert not [link for link in re.findall(r'href="([^"?]*)', shown) if link.endswith(refused)], (name, page)


def test_a_menu_offers_what_one_may_do_with_that_very_thing(cast, local, internal):
    team = people.create_team(cast.host, "Third")
    grants = [("ca_operator", team.pk, None), ("requester", local.team_id, None)]
    people.create_user(cast.host, "otto", "correct horse battery", grants=grants)
    connectors.create(cast.ada, "local", {"name": "Thirds", "team": "Third", "environment": "Production"})
    profiles.create(cast.ada, {"name": "Thirds", "connector": "Thirds"})
    shown = logged_in("otto").get(reverse("connectors", args=["local"])).content.decode()
    assert shown.count("Select action for") == 1
    shown = logged_in("otto").get(reverse("profiles")).content.decode()
    assert shown.count("Select action for") == 1
    assert logged_in("otto").get(reverse("connector_edit", args=[local.pk])).status_code == 403
