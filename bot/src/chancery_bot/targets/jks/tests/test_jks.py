"""JKS on the common suite, and read by Java's own keytool."""

import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from chancery_bot.material import key_pem
from chancery_bot.targets.jks import format as jks
from chancery_bot.targets.pkcs12.tests.test_pkcs12 import PASSWORD, keystore, lost_by_nobody
from chancery_bot.testing import Conformance, pair

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def read(content):
    _, key, chain = jks.read(content, PASSWORD)
    certificates = [x509.load_der_x509_certificate(der) for der in chain]
    return b"".join(c.public_bytes(Encoding.PEM) for c in certificates), key_pem(load_der_private_key(key, None))


def write(given, alias="tls", password=PASSWORD):
    key = load_pem_private_key(given[1], None).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    chain = [c.public_bytes(Encoding.DER) for c in x509.load_pem_x509_certificates(given[0])]
    return jks.write(alias, key, chain, password, NOW)


class TestJks(Conformance):
    def case(self, folder):
        return keystore("jks", folder, read, write)

    def test_keytool_reads_it_and_its_key(self, stand, folder):
        if shutil.which("keytool") is None:
            pytest.skip("no keytool here")
        stand.deploy(self.NEW, alias="shop")
        moved = folder / "moved.p12"
        command = ["keytool", "-importkeystore", "-noprompt", "-srckeystore", stand.case.settings["file"]]
        command += ["-srcstoretype", "JKS", "-srcstorepass", PASSWORD, "-destkeystore", str(moved)]
        command += ["-deststoretype", "PKCS12", "-deststorepass", PASSWORD]
        subprocess.run(command, check=True, capture_output=True)
        from chancery_bot.targets.pkcs12.tests.test_pkcs12 import read as read_pkcs12
        from chancery_bot.testing import fingerprint

        assert fingerprint(read_pkcs12(moved.read_bytes())) == fingerprint(self.NEW)

    def test_a_keystore_is_not_written_over_what_is_not_ours_to_lose(self, stand, tmp_path):
        lost_by_nobody(stand, tmp_path, self.NEW, "JKS")


def test_another_password_or_a_changed_byte_is_told():
    made = write(pair(), password="päss")
    assert jks.read(made, "päss")[0] == "tls"
    with pytest.raises(jks.Broken):
        jks.read(made, "pass")
    for at in (0, 40, len(made) // 2, len(made) - 1):
        with pytest.raises(jks.Broken):
            jks.read(made[:at] + bytes([made[at] ^ 1]) + made[at + 1 :], "päss")
    for size in (0, 12, 19, 21, 60):
        with pytest.raises(jks.Broken):
            jks.read(made[:size], "päss")
