"""What the account may order: the sandbox's codes, by their type (V1 GetProductDetails, V2 catalogue)."""

from __future__ import annotations

from dataclasses import dataclass

SSL, PRIVATE = "3", "8"


@dataclass(frozen=True)
class Product:
    """One product: catalogue code, V2 variant, type id, category and price."""

    code: str
    variant: str
    name: str
    type_id: str
    category: str = SSL
    price: str = "100.0"

    @property
    def public(self) -> bool:
        """Say whether it is publicly trusted TLS, with domain control and an agreement."""
        return self.category == SSL

    @property
    def multi(self) -> bool:
        """Say whether further names may be ordered."""
        return not self.public or self.variant.endswith("ucc")

    @property
    def wildcard(self) -> bool:
        """Say whether wildcard names may be ordered."""
        return not self.public or "wildcard" in self.variant

    @property
    def organization(self) -> bool:
        """Say whether an organisation is needed."""
        return self.variant.startswith(("ov", "ev"))


PRODUCTS = (
    Product("842", "dv", "emSign DV SSL Certificate - 1 Year", "13"),
    Product("843", "dv-wildcard", "emSign DV SSL Wildcard - 1 Year", "14"),
    Product("844", "dv-ucc", "emSign DV SSL UCC - 1 Year", "15"),
    Product("845", "dv-wildcard-ucc", "emSign DV SSL Wildcard UCC - 1 Year", "21"),
    Product("846", "ov", "emSign OV SSL Certificate - 1 Year", "16"),
    Product("847", "ov-wildcard", "emSign OV SSL Wildcard - 1 Year", "17"),
    Product("848", "ov-ucc", "emSign OV SSL UCC - 1 Year", "18"),
    Product("849", "ov-wildcard-ucc", "emSign OV SSL Wildcard UCC - 1 Year", "22"),
    Product("850", "ev", "emSign EV SSL Certificate - 1 Year", "19"),
    Product("851", "ev-ucc", "emSign EV SSL UCC - 1 Year", "20"),
    Product("104", "intranet-ssl", "Private PKI Intranet SSL", "39", PRIVATE, "10.0"),
    Product("108", "igtf-host", "Private PKI IGTF Host", "39", PRIVATE, "10.0"),
    Product("149", "intranet-ssl", "Private PKI Intranet SSL by Draft", "39", PRIVATE, "10.0"),
)
DRAFT_ONLY = "149"
"""What V1 was seen to refuse without a reason whenever it was ordered directly, and to take as a draft."""
CATEGORIES = {SSL: "SSL/TLS Certificates", PRIVATE: "Private PKI Products"}


def by_code(code: str) -> Product | None:
    """Return the product of a catalogue code."""
    return next((p for p in PRODUCTS if p.code == code), None)


def by_variant(variant: str) -> Product | None:
    """Return the product of a V2 variant."""
    return next((p for p in PRODUCTS if p.variant == variant), None)
