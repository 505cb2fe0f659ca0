"""OpenSSL's CMP client, somebody else's, against our simulated server."""

import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.core import keys
from chancery.core.clock import SYSTEM_CLOCK
from chancery.protocols.cmp.simulator import REFERENCE, SECRET, build
from chancery.sandbox.enrolment import EnrolmentCa
from tests.interop.cmp_stand import key_pem, request

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


class Stand:
    """The server, and the files that the client works on."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = EnrolmentCa(SYSTEM_CLOCK.now())
        self.service = None
        self.simulator = build(ca=self.ca)
        self.key = keys.generate("EC-P256")
        self.write("leaf.key", key_pem(self.key))
        self.write("leaf.csr", request(self.key).csr_pem.encode())
        self.write("root.pem", self.ca.root.public_bytes(Encoding.PEM))
        self.write("issuing.pem", self.ca.issuing.public_bytes(Encoding.PEM))

    def write(self, name, content):
        (self.folder / name).write_bytes(content)
        return str(self.folder / name)

    def path(self, name):
        return str(self.folder / name)

    def run(self, command, *options, mac=True):
        port = self.simulator.url.split(":")[2].split("/")[0]
        own = ["-ref", REFERENCE, "-secret", f"pass:{SECRET}", "-mac", "hmacWithSHA256"] if mac else []
        said = subprocess.run(
            [
                "openssl",
                "cmp",
                "-config",
                "",
                "-cmd",
                command,
                "-server",
                f"127.0.0.1:{port}",
                "-path",
                "cmp",
                "-recipient",
                "/CN=Sandbox Issuing CA",
                "-trusted",
                self.path("root.pem"),
                *own,
                *options,
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        return said.returncode, said.stdout + said.stderr

    def enrol(self, command, *options, mac=True):
        code, said = self.run(
            command, "-csr", self.path("leaf.csr"), "-newkey", self.path("leaf.key"), "-out_trusted",
            self.path("root.pem"), "-certout", self.path("out.pem"), *options, mac=mac,
        )  # fmt: skip
        assert code == 0, said
        return x509.load_pem_x509_certificate((self.folder / "out.pem").read_bytes())

    def kinds(self):
        return [line.kind for line in self.simulator.ledger.lines()]


@pytest.fixture
def stand(tmp_path):
    made = Stand(tmp_path)
    with made.simulator:
        yield made


@pytest.mark.parametrize("command", ["p10cr", "cr", "ir"])
def test_enrolment_with_a_shared_secret(stand, command):
    options = [] if command == "p10cr" else ["-subject", "/CN=www.example.com"]
    leaf = stand.enrol(command, *options)
    assert leaf.public_key() == stand.key.public_key()
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    ) == ["www.example.com"]
    assert stand.kinds() == ["order", "certificate", "confirm"]


def test_implicit_confirmation(stand):
    stand.enrol("p10cr", "-implicit_confirm")
    assert stand.kinds() == ["order", "certificate"]


def test_it_polls_until_the_certificate_is_there(stand):
    stand.simulator.dials.set(issue_delay=1.5, check_after=1.0)
    stand.enrol("p10cr")
    assert stand.kinds() == ["order", "certificate", "confirm"]


def test_key_update_with_the_old_certificate(stand):
    first = stand.enrol("p10cr")
    (stand.folder / "out.pem").rename(stand.folder / "old.pem")
    fresh = keys.generate("EC-P256")
    stand.write("new.key", key_pem(fresh))
    code, said = stand.run(
        "kur", "-cert", stand.path("old.pem"), "-key", stand.path("leaf.key"), "-newkey", stand.path("new.key"),
        "-untrusted", stand.path("issuing.pem"), "-certout", stand.path("out.pem"), mac=False,
    )  # fmt: skip
    assert code == 0, said
    second = x509.load_pem_x509_certificate((stand.folder / "out.pem").read_bytes())
    assert second.public_key() == fresh.public_key()
    assert second.subject == first.subject


def test_revocation_and_again(stand):
    stand.enrol("p10cr")
    asked = ("rr", "-oldcert", stand.path("out.pem"), "-revreason", "4")
    code, said = stand.run(*asked)
    assert code == 0, said
    assert stand.kinds()[-1] == "revoke"
    code, said = stand.run(*asked)
    assert code != 0
    assert "certRevoked" in said


def test_the_ca_tells_its_certificates(stand):
    code, said = stand.run("genm", "-infotype", "caCerts")
    assert code == 0, said
    assert "id-it-caCerts" in said


def test_a_rejection_is_understood(stand):
    stand.simulator.dials.set(reject=True)
    code, said = stand.run("p10cr", "-csr", stand.path("leaf.csr"), "-certout", stand.path("out.pem"))
    assert code != 0
    assert "badCertTemplate" in said
    assert stand.kinds() == []


def test_a_wrong_secret_is_refused(stand):
    code, said = stand.run(
        "p10cr", "-csr", stand.path("leaf.csr"), "-certout", stand.path("out.pem"), "-ref", REFERENCE,
        "-secret", "pass:wrong", "-unprotected_errors", mac=False,
    )  # fmt: skip
    assert code != 0
    assert "badMessageCheck" in said


@pytest.mark.parametrize(
    ("dial", "complaint"),
    [
        ("odd_nonce", "recipnonce unmatched"),
        ("odd_transaction", "transactionid unmatched"),
        ("spoilt", "wrong pbm value"),
        ("unprotected", "missing protection"),
    ],
)
def test_it_believes_no_spoilt_answer(stand, dial, complaint):
    stand.simulator.dials.set(**{dial: True})
    code, said = stand.run("p10cr", "-csr", stand.path("leaf.csr"), "-certout", stand.path("out.pem"))
    assert code != 0
    assert complaint in said
