"""What people do to bots and targets: who may, what is refused, and what stands in the record."""

from datetime import timedelta

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts.models import Environment, Team
from chancery.apps.accounts.permissions import Permission
from chancery.apps.accounts.queries import actor_of
from chancery.apps.audit.models import Entry
from chancery.apps.bots import actions, channel, following, queries, targets
from chancery.apps.bots.models import Bot, Deployment, DeploymentEvent, Stage, Standing
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors import queries as connector_queries
from chancery.apps.connectors.models import PoolMember
from chancery.apps.orders import actions as orders
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.errors import Absent, Conflict, Invalid, NotPermitted
from tests.cast import PASSWORD, request_pem

pytestmark = pytest.mark.django_db
PLACE = {"team": "Operations", "environment": "Production"}
FILES = {"certificate": "/etc/nginx/www.pem", "key": "/etc/nginx/www.key"}
VALUES = {"name": "www", "kind": "nginx", "profile": "Internal", "names": ["www.example.com"], "settings": FILES}


@pytest.fixture
def bot(cast, local):
    return actions.create(cast.ada, "web-1", tags={"rack": "7"}, **PLACE)[0]


@pytest.fixture
def olga(cast):
    team = Team.objects.get(name="Operations").pk
    return actor_of(people.create_user(cast.host, "olga", PASSWORD, grants=[("bot_operator", team, None)]), how="test")


def field(refusal):
    return refusal.value.problems[0].field


def test_a_bot_and_its_token_are_made_and_recorded_without_the_token(cast, bot):
    made, token = actions.new_token(cast.ada, bot.pk, days=3, host="web-1")
    assert token.startswith("cbt_")
    assert made.token_digest == actions.digest(token)
    assert made.token_expires_at - SYSTEM_CLOCK.now() < timedelta(days=3)
    bodies = b"".join(bytes(e.body) for e in Entry.objects.all())
    assert b"bots.create" in bodies
    assert token.encode() not in bodies
    assert made.token_digest.encode() not in bodies
    assert str(made) == "web-1"


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"name": " "}, "name"),
        ({"name": "WEB-1"}, "name"),
        ({"purpose": "fun"}, "purpose"),
        ({"poll_seconds": 0}, "poll_seconds"),
        ({"days": 91}, "days"),
        ({"host": "a b"}, "host"),
        ({"tags": {str(n): "x" for n in range(21)}}, "tags"),
        ({"team": "None"}, "team"),
    ],
)
def test_what_cannot_be_a_bot_is_refused_by_field(cast, bot, given, wrong):
    with pytest.raises(Invalid) as refusal:
        actions.create(cast.ada, **{"name": "web-2", **PLACE, **given})
    assert field(refusal) == wrong
    assert Bot.objects.count() == 1


def test_who_may_make_and_see_bots(cast, bot, olga):
    for actor in (cast.rob, cast.amy, cast.dan):
        assert queries.get(actor, bot.pk) == bot
        with pytest.raises(NotPermitted):
            actions.create(actor, "x", **PLACE)
        with pytest.raises(NotPermitted):
            actions.stop(actor, bot.pk)
    with pytest.raises(Absent):
        queries.get(cast.cleo, bot.pk)
    assert actions.edit(olga, bot.pk, name="web-one", purpose="provisioning", poll_seconds=5).name == "web-one"
    with pytest.raises(NotPermitted):
        actions.create(olga, "y", team="Other", environment="Production")


def test_stop_and_start_once_each(cast, bot):
    with pytest.raises(Conflict):
        actions.start(cast.ada, bot.pk)
    actions.stop(cast.ada, bot.pk)
    with pytest.raises(Conflict):
        actions.stop(cast.ada, bot.pk)
    assert queries.standing(actions.start(cast.ada, bot.pk), SYSTEM_CLOCK.now()) == Standing.PENDING


