"""The error numbers that this CA gives, and how Windows prints them (MS-ERREF; reference, sections A1.3 and A7)."""

from __future__ import annotations

UNSUPPORTED_TYPE, NO_TYPE, CONFLICT = 0x80094800, 0x80094801, 0x80094802
TEMPLATE_DENIED, ENROLL_DENIED, ADMIN_DENIED = 0x80094012, 0x80094011, 0x80094014
EMPTY, KEY_LENGTH, DNS_REQUIRED = 0x80094004, 0x80094811, 0x8009480F
SIGNATURES, ARCHIVAL, BAD_TAG, UNAVAILABLE = 0x8009480A, 0x80094804, 0x8009310B, 0x800706BA

_UNSUPPORTED = (
    "The request was for a certificate template that is not supported by the Active Directory Certificate Services "
    "policy: {template}."
)
SYMBOLS = {
    UNSUPPORTED_TYPE: (
        "CERTSRV_E_UNSUPPORTED_CERT_TYPE",
        _UNSUPPORTED,
    ),
    NO_TYPE: ("CERTSRV_E_NO_CERT_TYPE", "The request contains no certificate template information."),
    CONFLICT: ("CERTSRV_E_TEMPLATE_CONFLICT", "The request contains conflicting template information."),
    TEMPLATE_DENIED: ("CERTSRV_E_TEMPLATE_DENIED", "The permissions on the template do not allow the user to enroll."),
    ENROLL_DENIED: ("CERTSRV_E_ENROLL_DENIED", "The permissions on this CA do not allow the user to enroll."),
    ADMIN_DENIED: ("CERTSRV_E_ADMIN_DENIED_REQUEST", "The request was denied by a certificate manager."),
    EMPTY: ("CERTSRV_E_PROPERTY_EMPTY", "The requested property value is empty."),
    KEY_LENGTH: ("CERTSRV_E_KEY_LENGTH", "The public key does not meet the minimum size of the template."),
    DNS_REQUIRED: ("CERTSRV_E_SUBJECT_DNS_REQUIRED", "The DNS name is unavailable and cannot be added to the subject."),
    SIGNATURES: ("CERTSRV_E_SIGNATURE_COUNT", "The request is missing required signatures."),
    ARCHIVAL: ("CERTSRV_E_ARCHIVED_KEY_REQUIRED", "The request is missing a private key for archival."),
    BAD_TAG: ("CRYPT_E_ASN1_BADTAG", "ASN1 bad tag value met."),
    UNAVAILABLE: ("RPC_S_SERVER_UNAVAILABLE", "The RPC server is unavailable."),
}


def full(code: int) -> str:
    """Return a number as an error page prints it: hex, and in brackets its signed decimal and its symbol."""
    symbol = f" {SYMBOLS[code][0]}" if code in SYMBOLS else ""
    return f"{sentence(code)} 0x{code:08x} ({code - 2**32}{symbol})"


def sentence(code: int, template: str = "") -> str:
    """Return the words that belong to a number."""
    return SYMBOLS[code][1].format(template=template) if code in SYMBOLS else "An error occurred."
