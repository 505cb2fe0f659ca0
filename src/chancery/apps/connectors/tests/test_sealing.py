"""Sealed values: bound to their place, useless elsewhere, under a key that is made once and kept."""

import base64
import os
import stat

import pytest

from chancery.apps.connectors import sealing
from chancery.apps.shared import keyfile
from chancery.core.errors import Unavailable

pytestmark = pytest.mark.django_db
PLACE = {"table": "connector_version", "record": "1", "field": "api_key"}


@pytest.fixture
def kek(tmp_path, settings):
    """The path of a key that is not there yet."""
    settings.KEK_FILE = tmp_path / "keys" / "kek"
    sealing.forget_key()
    yield settings.KEK_FILE
    sealing.forget_key()


def code(sealed, **more):
    with pytest.raises(Unavailable) as caught:
        sealing.unseal(sealed, **{**PLACE, **more})
    assert caught.value.remedy
    return caught.value.code


def test_it_opens_where_it_was_sealed(kek):
    sealed = sealing.seal("secret ☂", **PLACE)
    assert sealing.unseal(sealed, **PLACE).reveal() == "secret ☂"
    assert "secret" not in str(sealed)


def test_two_seals_of_one_text_differ(kek):
    assert sealing.seal("same", **PLACE)["c"] != sealing.seal("same", **PLACE)["c"]


@pytest.mark.parametrize("moved", [{"table": "call"}, {"record": "2"}, {"field": "password"}])
def test_it_opens_nowhere_else(kek, moved):
    assert code(sealing.seal("secret", **PLACE), **moved) == "unsealing_failed"


@pytest.mark.parametrize("change", [{"c": "AAAA"}, {"k": "?"}, {"c": None}, {"c": "A" * 44}])
def test_an_altered_value_does_not_open(kek, change):
    assert code({**sealing.seal("secret", **PLACE), **change}) == "unsealing_failed"
    cut = sealing.seal("secret", **PLACE)
    del cut["k"]
    assert code(cut) == "unsealing_failed"


def test_one_bit_anywhere_is_too_much(kek):
    """Without its tag a value whose last bits were turned would open as another text (ASVS 5.0, 11.3.3)."""
    whole = sealing.seal("secret", **PLACE)
    for part in ("c", "k"):
        raw = base64.b64decode(whole[part])
        for at in range(len(raw)):
            turned = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
            assert code({**whole, part: base64.b64encode(turned).decode()}) == "unsealing_failed", (part, at)


@pytest.mark.parametrize("change", [{"v": 3}, {"kid": "0" * 16}])
def test_another_key_or_format_is_told_by_its_id(kek, change):
    assert code({**sealing.seal("secret", **PLACE), **change}) == "wrong_kek"


def test_the_key_is_made_once_and_for_its_owner_alone(kek):
    sealed = sealing.seal("secret", **PLACE)
    assert stat.S_IMODE(kek.stat().st_mode) == 0o600
    assert stat.S_IMODE(kek.parent.stat().st_mode) == 0o700
    assert os.listdir(kek.parent) == ["kek"]
    sealing.forget_key()
    assert sealing.unseal(sealed, **PLACE).reveal() == "secret"


def test_of_two_processes_that_make_it_the_first_wins(kek):
    keyfile.make(kek, b"a" * 32)
    first = kek.read_bytes()
    keyfile.make(kek, b"b" * 32)
    assert kek.read_bytes() == first
    assert os.listdir(kek.parent) == ["kek"]


def test_a_damaged_key_is_not_used(kek):
    kek.parent.mkdir()
    kek.write_bytes(b"short")
    with pytest.raises(Unavailable) as caught:
        sealing.seal("secret", **PLACE)
    assert caught.value.code == "wrong_kek"
    assert "backup" in caught.value.remedy


@pytest.fixture
def sealed(kek, cast, simulator):
    """A connector whose key is sealed, and a call that holds one for settings that are not saved."""
    from chancery.apps.connectors import actions
    from tests.cast import digicert_values

    made = actions.create(cast.ada, "digicert", digicert_values(simulator))
    actions.test_unsaved(cast.ada, "digicert", digicert_values(simulator, name="Other"))
    return made


def test_a_missing_key_is_never_replaced_while_something_is_sealed_with_it(kek, sealed):
    used = sealing.key_id()
    assert sealing.sealed_with() == {used: 2}
    sealing.check()
    kek.unlink()
    sealing.forget_key()
    assert sealing.key_id() == ""
    for attempt in (sealing.check, lambda: sealing.seal("x", **PLACE), lambda: sealing.unseal({"v": 2}, **PLACE)):
        with pytest.raises(Unavailable) as caught:
            attempt()
        assert caught.value.code == "no_kek"
        assert str(kek) in str(caught.value)
        assert f"2 stored secrets were sealed with it (id {used})" in str(caught.value)
        assert "another node" in caught.value.remedy
        assert not kek.exists()


def test_where_nothing_is_sealed_a_missing_key_is_no_trouble(kek, cast, local):
    from chancery.apps.connectors.models import Call, ConnectorVersion

    ConnectorVersion.objects.update(secrets={})
    Call.objects.update(sealed={})
    kek.unlink()
    sealing.forget_key()
    sealing.check()
    assert not kek.exists(), "looking makes nothing"
    sealing.seal("x", **PLACE)
    assert kek.exists()


def test_a_key_that_cannot_be_read_is_said_with_its_path(kek):
    kek.mkdir(parents=True)
    with pytest.raises(Unavailable) as caught:
        sealing.check()
    assert str(kek) in str(caught.value)
    assert caught.value.remedy
