"""Log-ins and log-outs in the record."""

import pytest

from chancery.apps.accounts import actions, entering
from chancery.apps.accounts.models import LoginTry, User
from chancery.apps.audit.models import Entry
from chancery.apps.shared.tests.looking import said

pytestmark = pytest.mark.django_db


def test_coming_and_going_is_recorded_with_the_change_or_not_at_all(cast):
    begun = []
    entering.enter(cast.rob, lambda: begun.append(1))
    entering.leave(cast.rob, lambda: begun.append(2))
    assert begun == [1, 2]
    for action in (entering.LOG_IN, entering.LOG_OUT):
        (entry,) = said(action)
        assert (entry["actor"]["name"], entry["target"]["name"], entry["outcome"]) == ("rob", "rob", "done")

    def fail():
        User.objects.filter(username="rob").update(full_name="half done")
        raise RuntimeError("no session")

    with pytest.raises(RuntimeError):
        entering.enter(cast.rob, fail)
    assert len(said(entering.LOG_IN)) == 1
    assert User.objects.get(username="rob").full_name == ""


def test_whoever_is_turned_away_is_recorded_by_whom_they_claimed_to_be(cast):
    rob = cast.users["rob"]
    entering.turn_away("rob", "192.0.2.1", paused=False)
    actions.disable_user(cast.ada, rob.pk)
    entering.turn_away("rob", "192.0.2.1", paused=True)
    found = said(entering.LOG_IN)
    assert [e["reason"] for e in found] == ["wrong_password", "kept_out", "paused"]
    assert {e["outcome"] for e in found} == {"refused"}
    assert {(e["target"]["id"], e["target"]["name"]) for e in found} == {(str(rob.pk), "rob")}
    assert {tuple(sorted(e["actor"].items(), key=str)) for e in found} == {
        tuple(sorted({"name": "", "id": None, "how": "password", "address": "192.0.2.1"}.items(), key=str))
    }


@pytest.mark.parametrize("name", ["correct horse battery staple", "a" * 200, "a\x00b\nc\ud800", ""])
def test_what_is_no_login_name_may_be_a_password_so_it_is_kept_nowhere(cast, name):
    assert [entering.attempt(name, "192.0.2.1") for _ in range(entering.TRIES + 1)][-2:] == [1, 0], (
        "it counts all the same"
    )
    assert {len(row.name) for row in LoginTry.objects.all()} == {64}
    assert all(row.name != name and name[:8] not in row.name for row in LoginTry.objects.all() if name)
    entering.turn_away(name, "192.0.2.1", paused=False)
    (entry,) = said(entering.LOG_IN)
    assert (entry["target"], entry["reason"]) == ({"kind": "user", "id": "", "name": ""}, "unknown_name")
    row = Entry.objects.get(action=entering.LOG_IN)
    assert (row.subject or "") == ""
    assert not name.isprintable() or not name or name.encode() not in bytes(row.body)
