"""Makes a certificate of ours out of one that a CA has: in an action, where the list brought it, else in the engine."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chancery.apps.certificates.models import Certificate, Origin
from chancery.apps.certificates.revoking import columns, said_of_key
from chancery.apps.certificates.storing import Foreign, store
from chancery.apps.connectors.models import Connector
from chancery.apps.inventory.models import Decision, Finding
from chancery.apps.shared.action import Act
from chancery.core.certificate import CertificateFacts
from chancery.core.errors import Conflict
from chancery.core.importing import Chains
from chancery.core.order import IN_THE_END


def take(act: Act, finding: Finding, facts: CertificateFacts, beside: Sequence[bytes], reference: str) -> Certificate:
    """Store the certificate of a finding as its `then` says, close the finding, and return the certificate.

    `beside` are the other certificates that came with it, in any order. One that is stored already, since somebody
    imported it, stays where it is and leads to the finding's connector from now on, unless it `leads_home`. Raises
    `Conflict`, with nothing written, where such a one is to be revoked.
    """
    then = finding.then
    more = columns(**then["revoke"], by=then["by"], at=act.at) if "revoke" in then else {}
    known = Certificate.objects.filter(sha256=facts.sha256).select_related("connector").first()
    if known is not None:
        _lead(act, known, finding, reference, more)
    made = known or _stored(act, finding, facts, beside, reference, more)
    if more:
        # In the name of whoever decides here, not of whoever has imported it.
        said_of_key(act, made.spki_sha256, then["revoke"]["reason"], finding, then["by"], then["revoke"]["comment"])
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


def _lead(act: Act, known: Certificate, finding: Finding, reference: str, more: dict[str, Any]) -> None:
    """Tell an imported certificate its connector; and have it revoked where that is wanted, and neither done nor on its way.

    Whose it is stays as it is: it is the CA's word by which it leads there, and a person's of the connector's team.
    """
    if leads_home(known, finding.connector):
        if more:
            raise Conflict(
                "It was imported here, and leads to a connector of the team and environment that did.",
                remedy="Revoke it on its own page, or ask somebody who may revoke for that connector.",
                code="leads_home",
            )
        return
    columns: dict[str, Any] = {}
    if known.origin == Origin.IMPORTED:
        columns = {"connector_id": finding.connector_id, "ca_reference": reference[:200] or known.ca_reference}
        columns = {name: value for name, value in columns.items() if getattr(known, name) != value}
    if columns:
        changed = tuple(name.removesuffix("_id") for name in columns)
        act.note("certificate", known.pk, known.common_name, team=known.team_id, changed=changed)
    if more and known.revocation not in IN_THE_END:
        columns |= more
    if columns:
        Certificate.objects.filter(pk=known.pk).update(**columns)


def leads_home(row: Certificate, lister: Connector) -> bool:
    """Say whether an imported certificate leads to its own team and environment's connector for the CA that `lister` is for.

    It is not to be taken away from there because another connector's list has it too.
    """
    own = row.connector
    if own is None or row.origin != Origin.IMPORTED or own.pk == lister.pk or own.deleted_at is not None:
        return False
    here = (row.team_id, row.environment_id, lister.authority)
    return here == (own.team_id, own.environment_id, own.authority)


def brought(finding: Finding) -> list[bytes]:
    """Return the certificates that came in the list beside the one of a finding."""
    return [base64.b64decode(der) for der in finding.chain]
