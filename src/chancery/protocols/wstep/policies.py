"""What a policy service says: templates with the caller's rights, and CAs (MS-XCEP section 3.1.4.1.3)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum

from pyasn1.codec.der.decoder import decode
from pyasn1.error import PyAsn1Error
from pyasn1_modules import rfc5280

from chancery.protocols.cms import Unreadable
from chancery.protocols.wstep.document import Element, named
from chancery.protocols.wstep.names import INSTANCE, POLICY

_EXTENDED_KEY_USAGE = "2.5.29.37"
_LONGEST = timedelta(days=36_500)
_WORD = 0xFFFF_FFFF

SUPPLIES_SUBJECT, SUPPLIES_ALTERNATIVE = 0x0000_0001, 0x0001_0000
"""subjectNameFlags: whoever asks says the names."""
_CA, _CROSS_CA = 0x80, 0x800
_ARCHIVES_KEY, _ATTESTS_KEY = 0x1, 0x2000
_PENDS_ALL = 0x2


class Login(IntEnum):
    """clientAuthentication: how an enrolment address wants to be spoken to."""

    ANONYMOUS = 1
    KERBEROS = 2
    USER_NAME = 4
    CERTIFICATE = 8


@dataclass(frozen=True, slots=True)
class Address:
    """Where a CA can be asked. `priority`: lower is better. `renewal_only` takes no first requests."""

    uri: str
    login: int
    priority: int
    renewal_only: bool


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA: its certificate (DER; b'' where it cannot be read), its addresses, and whether the caller may enrol there."""

    number: str
    certificate: bytes
    may_enroll: bool
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A certificate template as the caller sees it.

    `name` is the short one (`cn`) by which it is asked for, `oid` its identifier, '' where it has none. `issuers` are the
    numbers of the CAs that issue from it. Flags are as MS-CRTD has them. `usages` are the extended key usages (OIDs).
    """

    name: str
    oid: str
    schema: int
    may_enroll: bool
    may_auto_enroll: bool
    validity: timedelta
    renewal: timedelta
    minimal_key: int
    key_algorithm: str
    signatures: int
    subject_flags: int
    general_flags: int
    key_flags: int
    enrollment_flags: int
    issuers: tuple[str, ...] = ()
    usages: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    revision: tuple[int, int] = (0, 0)

    @property
    def pends(self) -> bool:
        """Say whether every request waits for a manager, by what the service shows of it."""
        return bool(self.enrollment_flags & _PENDS_ALL)

    @property
    def is_for_cas(self) -> bool:
        """Say whether it makes CAs, which nobody orders here."""
        return bool(self.general_flags & (_CA | _CROSS_CA))

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Return why a certificate for names of one's own cannot be had by it, in sentences; empty where it can."""
        told = (
            (not self.may_enroll, "The account has no right to enrol from it."),
            (self.is_for_cas, "It is a template for certificates of CAs."),
            (
                not self.subject_flags & (SUPPLIES_SUBJECT | SUPPLIES_ALTERNATIVE),
                "The CA builds the names from the directory: the names of the request would be ignored.",
            ),
            (bool(self.key_flags & _ARCHIVES_KEY), "It archives private keys, which stay with their owner here."),
            (bool(self.key_flags & _ATTESTS_KEY), "It wants the key attested by a TPM."),
            (self.signatures > 0, f"It wants {self.signatures} signatures of an enrolment agent."),
        )
        return tuple(sentence for applies, sentence in told if applies)


@dataclass(frozen=True, slots=True)
class Policies:
    """The whole answer."""

    name: str
    templates: tuple[Template, ...]
    issuers: tuple[Issuer, ...]

    def template(self, name: str) -> Template | None:
        """Return the template of this short name or OID; names are compared without regard to case, as in directories."""
        wanted = name.casefold()
        return next((t for t in self.templates if wanted in {t.name.casefold(), t.oid}), None)

    def issuers_of(self, template: Template) -> tuple[Issuer, ...]:
        """Return the CAs that issue from a template."""
        return tuple(issuer for issuer in self.issuers if issuer.number in template.issuers)


def question() -> str:
    """Return the body of GetPolicies: everything, whatever was known before."""
    return (
        f'<p:GetPolicies xmlns:p="{POLICY}" xmlns:xsi="{INSTANCE}"><p:client><p:lastUpdate xsi:nil="true"/>'
        '<p:preferredLanguage xsi:nil="true"/></p:client><p:requestFilter xsi:nil="true"/></p:GetPolicies>'
    )


