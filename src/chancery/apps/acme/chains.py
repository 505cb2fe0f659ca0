"""Certificates as clients download them (RFC 8555 section 7.4.2): the chain as the CA gave it, and others there are.

Another chain is one that the same issuing key leads to by another certificate, as a cross-certified root makes it: the CA
gives some orders the one and some the other. Looked at are the latest orders through the same connector.
"""

from __future__ import annotations

import base64
from uuid import UUID

from cryptography import x509

from chancery.apps.acme.errors import malformed
from chancery.apps.acme.models import Account
from chancery.apps.certificates.models import Certificate, Chain
from chancery.apps.shared.action import current_clock
from chancery.core import pem
from chancery.core.keys import spki_sha256

_MOST, _LOOKED_AT, _KEPT = 5, 500, 60.0
"""Chains offered, certificates looked at, seconds for which what was found is remembered."""
Ders = tuple[str, ...]
_remembered: dict[tuple[UUID | None, str], tuple[float, tuple[Ders, ...]]] = {}


def download(account: Account, ident: UUID, index: int = 0) -> tuple[str, int]:
    """Return leaf and chain as PEM, and how many other chains there are; `index` 1 is the first of those."""
    rows = Certificate.objects.select_related("chain").filter(pk=ident, order__acme__acme_order__account=account)
    row = rows.first()
    if row is None:
        raise malformed("url", "This account has no such certificate.", "Look at the order for its address.", 404)
    chains = [tuple(row.chain.ders) if row.chain is not None else (), *_others(row)]
    if index >= len(chains):
        raise malformed("url", "There is no such chain.", "Ask for the certificate, and follow its links.", 404)
    return pem.chain_text([bytes(row.der), *map(base64.b64decode, chains[index])]), len(chains) - 1


def _others(row: Certificate) -> tuple[Ders, ...]:
    if row.chain is None or not row.chain.ders:
        return ()
    key, now = (row.connector_id, row.chain.sha256), current_clock().monotonic()
    until, found = _remembered.get(key, (0.0, ()))
    if until <= now:
        found = _find(row.connector_id, row.chain)
        _remembered[key] = (now + _KEPT, found)
    return found


def _find(connector: UUID | None, chain: Chain) -> tuple[Ders, ...]:
    latest = Certificate.objects.filter(connector=connector, order__isnull=False).order_by("-id")
    others = set(latest.values_list("chain", flat=True)[:_LOOKED_AT]) - {chain.sha256, None}
    wanted = _issuer(chain.ders[0])
    rows = Chain.objects.filter(pk__in=others).order_by("pk")
    return tuple(tuple(row.ders) for row in rows if row.ders and _issuer(row.ders[0]) == wanted)[:_MOST]


def _issuer(der: str) -> tuple[bytes, str]:
    found = x509.load_der_x509_certificate(base64.b64decode(der))
    return found.subject.public_bytes(), spki_sha256(found)
