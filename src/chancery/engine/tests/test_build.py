"""Connector versions become authorities once, and are kept while there is room."""

from datetime import timedelta

import pytest

from chancery import catalog
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors import references
from chancery.apps.connectors.models import Call
from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.errors import Unavailable
from chancery.core.secret import MASK, Secret
from chancery.engine import build
from chancery.engine.build import Builder
from chancery.net.identity import ClientIdentity
from chancery.sdk.authority import DoorOptions
from chancery.sdk.errors import Unreachable
from chancery.sdk.testing import START, ManualClock
from tests.cast import digicert_values

pytestmark = pytest.mark.django_db


@pytest.fixture
def builder():
    made = Builder(SYSTEM_CLOCK, lambda: None)
    yield made
    made.close()


def test_a_version_is_built_once(remote, builder):
    first = builder.version("digicert", remote.current_id)
    assert builder.version("digicert", remote.current_id) is first
    assert [s.reveal() for s in first.secrets] == ["an-api-key-of-the-test"]
    assert first.door is not None
    assert "an-api-key" not in repr(first.secrets)
    assert MASK in repr(first.secrets)


def test_a_version_that_was_replaced_is_not_built_without_its_secrets(cast, remote, builder):
    before = remote.current_id
    kept = builder.version("digicert", before)
    values = {
        "name": "DigiCert", "base_url": "http://127.0.0.1:9", "allowed_networks": "127.0.0.0/8", "team": "Operations",
        "environment": "Production", "api_key": "another-key-of-the-test", "reference_field_id": "11",
    }  # fmt: skip
    connectors.edit(cast.ada, remote.pk, remote.revision, values, untested="nobody listens")
    remote.refresh_from_db()
    assert remote.current_id != before
    assert builder.version("digicert", before) is kept, "what is under way goes on"
    other = Builder(SYSTEM_CLOCK, lambda: None)
    with pytest.raises(Unavailable, match="just edited"):
        other.version("digicert", before)
    other.close()


def test_pinned_keys_reach_the_door(cast, builder):
    values = {
        "base_url": "https://ca.example.com", "team": "Operations", "environment": "Production",
        "account_number": "1234567890", "client_secret": "a-secret-of-the-test", "requestor_name": "Pat",
        "requestor_email": "pki@example.com", "server_key_pins": f"{'AB:' * 31}AB, {'cd' * 32}",
    }  # fmt: skip
    call = connectors.test_unsaved(cast.ada, "emsign", values)
    built = builder.unsaved(Call.objects.get(pk=call.pk))
    assert built.door._pins == {"ab" * 32, "cd" * 32}
    built.door.close()


def test_the_one_that_was_not_used_for_longest_goes(remote, local, builder, monkeypatch):
    monkeypatch.setattr(build, "_KEEP", 1)
    first = builder.version("digicert", remote.current_id)
    assert builder.version("local", local.current_id).door is None
    assert builder.version("digicert", remote.current_id) is not first


def test_an_authority_may_ask_for_a_client_certificate_out_of_its_settings(remote, builder, monkeypatch):
    asked = []

    def door_options(config):
        asked.append(config.api_key.reveal())
        return DoorOptions(client_identity=ClientIdentity("chain", Secret("a key of the test")))

    monkeypatch.setattr(catalog.build("digicert"), "door_options", door_options, raising=False)
    built = builder.version("digicert", remote.current_id)
    assert asked == ["an-api-key-of-the-test"]
    assert Secret("a key of the test") in built.door.secrets
    with pytest.raises(Unreachable, match="client certificate"):
        built.door.get("/")


def test_unsaved_settings_are_opened_from_their_call(cast, remote, builder):
    values = {
        "base_url": "http://127.0.0.1:9",
        "allowed_networks": "127.0.0.0/8",
        "team": "Operations",
        "environment": "Production",
        "api_key": "another-key-of-the-test",
        "reference_field_id": "11",
    }
    call = connectors.test_unsaved(cast.ada, "digicert", values)
    built = builder.unsaved(Call.objects.get(pk=call.pk))
    assert [s.reveal() for s in built.secrets] == ["another-key-of-the-test"]
    built.door.close()


def test_the_worker_reads_it_when_it_builds_and_again_after_a_while(cast, simulator, tmp_path, settings, caplog):
    settings.SECRET_FILES = str(tmp_path)
    outside = tmp_path
    (outside / "digicert").write_text("from-file\n")
    clock = ManualClock(START)
    builder = Builder(clock, lambda: None)
    made = connectors.create(cast.ada, "digicert", digicert_values(simulator, api_key="@file:digicert"))
    call = connectors.test_unsaved(cast.ada, "digicert", digicert_values(simulator, name="O", api_key="@file:digicert"))

    def secrets():
        return [s.reveal() for s in builder.version("digicert", made.current_id).secrets]

    unsaved = builder.unsaved(Call.objects.get(pk=call.pk))
    assert (secrets(), [s.reveal() for s in unsaved.secrets]) == (["from-file"], ["from-file"])
    unsaved.door.close()
    first = builder.version("digicert", made.current_id)
    clock.advance(timedelta(seconds=references.FRESH + 1))
    assert builder.version("digicert", made.current_id) is first, "it has not changed"
    (outside / "digicert").write_text("changed")
    assert secrets() == ["from-file"], "not yet"
    clock.advance(timedelta(seconds=references.FRESH + 1))
    assert secrets() == ["changed"]
    first.door.close()
    (outside / "digicert").unlink()
    clock.advance(timedelta(seconds=references.FRESH + 1))
    assert secrets() == ["changed"]
    assert "What was read before is used" in caplog.text
    builder.close()
