"""`chancery connectors test NAME` for every example of every simulator: well, refused, and with the CA away."""

import json

import pytest

from chancery import catalog
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Call, CallKind
from chancery.doors.cli.output import Exit
from chancery.sandbox.__main__ import simulators
from chancery.sdk.config import secret_names
from chancery.sdk.finding import STAGES
from tests.journeys.test_cli import cli  # noqa: F401  a fixture
from tests.journeys.working import working

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def started():
    running = simulators(None)
    for simulator in running:
        simulator.start()
    yield running
    for simulator in running:
        simulator.stop()


def make(cast, simulator, example):
    values = {"name": example.connector, "team": "Operations", "environment": "Production", **example.settings}
    where = {"base_url": example.base_url or simulator.url, "allowed_networks": "127.0.0.0/8"}
    connectors.create(cast.ada, simulator.name, {**where, **values})
    own = secret_names(catalog.get(simulator.name).config)
    return [str(value) for name, value in example.settings.items() if name in own and value]


def findings(cli, name, code=Exit.DONE):
    """Return the findings, after a look at the page that people get to see."""
    done = cli("connectors", "test", name, code=code)
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    found = Call.objects.filter(kind=CallKind.DIAGNOSE).order_by("-pk")[0].result["findings"]
    assert sum(line.strip().startswith("→") for line in lines) == sum(bool(f["remedy"]) for f in found)
    assert f"{name} {'works' if code is Exit.DONE else 'does not work'}" in done.stderr
    order = [STAGES.index(f["stage"]) for f in found]
    assert order == sorted(order)
    for finding in found:
        assert finding["message"].endswith((".", "?", '"'))
        assert finding["remedy"] or finding["level"] in {"ok", "skipped"}
    return found


def levels(found):
    return {f["stage"]: f["level"] for f in found}


def test_every_example_is_diagnosed_in_stages(cli, cast, engine, started):
    seen = 0
    with working(engine):
        for simulator in started:
            for example in simulator.examples:
                name, secrets = example.connector, make(cast, simulator, example)
                well = findings(cli, name)
                web = example.settings.get("transport") != "rpc"  # where no web server is expected, none is looked for
                first = ["name", "tcp", "tls", "clock", "login"] if web else ["name", "tcp", "login"]
                assert [f["stage"] for f in well][: len(first)] == first
                assert levels(well)["name"] == levels(well)["tcp"] == "ok"
                assert {"product", "rights", "chain"} & {f["stage"] for f in well}
                simulator.dials.set(refuse_key=True)
                refused = findings(cli, name, Exit.REFUSED)
                simulator.dials.reset()
                simulator.down()
                away = findings(cli, name, Exit.REFUSED)
                simulator.up()
                behind = {"tls": "skipped", "clock": "skipped"} if web else {}
                assert levels(away) == {"name": "ok", "tcp": "failed", **behind}
                heard = json.dumps([well, refused, away])
                assert not [secret for secret in secrets if secret in heard]
                seen += 1
    assert seen >= 9