def test_a_listing_finds_bots_by_status_and_name(cast, bot):
    now = SYSTEM_CLOCK.now()
    columns = {"enrolled_at": now, "configured": True}
    wanted = {
        "configuration_pending": {},
        "stopped": {"stopped_at": now},
        "failed": {**columns, "problem": "www: no"},
        "active": {**columns, "silent_at": now + timedelta(hours=1)},
        "inactive": {**columns, "silent_at": now - timedelta(hours=1)},
    }
    for status, changes in wanted.items():
        made, _ = actions.create(cast.ada, f"is {status}", **PLACE)
        Bot.objects.filter(pk=made.pk).update(**changes)
        Bot.objects.filter(pk=bot.pk).update(stopped_at=now, deleted_at=now)
        assert queries.standing(Bot.objects.get(pk=made.pk), now) == status
    for status in wanted:
        assert [b.name for b in queries.listing(cast.dan, status=status).items] == [f"is {status}"]
    assert [b.name for b in queries.listing(cast.dan, search="IS F").items] == ["is failed"]
    with pytest.raises(Invalid):
        queries.listing(cast.dan, status="odd")


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"name": ""}, "name"),
        ({"kind": "iis"}, "kind"),
        ({"names": []}, "names"),
        ({"names": ["bad name"]}, "names"),
        ({"names": ["www.example.com", "*.example.com"]}, "names"),
        ({"key_type": "DSA"}, "key_type"),
        ({"window": "now"}, "window"),
        ({"renew_days": 999}, "renew_days"),
        ({"odd": 1}, "odd"),
        ({"settings": {**FILES, "key": "relative"}}, "settings.key"),
        ({"settings": {}}, "settings.certificate"),
        ({"settings": {**FILES, "run": "rm"}}, "settings.run"),
        ({"kind": "pem", "settings": {}}, "settings"),
    ],
)
def test_what_cannot_be_a_target_is_refused_by_field(cast, bot, given, wrong):
    Profile.objects.filter(name="Internal").update(wildcard=False)
    with pytest.raises(Invalid) as refusal:
        targets.add(cast.ada, bot.pk, {**VALUES, **given})
    assert field(refusal) == wrong


def test_a_target_orders_with_what_its_maker_may_order_with_in_its_own_environment(cast, bot, local, olga):
    row = targets.add(olga, bot.pk, VALUES)
    assert (row.names, str(row), queries.standing(Bot.objects.get(), SYSTEM_CLOCK.now())) == (
        [["dns", "www.example.com"]],
        "www",
        Standing.PENDING,
    )
    kim = people.create_user(cast.host, "kim", PASSWORD, grants=[("ca_operator", None, None)])
    kim_may = [(r, None, None) for r in ("ca_operator", "bot_operator")]
    with pytest.raises(NotPermitted):
        targets.add(actor_of(kim, how="test"), bot.pk, VALUES)
    people.set_grants(cast.host, kim.pk, kim_may)
    assert targets.add(actor_of(kim, how="test"), bot.pk, {**VALUES, "name": "other"}).revision == 1
    people.create_environment(cast.host, "QA")
    connectors.create(cast.ada, "local", {"name": "QA CA", "team": "Operations", "environment": "QA"})
    profiles.create(cast.ada, {"name": "For QA", "connector": "QA CA"})
    with pytest.raises(Invalid, match="another team or environment") as refusal:
        targets.add(cast.ada, bot.pk, {**VALUES, "profile": "For QA"})
    assert field(refusal) == "profile"


def test_editing_a_bot_needs_the_right_to_order(cast, bot, local, monkeypatch):
    from chancery.apps.accounts import permissions

    monkeypatch.setitem(permissions.ROLES, "wirer", frozenset({*permissions._READ, Permission.BOT_EDIT}))
    wim = actor_of(people.create_user(cast.host, "wim", PASSWORD, grants=[("wirer", None, None)]), how="test")
    with pytest.raises(NotPermitted, match="may not do yourself"):
        targets.add(wim, bot.pk, VALUES)


def test_an_inactive_connector_is_offered_to_no_new_target_and_kept_by_an_old_one(cast, bot, local):
    row = targets.add(cast.ada, bot.pk, VALUES)
    connectors.deactivate(cast.ada, local.pk)
    with pytest.raises(Invalid, match="inactive"):
        targets.add(cast.ada, bot.pk, {**VALUES, "name": "second"})
    changed = targets.edit(cast.ada, row.pk, 1, {**VALUES, "window": "sat 01:00-02:00"})
    assert (changed.revision, changed.window) == (2, "sat 01:00-02:00")
    PoolMember.objects.all().delete()
    assert targets.edit(cast.ada, row.pk, 2, VALUES).revision == 3
    with pytest.raises(Conflict, match="changed while"):
        targets.edit(cast.ada, row.pk, 1, VALUES)


