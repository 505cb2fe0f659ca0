"""CERTInext V1 over the door: a signed `meta` in every call, strings for all values, and a no as HTTP 200.

The signature is SHA-256 over access key, time stamp and transaction number: whoever has the three can act with them,
so they stay out of every text.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from chancery.authorities.emsign.masking import masked
from chancery.authorities.emsign.oauth import Tokens
from chancery.authorities.emsign.patience import Patience
from chancery.authorities.emsign.read import table, word
from chancery.authorities.emsign.v1.errors import away, http_error, is_page, refused
from chancery.core.clock import Clock
from chancery.core.secret import Secret
from chancery.sdk.errors import OutcomeUnknown, ProtocolViolation
from chancery.sdk.http import Answer, HttpDoor

ROOT = "emSignHub-API/"
_LIST_BODY = 8 * 1024 * 1024
_DIGITS = 39
"""Of a transaction number: 10 to 50 are taken, and each once."""


class Session:
    """One account, by access key, or by a bearer token where there is none."""

    def __init__(
        self, http: HttpDoor, clock: Clock, account: str, access_key: Secret | None, tokens: Tokens | None
    ) -> None:
        self._http, self._clock, self._account = http, clock, account
        self._key, self._tokens = access_key, tokens
        self._patience = Patience(clock)

    def read(self, method: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call a method that changes nothing; returns its answer beside `meta`."""
        return self._call(method, body or {}, effect=False)

    def act(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call a method that orders or changes something, once."""
        return self._call(method, body, effect=True)

    def _call(self, method: str, body: dict[str, Any], *, effect: bool) -> dict[str, Any]:
        answer, txn = self._send(method, body, effect=effect)
        if answer.status != 200:
            raise http_error(answer, effect=effect)
        if is_page(answer):
            raise away(answer, effect=effect)
        found = table(answer.json()) if answer.body.strip() else {}
        meta = table(found.get("meta"))
        status = word(meta.get("status"))
        if status == "1":
            self._patience.over()
            return found
        if status == "0":
            raise refused(answer, meta, method, self._patience, effect=effect)
        raise _senseless(answer, txn, effect=effect)

    def _send(self, method: str, body: dict[str, Any], *, effect: bool) -> tuple[Answer, str]:
        # A second login is for reads and acts alike: a refused token means that nothing was done.
        token = self._tokens.get() if self._tokens is not None and self._key is None else None
        answer, txn = self._once(method, body, token, effect=effect)
        if answer.status == 401 and token is not None and self._tokens is not None:
            token = self._tokens.get(refused=token)
            answer, txn = self._once(method, body, token, effect=effect)
        return answer, txn

    def _once(self, method: str, body: dict[str, Any], token: Secret | None, *, effect: bool) -> tuple[Answer, str]:
        stamp = self._clock.now().replace(microsecond=0).isoformat()
        txn = str(uuid.uuid4().int).zfill(_DIGITS)[:_DIGITS]
        signature = self._signature(stamp, txn) if token is None else ""
        meta = {"ver": "1.0", "ts": stamp, "txn": txn, "accountNumber": self._account, "authKey": signature}
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.reveal()}"
        answer = self._http.post(
            f"{ROOT}{method}", json={"meta": meta, **body}, headers=headers, effect=effect, max_bytes=_LIST_BODY
        )
        return masked(answer, [signature, token.reveal() if token is not None else ""]), txn

    def _signature(self, stamp: str, txn: str) -> str:
        key = self._key.reveal() if self._key is not None else ""
        return hashlib.sha256(f"{key}{stamp}{txn}".encode()).hexdigest()


def _senseless(answer: Answer, txn: str, *, effect: bool) -> OutcomeUnknown | ProtocolViolation:
    text = f"emSign's answer says neither yes nor no (transaction {txn})."
    if effect:
        return OutcomeUnknown(text, text=answer.text, stage="response")
    return ProtocolViolation(text, text=answer.text, stage="response", bytes_sent=False)
