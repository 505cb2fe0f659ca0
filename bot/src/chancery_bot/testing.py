"""One suite for every kind of target: a test beside the kind gives a `Case`, and inherits the checks.

The bot is really ended (SIGKILL, in a process of its own) before each change that it makes on the disk. Whatever it had done
until then, a service that starts at that moment must find the old certificate with its key or the new one, and the bot
that is started again must bring the new one.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import tempfile
import uuid
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from chancery_bot import posix
from chancery_bot.clock import Clock
from chancery_bot.deploy import Deployer
from chancery_bot.errors import Refused
from chancery_bot.local import Local
from chancery_bot.material import key_pem
from chancery_bot.state import State
from chancery_bot.wire import Record, TargetSpec, Task

_FAST = "/dev/shm"  # noqa: S108  a folder of its own is made in it
Pair = tuple[bytes, bytes]
"""A certificate with its chain, and its key, as PEM."""
TARGET = uuid.UUID("01990000-0000-7000-8000-000000000001")
_PROGRAM = """#!/bin/sh
case "$*" in *reload*|*restart*|*graceful*|*deploy*) verb=reload;; *) verb=test;; esac
echo "$verb" >> {folder}/calls
[ ! -e {folder}/$verb.fails ] || { echo "no $verb today"; exit 1; }
"""


def pair(name: str = "www.example.com", days: int = 30) -> Pair:
    """Return a certificate of a CA made for it, and its key."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now, issuer = datetime.now(UTC) - timedelta(hours=1), _name("Test CA")
    made = []
    for subject, public in ((_name(name), key.public_key()), (issuer, authority.public_key())):
        builder = x509.CertificateBuilder(
            issuer, subject, public, x509.random_serial_number(), now, now + timedelta(days=days + 1)
        )
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        made.append(builder.add_extension(names, critical=False).sign(authority, hashes.SHA256()))
    return b"".join(c.public_bytes(Encoding.PEM) for c in made), key_pem(key)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def fingerprint(found: Pair) -> str:
    """Return which certificate this is; fails where certificate and key do not belong together."""
    leaf: Any = x509.load_pem_x509_certificate(found[0])
    own: Any = load_pem_private_key(found[1], None)
    assert leaf.public_key() == own.public_key(), "a certificate without its key: neither old nor new"
    digest: str = leaf.fingerprint(hashes.SHA256()).hex()
    return digest


@dataclass
class Case:
    """A kind on a host made for the test.

    `read` returns what a service that starts now would use, None where there is nothing; `plant` puts a pair there as an
    administrator did before there was a bot, None where the kind cannot know what was there.
    """

    kind: str
    settings: dict[str, Any]
    local: Local
    read: Callable[[], Pair | None]
    plant: Callable[[Pair], None] | None = None
    reloads: bool = True
    tests: bool = True
    inside: tuple[str, ...] = field(default=())
    """Settings that are paths which must lie inside the roots."""
    stride: int = 1
    """Of so many changes on the disk the bot is ended before one: more than 1 where another kind shares the very code."""


class Stand:
    """One host with a bot on it, whose proof is what `read` says."""

    def __init__(self, folder: Path, case: Case) -> None:
        self.case, self.folder, self.proven = case, folder, True
        self.start()

    def start(self) -> None:
        """Start the bot: all that it knows is what stands in its home."""
        self.state = State(self.folder / "home")
        self.deployer = Deployer(self.state, self.case.local, Clock(), self._prove)

    def task(self, kind: str = "deploy", **more: Any) -> Task:
        """Return a task for the target, with a deployment of its own."""
        spec = TargetSpec(id=TARGET, kind=self.case.kind, name="Shop", settings={**self.case.settings, **more})
        return Task.model_validate({"kind": kind, "deployment": _later(), "target": spec})

    def deploy(self, given: Pair, **more: Any) -> str:
        """Deploy a pair and return the outcome."""
        task = self.task(**more)
        self.state.keep_key(task.deployment, given[1])
        return self.deployer.begin(task, given[0].decode())

    def present(self) -> str:
        """Return which certificate a service that starts now would serve, '' for none."""
        found = self.case.read()
        return fingerprint(found) if found else ""

    def told(self) -> list[Record]:
        """Return what the bot has to tell."""
        return self.state.untold(1000)

    def fails(self, verb: str, *, on: bool = True) -> None:
        """Make the service refuse to be tested or reloaded."""
        mark = self.folder / f"{verb}.fails"
        mark.touch() if on else mark.unlink()

    def _prove(self, endpoint: Any, wanted: str, seconds: float, clock: Clock) -> str:
        del endpoint, seconds, clock
        found = self.present()
        if wanted and (found != wanted or not self.proven):
            self.proven = True
            raise Refused("Another certificate is served.")
        return found


