"""Changes that others approve, or that come into force later."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts import roles
from chancery.apps.accounts.models import Environment
from chancery.apps.changes import actions, queries
from chancery.apps.changes.holding import Proposed
from chancery.apps.changes.models import Change, Kind, Rule
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors import history
from chancery.apps.connectors.models import Connector
from chancery.apps.connectors.tests.account import values
from chancery.apps.shared import action
from chancery.apps.shared.actor import engine_actor
from chancery.apps.shared.tests.looking import conflict, refused, said
from chancery.core.clock import ManualClock
from chancery.core.errors import Absent, NotPermitted
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db
SECRET = "a canary in a key"


@pytest.fixture
def clock():
    manual = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
    before = action.use_clock(manual)
    yield manual
    action.use_clock(before)


@pytest.fixture
def office(cast, clock):
    """Two operators, a second approver, and a rule that one other has to approve each kind in Production."""
    for name, role in (("eva", "ca_operator"), ("otto", "ca_operator"), ("ann", "approver")):
        user = people.create_user(cast.host, name, PASSWORD, grants=[(role, None, None)])
        cast.users[name], cast.actors[name] = user, who.actor_of(user, how="test")
    cast.place = Environment.objects.get(name="Production").pk
    for kind in set(Kind) - {Kind.RULE}:
        Rule.objects.create(environment_id=cast.place, kind=kind, needed=1)
    return cast


def need(number):
    Rule.objects.update(needed=number)


def held(call):
    with pytest.raises(Proposed) as found:
        call()
    return Change.objects.get(pk=found.value.change)


@pytest.fixture
def connector(office):
    Rule.objects.update(needed=0)
    made = connectors.create(office.eva, "digicert", values())
    need(1)
    return made


def edited(office, connector, actor=None, **more):
    whole = {**history.values(connector, connector.current.number), "owner": "Somebody new", **more}
    return held(lambda: connectors.edit(actor or office.eva, connector.pk, connector.revision, whole))


def test_an_edit_waits_for_a_second_person_and_is_then_done_as_its_proposer(office, connector):
    change = edited(office, connector, api_key=SECRET)
    connector.refresh_from_db()
    assert (connector.owner, connector.versions.count(), connector.revision) == ("", 1, 1)
    assert [(d["field"], d["after"]) for d in change.diff] == [("owner", "Somebody new"), ("api_key", "changed")]
    assert SECRET not in str(list(Change.objects.values()))
    for somebody in (office.eva, office.otto):
        with pytest.raises(NotPermitted):
            actions.approve(somebody, change.pk)
    done = actions.approve(office.amy, change.pk)
    connector = Connector.objects.get(pk=connector.pk)
    assert (done.state, done.sealed, connector.owner) == ("applied", {}, "Somebody new")
    assert connectors.unsealed_version(connector.current)["api_key"].reveal() == SECRET
    assert connector.current.created_by == "eva"
    entry = said("connectors.edit")[-1]
    assert (entry["actor"]["name"], entry["actor"]["how"]) == ("eva", f"change:{change.pk}")
    assert said("changes.approve")[-1]["actor"]["name"] == "amy"
    with conflict("wrong_state"):
        actions.approve(office.ann, change.pk)


def test_nothing_leads_past_it_not_a_token_not_a_limited_one_not_a_machine(office, connector):
    people.set_grants(office.host, office.users["eva"].pk, [("administrator", None, None)])
    change = edited(office, connector, who.actor_of(office.users["eva"], how="session"))
    eva = who.actor_of(office.users["eva"], how="session")
    for text in (
        people.create_token(eva, "t")[1],
        people.create_token(eva, "l", permissions=["changes.approve", "changes.view"])[1],
    ):
        with pytest.raises(NotPermitted, match="themselves"):
            actions.approve(who.actor_of_token(text), change.pk)
    for nobody in (office.host, engine_actor(), replace(eva, user=None, machine=True)):
        with pytest.raises(NotPermitted, match="people"):
            actions.approve(nobody, change.pk)
    assert not change.votes.exists()


@pytest.mark.parametrize(
    "take", [lambda o, pk: people.disable_user(o.host, pk), lambda o, pk: people.set_grants(o.host, pk, [])]
)
def test_the_approval_of_somebody_who_may_no_more_does_not_count(office, connector, clock, take):
    need(2)
    change = held(lambda: connectors.deactivate(office.eva, connector.pk))
    actions.approve(office.amy, change.pk)
    take(office, office.users["amy"].pk)
    done = actions.approve(office.ann, change.pk)
    assert (done.state, done.text) == ("waiting", "Of those who approved it 1 may not any more, and do not count.")
    assert Connector.objects.get().status == "active"
    third = people.create_user(office.host, "ute", PASSWORD, grants=[("approver", None, None)])
    assert actions.approve(who.actor_of(third, how="test"), change.pk).state == "applied"


def test_what_was_approved_for_later_waits_anew_where_its_approver_may_no_more(office, connector, clock):
    whole = {**history.values(connector, connector.current.number), "owner": "Somebody new"}
    at = clock.now() + timedelta(hours=1)
    change = held(lambda: connectors.edit(office.eva, connector.pk, 1, whole, not_before=at))
    assert actions.approve(office.amy, change.pk).state == "scheduled"
    people.disable_user(office.host, office.users["amy"].pk)
    clock.advance(timedelta(hours=1))
    done = actions.apply_due(engine_actor(), change.pk)
    assert (done.state, Connector.objects.get().owner) == ("waiting", "")
    assert done.text.endswith("Of those who approved it 1 may not any more, and do not count.")
    assert (actions.approve(office.ann, change.pk).state, Connector.objects.get().owner) == ("applied", "Somebody new")


def test_each_approver_counts_once_and_the_last_one_does_it(office, connector):
    need(2)
    change = held(lambda: connectors.deactivate(office.eva, connector.pk))
    assert actions.approve(office.amy, change.pk).state == "waiting"
    with conflict("approved"):
        actions.approve(office.amy, change.pk)
    assert actions.approve(office.ann, change.pk).state == "applied"
    assert Connector.objects.get().status == "inactive"
    assert [v["votes"] for v in Change.objects.values("votes").order_by("votes")]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (
            lambda who, c: connectors.create(
                who, "local", {"name": "New", "team": "Operations", "environment": "Production"}
            ),
            "create",
        ),
        (lambda who, c: connectors.activate(who, c.pk), "activate"),
        (lambda who, c: connectors.deactivate(who, c.pk), "deactivate"),
        (lambda who, c: connectors.delete(who, c.pk), "delete"),
        (lambda who, c: history.roll_back(who, c.pk, c.revision, 1, {}), "edit"),
    ],
)
def test_every_kind_is_checked_at_once_kept_and_done_when_approved(office, connector, call, kind):
    before = list(Connector.objects.order_by("pk").values())
    change = held(lambda: call(office.eva, connector))
    assert list(Connector.objects.order_by("pk").values()) == before
    assert (change.kind, change.state) == (kind, "waiting")
    done = actions.approve(office.amy, change.pk)
    assert (done.state, done.text) == ("applied", "")
    assert done.connector_id is not None
    with pytest.raises(Absent):
        connectors.deactivate(office.eva, uuid.uuid4())


def test_what_cannot_be_done_is_not_even_proposed(office, connector):
    with refused("owner"):
        connectors.edit(office.eva, connector.pk, 1, {**history.values(connector, 1), "owner": "x" * 300})
    with pytest.raises(NotPermitted):
        connectors.deactivate(office.rob, connector.pk)
    assert not Change.objects.exists()


def test_a_connector_changed_meanwhile_is_told_and_nothing_is_lost(office, connector):
    change = edited(office, connector, api_key=SECRET)
    need(0)
    connectors.edit(office.otto, connector.pk, 1, {**history.values(connector, 1), "contact": "noc@example.com"})
    need(1)
    done = actions.approve(office.amy, change.pk)
    assert done.state == "stale"
    assert "changed meanwhile" in done.text
    with pytest.raises(NotPermitted):
        actions.renew(office.otto, change.pk)
    again = held(lambda: actions.renew(office.eva, change.pk))
    assert Change.objects.get(pk=change.pk).state == "renewed"
    assert actions.approve(office.amy, again.pk).state == "applied"
    connector = Connector.objects.get(pk=connector.pk)
    assert connectors.unsealed_version(connector.current)["api_key"].reveal() == SECRET
    with conflict("wrong_state"):
        actions.renew(office.eva, again.pk)


@pytest.mark.parametrize("gone", ["disabled", "demoted"])
def test_it_is_done_with_the_rights_that_its_proposer_has_by_then(office, connector, gone):
    change = held(lambda: connectors.deactivate(office.eva, connector.pk))
    if gone == "disabled":
        people.disable_user(office.ada, office.users["eva"].pk)
    else:
        people.set_grants(office.ada, office.users["eva"].pk, [("requester", None, None)])
    done = actions.approve(office.amy, change.pk)
    assert done.state == "refused"
    assert done.text
    assert Connector.objects.get().status == "active"


def test_it_expires_is_denied_or_withdrawn(office, connector, clock):
    first = held(lambda: connectors.deactivate(office.eva, connector.pk))
    with refused("reason"):
        actions.deny(office.amy, first.pk, " ")
    assert actions.deny(office.amy, first.pk, "Not this week.").text == "Not this week."
    second = held(lambda: connectors.deactivate(office.eva, connector.pk))
    with pytest.raises(NotPermitted):
        actions.deny(office.eva, second.pk, "No.")
    with pytest.raises(NotPermitted):
        actions.withdraw(office.otto, second.pk)
    assert actions.withdraw(office.eva, second.pk).state == "withdrawn"
    third = held(lambda: connectors.deactivate(office.eva, connector.pk))
    clock.advance(timedelta(days=7))
    with conflict("expired"):
        actions.approve(office.amy, third.pk)
    with conflict("wrong_state"):
        actions.withdraw(office.eva, second.pk)
    need(0)
    actions.renew(office.eva, third.pk)
    assert Connector.objects.get().status == "inactive"
    need(1)
    by_host = held(lambda: connectors.activate(office.host, connector.pk))
    assert actions.approve(office.amy, by_host.pk).state == "refused"


def test_a_version_comes_into_force_at_its_time(office, connector, clock):
    whole = {**history.values(connector, 1), "owner": "Later"}
    at = clock.now() + timedelta(days=2)
    with refused("not_before"):
        connectors.edit(office.eva, connector.pk, 1, whole, not_before=clock.now())
    change = held(lambda: connectors.edit(office.eva, connector.pk, 1, whole, not_before=at))
    with pytest.raises(Absent):
        actions.apply_due(engine_actor(), change.pk)
    assert actions.approve(office.amy, change.pk).state == "scheduled"
    need(0)
    alone = held(lambda: connectors.edit(office.eva, connector.pk, 1, whole, not_before=at))
    assert (alone.state, alone.needed) == ("scheduled", 0)
    assert actions.due(clock.now()) == []
    clock.advance(timedelta(days=2))
    assert actions.due(clock.now()) == [change.pk, alone.pk]
    assert [actions.apply_due(engine_actor(), pk).state for pk in actions.due(clock.now())] == ["applied", "stale"]
    assert Connector.objects.get().owner == "Later"
    renewed = held(lambda: edited_later(office, clock))
    assert held(lambda: actions.renew(office.eva, renewed.pk)).not_before == renewed.not_before


def test_what_went_stale_at_its_time_is_proposed_anew_with_its_credentials(office, connector, clock):
    whole = {**history.values(connector, 1), "owner": "Later", "api_key": SECRET}
    at = clock.now() + timedelta(hours=1)
    change = held(lambda: connectors.edit(office.eva, connector.pk, 1, whole, not_before=at))
    actions.approve(office.amy, change.pk)
    need(0)
    connectors.deactivate(office.eva, connector.pk)
    need(1)
    clock.advance(timedelta(hours=2))
    assert actions.apply_due(engine_actor(), change.pk).state == "stale"
    anew = held(lambda: actions.renew(office.eva, change.pk))
    assert (anew.state, anew.not_before) == ("waiting", None)
    assert actions.approve(office.amy, anew.pk).state == "applied"
    connector = Connector.objects.get()
    assert connectors.unsealed_version(connector.current)["api_key"].reveal() == SECRET


def test_what_may_not_be_proposed_anew_stays_as_it_is_and_the_refusal_is_recorded(office, connector):
    change = edited(office, connector, api_key=SECRET)
    roles.create(office.host, "withdrawer", ["connectors.view", "changes.view", "changes.withdraw"])
    people.set_grants(office.host, office.users["eva"].pk, [("withdrawer", None, None)])
    with pytest.raises(NotPermitted):
        actions.renew(who.actor_of(office.users["eva"], how="test"), change.pk)
    change.refresh_from_db()
    assert (change.state, set(change.sealed)) == ("waiting", {"api_key"})
    (entry,) = said("changes.end_renewed")
    assert (entry["outcome"], entry["target"]["id"]) == ("refused", str(change.pk))


def edited_later(office, clock):
    connector = Connector.objects.get()
    whole = {**history.values(connector, connector.current.number), "owner": "Even later"}
    connectors.edit(office.eva, connector.pk, connector.revision, whole, not_before=clock.now() + timedelta(hours=1))


def test_an_approval_after_its_time_applies_at_once(office, connector, clock):
    whole = {**history.values(connector, 1), "owner": "Later"}
    change = held(
        lambda: connectors.edit(office.eva, connector.pk, 1, whole, not_before=clock.now() + timedelta(hours=1))
    )
    clock.advance(timedelta(hours=2))
    assert actions.approve(office.amy, change.pk).state == "applied"


def test_neither_a_new_connector_nor_one_that_moves_in_leads_past_the_rule_for_switching_on(office):
    Rule.objects.exclude(kind="activate").delete()
    trials = Environment.objects.create(name="Trials")
    change = held(lambda: connectors.create(office.eva, "digicert", values()))
    assert (change.kind, change.needed) == ("create", 1)
    connectors.create(office.eva, "digicert", {**values(), "name": "Off", "status": "inactive"})
    away = connectors.create(office.eva, "digicert", {**values(), "name": "Away", "environment": "Trials"})
    whole = {**history.values(away, 1), "environment": "Production"}
    change = held(lambda: connectors.edit(office.eva, away.pk, 1, whole))
    assert (change.kind, change.needed) == ("edit", 1)
    assert actions.approve(office.amy, change.pk).state == "applied"
    Rule.objects.all().update(kind="create", needed=2, environment=trials)
    back = {**whole, "environment": "Trials"}
    assert held(lambda: connectors.edit(office.eva, away.pk, 2, back)).needed == 2


def test_to_ask_fewer_takes_as_many_as_before_unless_the_host_says_so(office):
    assert actions.set_rule(office.ada, office.place, "edit", 2).needed == 2
    change = held(lambda: actions.set_rule(office.ada, office.place, "edit", 0))
    assert (change.kind, change.needed, change.team) == ("rule", 2, None)
    with pytest.raises(NotPermitted):
        actions.approve(office.amy, change.pk)  # approves for one team alone, and a rule is of all
    actions.approve(office.ann, change.pk)
    people.set_grants(office.host, office.users["otto"].pk, [("approver", None, None)])
    assert actions.approve(who.actor_of(office.users["otto"], how="test"), change.pk).state == "applied"
    assert Rule.objects.get(kind="edit").needed == 0
    assert actions.set_rule(office.host, office.place, "delete", 0).needed == 0


def test_the_rule_of_the_day_on_which_it_is_applied_counts(office, connector, clock):
    """Neither what was proposed under a weaker rule nor what was put on the calendar under none goes past a stricter one."""
    weaker = held(lambda: actions.set_rule(office.ada, office.place, "edit", 0))
    need(0)
    whole = {**history.values(connector, 1), "owner": "Later"}
    hour = clock.now() + timedelta(hours=1)
    alone = held(lambda: connectors.edit(office.eva, connector.pk, 1, whole, not_before=hour))
    need(2)
    assert (weaker.needed, alone.needed, alone.state) == (1, 0, "scheduled")
    waits = actions.approve(office.ann, weaker.pk)
    assert (waits.state, waits.needed, Rule.objects.get(kind="edit").needed) == ("waiting", 2, 2)
    assert "2" in waits.text
    clock.advance(timedelta(hours=1))
    waits = actions.apply_due(engine_actor(), alone.pk)
    assert (waits.state, waits.needed, Connector.objects.get().owner) == ("waiting", 2, "")
    assert said("changes.apply")[-1]["detail"]["state"] == "waiting"
    assert actions.approve(office.amy, alone.pk).state == "waiting"
    assert (actions.approve(office.ann, alone.pk).state, Connector.objects.get().owner) == ("applied", "Later")
    people.set_grants(office.host, office.users["otto"].pk, [("approver", None, None)])
    assert actions.approve(who.actor_of(office.users["otto"], how="test"), weaker.pk).state == "applied"
    assert Rule.objects.get(kind="edit").needed == 0


@pytest.mark.parametrize(
    ("environment", "kind", "number", "field"),
    [(0, "edit", 1, "environment"), (None, "rule", 1, "kind"), (None, "edit", 11, "needed")],
)
def test_a_rule_that_means_nothing_is_refused(office, environment, kind, number, field):
    with refused(field):
        actions.set_rule(office.ada, office.place if environment is None else environment, kind, number)


def test_leaving_a_strict_environment_is_judged_by_it_and_so_is_entering(office, connector):
    people.create_environment(office.host, "Lab")
    assert edited(office, connector, environment="Lab").needed == 1
    need(0)
    Rule.objects.create(environment=Environment.objects.get(name="Lab"), kind="edit", needed=3)
    assert edited(office, connector, environment="Lab").needed == 3


def test_only_who_may_see_a_change_sees_it(office, connector):
    change = held(lambda: connectors.deactivate(office.eva, connector.pk))
    assert [c.pk for c in queries.listing(office.amy).items] == [change.pk]
    assert queries.change(office.amy, change.pk) == change
    assert queries.listing(office.amy, state="applied").items == []
    assert len(queries.listing(office.amy, state="all").items) == 1
    assert queries.listing(office.cleo).items == []
    assert [queries.waiting(one) for one in (office.amy, office.cleo, replace(office.cleo, grants=()))] == [1, 0, 0]
    with pytest.raises(Absent):
        queries.change(office.cleo, change.pk)
    with pytest.raises(Absent):
        actions.approve(office.amy, uuid.uuid4())
    nobody = replace(office.cleo, grants=())
    for reader in (queries.listing, queries.rules):
        with pytest.raises(NotPermitted):
            reader(nobody)
    assert queries.rules(office.amy)[0]["needed"] == {
        "create": 1,
        "edit": 1,
        "activate": 1,
        "deactivate": 1,
        "delete": 1,
    }
    assert str(change) == f"Deactivate {connector.name}"


def test_what_is_proposed_again_word_for_word_is_one_change(office, connector, clock):
    first = edited(office, connector, api_key=SECRET)
    assert edited(office, connector, api_key=SECRET) == first
    others = [
        edited(office, connector, api_key="another key"),
        edited(office, connector),
        edited(office, connector, api_key=SECRET, owner="Somebody else"),
        edited(office, connector, office.otto, api_key=SECRET),
    ]
    assert len({first.pk, *(c.pk for c in others)}) == 5
    assert edited(office, connector) == others[1]
    actions.deny(office.ann, first.pk, "Not now.")
    assert edited(office, connector, api_key=SECRET) != first
    clock.advance(timedelta(days=400))
    assert edited(office, connector) != others[1]
    assert Change.objects.count() == 7
