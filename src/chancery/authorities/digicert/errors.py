"""CertCentral's refusals as instructions to the engine (B1.1), with a remedy for each that has one."""

from __future__ import annotations

import re
from typing import Any

from chancery.authorities.digicert.read import rows, word
from chancery.net.redact import scrub
from chancery.sdk.errors import (
    AuthFailed,
    AuthorityError,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    QuotaExhausted,
    RejectedByPolicy,
    Unreachable,
    ValidationFailed,
)
from chancery.sdk.http import Answer

_WAITS_FOR_DNS = {"caa_check_failed", "caa_not_found", "invalid_dns_txt", "file_random_value_not_found"}
_TOO_LONG = (
    "Order fewer days. Public TLS certificates: 199 days at most since 24 February 2026, 99 expected from 15 March 2027, "
    "46 from 15 March 2029. In a subscription the order may last no longer: set 'Days of the order' to 0."
)
_REMEDIES = {
    "csr_invalid": "Make a new request: DigiCert takes RSA keys of 2048 bits or more, P-256 and P-384.",
    "cert_validity_exceeds_order_validity": "Raise 'Days of the order' in the profile, or order fewer days.",
    "invalid_custom_field_value": "Check the connector's custom field, and whether the account requires another one.",
    "ambiguous_product": "Choose a product from the account's list in the profile.",
    "bad_request_format": "Report this: what Chancery sent was not what DigiCert expects.",
}
_FIELDS = {
    "days": _TOO_LONG,
    "years": _TOO_LONG,
    "validity_years": _TOO_LONG,
    "validity_days": _TOO_LONG,
    "organization": "Choose an active organisation in the profile.",
    "container": "Correct the connector's division.",
    "signature_hash": "Choose another signature hash in the profile.",
    "dcv_method": "Choose another way of domain validation in the profile.",
    "ca_cert_id": "Correct the intermediate CA in the profile, or leave it empty.",
    "common_name": "DigiCert does not certify this name for the account; check the product and the name.",
    "dns_names": "DigiCert does not certify one of the names with this product; check the product and the names.",
}
_ON_THE_WAY = frozenset({405, 406, 407, 408, 410, 411, 412, 415, 417, 421, 423, 424, 425, 426, 428, 431, 451})
"""About the connection, a proxy, our headers or the moment (RFC 9110, 4918, 6585, 7725, 8470): no word on what was asked for."""
_OF_KEY = re.compile(r"invalid_(api_)?key|api_key")
_CHOSEN = frozenset({"product", *_FIELDS})
"""What an order asks for: that it is not allowed says nothing about other orders."""
_DIVISION = "Often the order belongs to another division, or the product id is not the account's."
_ROUTE = "Check that the base URL ends in /services/v2 and is that of CertCentral's API."


def is_page(answer: Answer) -> bool:
    """Say whether the body is something, but no JSON: a page of the CDN or of a maintenance window."""
    if not answer.body.strip():
        return False
    try:
        answer.json()
    except ProtocolViolation:
        return True
    return False


def error_of(answer: Answer, effect: bool) -> AuthorityError:  # noqa: FBT001  one call site, by name
    """Return the error for an answer that is none of success; 429 is the caller's, who knows how long to wait."""
    if answer.status >= 500 or answer.status in _ON_THE_WAY or (is_page(answer) and answer.status >= 400):
        return away(answer, effect=effect)
    code, message = said(answer)
    if answer.status in {401, 403}:
        return _denied(answer, code, message, effect=effect)
    if effect and answer.status >= 400 and answer.status != 402 and not code and not message:
        # Every refusal of the API says why (B1.1): this is of something that stands before it.
        return away(answer, effect=effect)
    return _refusal(answer, code, message)


