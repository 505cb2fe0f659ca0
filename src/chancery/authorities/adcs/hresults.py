"""What the CA's error numbers (HRESULT, MS-ERREF) mean for an order, and what an administrator can do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chancery.sdk.errors import (
    AuthFailed,
    AuthorityError,
    Forbidden,
    NotFound,
    RejectedByPolicy,
    Unreachable,
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """`kind` is the instruction to the engine, `symbol` Microsoft's name for the number."""

    symbol: str
    kind: type[AuthorityError]
    message: str
    remedy: str


_NO, _RIGHT, _LATER, _LOGIN = RejectedByPolicy, Forbidden, Unreachable, AuthFailed
_MANAGER = "Ask the CA's managers why, then order again."
_SUPPLY = "Choose a template whose subject is supplied in the request."
_SIGNED = "Choose a template that needs no authorised signature (enrollment agent)."
_PARENT = "Publish the parent CA's CRL where the CA can fetch it."
_EPA = (
    "The login lacks its channel binding: connect to IIS itself, and not through a proxy that ends TLS. Do not weaken "
    "Extended Protection."
)
_CSR = "Make the certificate request anew with a current tool."

MEANINGS: dict[int, Meaning] = {
    0x80094800: Meaning(
        "CERTSRV_E_UNSUPPORTED_CERT_TYPE", _NO,
        "The CA does not issue by this template.",
        "Give the template's name (cn) instead of its display name; publish it on the CA (New, Certificate Template to Issue), "
        "wait for Active Directory to replicate, then order again.",
    ),
    0x80094801: Meaning(
        "CERTSRV_E_NO_CERT_TYPE", _NO, "The request names no template.", "Choose a template in the profile."
    ),
    0x80094802: Meaning(
        "CERTSRV_E_TEMPLATE_CONFLICT", _NO,
        "The certificate request names another template than the profile.",
        "Make the request anew without a template in it.",
    ),
    0x80094012: Meaning(
        "CERTSRV_E_TEMPLATE_DENIED", _NO,
        "The account may not enrol by this template.",
        "Give it Read and Enroll on the template, then order again.",
    ),
    0x80094011: Meaning(
        "CERTSRV_E_ENROLL_DENIED", _RIGHT,
        "The account may not request certificates from this CA.",
        "Give it Request Certificates in the CA's security settings.",
    ),
    0x80094014: Meaning("CERTSRV_E_ADMIN_DENIED_REQUEST", _NO, "A CA manager denied the request.", _MANAGER),
    0x80094003: Meaning(
        "CERTSRV_E_BAD_REQUESTSTATUS", _NO, "The request is not in a state that allows this.",
        "Look at it in the CA's console.",
    ),
    0x80094004: Meaning(
        "CERTSRV_E_PROPERTY_EMPTY", NotFound,
        "The CA has no such request, or no certificate for it.",
        "Its database may have been cleaned, or the connector leads to another CA: compare the CA's name.",
    ),
    0x80094001: Meaning(
        "CERTSRV_E_BAD_REQUESTSUBJECT", _NO, "The subject of the request is missing or malformed.", _CSR
    ),
    0x8009480F: Meaning(
        "CERTSRV_E_SUBJECT_DNS_REQUIRED", _NO,
        "The template builds the name from Active Directory, and the account has no DNS name there.", _SUPPLY,
    ),
    0x80094812: Meaning(
        "CERTSRV_E_SUBJECT_EMAIL_REQUIRED", _NO,
        "The template builds the name from Active Directory, and the account has no e-mail address there.", _SUPPLY,
    ),
    0x8009480D: Meaning(
        "CERTSRV_E_SUBJECT_UPN_REQUIRED", _NO,
        "The template builds the name from Active Directory, and the account has no UPN there.", _SUPPLY,
    ),
    0x80094803: Meaning(
        "CERTSRV_E_SUBJECT_ALT_NAME_REQUIRED", _NO, "The template wants a subject alternative name.",
        "Make the certificate request with its names as subject alternative names.",
    ),
    0x80094811: Meaning(
        "CERTSRV_E_KEY_LENGTH", _NO, "The key is shorter than the template wants.", "Order with a longer key."
    ),
    0x80094807: Meaning(
        "CERTSRV_E_BAD_TEMPLATE_VERSION", _NO, "The CA knows another version of the template.",
        "Restart the CA's service or wait until it has read its templates anew, then order again.",
    ),
    0x80094813: Meaning(
        "CERTSRV_E_UNKNOWN_CERT_TYPE", _NO, "The CA cannot read the template.",
        "Its schema may be too new for the CA, or the CA has not read it yet.",
    ),
    0x80094804: Meaning(
        "CERTSRV_E_ARCHIVED_KEY_REQUIRED", _NO, "The template wants the private key archived.",
        "Choose one without key archival: the key does not leave its host.",
    ),
    0x80094809: Meaning(
        "CERTSRV_E_SIGNATURE_POLICY_REQUIRED", _NO, "The template wants the request signed by an agent.", _SIGNED
    ),
    0x8009480A: Meaning("CERTSRV_E_SIGNATURE_COUNT", _NO, "The template wants the request signed by an agent.", _SIGNED),
    0x8009480B: Meaning("CERTSRV_E_SIGNATURE_REJECTED", _NO, "The signature on the request was rejected.", _SIGNED),
    0x8009480C: Meaning(
        "CERTSRV_E_ISSUANCE_POLICY_REQUIRED", _NO, "The template wants an issuance policy in the signature.", _SIGNED
    ),
    0x8009481A: Meaning(
        "CERTSRV_E_KEY_ATTESTATION", _NO, "The template wants the key attested by a TPM.",
        "Choose a template without key attestation.",
    ),
    0x80094806: Meaning("CERTSRV_E_BAD_RENEWAL_SUBJECT", _NO, "The renewal is for another subject.", "Order it as new."),
    0x8009400E: Meaning(
        "CERTSRV_E_BAD_RENEWAL_CERT_ATTRIBUTE", _NO, "The renewal does not fit its certificate.", "Order it as new."
    ),
    0x80094009: Meaning(
        "CERTSRV_E_RESTRICTEDOFFICER", _RIGHT, "The account may not manage certificates of this template or requester.",
        "Widen the restriction of certificate managers on the CA.",
    ),
    0x80094008: Meaning(
        "CERTSRV_E_ROLECONFLICT", _RIGHT, "The account holds two roles, and the CA separates them.",
        "Leave it one role.",
    ),
    0x80094005: Meaning(
        "CERTSRV_E_INVALID_CA_CERTIFICATE", _LATER, "The CA's own certificate is not valid.",
        "Renew it, or publish the CRL above it.",
    ),
    0x80094006: Meaning(
        "CERTSRV_E_SERVER_SUSPENDED", _LATER, "The CA is suspended, as during a backup.", "Wait, or let it go on."
    ),
    0x8009400F: Meaning(
        "CERTSRV_E_NO_DB_SESSIONS", _LATER, "The CA's database has no free session.", "Wait; lower the connector's rate."
    ),
    0x80092013: Meaning(
        "CRYPT_E_REVOCATION_OFFLINE", _LATER, "The CA cannot fetch a CRL above it.", _PARENT
    ),
    0x80092012: Meaning("CRYPT_E_NO_REVOCATION_CHECK", _LATER, "The CA cannot check the certificates above it.", _PARENT),
    0x800B0109: Meaning(
        "CERT_E_UNTRUSTEDROOT", _LATER, "The CA's own host does not trust its root.", "Install the root on the CA's host."
    ),
    0x800B010A: Meaning(
        "CERT_E_CHAINING", _LATER, "The CA's own host cannot build its chain.",
        "Install the certificates above the CA on its host.",
    ),
    0x800706BA: Meaning(
        "RPC_S_SERVER_UNAVAILABLE", _LATER, "Web Enrollment cannot reach the CA's service.",
        "Start the CA's service (certsvc); open port 135 and the dynamic ports between web server and CA.",
    ),
    0x800706D3: Meaning(
        "RPC_S_UNKNOWN_AUTHN_SERVICE", _RIGHT, "Web server and CA do not agree on a login.",
        "Let the web server delegate (Kerberos, to HOST and RPCSS of the CA).",
    ),
    0x16C9A0D6: Meaning(
        "EPT_S_NOT_REGISTERED", _RIGHT, "The CA's RPC interface is switched off (IF_NORPCICERTREQUEST).",
        "Switch it on, or let the connector use another transport.",
    ),
    0x80070005: Meaning(
        "E_ACCESSDENIED", _RIGHT, "The CA refuses access.",
        "Give the account Request Certificates on the CA. Where Web Enrollment runs on another host than the CA, let it "
        "delegate by Kerberos to HOST and RPCSS of the CA: NTLM cannot be passed on.",
    ),
    0x80070057: Meaning(
        "E_INVALIDARG", _NO, "The CA does not take what it was given: a wrong CA name, or a request that it cannot read.",
        "Compare the CA's name (host\\name); make the certificate request anew.",
    ),
    0x8007000D: Meaning("ERROR_INVALID_DATA", _NO, "The CA cannot use what it was given in this state.", _CSR),
    0x8009310B: Meaning("CRYPT_E_ASN1_BADTAG", _NO, "The CA cannot read the certificate request.", _CSR),
    0x80090308: Meaning("SEC_E_INVALID_TOKEN", _LOGIN, "The server did not take the login.", _EPA),
    0x80090346: Meaning("SEC_E_BAD_BINDINGS", _LOGIN, "The login does not belong to this TLS connection.", _EPA),
    0x80090322: Meaning(
        "SEC_E_WRONG_PRINCIPAL", _LOGIN, "The server has another name (SPN) than it was called by.",
        "Use the host's own name as base URL, or register its SPN.",
    ),
    0x80090324: Meaning("SEC_E_TIME_SKEW", _LOGIN, "The clocks differ too much.", "Set both by the domain's time."),
    0x8009030C: Meaning(
        "SEC_E_LOGON_DENIED", _LOGIN, "The login was refused.", "Check password, lock and end of the account."
    ),
}  # fmt: skip
"""The numbers of the reference, section A7."""
_ASN1 = range(0x80093100, 0x80093200)
LOOK_UP = "Look the number up (certutil -error), and at the CA's event log."
_DENIED = Meaning("", RejectedByPolicy, "The CA refused the request.", LOOK_UP)
"""What a number that is not in the table means in a denial; elsewhere it means nothing (`refusals.explain`)."""
UNKNOWN_ID, DENIED_BY_MANAGER = 0x80094004, 0x80094014
_CODE = re.compile(r"0x([0-9A-Fa-f]{8})(?![0-9A-Fa-f])")
_NAMED = re.compile(r"0x([89A-Fa-f][0-9A-Fa-f]{7}) \(-?\d+")
_FAILURE = 0x80000000
_FOREIGN = frozenset({0x16C9A0D6})
"""Failures that do not carry the sign of one."""


