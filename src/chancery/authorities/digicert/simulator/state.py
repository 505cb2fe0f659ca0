"""The account that the simulator keeps: products, organisations, orders, requests, certificates."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography import x509


@dataclass
class Certificate:
    """One certificate of an order."""

    id: int
    leaf: x509.Certificate
    chain: list[x509.Certificate]
    issued_at: datetime
    revoked: bool = False
    reason: str = ""

    @property
    def serial(self) -> str:
        """Return the serial number as CertCentral writes it: upper-case hex."""
        return f"{self.leaf.serial_number:X}"


@dataclass
class Order:
    """One order. `ready_at` is when it will be issued; None while it waits for an approval."""

    id: int
    product: dict[str, Any]
    body: dict[str, Any]
    csr: x509.CertificateSigningRequest
    created: datetime
    status: str
    reference: str
    ready_at: datetime | None = None
    request: int = 0
    certificates: list[Certificate] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Return the names that were asked for in the JSON; those inside the CSR are ignored."""
        asked = self.body["certificate"]
        return list(dict.fromkeys([asked["common_name"], *(asked.get("dns_names") or [])]))


@dataclass
class Request:
    """An approval request: type new_request or revoke."""

    id: int
    type: str
    status: str
    order: int
    certificate: int = 0
    reason: str = ""
    comments: str = ""


PRODUCTS: list[dict[str, Any]] = [
    {"group_name": "ssl", "name_id": "ssl_basic", "name": "Basic OV", "type": "ssl", "days": 199, "dv": False},
    {
        "group_name": "ssl",
        "name_id": "ssl_securesite_flex",
        "name": "Secure Site OV",
        "type": "ssl",
        "days": 199,
        "dv": False,
    },
    {
        "group_name": "ssl",
        "name_id": "ssl_dv_geotrust_flex",
        "name": "GeoTrust DV",
        "type": "ssl",
        "days": 199,
        "dv": True,
    },
    {
        "group_name": "private",
        "name_id": "private_ssl_plus",
        "name": "Private SSL",
        "type": "private",
        "days": 1095,
        "dv": False,
    },
]
ORGANIZATIONS: list[dict[str, Any]] = [
    {"id": 112233, "name": "Example Org", "status": "active", "is_active": True, "container": {"id": 14}},
]
CONTAINERS: list[dict[str, Any]] = [
    {"id": 14, "public_id": "pub14", "name": "Main", "parent_id": 0, "allowed_domain_names": []}
]
METADATA: list[dict[str, Any]] = [
    {"id": 12, "label": "CLM reference", "is_required": False, "is_active": True, "data_type": "text"},
]
