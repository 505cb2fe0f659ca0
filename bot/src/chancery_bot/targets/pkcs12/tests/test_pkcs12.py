"""PKCS#12 on the common suite, and read by other people's programs."""

import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from chancery_bot.material import key_pem
from chancery_bot.testing import Case, Conformance, host

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


def _written(pair):
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key

    leaf, *issuers = x509.load_pem_x509_certificates(pair[0])
    key = load_pem_private_key(pair[1], None)
    return pkcs12.serialize_key_and_certificates(b"x", key, leaf, issuers, BestAvailableEncryption(PASSWORD.encode()))
