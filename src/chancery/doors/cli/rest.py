"""The command line's HTTP: one server, one token, problems as sentences."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID

from chancery.doors.cli import files
from chancery.doors.cli.output import Exit, minute, stop

if TYPE_CHECKING:
    import httpx  # loaded where a request is made: commands on the host make none, and start sooner

_TIMEOUT = 90.0
_PAGE = 200
_PATH = re.compile(r"(/(?!\.{1,2}(/|%2F|\Z))([^/?#\\%\x00-\x1f\x7f]|%(?!2E)[0-9A-F]{2})*)+")
"""A path below /api/v1, in which what has a meaning for addresses is written as `quote` does."""
_NO_CHANCERY = "Is CHANCERY_URL the address of a Chancery server?"


class Rest:
    """Speaks `/api/v1` with a token from CHANCERY_TOKEN or the file CHANCERY_TOKEN_FILE."""

    def __init__(self) -> None:
        import ssl

        import httpx

        self._url = os.environ.get("CHANCERY_URL", "http://127.0.0.1:8140").rstrip("/")
        headers = {"Authorization": f"Bearer {_token()}"}
        # Commands are short and have few requests: no connection outlives its answer, so none has to be closed.
        alone = httpx.Limits(max_keepalive_connections=0)
        # To read whom one trusts takes longer than a request: left out where no TLS is spoken. It then trusts nobody.
        roots = self._url.lower().startswith("https:") or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT, trust_env=False, limits=alone, verify=roots)

    def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, **params: Any
    ) -> Any:
        """Return the JSON answer; a problem ends the command with its sentences."""
        response = self._send(method, path, body, headers, params)
        if response.status_code == 202 and "/changes/" in response.headers.get("Location", ""):
            _proposed(_document(response))
        return {} if response.status_code == 204 else _document(response)

    def look(self, path: str) -> Any:
        """Return the JSON answer, None where this token may not see it, the server is too old to have it, or cannot tell now."""
        response = self._send("GET", path, None, None, {}, but=(403, 404, 503))
        return _document(response) if response.status_code == 200 else None

    def raw(self, path: str, **params: Any) -> bytes:
        """Return the very bytes of an answer that is a file."""
        return self._send("GET", path, None, None, params).content

    def rows(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield the rows of every page of a listing."""
        cursor = ""
        while True:
            page = self.call("GET", path, size=_PAGE, cursor=cursor, **params)
            yield from page["items"]
            cursor = page["next"]
            if not cursor:
                return

    def listing(self, path: str, most: int, **params: Any) -> dict[str, Any]:
        """Return up to `most` rows of a listing (0: all) as one page."""
        found: list[dict[str, Any]] = []
        for row in self.rows(path, **params):
            if most and len(found) == most:
                return {"items": found, "more": True}
            found.append(row)
        return {"items": found, "more": False}

    def find(self, kind: str, name: str) -> dict[str, Any]:
        """Return the one thing of a kind with this id or name, however many there are."""
        if _is_id(name):
            row: dict[str, Any] = self.call("GET", f"/{kind}/{quote(name)}")
            return row
        label = "username" if kind == "users" else "name"
        asked = {"name": name} if kind == "connectors" else {"search": name}
        rows = self.call("GET", f"/{kind}")["items"] if kind in _WHOLE else self.rows(f"/{kind}", **asked)
        found = [row for row in rows if row[label] == name]
        if not found:
            command = "acme credentials" if kind == "acme/credentials" else f"{_GROUP[kind]} list"
            stop(f"There is no {kind[:-1]} {name!r} that you may see.", f"`chancery {command}` shows them.")
        if len(found) > 1:
            stop(f"{len(found)} {kind} are called {name!r}.", f"Use an id: {', '.join(r['id'] for r in found)}.")
        return found[0]

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        headers: dict[str, str] | None,
        params: dict[str, Any],
        but: tuple[int, ...] = (),
    ) -> httpx.Response:
        import httpx

        if not _PATH.fullmatch(path):
            # An id of somebody else's making, as `../connectors/…/deactivate?`, would be another request than the command's.
            stop("This is neither an id nor a name.", "Ids and names stand in the listings (--json).", Exit.USAGE)
        given = {k: v for k, v in params.items() if v}
        try:
            response = self._client.request(
                method, f"{self._url}/api/v1{path}", json=body, params=given, headers=headers
            )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            reason = str(error) or type(error).__name__
            remedy = "Is `chancery serve` running? CHANCERY_URL says where."
            stop(f"{self._url} cannot be reached: {reason}.", remedy, Exit.UNREACHABLE)
        if 300 <= response.status_code < 400:
            stop(f"{self._url} sends us elsewhere.", _NO_CHANCERY, Exit.UNREACHABLE)
        if response.status_code >= 400 and response.status_code not in but:
            _problem(_document(response), response.status_code)
        return response


_GROUP = {
    "connectors": "connectors",
    "pools": "pools",
    "profiles": "profiles",
    "bots": "bots",
    "users": "people",
    "teams": "teams",
    "environments": "environments",
    "channels": "channels",
    "webhooks": "webhooks",
}
_WHOLE = ("teams", "environments")
"""What there are few of: listed at once, without pages or search."""


def _token() -> str:
    token = os.environ.get("CHANCERY_TOKEN", "").strip()
    file = os.environ.get("CHANCERY_TOKEN_FILE", "")
    if not token and file:
        token = files.secret(Path(file), "CHANCERY_TOKEN_FILE").strip()
    if not token:
        remedy = "Make one in the console under API tokens, and set CHANCERY_TOKEN or CHANCERY_TOKEN_FILE."
        stop("No API token.", remedy, Exit.UNAUTHENTICATED)
    if not token.isascii() or not token.isprintable() or " " in token:
        stop("The API token is not one of ours.", "It looks like chy_… and is one line.", Exit.UNAUTHENTICATED)
    return token


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _document(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        stop(f"{response.url} does not answer in JSON.", _NO_CHANCERY, Exit.UNREACHABLE)


def _proposed(change: dict[str, Any]) -> None:
    """End a command whose change waits for others, or for its time."""
    if change["needed"]:
        waits = f"waits for {change['needed']} to approve it, until {minute(change['expires_at'])} UTC"
    else:
        waits = f"comes into force at {minute(change['not_before'])} UTC"
    text, remedy = f"The change {change['id']} {waits}.", "`chancery changes show` says how it stands."
    stop(text, remedy, Exit.WAITS, settled=True, document={"change": change})


def _problem(document: Any, status: int) -> None:
    if not isinstance(document, dict) or "detail" not in document:
        stop(f"The server answers {status} in words that are not ours.", _NO_CHANCERY, Exit.UNREACHABLE)
    fields = [f"{e['field']}: {e['detail']} {e['remedy']}".rstrip() for e in document.get("errors", [])]
    lines = fields or [document["detail"]]
    lines += [f"{b['kind']} {b['name']}: {b['reason']}" for b in document.get("blockers", [])]
    code = Exit.UNAUTHENTICATED if status == 401 else Exit.UNREACHABLE if status >= 500 else Exit.REFUSED
    remedy = "" if fields else document.get("remedy", "")
    stop("\n          ".join(lines), remedy, code, settled=status < 500, document=document)
