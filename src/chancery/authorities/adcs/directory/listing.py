"""Reads the CAs and templates of a forest (MS-WCCE section 2.2.2.11, MS-CRTD section 2)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from chancery.authorities.adcs.directory import descriptor
from chancery.authorities.adcs.directory.descriptor import ENROLL, Descriptor, Unreadable
from chancery.protocols.ldap.client import Session
from chancery.protocols.ldap.messages import ONE_LEVEL, SUBTREE, Entry, Question
from chancery.protocols.wstep.policies import Template
from chancery.sdk.errors import NotFound

_SERVICES, _TEMPLATES, _OIDS = "CN=Enrollment Services", "CN=Certificate Templates", "CN=OID"
_OF_CA = ("cn", "dNSHostName", "certificateTemplates", "nTSecurityDescriptor")
_OF_TEMPLATE = (
    "cn", "displayName", "flags", "revision", "pKIExtendedKeyUsage", "pKIExpirationPeriod", "pKIOverlapPeriod",
    "msPKI-Cert-Template-OID", "msPKI-Template-Schema-Version", "msPKI-Template-Minor-Revision", "msPKI-RA-Signature",
    "msPKI-Certificate-Name-Flag", "msPKI-Enrollment-Flag", "msPKI-Private-Key-Flag", "msPKI-Minimal-Key-Size",
    "msPKI-Certificate-Application-Policy", "msPKI-Certificate-Policy", "nTSecurityDescriptor",
)  # fmt: skip
_LONGEST = timedelta(days=36_500)
_ALWAYS = frozenset({"S-1-1-0", "S-1-5-11"})
"""What everybody who has logged in is."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A template of the forest. `security` None: the account may not read who has rights on it.

    `groups` says whether an issuance policy of it is linked to a group of the domain.
    """

    template: Template
    label: str
    security: Descriptor | None
    groups: bool = False

    @property
    def hidden_rights(self) -> bool:
        """Say whether nobody told who may enrol from it."""
        return self.security is None


@dataclass(frozen=True, slots=True)
class Forest:
    """The templates that one CA publishes, in its order, and the names of all CAs; `security` is that of this CA's object."""

    published: tuple[Listed, ...]
    cas: tuple[str, ...]
    security: Descriptor | None
    absent: tuple[str, ...] = ()
    """Names that the CA publishes and no template has, or none that the account may see."""

    def template(self, name: str) -> Listed | None:
        """Return the published template of this short name or OID."""
        wanted = name.casefold()
        return next((t for t in self.published if wanted in {t.template.name.casefold(), t.template.oid}), None)


def read(sessions: Callable[[], AbstractContextManager[Session]], ca: str) -> Forest:
    """Return what the directory has of a CA; raises `NotFound` where it has no such CA, and the errors of a session."""
    with sessions() as session:
        root = session.root()
        base = f"CN=Public Key Services,CN=Services,{root.text('configurationNamingContext')}"
        mine = _sids(root)
        services = _below(session, f"{_SERVICES},{base}", "pKIEnrollmentService", _OF_CA)
        templates = _below(session, f"{_TEMPLATES},{base}", "pKICertificateTemplate", _OF_TEMPLATE)
        linked = _linked(session, f"{_OIDS},{base}")
    found = next((one for one in services if one.text("cn").casefold() == ca.casefold()), None)
    names = tuple(one.text("cn") for one in services)
    if found is None:
        raise NotFound(
            f"The directory has no CA of the name {ca}.",
            code="unknown_ca",
            text=", ".join(names),
            stage="response",
            bytes_sent=False,
            remedy="Enter the CA's name as the directory has it; a Standalone CA may not be in it at all.",
        )
    known = {one.text("cn").casefold(): _listed(one, mine, linked) for one in templates}
    wanted = found.texts("certificateTemplates")
    here = tuple(known[name.casefold()] for name in wanted if name.casefold() in known)
    absent = tuple(name for name in wanted if name.casefold() not in known)
    return Forest(here, names, _security(found), absent)


def _below(session: Session, base: str, kind: str, attributes: tuple[str, ...]) -> list[Entry]:
    return session.search(Question(base, ONE_LEVEL, ("objectClass", kind), attributes, descriptors=True))


def _linked(session: Session, base: str) -> frozenset[str]:
    """Return the issuance policies that make whoever has them a member of a group (ESC13)."""
    asked = Question(base, SUBTREE, ("objectClass", "msPKI-Enterprise-Oid"), ("msPKI-Cert-Template-OID", _LINK))
    return frozenset(one.text("msPKI-Cert-Template-OID") for one in session.search(asked) if one.raw(_LINK))


_LINK = "msDS-OIDToGroupLink"


def _sids(root: Entry) -> frozenset[str]:
    """Return all that the account is, by the directory's own word."""
    return _ALWAYS | {descriptor.sid_of(raw) for raw in root.all("tokenGroups") if len(raw) >= 8}


def _security(entry: Entry) -> Descriptor | None:
    try:
        raw = entry.raw("nTSecurityDescriptor")
        return descriptor.read(raw) if raw else None
    except Unreadable:
        return None


def _listed(entry: Entry, mine: frozenset[str], linked: frozenset[str]) -> Listed:
    security = _security(entry)
    name = entry.text("cn")
    usages = dict.fromkeys((*entry.texts("msPKI-Certificate-Application-Policy"), *entry.texts("pKIExtendedKeyUsage")))
    template = Template(
        name=name,
        oid=entry.text("msPKI-Cert-Template-OID"),
        schema=entry.number("msPKI-Template-Schema-Version") or 1,
        # Where nobody tells, the CA decides when it is asked.
        may_enroll=security is None or security.lets(mine, ENROLL),
        may_auto_enroll=security is not None and security.lets(mine, descriptor.AUTO_ENROLL),
        validity=_span(entry.raw("pKIExpirationPeriod")),
        renewal=_span(entry.raw("pKIOverlapPeriod")),
        minimal_key=entry.number("msPKI-Minimal-Key-Size"),
        key_algorithm="",
        signatures=entry.number("msPKI-RA-Signature"),
        subject_flags=entry.number("msPKI-Certificate-Name-Flag"),
        general_flags=entry.number("flags"),
        key_flags=entry.number("msPKI-Private-Key-Flag"),
        enrollment_flags=entry.number("msPKI-Enrollment-Flag"),
        usages=tuple(usages),
        revision=(entry.number("revision"), entry.number("msPKI-Template-Minor-Revision")),
    )
    policies = entry.texts("msPKI-Certificate-Policy")
    return Listed(template, entry.text("displayName") or name, security, any(one in linked for one in policies))


def _span(raw: bytes) -> timedelta:
    """Return a period, kept as a negative number of 100 ns in eight bytes, little-endian."""
    ticks = -int.from_bytes(raw[:8], "little", signed=True) if len(raw) == 8 else 0
    return min(timedelta(microseconds=max(0, ticks) // 10), _LONGEST)
