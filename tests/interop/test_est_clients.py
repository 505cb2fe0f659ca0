"""Somebody else's EST client against our simulated server: strongSwan's pki, over TLS."""

import shutil
import subprocess

import pytest
from cryptography import x509

from chancery.core import keys
from chancery.protocols.est.simulator import PASSWORD, USER, build
from tests.interop.requests import signed_request
from tests.interop.tls_front import tls_front

LOGIN = f"{USER}:{PASSWORD}"


def _reason():
    if shutil.which("pki") is None:
        return "strongSwan's pki is not installed (Debian: strongswan-pki libstrongswan-standard-plugins)"
    shown = subprocess.run(["pki", "--help"], capture_output=True, text=True, check=False)
    return "" if "--est " in shown.stdout + shown.stderr else "this pki knows no EST"


pytestmark = pytest.mark.skipif(bool(_reason()), reason=f"strongSwan: {_reason()}")


@pytest.fixture
def server(tmp_path):
    # strongSwan 5.9.8 reads Base64 in one line only, though RFC 8951 has receivers skip white space.
    with build() as simulator:
        simulator.dials.set(form="one_line", wait="1")
        with tls_front(int(simulator.url.rpartition(":")[2]), tmp_path) as (port, root):
            (tmp_path / "front.pem").write_text(root)
            yield simulator, f"https://localhost:{port}"


def pki(folder, *words):
    return subprocess.run(["pki", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def fetch(folder, url):
    done = pki(folder, "--estca", "--url", url, "--cacert", "front.pem", "--caout", "given.pem", "--outform", "pem")
    assert done.returncode == 0, done.stderr
    return sorted(path.name for path in folder.glob("given*.pem"))


def enrol(folder, url, name, login=LOGIN, **environment):
    (folder / "request.der").write_bytes(signed_request(keys.generate("EC-P256"), name))
    above = [word for file in fetch(folder, url) for word in ("--cacert", file)]
    words = ["--url", url, "--in", "request.der", "--cacert", "front.pem", *above, "--userpass", login]
    return pki(folder, "--est", *words, "--interval", "1", "--maxpolltime", "30", "--outform", "pem")


def kinds(simulator):
    return [line.kind for line in simulator.ledger.lines()]


def test_it_fetches_the_cas_certificates(server, tmp_path):
    assert fetch(tmp_path, server[1]) == ["given-1.pem", "given.pem"]


def test_it_enrols(server, tmp_path):
    simulator, url = server
    done = enrol(tmp_path, url, "one.example.com")
    assert "is trusted" in done.stderr
    issued = x509.load_pem_x509_certificate(done.stdout.encode())
    assert issued.subject.rfc4514_string() == "CN=one.example.com"
    assert kinds(simulator) == ["order", "certificate"]


def test_it_waits_where_an_officer_decides_and_repeats_the_same_request(server, tmp_path):
    simulator, url = server
    simulator.dials.set(issue_delay=1.5)
    done = enrol(tmp_path, url, "two.example.com")
    assert done.returncode == 0, done.stderr
    assert kinds(simulator) == ["order", "certificate"]


def test_a_wrong_login_is_refused(server, tmp_path):
    simulator, url = server
    done = enrol(tmp_path, url, "three.example.com", login=f"{USER}:wrong")
    assert done.returncode != 0
    assert kinds(simulator) == []
