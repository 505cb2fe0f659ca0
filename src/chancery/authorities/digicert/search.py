"""Looks for what a lost answer may have ordered (B8.4): by name and day, then by our reference, else by the request.

An absence is claimed only after everything was looked at; where that cannot be done, the search says so instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.read import day, number, rows, segment, table, word
from chancery.authorities.digicert.renewal import split_reference
from chancery.core.csr import parse
from chancery.core.errors import Invalid
from chancery.sdk.authority import Request
from chancery.sdk.errors import NotFound, OutcomeUnknown

TAG = "chancery:"
_PEM_LINES = re.compile(r"-----(BEGIN|END) (NEW )?CERTIFICATE REQUEST-----")
PAGE = 1000
MOST_PAGES, MOST_LOOKS = 20, 40
"""Together less than the rate lets through in one go: a search that is throttled half-way starts over."""
_ALL = {"show_archived": "true"}
_ZONES = timedelta(days=1)
"""Days in filters may be Mountain time, and `>` may leave the day out: one day more is looked at."""


class Search:
    """One search for one request."""

    def __init__(self, client: Client, request: Request, since: datetime, *, has_field: bool) -> None:
        self._client, self._request, self._has_field = client, request, has_field
        self._since = since - _ZONES
        self._tag = f"{TAG}{request.reference}"
        self._looks = 0
        self.seen = 0

    def order(self) -> tuple[str, dict[str, Any]] | None:
        """Return number and info of our order; None where DigiCert has none."""
        previous, _ = split_reference(self._request.previous)
        found = self._reissue_of(previous) if previous else None
        if found is not None:
            return found
        for row in self._rows():
            ident = number(row.get("id"))
            judged = self._judge(row)
            if ident in {"", previous} or judged is False:
                continue
            info = self._look(ident)
            if self._is_ours(info):
                return ident, info
        return None

    def _rows(self) -> Iterator[dict[str, Any]]:
        known: set[str] = set()
        offset = 0
        for _ in range(MOST_PAGES):
            answer = self._client.get("order/certificate", self._params(offset))
            found = rows(answer.get("orders"))
            fresh = [row for row in found if number(row.get("id")) not in known]
            known |= {number(row.get("id")) for row in fresh}
            self.seen += len(fresh)
            yield from fresh
            offset += len(found)
            # The total was seen too small, and pages smaller than asked for: only together do they mean the end.
            total = int(number(table(answer.get("page")).get("total")) or 0)
            if not found or (offset >= total and len(found) < PAGE):
                return
            if not fresh:
                raise self._too_much("it gives the same page again and again")
        raise self._too_much("there are too many orders with that name")

    def _params(self, offset: int) -> list[tuple[str, str]]:
        return [
            ("filters[common_name]", self._request.common_name),
            ("filters[date_created]", f">{self._since:%Y-%m-%d}"),
            ("sort", "-date_created"),
            ("limit", str(PAGE)),
            ("offset", str(offset)),
        ]

    def _judge(self, row: dict[str, Any]) -> bool | None:
        """Return whether a row is ours by its custom fields; None where they do not say."""
        values = [word(f.get("value"), 300) for f in rows(row.get("custom_fields"))]
        if self._tag in values:
            return True
        others = any(v.startswith(TAG) for v in values)
        return False if others or (values and self._has_field) else None

    def _is_ours(self, info: dict[str, Any]) -> bool:
        judged = self._judge(info)
        if judged is not None:
            return judged
        comments = [word(r.get("comments"), 500) for r in rows(info.get("requests"))]
        if any(self._tag in c for c in comments):
            return True
        if any(TAG in c for c in comments):
            return False
        return same_key(table(info.get("certificate")).get("csr"), self._request)

    def _look(self, ident: str) -> dict[str, Any]:
        self._looks += 1
        if self._looks > MOST_LOOKS:
            raise self._too_much("too many orders with that name carry no reference")
        return self._client.get(f"order/certificate/{segment(ident)}")

    def _reissue_of(self, order: str) -> tuple[str, dict[str, Any]] | None:
        try:
            info = self._client.get(f"order/certificate/{order}")
        except NotFound:
            return None
        if certificate_of(self._client, order, info, self._request, self._since):
            return order, info
        if word(info.get("status")).lower() != "reissue_pending":
            if self._has_open_duplicate(order, info):
                raise _hidden("duplicate", order)
            return None
        if same_key(table(info.get("certificate")).get("csr"), self._request):
            return order, info
        raise _hidden("reissue", order)

    def _has_open_duplicate(self, order: str, info: dict[str, Any]) -> bool:
        """Say whether more duplicates were asked for since then than there are: an open one shows in its request alone."""
        asked = [r for r in rows(info.get("requests")) if word(r.get("type")) == "duplicate"]
        asked = [r for r in asked if word(r.get("status")).lower() != "rejected" and self._is_new(r.get("date"))]
        if not asked:
            return False
        found = rows(self._client.get(f"order/certificate/{order}/duplicate", _ALL).get("certificates"))
        return len(asked) > sum(self._is_new(_made(c)) for c in found)

    def _is_new(self, day_of: Any) -> bool:
        made = day(day_of)
        return made is None or made >= self._since.date()

    def _too_much(self, why: str) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"DigiCert's search cannot be read to its end: {why}.",
            code="search",
            remedy="Look for the order at DigiCert and enter its number, or give up the order here.",
        )


def _hidden(what: str, order: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"A {what} of order {order} is under way at DigiCert, and DigiCert does not show for which key.",
        code=f"{what}_pending",
        remedy="Approve or cancel it at DigiCert; it is looked at again.",
    )


def certificate_of(client: Client, order: str, info: dict[str, Any], request: Request, since: datetime | None) -> str:
    """Return the number of the order's certificate for this request: the primary one, a reissue or a duplicate; or ''.

    With `since`, what is older, or is the certificate that this request renews, is not it.
    """
    primary = table(info.get("certificate"))
    if number(primary.get("id")) and _fits(primary, request, since):
        return number(primary.get("id"))
    for kind in ("reissue", "duplicate"):
        try:
            found = client.get(f"order/certificate/{segment(order)}/{kind}", _ALL)
        except NotFound:
            continue
        ours = [c for c in rows(found.get("certificates")) if number(c.get("id")) and _fits(c, request, since)]
        if ours:
            return max((number(c.get("id")) for c in ours), key=int)
    return ""


def _made(certificate: dict[str, Any]) -> Any:
    return certificate.get("date_created") or certificate.get("date_issued") or certificate.get("valid_from")


def _fits(certificate: dict[str, Any], request: Request, since: datetime | None) -> bool:
    _, old = split_reference(request.previous)
    if old and number(certificate.get("id")) == old:
        return False
    made = day(_made(certificate))
    if since is not None and (made is None or made < since.date()):
        return False
    return same_key(certificate.get("csr"), request)


def same_key(text: Any, request: Request) -> bool:
    """Say whether a request in PEM is for the same public key."""
    return spki_of(text) == request.spki_sha256


def spki_of(text: Any) -> str:
    """Return the SHA-256 of the public key of a request in PEM; '' where it cannot be read."""
    if not isinstance(text, str):
        return ""
    # Orders show the request as their client sent it: some send PEM without line ends, or bare base64.
    bare = "".join(_PEM_LINES.sub("", text).split())
    whole = f"-----BEGIN CERTIFICATE REQUEST-----\n{bare}\n-----END CERTIFICATE REQUEST-----\n"
    try:
        return parse(whole).key.spki_sha256
    except Invalid:
        return ""
