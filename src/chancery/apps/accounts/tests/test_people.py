"""People, teams and environments: who may change them, and what is refused."""

import pytest

from chancery.apps.accounts import actions, queries, zones
from chancery.apps.accounts.models import Environment, Grant, Team, User
from chancery.apps.shared.tests.looking import conflict, refused, said
from chancery.core.errors import Absent, NotPermitted
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db
FRESH = "another long pass phrase"


def grants_of(user):
    return sorted(Grant.objects.filter(user=user).values_list("role", "team_id", "environment_id"))


def test_a_person_is_made_with_roles_and_the_record_names_no_password(cast):
    team = Team.objects.get(name="Other")
    grants = [("requester", team.pk, None), ("requester", team.pk, None), ("auditor", None, None)]
    user = actions.create_user(cast.ada, " Eve ", PASSWORD, full_name=" Eve Adams ", grants=grants)
    assert (user.username, user.full_name, user.must_change_password) == ("eve", "Eve Adams", False)
    assert user.check_password(PASSWORD)
    assert PASSWORD not in user.password
    assert grants_of(user) == [("auditor", None, None), ("requester", team.pk, None)]
    entry = said("people.create")[-1]
    assert (entry["target"]["name"], entry["changed"]) == ("eve", ["grants"])
    assert entry["detail"] == {"roles": ["auditor", "requester"]}


@pytest.mark.parametrize("name", ["", "  ", "a b", "eve<script>", "...", "a" * 151, "eve\x00", None])
def test_a_login_name_that_cannot_be_used_is_refused(cast, name):
    with refused("username"):
        actions.create_user(cast.ada, name, PASSWORD)


@pytest.mark.parametrize("name", ["e.v-e_1@example.com", "Zoë"])
def test_login_names_of_many_kinds_are_taken(cast, name):
    assert actions.create_user(cast.ada, name, PASSWORD).username == name.lower()


def test_a_login_name_is_taken_whatever_its_case(cast):
    with refused("username", code="taken"):
        actions.create_user(cast.ada, "ROB", PASSWORD)
    assert User.objects.get_by_natural_key("ROB") == cast.users["rob"]


@pytest.mark.parametrize("name", ["rob\x00", "\ud800", "", None])
def test_whoever_cannot_be_anybody_is_nobody(cast, client, name):
    with pytest.raises(User.DoesNotExist):
        User.objects.get_by_natural_key(name)
    assert not client.login(username=name, password=PASSWORD)


def test_a_full_name_is_bounded(cast):
    with refused("full_name"):
        actions.create_user(cast.ada, "eve", PASSWORD, full_name="a" * 201)


@pytest.mark.parametrize("password", ["sho rt", "password1234", "a" * 1001, "long enough \x00 it is"])
def test_a_weak_or_unusable_password_is_refused_and_not_repeated(cast, password):
    with refused("password") as caught:
        actions.create_user(cast.ada, "eve", password)
    assert password not in str(caught.value)
    assert not User.objects.filter(username="eve").exists()


def test_roles_teams_and_environments_must_exist(cast):
    for grant in [("emperor", None, None), ("auditor", 999_999, None), ("auditor", None, 999_999)]:
        with refused("grants"):
            actions.create_user(cast.ada, "eve", PASSWORD, grants=[grant])
    for odd in ("1", 10**30, ["1"]):
        with refused("grants"):
            actions.set_grants(cast.ada, cast.users["rob"].pk, [("auditor", odd, None)])
    assert not User.objects.filter(username="eve").exists()


def test_a_role_for_one_environment_is_kept_with_it(cast):
    production = Environment.objects.get(name="Production")
    actions.set_grants(cast.ada, cast.users["rob"].pk, [("requester", None, production.pk)])
    assert grants_of(cast.users["rob"]) == [("requester", None, production.pk)]


def test_roles_are_replaced_and_hold_at_once(cast):
    rob = cast.users["rob"]
    actions.set_grants(cast.ada, rob.pk, [("auditor", None, None)])
    assert [g.role for g in queries.actor_of(rob, how="test").grants] == ["auditor"]
    assert said("people.grant")[-1]["detail"] == {"roles": ["auditor"]}


def test_the_last_administrator_keeps_the_role_and_stays(cast):
    ada = cast.users["ada"]
    for attempt in (lambda: actions.set_grants(cast.ada, ada.pk, []), lambda: actions.disable_user(cast.ada, ada.pk)):
        with conflict("last_administrator"):
            attempt()
    actions.set_grants(cast.ada, ada.pk, [("administrator", None, None), ("auditor", None, None)])
    assert ada.grants.count() == 2


