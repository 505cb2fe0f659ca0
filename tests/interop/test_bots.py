"""A bot beside real web servers: ordered through the local CA, served, renewed, and rolled back when it must be."""

import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
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
from chancery_bot.testing import Case, FullDisk, Stand, fingerprint, pair

from chancery.apps.bots import actions, targets
from chancery.apps.bots.models import Deployment, Stage, Target
from chancery.apps.certificates.models import Certificate
from chancery.core.clock import SYSTEM_CLOCK
from chancery.demo.prepare import _make
from chancery.demo.sandbox import examples
from chancery.doors.bots.tests.test_door import SERVER, Line
from chancery.sandbox.__main__ import _about, simulators
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
        bot, token = actions.create(cast.ada, f"web-{server.kind}", team="Operations", environment="Production")
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
        self.target, self.values = targets.add(cast.ada, bot.pk, values), values

    def follows(self, profile, names, key_type):
        """Let the target be for another profile."""
        self.target.refresh_from_db()
        wanted = {**self.values, "profile": profile, "names": names, "key_type": key_type}
        self.target = targets.edit(self.cast.ada, self.target.pk, self.target.revision, wanted)

    def carried_out(self, row):
        """Let bot and engine work until a deployment has ended."""
        self.engine.until(lambda: self.agent.turn() >= 0 and self._ended(row), 120)
        return row.state

    def done(self, ask, wanted=Stage.DEPLOYED):
        """Have something done, and see that it was."""
        row = ask()
        assert self.carried_out(row) == wanted, row.text
        return row

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


@contextmanager
def beside_each(kind, folder):
    """A server in a folder of its own."""
    folder.chmod(0o755)
    (folder / kind).mkdir()
    with running(kind, folder / kind, pair(NAME)) as server:
        yield server


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("most", [3, pytest.param(None, marks=pytest.mark.long)])
def test_through_every_connector_of_the_sandbox(most, cast, local, engine, folder, monkeypatch):
    """One bot, three servers in turn: ordered at each simulated account, served, renewed, and put back."""
    with ExitStack() as stack:
        where = {}
        for simulator in simulators(None):
            stack.enter_context(simulator)
            where[simulator.name] = _about(simulator)
        offered = [("Internal", ("www-{n}.example.com",), "EC-P256")]
        for authority, example in examples(where):
            given = {"base_url": example["base_url"] or where[authority]["url"], "allowed_networks": ["127.0.0.0/8"]}
            _make(cast.ada, authority, example, {**given, **example["settings"]})
            offered.append((example["profile"], example["names"], example["key"]))
        servers = [stack.enter_context(beside_each(kind, folder)) for kind in PROGRAMS]
        hosts = [Host(cast, folder / s.kind, s, monkeypatch, engine) for s in servers]
        assert len(offered) >= 13
        for number, (profile, names, key) in enumerate(offered[:most]):
            host, server = hosts[number % 3], servers[number % 3]
            host.follows(profile, [name.format(n="shop") for name in names], key)
            first = host.done(lambda host=host: actions.issue(cast.ada, host.target.pk))
            host.done(lambda host=host: actions.issue(cast.ada, host.target.pk))
            host.done(lambda host=host: actions.roll_back(cast.ada, host.target.pk), Stage.ROLLED_BACK)
            serves(server, first.certificate.sha256)
        assert Certificate.objects.count() == 2 * len(offered[:most])


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
        key = "www.pem" if server.kind == "haproxy" else "www.key"
        return (etc / "www.pem").read_bytes(), (etc / key).read_bytes()

    refusing = folder / "systemctl"
    refusing.write_text("#!/bin/sh\necho no reload today\nexit 1\n")
    refusing.chmod(0o755)
    programs = {**PROGRAMS, "systemctl": str(refusing)}
    local = Local((etc,), folder / "hooks", programs, services=("shop",), work=folder / "home" / "work")
    (folder / "home").mkdir(exist_ok=True)
    stand = Stand(folder, Case(server.kind, settings, local, read))
    stand.deployer = Deployer(stand.state, local, Clock())
    return stand


def until(done):
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


