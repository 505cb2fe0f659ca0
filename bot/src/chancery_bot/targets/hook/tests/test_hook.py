"""A command hook on the common suite, and the variables that it finds."""

import errno
from pathlib import Path

from chancery_bot import posix
from chancery_bot.testing import TARGET, Case, Conformance, fingerprint, host, program

_HOOK = """#!/bin/sh
env | sort > {folder}/environment.$1
exec {program} "$1"
"""


class TestHook(Conformance):
    def case(self, folder):
        local = host(folder)
        (folder / "hooks").mkdir()
        hook = folder / "hooks" / "shop"
        hook.write_text(_HOOK.format(folder=folder, program=program(folder)))
        hook.chmod(0o755)
        current = local.work / "hook" / str(TARGET) / "current"

        def read():
            return (
                tuple((current / n).read_bytes() for n in ("fullchain.pem", "privkey.pem"))
                if current.exists()
                else None
            )

        return Case("hook", {"hook": "shop"}, local, read)

    def test_the_hook_finds_the_files_under_every_name(self, stand, folder):
        stand.deploy(self.NEW)
        lines = (folder / "environment.deploy").read_text().splitlines()
        found = dict(line.split("=", 1) for line in lines)
        assert found["RENEWED_DOMAINS"] == found["LEGO_CERT_DOMAIN"] == "www.example.com"
        assert found["CHANCERY_SHA256"] == fingerprint(self.NEW)
        assert Path(found["LEGO_CERT_KEY_PATH"]).read_bytes() == self.NEW[1]
        assert "HOME" not in found

    def test_a_hook_that_others_may_change_or_that_lies_elsewhere_is_not_run(self, stand, folder):
        (folder / "hooks" / "shop").chmod(0o777)
        for name in ("shop", "none", ".hidden"):
            assert stand.deploy(self.NEW, hook=name) == "failed"
            assert "only root can change" in stand.told()[-1].text
        assert not (folder / "calls").exists()

    def test_a_hook_that_hangs_is_ended(self, stand, old, folder):
        (folder / "hooks" / "slow").write_text('#!/bin/sh\n[ "$1" = test ] || exec sleep 60\n')
        (folder / "hooks" / "slow").chmod(0o755)
        assert stand.deploy(self.NEW, hook="slow", seconds=1) == "failed"
        assert any("did not end within 1 seconds" in r.text for r in stand.told())
        assert stand.present() == old

    def test_files_that_were_half_written_are_nothing_to_go_back_to(self, stand, old, monkeypatch):
        def full(name):
            if name == "write privkey.pem":
                raise OSError(errno.ENOSPC, "No space left on device")

        assert stand.deploy(self.NEW) == "deployed"
        monkeypatch.setattr(posix, "step", full)
        assert stand.deploy(self.BAD) == "failed"
        monkeypatch.setattr(posix, "step", lambda _name: None)
        assert stand.deployer.begin(stand.task("rollback"), "") == "rolled_back"
        assert stand.present() == old
        assert list(stand.folder.rglob("*.part")) == []
