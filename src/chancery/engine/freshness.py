"""How fresh a CA is: the dates of its certificates, and of the revocation lists that its certificates point to.

A revocation list is fetched as every relying party fetches it: from the address in the certificate, mostly over plain
HTTP, since the list itself is signed (RFC 5280 section 4.2.1.13). The connector's address guard judges where that leads, the
signature is checked against the chain, and nothing of the connector's secrets goes along. Knows no tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from cryptography import x509

from chancery.net.addresses import AddressPolicy
from chancery.net.progress import Failed
from chancery.net.transport import Call, Outgoing
from chancery.net.url import parse_url

CA_CERTIFICATE, CRL = "ca_certificate", "crl"
_MOST_LISTS = 6
_MAX_LIST = 32 * 1024 * 1024
_TIMEOUT = 20.0

Vital = dict[str, Any]
"""`kind`, `subject`, `until` (ISO 8601 or None), `text`, `error`: JSON, as a call's result is stored."""


def look(extra: dict[str, Any]) -> list[Vital]:
    """Return what is known of the chain under `extra`: `leaf` and `chain` (DER), `networks` that may be connected to."""
    if not extra["leaf"]:
        return []
    chain = [x509.load_der_x509_certificate(der) for der in (extra["leaf"], *extra["chain"])]
    found = [_certificate(one) for one in chain[1:]]
    outgoing = Outgoing(AddressPolicy(tuple(extra["networks"])))
    for certificate, url in _lists(chain)[:_MOST_LISTS]:
        found.append(_list(outgoing, url, certificate, chain))
    return found


def _certificate(one: x509.Certificate) -> Vital:
    subject = one.subject.rfc4514_string()
    return _vital(CA_CERTIFICATE, subject, one.not_valid_after_utc, f"Issued by {one.issuer.rfc4514_string()}.")


def _lists(chain: Sequence[x509.Certificate]) -> list[tuple[x509.Certificate, str]]:
    """Return each certificate's first http address of a list, once; several addresses lead to the same list."""
    found: dict[str, x509.Certificate] = {}
    for certificate in chain:
        url = next(_addresses(certificate), "")
        if url:
            found.setdefault(url, certificate)
    return [(certificate, url) for url, certificate in found.items()]


def _addresses(certificate: x509.Certificate) -> Iterator[str]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return
    for point in points:
        for name in point.full_name or ():
            if isinstance(name, x509.UniformResourceIdentifier) and name.value.startswith(("http://", "https://")):
                yield name.value


def _list(outgoing: Outgoing, url: str, certificate: x509.Certificate, chain: Sequence[x509.Certificate]) -> Vital:
    try:
        body = _fetched(outgoing, url)
    except (ValueError, Failed) as error:
        return _vital(CRL, url, None, error=f"It cannot be fetched: {error}")
    try:
        return _judged(body, url, certificate, chain)
    except Exception as error:  # the library reads lists late: each of its fields may turn out to be none
        return _vital(CRL, url, None, error=f"What is there is no revocation list ({type(error).__name__}).")


def _judged(body: bytes, url: str, certificate: x509.Certificate, chain: Sequence[x509.Certificate]) -> Vital:
    pem = body.lstrip().startswith(b"-----BEGIN")
    crl = x509.load_pem_x509_crl(body) if pem else x509.load_der_x509_crl(body)
    issuer = next((one for one in chain if one.subject == crl.issuer), None)
    if issuer is None or crl.issuer != certificate.issuer:
        return _vital(CRL, url, None, error=f"It is a list of {crl.issuer.rfc4514_string()}.")
    if not crl.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]  # a CA's key is one that signs
        return _vital(CRL, url, None, error="Its signature is not that of the issuing CA.")
    return _vital(
        CRL, url, crl.next_update_utc, f"Number of entries: {len(crl)}; made {crl.last_update_utc:%Y-%m-%d %H:%M} UTC."
    )


def _fetched(outgoing: Outgoing, url: str) -> bytes:
    parsed = parse_url(url)
    lines = ((b"Host", parsed.authority.encode()), (b"User-Agent", b"chancery"), (b"Accept-Encoding", b"identity"))
    reply = outgoing.send(Call("GET", parsed, lines, b"", _TIMEOUT, _MAX_LIST, once=True))
    if reply.status != 200:
        raise ValueError(f"the server answers {reply.status}")
    return reply.body


def _vital(kind: str, subject: str, until: datetime | None, text: str = "", error: str = "") -> Vital:
    written = until.isoformat() if until is not None else None
    return {"kind": kind, "subject": subject, "until": written, "text": text, "error": error}