def test_an_administrator_of_one_team_does_not_count_as_another(cast):
    rob, ada = cast.users["rob"], cast.users["ada"]
    actions.set_grants(cast.ada, rob.pk, [("administrator", Team.objects.get(name="Other").pk, None)])
    with conflict("last_administrator"):
        actions.disable_user(cast.ada, ada.pk)
    actions.set_grants(cast.ada, rob.pk, [("administrator", None, None)])
    actions.disable_user(cast.ada, ada.pk)
    with conflict("last_administrator"):
        actions.disable_user(cast.host, rob.pk)


def test_an_administrator_of_one_team_cannot_make_an_administrator_of_all(cast):
    rob = cast.users["rob"]
    actions.set_grants(cast.ada, rob.pk, [("administrator", Team.objects.get(name="Operations").pk, None)])
    actor = queries.actor_of(rob, how="test")
    for attempt in (
        lambda: actions.set_grants(actor, rob.pk, [("administrator", None, None)]),
        lambda: actions.set_password(actor, cast.users["ada"].pk, FRESH),
        lambda: actions.create_user(actor, "eve", PASSWORD, grants=[("administrator", None, None)]),
    ):
        with pytest.raises(NotPermitted):
            attempt()
    assert User.objects.get(pk=cast.users["ada"].pk).check_password(PASSWORD)


def test_a_new_one_time_password_must_be_changed_and_is_not_recorded(cast):
    user = actions.set_password(cast.ada, cast.users["rob"].pk, FRESH)
    user.refresh_from_db()
    assert user.must_change_password
    assert user.check_password(FRESH)
    entry = said("people.password")[-1]
    assert (entry["changed"], entry["detail"]) == (["password"], {})


def test_a_one_time_password_is_changed_by_its_owner_whatever_their_roles(cast):
    for name in ("rob", "dan"):
        user = actions.set_password(cast.ada, cast.users[name].pk, FRESH)
        actions.change_own_password(queries.actor_of(user, how="test"), PASSWORD + " 2")
        user.refresh_from_db()
        assert user.check_password(PASSWORD + " 2")
        assert not user.must_change_password
    nobody = actions.create_user(cast.ada, "eve", PASSWORD, must_change_password=True)
    actions.change_own_password(queries.actor_of(nobody, how="test"), FRESH)
    assert [e["actor"]["name"] for e in said("people.own_password")] == ["rob", "dan", "eve"]


def test_the_host_has_no_password_of_its_own(cast):
    with pytest.raises(Absent):
        actions.change_own_password(cast.host, FRESH)


@pytest.mark.parametrize("name", ["rob", "dan"])
def test_everybody_minds_their_own_name_and_time_zone_and_no_other(cast, name):
    actions.change_own_account(cast.actors[name], full_name=" Zoë عمر 🙂 ", time_zone="Asia/Kolkata")
    mine = User.objects.get(username=name)
    assert (mine.full_name, mine.time_zone) == ("Zoë عمر 🙂", "Asia/Kolkata")
    assert set(User.objects.exclude(pk=mine.pk).values_list("full_name", "time_zone")) == {("", "")}
    entry = said("people.own_account")[-1]
    assert (entry["target"]["name"], entry["changed"]) == (name, ["full_name", "time_zone"])


@pytest.mark.parametrize("zone", ["Mars/Olympus", "europe/oslo", "../etc/passwd", "localtime", "x" * 65])
def test_a_time_zone_that_nobody_knows_is_refused_by_name(cast, zone):
    with refused("time_zone"):
        actions.change_own_account(cast.rob, full_name="Rob", time_zone=zone)
    assert User.objects.get(username="rob").full_name == ""


def test_everybody_sees_their_own_account_and_roles(cast):
    assert queries.own(cast.rob) == cast.users["rob"]
    assert [(g.user_id, g.role) for g in queries.grants(cast.rob)] == [(cast.rob.user, "requester")]
    assert list(queries.grants(cast.host)) == []