def test_who_shaped_a_target_is_known_by_id(cast, bot, olga):
    row = targets.add(cast.ada, bot.pk, VALUES)
    assert (row.names_by_user_id, row.edited_by_user_id) == (cast.ada.user, cast.ada.user)
    row = targets.edit(olga, row.pk, 1, {**VALUES, "window": "sat 01:00-02:00"})
    assert (row.names_by_user_id, row.edited_by_user_id) == (cast.ada.user, olga.user)
    row = targets.edit(olga, row.pk, 2, {**VALUES, "names": ["shop.example.com"]})
    assert (row.names_by_user_id, row.edited_by_user_id) == (olga.user, olga.user)
    made, _ = actions.new_token(olga, bot.pk)
    assert (made.created_by_user_id, made.token_by_user_id, made.enrolled_by_user_id) == (
        cast.ada.user,
        olga.user,
        None,
    )
    assert actions.issue(olga, row.pk).asked_by_user_id == olga.user


def test_what_a_bot_orders_through_is_not_deleted(cast, bot, local):
    row = targets.add(cast.ada, bot.pk, VALUES)
    with pytest.raises(Conflict) as refusal:
        connectors.delete(cast.ada, local.pk)
    named = [(b.kind, b.name, b.reason) for b in refusal.value.blockers if b.kind == "bot"]
    assert named == [("bot", "web-1", "orders through it for its target www")]
    assert [b.kind for b in connector_queries.delete_preview(cast.ada, local.pk).blockers if b.kind == "bot"] == ["bot"]
    with pytest.raises(Conflict) as refusal:
        profiles.delete(cast.ada, "Internal")
    assert [(b.kind, b.name) for b in refusal.value.blockers] == [("bot", "web-1")]
    targets.remove(cast.ada, row.pk)
    profiles.delete(cast.ada, "Internal")
    with pytest.raises(Absent):
        queries.target(cast.ada, row.pk)


def test_a_team_with_bots_is_not_removed(cast, bot):
    from chancery.apps.accounts import places

    with pytest.raises(Conflict) as refusal:
        places.delete_environment(cast.host, Environment.objects.get(name="Production").pk)
    assert ("bot", "web-1") in [(b.kind, b.name) for b in refusal.value.blockers]


def test_one_deployment_at_a_time_and_what_can_be_given_up(cast, bot, local, olga):
    row = targets.add(cast.ada, bot.pk, VALUES)
    for act in (actions.again, actions.roll_back):
        with pytest.raises(Conflict) as refusal:
            act(olga, row.pk)
        assert refusal.value.code == "nothing_there"
    wanted = actions.issue(olga, row.pk)
    with pytest.raises(Conflict) as refusal:
        actions.issue(olga, row.pk)
    assert refusal.value.code == "under_way"
    with pytest.raises(Conflict):
        targets.remove(cast.ada, row.pk)
    with pytest.raises(NotPermitted):
        actions.cancel(cast.rob, wanted.pk)
    other = Team.objects.get(name="Other").pk
    zoe = actor_of(people.create_user(cast.host, "zoe", PASSWORD, grants=[("bot_operator", other, None)]), how="test")
    for refused in (actions.cancel, actions.stop, queries.deployment):
        with pytest.raises(Absent):
            refused(zoe, wanted.pk if refused is not actions.stop else bot.pk)
    assert actions.cancel(olga, wanted.pk).state == Stage.CANCELLED
    with pytest.raises(Conflict):
        actions.cancel(olga, wanted.pk)
    assert [e.kind for e in DeploymentEvent.objects.order_by("id")] == ["asked", "cancelled"]


