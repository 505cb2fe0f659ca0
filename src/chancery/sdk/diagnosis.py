"""Turns how a call went into the first findings of *Test connection*: name → TCP → TLS → clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509

from chancery.net.connect import spki_sha256
from chancery.net.progress import Cause, Failed, Progress, TlsNotes
from chancery.net.url import Url
from chancery.sdk.errors import AuthorityError
from chancery.sdk.finding import Finding, Level

_STAGES = ("name", "tcp", "tls", "clock")
_MAX_SKEW = timedelta(minutes=5)
_SOON = timedelta(days=14)
_MOST_NAMES = 5

SENTENCES: dict[Cause, tuple[str, str]] = {
    Cause.REFUSED: (
        "The outgoing guard does not allow this address.",
        "If this is your own CA or proxy, add its network to the connector's allowed networks.",
    ),
    Cause.NO_NAME: (
        "The host name cannot be resolved.",
        "Check the host name in the base URL (or proxy), and this machine's DNS.",
    ),
    Cause.NO_CONNECTION: (
        "No connection could be made.",
        "Check the port, the firewalls on the way, and that the CA is up.",
    ),
    Cause.PROXY: (
        "The proxy refused to connect onward.",
        "Allow the CA's host and port on the proxy, for this machine.",
    ),
    Cause.TIMEOUT: (
        "It took too long.",
        "Check the firewalls on the way, and the CA's status page.",
    ),
    Cause.TRUST_BUNDLE: (
        "The connector's trust bundle cannot be read.",
        "Paste the CA's root or issuing certificates as PEM into the field Trust bundle.",
    ),
    Cause.TLS: (
        "The TLS handshake failed.",
        "The server must speak TLS 1.2 or newer with a certificate for its name; check what it offers.",
    ),
    Cause.TLS_EXPIRED: (
        "The server's certificate, or one above it, has expired.",
        "Renew it on the server; if it has not expired, check this machine's clock.",
    ),
    Cause.TLS_NOT_YET_VALID: (
        "The server's certificate is not valid yet.",
        "Check this machine's clock, then the certificate's start date.",
    ),
    Cause.TLS_UNKNOWN_ISSUER: (
        "The server's certificate comes from an issuer that is not trusted here.",
        "For a private CA, paste its root into the field Trust bundle; else the server may not send its intermediates.",
    ),
    Cause.TLS_WRONG_NAME: (
        "The server's certificate is for another name.",
        "Use the name in the certificate as the base URL's host, or have the certificate replaced.",
    ),
    Cause.TLS_PIN: (
        "The server's key is not the pinned one.",
        "If the CA announced a new key, pin that one; if not, do not continue: somebody may be in between.",
    ),
    Cause.TLS_CLIENT: (
        "The server does not take our client certificate, or asks for one and none is set.",
        "Set the connector's client certificate and its key; check that it has not expired, and that the CA knows it.",
    ),
    Cause.IDENTITY: (
        "The connector's client certificate cannot be used.",
        "Paste the certificate, then its issuers, as PEM, and the private key of that certificate without a passphrase.",
    ),
    Cause.PARTED: (
        "The server, or something before it, closes the connection between login and request.",
        "A login by NTLM belongs to its connection: let the server keep connections alive, and have no proxy share or cut them.",
    ),
    Cause.BROKEN: (
        "The connection broke.",
        "Check the CA's status page; look for a firewall or proxy that cuts connections.",
    ),
    Cause.TOO_LARGE: (
        "The answer is larger than accepted.",
        "Check that the base URL is that of the CA's API.",
    ),
    Cause.ENCODED: (
        "The answer is compressed, which had been declined.",
        "Look for a proxy in between that compresses answers.",
    ),
}
"""Cause of a failure → (what it means, what to do), for an administrator at night."""


def findings_of(progress: Progress, base: Url, now: datetime, skew: timedelta | None) -> list[Finding]:
    """Return the four findings of a call that was answered."""
    return [*_passed(progress, base, now, 3), _clock(skew)]


def findings_of_failure(failed: Failed, base: Url, now: datetime, text: str) -> list[Finding]:
    """Return what passed, what failed, and what was not reached. `text` is the failure's text, scrubbed."""
    stage = failed.progress.stage
    reached = _STAGES.index(stage) if stage in _STAGES else _STAGES.index("clock")
    message, remedy = SENTENCES[failed.cause]
    wrong = Finding(_STAGES[reached], Level.FAILED, failed.cause.value, message, text, remedy)
    return [*_passed(failed.progress, base, now, reached), wrong, *_not_reached(reached + 1)]


def findings_of_refusal(error: AuthorityError) -> list[Finding]:
    """Return the findings for settings that no call can be made with."""
    reached = _STAGES.index(error.stage)
    wrong = Finding(error.stage, Level.FAILED, error.code, error.message, error.text, error.remedy)
    before = [Finding(s, Level.SKIPPED, "not_tried", "Not tried.") for s in _STAGES[:reached]]
    return [*before, wrong, *_not_reached(reached + 1)]


def _not_reached(start: int) -> list[Finding]:
    return [Finding(stage, Level.SKIPPED, "not_reached", "Not reached.") for stage in _STAGES[start:]]


def _passed(progress: Progress, base: Url, now: datetime, count: int) -> list[Finding]:
    name = Finding("name", Level.OK, "ok", "The name resolves.", ", ".join(progress.addresses))
    tcp = Finding("tcp", Level.OK, "ok", "Connected.", progress.peer)
    return [name, tcp, _tls(progress.tls, base, now)][:count]


def _tls(notes: TlsNotes | None, base: Url, now: datetime) -> Finding:
    if base.scheme != "https" or notes is None:
        return Finding("tls", Level.SKIPPED, "plain_http", "No TLS on an allowed loopback address.")
    certificate = x509.load_der_x509_certificate(notes.certificate)
    key = spki_sha256(notes.certificate)
    evidence = f"{notes.version}, {notes.cipher}; {_described(certificate)}; key SHA-256 {key}"
    left, until = certificate.not_valid_after_utc - now, certificate.not_valid_after_utc.timestamp()
    if left < _SOON:
        return Finding(
            "tls",
            Level.WARNING,
            "expires_soon",
            f"The server's certificate expires in {left.days} days.",
            evidence,
            "Have the server's certificate renewed before then.",
            until,
        )
    return Finding("tls", Level.OK, "ok", "The certificate is trusted and names the host.", evidence, value=until)


def _described(certificate: x509.Certificate) -> str:
    subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    names = ", ".join(_names(certificate)[:_MOST_NAMES])
    until = certificate.not_valid_after_utc.strftime("%Y-%m-%d %H:%M UTC")
    return f"subject {subject[:200]}; names {names[:300]}; issuer {issuer[:200]}; until {until}"


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [str(name.value) for name in found]


def _clock(skew: timedelta | None) -> Finding:
    if skew is None:
        return Finding("clock", Level.SKIPPED, "no_date", "The CA sends no time.")
    seconds = round(skew.total_seconds())
    if abs(skew) <= _MAX_SKEW:
        return Finding("clock", Level.OK, "ok", "The clocks agree.", f"{abs(seconds)} s apart", value=float(seconds))
    return Finding(
        "clock",
        Level.WARNING,
        "skew",
        "This machine's clock and the CA's differ.",
        f"the CA is {abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}",
        "Check NTP here; certificates may seem not yet valid.",
        float(seconds),
    )
