"""Whether a certificate that a CA lists is one that we have, and in what the two differ. Pure rules.

Serial numbers alone do not tell: a private CA may count from one, and some tools write them byte by byte backwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from chancery.core.lean import Lean
from chancery.core.order import RevocationState

_HEX = re.compile(r"[0-9a-f]{1,64}\Z")
_ON_ITS_WAY = frozenset({RevocationState.REQUESTED, RevocationState.WAITING_AT_CA})


class FindingKind(StrEnum):
    """What the two sides of an inventory disagree about."""

    AT_CA_ONLY = "at_ca_only"
    OURS_ONLY = "ours_only"
    STATE_DIFFERS = "state_differs"


class Match(IntEnum):
    """How sure it is that two certificates are one: by number alone, or also by bytes, key or issuer."""

    NONE = 0
    BY_NUMBER = 1
    CERTAIN = 2


@dataclass(frozen=True, slots=True)
class Marks(Lean):
    """What a certificate is known by: serial as `canonical_serial` gives it, issuer, and hashes in hex; '' for unknown."""

    serial: str
    issuer: str = ""
    spki_sha256: str = ""
    sha256: str = ""


def canonical_serial(text: str) -> str:
    """Return a serial number as certificates are stored with it: lower-case hex, no leading zeros; '' for what is none."""
    bare = re.sub(r"[\s:]", "", text).lower().removeprefix("0x").lstrip("0")
    return bare if _HEX.match(bare) else ""


def forms(serial: str) -> tuple[str, ...]:
    """Return the canonical serial, and the one that it is when it was written byte by byte backwards."""
    even = serial.rjust(len(serial) + len(serial) % 2, "0")
    backwards = bytes.fromhex(even)[::-1].hex().lstrip("0")
    return (serial,) if backwards == serial else (serial, backwards)


def match(theirs: Marks, ours: Marks) -> Match:
    """Return whether the CA's certificate is ours.

    Bytes decide, then the key. A name of the issuer decides only where both sides write it out; a label alone neither
    proves nor disproves. A number that is written backwards counts only beside another proof.
    """
    if theirs.sha256 and ours.sha256:
        return Match.CERTAIN if theirs.sha256 == ours.sha256 else Match.NONE
    straight = theirs.serial == ours.serial
    if not straight and ours.serial not in forms(theirs.serial):
        return Match.NONE
    if theirs.spki_sha256 and ours.spki_sha256:
        return Match.CERTAIN if theirs.spki_sha256 == ours.spki_sha256 else Match.NONE
    if theirs.issuer and theirs.issuer in {ours.issuer, _label(ours.issuer)}:
        return Match.CERTAIN
    written_out = "=" in theirs.issuer and "=" in ours.issuer
    return Match.NONE if written_out or not straight else Match.BY_NUMBER


def _label(issuer: str) -> str:
    """Return the common name out of a distinguished one (RFC 4514), as many CAs call themselves."""
    found = re.search(r"(?:^|,)CN=((?:\\.|[^,\\])+)", issuer)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else ""


class Difference(StrEnum):
    """Who says that a certificate is revoked, where one side does and the other does not."""

    NONE = ""
    REVOKED_THERE = "revoked_there"
    REVOKED_HERE = "revoked_here"


def difference(listed: str, revocation: str) -> Difference:
    """Compare the CA's word (*valid*, *revoked*, *unknown*) with where our revocation stands.

    One that is on its way is not compared: the engine follows it to its end.
    """
    if listed == "revoked" and revocation != RevocationState.CONFIRMED and revocation not in _ON_ITS_WAY:
        return Difference.REVOKED_THERE
    if listed == "valid" and revocation == RevocationState.CONFIRMED:
        return Difference.REVOKED_HERE
    return Difference.NONE
