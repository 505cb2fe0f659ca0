"""The command line's HTTP: one server, one token, problems as sentences."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import httpx

_TIMEOUT = 90.0


class Rest:
    """Speaks `/api/v1` with a token from CHANCERY_TOKEN or the file CHANCERY_TOKEN_FILE."""

    def __init__(self) -> None:
        self._url = os.environ.get("CHANCERY_URL", "http://127.0.0.1:8140").rstrip("/")
        token = os.environ.get("CHANCERY_TOKEN", "")
        file = os.environ.get("CHANCERY_TOKEN_FILE", "")
        if not token and file:
            token = Path(file).read_text(encoding="utf-8").strip()
        if not token:
            stop(
                "No API token.", "Make one in the console under People, and set CHANCERY_TOKEN or CHANCERY_TOKEN_FILE."
            )
        self._client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT, trust_env=False)

    def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, **params: Any
    ) -> Any:
        """Return the JSON answer; a problem ends the command with its sentences."""
        try:
            response = self._client.request(
                method,
                f"{self._url}/api/v1{path}",
                json=body,
                params={k: v for k, v in params.items() if v},
                headers=headers,
            )
        except httpx.HTTPError as error:
            stop(f"{self._url} cannot be reached: {error}", "Is `chancery serve` running? CHANCERY_URL says where.")
        if response.status_code == 204:
            return {}
        if "json" not in response.headers.get("content-type", ""):
            return response.text
        document = response.json()
        if response.status_code >= 400:
            _problem(document)
        return document


def stop(text: str, remedy: str = "") -> Any:
    """Print what is wrong and what to do, and end with status 1."""
    print(f"chancery: {text}", file=sys.stderr)
    if remedy:
        print(f"          {remedy}", file=sys.stderr)
    raise SystemExit(1)


def _problem(document: dict[str, Any]) -> None:
    lines = [f"{p['field']}: {p['detail']} {p['remedy']}".rstrip() for p in document.get("errors", [])]
    lines += [f"{b['kind']} {b['name']}: {b['reason']}" for b in document.get("blockers", [])]
    stop("\n          ".join([document.get("detail", "failed"), *lines]), document.get("remedy", ""))
