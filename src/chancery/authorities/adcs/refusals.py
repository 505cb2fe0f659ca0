"""What the CA's no means, whichever way it came: by our table of numbers, where it knows them."""

from __future__ import annotations

from chancery.authorities.adcs.hresults import LOOK_UP, error_of, is_known
from chancery.protocols.hresult import Refusal, is_over, is_vague, plainly
from chancery.sdk.errors import AuthorityError, RejectedByPolicy


def explain(refusal: Refusal) -> AuthorityError:
    """Return the error for a refusal; a number that nobody knows leaves open what became of an act."""
    known = is_known(refusal.code) and not is_vague(refusal)
    if known or refusal.denied:
        error = error_of(refusal.code, refusal.text, request=str(refusal.request or ""))
        return ended(error) if is_over(refusal) else error
    error = plainly(refusal)
    error.remedy = f"{error.remedy} {LOOK_UP}"
    return error


def ended(error: AuthorityError) -> RejectedByPolicy:
    """Return the same as the end of an order: what the CA lacked when it denied the request does not revive that request."""
    return RejectedByPolicy(
        error.message,
        code=error.code,
        text=error.text,
        stage=error.stage,
        bytes_sent=error.bytes_sent,
        remedy=f"{error.remedy} Then order again."[:1000] if error.kind != "RejectedByPolicy" else error.remedy,
    )
