"""PKCS#12 on the common suite, and read by other people's programs."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from chancery_bot import posix, probe
from chancery_bot.deploy import Deployer
from chancery_bot.material import key_pem
from chancery_bot.targets.base import RELOAD_SECONDS
from chancery_bot.testing import Case, Conformance, fingerprint, host
from chancery_bot.tests.test_cli import Still

PASSWORD = "correct horse"


def keystore(kind, folder, read, write):
    """A case of a keystore: `read` and `write` turn its bytes into a pair and back."""
    local = host(folder)
    place, secret = folder / "etc" / "shop.store", folder / "etc" / "password"
    secret.touch(0o600)
    secret.write_text(PASSWORD + "\n")

    def plant(pair):
        place.unlink(missing_ok=True)
        place.touch(0o600)
        place.write_bytes(write(pair))

    settings = {"file": str(place), "password_file": str(secret), "service": "shop"}
    return Case(
        kind,
        settings,
        local,
        lambda: read(place.read_bytes()) if place.exists() else None,
        plant,
        tests=False,
        inside=("file", "password_file"),
        stride=5,
    )


def read(content):
    key, leaf, issuers = pkcs12.load_key_and_certificates(content, PASSWORD.encode())
    return b"".join(c.public_bytes(Encoding.PEM) for c in [leaf, *issuers]), key_pem(key)


class TestPkcs12(Conformance):
    def case(self, folder):
        return keystore("pkcs12", folder, read, _written)

    @pytest.mark.parametrize("encryption", ["modern", "legacy"])
    def test_openssl_reads_it(self, stand, encryption):
        stand.deploy(self.NEW, encryption=encryption)
        old = ["-legacy"] if encryption == "legacy" else []
        command = [
            "openssl",
            "pkcs12",
            "-in",
            stand.case.settings["file"],
            "-passin",
            f"pass:{PASSWORD}",
            "-nodes",
            *old,
        ]
        if shutil.which("openssl") is None:
            pytest.skip("no openssl here")
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.count("BEGIN CERTIFICATE") == 2
        assert "BEGIN PRIVATE KEY" in done.stdout

    def test_another_password_is_told_before_anything_is_used(self, stand, old, folder):
        (folder / "etc" / "password").write_text("")
        assert stand.deploy(self.NEW) == "failed"
        assert "holds no password" in stand.told()[-1].text

    def test_a_keystore_is_not_written_over_what_is_not_ours_to_lose(self, stand, folder, tmp_path):
        lost_by_nobody(stand, tmp_path, self.NEW, "PKCS12")

    def test_a_service_that_takes_long_to_start_is_waited_for(self, stand, monkeypatch):
        """As Tomcat: systemd is done at once, and TLS is there nine seconds later; or systemd itself takes that long."""
        clock, started, allowed = Still(), [], []
        real = posix.run

        def run(command, seconds, *more, **others):
            allowed.append(seconds)
            started.append(clock.slept)
            return real(command, seconds, *more, **others)

        def look(_endpoint):
            if clock.slept - started[-1] < 9:
                raise ConnectionRefusedError("refused")
            return stand.present()

        monkeypatch.setattr(posix, "run", run)
        monkeypatch.setattr(probe, "served", look)
        stand.deployer = Deployer(stand.state, stand.case.local, clock)
        assert stand.deploy(self.NEW, probe_port=8443) == "deployed"
        assert stand.told()[-1].served == fingerprint(self.NEW)
        assert stand.deploy(self.OLD, probe_port=8443, patience=200) == "deployed"
        assert allowed == [90, 200]
        assert stand.deploy(self.BAD, probe_port=8443, when_changed="reload") == "failed"
        assert "nothing answers TLS" in stand.told()[-1].text
        assert allowed[2:] == [RELOAD_SECONDS] * 2
        assert stand.present() == fingerprint(self.OLD)


def lost_by_nobody(stand, folder, given, store):
    """A keystore that Java made is refused while it holds more than the target's entry, in whatever way that came."""
    if shutil.which("keytool") is None:
        pytest.skip("no keytool here")
    place = Path(stand.case.settings["file"])
    keytool = ["keytool", "-noprompt", "-keystore", str(place), "-storetype", store, "-storepass", PASSWORD]
    made = ["-genkeypair", "-keyalg", "EC", "-keypass", PASSWORD, "-dname", "CN=x", "-alias"]

    def java(*words):
        subprocess.run([*keytool, *words], check=True, capture_output=True)

    java(*made, "Legacy")
    before = place.read_bytes()
    assert stand.deploy(given) == "failed"
    assert "holds other entries than tls, which would be lost: legacy." in stand.told()[-1].text
    assert place.read_bytes() == before
    assert stand.deploy(given, alias="legacy") == "deployed"
    assert stand.deploy(given) == "deployed", "an alias of before is no other entry"
    (folder / "ca.pem").write_bytes(given[0])
    java("-importcert", "-alias", "partner", "-file", str(folder / "ca.pem"))
    assert stand.deploy(given) == "failed"
    assert "lost: partner." in stand.told()[-1].text
    password = Path(stand.case.settings["password_file"])
    password.write_text("another")
    assert stand.deploy(given) == "deployed", "what we wrote may be written for another password"
    place.unlink()
    place.write_bytes(before)
    assert stand.deploy(given) == "failed"
    assert "does not open with the password of this host, so" in stand.told()[-1].text
    assert stand.deploy(given, other_entries="replace") == "deployed"


def _written(pair):
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key

    leaf, *issuers = x509.load_pem_x509_certificates(pair[0])
    key = load_pem_private_key(pair[1], None)
    return pkcs12.serialize_key_and_certificates(b"tls", key, leaf, issuers, BestAvailableEncryption(PASSWORD.encode()))
