"""Renewal information (ARI, RFC 9773): when the CA wants a certificate renewed, and how a renewal names the old one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from josepy import b64

from chancery.protocols.acme.client import AcmeClient, table
from chancery.sdk.answer import Answer
from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.outcome import RenewalHint

_USUAL, _LEAST, _MOST = timedelta(hours=6), timedelta(minutes=1), timedelta(days=1)


def renewal_id(certificate: bytes) -> str:
    """Return how RFC 9773 section 4.1 names a certificate; '' where it has no authority key identifier."""
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        found = parsed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except (ValueError, x509.ExtensionNotFound):
        return ""
    number = parsed.serial_number
    # As DER has it: one octet more where the first bit would make it negative.
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return f"{_text(found)}.{_text(serial)}" if found else ""


def renewal_hint(client: AcmeClient, certificate: bytes) -> RenewalHint | None:
    """Ask when a certificate (DER) should be renewed; None where the CA has no renewal information for it."""
    urls, named = client.directory().urls, renewal_id(certificate)
    if "renewalInfo" not in urls or not named:
        return None
    answer = client.get(f"{urls['renewalInfo'].rstrip('/')}/{named}")
    found = table(answer)
    window = found.get("suggestedWindow")
    start, end = (_moment(window.get(n)) for n in ("start", "end")) if isinstance(window, dict) else (None, None)
    if start is None or end is None or end < start:
        raise ProtocolViolation(
            "The CA's renewal information has no window.", code="renewal_info", text=answer.text, stage="response",
            bytes_sent=False,
        )  # fmt: skip
    return RenewalHint(start, end, str(found.get("explanationURL") or "")[:500], _next(answer))


def _next(answer: Answer) -> timedelta:
    told = answer.retry_after
    return min(max(told - answer.now, _LEAST), _MOST) if told is not None else _USUAL


def _moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _text(raw: bytes) -> str:
    return str(b64.b64encode(raw).decode())
