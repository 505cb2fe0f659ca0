"""The one door through which an authority speaks HTTP: guarded, bounded, scrubbed, and never retried."""

from __future__ import annotations

import json as json_module
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from chancery.core.clock import Clock
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.net.redact import scrub
from chancery.net.transport import Refused, Stage, transport
from chancery.sdk.errors import TEXT_LIMIT, OutcomeUnknown, ProtocolViolation, Unreachable
from chancery.sdk.finding import Finding, Level

MAX_BODY = 2 * 1024 * 1024
_MAX_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers (lower-case names), body. `now` is when, by our clock."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    now: datetime
    secrets: tuple[Secret, ...] = ()

    @property
    def text(self) -> str:
        """Return the start of the body as text fit for people: capped, scrubbed."""
        return scrub(self.body[: TEXT_LIMIT * 4].decode("utf-8", "replace"), self.secrets)[:TEXT_LIMIT]

    def json(self) -> Any:
        """Return the body as JSON; raises `ProtocolViolation` where it is none."""
        try:
            return json_module.loads(self.body)
        except (ValueError, RecursionError):
            raise ProtocolViolation(
                f"The CA answered {self.status} with something that is no JSON.",
                text=self.text,
                stage="response",
            ) from None

    @property
    def retry_after(self) -> datetime | None:
        """Return when the CA wants to be asked again (RFC 9110 section 10.2.3), if it says so."""
        value = self.headers.get("retry-after", "").strip()
        if value.isdigit():
            return self.now + timedelta(seconds=min(int(value), 86_400))
        return _http_date(value)

    @property
    def clock_skew(self) -> timedelta | None:
        """Return how far the CA's clock is ahead of ours, by its Date header."""
        date = _http_date(self.headers.get("date", ""))
        return date - self.now if date else None


class HttpDoor:
    """HTTP to one CA. Safe to share between threads."""

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
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.clock = clock
        self.policy = policy or AddressPolicy()
        self.secrets = secrets
        self.timeout = timeout
        self.before_send = before_send
        self._stage = Stage()
        self._client = httpx.Client(
            transport=transport(self.policy, self._stage, trust_pem=trust_pem, proxy=proxy),
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "chancery"},
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Any = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        effect: bool = False,
        max_bytes: int = MAX_BODY,
    ) -> Answer:
        """Send once. `effect` marks a request that orders or changes something at the CA.

        Raises `Unreachable` where nothing can have happened, `OutcomeUnknown` where a request with an
        effect had left and no whole answer came back.
        """
        url = self._url(path)
        # Connections of their own for requests with an effect: a kept-alive one may have been closed by
        # the CA already, which would look like a lost answer.
        own = {"Connection": "close"} if effect else {}
        self._stage.reset(self.before_send if effect else None)
        try:
            return self._send(method, url, params, json, content, {**own, **(headers or {})}, max_bytes)
        except Refused as refusal:
            raise Unreachable(
                f"The outgoing guard refuses {urlsplit(url).hostname}: {refusal}.",
                stage="name",
                bytes_sent=False,
                remedy="If this is your own CA, allow its network on the connector.",
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._failure(error, effect=effect) from None

    def _send(
        self,
        method: str,
        url: str,
        params: Any,
        json: Any,
        content: bytes | None,
        headers: Mapping[str, str],
        most: int,
    ) -> Answer:
        deadline = time.monotonic() + self.timeout
        with self._client.stream(
            method, url, params=params, json=json, content=content, headers=dict(headers)
        ) as response:
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise httpx.DecodingError("the answer is compressed although that was declined")
            body = bytearray()
            for part in response.iter_raw():
                body += part
                if len(body) > most:
                    raise httpx.DecodingError(f"the answer is larger than {most} bytes")
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer took too long")
            lower = {k.lower(): v for k, v in response.headers.items()}
            return Answer(response.status_code, lower, bytes(body), self.clock.now(), self.secrets)

    def _url(self, path: str) -> str:
        url = path if "://" in path else f"{self.base_url}/{path.lstrip('/')}"
        ours, theirs = urlsplit(self.base_url), urlsplit(url)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            raise Unreachable("A link leads away from the connector's base URL.", stage="name", bytes_sent=False)
        if theirs.scheme != "https" and not self.policy.allows_loopback(theirs.hostname or ""):
            raise Unreachable(
                "Only https is spoken with a CA.",
                stage="name",
                bytes_sent=False,
                remedy="Change the base URL to https.",
            )
        return url

    def _failure(self, error: Exception, *, effect: bool) -> Unreachable | OutcomeUnknown:
        stage, sent = self._stage.name, self._stage.sent
        text = scrub(f"{type(error).__name__}: {error}", self.secrets)
        host = urlsplit(self.base_url).hostname
        if effect and sent:
            return OutcomeUnknown(
                f"The request to {host} left, but no whole answer came back.", text=text, stage=stage, bytes_sent=True
            )
        return Unreachable(
            f"{host} could not be reached (stage {stage}): {text}",
            text=text,
            stage=stage,
            bytes_sent=sent,
            remedy=_REMEDIES.get(stage, "Check that the CA is up."),
        )

    def diagnose(self) -> list[Finding]:
        """Return the findings of the stages name, tcp, tls and clock, by one harmless request."""
        try:
            answer = self.request("GET", self.base_url)
        except Unreachable as error:
            return _findings_until(error)
        findings = [_ok("name", self.base_url), _ok("tcp", "connected")]
        plain = self.base_url.startswith("http://")
        tls = Finding("tls", Level.SKIPPED, "plain_http", "No TLS on an allowed loopback address.")
        findings.append(tls if plain else _ok("tls", "the certificate chains to the trusted roots, and names the host"))
        return [*findings, _clock_finding(answer.clock_skew)]

    def close(self) -> None:
        """Close the connections that are kept alive."""
        self._client.close()


_REMEDIES = {
    "name": "Check the host name in the base URL, and this machine's DNS.",
    "tcp": "Check the port, firewalls and the proxy between here and the CA.",
    "tls": "Check the CA's certificate; for a private CA add its root to the connector's trust bundle.",
    "request": "The connection broke while sending; it is tried again.",
    "response": "The CA closed the connection or took too long; it is tried again.",
}


def _findings_until(error: Unreachable) -> list[Finding]:
    stages = ["name", "tcp", "tls", "clock"]
    reached = stages.index(error.stage) if error.stage in stages else 2
    done = [_ok(stage, "passed") for stage in stages[:reached]]
    failed = Finding(stages[reached], Level.FAILED, "unreachable", error.message, error.text, error.remedy)
    rest = [Finding(s, Level.SKIPPED, "not_reached", "Not reached.") for s in stages[reached + 1 :]]
    return [*done, failed, *rest]


def _ok(stage: str, evidence: str) -> Finding:
    return Finding(stage, Level.OK, "ok", "Passed.", evidence)


def _clock_finding(skew: timedelta | None) -> Finding:
    if skew is None:
        return Finding("clock", Level.SKIPPED, "no_date", "The CA sends no time.")
    seconds = round(skew.total_seconds())
    if abs(skew) > _MAX_SKEW:
        return Finding(
            "clock",
            Level.WARNING,
            "skew",
            "This machine's clock and the CA's differ.",
            f"{seconds} s",
            "Check NTP here; certificates may seem not yet valid.",
        )
    return Finding("clock", Level.OK, "ok", "Passed.", f"{seconds} s apart")


def _http_date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
