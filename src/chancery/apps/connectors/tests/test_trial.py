"""What is tested is what is saved: the very settings, with what the test found, or with the reason to do without."""

from datetime import timedelta

import pytest

from chancery.apps.connectors import actions, queries, trial
from chancery.apps.connectors.models import Call
from chancery.apps.connectors.tests.account import API_KEY, values
from chancery.apps.shared.tests.looking import refused, said
from chancery.core.errors import Unavailable

pytestmark = pytest.mark.django_db
OK = {"stage": "login", "level": "ok", "code": "ok", "message": "Fine.", "evidence": "", "remedy": ""}
WARNING = {**OK, "level": "warning"}
BAD = {**OK, "level": "failed", "code": "refused", "message": "The key was refused.", "remedy": "Enter another."}


def tried(cast, given, *findings, ident=None, **more):
    """A test of `given` that a worker has done."""
    call = actions.test_unsaved(cast.ada, "digicert", given, ident)
    about = {"state": "done", "result": {"findings": list(findings)}, "finished_at": call.created_at, "sealed": {}}
    Call.objects.filter(pk=call.pk).update(**{**about, **more})
    return Call.objects.get(pk=call.pk)


def version(row):
    found = row.versions.order_by("-number")[0]
    return found.tested_at, found.untested_reason


def test_what_passed_its_test_says_so(cast):
    call = tried(cast, values(), OK, WARNING)
    row = actions.create(cast.ada, "digicert", values(), tested=call.pk)
    assert version(row) == (call.finished_at, "")
    assert said("connectors.create")[-1]["detail"] == {"tested_at": call.finished_at.isoformat()}


def test_the_last_test_counts_whether_or_not_it_is_pointed_at(cast):
    call = tried(cast, values(), OK)
    assert version(actions.create(cast.ada, "digicert", values()))[0] == call.finished_at


def test_without_a_test_nothing_is_said_of_one(cast):
    assert version(actions.create(cast.ada, "digicert", values())) == (None, "")
    actions.test_unsaved(cast.ada, "digicert", values(name="Other"))  # and no worker has done it
    row = actions.create(cast.ada, "digicert", values(name="Other"), untested="No worker runs yet.")
    assert version(row) == (None, "No worker runs yet.")
    assert said("connectors.create")[-1]["detail"] == {"untested": "No worker runs yet."}


def test_faults_want_a_reason_and_it_is_recorded(cast):
    call = tried(cast, values(), OK, BAD)
    for pointed in (None, call.pk):
        with refused("test", "untested") as caught:
            actions.create(cast.ada, "digicert", values(), tested=pointed)
    assert caught.value.problems[0].message == "login: The key was refused."
    row = actions.create(cast.ada, "digicert", values(), untested="The key comes tomorrow.")
    assert version(row) == (None, "The key comes tomorrow.")
    assert said("connectors.create")[-1]["detail"] == {"untested": "The key comes tomorrow."}


def test_a_test_that_could_not_be_made_is_none_that_passed(cast):
    tried(cast, values(), state="failed", result={"error": "A bug."})
    with refused("test", "untested") as caught:
        actions.create(cast.ada, "digicert", values())
    assert caught.value.problems[0].message == "A bug."


def test_a_later_test_overrules_an_earlier_one_and_an_old_one_says_nothing(cast):
    tried(cast, values(), BAD)
    later = tried(cast, values(), OK)
    Call.objects.filter(pk=later.pk).update(created_at=later.created_at + timedelta(seconds=1))
    assert version(actions.create(cast.ada, "digicert", values()))[0] == later.finished_at
    Call.objects.update(created_at=later.created_at - timedelta(hours=2))
    assert version(actions.create(cast.ada, "digicert", values(name="Second"))) == (None, "")


