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
from chancery.apps.shared.returning import joined
from chancery.core import pem
from chancery.core.keys import spki_sha256

_MOST, _LOOKED_AT, _KEPT = 5, 500, 60.0
"""Chains offered, certificates looked at, seconds for which what was found is remembered."""
_WANTED = ((Certificate, ("id", "der", "connector_id")), (Chain, ()))
_FROM = """
FROM certificates_certificate JOIN acme_placement ON acme_placement.order_id = certificates_certificate.order_id
JOIN acme_acmeorder ON acme_acmeorder.id = acme_placement.acme_order_id
LEFT JOIN certificates_chain ON certificates_chain.sha256 = certificates_certificate.chain_id
WHERE certificates_certificate.id = %s AND acme_acmeorder.account_id = %s"""
Ders = tuple[str, ...]
_remembered: dict[tuple[UUID | None, str], tuple[float, tuple[Ders, ...]]] = {}


def download(account: Account, ident: UUID, index: int = 0) -> tuple[str, int]:
    """Return leaf and chain as PEM, and how many other chains there are; `index` 1 is the first of those."""
    rows = joined(_WANTED, _FROM, [ident, account.pk])
    if not rows:
        raise malformed("url", "This account has no such certificate.", "Look at the order for its address.", 404)
    row, chain = rows[0]
    chains = [tuple(chain.ders), *_others(row.connector_id, chain)] if chain is not None else [()]
    if index >= len(chains):
        raise malformed("url", "There is no such chain.", "Ask for the certificate, and follow its links.", 404)
    return pem.chain_text([bytes(row.der), *map(base64.b64decode, chains[index])]), len(chains) - 1


def _others(connector: UUID | None, chain: Chain) -> tuple[Ders, ...]:
    key, now = (connector, chain.sha256), current_clock().monotonic()
    until, found = _remembered.get(key, (0.0, ()))
    if until <= now:
        found = _find(connector, chain) if chain.ders else ()
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
