"""Keys change while everything runs: every secret stays readable, whoever is killed, and the old key ends unused."""

import base64
import os
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from chancery.apps.accounts.models import Team
from chancery.apps.connectors import actions, rekeying, ring, sealing
from chancery.apps.connectors.models import Call, ConnectorVersion, SealingKey
from chancery.apps.connectors.versions import unsealed_version
from chancery.apps.notices import sending
from chancery.apps.notices.models import Channel
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import host_actor
from chancery.core.errors import Unavailable
from chancery.core.secret import Secret
from chancery.keystores.held import decrypt, encrypt
from tests.cast import digicert_values

pytestmark = pytest.mark.django_db
HOST = host_actor("tester")
PLACE = {"table": "t", "record": "r", "field": "f"}


@pytest.fixture(autouse=True)
def keys(tmp_path, settings, monkeypatch):
    settings.KEK_FILE, settings.KEK, settings.KEK_OLD = tmp_path / "kek", "", ()
    for name in "ab":
        monkeypatch.setenv(f"KEK_{name.upper()}", base64.b64encode(name.encode() * 32).decode())
    ring.forget()
    yield settings
    ring.forget()


@pytest.fixture
def sealed(cast, simulator):
    """Three connectors and a test of settings that are not saved; returns how to read all of their secrets."""
    values = [digicert_values(simulator, name=f"DigiCert {n}", api_key=f"an-api-key-number-{n}") for n in range(3)]
    made = [actions.create(cast.ada, "digicert", given) for given in values]
    call = actions.test_unsaved(cast.ada, "digicert", digicert_values(simulator, name="Other", api_key="key-of-a-call"))

    def read():
        found = [unsealed_version(ConnectorVersion.objects.get(pk=c.current_id))["api_key"].reveal() for c in made]
        value = Call.objects.get(pk=call.pk).sealed["secrets"]["api_key"]
        return [*found, sealing.unseal(value, table="call", record=str(call.pk), field="api_key").reveal()]

    assert read() == SECRETS
    return read


SECRETS = ["an-api-key-number-0", "an-api-key-number-1", "an-api-key-number-2", "key-of-a-call"]


def finish(most=rekeying.BATCH):
    now, number = current_clock().now(), 0
    while done := rekeying.step(now, most):
        number += done
    return number


def test_a_rotation_wraps_everything_anew_and_leaves_the_secrets_alone(sealed, keys):
    before = sealing.key_id()
    ciphertexts = [v["api_key"]["c"] for v in ConnectorVersion.objects.values_list("secrets", flat=True)]
    row = rekeying.rotate(HOST)
    assert rekeying.progress() == rekeying.Progress(row.kid, 0, 4, erased=False)
    assert sealing.unseal(sealing.seal("new", **PLACE), **PLACE).reveal() == "new"
    assert sealing.seal("new", **PLACE)["kid"] == row.kid
    assert rekeying.step(current_clock().now(), most=2) == 2
    assert rekeying.progress().done == 2
    assert sealed() == SECRETS, "half of it done"
    assert finish() == 2
    assert (sealed(), sealing.sealed_with()) == (SECRETS, {row.kid: 4})
    after = [v["api_key"]["c"] for v in ConnectorVersion.objects.values_list("secrets", flat=True)]
    assert sorted(after) == sorted(ciphertexts)
    assert before != row.kid
    ring.forget()
    assert sealed() == SECRETS, "as another process reads it"


def test_a_clock_that_was_set_back_makes_no_key_of_before_the_newest_again(sealed):
    ahead = rekeying.rotate(HOST)
    SealingKey.objects.filter(pk=ahead.pk).update(created_at=current_clock().now() + timedelta(days=1))
    row = rekeying.rotate(HOST)
    assert sealing.key_id() == row.kid
    assert finish() == 4
    assert set(sealing.sealed_with()) == {row.kid}


def test_where_notices_go_is_wrapped_anew_too(cast, keys):
    ident, now = uuid4(), current_clock().now()
    where = {"team": Team.objects.get(name="Operations"), "created_at": now, "updated_at": now}
    Channel.objects.create(pk=ident, name="Chat", sealed=sending.seal(ident, Secret("json://host/token")), **where)
    Channel.objects.create(name="None yet", **where)
    rekeying.rotate(HOST)
    assert finish() == 1
    row = Channel.objects.get(pk=ident)
    assert row.sealed["kid"] == sealing.key_id()
    assert ring.sealed_with() == {sealing.key_id(): 1}
    assert (
        sealing.unseal(row.sealed, table="notice_channel", record=str(ident), field="url").reveal()
        == "json://host/token"
    )