@pytest.mark.parametrize(
    "change",
    [{"base_url": "https://other.example.com"}, {"api_key": "another"}, {"proxy": "http://proxy.example.com:3128"}],
    ids=str,
)
def test_other_settings_than_were_tested_are_not_taken_for_them(cast, change):
    call = tried(cast, values(), OK)
    with refused("tested", code="not_tested"):
        actions.create(cast.ada, "digicert", values(**change), tested=call.pk)
    assert version(actions.create(cast.ada, "digicert", values(**change))) == (None, "")


@pytest.mark.parametrize("ident", ["x", "00000000-0000-7000-8000-000000000000"])
def test_a_test_that_there_is_not_proves_nothing(cast, ident):
    with refused("tested", code="not_tested"):
        actions.create(cast.ada, "digicert", values(), tested=ident)


def test_what_a_test_does_not_look_at_may_differ(cast):
    call = tried(cast, values(name=""), OK)
    row = actions.create(cast.ada, "digicert", values(description="words", tags="a"), tested=call.pk)
    assert version(row)[0] == call.finished_at


def test_an_edit_of_other_things_keeps_the_test_and_one_of_settings_does_not(cast):
    call = tried(cast, values(), OK)
    row = actions.create(cast.ada, "digicert", values())
    kept = {n: v for n, v in values(api_key="").items() if v != ""}
    assert not actions.to_be_tested(cast.ada, "digicert", {**kept, "description": "words"}, row.pk)
    row = actions.edit(cast.ada, row.pk, 1, {**kept, "description": "words"})
    assert version(row) == (call.finished_at, "")
    changed = {**kept, "api_key": "fresh"}
    assert actions.to_be_tested(cast.ada, "digicert", changed, row.pk)
    assert actions.to_be_tested(cast.ada, "digicert", changed)
    row = actions.edit(cast.ada, row.pk, 2, changed, untested="Rotated in a hurry.")
    assert version(row) == (None, "Rotated in a hurry.")
    assert actions.to_be_tested(cast.ada, "digicert", kept, row.pk), (
        "what was never tested as it stands may be, unchanged"
    )
    row = actions.edit(cast.ada, row.pk, 3, {**kept, "description": "more"})
    assert version(row) == (None, "Rotated in a hurry.")
    assert version(actions.copy(cast.ada, row.pk, "Twin")) == (None, "")


def test_an_edit_is_tested_against_the_version_that_it_changes(cast, account):
    kept = values(api_key="", description="new")
    call = tried(cast, kept, OK, ident=account.pk)
    actions.edit(cast.ada, account.pk, 1, values(api_key="rotated"))
    # The same words now mean another secret.
    with refused("tested", code="not_tested"):
        actions.edit(cast.ada, account.pk, 2, kept, tested=call.pk)
    again = tried(cast, kept, OK, ident=account.pk)
    assert version(actions.edit(cast.ada, account.pk, 2, kept, tested=again.pk)) == (again.finished_at, "")


def test_what_is_kept_of_a_test_gives_no_secret_away(cast, settings):
    seal = trial.digest("digicert", values(), None)
    assert API_KEY not in seal
    settings.SECRET_KEY = "another"
    assert trial.digest("digicert", values(), None) != seal


@pytest.mark.parametrize("reason", ["a" * 501, "bell\x07"])
def test_a_reason_is_bounded(cast, reason):
    with refused("untested"):
        actions.create(cast.ada, "digicert", values(), untested=reason)


def test_a_door_waits_for_a_worker_and_says_when_there_is_none(cast, monkeypatch):
    done = tried(cast, values(), OK)
    assert trial.wait(cast.ada, done.pk) == done
    open_one = actions.test_unsaved(cast.ada, "digicert", values())
    with pytest.raises(Unavailable, match="No worker is running"):
        trial.wait(cast.ada, open_one.pk, 0.15)
    monkeypatch.setattr(queries, "worker_alive", lambda now: True)
    with pytest.raises(Unavailable, match="not done yet"):
        trial.wait(cast.ada, open_one.pk, -1)
