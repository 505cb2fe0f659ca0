"""How a revocation begins, whoever asks for it and from where."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chancery import catalog
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.stopping import Named, report
from chancery.apps.shared.action import Act
from chancery.apps.shared.returning import held
from chancery.apps.shared.texts import clean
from chancery.apps.shared.waking import wake
from chancery.core.errors import Conflict, Invalid, NotPermitted
from chancery.core.order import IN_THE_END, RevocationReason, RevocationState


def columns(reason: str, comment: str, by: str, at: datetime) -> dict[str, Any]:
    """Return what a certificate's row says once its revocation is asked for; the engine does the rest."""
    return {
        "revocation": RevocationState.REQUESTED,
        "revocation_reason": reason,
        "revocation_comment": comment,
        "revocation_by": by,
        "revocation_asked_at": at,
        "due_at": at,
        "revocation_text": "",
        "revocation_state": {},
        "revoked_at": None,
        "attempt": 0,
    }


def checked(connector: Connector, reason: str, comment: str) -> dict[str, str]:
    """Return reason and comment as they are stored; raises where this connector's CA cannot revoke, or not for that."""
    descriptor = descriptor_of(connector.authority, connector.current_id)
    words = clean("comment", comment, 500, lines=True)
    known = [str(r) for r in descriptor.facts.revocation_reasons]
    if "revokes" not in descriptor.powers:
        raise Conflict(
            f"{descriptor.title} cannot revoke through its interface.", remedy="Revoke it at the CA.", code="no_power"
        )
    if not held(Connector, [connector.pk]):
        raise Conflict(
            "The connector that this certificate came through was deleted.",
            remedy="Revoke it in the CA's own console.",
            code="connector_deleted",
        )
    if reason not in known:
        raise Invalid.one(
            "reason", f"This CA does not know the reason {reason[:40]!r}.", f"Choose one of: {', '.join(known)}."
        )
    return {"reason": reason, "comment": words}


def reasons(certificate: Certificate) -> list[str]:
    """Return the reasons for which its CA can be asked to revoke a certificate; none where it cannot be asked from here."""
    connector = certificate.connector
    if connector is None or connector.deleted_at is not None or catalog.find(connector.authority) is None:
        return []
    descriptor = descriptor_of(connector.authority, connector.current_id)
    return [str(r) for r in descriptor.facts.revocation_reasons] if "revokes" in descriptor.powers else []


def said_of_key(act: Act, key: str, reason: str, place: Named, by: str = "", note: str = "") -> None:
    """Record what a revocation says about its key (SHA-256 of the SPKI, hex; '' where a CA's list does not tell it)."""
    if key and reason == RevocationReason.KEY_COMPROMISE:
        report(act, key, place, by, note)


def _of_its_connector(act: Act, certificate: Certificate, connector: Connector) -> None:
    """Refuse what was not ordered here to whoever may not revoke for its connector: it would be asked with its credential."""
    if certificate.order_id is None and not act.actor.may(act.permission, connector.team_id, connector.environment_id):
        raise NotPermitted(
            act.permission,
            "It was not ordered here, and its connector is of another team or environment.",
            "Ask somebody who may revoke for that connector.",
        )


def ask(act: Act, certificate: Certificate, reason: str, comment: str, *, again: bool = False) -> None:
    """Ask the CA to revoke a certificate, whose row the caller holds; raises where that is not possible.

    `again` is for one that counts as revoked here, and that the CA lists as valid.
    """
    if certificate.connector is None:
        raise Conflict(
            "It was imported, and no connector is known to lead to its CA.",
            remedy="Pull the inventory of the connector that does; or revoke it in the CA's own console.",
            code="no_connector",
        )
    _of_its_connector(act, certificate, certificate.connector)
    words = checked(certificate.connector, reason, comment)
    if certificate.revocation in IN_THE_END and not again:
        raise Conflict(
            "Its revocation has been asked for already.", remedy="Look at its page.", code="already_revoking"
        )
    for name, value in columns(**words, by=act.actor.name, at=act.at).items():
        setattr(certificate, name, value)
    certificate.save()
    said_of_key(act, certificate.spki_sha256, reason, certificate, note=words["comment"])
    wake()
