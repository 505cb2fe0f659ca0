"""Who may do what, where: roles, teams, environments."""

import pytest

from chancery.apps.accounts.permissions import Permission
from chancery.apps.shared.actor import Actor, Grant, engine_actor, host_actor

VIEW, MANAGE = Permission.CONNECTOR_VIEW, Permission.PEOPLE_MANAGE


def person(*grants):
    return Actor("pat", 1, "test", grants=grants)


def test_engine_and_host_hold_every_right_everywhere():
    for actor in (engine_actor(), host_actor("root")):
        assert all(actor.may(p, 1, 1) for p in Permission)
        assert actor.scopes(VIEW) is None


def test_nobody_without_a_grant_may_anything_but_mind_their_own_account():
    assert [p for p in Permission if person().may(p)] == [
        Permission.PASSWORD_OWN,
        Permission.ACCOUNT_OWN,
        Permission.SESSION_OWN,
        Permission.FACTOR_OWN,
    ]
    assert person().scopes(VIEW) == ()


def test_an_unknown_role_gives_nothing():
    assert not person(Grant("emperor")).may(VIEW)
    assert not person(Grant("emperor")).may(VIEW, 1, 1)


@pytest.mark.parametrize(
    ("grant", "team", "environment", "allowed"),
    [
        (Grant("auditor"), 1, 1, True),
        (Grant("auditor", team=1), 1, 2, True),
        (Grant("auditor", team=1), 2, 2, False),
        (Grant("auditor", environment=1), 2, 1, True),
        (Grant("auditor", environment=1), 2, 2, False),
        (Grant("auditor", team=1, environment=1), 1, 1, True),
        (Grant("auditor", team=1, environment=1), 1, 2, False),
        (Grant("auditor", team=1, environment=1), 2, 1, False),
    ],
)
def test_a_grant_covers_its_team_and_its_environment(grant, team, environment, allowed):
    assert person(grant).may(VIEW, team, environment) is allowed


def test_two_grants_do_not_add_up_to_a_third():
    pat = person(Grant("requester", team=1, environment=1), Grant("requester", team=2, environment=2))
    assert not pat.may(VIEW, 1, 2)


def test_roles_are_held_where_they_were_given_not_elsewhere():
    pat = person(Grant("requester", team=1), Grant("approver", team=2))
    assert pat.may(Permission.ORDER_PLACE, 1, 1)
    assert not pat.may(Permission.ORDER_APPROVE, 1, 1)
    assert pat.may(Permission.ORDER_APPROVE)


def test_scopes_are_the_grants_that_give_it_or_none_for_everywhere():
    pat = person(Grant("requester", team=1), Grant("approver", team=2))
    assert pat.scopes(Permission.ORDER_PLACE) == (Grant("requester", team=1),)
    assert person(Grant("requester", team=1), Grant("auditor")).scopes(VIEW) is None


@pytest.mark.parametrize("grant", [Grant("administrator", team=1), Grant("administrator", environment=1)])
def test_an_administrator_of_one_team_or_environment_does_not_manage_people(grant):
    assert person(grant).may(VIEW, 1, 1)
    assert not person(grant).may(MANAGE)
    assert not person(grant).may(MANAGE, 1, 1)
    assert person(grant).scopes(MANAGE) == ()
    assert person(Grant("administrator")).may(MANAGE)
