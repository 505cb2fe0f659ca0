"""RequestSecurityToken and what comes back (MS-WSTEP sections 3.1.4.1.1 and 3.1.4.1.2)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from chancery.protocols.cms import Unreadable, certificates
from chancery.protocols.waiting import number_of
from chancery.protocols.wstep.document import Element, named
from chancery.protocols.wstep.envelope import escaped
from chancery.protocols.wstep.names import (
    AUTHORIZATION,
    BASE64_TYPE,
    ENROLLMENT,
    INSTANCE,
    ISSUE,
    PKCS10_TYPE,
    QUERY_STATUS,
    SECURITY,
    TRUST,
    X509_TYPE,
)
from chancery.protocols.wstep.settings import WstepSettings

_TOKEN = named(SECURITY, "BinarySecurityToken")
_REQUESTED = named(TRUST, "RequestedSecurityToken")
_RESPONSE = named(TRUST, "RequestSecurityTokenResponse")
_COLLECTION = named(TRUST, "RequestSecurityTokenResponseCollection")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a request stands: with a `leaf` (DER) it is issued, else it waits.

    `others` are the certificates that came with it (DER, in any order, often with the leaf among them). `number` is the CA's
    own for the request, None where it gives none. `text` is in the language of the server and means nothing else.
    """

    number: int
    leaf: bytes | None
    others: tuple[bytes, ...]
    text: str


def issue(csr: bytes, settings: WstepSettings) -> str:
    """Return the body that asks for a certificate; `csr` is a PKCS#10 request (DER).

    EncodingType is never left out: the service answers its absence with a fault.
    """
    return (
        f'<t:RequestSecurityToken xmlns:t="{TRUST}"><t:TokenType>{X509_TYPE}</t:TokenType>'
        f"<t:RequestType>{ISSUE}</t:RequestType>"
        f'<o:BinarySecurityToken xmlns:o="{SECURITY}" ValueType="{PKCS10_TYPE}" EncodingType="{BASE64_TYPE}">'
        f"{base64.b64encode(csr).decode()}</o:BinarySecurityToken>"
        f'<e:RequestID xmlns:e="{ENROLLMENT}" xmlns:xsi="{INSTANCE}" xsi:nil="true"/>'
        f"{_context(settings)}</t:RequestSecurityToken>"
    )


def query(number: int) -> str:
    """Return the body that asks how a request stands."""
    return (
        f'<t:RequestSecurityToken xmlns:t="{TRUST}"><t:TokenType>{X509_TYPE}</t:TokenType>'
        f"<t:RequestType>{QUERY_STATUS}</t:RequestType>"
        f'<e:RequestID xmlns:e="{ENROLLMENT}">{number}</e:RequestID></t:RequestSecurityToken>'
    )


def _context(settings: WstepSettings) -> str:
    named_template = (("CertificateTemplate", settings.template),) if settings.template else ()
    items = "".join(
        f'<c:ContextItem Name="{escaped(name)}"><c:Value>{escaped(value)}</c:Value></c:ContextItem>'
        for name, value in (*named_template, *settings.context)
    )
    return f'<c:AdditionalContext xmlns:c="{AUTHORIZATION}">{items}</c:AdditionalContext>' if items else ""


def standing(element: Element) -> Standing:
    """Return how the request stands, by the shape of the answer and never by its words.

    Raises `Unreadable` where it is not one answer of this service. A certificate that cannot be decoded is left out where
    the request's number came with it: it can then be asked for again.
    """
    found = element.all(_RESPONSE)
    if element.name != _COLLECTION or len(found) != 1:
        raise Unreadable("it is not one answer to one request")
    response = found[0]
    number = number_of(response.value(named(ENROLLMENT, "RequestID"))) or 0
    leaf = _leaf(response, number)
    text = response.value(named(ENROLLMENT, "DispositionMessage"))
    return Standing(number, leaf, _companions(response) if leaf else (), text)


def _leaf(response: Element, number: int) -> bytes | None:
    inside = response.find(_REQUESTED)
    tokens = [t for t in inside.all(_TOKEN) if t.attributes.get("ValueType") == X509_TYPE] if inside else []
    try:
        leaf = _decoded(tokens[0]) if tokens else None
    except Unreadable:
        leaf = None
        if not number:
            raise
    if leaf is None and not number:
        raise Unreadable("it holds neither a certificate nor the number of a request")
    return leaf


def _companions(response: Element) -> tuple[bytes, ...]:
    """Return what came in the PKCS#7 beside the leaf. The chain is a convenience: without it the leaf still counts."""
    direct = response.find(_TOKEN)
    if direct is None or direct.nil:
        return ()
    try:
        return tuple(certificates(_decoded(direct)))
    except Unreadable:
        return ()


def _decoded(token: Element) -> bytes:
    try:
        return base64.b64decode("".join(token.text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("a token in it is no Base64") from None
