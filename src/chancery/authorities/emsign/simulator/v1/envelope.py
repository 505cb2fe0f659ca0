"""The V1 envelope: `meta` is checked before anything else, and a no arrives as HTTP 200 with status "0"."""

from __future__ import annotations

import hashlib
import threading
from datetime import datetime
from typing import Any

from chancery.authorities.emsign.simulator import account
from chancery.authorities.emsign.simulator.tokens import Tokens
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Reply, json_reply

INACTIVE = "Inactive Account User."
"""Both a disabled user and the burst limit."""
_SHORTEST, _LONGEST = 10, 50


class Refusal(Exception):
    """Raised by a method: EMS code and text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code, self.text = code, text


class Envelope:
    """Opens requests and closes replies."""

    def __init__(self, tokens: Tokens, dials: Dials, clock: Clock, access_key: str) -> None:
        self._tokens, self._dials, self._clock, self._key = tokens, dials, clock, access_key
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def open(self, asked: Asked) -> dict[str, Any]:
        """Return the body of a request whose `meta` is good; raises the refusal."""
        body = asked.json()
        meta = body.get("meta") if isinstance(body, dict) else None
        if not isinstance(meta, dict) or not _are_texts(body):
            raise Refusal("EMS-939", "Generic failure: every value is a string.")
        self._check(asked, meta)
        txn = str(meta.get("txn") or "")
        if not (txn.isascii() and txn.isdigit() and _SHORTEST <= len(txn) <= _LONGEST):
            raise Refusal("EMS-939", "Invalid transaction ID.")
        with self._lock:
            if txn in self._seen:
                raise Refusal("EMS-939", "Duplicate transaction ID.")
            self._seen.add(txn)
        if self._dials.now.throttle or asked.throttled or self._dials.now.disabled_user:
            raise Refusal("EMS-939", INACTIVE)
        return dict(body)

    def _check(self, asked: Asked, meta: dict[str, Any]) -> None:
        stamp, txn, given = (str(meta.get(name) or "") for name in ("ts", "txn", "authKey"))
        if meta.get("ver") != "1.0" or not _is_moment(stamp):
            raise Refusal("EMS-939", "Invalid version or time stamp.")
        if asked.headers.get("authorization"):
            good = not self._tokens.problem(asked) and not given
        else:
            good = given == hashlib.sha256(f"{self._key}{stamp}{txn}".encode()).hexdigest()
        if not good or meta.get("accountNumber") != account.ACCOUNT or self._dials.now.refuse_key:
            raise Refusal("EMS-939", "Invalid authentication details.")

    def reply(self, asked: Asked, body: dict[str, Any] | None = None, *, acted: bool = False) -> Reply:
        """Return a success."""
        return json_reply({"meta": self._meta(asked, "1"), **(body or {})}, acted=acted)

    def refused(self, asked: Asked, refusal: Refusal) -> Reply:
        """Return a failure, which is HTTP 200 as well."""
        told = {"errorCode": refusal.code, "errorMessage": refusal.text}
        return json_reply({"meta": {**self._meta(asked, "0"), **told}})

    def _meta(self, asked: Asked, status: str) -> dict[str, Any]:
        body = asked.json()
        meta = body.get("meta") if isinstance(body, dict) else None
        txn = str(meta.get("txn") or "") if isinstance(meta, dict) else ""
        return {"ver": "1.0", "ts": self._clock.now().isoformat(), "txn": txn, "status": status}


def _are_texts(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_are_texts(v) for v in value.values())
    if isinstance(value, list):
        return all(_are_texts(v) for v in value)
    return isinstance(value, str)


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
