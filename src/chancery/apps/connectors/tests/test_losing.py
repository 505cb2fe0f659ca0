"""A key that is gone for good: what it sealed is named, and everything else goes on without it."""

import pytest

from chancery.apps.connectors import actions, losing, rekeying, ring, sealing
from chancery.apps.connectors.models import Connector
from chancery.apps.notices import actions as notices
from chancery.apps.posture import prints
from chancery.apps.posture.models import PrintKey
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.tests.looking import conflict, said
from chancery.core.errors import Unavailable

pytestmark = pytest.mark.django_db
VALUES = {"base_url": "http://127.0.0.1:9", "allowed_networks": "127.0.0.0/8", "api_key": "an-api-key-of-the-test"}
COMMON = {"team": "Operations", "environment": "Production"}


@pytest.fixture
def kek(tmp_path, settings):
    settings.KEK_FILE = tmp_path / "keys" / "kek"
    sealing.forget_key()
    yield settings.KEK_FILE
    sealing.forget_key()


@pytest.fixture
def lost(cast, kek):
    """An installation with sealed secrets whose key file is gone."""
    made = actions.create(cast.ada, "digicert", {"name": "DigiCert", **VALUES, **COMMON})
    actions.create(cast.ada, "local", {"name": "Local", **COMMON})
    notices.create(cast.ada, {"name": "Chat", "team": "Operations", "url": "json://127.0.0.1:9/hook"})
    prints.key()
    kek.rename(kek.with_name("aside"))
    sealing.forget_key()
    return made


def named():
    return {str(one) for one in losing.gone()}


def test_while_all_keys_are_there_nothing_is_given_up(cast, kek):
    sealing.seal("x", table="t", record="r", field="f")
    assert losing.gone() == []
    with conflict("no_loss"):
        losing.give_up(cast.host)


def test_what_it_sealed_is_named_and_nothing_new_is_sealed_meanwhile(lost):
    assert {one.split(":")[0] for one in named()} == {
        "connector 'DigiCert'", "connector 'Local'", "channel for notices 'Chat'",
    }  # fmt: skip
    with pytest.raises(Unavailable, match="is missing"):
        sealing.seal("x", table="t", record="r", field="f")


def test_given_up_everything_goes_on_and_what_is_entered_anew_opens(cast, lost, kek):
    before = named()
    assert {str(one) for one in losing.give_up(cast.host)} == before
    (entry,) = said("keys.lost")
    assert len(entry["detail"]["secrets"]) == 3
    sealing.check()
    assert not PrintKey.objects.exists()
    assert prints.key()
    assert kek.exists()
    version = Connector.objects.get(pk=lost.pk).current
    with pytest.raises(Unavailable, match="given up as lost") as caught:
        sealing.unseal(version.secrets["api_key"], table="connector_version", record=str(version.pk), field="api_key")
    assert "Enter it anew" in caught.value.remedy
    row = Connector.objects.get(pk=lost.pk)
    anew = {"name": "DigiCert", **VALUES, **COMMON}
    actions.edit(cast.ada, lost.pk, row.revision, anew, untested="The key was lost.")
    assert "connector 'DigiCert'" not in {one.split(":")[0] for one in named()}
    assert len(named()) == 2


def test_fingerprints_under_another_key_are_kept(cast, lost):
    PrintKey.objects.all().delete()
    losing.give_up(cast.host)
    made = prints.key()
    assert prints.key() == made
    with conflict("no_loss"):
        losing.give_up(cast.host)


def test_keys_are_rotated_all_the_same(cast, lost):
    losing.give_up(cast.host)
    sealing.seal("x", table="t", record="r", field="f")
    kid = rekeying.rotate(cast.host).kid
    while rekeying.step(current_clock().now()):
        pass
    assert rekeying.progress().kid == kid
    assert rekeying.progress().done == rekeying.progress().total


def test_a_key_that_comes_back_opens_what_it_sealed(cast, lost, kek, settings):
    losing.give_up(cast.host)
    settings.KEK_OLD = (kek.with_name("aside").as_uri(),)
    ring.forget()
    version = Connector.objects.get(pk=lost.pk).current
    opened = sealing.unseal(
        version.secrets["api_key"], table="connector_version", record=str(version.pk), field="api_key"
    )
    assert opened.reveal() == VALUES["api_key"]