def away(answer: Answer, *, effect: bool) -> AuthorityError:
    """Return the error for an answer that is not the API's own; after a request with an effect it says nothing."""
    more: dict[str, Any] = {"code": str(answer.status), "text": answer.text, "stage": "response", "bytes_sent": effect}
    if effect:
        return OutcomeUnknown(f"DigiCert answered {answer.status}, which does not say whether it acted.", **more)
    remedy = "DigiCert may be under maintenance, or a proxy answers in its place; check the base URL if it lasts."
    return Unreachable(f"DigiCert answered {answer.status}.", remedy=remedy, **more)


def said(answer: Answer) -> tuple[str, str]:
    """Return code and message of all errors of an answer; one error may stand where a list is documented."""
    try:
        document = answer.json()
    except ProtocolViolation:
        return "", ""
    errors = rows(document.get("errors")) if isinstance(document, dict) else []
    if not errors:
        return "", ""
    texts = [scrub(word(e.get("message"), 500), answer.secrets) for e in errors]
    code = scrub(word(errors[0].get("code")), answer.secrets)
    return code, " ".join(t for t in texts if t)[:1000]


def family_of(code: str) -> str:
    """Return the part of a code before the vertical bar or colon."""
    return re.split(r"[|:]", code, maxsplit=1)[0]


def _refusal(answer: Answer, code: str, message: str) -> AuthorityError:
    more: dict[str, Any] = {"code": code, "text": message or answer.text, "stage": "response"}
    status, family, words = answer.status, family_of(code), message or code or f"status {answer.status}"
    if 300 <= status < 400:
        return ProtocolViolation("DigiCert answered with a redirect.", remedy="Check the base URL.", **more)
    if code.startswith("not_found|route"):
        return Unreachable("DigiCert does not have this call at the base URL.", remedy=_ROUTE, **more)
    if status == 404:
        return NotFound(f"DigiCert does not know it ({code or 404}).", remedy=_DIVISION, **more)
    if status == 402 or family.startswith("insufficient"):
        return QuotaExhausted(f"The account cannot pay for it: {words}", remedy="Add funds at DigiCert.", **more)
    if family in _WAITS_FOR_DNS:
        remedy = "Correct the DNS records (CAA must allow digicert.com) and order again."
        return ValidationFailed(f"Domain validation is open: {words}", remedy=remedy, **more)
    return RejectedByPolicy(f"DigiCert refused it: {words}", remedy=_remedy(code, family), **more)


def _remedy(code: str, family: str) -> str:
    if family == "invalid_value":
        field = re.split(r"[|:]", code, maxsplit=1)[-1]
        return _FIELDS.get(field, f"Correct {field[:60]} in the profile's product settings, or the request.")
    known = next((text for start, text in _REMEDIES.items() if family.startswith(start)), "")
    return known or "Correct the profile's product settings or the request."


def _denied(answer: Answer, code: str, message: str, *, effect: bool) -> AuthorityError:
    """Return the error for 401 and 403. Only what speaks of the key is a refused login, which stops the connector."""
    more: dict[str, Any] = {"code": code, "text": message or answer.text, "stage": "response"}
    if answer.status == 401 or not code or _OF_KEY.search(code):
        remedy = "Check the key, the base URL (US or EU account) and the key's IP restriction."
        return AuthFailed(f"DigiCert refused the API key ({answer.status}).", remedy=remedy, **more)
    subject = re.split(r"[|:]", code, maxsplit=1)[-1].removeprefix("invalid_")
    if effect and subject in _CHOSEN:
        remedy = f"Correct {subject} in the profile or the connector, or have DigiCert allow it to the account."
        return RejectedByPolicy(f"DigiCert refused it: {message or code}", remedy=remedy, **more)
    remedy = "Give the key's user the right at DigiCert (a view-only key orders nothing), or use another key."
    if "missing_permission" in code or "invalid_approver" in code:
        return Forbidden("The API key lacks a right for this.", remedy=remedy, **more)
    return Forbidden(f"DigiCert does not allow it: {message or code}", remedy=remedy, **more)
