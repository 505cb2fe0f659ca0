"""Connectors as a file declares them: what differs is shown, then done; what is not named stays."""

import json
import re

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.connectors import credentials
from chancery.apps.connectors.models import Connector
from chancery.core.errors import Unavailable
from chancery.doors.cli.output import Exit
from tests.cast import PASSWORD
from tests.journeys.test_cli import cli, data  # noqa: F401  fixture

pytestmark = pytest.mark.django_db(transaction=True)
FILE = """
version: 1
connectors:
  - authority: digicert
    name: Berlin
    base_url: https://ca.example.com
    team: Operations
    environment: Production
    region: eu
    tags: [web, mail]
    api_key: "@env:BERLIN_KEY"
    rate_percent: 50
"""
CANARY = "the-key-that-nobody-sees"


def unavailable(*_):
    raise Unavailable("The key store does not answer.", remedy="Look at it.")


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("BERLIN_KEY", CANARY)
    path = tmp_path / "connectors.yaml"

    def write(text=FILE, **changed):
        for before, after in changed.items():
            text = text.replace(before.replace("_", " "), after)
        path.write_text(text)
        return path

    return write


def test_from_nothing_to_the_file_and_no_further(cli, file):
    seen = cli("apply", file(), "--plan", code=Exit.DIFFERS)
    assert ("create" in seen.stdout, "local Local" in seen.stderr) == (True, True)
    assert not Connector.objects.filter(name="Berlin").exists()
    assert "1 changed, 0 as they should be." in cli("apply", file()).stdout
    row = Connector.objects.get(name="Berlin")
    assert (row.status, row.region, row.tags, list(row.current.secrets)) == (
        "active",
        "eu",
        ["mail", "web"],
        ["api_key"],
    )
    again = cli("apply", file(), "--plan")
    assert "Everything is as the file says." in again.stderr
    cli("apply", file())
    row.refresh_from_db()
    assert row.revision == 1
    assert CANARY not in seen.output + again.output


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ca.example.com", "ca.example.com/"),
        ("base_url: https://ca.example.com", "base_url: ''"),
        ("region: eu", "limit_rate: 5"),
        ("region: eu", "limit_seats: '3'"),
        ("region: eu", "region: ' eu '"),
        ("region: eu", "allowed_networks: 10.2.0.0/16, 10.1.0.0/16"),
        ("region: eu", "allowed_networks: ['fd00:0::/8']"),
        ("[web, mail]", "[web, mail, web]"),
        ("[web, mail]", "web,mail"),
        ("rate_percent: 50", "rate_percent:"),
        ("rate_percent: 50", "rate_percent: '50'"),
    ],
)
def test_what_the_server_writes_otherwise_is_no_drift(cli, file, before, after):
    path = file(FILE.replace(before, after))
    cli("apply", path)
    assert data(cli, "apply", path, "--plan")["steps"][0]["changes"] == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("region: eu", "region: '7'"),
        ("region: eu", "description: web, then mail"),
        ("region: eu", "limit_rate: 5.5"),
        ("rate_percent: 50", "rate_percent: much"),
        ("[web, mail]", "[web]"),
    ],
)
def test_what_means_something_else_is_drift(cli, file, before, after):
    cli("apply", file(FILE.replace("region: eu", "region: '007'\n    description: mail, then web\n    limit_rate: 5")))
    (step,) = data(cli, "apply", file(FILE.replace(before, after)), "--plan", code=Exit.DIFFERS)["steps"]
    assert after.split(":")[0].strip() in {"[web]", *(c["field"] for c in step["changes"])}


