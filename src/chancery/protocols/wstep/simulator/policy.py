"""GetPoliciesResponse (MS-XCEP section 3.1.4.1.1.2): templates with the caller's rights, and the CA."""

from __future__ import annotations

import base64
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.serialization import Encoding

from chancery.sandbox.certsrv import Database, Template
from chancery.sandbox.der import SEQUENCE, oid, tlv

_NAMESPACE = "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_RSA, _EKU, _SHA256 = 1, 2, 3
_FIRST = 10
_DAY = 86_400
_TEMPLATE_GROUP = 9


def answer(database: Database, account: str, addresses: list[tuple[int, str]]) -> str:
    """Return the body. `addresses` are the kind of login (MS-XCEP clientAuthentication) and the URI."""
    published = [t for t in database.templates if t.published]
    listed = "".join(_policy(n, t, account) for n, t in enumerate(published, _FIRST))
    certificate = base64.b64encode(database.ca.issuing.public_bytes(Encoding.DER)).decode()
    uris = "".join(
        f"<cAURI><clientAuthentication>{kind}</clientAuthentication><uri>{escape(uri)}</uri>"
        f'<priority>{n}</priority><renewalOnly xsi:nil="true"/></cAURI>'
        for n, (kind, uri) in enumerate(addresses, 1)
    )
    oids = "".join(_oid(n, t.oid or t.name, _TEMPLATE_GROUP, t.name) for n, t in enumerate(published, _FIRST))
    return (
        f'<GetPoliciesResponse xmlns="{_NAMESPACE}" xmlns:xsi="{_INSTANCE}"><response>'
        "<policyID>{3ab51b08-0000-4000-8000-5d0e5c3fbdd1}</policyID>"
        "<policyFriendlyName>Example Enrollment Policy</policyFriendlyName><nextUpdateHours>8</nextUpdateHours>"
        f'<policiesNotChanged xsi:nil="true"/><policies>{listed}</policies></response>'
        f"<cAs><cA><uris>{uris}</uris><certificate>{certificate}</certificate>"
        "<enrollPermission>true</enrollPermission><cAReferenceID>0</cAReferenceID></cA></cAs>"
        f"<oIDs>{_oid(_RSA, '1.2.840.113549.1.1.1', 3, 'RSA')}{_oid(_EKU, '2.5.29.37', 6, 'Enhanced Key Usage')}"
        f"{_oid(_SHA256, '2.16.840.1.101.3.4.2.1', 1, 'sha256')}{oids}</oIDs></GetPoliciesResponse>"
    )


def _oid(number: int, value: str, group: int, name: str) -> str:
    return (
        f"<oID><value>{escape(value)}</value><group>{group}</group><oIDReferenceID>{number}</oIDReferenceID>"
        f"<defaultName>{escape(name)}</defaultName></oID>"
    )


def _policy(number: int, template: Template, account: str) -> str:
    usages = tlv(SEQUENCE, *(oid(usage) for usage in template.usages))
    supplies = 0x1 if template.supplies else 0x18000000
    return (
        f"<policy><policyOIDReference>{number}</policyOIDReference><cAs><cAReference>0</cAReference></cAs><attributes>"
        f"<commonName>{escape(template.name)}</commonName><policySchema>{2 if template.oid else 1}</policySchema>"
        f"<certificateValidity><validityPeriodSeconds>{template.days * _DAY}</validityPeriodSeconds>"
        f"<renewalPeriodSeconds>{template.days * _DAY // 10}</renewalPeriodSeconds></certificateValidity>"
        f"<permission><enroll>{str(template.lets(account)).lower()}</enroll><autoEnroll>false</autoEnroll></permission>"
        f"<privateKeyAttributes><minimalKeyLength>{template.minimal_key}</minimalKeyLength><keySpec>1</keySpec>"
        '<keyUsageProperty xsi:nil="true"/><permissions xsi:nil="true"/>'
        f"<algorithmOIDReference>{_RSA}</algorithmOIDReference>"
        "<cryptoProviders><provider>Microsoft RSA SChannel Cryptographic Provider</provider></cryptoProviders>"
        "</privateKeyAttributes><revision><majorRevision>100</majorRevision><minorRevision>3</minorRevision></revision>"
        '<supersededPolicies xsi:nil="true"/>'
        f"<privateKeyFlags>{0x1 if template.archives else 0}</privateKeyFlags>"
        f"<subjectNameFlags>{supplies}</subjectNameFlags><enrollmentFlags>{0x2 if template.pends else 0}</enrollmentFlags>"
        f"<generalFlags>{0x20241}</generalFlags><hashAlgorithmOIDReference>{_SHA256}</hashAlgorithmOIDReference>"
        f'{_agents(template)}<keyArchivalAttributes xsi:nil="true"/><extensions><extension>'
        f"<oIDReference>{_EKU}</oIDReference><critical>false</critical>"
        f"<value>{base64.b64encode(usages).decode()}</value></extension></extensions></attributes></policy>"
    )


def _agents(template: Template) -> str:
    if not template.signatures:
        return '<rARequirements xsi:nil="true"/>'
    return f"<rARequirements><rASignatures>{template.signatures}</rASignatures></rARequirements>"
