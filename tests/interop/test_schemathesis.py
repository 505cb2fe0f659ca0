"""Somebody else's reading of our API description: whatever it allows or forbids is answered as it says, and never with a 5xx."""

import json
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import httpx
import pytest

from tests.browser.stand import ROOT, run, stand
from tests.cast import request_pem
from tests.interop.children import needs

ROWS = (
    "acme/credentials", "audit", "authorities", "bots", "certificates", "changes", "channels", "connectors", "environments",
    "findings", "orders", "pools", "posture", "profiles", "pulls", "roles", "teams", "tokens", "users", "webhooks",
)  # fmt: skip
KEYS = {"authorities": "slug", "posture": "key", "roles": "name"}
"""What a thing is named by in addresses, where that is no id."""
PROGRAM = Path(sys.executable).with_name("schemathesis")
EACH = os.environ.get("CHANCERY_SCHEMATHESIS", "8")
"""Requests of each kind to each operation."""


def known(api, ids):
    """Return what there is to ask for: collection → keys, and field of a body → what it may name."""
    paths = {}
    for name in ROWS:
        rows = api.get(f"/{name}").raise_for_status().json()["items"]
        paths[name] = [row[KEYS.get(name, "id")] for row in rows]
    targets = (api.get(f"/bots/{ident}/targets").json()["items"] for ident in paths["bots"])
    paths["targets"] = [row["id"] for row in chain.from_iterable(targets)]
    paths |= {"deployments": [ids["deployment"]], "calls": [ids["call"]], "acme/accounts": [ids["acme_account"]]}
    paths |= {"members": paths["connectors"], "versions": [1], "audit/entries": paths["audit"]}
    paths["acme/offers"] = paths["profiles"]
    bodies = {"profile": paths["profiles"], "connector": paths["connectors"], "team": ["Operations"]}
    bodies |= {"environment": ["Production"], "csr": [request_pem(f"{n}.example.com") for n in "abcdefgh"]}
    return {"paths": paths, "bodies": bodies}


def test_any_request_is_answered_as_described(tmp_path):
    needs(str(PROGRAM), hint="make interop")
    with stand() as where:
        tester = json.loads(run(where.environ, "-m", "tests.interop.api_tester"))
        bearer = f"Bearer {tester['token']}"
        with httpx.Client(base_url=f"{where.url}/api/v1", headers={"Authorization": bearer}, timeout=120) as api:
            there = {**known(api, where.ids), "own": tester["own"]}
            # A busy machine takes longer for it than the judge would wait.
            (tmp_path / "openapi.json").write_bytes(api.get("/openapi.json").raise_for_status().content)
        (tmp_path / "known.json").write_text(json.dumps(there))
        environ = {**os.environ, "CHANCERY_KNOWN": str(tmp_path / "known.json")}
        environ |= {"SCHEMATHESIS_HOOKS": "tests.interop.api_hooks", "PYTHONPATH": str(ROOT)}
        command = [PROGRAM, "--config-file", Path(__file__).with_name("schemathesis.toml"), "run"]
        command += [tmp_path / "openapi.json", "--url", where.url, "-H", f"Authorization: {bearer}"]
        command += ["-n", EACH, "--request-timeout", "60", "--generation-database", "none", "--warnings", "off"]
        # What the description allows may still be refused: a rule of the house, a name that is taken.
        command += ["--exclude-checks", "positive_data_acceptance", "--continue-on-failure", "--no-color"]
        done = subprocess.run(
            [*map(str, command)], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True, check=False
        )
    if done.returncode:
        pytest.fail(done.stdout[-20_000:], pytrace=False)