def test_old_keys_are_erased_an_hour_later_and_a_late_writer_is_caught(sealed):
    first = rekeying.rotate(HOST)
    finish()
    late = sealing.seal("late", table="connector_version", record="x", field="api_key")
    second = rekeying.rotate(HOST)
    finish()
    row = ConnectorVersion.objects.exclude(secrets={}).first()
    bound = {"table": "connector_version", "record": str(row.pk), "field": "api_key"}
    plain = sealing.unseal(row.secrets["api_key"], **bound).reveal()
    SealingKey.objects.filter(pk=second.pk).update(created_at=first.created_at - timedelta(seconds=1))
    row.secrets = {"api_key": sealing.seal(plain, **bound)}
    row.save()
    SealingKey.objects.filter(pk=second.pk).update(created_at=first.created_at + timedelta(seconds=1))
    assert row.secrets["api_key"]["kid"] == first.kid == late["kid"]
    assert rekeying.step(current_clock().now()) == 1, "sealed at that very moment"
    assert not rekeying.progress().erased
    assert rekeying.step(current_clock().now() + rekeying.KEEP * 2) == 0
    assert rekeying.progress().erased
    assert list(SealingKey.objects.exclude(wrapped="").values_list("kid", flat=True)) == [second.kid]
    assert (sealed(), rekeying.step(current_clock().now())) == (SECRETS, 0)
    ring.forget()
    with pytest.raises(Unavailable) as refused:
        sealing.unseal(late, table="connector_version", record="x", field="api_key")
    assert (refused.value.code, "CHANCERY_KEK_OLD" in refused.value.remedy) == ("wrong_kek", True)


def test_from_the_file_to_another_store_and_back(sealed, keys):
    keys.KEK, keys.KEK_OLD = "env:KEK_A", (keys.KEK_FILE.as_uri(),)
    ring.forget()
    assert sealed() == SECRETS
    rekeying.rotate(HOST)
    finish()
    keys.KEK_OLD = ()
    keys.KEK_FILE.unlink()
    ring.forget()
    sealing.check()
    assert (sealed(), ring.store_name()) == (SECRETS, "variable KEK_A")
    keys.KEK, keys.KEK_OLD = "", ("env:KEK_A",)
    ring.forget()
    assert sealed() == SECRETS, "the file is not there, but nothing was sealed with it"
    rekeying.rotate(HOST)
    finish()
    keys.KEK_OLD = ()
    ring.forget()
    assert (sealed(), keys.KEK_FILE.exists()) == (SECRETS, True)


def test_a_store_of_before_that_is_away_hinders_nobody_until_it_is_needed(sealed, keys):
    rekeying.rotate(HOST)
    finish()
    keys.KEK_OLD = ("env:ABSENT",)
    ring.forget()
    assert sealed() == SECRETS
    keys.KEK = "env:KEK_B"
    ring.forget()
    with pytest.raises(Unavailable) as refused:
        sealing.check()
    assert "ABSENT" in str(refused.value)
    keys.KEK_OLD = ()
    ring.forget()
    with pytest.raises(Unavailable, match="not the key that this was wrapped with"):
        sealing.check()


def test_another_path_of_the_same_file_is_found(sealed, keys, tmp_path):
    rekeying.rotate(HOST)
    finish()
    keys.KEK_FILE = keys.KEK_FILE.rename(tmp_path / "moved")
    ring.forget()
    assert sealed() == SECRETS


def test_a_store_that_gives_no_key_away_begins_with_one_of_ours(cast, simulator, keys, monkeypatch):
    class Remote:
        ident = "remote"
        asked = 0

        def wrap(self, key, bound):
            return encrypt(b"r" * 32, key, bound)

        def unwrap(self, wrapped, bound):
            Remote.asked += 1
            return decrypt(b"r" * 32, wrapped, bound)

    monkeypatch.setattr(ring.opening, "opened", lambda _: Remote())
    keys.KEK = "awskms:x"
    ring.forget()
    assert (sealing.key_id(), rekeying.progress().total, rekeying.step(current_clock().now())) == ("", 0, 0)
    made = actions.create(cast.ada, "digicert", digicert_values(simulator))
    for _ in range(5):
        unsealed_version(made.current)
    assert (SealingKey.objects.get().store, Remote.asked) == ("remote", 1)
    assert sealing.sealed_with() == {sealing.key_id(): 1}


def test_values_of_the_first_format_are_opened_and_written_anew(keys):
    key, kid = ring.current()
    bound = "\x1f".join(("chancery-seal-1", kid, "t", "r", "f")).encode()
    data_key = os.urandom(32)
    old = {"v": 1, "kid": kid, "k": encrypt(key, data_key, bound), "c": encrypt(data_key, b"old", bound)}
    assert sealing.unseal(old, **PLACE).reveal() == "old"
    assert sealing.rewrap(old, **PLACE) is old, "nothing changed yet"
    ring.fresh()
    new = sealing.rewrap(old, **PLACE)
    assert (new["v"], sealing.unseal(new, **PLACE).reveal()) == (2, "old")


