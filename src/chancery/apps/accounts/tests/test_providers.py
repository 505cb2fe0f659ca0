"""Whom a provider's people are here, where no door stands between."""

import pytest

from chancery.apps.accounts import actions, providers
from chancery.apps.accounts.models import Team
from chancery.apps.shared.tests.looking import said
from chancery.core.errors import NotPermitted

pytestmark = pytest.mark.django_db
VALUES = {
    "title": "Our Keycloak",
    "server_url": "https://kc.example.com",
    "client_id": "chancery",
    "makes_people": True,
}


def test_without_a_mapping_the_roles_are_those_that_an_administrator_gives(cast):
    made = providers.save(cast.ada, "keycloak", VALUES, "a client's canary")
    assert str(made) == "Our Keycloak"
    claims = {"preferred_username": "Eve", "groups": ["administrator"]}
    eve = providers.sign_on(made, "17", claims, "192.0.2.1")
    assert list(eve.grants.all()) == []
    team = Team.objects.get(name="Operations").pk
    actions.set_grants(cast.ada, eve.pk, [("requester", team, None)])
    again = providers.sign_on(made, "17", {**claims, "groups": []}, "192.0.2.1")
    assert again == eve
    assert [(g.role, g.team_id) for g in again.grants.all()] == [("requester", team)]
    first, second = said("people.sign_on")
    assert (first["changed"], second["changed"]) == (["login"], [])


def test_with_a_mapping_a_login_that_changes_nothing_is_recorded_as_such(cast):
    made = providers.save(cast.ada, "keycloak", {**VALUES, "mapping": ["people=requester@Operations"]}, "a canary")
    claims = {"preferred_username": "Eve", "groups": ["people"]}
    eve = providers.sign_on(made, "17", claims, "192.0.2.1")
    before = eve.grants.get().pk
    assert providers.sign_on(made, "17", claims, "192.0.2.1").grants.get().pk == before
    first, second = said("people.sign_on")
    assert (first["changed"], second["changed"]) == (["grants", "login"], [])


def test_a_provider_is_trusted_no_longer_and_that_is_on_record(cast):
    providers.save(cast.ada, "keycloak", VALUES, "a client's canary")
    providers.delete(cast.ada, "keycloak")
    (entry,) = said("providers.delete")
    assert (entry["target"]["kind"], entry["target"]["name"]) == ("provider", "Our Keycloak")


def test_the_settings_of_providers_are_for_those_who_may_see_people(cast):
    made = providers.save(cast.ada, "keycloak", VALUES, "a client's canary")
    assert providers.listing(cast.ada) == [made]
    with pytest.raises(NotPermitted):
        providers.listing(cast.rob)