@pytest.mark.parametrize(
    ("name", "meant"), [("Europe/Oslo", "Europe/Oslo"), ("", "Asia/Tokyo"), ("Mars/Olympus", "Asia/Tokyo")]
)
def test_a_zone_that_this_machine_does_not_know_is_the_servers(name, meant, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    assert str(zones.zone(name)) == meant


def test_whose_account_is_none_has_no_name(cast):
    with pytest.raises(Absent):
        actions.change_own_account(cast.host, full_name="Host", time_zone="")
    with pytest.raises(Absent):
        queries.own(cast.host)


def test_a_disabled_person_is_kept_out_and_their_entries_stay(cast):
    before = said("people.create")
    actions.disable_user(cast.ada, cast.users["rob"].pk)
    assert not User.objects.get(username="rob").is_active
    assert said("people.create") == before
    assert said("people.disable")[-1]["changed"] == ["is_active"]


@pytest.mark.parametrize("act", [actions.disable_user, lambda a, i: actions.set_grants(a, i, [])])
def test_a_person_who_is_not_there_is_absent(cast, act):
    with pytest.raises(Absent):
        act(cast.ada, 999_999)


@pytest.mark.parametrize(
    "act", [lambda a, i: actions.set_password(a, i, FRESH), lambda a, i: actions.set_grants(a, i, [])]
)
def test_what_would_change_nothing_for_somebody_kept_out_is_refused(cast, act):
    rob = cast.users["rob"]
    actions.disable_user(cast.ada, rob.pk)
    with conflict("disabled") as caught:
        act(cast.ada, rob.pk)
    assert "people enable" in caught.value.remedy
    assert grants_of(rob)


def test_somebody_kept_out_comes_back_with_their_roles_and_nothing_old_that_opens(cast, client):
    rob = cast.users["rob"]
    token = actions.create_token(cast.rob, "nightly")[1]
    assert client.login(username="rob", password=PASSWORD)
    roles = grants_of(rob)
    actions.disable_user(cast.ada, rob.pk)
    with refused("password"):
        actions.enable_user(cast.ada, rob.pk, "short")
    actions.enable_user(cast.ada, rob.pk, FRESH)
    rob.refresh_from_db()
    assert (rob.is_active, rob.must_change_password, grants_of(rob)) == (True, True, roles)
    assert rob.check_password(FRESH)
    assert queries.actor_of_token(token) is None
    assert client.get("/account").headers["Location"].startswith("/login"), "the old session stays dead"
    assert said("people.enable")[-1]["changed"] == ["is_active", "password"]
    with conflict("enabled"):
        actions.enable_user(cast.ada, rob.pk, FRESH)
    with pytest.raises(NotPermitted):
        actions.enable_user(cast.amy, rob.pk, FRESH)


def test_people_are_listed_for_those_who_may_see_them(cast):
    assert [str(u) for u in queries.users(cast.dan)] == ["ada", "amy", "cleo", "dan", "rob"]
    with pytest.raises(NotPermitted):
        queries.users(cast.rob)


@pytest.mark.parametrize(("look", "field"), [(queries.team, "team"), (queries.environment, "environment")])
@pytest.mark.parametrize("value", ["", None, "Nowhere", "0", "9" * 18, "9" * 5000, "²"])
def test_a_team_or_environment_that_is_not_there_is_refused_by_name(cast, look, field, value):
    with refused(field, code="invalid" if value else "missing"):
        look(value)


def test_a_team_is_found_by_id_and_by_name(cast):
    team = Team.objects.get(name="Operations")
    assert queries.team(team.pk) == queries.team(str(team.pk)) == queries.team(" Operations ") == team


def test_the_first_start_makes_team_environments_and_administrator_once(db):
    from chancery.apps.accounts.start import first_administrator
    from chancery.apps.shared.actor import host_actor

    password = first_administrator(host_actor("root"), "admin")
    admin = User.objects.get()
    assert admin.check_password(password)
    assert admin.must_change_password
    assert grants_of(admin) == [("administrator", None, None)]
    assert first_administrator(host_actor("root"), "second") is None
    assert (Team.objects.count(), Environment.objects.count(), User.objects.count()) == (1, 2, 1)


def test_people_are_searched_by_the_beginning_of_their_login_name(cast):
    assert [str(u) for u in queries.people(cast.ada).items] == ["ada", "amy", "cleo", "dan", "rob"]
    assert [str(u) for u in queries.people(cast.ada, search="A").items] == ["ada", "amy"]
    assert [str(u) for u in queries.people(cast.ada, search="o").items] == []
    with pytest.raises(NotPermitted):
        queries.people(cast.rob, search="a")


def test_a_person_is_shown_by_id_to_those_who_may_see_people(cast):
    rob = cast.users["rob"]
    assert queries.person(cast.dan, rob.pk) == rob
    with pytest.raises(Absent):
        queries.person(cast.dan, 0)
    with pytest.raises(NotPermitted):
        queries.person(cast.rob, rob.pk)
