"""What Active Directory has of the simulated CAs (reference, section A4; MS-CRTD section 2; MS-WCCE section 2.2.2.11)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.protocols.ldap.simulator import Kept

_FOREST = "DC=example,DC=test"
_CONFIGURATION = f"CN=Configuration,{_FOREST}"
_BASE = f"CN=Public Key Services,CN=Services,{_CONFIGURATION}"
_DOMAIN = (21, 1004336348, 1177238915, 682003330)
_USERS, _ADMINS, _ENTERPRISE = 513, 512, 519
_ACCOUNTS = {"svc-chancery": 1105, "ca-admin": 1106}
_READ, _FULL, _CONTROL_ACCESS, _WRITE = 0x2_0094, 0xF_01FF, 0x100, 0x2_00BC | 0x4_0000
_ENROLL = UUID("0e10c968-78fb-11d2-90d4-00c04f79dc55")
_AUTHENTICATED = (11,)
_PKINIT_GROUP = "1.3.6.1.4.1.311.21.8.1174692.16553431.7109785.10462799.12101391.197.900"


@dataclass(frozen=True)
class Shown:
    """A template as the directory shows it. `accounts` may enrol; '*' is every user of the domain."""

    name: str
    oid: str
    label: str
    days: int
    accounts: frozenset[str]
    supplies: bool
    pends: bool
    minimal_key: int
    signatures: int
    archives: bool
    usages: tuple[str, ...]
    flags: int = 0x2_0241
    enrollment: int = 0
    writers: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()


DANGEROUS = (
    Shown(
        "AnyPurpose", f"{_PKINIT_GROUP}.1", "Any purpose", 365, frozenset("*"), supplies=False, pends=False, minimal_key=2048,
        signatures=0, archives=False, usages=("2.5.29.37.0",),
    ),
    Shown(
        "AgentForAll", f"{_PKINIT_GROUP}.2", "Agent for all", 365, frozenset("*"), supplies=False, pends=False, minimal_key=2048,
        signatures=0, archives=False, usages=("1.3.6.1.4.1.311.20.2.1",),
    ),
    Shown(
        "ChangedByAll", f"{_PKINIT_GROUP}.3", "Changed by all", 365, frozenset({"ca-admin"}), supplies=False, pends=False,
        minimal_key=2048, signatures=0, archives=False, usages=("1.3.6.1.5.5.7.3.1",), writers=("*",),
    ),
    Shown(
        "WithoutSid", f"{_PKINIT_GROUP}.4", "Without SID", 365, frozenset({"ca-admin"}), supplies=False, pends=False,
        minimal_key=2048, signatures=0, archives=False, usages=("1.3.6.1.5.5.7.3.2",), enrollment=0x8_0000,
    ),
    Shown(
        "GroupByPolicy", f"{_PKINIT_GROUP}.5", "Group by policy", 365, frozenset({"ca-admin"}), supplies=False, pends=False,
        minimal_key=2048, signatures=0, archives=False, usages=("1.3.6.1.5.5.7.3.1",), policies=(_PKINIT_GROUP,),
    ),
    Shown(
        "SubCA", "", "Subordinate Certification Authority", 1825, frozenset({"ca-admin"}), supplies=True, pends=False,
        minimal_key=2048, signatures=0, archives=False, usages=(), flags=0x2_02D1,
    ),
)  # fmt: skip
"""Templates that a careless forest has beside those that a CA of this sandbox issues from."""


@dataclass(frozen=True)
class Ca:
    """A CA as the directory shows it: name, host, certificate, the names that it publishes."""

    name: str
    host: str
    certificate: x509.Certificate
    published: tuple[str, ...]


def root(account: str) -> Kept:
    """Return what the directory says of itself to somebody who has logged in (rootDSE)."""
    user = account.rpartition("\\")[2].casefold()
    own = [_sid(*_DOMAIN, _ACCOUNTS[user])] if user in _ACCOUNTS else []
    return Kept(
        "",
        {
            "configurationNamingContext": [_CONFIGURATION],
            "defaultNamingContext": [_FOREST],
            "dnsHostName": ["dc1.example.test"],
            "tokenGroups": [*own, _sid(*_DOMAIN, _USERS), _sid(*_AUTHENTICATED), _sid(32, 545)],
        },
    )


def entries(cas: Iterable[Ca], templates: Iterable[Shown]) -> list[Kept]:
    """Return all entries below the configuration that have to do with certificates."""
    containers = ("Enrollment Services", "Certificate Templates", "OID")
    found = [Kept(_BASE, {"objectClass": ["container"], "cn": ["Public Key Services"]})]
    found += [Kept(f"CN={name},{_BASE}", {"objectClass": ["container"], "cn": [name]}) for name in containers]
    found += [_service(ca) for ca in cas]
    found += [_template(one) for one in templates]
    policy = {
        "objectClass": ["top", "msPKI-Enterprise-Oid"],
        "msPKI-Cert-Template-OID": [_PKINIT_GROUP],
        "msDS-OIDToGroupLink": [f"CN=Operators,{_FOREST}"],
    }
    return [*found, Kept(f"CN=900.4711,CN=OID,{_BASE}", policy)]


def _service(ca: Ca) -> Kept:
    return Kept(
        f"CN={ca.name},CN=Enrollment Services,{_BASE}",
        {
            "objectClass": ["top", "pKIEnrollmentService"],
            "cn": [ca.name],
            "dNSHostName": [ca.host],
            "certificateTemplates": list(ca.published),
            "cACertificate": [ca.certificate.public_bytes(Encoding.DER)],
            "nTSecurityDescriptor": [_descriptor((), ())],
        },
    )


def _template(one: Shown) -> Kept:
    names = 0x1 if one.supplies else 0x1800_0000
    values: dict[str, list[bytes | str]] = {
        "objectClass": ["top", "pKICertificateTemplate"],
        "cn": [one.name],
        "displayName": [one.label],
        "flags": [_signed(one.flags)],
        "revision": ["100"],
        "pKIExtendedKeyUsage": list(one.usages),
        "pKIExpirationPeriod": [_period(one.days)],
        "pKIOverlapPeriod": [_period(one.days // 10)],
        "msPKI-Template-Schema-Version": ["2" if one.oid else "1"],
        "msPKI-Template-Minor-Revision": ["3"],
        "msPKI-RA-Signature": [str(one.signatures)],
        "msPKI-Certificate-Name-Flag": [_signed(names)],
        "msPKI-Enrollment-Flag": [_signed(one.enrollment | (0x2 if one.pends else 0))],
        "msPKI-Private-Key-Flag": [_signed(0x101_0000 | (0x1 if one.archives else 0))],
        "msPKI-Minimal-Key-Size": [str(one.minimal_key)],
        "msPKI-Cert-Template-OID": [one.oid] if one.oid else [],
        "msPKI-Certificate-Application-Policy": list(one.usages) if one.oid else [],
        "msPKI-Certificate-Policy": list(one.policies),
        "nTSecurityDescriptor": [_descriptor(one.accounts, one.writers)],
    }
    return Kept(
        f"CN={one.name},CN=Certificate Templates,{_BASE}", {name: held for name, held in values.items() if held}
    )


def _signed(flags: int) -> str:
    """Return flags as a directory prints them: as signed numbers of 32 bits."""
    return str(flags - (1 << 32) if flags & 0x8000_0000 else flags)


def _period(days: int) -> bytes:
    ticks = timedelta(days=days) // timedelta(microseconds=1) * 10
    return (-ticks).to_bytes(8, "little", signed=True)


# Security descriptors (MS-DTYP section 2.4.6) ---------------------------------------------------------


def _sid(*parts: int) -> bytes:
    return struct.pack("<BB6s", 1, len(parts), (5).to_bytes(6, "big")) + struct.pack(f"<{len(parts)}I", *parts)


def _who(account: str) -> bytes:
    name = account.rpartition("\\")[2]
    return _sid(*_DOMAIN, _USERS if account == "*" else _ACCOUNTS.get(name, 9999))


def _ace(kind: int, body: bytes) -> bytes:
    return struct.pack("<BBH", kind, 0, 4 + len(body)) + body


def _descriptor(accounts: Iterable[str], writers: Iterable[str]) -> bytes:
    """Return owner, group and access list: read for everybody, all for the administrators, enrolment for those that may."""
    aces = [_ace(0, struct.pack("<I", _READ) + _sid(*_AUTHENTICATED))]
    aces += [_ace(0, struct.pack("<I", _FULL) + _sid(*_DOMAIN, group)) for group in (_ADMINS, _ENTERPRISE)]
    aces += [_ace(5, struct.pack("<II", _CONTROL_ACCESS, 1) + _ENROLL.bytes_le + _who(one)) for one in accounts]
    aces += [_ace(0, struct.pack("<I", _WRITE) + _who(one)) for one in writers]
    listed = b"".join(aces)
    dacl = struct.pack("<BBHHH", 4, 0, 8 + len(listed), len(aces), 0) + listed
    owner = group = _sid(*_DOMAIN, _ENTERPRISE)
    start = 20
    offsets = (start, start + len(owner), 0, start + len(owner) + len(group))
    return struct.pack("<BBHIIII", 1, 0, 0x8004, *offsets) + owner + group + dacl
