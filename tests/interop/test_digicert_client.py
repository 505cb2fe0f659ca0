"""Somebody else's client of CertCentral, certmesh 3.0.38, takes our simulator for it: order, polls, search, list, duplicate, revoke."""

import json
import subprocess
from pathlib import Path

import pytest

from chancery.authorities.digicert.simulator import build

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".judges" / "bin" / "python"


def test_a_client_of_other_people_is_served():
    if not PYTHON.is_file():
        pytest.skip("not installed: certmesh (make interop installs it)")
    with build() as simulator:
        # -P: the folder of the script holds modules with the names of others.
        command = [PYTHON, "-P", HERE / "digicert_judge.py", simulator.url, simulator.credentials["organization_id"]]
        key = {"CM_DIGICERT_API_KEY": simulator.credentials["api_key"], "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, env=key, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        seen = json.loads(done.stdout)
        acts = [(line.kind, line.detail) for line in simulator.ledger.lines()]
    assert (seen["found"], seen["listed"], seen["duplicate"]) == (["judge.example.com"], 1, True)
    assert seen["revoked"]["status"] == "revoked"
    assert acts == [("order", ""), ("duplicate", ""), ("revoke", "superseded")]
    # Its own fault: it wants a ZIP of what the documents give as PEM.
    assert seen["download"] == "DigiCertDownloadError"