def code_in(text: str) -> int | None:
    """Return the first failure number in a text; the form with its decimal in brackets goes before a bare one."""
    named = _NAMED.search(text)
    if named is not None:
        return int(named[1], 16)
    found = (int(match[1], 16) for match in _CODE.finditer(text))
    return next((code for code in found if code & _FAILURE or code in _FOREIGN), None)


def is_known(code: int) -> bool:
    """Say whether the table has a sentence for a number."""
    return code in MEANINGS or code in _ASN1


def meaning_of(code: int) -> Meaning:
    """Return what a number means in a denial; one that is not known passes on with a hint where to look."""
    if code in _ASN1 and code not in MEANINGS:
        return MEANINGS[0x8009310B]
    return MEANINGS.get(code, _DENIED)


def error_of(code: int | None, text: str, *, request: str = "") -> AuthorityError:
    """Return the error for what the CA decided; nothing was issued for it. `text` is its own, `request` its id.

    A number outside of a denial that the table may lack goes to `refusals.explain` instead.
    """
    meaning = meaning_of(code) if code is not None else _DENIED
    where = f" Its request id is {request}." if request else ""
    return meaning.kind(
        f"{meaning.message}{where}",
        code=f"0x{code:08X}" if code is not None else "denied",
        text=f"{meaning.symbol} {text}".strip(),
        stage="response",
        bytes_sent=False,
        remedy=meaning.remedy,
    )