def policies(element: Element) -> Policies:
    """Return what the service answered; raises `Unreadable` where that is no list of policies.

    What a single policy leaves out or misspells is taken as absent, so that one odd template hides no other.
    """
    response = element.find(_p("response"))
    if element.name != _p("GetPoliciesResponse") or response is None or response.nil:
        raise Unreadable("it is no answer to GetPolicies")
    if response.value(_p("policiesNotChanged")) in {"true", "1"}:
        raise Unreadable("it says that nothing has changed, and was not asked that")
    oids = {_reference(one, "oIDReferenceID"): one.value(_p("value")) for one in element.all(_p("oIDs"), _p("oID"))}
    found = [_template(one, oids) for one in response.all(_p("policies"), _p("policy"))]
    return Policies(
        response.value(_p("policyFriendlyName")),
        tuple(template for template in found if template.name),
        tuple(_issuer(one) for one in element.all(_p("cAs"), _p("cA"))),
    )


@dataclass(slots=True)
class _At:
    """Reads values below one element."""

    element: Element

    def number(self, *names: str) -> int:
        return _number(self.element.value(*(_p(name) for name in names)))

    def span(self, *names: str) -> timedelta:
        return min(timedelta(seconds=min(self.number(*names), 2**40)), _LONGEST)

    def true(self, *names: str) -> bool:
        return self.element.value(*(_p(name) for name in names)) in {"true", "1"}

    def text(self, *names: str) -> str:
        return self.element.value(*(_p(name) for name in names))


def _template(element: Element, oids: dict[str, str]) -> Template:
    attributes = element.find(_p("attributes")) or Element("")
    at = _At(attributes)
    return Template(
        name=at.text("commonName"),
        oid=oids.get(_reference(element, "policyOIDReference"), ""),
        schema=at.number("policySchema"),
        may_enroll=at.true("permission", "enroll"),
        may_auto_enroll=at.true("permission", "autoEnroll"),
        validity=at.span("certificateValidity", "validityPeriodSeconds"),
        renewal=at.span("certificateValidity", "renewalPeriodSeconds"),
        minimal_key=at.number("privateKeyAttributes", "minimalKeyLength"),
        key_algorithm=oids.get(at.text("privateKeyAttributes", "algorithmOIDReference"), ""),
        signatures=at.number("rARequirements", "rASignatures"),
        subject_flags=at.number("subjectNameFlags"),
        general_flags=at.number("generalFlags"),
        key_flags=at.number("privateKeyFlags"),
        enrollment_flags=at.number("enrollmentFlags"),
        issuers=tuple(one.text.strip() for one in element.all(_p("cAs"), _p("cAReference"))),
        usages=_usages(attributes, oids),
        superseded=tuple(one.text.strip() for one in attributes.all(_p("supersededPolicies"), _p("commonName"))),
        revision=(at.number("revision", "majorRevision"), at.number("revision", "minorRevision")),
    )


def _usages(attributes: Element, oids: dict[str, str]) -> tuple[str, ...]:
    for one in attributes.all(_p("extensions"), _p("extension")):
        if oids.get(one.value(_p("oIDReference"))) == _EXTENDED_KEY_USAGE:
            try:
                found, _ = decode(_binary(one.value(_p("value"))), asn1Spec=rfc5280.ExtKeyUsageSyntax())
            except (PyAsn1Error, ValueError, TypeError, IndexError):
                return ()
            return tuple(str(usage) for usage in found)
    return ()


def _issuer(element: Element) -> Issuer:
    addresses = [
        Address(
            one.value(_p("uri")),
            _At(one).number("clientAuthentication"),
            _At(one).number("priority"),
            _At(one).true("renewalOnly"),
        )
        for one in element.all(_p("uris"), _p("cAURI"))
    ]
    return Issuer(
        _reference(element, "cAReferenceID"),
        _binary(element.value(_p("certificate"))),
        _At(element).true("enrollPermission"),
        tuple(sorted(addresses, key=lambda address: address.priority)),
    )


def _reference(element: Element, name: str) -> str:
    return element.value(_p(name))


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _number(text: str) -> int:
    """Return a number; flags are printed as signed ones of 32 bits too. 0 for what is none."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        return 0
    number = int(text)
    return number & _WORD if number < 0 else number


def _p(local: str) -> str:
    return named(POLICY, local)
