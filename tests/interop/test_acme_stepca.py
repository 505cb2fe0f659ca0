"""The step-ca authority, from Debian's library packages and a main of a few lines, with real http-01 on port 80."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from chancery.core.order import RevocationReason
from chancery.net.listening import free_port
from chancery.sdk.errors import AlreadyDone
from chancery.sdk.finding import Level
from chancery.sdk.outcome import Revoked
from tests.interop import pki
from tests.interop.children import child, needs
from tests.interop.driving import Answers, Driver, answering, checked, on_port_80, request, target

SOURCE = Path(__file__).parent / "stepca"
LIBRARY = Path("/usr/share/gocode/src/github.com/smallstep/certificates")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Build step-ca; half a minute the first time, then from Go's own cache."""
    needs("go", "gcc", hint="make interop")
    if not LIBRARY.exists():
        pytest.skip("not installed: golang-github-smallstep-certificates-dev (make interop installs it)")
    made = tmp_path_factory.mktemp("stepca") / "step-ca"
    paths = {"GO111MODULE": "off", "GOPATH": f"{made.parent}:/usr/share/gocode", "GOFLAGS": ""}
    command = ["go", "build", "-o", str(made), "."]
    subprocess.run(command, cwd=SOURCE, env={**os.environ, **paths}, check=True, capture_output=True)
    return made


@contextmanager
def step_ca(program, folder):
    """Run it with an ACME provisioner; give (directory, root)."""
    files, port = pki.write(folder), free_port()
    settings = {
        "root": files.root,
        "crt": files.intermediate,
        "key": files.intermediate_key,
        "address": f"127.0.0.1:{port}",
        "dnsNames": ["localhost"],
        "logger": {"format": "text"},
        "db": {"type": "badgerv2", "dataSource": str(folder / "db")},
        "authority": {"provisioners": [{"type": "ACME", "name": "acme"}]},
    }
    (folder / "ca.json").write_text(json.dumps(settings))
    with child([str(program), "ca.json"], folder, listens=(port,)):
        yield f"https://localhost:{port}/acme/acme/directory", files.root_pem


@pytest.fixture
def driver(program, tmp_path):
    answers = Answers()
    with answering(answers, on_port_80()), step_ca(program, tmp_path) as (directory, root):
        made = Driver(directory, root, answers)
        yield made
        made.close()


def test_a_certificate_is_issued_renewed_and_revoked(driver):
    asked = request("localhost")
    issued = driver.issue(asked)
    checked(issued, asked)
    again = request("localhost", previous=issued.reference)
    assert checked(driver.issue(again), again).serial != checked(issued, asked).serial
    revoke = driver.fresh().revoke
    assert isinstance(revoke(target(issued, asked), RevocationReason.SUPERSEDED, ""), Revoked)
    with pytest.raises(AlreadyDone):
        revoke(target(issued, asked), RevocationReason.SUPERSEDED, "")


def test_the_diagnosis_has_nothing_against_it(driver):
    assert not [f for f in driver.fresh().check() if f.level is Level.FAILED]
