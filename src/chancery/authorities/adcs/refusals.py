"""What a refusal over SOAP or RPC means: by our table of numbers, where it knows them."""

from __future__ import annotations

from chancery.authorities.adcs.hresults import MEANINGS, error_of
from chancery.protocols.hresult import Refusal, plainly
from chancery.sdk.errors import AuthorityError

_VAGUE = frozenset({0x80070057, 0x8007000D})
"""Any part of Windows says these; of something that was no denial they tell nothing about the request."""


def explain(refusal: Refusal) -> AuthorityError:
    """Return the error for a refusal; a number that nobody knows leaves open what became of an act."""
    known = refusal.code in MEANINGS and not (refusal.code in _VAGUE and refusal.denied is False)
    if not known and not refusal.denied:
        return plainly(refusal)
    return error_of(refusal.code, refusal.text, request=str(refusal.request or ""))
