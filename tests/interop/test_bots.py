"""A bot beside real web servers: ordered through the local CA, served, renewed, and rolled back when it must be."""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from chancery_bot import client, deploy, posix
from chancery_bot.clock import Clock
from chancery_bot.deploy import Deployer
from chancery_bot.local import Local
from chancery_bot.probe import served
from chancery_bot.run import Bot as Agent
from chancery_bot.run import describe
from chancery_bot.state import State
from chancery_bot.targets.base import Endpoint
from chancery_bot.testing import Case, Stand, fingerprint, pair

from chancery.apps.bots import actions, targets
from chancery.apps.bots.models import Deployment, Stage, Target
from chancery.core.clock import SYSTEM_CLOCK
from chancery.doors.bots.tests.test_door import SERVER, Line
from tests.interop.web_servers import PROGRAMS, running

NAME = "www.example.com"


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="chancery-bot-") as name:
        yield Path(name)


def at(server):
    return served(Endpoint("127.0.0.1", server.port, NAME))


def serves(server, wanted):
    """Wait for the last workers of before, who answer for a moment beside the new ones on a busy machine."""
    until(lambda: {at(server) for _ in range(5)} == {wanted})


class Host:
    """A host with a bot, and the server that knows it."""

    def __init__(self, cast, folder, server, monkeypatch, engine):
        self.cast, self.engine = cast, engine
        monkeypatch.setattr(client, "call", Line().call)
        bot, token = actions.create(cast.ada, "web-1", team="Operations", environment="Production")
        state, local, about = State(folder / "home"), Local((folder,), folder / "hooks", PROGRAMS), describe()
        signing = client.Client(state, Clock(), about.machine)
        signing.enrol(SERVER, token, about)
        self.agent = Agent(state, local, Clock(), client=signing, host=about)
        values = {
            "name": "www",
            "kind": server.kind,
            "profile": "Internal",
            "names": [NAME],
            "settings": server.settings,
        }
        self.target = targets.add(cast.ada, bot.pk, values)

    def carried_out(self, row):
        """Let bot and engine work until a deployment has ended."""
        self.engine.until(lambda: self.agent.turn() >= 0 and self._ended(row), 30)
        return row.state

    def _ended(self, row):
        row.refresh_from_db()
        return row.finished_at is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["nginx", "apache", "haproxy"])
def test_ordered_served_renewed_and_rolled_back(kind, cast, local, engine, folder, monkeypatch):
    before = pair(NAME)
    with running(kind, folder, before) as server:
        assert at(server) == fingerprint(before)
        host = Host(cast, folder, server, monkeypatch, engine)
        first = actions.issue(cast.ada, host.target.pk)
        assert host.carried_out(first) == Stage.DEPLOYED, first.text
        assert first.served == first.certificate.sha256
        serves(server, first.served)

        Target.objects.update(due_at=SYSTEM_CLOCK.now())
        host.agent.turn()
        renewed = Deployment.objects.order_by("-id").first()
        assert host.carried_out(renewed) == Stage.DEPLOYED, renewed.text
        assert renewed.certificate.sha256 != first.certificate.sha256
        serves(server, renewed.certificate.sha256)
        assert renewed.order.replaces_id == first.certificate_id

        whole = server.spoil()
        refused = actions.issue(cast.ada, host.target.pk)
        begun = time.monotonic()
        assert host.carried_out(refused) == Stage.ROLLED_BACK
        assert time.monotonic() - begun < 30
        assert "no_such_directive" in refused.text
        serves(server, renewed.certificate.sha256)
        host.target.refresh_from_db()
        assert host.target.problem

        server.mend(whole)
        again = actions.again(cast.ada, host.target.pk)
        assert host.carried_out(again) == Stage.DEPLOYED, again.text
        serves(server, refused.certificate.sha256)
        back = actions.roll_back(cast.ada, host.target.pk)
        assert host.carried_out(back) == Stage.ROLLED_BACK
        serves(server, renewed.certificate.sha256)


def test_a_server_that_cannot_use_the_new_certificate_goes_on_with_the_old(folder, monkeypatch):
    """The proof fails: the port that is looked at belongs to another server."""
    monkeypatch.setattr(deploy, "PROOF_SECONDS", 1.0)
    before, other = pair(NAME), pair("other.example.com")
    (folder / "two").mkdir()
    with running("nginx", folder, before) as server, running("nginx", folder / "two", other) as elsewhere:
        stand = beside(folder, server, {**server.settings, "probe_port": elsewhere.port})
        begun = time.monotonic()
        assert stand.deploy(pair(NAME)) == "failed"
        assert time.monotonic() - begun < 30
        assert "another certificate is served" in stand.told()[-1].text
        until(lambda: at(server) == fingerprint(before))


def beside(folder, server, settings):
    """A bot beside a server that looks for itself what is served, as in earnest."""
    etc = folder / "etc"

    def read():
        return (etc / "www.pem").read_bytes(), (etc / "www.key").read_bytes()

    local = Local((folder,), folder / "hooks", PROGRAMS, work=folder / "home" / "work")
    (folder / "home").mkdir(exist_ok=True)
    stand = Stand(folder, Case("nginx", settings, local, read))
    stand.deployer = Deployer(stand.state, local, Clock())
    return stand


def until(done):
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_killed_beside_a_running_nginx(folder, monkeypatch):
    """SIGKILL before every fifth change: what is served is the old or the new, now and by an nginx that starts then."""
    monkeypatch.setattr(posix, "sync", lambda _handle: None)
    before = pair(NAME)
    with running("nginx", folder, before) as server:
        stand, number = beside(folder, server, server.settings), 0
        while True:
            number, given = number + 5, pair(NAME)
            wanted = {fingerprint(before), fingerprint(given)}
            task = stand.task()
            killed = ended_at(stand, task, given, number)
            assert at(server) in wanted
            assert stand.present() in wanted
            starts = [PROGRAMS["nginx"], "-t", "-q", "-c", str(server.config)]
            assert subprocess.run(starts, capture_output=True).returncode == 0
            stand.start()
            stand.deployer = Deployer(stand.state, stand.case.local, Clock())
            stand.deployer.recover()
            stand.deployer.begin(task, given[0].decode())
            until(lambda given=given: at(server) == fingerprint(given))
            before = given
            if not killed:
                break
        assert number > 20


def ended_at(stand, task, given, number):
    """Deploy in a process that is killed before its change of this number; says whether it was."""
    stand.state.keep_key(task.deployment, given[1])
    left = [number]

    def step(name):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        posix.step = step
        try:
            stand.deployer.begin(task, given[0].decode())
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
