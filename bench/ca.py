"""A simulated CA without limits, in a process of its own: `python -m bench.ca`; says where it is, ends with its parent."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CONNECTOR, PROFILE = "Bench DigiCert", "Bench remote"


def main() -> None:
    """Serve until standard input ends."""
    from chancery.authorities.digicert.simulator import build

    with build(limits=((1.0, 10_000_000),)) as made:
        about = {"url": made.url, "control": made.control, "credentials": made.credentials}
        print(json.dumps(about), flush=True)
        sys.stdin.read()


@contextmanager
def running() -> Iterator[dict[str, Any]]:
    """Run it while the block runs; gives its `url`, `control` and `credentials`."""
    command = [sys.executable, "-m", "bench.ca"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("the CA has no pipes")
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def switch(about: dict[str, Any], to: str) -> None:
    """Take it down or bring it up."""
    request = urllib.request.Request(f"{about['control']}/{to}", b"", method="POST")
    urllib.request.urlopen(request, timeout=10).close()


def ordered(about: dict[str, Any]) -> dict[str, int]:
    """Return client reference → number of orders, by the CA's own ledger."""
    with urllib.request.urlopen(f"{about['control']}/ledger", timeout=120) as answer:
        lines = json.loads(answer.read())["lines"]
    found: dict[str, int] = {}
    for line in lines:
        if line["kind"] == "order":
            found[line["reference"]] = found.get(line["reference"], 0) + 1
    return found


def connect(about: dict[str, Any]) -> Any:
    """Make a connector to it and a profile; returns the connector."""
    from bench import stand
    from chancery.apps.connectors import actions as connectors
    from chancery.apps.profiles import actions as profiles

    account = {name: about["credentials"][name] for name in ("api_key", "reference_field_id")}
    where = {"base_url": about["url"], "allowed_networks": "127.0.0.0/8", "skip_approval": True}
    values = {"name": CONNECTOR, "team": "Operations", "environment": "Production", **where, **account}
    made = connectors.create(stand.host(), "digicert", values)
    product = {"product": "ssl_basic", "organization_id": "112233"}
    profiles.create(stand.host(), {"name": PROFILE, "connector": CONNECTOR, "product": product})
    return made


if __name__ == "__main__":
    main()
