"""Whether the issuing CA that the administrator named is the one behind the connector."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.x509.oid import NameOID

from chancery.core.decoding import UNREADABLE
from chancery.sdk.finding import STAGES, Finding, Level

_MOST = 6


def issuing_ca(wanted: str, ders: Iterable[bytes]) -> Finding:
    """Compare the name, character for character, with those in the CA's certificates (DER)."""
    return named(wanted, [name for der in ders for name in _names(der)])


def named(wanted: str, names: list[str]) -> Finding:
    """Compare the name with a list of names."""
    shown = ", ".join(dict.fromkeys(names))[:500]
    if wanted in names:
        return Finding("product", Level.OK, "issuing_ca", "emCA has the issuing CA that is named here.", wanted)
    if not names:
        text = "emCA shows no names of its CAs over this protocol, so the issuing CA's name cannot be compared."
        remedy = "Look in emCA's console which CA the protocol's profile belongs to."
        return Finding("product", Level.WARNING, "issuing_ca_unseen", text, "", remedy)
    near = next((name for name in names if _plain(name) == _plain(wanted)), "")
    remedy = (
        f"Write it exactly as emCA does: {near}" if near else "Correct the issuing CA, or the path or profile in emCA."
    )
    text = f"emCA shows no CA called {wanted[:200]!r}."
    return Finding("product", Level.FAILED, "issuing_ca_unknown", text, shown, remedy)


def subscriber(config_id: str, protocol: str) -> Finding:
    """Say that the subscriber ID is not on the wire of this protocol."""
    text = (
        f"Over {protocol} no subscriber ID is sent: emCA keeps it with the protocol's profile, where it must be right."
    )
    return Finding("product", Level.SKIPPED, "subscriber", text, config_id)


def _names(der: bytes) -> list[str]:
    try:
        subject = x509.load_der_x509_certificate(der).subject
        common = [str(a.value) for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except UNREADABLE:
        return []
    return [*common, subject.rfc4514_string()]


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()


def placed(found: list[Finding], product: list[Finding]) -> list[Finding]:
    """Return findings with more of the stage product, in the order of the stages."""
    return sorted([*found, *product], key=lambda one: STAGES.index(one.stage))
