"""The wire: directory, nonces, signed requests over the SDK's door (RFC 8555 sections 6 and 7.1 to 7.3).

Which requests are declared as acts (`effect=True`), and why:

* newOrder: nothing can be issued from an order that is never finalized, so a lost answer harms nobody. It is an act
  all the same, so that the engine takes its last look (is the connector still active?) before its first byte.
* finalize: the one request that makes the CA issue. Its order is named in the address, and an order yields one
  certificate at most (RFC 8555 section 7.4), so after a lost answer the order's own state tells what became of it.
* newAccount (unless it only looks), keyChange, revokeCert: they change something that lasts.
* Reads (POST-as-GET), and the answer to a challenge, which the CA may be told any number of times, are none.

A refusal for its nonce (badNonce) is the CA's word that it did nothing (section 6.5), so the request is signed anew with
the nonce that came with the refusal, a few times. Nothing else is repeated here, and nothing sleeps.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chancery.core.clock import Clock
from chancery.core.secret import Secret
from chancery.net.url import Url, parse_url
from chancery.protocols.acme.keys import AccountKey
from chancery.protocols.acme.problems import problem_in, refusal
from chancery.sdk.answer import Answer
from chancery.sdk.errors import AuthorityError, NotFound, ProtocolViolation, Unreachable
from chancery.sdk.http import HttpDoor

OTHER_HOST = "other_host"
"""Code of the refusal to speak to a host that nobody named."""
_TRIES = 5
"""Nonces offered for one request."""
_KEPT = 32
_LONGEST_NONCE = 500
_FRESH = timedelta(hours=1)
_MOVED = frozenset({404, 405, 410})
"""The CA's resources may be elsewhere by now: the directory is read anew."""
_NEEDED = ("newNonce", "newAccount", "newOrder")
_TYPE = {"Content-Type": "application/jose+json"}
_GONE = "Look at the CA whether it has the certificate. Order again only if there is none."
_BASE = "Check that the base URL is the CA's ACME directory."


@dataclass(frozen=True)
class Directory:
    """What the CA offers (RFC 8555 section 7.1.1)."""

    urls: dict[str, str]
    terms: str
    eab_required: bool
    profiles: dict[str, str]
    caa: tuple[str, ...]

    def need(self, name: str) -> str:
        """Return the address of a resource; raises `ProtocolViolation` where the CA has none."""
        if name not in self.urls:
            raise ProtocolViolation(
                f"The CA's directory has no {name}.", code="directory", stage="response", bytes_sent=False, remedy=_BASE
            )
        return self.urls[name]


