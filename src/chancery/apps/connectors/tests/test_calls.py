"""Tests of a connection and pick lists: asked for here, run by a worker; secrets travel sealed."""

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts.models import Team
from chancery.apps.connectors import actions, queries, sealing
from chancery.apps.connectors.models import Call
from chancery.apps.connectors.tests.account import API_KEY, values
from chancery.apps.shared.tests.looking import refused, said
from chancery.core.errors import Absent, NotPermitted
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db


def sealed_secrets(call):
    call = Call.objects.get(pk=call.pk)
    return {
        name: sealing.unseal(value, table="call", record=str(call.pk), field=name).reveal()
        for name, value in call.sealed["secrets"].items()
    }


@pytest.fixture
def otto(cast):
    """Operates the CAs of the other team, and requests in Operations."""
    teams = {t.name: t.pk for t in Team.objects.all()}
    grants = [("ca_operator", teams["Other"], None), ("requester", teams["Operations"], None)]
    return who.actor_of(people.create_user(cast.host, "otto", PASSWORD, grants=grants), how="test")


def test_a_saved_connector_is_tested_with_its_version(cast, account):
    call = Call.objects.get(pk=actions.test_saved(cast.ada, account.pk).pk)
    assert (call.kind, call.state, call.connector_id, call.version_id) == (
        "diagnose",
        "due",
        account.pk,
        account.current_id,
    )
    assert (call.asked_by, call.team, call.sealed) == ("ada", account.team, {})
    assert said("connectors.test")[-1]["target"]["id"] == str(account.pk)


def test_unsaved_settings_travel_sealed(cast):
    call = actions.test_unsaved(cast.ada, "digicert", values(name=""))
    call = Call.objects.get(pk=call.pk)
    assert call.connector is None
    assert call.sealed["plain"]["base_url"] == "https://ca.example.com/v2"
    assert API_KEY not in str(call.sealed)
    assert sealed_secrets(call) == {"api_key": API_KEY}
    entry = said("connectors.test_unsaved")[-1]
    assert (entry["target"]["id"], entry["target"]["name"]) == (str(call.pk), "unsaved")


def test_an_edit_is_tested_with_the_stored_secret_at_the_same_address_alone(cast, account):
    call = actions.test_unsaved(cast.ada, "digicert", values(api_key="", description="new"), account.pk)
    assert sealed_secrets(call) == {"api_key": API_KEY}
    assert said("connectors.test_unsaved")[-1]["target"]["id"] == str(account.pk)
    elsewhere = values(api_key="", base_url="https://evil.example.com")
    with refused("api_key", code="secret_needed"):
        actions.test_unsaved(cast.ada, "digicert", elsewhere, account.pk)
    call = actions.test_unsaved(cast.ada, "digicert", {**elsewhere, "api_key": "fresh"}, account.pk)
    assert sealed_secrets(call) == {"api_key": "fresh"}


def test_stored_secrets_are_not_lent_to_another_ca_type(cast, account):
    with refused("authority"):
        actions.test_unsaved(cast.ada, "local", values(api_key=None), account.pk)


def test_unsaved_settings_are_tested_in_the_teams_where_one_may(cast, account, otto):
    with pytest.raises(NotPermitted):
        actions.test_unsaved(otto, "digicert", values())
    assert actions.test_unsaved(otto, "digicert", values(team="Other")).team.name == "Other"
    with pytest.raises(NotPermitted):
        actions.test_unsaved(otto, "digicert", values(team="Other"), account.pk)


def test_what_cannot_be_used_is_not_tested(cast):
    with refused("base_url"):
        actions.test_unsaved(cast.ada, "digicert", values(base_url="nonsense"))
    assert not Call.objects.exists()


def test_a_pick_list_is_asked_for_a_saved_connector(cast, account):
    call = Call.objects.get(pk=actions.ask_choices(cast.ada, "", "product", {}, account.pk).pk)
    assert (call.kind, call.field, call.connector_id) == ("choices", "product", account.pk)
    assert said("connectors.choices")[-1]["detail"] == {"field": "product"}


def test_a_pick_list_is_asked_for_unsaved_settings(cast, account):
    call = actions.ask_choices(cast.ada, "digicert", "container_id", values())
    assert (Call.objects.get(pk=call.pk).field, sealed_secrets(call)) == ("container_id", {"api_key": API_KEY})


def test_only_fields_with_a_pick_list_have_one(cast, account, local):
    for name in ("api_key", "nonsense" * 20, ""):
        with refused("field"):
            actions.ask_choices(cast.ada, "", name, {}, account.pk)
        with refused("field"):
            actions.ask_choices(cast.ada, "digicert", name, values())
    with refused("field"):
        actions.ask_choices(cast.ada, "", "server", {}, local.pk)


def test_a_pick_list_is_a_matter_of_the_connectors_team(cast, account, otto):
    with pytest.raises(NotPermitted):
        actions.ask_choices(otto, "", "product", {}, account.pk)


def test_an_answer_is_read_by_who_asked_or_who_sees_the_connector(cast, account, otto):
    saved = actions.test_saved(cast.ada, account.pk)
    unsaved = actions.test_unsaved(cast.ada, "digicert", values())
    assert [queries.call(cast.ada, c.pk) for c in (saved, unsaved)] == [saved, unsaved]
    assert queries.call(cast.rob, saved.pk) == saved
    for actor, call in ((cast.cleo, saved.pk), (cast.rob, unsaved.pk), (cast.dan, unsaved.pk), (cast.ada, "nonsense")):
        with pytest.raises(Absent):
            queries.call(actor, call)