class Befallen:
    """A bot beside a running server, what befalls it, and what is served meanwhile: the old or the new, and never neither."""

    def __init__(self, folder, server, before):
        self.folder, self.server, self.before = folder, server, before
        self.stand, self.number = beside(folder, server, server.settings), Counter()
        self.slowest = 0.0

    def whole(self, *wanted):
        """Hold what is served now, and what a server that starts now would serve."""
        prints = {fingerprint(one) for one in wanted}
        assert at(self.server) in prints
        assert self.stand.present() in prints
        config, kind = str(self.server.config), self.server.kind
        asked = {"nginx": ["-t", "-q", "-c", config], "apache": ["-t", "-f", config], "haproxy": ["-c", "-f", config]}
        assert subprocess.run([PROGRAMS[kind], *asked[kind]], capture_output=True).returncode == 0

    def mended(self, task, given):
        """Start the bot anew: it brings the new certificate."""
        self.stand.start()
        self.stand.deployer = Deployer(self.stand.state, self.stand.case.local, Clock())
        self.stand.deployer.recover()
        self.stand.deployer.begin(task, given[0].decode())
        last = self.stand.told()[-1]
        assert last.outcome == "deployed", last.text
        until(lambda: at(self.server) == fingerprint(given))
        self.stand.state.told(self.stand.told()[-1].number)
        self.before = given

    def killed(self, first, stride):
        """SIGKILL before one of so many changes on the disk, from a first one on."""
        number, on = first, True
        while on:
            task, given = self.stand.task(), pair(NAME)
            on = ended_at(self.stand, task, given, number)
            self.whole(self.before, given)
            self.mended(task, given)
            self.number["killed"] += on
            number += stride

    def full(self, first, stride, monkeypatch):
        """No room on the disk from one of so many changes on."""
        number, on = first, True
        while on:
            task, given, disk = self.stand.task(), pair(NAME), FullDisk(number)
            self.stand.state.keep_key(task.deployment, given[1])
            with monkeypatch.context() as patch:
                patch.setattr(posix, "step", disk.step)
                for act in (lambda: self.stand.deployer.begin(task, given[0].decode()), self.stand.deployer.recover):
                    with suppress(OSError):
                        act()
                    self.whole(self.before, given)
            self.mended(task, given)
            self.number["full"] += disk.met
            on, number = disk.met, number + stride

    def refused(self, monkeypatch):
        """The configuration is refused, the reload fails, another certificate is served: the old one stays."""
        whole = self.server.spoil()
        self._refused("rolled_back")
        self.server.mend(whole)
        self._refused("failed", service="shop")
        with running(self.server.kind, self.folder / "other", pair("other.example.com")) as other:
            monkeypatch.setattr(deploy, "PROOF_SECONDS", 2.0)
            # Nor can the way back be proven there; that the old one is served is looked at all the same.
            self._refused("failed", probe_port=other.port)

    def _refused(self, outcome, **settings):
        begun = time.monotonic()
        assert self.stand.deploy(pair(NAME), **settings) == outcome, self.stand.told()[-1].text
        self.slowest = max(self.slowest, time.monotonic() - begun)
        serves(self.server, fingerprint(self.before))
        self.number["refused"] += 1

    def outside(self):
        """Where a server's words lead outside the root, nothing is written."""
        away = self.folder / "away"
        away.mkdir()
        (self.folder / "etc" / "link").symlink_to(away)
        piece = "file" if self.server.kind == "haproxy" else "key"
        for path in (away / "x", self.folder / "etc" / "link" / "x", self.folder / "etc" / ".." / "away" / "x"):
            assert self.stand.deploy(pair(NAME), **{piece: str(path)}) == "failed"
            self.number["outside"] += 1
        assert list(away.iterdir()) == []
        self.whole(self.before)


@pytest.mark.parametrize("stride", [24, pytest.param(1, marks=pytest.mark.long)])
def test_whatever_befalls_a_deployment_the_old_or_the_new_is_served(stride, folder, monkeypatch, result):
    """In the long form each change is met beside each of the servers."""
    monkeypatch.setattr(posix, "sync", lambda _handle: None)
    number, slowest = Counter(), 0.0
    folder.chmod(0o755)
    for n, kind in enumerate(PROGRAMS):
        first = 1 + n % stride
        (folder / kind / "other").mkdir(parents=True)
        monkeypatch.setattr(deploy, "PROOF_SECONDS", 30.0)  # what is to be served is, however busy the machine
        with running(kind, folder / kind, before := pair(NAME)) as server:
            one = Befallen(folder / kind, server, before)
            one.killed(first, stride)
            one.full(first, stride, monkeypatch)
            one.refused(monkeypatch)
            one.outside()
        number, slowest = number + one.number, max(slowest, one.slowest)
    assert slowest < 30
    assert number["refused"] == 9
    assert number["killed"] > 60 / stride
    assert number["full"] > 20 / stride
    told = (
        f"kills beside nginx, Apache and HAProxy, {number['full']} full disks, {number['refused']} refusals of configuration, "
        f"reload or proof: the old or the new certificate was served each time; longest way back {slowest:.0f} s; "
        f"of {number['outside']} paths outside the root none was written"
    )
    result("R29", number["killed"], told, database="none")


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
