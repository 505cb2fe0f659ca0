"""The one door through which an authority speaks HTTP: guarded, bounded, scrubbed, and never repeating an act."""

from __future__ import annotations

import json as json_module
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from chancery.core.clock import Clock
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.net.connect import Resolver, resolve, tls_context
from chancery.net.identity import ClientIdentity
from chancery.net.progress import Cause, Failed
from chancery.net.redact import register, scrub
from chancery.net.transport import Call, Connection, Outgoing
from chancery.net.url import Url, join, parse_url
from chancery.sdk.answer import Answer, clock_skew
from chancery.sdk.diagnosis import SENTENCES, findings_of, findings_of_failure, findings_of_refusal
from chancery.sdk.errors import AuthFailed, AuthorityError, OutcomeUnknown, ProtocolViolation, Unreachable
from chancery.sdk.finding import Finding

__all__ = ["MAX_BODY", "Answer", "Connection", "HttpDoor", "check_url"]

MAX_BODY = 2 * 1024 * 1024
"""Bytes of an answer's body, unless the caller says otherwise."""

Params = Mapping[str, Any] | Sequence[tuple[str, Any]]

_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
_METHOD = re.compile(r"[A-Z]{1,20}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_BAD_ANSWERS = frozenset({Cause.TOO_LARGE, Cause.ENCODED})


class HttpDoor:
    """HTTP to one CA. Safe to share between threads; opens nothing before the first request.

    `timeout` (seconds) covers a whole call, from the name to the last byte. `trust_pem` replaces the public roots.
    `pins` are SHA-256 of public keys (SPKI, hex), asked for beside the usual verification. `client_identity` is our own
    certificate with its key, shown in TLS to the base URL's host where that asks for one, and to nobody else: no
    proxy, no host that a link leads to; a server that refuses it raises `AuthFailed`. `before_send` is called,
    for requests that may order, just before their first byte goes out; what it raises comes out of the request
    unchanged, with nothing sent. `resolver` is for tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        clock: Clock,
        policy: AddressPolicy | None = None,
        trust_pem: str | None = None,
        proxy: str | None = None,
        timeout: float = 30.0,
        secrets: tuple[Secret, ...] = (),
        before_send: Callable[[], None] | None = None,
        pins: Sequence[str] = (),
        client_identity: ClientIdentity | None = None,
        speaks_http: bool = True,
        plain_http: bool = False,
        resolver: Resolver = resolve,
    ) -> None:
        self.base_url, self.clock, self.timeout = base_url.rstrip("/"), clock, timeout
        self.policy = policy or AddressPolicy()
        own = (client_identity.key_pem,) if client_identity is not None else ()
        self.secrets, self.before_send = (*secrets, *own), before_send
        self._speaks_http, self._plain = speaks_http, plain_http
        self._identity = client_identity
        self._trust_pem, self._proxy, self._resolver = trust_pem, proxy, resolver
        self._pins = frozenset(pin.lower().replace(":", "") for pin in pins)
        self._opened: tuple[Url, Outgoing] | None = None
        self._lock = threading.Lock()
        register(self.secrets)

    @property
    def trust_pem(self) -> str | None:
        """Return the certificates trusted instead of the public roots (PEM), for what is spoken beside HTTP; None for those."""
        return self._trust_pem

    def learn(self, secret: Secret) -> None:
        """Keep a secret that came up at run time (a session token) out of texts and logs, like the others."""
        register([secret])
        if secret not in self.secrets:
            self.secrets = (*self.secrets, secret)

    def get(self, path: str, **more: Any) -> Answer:
        """Send a GET; see `request`."""
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> Answer:
        """Send a POST; see `request`. Say `effect=True` where it orders or changes something."""
        return self.request("POST", path, **more)

    def put(self, path: str, **more: Any) -> Answer:
        """Send a PUT; see `request`."""
        return self.request("PUT", path, **more)

    def delete(self, path: str, **more: Any) -> Answer:
        """Send a DELETE; see `request`."""
        return self.request("DELETE", path, **more)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give one connection, closed at the end of the block, for requests that say `over` it.

        For logins that belong to a connection, and for the server's certificate on it. Raises as `request` does.
        """
        with self._open()[1].connection() as one:
            yield one

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        effect: bool = False,
        orders: bool = True,
        foreign: bool = False,
        max_bytes: int = MAX_BODY,
        over: Connection | None = None,
    ) -> Answer:
        """Send a request and return the whole answer, whatever its status; redirects are not followed.

        `path` is joined to the base URL. An absolute URL must lead to the same origin, unless `foreign`; the guard
        judges it all the same. `effect` marks a request that orders or changes something at the CA: it is sent at
        most once, over a connection of its own, since a connection kept alive may have been closed by the CA
        already, which could not be told from a lost answer. `over` has it sent over that connection and no other.
        `orders=False` says of an effect that nothing can be issued by it (an account is made), so that the engine's last
        look before an order comes at the next one: that look is taken once, before the first effect of a submission.

        Raises `Unreachable` where nothing can have happened; `OutcomeUnknown` where a request with an effect had
        begun to leave and no whole, acceptable answer came back; `ProtocolViolation` for an answer to another
        request that is too large or compressed; `AuthFailed` where the server refused our client certificate, so that it
        read nothing. Raises `ValueError` for what only a bug can cause.
        """
        base, outgoing = self._open()
        url = self._url(base, path, params, foreign=foreign)
        body = _body(json, content)
        lines = self._headers(method, url, body, headers or {}, json=json is not None)
        leave = self.before_send if effect and orders else None
        call = Call(method, url, lines, body, self.timeout, max_bytes, effect, before_send=leave)
        try:
            reply = outgoing.send(call, over)
        except Failed as failed:
            raise self._failure(failed, url.host, effect=effect) from None
        return Answer(reply.status, reply.headers, reply.body, self.clock.now(), self.secrets, effect)

    def _open(self) -> tuple[Url, Outgoing]:
        with self._lock:
            if self._opened is None:
                base = self._checked(self.base_url, "base URL", self.policy)
                proxy = _checked_proxy(self._proxy) if self._proxy else None
                self._opened = base, self._outgoing(base, proxy)
            return self._opened

    def _outgoing(self, base: Url, proxy: Url | None) -> Outgoing:
        cause = Cause.TRUST_BUNDLE
        try:
            tls_context(self._trust_pem)
            cause = Cause.IDENTITY
            return Outgoing(
                self.policy,
                trust_pem=self._trust_pem,
                proxy=proxy,
                pins=self._pins,
                pinned_host=base.host,
                identity=self._identity,
                resolver=self._resolver,
            )
        except ValueError as error:
            message, remedy = SENTENCES[cause]
            raise _refusal(message, "tls", remedy, cause, str(error)) from None
        except OSError as error:
            # Nobody was reached yet. Python's TLS reads keys from files alone, and the disk may be full.
            text = "This machine cannot make the temporary file through which TLS reads the client certificate."
            remedy = "Make room in its folder for temporary files (TMPDIR); the connector goes on by itself then."
            raise _refusal(text, "tls", remedy, "temporary_file", error.strerror or "") from None

    def _checked(self, text: str, what: str, policy: AddressPolicy) -> Url:
        try:
            return check_url(text, policy, plain=self._plain)
        except ValueError as error:
            message = f"The {what} cannot be used: {scrub(str(error), self.secrets)}."
            raise _refusal(message, "name", "Write it as https://host/path.") from None

    def _url(self, base: Url, path: str, params: Params | None, *, foreign: bool) -> Url:
        if "://" in path.partition("?")[0]:
            url = self._checked(path, "link", self.policy)
            if url.origin != base.origin and not foreign:
                raise _refusal(
                    f"A link of the CA leads away from the base URL, to {url.host}.",
                    "name",
                    "If that is where the CA's API is now, change the base URL.",
                )
        else:
            try:
                url = join(base, path)
            except ValueError as error:
                raise _refusal(f"The path {path[:200]!r} cannot be used: {error}.", "name", "") from None
        if not params:
            return url
        joint = "&" if "?" in url.target else "?"
        return Url(url.scheme, url.host, url.port, f"{url.target}{joint}{urlencode(params, doseq=True)}")

    @staticmethod
    def _headers(
        method: str, url: Url, body: bytes, given: Mapping[str, str], *, json: bool
    ) -> tuple[tuple[bytes, bytes], ...]:
        if not _METHOD.fullmatch(method):
            raise ValueError(f"{method[:40]!r} is no HTTP method")
        lines = {"Host": url.authority, "User-Agent": "chancery", "Accept": "*/*", "Accept-Encoding": "identity"}
        if json:
            lines["Content-Type"] = "application/json"
        if body or method in _WITH_BODY:
            lines["Content-Length"] = str(len(body))
        named = {name.lower(): name for name in lines}
        for name, value in given.items():
            _check_header(name, value)
            lines.pop(named.get(name.lower(), ""), None)
            lines[name] = value
        return tuple((name.encode("ascii"), value.encode("latin-1")) for name, value in lines.items())

    def _failure(self, failed: Failed, host: str, *, effect: bool) -> AuthorityError:
        message, remedy = SENTENCES[failed.cause]
        text, progress = scrub(failed.text, self.secrets), failed.progress
        unknown = effect and progress.sent
        kind: type[AuthorityError] = Unreachable
        if unknown:
            kind, message = OutcomeUnknown, f"The request left, but no whole answer came back. {message}"
        elif failed.cause in _BAD_ANSWERS:
            kind = ProtocolViolation
        elif failed.cause is Cause.TLS_CLIENT:
            kind = AuthFailed
        return kind(
            f"{host}: {message}",
            code=failed.cause.value,
            text=text,
            stage=progress.stage,
            bytes_sent=unknown,
            remedy=remedy,
        )

    def diagnose(self) -> list[Finding]:
        """Return the findings of the stages name, tcp, tls and clock, by one GET of the base URL without login.

        There are none where no web server is expected (`DoorOptions.speaks_http`).
        """
        if not self._speaks_http:
            return []
        try:
            base, outgoing = self._open()
        except Unreachable as refusal:
            return findings_of_refusal(refusal)
        lines = self._headers("GET", base, b"", {}, json=False)
        call = Call("GET", base, lines, b"", self.timeout, MAX_BODY, once=True)
        try:
            reply = outgoing.send(call)
        except Failed as failed:
            return findings_of_failure(failed, base, self.clock.now(), scrub(failed.text, self.secrets))
        now = self.clock.now()
        return findings_of(reply.progress, base, now, clock_skew(reply.headers, now))

    def close(self) -> None:
        """Close the connections that are kept alive; the next request opens new ones."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened[1].close()


def check_url(text: str, policy: AddressPolicy, *, plain: bool = False) -> Url:
    """Return the parts of a URL that a connector may speak to; raises `ValueError` saying what is wrong with it.

    It must be https, or http to a loopback address that the policy allows, or anywhere where `plain` says that what is
    spoken protects itself. A host that is an address is judged here
    as well; a name is judged by its addresses when it is connected to.
    """
    url = parse_url(text)
    if url.scheme != "https" and not plain and not policy.allows_loopback(url.host):
        raise ValueError("only https is spoken (http to loopback alone, where that network is allowed)")
    reason = policy.judge(url.host) if ":" in url.host or url.host.replace(".", "").isdecimal() else ""
    if reason:
        raise ValueError(reason)
    return url


def _checked_proxy(text: str) -> Url:
    try:
        return parse_url(text)
    except ValueError as error:
        raise _refusal(f"The proxy cannot be used: {error}.", "name", "Write it as http://host:port.") from None


def _refusal(message: str, stage: str, remedy: str, code: str = Cause.REFUSED, text: str = "") -> Unreachable:
    return Unreachable(message, stage=stage, bytes_sent=False, remedy=remedy, code=str(code), text=text)


def _body(json: Any, content: bytes | None) -> bytes:
    if json is None:
        return content or b""
    if content is not None:
        raise ValueError("a request has one body: json or content")
    return json_module.dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _check_header(name: str, value: str) -> None:
    if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
        raise ValueError(f"the header {name[:60]!r} is not an authority's to set")
    if not _VALUE.fullmatch(value) or value != value.strip():
        # Typically a credential pasted with a line break; the value itself stays out of the text.
        raise _refusal(
            f"The header {name} would hold a line break, an outer space or a character that HTTP does not carry.",
            "request",
            "Enter the connector's credentials again, without spaces and line breaks around them.",
            "header",
        )
