"""Whether a certificate is renewed by a reissue of its order, inside the subscription that is paid."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from chancery.authorities.emsign.names import is_private, names_of
from chancery.authorities.emsign.progress import split_reference
from chancery.authorities.emsign.read import moment, table, texts, word
from chancery.authorities.emsign.v2.session import Session
from chancery.sdk.authority import Request
from chancery.sdk.errors import NotFound, RejectedByPolicy, ValidationFailed

_DAY = timedelta(days=1)


def reissues(session: Session, request: Request, now: datetime) -> str:
    """Return the number of the order to be reissued for this request; '' where a new order is to be placed.

    Reads the old order and changes nothing. An order that is not known any more, or is revoked, ended, of another
    product, for other names or nearly over is left alone. A reissue never revokes what went before.
    """
    settings: Any = request.settings
    order = split_reference(request.previous)[0]
    if not order or settings.renewal == "new" or is_private(settings.variant) or settings.draft:
        return ""
    try:
        detail = session.get(f"ssl-certificates/{order}")
    except (NotFound, RejectedByPolicy, ValidationFailed):
        return ""
    if word(detail.get("status")).lower() != "issued" or word(detail.get("productVariant")) != settings.variant:
        return ""
    names = names_of(request, settings.variant)
    old = {word(detail.get("domain"), 255).lower(), *(t.lower() for t in texts(detail.get("additionalDomains")) or ())}
    # A reissue with a new key keeps the order's names, so they have to be these, to the last one.
    if old != {names.domain, *names.more}:
        return ""
    until = moment(table(detail.get("subscription")).get("endDate"))
    return order if until is not None and until >= now + request.validity - _DAY else ""