def test_drift_is_shown_and_mended_and_secrets_go_along_where_the_server_forgets_them(cli, file):
    cli("apply", file())
    cli("connectors", "edit", "Berlin", "--set", "region=us")
    text = FILE.replace("name: Berlin", "name: Berlin\n    status: inactive")
    (step,) = data(cli, "apply", file(text), "--plan", code=Exit.DIFFERS)["steps"]
    assert [(c["field"], c["before"], c["after"]) for c in step["changes"]] == [
        ("region", "us", "eu"),
        ("status", "active", "inactive"),
    ]
    assert "changed and switched to inactive" in cli("apply", file(text)).stderr
    moved = text.replace("ca.example.com", "ca2.example.com")
    (step,) = data(cli, "apply", file(moved), "--plan", code=Exit.DIFFERS)["steps"]
    assert ("api_key", "set", "@env:BERLIN_KEY") in [(c["field"], c["before"], c["after"]) for c in step["changes"]]
    cli("apply", file(moved))
    row = Connector.objects.get(name="Berlin")
    assert (row.base_url, row.region, row.status, list(row.current.secrets)) == (
        "https://ca2.example.com", "eu", "inactive", ["api_key"],
    )  # fmt: skip
    assert "switched to active" in cli("apply", file(moved.replace("inactive", "active"))).stderr
    (step,) = data(cli, "apply", file(moved.replace("inactive", "active")), "--plan", "--secrets", code=6)["steps"]
    assert [c["field"] for c in step["changes"]] == ["api_key"]


