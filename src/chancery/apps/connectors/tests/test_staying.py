"""Keys that sign here and are never sent outlive a change of address; what is sent does not."""

import pytest

from chancery.apps.connectors import actions, versions
from chancery.apps.connectors.models import Call, Connector, ConnectorVersion
from chancery.apps.connectors.tests.account import values
from chancery.apps.shared.tests.looking import refused

pytestmark = pytest.mark.django_db
DNS = {"challenge": "dns-01", "dns_provider": "powerdns", "dns_credentials": "auth_token = x"}


def acme(**more):
    common = values(**{"base_url": "https://ca.example.com/directory", **more})
    return {n: v for n, v in common.items() if n not in {"api_key", "reference_field_id"}}


@pytest.fixture
def made(cast):
    return actions.create(cast.ada, "acme", acme(**DNS))


def secrets_of(row):
    found = actions.unsealed_version(actions.current(Connector.objects.get(pk=row.pk)))
    return {name: secret.reveal() for name, secret in found.items()}


def test_a_new_connector_has_a_key_of_its_own(made):
    assert secrets_of(made)["account_key"].startswith("-----BEGIN PRIVATE KEY-----")


def test_the_key_goes_along_to_another_address_and_the_credential_does_not(cast, made):
    before = secrets_of(made)
    moved = acme(**{**DNS, "base_url": "https://other.example.com/directory", "dns_credentials": ""})
    with refused("dns_credentials", code="secret_needed"):
        actions.edit(cast.ada, made.pk, 1, moved)
    actions.edit(cast.ada, made.pk, 1, {**moved, "dns_credentials": "auth_token = y"})
    assert secrets_of(made) == {**before, "dns_credentials": "auth_token = y"}


def test_another_dns_provider_gets_no_old_credential(cast, made):
    with refused("dns_credentials", code="secret_needed"):
        actions.edit(cast.ada, made.pk, 1, acme(**{**DNS, "dns_provider": "gandi", "dns_credentials": ""}))


def test_a_field_that_came_with_a_later_release_moves_nothing(cast):
    whole = acme(challenge="http-01", eab_key_id="k", eab_hmac_key="aGVsbG8")
    made = actions.create(cast.ada, "acme", whole)
    version = actions.current(made)
    older = {n: v for n, v in version.settings.items() if n != "dns_provider"}
    ConnectorVersion.objects.filter(pk=version.pk).update(settings=older)
    found = versions.destination(made, ConnectorVersion.objects.get(pk=version.pk))
    assert found == versions.destination(made, version)


def test_an_unsaved_edit_is_tested_with_the_stored_key(cast, made):
    from chancery.apps.connectors import sealing

    call = actions.test_unsaved(cast.ada, "acme", acme(**{**DNS, "dns_credentials": ""}), made.pk)
    call = Call.objects.get(pk=call.pk)
    found = {
        name: sealing.unseal(sealed, table="call", record=str(call.pk), field=name).reveal()
        for name, sealed in call.sealed["secrets"].items()
    }
    assert found == secrets_of(made)