class _Late(Clock):
    """A clock by which every pair is over."""

    def now(self) -> datetime:
        """Return a moment half a year from now."""
        return super().now() + timedelta(days=180)


def _later() -> uuid.UUID:
    """Return ids that sort by when they were made, as the server's do."""
    _later.number += 1  # type: ignore[attr-defined]  # a counter of the tests
    return uuid.UUID(int=(0x0199 << 112) | (7 << 76) | (8 << 60) | _later.number)  # type: ignore[attr-defined]  # as above


_later.number = 1000  # type: ignore[attr-defined]  # as above


def program(folder: Path) -> str:
    """Return a program that plays the service: it ends badly while a test says so."""
    path = folder / "program"
    if not path.exists():
        path.write_text(_PROGRAM.replace("{folder}", str(folder)), encoding="ascii")
        path.chmod(0o755)
    return str(path)


def host(folder: Path, **more: Any) -> Local:
    """Return a host that allows writing in `folder/etc`, with that program for everything."""
    (folder / "etc").mkdir(exist_ok=True)
    names = ("nginx", "apache", "haproxy", "systemctl")
    programs = dict.fromkeys(names, program(folder))
    (folder / "home").mkdir(exist_ok=True)
    work = folder / "home" / "work"
    return Local((folder / "etc",), folder / "hooks", programs, services=("shop",), work=work, **more)


def one_file(place: Path) -> tuple[Callable[[], Pair | None], Callable[[Pair], None]]:
    """Return what reads and what plants a certificate and its key where one file holds both."""

    def read() -> Pair | None:
        return (place.read_bytes(), place.read_bytes()) if place.exists() else None

    def plant(given: Pair) -> None:
        place.unlink(missing_ok=True)
        place.touch(0o600)
        place.write_bytes(given[0] + given[1])

    return read, plant


