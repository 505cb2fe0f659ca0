"""The second start of a demo: what follows the simulators, and what stays as people left it."""

import json

import pytest

from chancery.apps.accounts.models import User
from chancery.apps.accounts.queries import actor_of
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.profiles.models import Profile
from chancery.demo.prepare import prepare

pytestmark = pytest.mark.django_db


def where(port, key, **settings):
    example = {
        "connector": "Simulated", "profile": "Public", "base_url": "", "validity_days": 90, "names": ["{n}.example.com"],
        "key": "EC-P256", "product": {"product": "ssl_basic", "organization_id": "1"},
        "settings": {"api_key": key, "reference_field_id": "7", **settings},
    }  # fmt: skip
    return {"digicert": {"url": f"http://127.0.0.1:{port}", "control": "", "credentials": {}, "examples": [example]}}


def present():
    row = Connector.objects.get(authority="digicert", deleted_at=None)
    return row, connectors.current(row), connectors.unsealed_version(connectors.current(row))


def ada():
    return actor_of(User.objects.get(username="admin"), how="test")


def edit(row, **changes):
    version = connectors.current(row)
    about = {"name": row.name, "team": row.team.name, "environment": row.environment.name, "base_url": row.base_url}
    return connectors.edit(
        ada(),
        row.pk,
        row.revision,
        {**about, "allowed_networks": version.allowed_networks, **version.settings, **changes},
    )


def test_the_first_start_makes_everything_and_says_the_password_once(tmp_path):
    assert prepare(tmp_path, where(9001, "first"))
    assert sorted(Profile.objects.values_list("name", flat=True)) == ["Internal TLS", "Public"]
    row, _version, secrets = present()
    assert (row.base_url, secrets["api_key"].reveal()) == ("http://127.0.0.1:9001", "first")
    assert "first" not in (tmp_path / "demo.json").read_text()
    assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600
    assert prepare(tmp_path, where(9001, "first")) is None
    assert Profile.objects.count() == 2


def test_the_address_and_the_credential_follow_and_nothing_else(tmp_path):
    prepare(tmp_path, where(9001, "first"))
    row, *_ = present()
    edit(row, name="Ours", region="Pune", reference_field_id="99", tags="a,b", description="mine")
    connectors.deactivate(ada(), row.pk)
    prepare(tmp_path, where(9002, "second"))
    row, version, secrets = present()
    assert (row.base_url, secrets["api_key"].reveal()) == ("http://127.0.0.1:9002", "second")
    assert (row.name, row.region, row.tags, row.description) == ("Ours", "Pune", ["a", "b"], "mine")
    assert (row.status, version.settings["reference_field_id"]) == ("inactive", "99")
    assert Connector.objects.count() == 2


def test_a_setting_that_nobody_changed_follows_too(tmp_path):
    prepare(tmp_path, where(9001, "first"))
    prepare(tmp_path, where(9001, "first", reference_field_id="8"))
    assert present()[1].settings["reference_field_id"] == "8"


def test_what_was_deleted_stays_deleted(tmp_path):
    prepare(tmp_path, where(9001, "first"))
    row, *_ = present()
    Profile.objects.filter(name="Public").update(deleted_at=row.created_at)
    connectors.delete(ada(), row.pk)
    prepare(tmp_path, where(9002, "second"))
    assert not Connector.objects.filter(authority="digicert", deleted_at=None).exists()


def test_a_home_of_before_is_taken_over_by_name(tmp_path):
    prepare(tmp_path, where(9001, "first"))
    (tmp_path / "demo.json").unlink()
    prepare(tmp_path, where(9002, "second"))
    row, *_ = present()
    assert row.base_url == "http://127.0.0.1:9002"
    assert json.loads((tmp_path / "demo.json").read_text())["digicert/Simulated"]["id"] == str(row.pk)
