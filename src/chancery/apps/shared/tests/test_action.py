"""The shape that every change has: permission, one transaction, an audit entry, or nothing at all."""

from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, OperationalError

from chancery.apps.accounts.models import Team
from chancery.apps.accounts.permissions import Permission
from chancery.apps.audit.models import Entry
from chancery.apps.shared import action as actions
from chancery.apps.shared.tests.looking import said
from chancery.core.clock import ManualClock
from chancery.core.errors import Conflict, Invalid, NotPermitted

pytestmark = pytest.mark.django_db
NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def clock():
    manual = ManualClock(NOW)
    before = actions.use_clock(manual)
    yield manual
    actions.use_clock(before)


@pytest.fixture
def act(monkeypatch):
    """Make actions that the table of all actions forgets again."""
    monkeypatch.setattr(actions, "REGISTRY", {})

    def make(body, permission=Permission.PEOPLE_MANAGE):
        return actions.action("tests.act", permission)(body)

    return make


def add_team(act, name):
    team = Team.objects.create(name=name)
    act.note("team", team.pk, name, changed=("name",), detail={"n": 1})
    return team


def test_the_change_and_its_entry_say_who_when_how_and_what(cast, act, clock):
    team = act(add_team)(cast.ada, "Fresh")
    (entry,) = said("tests.act")
    assert entry == {
        "v": 3,
        "id": str(Entry.objects.get(action="tests.act").pk),
        "at": "2030-01-02T03:04:05.678901+00:00",
        "actor": {"name": "ada", "id": cast.users["ada"].pk, "how": "test", "address": ""},
        "via": "console",
        "action": "tests.act",
        "target": {"kind": "team", "id": str(team.pk), "name": "Fresh"},
        "changed": ["name"],
        "outcome": "done",
        "reason": "",
        "detail": {"n": 1},
    }


def test_without_the_permission_nothing_changes_and_the_attempt_is_recorded(cast, act):
    with pytest.raises(NotPermitted) as refusal:
        act(add_team)(cast.rob, "Fresh")
    assert refusal.value.permission == Permission.PEOPLE_MANAGE
    assert refusal.value.remedy
    assert not Team.objects.filter(name="Fresh").exists()
    (entry,) = said("tests.act")
    assert (entry["actor"]["name"], entry["outcome"], entry["reason"]) == ("rob", "refused", "not_permitted")


def test_a_refusal_after_a_change_takes_the_change_back(cast, act):
    def add_and_refuse(act, name):
        add_team(act, name)
        raise Conflict("No.", remedy="Later.")

    with pytest.raises(Conflict):
        act(add_and_refuse)(cast.ada, "Fresh")
    assert not Team.objects.filter(name="Fresh").exists()
    assert said("tests.act") == []


def test_a_change_whose_entry_cannot_be_written_does_not_happen(cast, act, monkeypatch):
    def full(*arguments):
        raise DatabaseError("no space left on device")

    monkeypatch.setattr(actions, "write", full)
    with pytest.raises(DatabaseError):
        act(add_team)(cast.ada, "Fresh")
    assert not Team.objects.filter(name="Fresh").exists()


def test_a_change_without_an_entry_is_a_bug_and_does_not_happen(cast, act):
    with pytest.raises(AssertionError, match="wrote no audit entry"):
        act(lambda act: Team.objects.create(name="Silent"))(cast.ada)
    assert not Team.objects.filter(name="Silent").exists()


def test_a_crash_changes_nothing_and_is_not_swallowed(cast, act):
    def crash(act):
        add_team(act, "Fresh")
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError):
        act(crash)(cast.ada)
    assert not Team.objects.filter(name="Fresh").exists()
    assert not Entry.objects.filter(action="tests.act").exists()


def test_a_permission_may_be_asked_for_beside_the_actions_own(cast, act):
    def two(act):
        act.require(permission=Permission.ORDER_APPROVE)
        act.note("nothing", 1)

    act(two, Permission.ORDER_VIEW)(cast.amy)
    with pytest.raises(NotPermitted):
        act(two, Permission.ORDER_VIEW)(cast.rob)


@pytest.mark.parametrize("name", ["a\x00b", "\ud800", "a" * 300_000])
def test_what_no_table_could_hold_is_refused_at_the_entry(cast, act, name):
    with pytest.raises(Invalid) as caught:
        act(add_team)(cast.ada, name=name)
    assert [p.field for p in caught.value.problems] == ["name"]
    assert not said("tests.act")
    with pytest.raises(NotPermitted):
        act(add_team)(cast.rob, name)


class Deadlock(Exception):
    """As PostgreSQL's library raises it."""

    sqlstate = "40P01"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("times", [1, 2])
def test_what_the_database_broke_off_for_another_is_done_once_more(cast, act, times):
    left = [Deadlock()] * times

    def broken_off(act):
        add_team(act, "Fresh")
        if left:
            raise OperationalError("deadlock detected") from left.pop()

    if times == 1:
        act(broken_off)(cast.ada)
    else:
        with pytest.raises(OperationalError):
            act(broken_off)(cast.ada)
    assert Team.objects.filter(name="Fresh").count() == len(said("tests.act")) == 2 - times


@pytest.mark.parametrize("cause", [Deadlock(), None], ids=["inside another transaction", "for another reason"])
def test_what_cannot_be_repeated_is_not(cast, act, cause):
    calls = []

    def broken_off(act):
        calls.append(act)
        raise OperationalError("broken off") from cause

    with pytest.raises(OperationalError):
        act(broken_off)(cast.ada)
    assert len(calls) == 1
