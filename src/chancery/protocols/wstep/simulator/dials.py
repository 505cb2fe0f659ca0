"""The dials of these services, beside the common ones of the sandbox."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.sandbox.dials import Settings


@dataclass
class WstepDials(Settings):
    """Each off by default.

    `internal_fault` answers every message with a fault of the framework, without detail. `fault_code` (hex) refuses every
    request with this code, as something that was no denial where `fault_denies` is off. `other_number` answers for another
    request than was asked for. `other_message` relates to another message. `bare` sends a certificate without PKCS#7.
    `language` of disposition messages: `de` is German, all else English. The common dial `chain`: `shuffled` puts the
    issuers before the leaf in the PKCS#7, `missing` leaves them out.
    """

    internal_fault: bool = False
    fault_code: str = ""
    fault_denies: bool = False
    other_number: bool = False
    other_message: bool = False
    bare: bool = False
    language: str = ""