def test_a_deleted_bot_is_gone_with_what_it_was_to_do(cast, bot, local):
    wanted = actions.issue(cast.ada, targets.add(cast.ada, bot.pk, VALUES).pk)
    actions.delete(cast.ada, bot.pk)
    assert queries.listing(cast.ada).items == []
    assert Deployment.objects.get().state == Stage.CANCELLED
    assert channel.known(str(bot.pk)) is None
    with pytest.raises(Absent):
        queries.get(cast.ada, bot.pk)
    assert actions.create(cast.ada, "web-1", **PLACE)[0].pk != bot.pk
    assert wanted.target.bot.name == "web-1"


def test_an_order_that_a_person_ends_ends_its_deployment(cast, bot, local):
    wanted = actions.issue(cast.ada, targets.add(cast.ada, bot.pk, VALUES).pk)
    order = place(cast.rob, PlaceOrder("Internal", request_pem("www.example.com")))
    assert queries.of_order(cast.ada, order.pk) is None
    Deployment.objects.filter(pk=wanted.pk).update(order=order, state=Stage.ORDERED)
    orders.cancel(cast.rob, order.pk)
    wanted.refresh_from_db()
    assert (wanted.state, wanted.text) == (Stage.FAILED, "The order is cancelled.")
    assert Bot.objects.get().problem == "www: The order is cancelled."
    following.mind(queries.target(cast.ada, wanted.target_id), "")
    assert Bot.objects.get().problem == ""
    assert queries.of_order(cast.ada, order.pk) == wanted
    assert queries.of_order(cast.cleo, order.pk) is None
    nobody = actor_of(people.create_user(cast.host, "ned", PASSWORD), how="test")
    assert queries.of_order(nobody, order.pk) is None
    assert queries.deployment(cast.dan, wanted.pk) == wanted
    assert queries.deployments(cast.dan, bot.pk).items == [wanted]
    assert queries.open_of(queries.targets(bot)) == {}


def test_a_bot_as_an_actor_holds_little_and_only_at_home(cast, bot):
    actor = channel.actor_of(bot)
    assert actor.may(Permission.ORDER_PLACE, bot.team_id, bot.environment_id)
    assert not actor.may(Permission.ORDER_PLACE, bot.team_id + 1, bot.environment_id)
    for permission in set(Permission) - {
        Permission.ORDER_PLACE,
        Permission.CERTIFICATE_RENEW,
        Permission.PROFILE_VIEW,
        Permission.CONNECTOR_VIEW,
        Permission.CERTIFICATE_VIEW,
    }:
        assert not actor.may(permission), permission
    assert actor.scopes(Permission.ORDER_PLACE) == actor.grants
    assert actor.scopes(Permission.PEOPLE_VIEW) == ()
    with pytest.raises(Invalid, match="no role 'bot'"):
        people.create_user(cast.host, "robot", PASSWORD, grants=[("bot", None, None)])


def test_why_a_bot_waits_is_said_in_a_sentence(cast, bot):
    now = SYSTEM_CLOCK.now()
    assert queries.why(bot, now) == "It has not come with its token yet."
    assert queries.why(bot, now + timedelta(days=60)).startswith("Its token has expired")
    bot.enrolled_at = now
    assert queries.why(bot, now) == "It has no target yet."
    bot.configured = True
    assert queries.why(bot, now) == ""
    bot.problem = "www: no"
    assert queries.why(bot, now) == "www: no"
    bot.clone = "ab from 192.0.2.1"
    assert "Another machine (ab from 192.0.2.1)" in queries.why(bot, now)


def test_deployments_of_a_bot_without_targets_are_none(cast, bot):
    assert queries.deployments(cast.ada, bot.pk).items == []


def test_a_bot_for_discovery_gets_no_targets(cast, bot, local):
    row = targets.add(cast.ada, bot.pk, VALUES)
    with pytest.raises(Invalid, match="has targets") as refusal:
        actions.edit(cast.ada, bot.pk, name="web-1", purpose="discovery")
    assert field(refusal) == "purpose"
    targets.remove(cast.ada, row.pk)
    actions.edit(cast.ada, bot.pk, name="web-1", purpose="discovery")
    with pytest.raises(Conflict, match="discovery alone"):
        targets.add(cast.ada, bot.pk, VALUES)
