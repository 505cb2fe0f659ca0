"""What an order says to V2. `autoRenew` and `autoSecureWww` are always said: their defaults are yes."""

from __future__ import annotations

from typing import Any

from chancery.authorities.emsign.config import EmSignConfig
from chancery.authorities.emsign.names import is_private, names_of
from chancery.authorities.emsign.wire import csr_text, tag_of
from chancery.sdk.authority import Request


def family_of(variant: str) -> str:
    """Return the part of the path that a variant's orders belong to."""
    return "private-pki-certificates" if is_private(variant) else "ssl-certificates"


def order_headers(request: Request) -> dict[str, str]:
    """Return the headers of an order; the key is read by the CA, and not yet enforced."""
    settings: Any = request.settings
    code = {"X-Product-Code": settings.product_code} if settings.product_code else {}
    return {"Idempotency-Key": request.reference, **code}


def order_body(config: EmSignConfig, request: Request) -> dict[str, Any]:
    """Return the JSON of an order; raises `RejectedByPolicy` for names that the product does not take."""
    settings: Any = request.settings
    body: dict[str, Any] = {
        **_names(request),
        "emailNotifications": "all" if config.mail == "all" else "0",
        "saveAsDraft": settings.draft,
        "requestor": _person(config.requestor_name, config.requestor_email, config),
        "subscription": {"validityYears": settings.years, "autoRenew": False},
        "csr": csr_text(request),
        "technicalPointOfContact": _person(
            config.technical_name or config.requestor_name, config.technical_email or config.requestor_email, config
        ),
        "tags": [tag_of(request)],
        "remarks": f"Ordered by Chancery, {request.reference}",
    }
    if config.group_number:
        body["groupNumber"] = config.group_number
    if not is_private(settings.variant):
        body |= _public(config, settings)
    return body


def agreement(config: EmSignConfig) -> dict[str, Any]:
    """Return the signed subscriber agreement."""
    address = {"signerIp": config.signer_ip} if config.signer_ip else {}
    return {"signerName": config.signer, "signerPlace": config.signer_place, **address, "accepted": True}


def reissue_body(request: Request) -> dict[str, Any]:
    """Return the JSON of a reissue with a new key. What went before stays valid, and that is said, too."""
    return {
        "mode": "rekey",
        "csr": request.csr_pem,
        "reason": f"Renewal in Chancery, {request.reference}",
        "revokePrevious": False,
        "revokeAllPriorReissues": False,
    }


def _names(request: Request) -> dict[str, Any]:
    settings: Any = request.settings
    names = names_of(request, settings.variant)
    if is_private(settings.variant):
        more = {"additionalHosts": list(names.more)} if names.more else {}
        return {"variant": settings.variant, "hostname": names.domain, **more}
    asked: dict[str, Any] = {"domain": names.domain, "autoSecureWww": names.www}
    if "ucc" in settings.variant and names.more:
        asked["additionalDomains"] = list(names.more)
    return {"productVariant": settings.variant, "certificate": asked}


def _public(config: EmSignConfig, settings: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"agreement": agreement(config)} if config.accept_agreement else {}
    if settings.organization_number:
        token = {"preVettingToken": config.consent_token.reveal()} if config.consent_token else {}
        found["organization"] = {"organizationNumber": settings.organization_number, "preVetted": True, **token}
    return found


def _person(name: str, email: str, config: EmSignConfig) -> dict[str, str]:
    found = {"name": name, "email": email}
    if config.requestor_isd and config.requestor_phone:
        found["phone"] = f"+{config.requestor_isd}{config.requestor_phone}"
    if config.requestor_designation:
        found["designation"] = config.requestor_designation
    return found
