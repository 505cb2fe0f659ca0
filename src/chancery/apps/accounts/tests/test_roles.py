"""Roles of one's own, limited tokens, and sessions that end."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client

from chancery.apps.accounts import actions, ending, entering, places, queries, roles
from chancery.apps.accounts.models import Environment, KnownAddress, LoginTry, Role, Session, Team
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors import queries as seen
from chancery.apps.orders.place import PlaceOrder, place_mixed
from chancery.apps.shared import action
from chancery.apps.shared.actor import Actor, Grant
from chancery.apps.shared.tests.looking import conflict, refused, said
from chancery.core.clock import ManualClock
from chancery.core.errors import Absent, NotPermitted
from tests.cast import PASSWORD, request_pem

pytestmark = pytest.mark.django_db
TAKEN = [Permission.CONNECTOR_VIEW, Permission.CONNECTOR_DEACTIVATE]


def now(cast, name):
    return queries.actor_of(cast.users[name], how="test")


def test_a_role_of_ones_own_gives_what_it_says_where_it_is_granted(cast, local):
    made = roles.create(cast.ada, "switcher", TAKEN, description=" Night shift ")
    assert (made.permissions, made.description) == (sorted(TAKEN), "Night shift")
    ops, other = (Team.objects.get(name=n).pk for n in ("Operations", "Other"))
    actions.set_grants(cast.ada, cast.users["cleo"].pk, [("switcher", other, None)])
    with pytest.raises(Absent):
        connectors.deactivate(now(cast, "cleo"), local.pk)
    actions.set_grants(cast.ada, cast.users["cleo"].pk, [("switcher", ops, None)])
    connectors.deactivate(now(cast, "cleo"), local.pk)
    with pytest.raises(NotPermitted):
        connectors.activate(now(cast, "cleo"), local.pk)
    with pytest.raises(NotPermitted):
        actions.create_token(now(cast, "cleo"), "nightly")
    roles.edit(cast.ada, "switcher", [Permission.CONNECTOR_VIEW])
    with pytest.raises(NotPermitted):
        connectors.deactivate(now(cast, "cleo"), local.pk)
    assert said("roles.edit")[-1]["changed"] == ["description", "permissions"]


def test_a_role_in_use_stays_and_one_that_nobody_has_goes(cast):
    roles.create(cast.ada, "reader", [Permission.CONNECTOR_VIEW])
    actions.set_grants(cast.ada, cast.users["rob"].pk, [("reader", None, None)])
    with conflict("in_use"):
        roles.delete(cast.ada, "reader")
    actions.set_grants(cast.ada, cast.users["rob"].pk, [])
    roles.delete(cast.ada, "reader")
    with refused("grants"):
        actions.set_grants(cast.ada, cast.users["rob"].pk, [("reader", None, None)])
    with pytest.raises(Absent):
        roles.delete(cast.ada, "reader")


@pytest.mark.parametrize(
    ("name", "permissions", "field"),
    [
        ("Reader", TAKEN, "name"),
        ("administrator", TAKEN, "name"),
        ("bot", TAKEN, "name"),
        ("reader", [], "permissions"),
        ("reader", ["x"], "permissions"),
        ("known", TAKEN, "name"),
    ],
)
def test_a_role_that_cannot_be_is_refused(cast, name, permissions, field):
    roles.create(cast.ada, "known", TAKEN)
    with refused(field):
        roles.create(cast.ada, name, permissions)


def test_only_who_manages_people_makes_roles_and_a_role_asks_for_a_second_factor(cast):
    with pytest.raises(NotPermitted):
        roles.create(cast.rob, "reader", TAKEN)
    with pytest.raises(Absent):
        roles.require_factor(cast.ada, "nobody", needed=True)
    for name in ("requester", roles.create(cast.ada, "reader", TAKEN).name):
        assert roles.require_factor(cast.ada, name, needed=True).needs_factor
        assert roles.require_factor(cast.ada, name, needed=True).needs_factor
    assert now(cast, "rob").needs_factor
    assert not now(cast, "ada").needs_factor
    shown = {role.name: role for role in queries.roles()}
    assert shown["requester"].builtin
    assert shown["requester"].needs_factor
    assert not shown["reader"].builtin
    assert Role.objects.count() == 2


def test_a_token_gives_no_more_than_it_says_and_answers_only_where_it_may(cast, local):
    ops, place = Team.objects.get(name="Operations").pk, Environment.objects.get(name="Production").pk
    token, text = actions.create_token(
        cast.ada, "ci", permissions=["connectors.view"], team=ops, environment=place, networks=["192.0.2.0/24", "::1"]
    )
    for address in ("192.0.2.7", "::ffff:192.0.2.7", "::1"):
        actor = queries.actor_of_token(text, address)
        assert actor.limited
        assert actor.grants == (Grant("administrator", ops, place, frozenset({"connectors.view"})),)
    for address in ("192.0.3.7", "", "nonsense", "2001:db8::1"):
        assert queries.actor_of_token(text, address) is None
    assert [c.pk for c in seen.visible_to(actor)] == [local.pk]
    with pytest.raises(NotPermitted):
        connectors.deactivate(actor, local.pk)
    for own in (Permission.ACCOUNT_OWN, Permission.PASSWORD_OWN, Permission.FACTOR_OWN, Permission.SESSION_OWN):
        assert not actor.may(own)
    with conflict("in_use"):
        places.delete_team(cast.ada, ops)
    entry = said("tokens.create")[-1]
    assert entry["detail"]["permissions"] == ["connectors.view"]
    assert str(token) == "ci"


def test_a_limited_token_makes_no_other_and_a_role_elsewhere_gives_it_nothing(cast):
    ops, other = Team.objects.get(name="Operations").pk, Team.objects.get(name="Other").pk
    place = Environment.objects.get(name="Production").pk
    _, text = actions.create_token(cast.rob, "t", permissions=["tokens.create", "orders.view"])
    with pytest.raises(NotPermitted, match="limited"):
        actions.create_token(queries.actor_of_token(text), "more")
    _, text = actions.create_token(cast.rob, "t", team=other)
    assert queries.actor_of_token(text).grants == ()
    actions.set_grants(cast.ada, cast.users["rob"].pk, [("requester", ops, place)])
    lab = actions.create_environment(cast.ada, "Lab").pk
    _, text = actions.create_token(now(cast, "rob"), "t", environment=lab)
    assert queries.actor_of_token(text).grants == ()
    _, text = actions.create_token(now(cast, "rob"), "t", environment=place)
    assert queries.actor_of_token(text).may(Permission.ORDER_PLACE, ops, place)


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"permissions": ["x"]}, "permissions"),
        ({"permissions": []}, "permissions"),
        ({"team": 0}, "team"),
        ({"environment": 0}, "environment"),
        ({"networks": ["192.0.2.1/24"]}, "networks"),
        ({"networks": ["host"]}, "networks"),
        ({"networks": [f"192.0.2.{n}" for n in range(51)]}, "networks"),
    ],
)
def test_a_limit_that_means_nothing_is_refused(cast, limits, field):
    with refused(field):
        actions.create_token(cast.rob, "t", **limits)


def test_two_tokens_of_a_person_in_one_batch_each_do_what_they_may(cast, local):
    _, may = actions.create_token(cast.rob, "may")
    _, may_not = actions.create_token(cast.rob, "may not", permissions=["orders.view"])
    asked = PlaceOrder("Internal", request_pem("a.example.com"))
    done = place_mixed([(queries.actor_of_token(may), asked), (queries.actor_of_token(may_not), asked)])
    assert isinstance(done[1], NotPermitted)
    assert done[0].common_name == "a.example.com"


def test_an_administrator_ends_a_token_of_anybody(cast):
    token, text = actions.create_token(cast.rob, "t")
    assert [t.pk for t in queries.tokens_of(cast.ada, cast.users["rob"].pk).items] == [token.pk]
    with pytest.raises(NotPermitted):
        actions.end_token(cast.cleo, token.pk)
    actions.end_token(cast.ada, token.pk)
    assert queries.actor_of_token(text) is None
    with pytest.raises(Absent):
        actions.end_token(cast.ada, 0)


def log_in(name, **more):
    client = Client(**more)
    assert client.post("/login", {"username": name, "password": PASSWORD}).status_code == 302
    return client


def test_a_session_is_listed_and_ends_at_once(cast):
    first, second = log_in("rob", HTTP_USER_AGENT="Fire\x00fox"), log_in("rob", REMOTE_ADDR="192.0.2.9")
    rows = list(queries.sessions(cast.rob))
    assert [(s.address, s.agent, s.how) for s in rows] == [
        ("192.0.2.9", "", "password"),
        ("127.0.0.1", "Firefox", "password"),
    ]
    for other in (cast.cleo, Actor("x", None, "test", machine=True)):
        with pytest.raises(Absent if other is cast.cleo else NotPermitted):
            ending.end(other, rows[0].ident)
    ending.end(cast.rob, rows[0].ident)
    assert second.get("/account").status_code == 302
    assert first.get("/account").status_code == 200
    for gone in (uuid4(), "nonsense"):
        with pytest.raises(Absent):
            ending.end(cast.ada, gone)
    ending.end(cast.ada, str(rows[1].ident))
    assert first.get("/account").status_code == 302
    third = log_in("rob")
    assert ending.end_all(cast.ada, cast.users["rob"].pk) == 1
    assert third.get("/account").status_code == 302
    with pytest.raises(Absent):
        ending.end_all(cast.ada, 0)
    fourth = log_in("rob")
    assert queries.sessions(cast.ada, cast.users["rob"].pk).count() == 1
    actions.disable_user(cast.ada, cast.users["rob"].pk)
    assert not Session.objects.filter(user=cast.users["rob"]).exists()
    assert fourth.get("/account").status_code == 302
    assert Session(session_key="x").get_session_store_class().__module__ == settings.SESSION_ENGINE


@pytest.fixture
def clock():
    manual = ManualClock(action.current_clock().now())
    before = action.use_clock(manual)
    yield manual
    action.use_clock(before)


def test_ten_tries_an_hour_at_a_name_from_all_addresses_together(cast, clock):
    rob = cast.users["rob"]
    entering.succeeded(rob, "198.51.100.1")
    left = [entering.attempt("rob", f"192.0.2.{n}") for n in range(12)]
    assert left == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]
    assert entering.attempt("rob", "198.51.100.1") == 10
    assert entering.attempt("nobody\x00\ud800", "192.0.2.1") == 10
    clock.advance(timedelta(hours=1))
    assert entering.attempt("rob", "192.0.2.1") == 10
    entering.succeeded(rob, "192.0.2.1")
    assert not LoginTry.objects.filter(name="rob", address="192.0.2.1").exists()


def test_an_administrator_ends_a_pause_and_what_is_old_is_forgotten(cast, clock):
    for _ in range(11):
        entering.attempt("rob", "192.0.2.1")
    actions.unlock(cast.ada, cast.users["rob"].pk)
    assert entering.attempt("rob", "192.0.2.1") == 10
    for n in range(25):
        clock.advance(timedelta(seconds=1))
        entering.succeeded(cast.users["rob"], f"192.0.2.{n}")
    assert KnownAddress.objects.count() == 20
    client = log_in("rob")
    clock.advance(timedelta(days=1))
    entering.prune(clock.now())
    assert not LoginTry.objects.exists()
    assert not Session.objects.exists()
    assert client.get("/account").status_code == 302


def test_who_has_a_role_is_for_those_who_see_people(cast):
    assert queries.held(cast.rob) is None
    assert "requester" in queries.held(cast.ada)