class AcmeClient:
    """One account key at one directory. Safe between threads; opens nothing before the first request.

    The door's base URL is the directory's whole address. `other_hosts` as in `AcmeSettings`.
    """

    def __init__(
        self, door: HttpDoor, account_key: Secret, clock: Clock, *, other_hosts: frozenset[str] = frozenset()
    ) -> None:
        self.door, self.clock, self._pem = door, clock, account_key
        self._other_hosts = other_hosts
        self._nonces: deque[str] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        self._key: AccountKey | None = None
        self._directory: tuple[Directory, datetime] | None = None

    @property
    def key(self) -> AccountKey:
        """Return the account key; raises `AuthFailed` where it cannot be read."""
        with self._lock:
            if self._key is None:
                self._key = AccountKey(self._pem)
            return self._key

    def directory(self) -> Directory:
        """Return the directory, read again after an hour."""
        with self._lock:
            kept = self._directory
        if kept is not None and self.clock.now() - kept[1] < _FRESH:
            return kept[0]
        found = _directory_in(self.get(self.door.base_url))
        with self._lock:
            self._directory = found, self.clock.now()
        return found

    def get(self, url: str) -> Answer:
        """Read what needs no signature: the directory, renewal information."""
        answer = self._send("GET", url)
        if answer.status != 200:
            raise refusal(answer, ends=False)
        return answer

    def read(self, url: str, kid: str, *, accept: str = "", missing: str = "") -> Answer:
        """Read a resource of the account (POST-as-GET, RFC 8555 section 6.3).

        Where the CA itself says that it is gone (404 or 410), raises `NotFound` with `missing` as its sentence. A page
        of a proxy brings no nonce, as the CA's answers do (section 6.5): it says nothing about the resource. Without
        `missing` there is no such answer.
        """
        answer = self._signed(url, None, kid=kid, accept=accept)
        if 200 <= answer.status < 300:
            return answer
        raise _refused(answer, ends=False, missing=missing)

    def post(
        self,
        url: str,
        payload: dict[str, Any] | None,
        *,
        kid: str | None,
        effect: bool = False,
        ends: bool = False,
        key: AccountKey | None = None,
        missing: str = "",
    ) -> Answer:
        """Sign and send; return an answer of the 2xx. Without `kid` the key itself signs (`key`, or the account's).

        Raises the errors of the door, and for refusals those of `problems.refusal`, where `ends` is explained; `missing`
        as in `read`.
        """
        answer = self._signed(url, payload, kid=kid, effect=effect, key=key)
        if 200 <= answer.status < 300:
            return answer
        if answer.status in _MOVED:
            with self._lock:
                self._directory = None
        raise _refused(answer, ends=ends, missing=missing)

    def _signed(
        self,
        url: str,
        payload: dict[str, Any] | None,
        *,
        kid: str | None,
        effect: bool = False,
        key: AccountKey | None = None,
        accept: str = "",
    ) -> Answer:
        signer, headers = key or self.key, _TYPE | ({"Accept": accept} if accept else {})
        for _ in range(_TRIES):
            body = signer.sign(payload, url, nonce=self._nonce(), kid=kid)
            answer = self._send("POST", url, content=body, headers=headers, effect=effect)
            if not _is_bad_nonce(answer):
                break
            self._keep_only(answer)
        return answer

    def _keep_only(self, answer: Answer) -> None:
        """Forget nonces that were kept too long; the one that came with the refusal is fresh."""
        with self._lock:
            self._nonces.clear()
        self._harvest(answer)

    def _nonce(self) -> str:
        with self._lock:
            if self._nonces:
                return self._nonces.pop()
        answer = self._send("HEAD", self.directory().need("newNonce"))
        with self._lock:
            if self._nonces:
                return self._nonces.pop()
        if answer.status >= 300:
            raise refusal(answer, ends=False)
        raise ProtocolViolation(
            "The CA gave no nonce.", code="no_nonce", stage="response", bytes_sent=False, remedy=_BASE
        )

    def _send(self, method: str, url: str, *, effect: bool = False, **more: Any) -> Answer:
        answer = self.door.request(method, url, effect=effect, foreign=self._foreign(url), **more)
        self._harvest(answer)
        return answer

    def _harvest(self, answer: Answer) -> None:
        nonce = answer.headers.get("replay-nonce", "")
        if nonce and len(nonce) <= _LONGEST_NONCE and nonce.isascii() and nonce.isprintable():
            with self._lock:
                self._nonces.append(nonce)

    def _foreign(self, url: str) -> bool:
        """Say whether an address lies on another host than the directory; only hosts that were named may."""
        theirs = _parsed(url)
        if theirs.origin == parse_url(self.door.base_url).origin:
            return False
        if {theirs.host, theirs.authority} & self._other_hosts:
            return True
        raise Unreachable(
            f"The CA's directory leads to another host, {theirs.scheme}://{theirs.authority}."[:300],
            code=OTHER_HOST,
            stage="name",
            bytes_sent=False,
            remedy="If it is the CA's, enter it in the connector's field 'Other hosts of the CA'.",
        )


def _refused(answer: Answer, *, ends: bool, missing: str) -> AuthorityError:
    error = refusal(answer, ends=ends)
    gone = answer.status in {404, 410} and isinstance(error, ProtocolViolation)
    if missing and gone and answer.headers.get("replay-nonce"):
        return NotFound(missing, code=error.code, text=error.text, stage=error.stage, remedy=_GONE)
    return error


def _parsed(url: str) -> Url:
    try:
        return parse_url(url)
    except ValueError as error:
        raise ProtocolViolation(
            f"The CA gave an address that is none: {error}.", code="address", stage="response", bytes_sent=False
        ) from None


def table(answer: Answer) -> dict[str, Any]:
    """Return an answer's JSON object; raises `ProtocolViolation` for anything else."""
    found = answer.json()
    if not isinstance(found, dict):
        raise ProtocolViolation(
            f"The CA answered {answer.status} with JSON that is no object.",
            code=str(answer.status),
            text=answer.text,
            stage="response",
            bytes_sent=answer.effect,
            remedy=_BASE,
        )
    return found


def _directory_in(answer: Answer) -> Directory:
    found = table(answer)
    meta = found.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    urls = {name: url for name, url in found.items() if isinstance(url, str) and name != "meta"}
    if not all(name in urls for name in _NEEDED):
        raise ProtocolViolation(
            "What answers at the base URL is no ACME directory.",
            code="directory",
            text=answer.text,
            stage="response",
            bytes_sent=False,
            remedy=_BASE,
        )
    profiles, caa = meta.get("profiles"), meta.get("caaIdentities")
    return Directory(
        urls=urls,
        terms=meta["termsOfService"] if isinstance(meta.get("termsOfService"), str) else "",
        eab_required=meta.get("externalAccountRequired") is True,
        profiles={str(k): str(v) for k, v in profiles.items()} if isinstance(profiles, dict) else {},
        caa=tuple(str(c) for c in caa) if isinstance(caa, list) else (),
    )


def _is_bad_nonce(answer: Answer) -> bool:
    if answer.status != 400:
        return False
    try:
        found = problem_in(answer.json())
    except ProtocolViolation:
        return False
    return found is not None and found.type == "badNonce"