class Conformance(ABC):
    """What every kind of target must do."""

    OLD, NEW, BAD = pair(), pair(), pair()

    @abstractmethod
    def case(self, folder: Path) -> Case:
        """Return the kind on a fresh host in `folder`."""

    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        """Return a folder, in memory where the system has one: thousands of files are written."""
        with tempfile.TemporaryDirectory(dir=_FAST if os.access(_FAST, os.W_OK) else None) as name:
            yield Path(name)

    @pytest.fixture
    def stand(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
        """Return a host with a bot."""
        monkeypatch.setattr(posix, "sync", lambda _handle: None)
        return Stand(folder, self.case(folder))

    @pytest.fixture
    def old(self, stand: Stand) -> str:
        """Return what is in force before: put there by a person where that can be seen, else by the bot."""
        if stand.case.plant is None:
            assert stand.deploy(self.OLD) == "deployed"
        else:
            stand.case.plant(self.OLD)
        return stand.present()

    def test_where_nothing_was(self, stand: Stand) -> None:
        """It deploys, and says what it did."""
        assert stand.present() == ""
        assert stand.deploy(self.NEW) == "deployed"
        assert stand.present() == fingerprint(self.NEW)
        last = stand.told()[-1]
        assert (last.outcome, last.served) == ("deployed", fingerprint(self.NEW))
        assert list(stand.state.journals()) == []

    def test_over_what_was_there_and_back(self, stand: Stand, old: str) -> None:
        """It takes the place of what was there, and puts that back when asked."""
        assert old == fingerprint(self.OLD)
        assert stand.deploy(self.NEW) == "deployed"
        assert stand.present() == fingerprint(self.NEW)
        assert stand.deployer.begin(stand.task("rollback"), "") == "rolled_back"
        assert stand.present() == old
        assert stand.told()[-1].outcome == "rolled_back"

    def test_what_is_over_is_not_put_back(self, stand: Stand) -> None:
        """By the host's own clock, whatever the server believes of it."""
        assert [stand.deploy(given) for given in (self.OLD, self.NEW)] == ["deployed", "deployed"]
        late = Deployer(stand.state, stand.case.local, _Late(), lambda *_: "")
        assert late.begin(stand.task("rollback"), "") == "failed"
        assert "The certificate before is not valid at this moment" in stand.told()[-1].text
        assert stand.present() == fingerprint(self.NEW)

    def test_a_refused_configuration_changes_nothing(self, stand: Stand, old: str) -> None:
        """The test fails: the old is in force."""
        if not stand.case.tests:
            pytest.skip("this kind has no test of its own")
        stand.fails("test")
        assert stand.deploy(self.NEW) == "rolled_back"
        assert stand.present() == old
        stand.fails("test", on=False)
        assert stand.deploy(self.NEW) == "deployed"

    def test_a_failed_reload_goes_back(self, stand: Stand, old: str) -> None:
        """The reload fails, and so does the one of the way back: nothing is claimed, the old is in force."""
        if not stand.case.reloads:
            pytest.skip("this kind reloads nothing")
        stand.fails("reload")
        assert stand.deploy(self.NEW) == "failed"
        assert stand.present() == old
        assert "way back is not proven" in stand.told()[-1].text

    def test_what_is_not_served_goes_back(self, stand: Stand, old: str) -> None:
        """The proof fails: the old is in force and proven."""
        stand.proven = False
        more = {"probe_port": 443}
        assert stand.deploy(self.NEW, **more) == "rolled_back"
        assert stand.present() == old
        assert stand.told()[-1].served == old

    @pytest.mark.parametrize("why", ["proof", "reload"])
    def test_rolling_back_never_brings_what_has_failed(self, stand: Stand, old: str, why: str) -> None:
        """Old, new, and a third that fails, its way back proven or not: what is put back is the old, and then the new."""
        assert stand.deploy(self.NEW) == "deployed"
        if why == "proof":
            stand.proven = False
            assert stand.deploy(self.BAD, probe_port=443) == "rolled_back"
        elif not stand.case.reloads:
            pytest.skip("this kind reloads nothing")
        else:
            stand.fails("reload")
            assert stand.deploy(self.BAD) == "failed"
            stand.fails("reload", on=False)
        assert stand.present() == fingerprint(self.NEW)
        for wanted in (old, fingerprint(self.NEW)):
            assert stand.deployer.begin(stand.task("rollback"), "") == "rolled_back"
            assert stand.present() == wanted

    def test_what_fails_before_the_switch_takes_no_way_back_away(self, stand: Stand, old: str) -> None:
        """The certificate is for another key: the version before the one in force is still there."""
        assert stand.deploy(self.NEW) == "deployed"
        assert stand.deploy((self.BAD[0], self.OLD[1])) == "failed"
        assert stand.deployer.begin(stand.task("rollback"), "") == "rolled_back"
        assert stand.present() == old

    def test_a_key_of_somebody_else_is_not_deployed(self, stand: Stand, old: str) -> None:
        """A certificate for another key is refused before anything is written."""
        assert stand.deploy((self.NEW[0], self.OLD[1])) == "failed"
        assert stand.present() == old
        assert "Nothing was changed" in stand.told()[-1].text

    def test_nothing_is_written_outside_the_roots(self, stand: Stand, folder: Path) -> None:
        """A path that a server names, and this host does not allow, is refused."""
        outside = folder / "outside"
        outside.mkdir()
        (folder / "etc" / "away").symlink_to(outside)
        for name in stand.case.inside:
            for path in (outside / "x", folder / "etc" / "away" / "x", folder / "etc" / ".." / "x"):
                assert stand.deploy(self.NEW, **{name: str(path)}) == "failed"
                assert "lies outside" in stand.told()[-1].text or "no whole path" in stand.told()[-1].text
        assert list(outside.iterdir()) == []

    def test_no_key_is_told(self, stand: Stand, old: str) -> None:
        """Nothing of a key stands in what goes to the server, nor is any file with it open to others."""
        stand.deploy(self.NEW)
        secret = self.NEW[1].split(b"\n")[1]
        assert all(secret.decode() not in r.text for r in stand.told())
        for path in (p for p in stand.folder.rglob("*") if p.is_file() and secret in p.read_bytes()):
            assert path.stat().st_mode & 0o077 == 0, path

    def test_killed_before_each_change_on_the_disk(
        self, stand: Stand, old: str, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
    ) -> None:
        """SIGKILL anywhere leaves the old or the new, and the bot goes on to the new."""
        before, given, seen, number = self.OLD, self.NEW, set(), 0
        while True:
            number += _stride(stand.case, pytestconfig)
            task = stand.task()
            killed = _killed(stand, task, given, number, monkeypatch)
            found = stand.present()
            assert found in {fingerprint(before), fingerprint(given)}, f"killed before change {number}"
            seen.add(found == fingerprint(given))
            stand.start()
            stand.deployer.recover()
            stand.deployer.begin(task, given[0].decode())
            assert stand.present() == fingerprint(given)
            if not killed:
                break
            stand.state.told(stand.told()[-1].number)
            if stand.case.plant is None:
                before, given = given, before
            else:
                # Anew as a person put it there, so that taking it over is broken off too.
                stand.case.plant(before)
        assert old == fingerprint(self.OLD)
        assert seen == {True, False}, "the bot was killed before and after the switch"

    def test_a_disk_that_is_full_from_each_change_on(
        self, stand: Stand, old: str, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
    ) -> None:
        """Nothing can be written any more: the old or the new is in force, and the new once there is room again."""
        before, given, number = self.OLD, self.NEW, 0
        while True:
            number += _stride(stand.case, pytestconfig)
            task, disk = stand.task(), FullDisk(number)
            stand.state.keep_key(task.deployment, given[1])
            monkeypatch.setattr(posix, "step", disk.step)
            for act in (lambda: stand.deployer.begin(task, given[0].decode()), stand.deployer.recover):  # noqa: B023
                with suppress(OSError):
                    act()
                assert stand.present() in {fingerprint(before), fingerprint(given)}, f"full from change {number} on"
            monkeypatch.setattr(posix, "step", lambda _name: None)
            stand.start()
            stand.deployer.recover()
            stand.deployer.begin(task, given[0].decode())
            assert stand.present() == fingerprint(given)
            if not disk.met:
                break
            stand.state.told(stand.told()[-1].number)
            if stand.case.plant is None:
                before, given = given, before
            else:
                stand.case.plant(before)
        assert number > 1
        assert old == fingerprint(self.OLD)

    def test_a_home_that_is_full_while_the_service_s_folder_is_not(
        self, stand: Stand, old: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is told in the end is what is in force, wherever the bot could not write down that it went back."""
        number, met = 0, True
        while met:
            number += 1
            before, given, task, disk = stand.present(), pair(), stand.task(), FullHome(number)
            stand.state.keep_key(task.deployment, given[1])
            monkeypatch.setattr(posix, "step", disk.step)
            with suppress(OSError):
                stand.deployer.begin(task, given[0].decode())
            monkeypatch.setattr(posix, "step", lambda _name: None)
            stand.start()
            stand.deployer.recover()
            ends = [r for r in stand.told() if r.kind == "outcome" and r.deployment == task.deployment]
            assert number == 1 or len(ends) == 1, f"full from change {number} on"
            wanted = fingerprint(given) if ends and ends[0].outcome == "deployed" else before
            assert stand.present() == wanted, f"full from change {number} on, and told: {ends}"
            met = disk.met
            stand.state.told(max((r.number for r in stand.told()), default=0))
        assert number > 2
        assert old == fingerprint(self.OLD)


class FullDisk:
    """From a change on, whatever needs room fails; moving and removing need none."""

    def __init__(self, number: int) -> None:
        self.left, self.met = number, False

    def step(self, name: str) -> None:
        """Stand where the bot announces a change."""
        self.left -= 1
        if self.left <= 0 and name.startswith(("write", "link", "folder")):
            self.met = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullHome(FullDisk):
    """From a change on, the bot's journal and what it has to tell find no room; what it deploys does."""

    _HOME = re.compile(rf"write \.({TARGET}|\d{{20}})\.json\.")

    def step(self, name: str) -> None:
        """Stand where the bot announces a change."""
        if self._HOME.match(name):
            super().step(name)


def _stride(case: Case, config: pytest.Config) -> int:
    """Return of how many changes one is met: each, where the tests' long form is asked for."""
    return 1 if config.getoption("--long", default=False) else case.stride


def _killed(stand: Stand, task: Task, given: Pair, number: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Deploy in a process that ends before its change of this number; says whether it was."""
    stand.state.keep_key(task.deployment, given[1])
    left = [number]

    def step(name: str) -> None:
        del name
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with warnings.catch_warnings():
        # The child writes files and ends; threads of the test are no concern of it.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        monkeypatch.setattr(posix, "step", step)
        try:
            stand.deployer.begin(task, given[0].decode())
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)