def test_an_edit_meanwhile_is_not_undone(sealed, monkeypatch):
    rekeying.rotate(HOST)
    pk = ConnectorVersion.objects.exclude(secrets={}).order_by("pk").values_list("pk", flat=True).first()
    real = rekeying._one

    def edited(model, which, *more):
        if which == pk:
            ConnectorVersion.objects.filter(pk=pk).update(secrets={})
        return real(model, which, *more)

    monkeypatch.setattr(rekeying, "_one", edited)
    assert finish() == 3
    assert ConnectorVersion.objects.get(pk=pk).secrets == {}


def test_what_another_worker_has_wrapped_meanwhile_is_left_as_it_is(sealed, monkeypatch):
    row = rekeying.rotate(HOST)
    real = rekeying._one

    def twice(*asked):
        number = real(*asked)
        before = list(ConnectorVersion.objects.order_by("pk").values_list("secrets", flat=True))
        assert real(*asked) == 0
        assert list(ConnectorVersion.objects.order_by("pk").values_list("secrets", flat=True)) == before
        return number

    monkeypatch.setattr(rekeying, "_one", twice)
    assert finish() == 4
    assert (sealed(), sealing.sealed_with()) == (SECRETS, {row.kid: 4})


def test_the_record_says_that_a_key_was_changed(sealed, keys):
    from chancery.apps.audit.models import Entry
    from chancery.apps.audit.queries import content

    row = rekeying.rotate(HOST)
    said = content(Entry.objects.get(action="keys.rotate"))
    assert (said["target"]["id"], said["detail"]["store"], said["actor"]["name"]) == ("", row.store, "os:tester")
    assert row.wrapped not in str(said)


@pytest.mark.parametrize("steps", range(1, 8))
def test_killed_at_any_statement_it_goes_on(sealed, steps):
    """Fail the Nth statement that writes, for each N; what is then read and resumed is whole."""
    from django.db import connection

    row = rekeying.rotate(HOST)
    left = [steps]

    def killed(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and not left:
            raise KeyboardInterrupt
        if sql.startswith("UPDATE"):
            left[0] -= 1
            if not left[0]:
                left.clear()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(killed):
        try:
            finish(most=1)
        except KeyboardInterrupt:
            connection.needs_rollback = False
    ring.forget()
    assert sealed() == SECRETS
    finish()
    assert (sealed(), sealing.sealed_with()) == (SECRETS, {row.kid: 4})


class Killed(BaseException):
    """The process is gone: no code of ours can catch it."""


def killed_at(number, act):
    """Run an act that ends at its nth statement, as the database sees a process that was killed; say whether it did."""
    count = 0

    def count_down(execute, sql, params, many, context):
        nonlocal count
        count += 1
        if count == number:
            raise Killed
        return execute(sql, params, many, context)

    try:
        with connection.execute_wrapper(count_down), transaction.atomic():
            act()
    except Killed:
        return True
    return False


# Whoever is killed in the middle of a list closes nothing behind himself.
@pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_rotation_that_is_killed_at_each_step_goes_on_and_loses_nothing(
    sealed, keys, cast, simulator, result, request
):
    kills, reads, rounds = 0, 0, 12 if request.config.getoption("--long") else 1
    for _ in range(rounds):
        for act in (lambda: rekeying.rotate(HOST), lambda: rekeying.step(current_clock().now(), most=3)):
            at = 1
            while killed_at(at, act):
                kills, at, reads = kills + 1, at + 1, reads + 4
                ring.forget()  # another process goes on
                assert sealed() == SECRETS
                if at % 5 == 0:
                    loaded(cast, simulator, kills)
        finish(most=3)
    kid, found = sealing.key_id(), sealing.sealed_with()
    assert set(found) == {kid}, "the old keys seal nothing any more"
    rekeying.step(current_clock().now() + rekeying.KEEP * 2)
    assert SealingKey.objects.exclude(wrapped="").count() == 1
    assert sealed() == SECRETS
    unit = (
        f"secrets unreadable in {reads} reads, over {kills} kills at every statement of {rounds} rotations, under load"
    )
    result("R26", 0, f"{unit}; {found[kid]} secrets under the newest key, none under an older one")


def loaded(cast, simulator, number):
    """Work as others do meanwhile: another credential is entered, and read again."""
    key = f"a-fresh-key-{number}"
    values = digicert_values(simulator, name=f"Meanwhile {number}", api_key=key)
    made = actions.create(cast.ada, "digicert", values)
    assert unsealed_version(made.current)["api_key"].reveal() == key
