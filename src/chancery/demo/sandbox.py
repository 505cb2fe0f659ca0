"""What the demo knows of the simulated CAs: where they are, and the connectors that they offer as examples."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

Where = dict[str, Any]
"""CA type → `url`, `control`, `credentials` and `examples` of its simulator."""


def examples(where: Where) -> list[tuple[str, dict[str, Any]]]:
    """Return (CA type, example) of everything that the simulators offer."""
    return [(name, example) for name, one in where.items() for example in one["examples"]]


def control(one: dict[str, Any], method: str, path: str) -> Any:
    """Ask a simulator's control door, and return its answer."""
    return ask(f"{one['control']}{path}", method)


def ask(url: str, method: str = "GET", body: Any = None, token: str = "") -> Any:
    """Return the JSON that a server of our own answers; raises `OSError` where it does not."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310  our own loopback address
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  our own loopback address
        return json.loads(answer.read())
