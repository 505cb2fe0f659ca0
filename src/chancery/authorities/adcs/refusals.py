"""What the CA's no means, whichever way it came: by our table of numbers, where it knows them."""

from __future__ import annotations

from chancery.authorities.adcs.hresults import LOOK_UP, error_of, is_known
from chancery.protocols.hresult import Refusal, is_vague, plainly
from chancery.sdk.errors import AuthorityError


def explain(refusal: Refusal) -> AuthorityError:
    """Return the error for a refusal; a number that nobody knows leaves open what became of an act."""
    known = is_known(refusal.code) and not is_vague(refusal)
    if known or refusal.denied:
        return error_of(refusal.code, refusal.text, request=str(refusal.request or ""))
    error = plainly(refusal)
    error.remedy = f"{error.remedy} {LOOK_UP}"
    return error
