"""What the account may order, and for how long at most (B2, B9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from chancery.authorities.digicert.simulator.refusal import missing

PUBLIC_CAPS: tuple[tuple[date, int], ...] = (
    (date(2029, 3, 15), 46),
    (date(2027, 3, 15), 99),
    (date(2026, 2, 24), 199),
    (date.min, 397),
)
"""(from, days): DigiCert's practice for public TLS, one day below the CA/B Forum's 47, 100, 200 and 398; the two in
the future are expected, not announced."""
ORDER_YEARS = (1, 2, 3)
PRIVATE_DAYS = 1096


@dataclass(frozen=True)
class Product:
    """One product. `single` takes one name (and gives base or www free); `validation` is dv, ov, ev or private."""

    group_name: str
    name_id: str
    name: str
    type: str
    validation: str
    single: bool = False
    wildcards: bool = True

    @property
    def dv(self) -> bool:
        """Return whether only the domain is validated."""
        return self.validation == "dv"

    def cap(self, day: date) -> int:
        """Return the longest validity of a certificate, in days, that is issued on `day`."""
        if self.validation == "private":
            return PRIVATE_DAYS
        return next(days for begun, days in PUBLIC_CAPS if day >= begun)

    def row(self) -> dict[str, Any]:
        """Return the product as the list of products shows it."""
        return {n: getattr(self, n) for n in ("group_name", "name_id", "name", "type")}

    def detail(self) -> dict[str, Any]:
        """Return the product's limits. Validities are in years, as the documents have them."""
        hashes = [{"id": name, "name": name.upper()} for name in ("sha256", "sha384", "sha512")]
        return self.row() | {
            "allowed_validity_years": [1],
            "allowed_order_validity_years": list(ORDER_YEARS),
            "custom_expiration_date_allowed": True,
            "custom_order_expiration_date_allowed": True,
            "signature_hash_types": {"allowed_hash_types": hashes, "default_hash_type_id": "sha256"},
            "additional_dns_names_allowed": not self.single,
            "csr_required": True,
            "duplicates_allowed": True,
            "server_platforms": [{"id": 2, "name": "Apache"}, {"id": 45, "name": "nginx"}, {"id": -1, "name": "OTHER"}],
            "ca_certs": [],
        }


PRODUCTS: tuple[Product, ...] = (
    Product("ssl_certificate", "ssl_basic", "Basic OV", "ssl_certificate", "ov"),
    Product("ssl_certificate", "ssl_ev_basic", "Basic EV", "ssl_certificate", "ev", wildcards=False),
    Product("ssl_certificate", "ssl_securesite_flex", "Secure Site OV", "ssl_certificate", "ov"),
    Product("ssl_certificate", "ssl_plus", "Standard SSL", "ssl_certificate", "ov", single=True, wildcards=False),
    Product("ssl_certificate", "ssl_multi_domain", "Multi-Domain SSL", "ssl_certificate", "ov", wildcards=False),
    Product("ssl_certificate", "ssl_dv_geotrust_flex", "GeoTrust DV", "ssl_certificate", "dv"),
    Product("private_ssl_certificate", "private_ssl_plus", "Private SSL", "ssl_certificate", "private"),
    Product(
        "private_ssl_certificate", "private_ssl_multi_domain", "Private Multi-Domain SSL", "ssl_certificate", "private"
    ),
)


def product_of(ident: str) -> Product:
    """Return a product of the account; raises the 404 for any other."""
    found = next((p for p in PRODUCTS if p.name_id == ident), None)
    if found is None:
        raise missing("product", "The specified product could not be found.")
    return found
