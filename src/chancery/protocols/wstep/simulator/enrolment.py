"""RequestSecurityToken and its answers (MS-WSTEP section 3.1.4.1)."""

from __future__ import annotations

import base64
import binascii
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.protocols.wstep.simulator.dials import WstepDials
from chancery.protocols.wstep.simulator.soap import ENROLLMENT, WSSE, Fault
from chancery.sandbox.certsrv import Database, Refused, Row, State
from chancery.sandbox.der import certs_only
from chancery.sandbox.dials import Dials

_TRUST = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
_AUTH = "http://schemas.xmlsoap.org/ws/2006/12/authorization"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_X509 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
_PKCS10 = f"{ENROLLMENT}#PKCS10"
_BASE64 = f"{WSSE}#base64binary"
_WORDS = {
    "": {"Issued": "Issued", "Pending": "Taken Under Submission"},
    "de": {"Issued": "Ausgestellt", "Pending": "Zur Bearbeitung angenommen"},
}


def answer(element: ET.Element, database: Database, account: str, dials: Dials, address: str) -> tuple[str, bool]:
    """Return the body of the answer, and whether something lasting was done; raises `Fault`."""
    if element.tag != f"{{{_TRUST}}}RequestSecurityToken":
        raise Fault("Sender", "a:ActionNotSupported", "The element cannot be processed.")
    kind = (element.findtext(f"{{{_TRUST}}}RequestType") or "").strip()
    try:
        if kind == f"{ENROLLMENT}/QueryTokenStatus":
            return _told(_look(element, database), database, dials, address), False
        if kind != f"{_TRUST}/Issue":
            raise Fault("Sender", "", "The request type is not supported.")
        return _told(_take(element, database, account, dials), database, dials, address), True
    except Refused as no:
        raise denied(no.code, no.text, no.number, denies=no.denied) from None


def denied(code: int, text: str, number: int, *, denies: bool) -> Fault:
    """Return the fault with which the service passes on the CA's no; the code is a signed number."""
    signed = code - (1 << 32) if code >= 1 << 31 else code
    request = f"<RequestID>{number}</RequestID>" if number else '<RequestID xsi:nil="true"/>'
    detail = (
        f'<CertificateEnrollmentWSDetail xmlns="{ENROLLMENT}" xmlns:xsi="{_INSTANCE}"><BinaryResponse xsi:nil="true"/>'
        f"<ErrorCode>{signed}</ErrorCode><InvalidRequest>{str(denies).lower()}</InvalidRequest>{request}"
        "</CertificateEnrollmentWSDetail>"
    )
    return Fault("Receiver", "", text, detail)


def _look(element: ET.Element, database: Database) -> Row:
    number = (element.findtext(f"{{{ENROLLMENT}}}RequestID") or "").strip()
    row = database.row(int(number) if number.isdigit() else 0)
    if row.state is State.DENIED:
        raise Refused(row.code, row.message, row.number)
    return row


def _take(element: ET.Element, database: Database, account: str, dials: Dials) -> Row:
    token = element.find(f"{{{WSSE}}}BinarySecurityToken")
    if token is None or token.get("EncodingType") != _BASE64:
        raise Fault("Sender", "", "EncodingType is invalid.")
    if token.get("ValueType") != _PKCS10:
        raise Fault("Sender", "", "ValueType is invalid.")
    try:
        csr = base64.b64decode("".join((token.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise Fault("Sender", "", "The token is no Base64.") from None
    if dials.now.fault_code:
        raise Refused(int(dials.now.fault_code, 16), "The CA failed.", 0, denied=dials.now.fault_denies)
    items = {
        item.get("Name", ""): (item.findtext(f"{{{_AUTH}}}Value") or "").strip()
        for item in element.iter(f"{{{_AUTH}}}ContextItem")
    }
    attributes = "\n".join(f"{name}:{value}" for name, value in items.items())
    return database.take(csr, items.get("CertificateTemplate", ""), account, attributes)


def _told(row: Row, database: Database, dials: Dials, address: str) -> str:
    now, words = dials.now, _WORDS.get(dials.now.language, _WORDS[""])
    number = row.number + 1 if now.other_number else row.number
    issued = row.certificate is not None
    language = now.language or "en-US"
    inside = _tokens(row.certificate, database, now) if row.certificate else _reference(address)
    return (
        f'<RequestSecurityTokenResponseCollection xmlns="{_TRUST}"><RequestSecurityTokenResponse>'
        f'<TokenType>{_X509}</TokenType><DispositionMessage xml:lang="{language}" xmlns="{ENROLLMENT}">'
        f"{escape(words['Issued' if issued else 'Pending'])}</DispositionMessage>{inside}"
        f'<RequestID xmlns="{ENROLLMENT}">{number}</RequestID>'
        "</RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection>"
    )


def _tokens(certificate: x509.Certificate, database: Database, now: WstepDials) -> str:
    """Return the PKCS#7 with the chain, and the certificate; the Base64 of Windows breaks its lines with CR LF."""
    above = [] if now.chain == "missing" else [database.ca.issuing, database.ca.root]
    chain = [*above, certificate] if now.chain == "shuffled" else [certificate, *above]
    whole = "" if now.bare else _token(f"{WSSE}#PKCS7", certs_only(chain))
    leaf = _token(_X509, certificate.public_bytes(Encoding.DER))
    return f"{whole}<RequestedSecurityToken>{leaf}</RequestedSecurityToken>"


def _token(kind: str, der: bytes) -> str:
    lines = base64.encodebytes(der).decode().replace("\n", "&#xD;\n")
    return (
        f'<BinarySecurityToken ValueType="{kind}" EncodingType="{_BASE64}" xmlns="{WSSE}">{lines}</BinarySecurityToken>'
    )


def _reference(address: str) -> str:
    return (
        f'<RequestedSecurityToken><SecurityTokenReference xmlns="{WSSE}"><Reference URI="{escape(address)}"/>'
        "</SecurityTokenReference></RequestedSecurityToken>"
    )
