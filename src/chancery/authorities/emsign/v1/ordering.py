"""What an order says to V1: every scalar a string, also numbers and flags."""

from __future__ import annotations

from typing import Any

from chancery.authorities.emsign.config import EmSignConfig
from chancery.authorities.emsign.names import is_private, names_of
from chancery.authorities.emsign.wire import csr_text, tag_of
from chancery.sdk.authority import Request

DCV = {"dns-txt": "1", "http-url": "2", "email": "3"}


def method_of(variant: str) -> str:
    """Return the method that orders a variant."""
    return "GenerateOrderPrivatePKI" if is_private(variant) else "GenerateOrderSSL"


def order_body(config: EmSignConfig, request: Request) -> dict[str, Any]:
    """Return `orderDetails`; raises `RejectedByPolicy` for names that the product does not take."""
    settings: Any = request.settings
    details: dict[str, Any] = {
        "productCode": settings.product_code,
        "saveAndHold": "1" if settings.draft else "0",
        "emailNotifications": "1" if config.mail == "all" else "0",
        "requestorInformation": _requestor(config),
        # Without a word on it the CA renews by itself.
        "subscriptionDetails": {"validity": str(settings.years), "autoRenew": "0", "renewCriteria": "30"},
        "certificateInformation": _names(request),
        "csr": csr_text(request),
        "technicalPointOfContact": _contact(config),
        "additionalInformation": {"remarks": f"Ordered by Chancery, {request.reference}", "tags": [tag_of(request)]},
    }
    if config.accounting_model:
        details["accountingModel"] = config.accounting_model
    if config.group_number:
        # The specification has it beside the other fields, a client in use inside the delegation's.
        details |= {"groupNumber": config.group_number, "delegationInformation": {"groupNumber": config.group_number}}
    if not is_private(settings.variant):
        details |= _public(config, settings)
    return {"orderDetails": details}


def agreement(config: EmSignConfig) -> dict[str, str]:
    """Return the signed subscriber agreement."""
    return {
        "acceptAgreement": "1",
        "signerName": config.signer,
        "signerPlace": config.signer_place,
        "signerIP": config.signer_ip,
    }


def _public(config: EmSignConfig, settings: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"organizationDetails": {"preVetting": "0", "organizationNumber": ""}}
    if settings.organization_number:
        token = {"prevettingToken": config.consent_token.reveal()} if config.consent_token else {}
        number = settings.organization_number
        found["organizationDetails"] = {"preVetting": "1", "organizationNumber": number, **token}
    if config.accept_agreement:
        found["agreementDetails"] = agreement(config)
    return found


def _names(request: Request) -> dict[str, Any]:
    settings: Any = request.settings
    names = names_of(request, settings.variant)
    if is_private(settings.variant):
        organization = {"organizationName": settings.organization_number} if settings.organization_number else {}
        return {"domainName": names.domain, "dnsType": "1", "additionalDomains": list(names.more), **organization}
    more = {"additionalDomains": list(names.more)} if "ucc" in settings.variant else {}
    return {"domainName": names.domain, "autoSecureWWW": "1" if names.www else "0", **more}


def _requestor(config: EmSignConfig) -> dict[str, str]:
    return {
        "requestorName": config.requestor_name,
        "requestorIsdCode": config.requestor_isd,
        "requestorMobileNumber": config.requestor_phone,
        "requestorEmail": config.requestor_email,
        "requestorDesignation": config.requestor_designation,
    }


def _contact(config: EmSignConfig) -> dict[str, str]:
    return {
        "tpcName": config.technical_name or config.requestor_name,
        "tpcEmail": config.technical_email or config.requestor_email,
        "tpcIsdCode": config.requestor_isd,
        "tpcMobileNumber": config.requestor_phone,
    }
