"""Makes a certificate of ours out of one that a CA has: in an action, where the list brought it, else in the engine."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chancery.apps.certificates.models import Certificate, Origin
from chancery.apps.certificates.revoking import columns, said_of_key
from chancery.apps.certificates.storing import Foreign, store
from chancery.apps.inventory.models import Decision, Finding
from chancery.apps.shared.action import Act
from chancery.core.certificate import CertificateFacts
from chancery.core.importing import Chains
from chancery.core.order import IN_THE_END


def take(act: Act, finding: Finding, facts: CertificateFacts, beside: Sequence[bytes], reference: str) -> Certificate:
    """Store the certificate of a finding as its `then` says, close the finding, and return the certificate.

    `beside` are the other certificates that came with it, in any order. One that is stored already, since somebody
    imported it meanwhile, is taken as it is.
    """
    then = finding.then
    more = columns(**then["revoke"], by=then["by"], at=act.at) if "revoke" in then else {}
    known = Certificate.objects.filter(sha256=facts.sha256).first()
    if known is not None:
        _ask(known, more)
    made = known or _stored(act, finding, facts, beside, reference, more)
    if more:
        said_of_key(act, made.spki_sha256, then["revoke"]["reason"], made, then["by"], then["revoke"]["comment"])
    finding.certificate, finding.der, finding.chain = made, b"", []
    finding.state = Decision.REVOKED if more else Decision.ADOPTED
    finding.due_at = finding.fence = finding.lease_until = None
    finding.text = ""
    finding.save()
    return made


def _stored(
    act: Act,
    finding: Finding,
    facts: CertificateFacts,
    beside: Sequence[bytes],
    reference: str,
    more: dict[str, Any],
) -> Certificate:
    then = finding.then
    foreign = Foreign(
        facts,
        team=then["team"],
        environment=then["environment"],
        origin=Origin.ADOPTED,
        origin_text=f"From the CA's list of {finding.last_at:%Y-%m-%d}, by {then['by']}",
        connector=finding.connector_id,
        profile=UUID(then["profile"]) if then.get("profile") else None,
        chain=Chains(beside).above(facts.der),
        reference=reference,
        more=more,
    )
    return store([foreign], act.at)[0]


def _ask(known: Certificate, more: dict[str, Any]) -> None:
    """Have one that we had already revoked, unless that is done or on its way."""
    if more and known.revocation not in IN_THE_END:
        Certificate.objects.filter(pk=known.pk).update(**more)


def brought(finding: Finding) -> list[bytes]:
    """Return the certificates that came in the list beside the one of a finding."""
    return [base64.b64decode(der) for der in finding.chain]
