"""A refusal names the thing that was asked about, for those who watch over it."""

from dataclasses import replace
from uuid import uuid4

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import places
from chancery.apps.accounts.models import Team
from chancery.apps.audit import queries as audit
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.tests.account import values
from chancery.apps.orders import actions as orders
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.shared import asked
from chancery.apps.shared.actor import Grant
from chancery.apps.shared.tests.looking import said
from chancery.core.errors import ChanceryError, NotPermitted
from tests.cast import request_pem

pytestmark = pytest.mark.django_db


def refusal(action, act):
    """Return the target and the team of the entry that a refusal leaves."""
    before = len(said(action))
    with pytest.raises(ChanceryError) as caught:
        act()
    (entry,) = said(action)[before:]
    assert (entry["outcome"], entry["reason"]) == ("refused", caught.value.code)
    (row,) = audit.Entry.objects.filter(pk=entry["id"])
    assert row.refusal == caught.value.code
    return (*entry["target"].values(), row.team_id)


def test_what_was_asked_about_is_named_though_it_was_refused_at_the_door(cast, local):
    order = place(cast.rob, PlaceOrder("Careful", request_pem("a.example.com")))
    profile, rob, team = Profile.objects.get(name="Internal"), cast.users["rob"], local.team_id
    connector = (str(local.pk), "connector", "Local", team)
    assert refusal("connectors.delete", lambda: connectors.delete(cast.rob, local.pk)) == connector
    assert refusal("connectors.edit", lambda: connectors.edit(cast.rob, str(local.pk), 1, {})) == connector
    assert refusal("profiles.delete", lambda: profiles.delete(cast.rob, profile.pk))[1:] == (
        "profile",
        "Internal",
        team,
    )
    found = refusal("orders.approve", lambda: orders.approve(cast.rob, ident=str(order.pk)))
    assert found == (str(order.pk), "order", "a.example.com", team)
    with pytest.raises(NotPermitted):
        people.disable_user(cast.rob, rob.pk)
    assert said("people.disable")[-1]["target"] == {"kind": "user", "id": str(rob.pk), "name": "rob"}
    assert refusal("teams.rename", lambda: places.rename_team(cast.rob, team, "x"))[1:] == ("team", "Operations", None)


def test_what_somebody_may_elsewhere_is_recorded_with_the_thing_here(cast, local):
    other = replace(cast.rob, grants=(*cast.rob.grants, Grant("ca_operator", Team.objects.get(name="Other").pk)))
    found = refusal("connectors.deactivate", lambda: connectors.deactivate(other, local.pk))
    assert found == (str(local.pk), "connector", "Local", local.team_id)


def test_what_is_not_stored_yet_has_a_name_and_a_team_and_no_id(cast, simulator):
    other = replace(cast.rob, grants=(Grant("ca_operator", Team.objects.get(name="Other").pk),))
    team = Team.objects.get(name="Operations").pk
    made = values()
    assert refusal("connectors.create", lambda: connectors.create(other, "digicert", made)) == (
        "",
        "connector",
        made["name"],
        team,
    )
    found = refusal("connectors.test_unsaved", lambda: connectors.test_unsaved(other, "digicert", made))
    assert found == ("", "place", "", team)
    assert refusal("connectors.create", lambda: connectors.create(cast.rob, "digicert", made)) == (
        "connectors.create",
        "action",
        "",
        None,
    )


def test_an_order_that_may_not_be_placed_names_the_profile_however_it_was_named(cast, local):
    profile = Profile.objects.get(name="Internal")
    whole = (str(profile.pk), "profile", "Internal", local.team_id)
    for text in ("Internal", str(profile.pk)):
        assert (
            refusal("orders.place", lambda t=text: place(cast.amy, PlaceOrder(t, request_pem("a.example.com"))))
            == whole
        )
    for text in ("Nothing", "a\x00"):
        found = refusal("orders.place", lambda t=text: place(cast.dan, PlaceOrder(t, request_pem("a.example.com"))))
        assert found == ("", "profile", "", None)


def test_nobody_decides_about_their_own_order_and_is_told_who_does(cast, local):
    order = place(cast.ada, PlaceOrder("Careful", request_pem("a.example.com")))
    with pytest.raises(NotPermitted) as caught:
        orders.approve(cast.ada, order.pk)
    assert "second person" in caught.value.remedy
    assert "administrator" not in caught.value.remedy
    assert said("orders.approve")[-1]["target"]["id"] == str(order.pk)


def test_an_auditor_of_the_team_sees_the_refusal_and_one_of_another_does_not(cast, local):
    with pytest.raises(NotPermitted):
        connectors.delete(cast.cleo, local.pk)
    ops, other = local.team_id, Team.objects.get(name="Other").pk
    seen = {
        team: [
            e.action
            for e in audit.listing(replace(cast.dan, grants=(Grant("auditor", team),)), outcome="refused").items
        ]
        for team in (ops, other)
    }
    assert seen == {ops: ["connectors.delete"], other: []}


@pytest.mark.parametrize("ident", ["x", "a\x00", 7, uuid4(), None])
def test_an_id_that_leads_nowhere_is_no_fault(cast, ident):
    with pytest.raises(NotPermitted):
        connectors.delete(cast.rob, ident)
    entry = said("connectors.delete")[-1]
    assert (entry["outcome"], entry["target"].get("name")) == ("refused", "")


@pytest.mark.parametrize("ident", ["x", "7", 0, -1, 2**70, True])
def test_of_numbered_things_too(cast, ident):
    found = asked.of("people", ident)
    assert (found.kind, found.name) in {("user", ""), ("user", "ada")}
    assert asked.of("nowhere", ident) is None
