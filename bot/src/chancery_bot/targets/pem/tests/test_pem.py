"""Plain PEM files on the common suite."""

import os

import pytest
from pydantic import ValidationError

from chancery_bot.targets.pem.settings import Settings
from chancery_bot.testing import Case, Conformance, fingerprint, host

NAMES = ("full_chain", "certificate", "chain", "key", "combined")


class TestPem(Conformance):
    def case(self, folder):
        places = {name: folder / "etc" / f"{name}.pem" for name in NAMES}

        def plant(pair):
            for path in places.values():
                path.unlink(missing_ok=True)
            places["full_chain"].write_bytes(pair[0])
            places["key"].touch(0o600)
            places["key"].write_bytes(pair[1])

        def read():
            there = [places[n] for n in ("full_chain", "key") if places[n].exists()]
            return tuple(p.read_bytes() for p in there) if len(there) == 2 else None

        settings = {name: str(path) for name, path in places.items()} | {"service": "shop", "key_mode": "0640"}
        return Case("pem", settings, host(folder), read, plant, tests=False, inside=NAMES, stride=5)

    def test_no_key_is_told(self, stand, old):
        """As in the suite, but these settings give the key's group the right to read."""
        stand.deploy(self.NEW)
        assert all(p.stat().st_mode & 0o007 == 0 for p in stand.folder.rglob("*key*") if p.is_file())

    def test_each_file_holds_what_it_is_called(self, stand, folder):
        stand.deploy(self.NEW)
        found = {name: (folder / "etc" / f"{name}.pem").read_bytes() for name in NAMES}
        assert found["full_chain"] == found["certificate"] + found["chain"] == self.NEW[0]
        assert found["combined"] == self.NEW[0] + self.NEW[1]

    def test_what_somebody_else_writes_over_it_is_kept_as_the_way_back(self, stand, folder):
        stand.deploy(self.NEW)
        key = folder / "etc" / "key.pem"
        key.unlink()
        key.write_bytes(self.OLD[1])
        chain = folder / "etc" / "full_chain.pem"
        chain.unlink()
        chain.write_bytes(self.OLD[0])
        assert stand.deploy(self.NEW) == "deployed"
        assert stand.deployer.begin(stand.task("rollback"), "") == "rolled_back"
        assert stand.present() == fingerprint(self.OLD)

    def test_where_it_cannot_write_it_says_so(self, stand, folder):
        assert stand.deploy(self.NEW, key=str(folder / "etc" / "none" / "key.pem")) == "failed"
        assert "There is no folder" in stand.told()[-1].text
        (folder / "etc" / "folder").mkdir()
        assert stand.deploy(self.NEW, key=str(folder / "etc" / "folder")) == "failed"
        assert "is a folder" in stand.told()[-1].text
        assert stand.deploy(self.NEW, key=stand.case.settings["combined"]) == "failed"
        assert "is named twice" in stand.told()[-1].text

    def test_a_full_disk_leaves_the_old(self, stand, old, monkeypatch):
        real = os.write

        def full(handle, data):
            if bytes(data).startswith(b"-----BEGIN CERT"):
                raise OSError(28, "No space left on device")
            return real(handle, data)

        monkeypatch.setattr(os, "write", full)
        assert stand.deploy(self.NEW) == "failed"
        assert "No space left" in stand.told()[-1].text
        assert stand.present() == old


def test_one_file_at_least():
    with pytest.raises(ValidationError, match="Name at least one file"):
        Settings()
    with pytest.raises(ValidationError):
        Settings(key="relative")
