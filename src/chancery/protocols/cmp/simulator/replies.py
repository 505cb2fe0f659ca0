"""The bodies that this server answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyasn1_modules import rfc4210

from chancery.protocols.cmp.simulator import wire

NUMBERS = {"ip": 1, "cp": 3, "kup": 8, "rp": 12, "pkiconf": 19, "genp": 22, "error": 23, "pollRep": 26}
"""Body → its number in PKIBody (RFC 9810 section 5.1.2)."""
GRANTS = {"ir": "ip", "cr": "cp", "p10cr": "cp", "kur": "kup"}
REJECTION, WAITING = 2, 3
_PATIENCE = "An officer looks at it."
_FIELDS = ("tbsCertificate", "signatureAlgorithm", "signatureValue")


@dataclass
class Said:
    """An answer in the making. `negative` is a refusal; `acted` says that something lasting was done."""

    kind: str
    content: bytes
    negative: bool = False
    acted: bool = False
    implicit: bool = False
    certificates: list[x509.Certificate] = field(default_factory=list)


def error(failure: str, text: str, number: int = REJECTION) -> Said:
    """Return an error message (section 5.3.21)."""
    made = rfc4210.ErrorMsgContent()
    made["pKIStatusInfo"] = wire.status(number, text, failure)
    return Said("error", wire.encode(made), negative=number == REJECTION)


def unrevoked(failure: str, text: str) -> Said:
    """Return a refusal of a revocation (section 5.3.10)."""
    made = rfc4210.RevRepContent()
    made["status"][0] = wire.status(REJECTION, text, failure)
    return Said("rp", wire.encode(made), negative=True)


def revoked() -> Said:
    """Return the confirmation of a revocation."""
    made = rfc4210.RevRepContent()
    made["status"][0] = wire.status(0)
    return Said("rp", wire.encode(made), acted=True)


def rejected(kind: str, number: int, failure: str) -> Said:
    """Return the rejection of a request (section 5.3.4)."""
    content = reply(number, wire.status(REJECTION, "The profile does not allow this request.", failure))
    return Said(kind, content, negative=True)


def waiting(kind: str, number: int) -> Said:
    """Return a reply that says that the request waits."""
    return Said(kind, reply(number, wire.status(WAITING, _PATIENCE)), acted=True)


def patience(number: int, seconds: int) -> Said:
    """Return a pollRep (section 5.3.22)."""
    made = rfc4210.PollRepContent()
    made[0]["certReqId"], made[0]["checkAfter"] = number, seconds
    made[0]["reason"][0] = _PATIENCE
    return Said("pollRep", wire.encode(made))


def reply(number: int, status: Any, leaf: x509.Certificate | None = None) -> bytes:
    """Return CertRepMessage with one response."""
    made = rfc4210.CertRepMessage()
    one = made["response"][0]
    one["certReqId"], one["status"] = number, status
    if leaf is not None:
        part = one["certifiedKeyPair"]["certOrEncCert"]["certificate"]
        found = wire.structure(leaf.public_bytes(Encoding.DER), rfc4210.CMPCertificate())
        for name in _FIELDS:
            part[name] = found[name]
    return wire.encode(made)
