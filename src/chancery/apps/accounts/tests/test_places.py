"""Teams and environments: added, changed, and removed only where nothing belongs to them."""

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import places
from chancery.apps.accounts.models import Environment, Team
from chancery.apps.shared.tests.looking import conflict, refused, said
from chancery.core.errors import Absent, NotPermitted
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("create", [places.create_team, places.create_environment])
def test_names_of_teams_and_environments(cast, create):
    made = create(cast.ada, " Night watch ")
    assert made.name == "Night watch" == str(made)
    with refused("name", code="taken"):
        create(cast.ada, "Night watch")
    for name in ("", "  ", "a" * 61, "a\nb", None):
        with refused("name"):
            create(cast.ada, name)


def test_an_environment_says_whether_it_is_production(cast):
    assert Environment.objects.get(name="Production").is_production
    made = places.create_environment(cast.ada, "QA")
    assert not made.is_production
    assert places.edit_environment(cast.ada, made.pk, is_production=True).is_production
    assert said("environments.edit")[-1]["changed"] == ["is_production"]
    assert places.edit_environment(cast.ada, made.pk, "Quality").is_production
    assert (said("environments.edit")[-1]["changed"], Environment.objects.get(pk=made.pk).name) == (["name"], "Quality")


def test_a_team_is_renamed_and_keeps_what_belongs_to_it(cast, local):
    ops = Team.objects.get(name="Operations")
    places.rename_team(cast.ada, ops.pk, " Platform ")
    local.refresh_from_db()
    assert local.team.name == "Platform"
    assert said("teams.rename")[-1]["changed"] == ["name"]
    places.rename_team(cast.ada, ops.pk, "Platform")
    assert said("teams.rename")[-1]["changed"] == []
    with refused("name", code="taken"):
        places.rename_team(cast.ada, ops.pk, "Other")


@pytest.mark.parametrize(
    "act", [places.delete_team, places.delete_environment, lambda a, i: places.rename_team(a, i, "x")]
)
def test_what_is_not_there_is_absent(cast, act):
    with pytest.raises(Absent):
        act(cast.ada, 999_999)
    with pytest.raises(NotPermitted):
        act(cast.rob, 1)


def test_what_nothing_belongs_to_is_removed(cast):
    team, environment = places.create_team(cast.ada, "Night"), places.create_environment(cast.ada, "QA")
    places.delete_team(cast.ada, team.pk)
    places.delete_environment(cast.ada, environment.pk)
    assert not Team.objects.filter(name="Night").exists()
    assert not Environment.objects.filter(name="QA").exists()
    entry = said("teams.delete")[-1]
    assert (entry["target"], entry["outcome"]) == ({"kind": "team", "id": str(team.pk), "name": "Night"}, "done")


def test_what_something_belongs_to_stays_and_it_is_said_what(cast, local):
    for place, delete in ((local.team, places.delete_team), (local.environment, places.delete_environment)):
        with conflict("in_use") as caught:
            delete(cast.ada, place.pk)
        assert {(b.kind, b.name) for b in caught.value.blockers} >= {("connector", "Local"), ("profile", "Internal")}
        place.refresh_from_db()


def test_a_role_in_a_team_keeps_it_and_of_many_things_a_few_are_named(cast):
    team = places.create_team(cast.ada, "Night")
    for n in range(7):
        people.create_user(cast.ada, f"night{n}", PASSWORD, grants=[("requester", team.pk, None)])
    with conflict("in_use") as caught:
        places.delete_team(cast.ada, team.pk)
    named = [(b.kind, b.name) for b in caught.value.blockers]
    assert named == [("role", f"requester of night{n}") for n in range(5)] + [("role", "more")]
    (refusal,) = [e for e in said("teams.delete") if e["outcome"] == "refused"]
    assert (refusal["target"]["id"], refusal["target"]["name"]) == (str(team.pk), "Night")
