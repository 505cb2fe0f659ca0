"""step-ca as a server on loopback, built from Debian's library packages (see the README of protocols/scep)."""

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chancery.core.clock import SYSTEM_CLOCK
from chancery.net.listening import free_port
from chancery.sandbox.enrolment import EnrolmentCa

SOURCE = Path(__file__).parent / "stepca"
LIBRARY = Path("/usr/share/gocode/src/github.com/smallstep/certificates")
CHALLENGE = "challenge-of-step-ca"
_CLAIMS = {"minTLSCertDuration": "5m", "maxTLSCertDuration": "720h", "defaultTLSCertDuration": "24h"}


def missing():
    """Return why step-ca cannot be built here; '' where it can."""
    if shutil.which("go") is None:
        return "Go is not installed (Debian: golang-go gcc libc6-dev)"
    if not LIBRARY.is_dir():
        return "step-ca's library is not installed (Debian: golang-github-smallstep-certificates-dev)"
    return ""


def build(folder):
    """Return the program, built into a folder; Go keeps what it compiled for the next time."""
    program = folder / "stepca"
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": f"{folder}/none:/usr/share/gocode", "GOFLAGS": ""}
    done = subprocess.run(
        ["go", "build", "-o", str(program), "."],
        cwd=SOURCE,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return program


@contextmanager
def serving(program, folder):
    """Serve until the end of the block; gives the base URL and the root (PEM) to trust."""
    ca = EnrolmentCa(SYSTEM_CLOCK.now(), "Step", rsa_keys=True)
    pem = {
        "root.pem": ca.root.public_bytes(Encoding.PEM),
        "ca.pem": ca.issuing.public_bytes(Encoding.PEM),
        "ca.key": ca.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }
    for name, text in pem.items():
        (folder / name).write_bytes(text)
    port = free_port()
    (folder / "ca.json").write_text(json.dumps(_settings(folder, port)))
    process = subprocess.Popen([str(program), str(folder / "ca.json")], stderr=subprocess.PIPE, text=True, cwd=folder)
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if "Serving HTTPS" in line:
                break
        assert process.poll() is None, "".join(said)
        yield f"https://127.0.0.1:{port}/scep", pem["root.pem"].decode()
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()


def _settings(folder, port):
    def provisioner(name, cipher):
        return {
            "type": "SCEP",
            "name": name,
            "challenge": CHALLENGE,
            "encryptionAlgorithmIdentifier": cipher,
            "includeRoot": True,
            "claims": _CLAIMS,
        }

    return {
        "root": str(folder / "root.pem"),
        "crt": str(folder / "ca.pem"),
        "key": str(folder / "ca.key"),
        "address": f"127.0.0.1:{port}",
        "dnsNames": ["127.0.0.1", "localhost"],
        "db": {"type": "badgerv2", "dataSource": str(folder / "db")},
        # The numbers are the library's: 0 single DES (its default), 1 AES-128-CBC, 2 AES-256-CBC.
        "authority": {"provisioners": [provisioner("aes128", 1), provisioner("aes256", 2), provisioner("des", 0)]},
    }