ADCS = """
version: 1
connectors:
  - authority: adcs
    name: Forest
    base_url: https://ca.example.com
    team: Operations
    environment: Production
    region: eu
    ca_name: Example CA
    authentication: ntlm
    username: EXAMPLE\\chancery
    password: "@env:BERLIN_KEY"
    template_source: ldap
    directory_host: dc1.example.com
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [("dc1.example", "dc2.example"), ("region: eu", "region: eu\n    allowed_networks: 10.0.0.0/8")],
)
def test_secrets_go_along_where_a_field_of_the_ca_type_moves_them(cli, file, before, after):
    cli("apply", file(ADCS))
    cli("apply", file(ADCS.replace(before, after)))
    row = Connector.objects.get(name="Forest")
    assert (row.revision, list(row.current.secrets)) == (2, ["password"])
    assert "Everything is as the file says." in cli("apply", file(ADCS.replace(before, after)), "--plan").stderr


@pytest.fixture
def vault(settings):
    settings.SECRET_VAULT = "vault+https://vault.example.com/secret?token_file=/nowhere"


def test_another_reference_is_drift_and_is_mended(cli, file, vault):
    text = FILE.replace("@env:BERLIN_KEY", "@vault:old#k")
    cli("apply", file(text))
    same = cli("apply", file(text), "--plan")
    assert ("Everything is as the file says." in same.stderr, "not compared" in same.stderr) == (True, False)
    changed = text.replace("old#k", "new#k")
    (step,) = data(cli, "apply", file(changed), "--plan", code=Exit.DIFFERS)["steps"]
    change = {"field": "api_key", "before": "@vault:old#k", "after": "@vault:new#k"}
    assert (step["changes"], step["secrets_not_compared"]) == ([change], [])
    cli("apply", file(changed))
    assert "Everything is as the file says." in cli("apply", file(changed), "--plan").stderr
    assert "@vault:new#k" in cli("connectors", "declare").stdout
    (step,) = data(cli, "apply", file(), "--plan", code=Exit.DIFFERS)["steps"]
    assert step["changes"] == [{**change, "before": "@vault:new#k", "after": "@env:BERLIN_KEY"}]


def test_a_reference_in_place_of_a_stored_secret_is_drift(cli, file, vault, monkeypatch):
    cli("apply", file())
    (step,) = data(cli, "apply", file(FILE.replace("@env:BERLIN_KEY", "@vault:new#k")), "--plan", code=6)["steps"]
    assert step["changes"] == [{"field": "api_key", "before": "set", "after": "@vault:new#k"}]
    monkeypatch.setenv("BERLIN_KEY", "@vault:new#k")
    cli("apply", file())
    assert "Everything is as the file says." in cli("apply", file(), "--plan").stderr


def test_what_cannot_be_compared_is_said_once(cli, file, vault, cast, monkeypatch):
    cli("apply", file())
    unseen = "Set at the server, and not compared: digicert Berlin: api_key. `--secrets` sends secrets again."
    monkeypatch.setenv("BERLIN_KEY", "another")
    assert cli("apply", file(), "--plan").stderr.count(unseen) == 1
    assert unseen in cli("apply", file()).stderr
    assert unseen not in cli("apply", file(), "--plan", "--secrets", code=Exit.DIFFERS).stderr
    text = FILE.replace("@env:BERLIN_KEY", "@vault:old#k")
    cli("apply", file(text))
    oli = people.create_user(cast.host, "oli", PASSWORD, grants=[("ca_operator", None, None)])
    monkeypatch.setenv("CHANCERY_TOKEN", people.create_token(who.actor_of(oli, how="test"), "test")[1])
    seen = cli("apply", file(text.replace("old#k", "new#k")), "--plan", "--json")
    assert json.loads(seen.stdout)["steps"][0]["secrets_not_compared"] == ["api_key"]
    assert json.loads(seen.stderr.splitlines()[0]) == {"hint": unseen}
    monkeypatch.setattr(credentials, "referred", unavailable)
    assert unseen in cli("apply", file(text), "--plan").stderr
    assert "@env:DIGICERT_BERLIN_API_KEY" in cli("connectors", "declare").stdout


def test_what_declare_writes_apply_finds_as_it_is(cli, file, monkeypatch):
    cli("apply", file())
    written = cli("connectors", "declare").stdout
    assert "api_key: '@env:DIGICERT_BERLIN_API_KEY'" in written
    assert CANARY not in written
    monkeypatch.setenv("DIGICERT_BERLIN_API_KEY", "other")
    assert "Everything is as the file says." in cli("apply", "-", "--plan", stdin=written).stderr


def test_the_server_has_the_last_word(cli, file):
    done = cli("apply", file(FILE.replace("Operations", "Nobody")), code=Exit.REFUSED)
    assert "team" in done.stderr
    bad = cli("apply", file(FILE.replace('"@env:BERLIN_KEY"', CANARY)), code=Exit.USAGE)
    assert ("secrets do not stand in this file" in bad.stderr, CANARY in bad.output) == (True, False)
    assert json.loads(cli("connectors", "list", "--authority", "digicert", "--json").stdout)["items"] == []


def test_what_waits_for_others_is_not_proposed_again_by_the_next_run(cli, file):
    cli("changes", "rule", "Production", "create", "1")
    first = cli("apply", file(), code=Exit.WAITS)
    assert "1 of 1 wait for others" in first.stderr
    told = [json.loads(line) for line in cli("apply", file(), "--json", code=Exit.WAITS).stderr.splitlines()]
    (waits,) = data(cli, "changes", "list")["items"]
    assert [(t["code"], t["exit"]) for t in told] == [("waits", 7), ("waits", 7)]
    assert told[0]["change"]["id"] == waits["id"]
    cli("apply", file(FILE.replace("region: eu", "region: us")), code=Exit.WAITS)
    assert len(data(cli, "changes", "list")["items"]) == 2


def test_each_secret_that_is_declared_has_a_variable_of_its_own(cli, file):
    cli("apply", file())
    cli("apply", file(FILE.replace("name: Berlin", "name: Berlin (2)")))
    cli("apply", file(FILE.replace("name: Berlin", "name: Berlin-2")))
    written = cli("connectors", "declare").stdout
    names = re.findall(r"@env:(\w+)", written)
    assert sorted(names) == [
        "DIGICERT_BERLIN_2_API_KEY", "DIGICERT_BERLIN_2_API_KEY_2", "DIGICERT_BERLIN_API_KEY",
    ]  # fmt: skip
