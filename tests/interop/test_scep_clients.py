"""Somebody else's SCEP clients against our simulated CA: micromdm's scepclient, and strongSwan's pki."""

import shutil
import subprocess

import pytest
from cryptography import x509

from chancery.protocols.scep.simulator import CHALLENGE, build

needs_micromdm = pytest.mark.skipif(
    shutil.which("scepclient") is None, reason="micromdm's scepclient is not installed (Debian: scep)"
)


def _strongswan():
    if shutil.which("pki") is None:
        return "strongSwan's pki is not installed (Debian: strongswan-pki)"
    shown = subprocess.run(["pki", "--help"], capture_output=True, text=True, check=False)
    said = shown.stdout + shown.stderr
    fetches = any(line.startswith("loaded plugins:") and " curl" in line for line in said.splitlines())
    return "" if fetches else "this pki fetches nothing (Debian: libstrongswan-extra-plugins)"


needs_strongswan = pytest.mark.skipif(bool(_strongswan()), reason=f"strongSwan: {_strongswan()}")


@pytest.fixture
def simulator():
    with build() as made:
        yield made


def run(folder, *words):
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def micromdm(folder, simulator, challenge, name="mm.example.com"):
    words = ["-private-key", "client.key", "-certificate", "client.pem", "-server-url", f"{simulator.url}/challenge"]
    return run(folder, "scepclient", *words, "-challenge", challenge, "-cn", name)


@needs_micromdm
def test_micromdm_enrols(simulator, tmp_path):
    """Version 2.1 encrypts with single DES whatever the CA announces, so the CA has to be told to take that."""
    simulator.dials.set(single_des=True)
    done = micromdm(tmp_path, simulator, CHALLENGE)
    assert done.returncode == 0, done.stderr
    issued = x509.load_pem_x509_certificate((tmp_path / "client.pem").read_bytes())
    assert "CN=mm.example.com" in issued.subject.rfc4514_string()
    assert [line.kind for line in simulator.ledger.lines()] == ["order", "certificate"]


@needs_micromdm
@pytest.mark.parametrize(
    ("single_des", "challenge", "said"), [(True, "wrong", "badRequest"), (False, CHALLENGE, "badAlg")]
)
def test_micromdm_understands_a_refusal(simulator, tmp_path, single_des, challenge, said):
    simulator.dials.set(single_des=single_des)
    done = micromdm(tmp_path, simulator, challenge)
    assert said in done.stdout + done.stderr
    assert simulator.ledger.lines() == []


@pytest.fixture
def strongswan(simulator, tmp_path):
    """Give what enrols by strongSwan, which was told apart who reads and who signs for the CA.

    Version 5.9.8 holds AES for not announced, so it is told to use triple DES.
    """
    simulator.dials.set(ca_chain=True, ra="two")
    url = f"{simulator.url}/open"
    words = ["pki", "--scepca", "--url", url, "--caout", "ca.pem", "--raout", "ra.pem", "--outform", "pem"]
    fetched = run(tmp_path, *words)
    assert fetched.returncode == 0, fetched.stderr
    assert 'Root CA cert "CN=Sandbox Root"' in fetched.stderr
    assert fetched.stderr.count('RA cert "') == 2
    run(tmp_path, "openssl", "genrsa", "-out", "own.pem", "2048")
    use = {_use(tmp_path / file): file for file in ("ra.pem", "ra-2.pem")}
    known = [
        "--cacert-enc",
        use["encrypts"],
        "--cacert-sig",
        use["signs"],
        "--cacert",
        "ca.pem",
        "--cacert",
        "ca-1.pem",
    ]

    def enrol(*more):
        words = ["--url", url, "--in", "own.pem", "--cipher", "des3", "--dn", "CN=sw.example.com", *known, *more]
        return run(tmp_path, "pki", "--scep", *words, "--interval", "1", "--maxpolltime", "30", "--outform", "pem")

    return enrol


@needs_strongswan
@pytest.mark.parametrize("delay", [0.0, 1.5])
def test_strongswan_enrols_and_polls(simulator, strongswan, delay):
    """With a delay it is answered *pending*, and asks by CertPoll until the certificate is there."""
    simulator.dials.set(issue_delay=delay)
    done = strongswan("--san", "sw.example.com")
    assert done.returncode == 0, done.stderr
    issued = x509.load_pem_x509_certificate(done.stdout.encode())
    assert issued.subject.rfc4514_string() == "CN=sw.example.com"
    assert [line.kind for line in simulator.ledger.lines()] == ["order", "certificate"]


@needs_strongswan
def test_strongswan_believes_a_signed_refusal(simulator, strongswan):
    simulator.dials.set(reject=True)
    done = strongswan("--san", "sw.example.com")
    assert 'using trusted certificate "CN=Sandbox RA, signs"' in done.stderr
    assert "badRequest" in done.stderr


def _use(path):
    return x509.load_pem_x509_certificate(path.read_bytes()).subject.rfc4514_string().rpartition(" ")[2]
