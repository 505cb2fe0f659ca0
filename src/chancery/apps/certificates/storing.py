"""Stores certificates that were not ordered here: imported from a file, or adopted from a CA's list."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from chancery.apps.certificates.models import Certificate, Chain, Origin
from chancery.apps.shared.bulk import insert
from chancery.core.certificate import CertificateFacts
from chancery.core.ids import new_id

_COLUMNS = tuple(f.column for f in Certificate._meta.concrete_fields)
_BLANK: dict[str, Any] = {f.attname: f.get_default() for f in Certificate._meta.concrete_fields}


@dataclass(frozen=True, slots=True)
class Foreign:
    """A certificate to be stored, and where it is to belong. `more` are further columns."""

    facts: CertificateFacts
    team: int
    environment: int
    origin: Origin
    origin_text: str
    connector: UUID | None = None
    profile: UUID | None = None
    chain: tuple[bytes, ...] = ()
    reference: str = ""
    owner: str = ""
    contact: str = ""
    more: dict[str, Any] = field(default_factory=dict)


def store(found: Sequence[Foreign], now: datetime) -> list[Certificate]:
    """Store certificates in one go, inside the caller's transaction, and return them.

    They must not be stored yet: the caller has looked for their hashes. Raises `IntegrityError` where somebody else has
    stored one since.
    """
    chains = {one.chain for one in found if one.chain}
    Chain.objects.bulk_create(
        [Chain(sha256=chain_id(c), ders=[base64.b64encode(d).decode() for d in c]) for c in chains],
        ignore_conflicts=True,
    )
    rows = [_row(one, now) for one in found]
    insert(Certificate, _COLUMNS, rows)
    # By position, as the engine does: `_BLANK` keeps the order of the fields.
    return [Certificate(*row) for row in rows]  # type: ignore[misc]  # a list has one type for all fields


def _row(one: Foreign, now: datetime) -> list[Any]:
    facts = one.facts
    row = {
        "id": new_id(now),
        "connector_id": one.connector,
        "profile_id": one.profile,
        "team_id": one.team,
        "environment_id": one.environment,
        "der": facts.der,
        "chain_id": chain_id(one.chain) if one.chain else None,
        "serial": facts.serial,
        "issuer": facts.issuer[:500],
        "common_name": display_name(facts),
        "names": [[n.kind, n.value] for n in facts.names],
        "key_type": facts.key.label,
        "spki_sha256": facts.key.spki_sha256,
        "sha256": facts.sha256,
        "not_before": facts.not_before,
        "not_after": facts.not_after,
        "ca_reference": one.reference[:200],
        "stored_at": now,
        "origin": one.origin,
        "origin_text": one.origin_text[:300],
        "owner": one.owner,
        "contact": one.contact,
    }
    return list((_BLANK | row | one.more).values())


def display_name(facts: CertificateFacts) -> str:
    """Return what people call a certificate: its common name, else its first name, else its whole subject."""
    first = next((n.value for n in facts.names), "")
    return (facts.common_name or first or facts.subject or facts.serial)[:255]


def chain_id(chain: tuple[bytes, ...]) -> str:
    """Return the key of a chain: SHA-256 over its DER."""
    return hashlib.sha256(b"".join(chain)).hexdigest()
