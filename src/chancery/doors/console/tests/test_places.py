"""The page of teams and environments."""

import pytest
from django.urls import reverse

from chancery.apps.accounts.models import Environment, Team
from chancery.doors.console.tests.test_console import logged_in, text

pytestmark = pytest.mark.django_db


def send(client, what, **values):
    return client.post(reverse("places"), {"do": what, **values}, follow=True)


def test_teams_and_environments_are_added_changed_and_removed(cast):
    ada = logged_in("ada")
    assert "The team is added." in text(send(ada, "add-team", name="Night"))
    team = Team.objects.get(name="Night")
    send(ada, "rename-team", id=team.pk, name="Nights")
    assert Team.objects.get(pk=team.pk).name == "Nights"
    send(ada, "delete-team", id=team.pk)
    assert not Team.objects.filter(pk=team.pk).exists()
    send(ada, "add-environment", name="QA", production="on")
    environment = Environment.objects.get(name="QA")
    assert environment.is_production
    send(ada, "edit-environment", id=environment.pk, name="Quality")
    environment.refresh_from_db()
    assert (environment.name, environment.is_production) == ("Quality", False)
    send(ada, "delete-environment", id=environment.pk)
    assert not Environment.objects.filter(pk=environment.pk).exists()


def test_what_is_in_use_or_misspelt_is_said(cast, local):
    ada = logged_in("ada")
    assert "is in use: connector" in text(send(ada, "delete-team", id=local.team_id))
    assert "no whole number" in text(send(ada, "delete-team", id="x"))
    assert send(ada, "nonsense").status_code == 404


def test_who_sees_people_sees_it_and_changes_nothing(cast):
    page = logged_in("dan").get(reverse("places"))
    assert "Operations" in text(page)
    assert "production" in text(page)
    assert 'name="do"' not in page.content.decode()
    assert send(logged_in("dan"), "add-team", name="X").status_code == 200
    assert not Team.objects.filter(name="X").exists()
    assert logged_in("rob").get(reverse("places")).status_code == 403


def test_nothing_there_yet_is_said(cast):
    Environment.objects.all().delete()
    assert "None yet." in text(logged_in("dan").get(reverse("places")))
