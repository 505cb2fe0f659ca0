"""EMS codes: what a refusal means and what to do about it. Both interfaces share them."""

from __future__ import annotations

import re
from typing import Any

from chancery.sdk.errors import AlreadyDone, AuthorityError, NotFound, RejectedByPolicy, ValidationFailed

_CODE = re.compile(r"EMS-(?:DOMAIN-)?[0-9]{3,4}")

ALREADY_VERIFIED, ALREADY_SIGNED, WRONG_STATE, SAME_CSR = "EMS-1080", "EMS-1082", "EMS-1165", "EMS-1099"
TOO_EARLY, GENERIC = "EMS-956", "EMS-939"
REMEDIES: dict[str, str] = {
    "EMS-915": "Choose a product from the account's catalogue in the profile.",
    "EMS-916": "Fill in the requestor's name, e-mail and telephone in the connector.",
    "EMS-917": "Check the names against the product, and the request: RSA 2048, 3072, 4096, P-256 and P-384 are taken.",
    "EMS-918": "Report this: what Chancery sent lacks something that the account asks for.",
    "EMS-919": "Choose 1, 2 or 3 years of subscription in the profile.",
    "EMS-920": "Sign the subscriber agreement: tick it in the connector and give signer and place.",
    "EMS-921": "Make a new request: RSA 2048, 3072, 4096, P-256 and P-384 are taken.",
    "EMS-922": "The request's subject must fit the order's first name.",
    "EMS-939": "emSign gives no reason. Some private products are taken as drafts alone: choose 'Save as draft' in the profile.",
    "EMS-940": "Make a new request with another key.",
    "EMS-1063": "Order fewer names, or a product for more of them.",
    "EMS-1073": "Choose an active organisation in the profile.",
    "EMS-1091": "Give the signer's public IP address in the connector; private and loopback ones are refused.",
    "EMS-1099": "Make a new request: this CSR was used before.",
    "EMS-1160": "Publish the record, and wait until DNS shows it.",
    "EMS-1161": "Correct the record: it holds another value.",
    "EMS-1162": "Choose a product from the account's catalogue in the profile.",
    "EMS-1165": "Look at the order in the portal: its state does not allow this.",
    "EMS-1180": "Choose an organisation in the profile.",
    "EMS-1269": "Choose a group that has this product, or have the product added to the group.",
    "EMS-DOMAIN-001": "Let the domain's CAA records allow emsign.com.",
}
_UNKNOWN_ORDER = {"EMS-913", "EMS-943"}
_VALIDATION = {"EMS-1160", "EMS-1161", "EMS-DOMAIN-001", "EMS-DOMAIN-103"}
_REMEDY = "Correct the profile's product settings or the request."


def code_in(*parts: str) -> str:
    """Return the first EMS code in some texts; '' where there is none."""
    return next((found[0] for text in parts if (found := _CODE.search(text))), "")


def is_telling(code: str) -> bool:
    """Say whether a code by itself tells what is wrong; EMS-939 stands for anything."""
    return code != GENERIC and code in REMEDIES.keys() | _UNKNOWN_ORDER | _VALIDATION


def refusal(code: str, words: str, more: dict[str, Any]) -> AuthorityError:
    """Return the error for the CA's own, readable no; `more` holds text, stage and whether bytes were sent."""
    if code in _UNKNOWN_ORDER:
        return NotFound(
            f"emSign does not know the order ({code}).", code=code, remedy="Check the order number.", **more
        )
    remedy = REMEDIES.get(code, _REMEDY)
    if code == SAME_CSR:
        return AlreadyDone(f"emSign has an order with this request already: {words}", code=code, remedy=remedy, **more)
    kind = ValidationFailed if code in _VALIDATION else RejectedByPolicy
    return kind(f"emSign refused it: {words}", code=code, remedy=remedy, **more)
