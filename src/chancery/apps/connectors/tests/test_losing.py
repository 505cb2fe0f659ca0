"""A key that is gone for good: what it sealed is named, and everything else goes on without it."""

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.urls import reverse

from chancery.apps.accounts import factors, providers
from chancery.apps.acme import actions as acme
from chancery.apps.changes import actions as changes
from chancery.apps.changes import holding
from chancery.apps.changes.models import Change
from chancery.apps.connectors import actions, losing, rekeying, ring, rotating, sealed, sealing
from chancery.apps.connectors.models import Call, Connector
from chancery.apps.notices import actions as notices
from chancery.apps.notices.models import Channel
from chancery.apps.posture import prints
from chancery.apps.posture.models import PrintKey
from chancery.apps.profiles import actions as profiles
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.tests.looking import conflict, said
from chancery.apps.webhooks import actions as webhooks
from chancery.core.errors import Unavailable
from tests.cast import PASSWORD

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


SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXQ"


@pytest.fixture
def everything(cast, kek):
    """Something in every table that holds sealed values; then the key file is gone."""
    common = {"team": "Operations", "url": "https://hooks.example.com/chancery"}
    cast.made = actions.create(cast.ada, "digicert", {"name": "DigiCert", **VALUES, **COMMON})
    rotating.stage(cast.ada, cast.made.pk, {"api_key": "the-next-key-of-the-test"})
    actions.test_unsaved(cast.ada, "digicert", {"name": "Tried", **VALUES, **COMMON}, None)
    notices.create(cast.ada, {**common, "name": "Chat", "url": "json://hooks.example.com/chancery"})
    cast.hook = webhooks.create(cast.ada, {**common, "name": "Tickets"})[0]
    cast.provider = {"title": "Keycloak", "server_url": "https://kc.example.com", "client_id": "chancery"}
    providers.save(cast.ada, "keycloak", cast.provider, "a-secret-of-the-client")
    code = format_hotp_value(hotp_value(SECRET, int(current_clock().now().timestamp()) // 30))
    cast.codes = factors.add_totp(cast.rob, SECRET, code)
    actions.create(cast.ada, "local", {"name": "Local", **COMMON})
    profiles.create(cast.ada, {"name": "Internal", "connector": "Local", "validity_days": 30})
    offer = acme.offer(cast.ada, "Internal", any_name=True)
    cast.credential = acme.create_credential(cast.ada, "web-1", profile=offer.pk)[0]
    changes.set_rule(cast.ada, cast.made.environment_id, "create", 1)
    with pytest.raises(holding.Proposed):
        actions.create(cast.ada, "digicert", {"name": "Wanted", **VALUES, **COMMON})
    prints.key()
    kek.rename(kek.with_name("aside"))
    sealing.forget_key()
    return cast


def named():
    return {str(one) for one in losing.gone()}


WHAT = {
    "connector 'DigiCert'": "enter them anew",
    "connector 'Local'": "make a new CA",
    "credential that was to replace another, of connector 'DigiCert'": "End the rotation",
    "test of unsaved settings for 'digicert'": "lets it fail",
    "channel for notices 'Chat'": "enter its address anew",
    "webhook 'Tickets'": "Make a new secret",
    "provider of log-ins 'Keycloak'": "client's secret anew",
    "second factor of 'rob'": "recovery code",
    "ACME credential 'web-1'": "make a new credential",
    "change that waits for approval": "propose it again",
}
"""What is named where everything has lost its secret → what the administrator is told to do about it."""


def test_every_kind_is_named_with_what_is_to_be_done(everything):
    """Each place that holds sealed values has something in it, so a new one fails here until it is named, too."""
    assert {place.table for place in sealed.PLACES if place.rows.exists()} == {place.table for place in sealed.PLACES}
    found = losing.gone()
    assert len(found) == len(WHAT)
    for start, remedy in WHAT.items():
        (one,) = (one for one in found if str(one).startswith(start))
        assert remedy in one.remedy, start
    with pytest.raises(Unavailable):
        webhooks.rotate(everything.ada, everything.hook.pk)  # the key may come back, and the present secret with it


def test_what_is_told_mends_each_of_them(everything, client):
    """After the remedies nothing is named but what no remedy brings back: a CA's own key, and what a worker erases."""
    cast = everything
    losing.give_up(cast.host)
    actions.edit(
        cast.ada, cast.made.pk, Connector.objects.get(pk=cast.made.pk).revision,
        {"name": "DigiCert", **VALUES, **COMMON}, untested="The key was lost.",
    )  # fmt: skip
    if "credential that was to replace" in str(named()):
        rotating.cancel(cast.ada, cast.made.pk)
    channel = Channel.objects.get()
    address = {"name": "Chat", "team": "Operations", "url": "json://hooks.example.com/chancery"}
    notices.edit(cast.ada, channel.pk, channel.revision, address)
    webhooks.rotate(cast.ada, cast.hook.pk)
    providers.save(cast.ada, "keycloak", cast.provider, "a-secret-of-the-client")
    client.post(reverse("login"), {"username": "rob", "password": PASSWORD})
    assert client.post(reverse("login_second"), {"code": cast.codes[0]}).headers["Location"] == "/"
    factors.remove(cast.rob, factors.of(cast.users["rob"])[0].pk)
    acme.revoke_credential(cast.ada, cast.credential.pk)
    changes.deny(cast.amy, Change.objects.get().pk, "The key was lost.")
    left = sorted(head.partition(":")[0] for head in named())
    assert left == ["connector 'Local'", "test of unsaved settings for 'digicert'"]


@pytest.mark.django_db(transaction=True)
def test_a_test_of_settings_that_cannot_be_opened_fails_and_is_erased(everything, engine):
    losing.give_up(everything.host)
    engine.until(lambda: Call.objects.get(kind="diagnose", connector=None).state not in {"due", "running"})
    call = Call.objects.get(kind="diagnose", connector=None)
    assert (call.sealed, "given up as lost" in str(call.result)) == ({}, True)


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
