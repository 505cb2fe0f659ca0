"""Reports a key as compromised, and asks what is to become of the certificates with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates import queries
from chancery.apps.certificates.actions import locked, revoke
from chancery.apps.certificates.models import Certificate, CompromisedKey
from chancery.apps.certificates.revoking import reasons
from chancery.apps.orders.stopping import report
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.paging import by_id
from chancery.apps.shared.texts import clean
from chancery.core.errors import ChanceryError, Invalid

Wanted = Sequence[tuple[object, str]]
"""Certificates (ids) that are to be revoked, each with the reason that somebody chose for it."""


@dataclass(frozen=True)
class Offer:
    """A certificate with the key that is valid, and the reasons for which its CA revokes; none where it cannot be asked."""

    certificate: Certificate
    reasons: list[str]


@dataclass
class Reported:
    """What came of a report: the key's row, the revocations (with the refusal of each that was refused), what is left."""

    key: CompromisedKey
    revocations: list[tuple[Certificate, ChanceryError | None]] = field(default_factory=list)
    left: list[Offer] = field(default_factory=list)


def offers(actor: Actor, key: str) -> list[Offer]:
    """Return what may be revoked of the certificates with a key, among those that the actor sees."""
    return [Offer(row, reasons(row)) for row in queries.alive_with_key(actor, key)]


@action("certificates.report_key", Permission.CERTIFICATE_REVOKE)
def report_key(act: Act, ident: object, note: str = "") -> CompromisedKey:
    """Record that the key of a certificate is compromised, and stop the orders for it, whoever placed them.

    It is not taken back. Who reports it again changes nothing: the first report stays.
    """
    certificate = locked(act, ident)
    words = clean("note", note, 500, lines=True)
    first = report(act, certificate.spki_sha256, certificate, note=words)
    act.note(
        "certificate",
        certificate.pk,
        certificate.common_name,
        team=certificate.team_id,
        changed=("key",),
        detail={"spki_sha256": certificate.spki_sha256, "first": first},
    )
    return CompromisedKey.objects.get(pk=certificate.spki_sha256)


def report_and_revoke(actor: Actor, ident: object, note: str = "", wanted: Wanted = ()) -> Reported:
    """Report a certificate's key, then have certificates with it revoked, each for the reason that was chosen for it.

    The report stands whatever the revocations come to: each is an act of its own. Raises `Invalid`, with nothing reported,
    where one that is named has another key or cannot be seen.
    """
    chosen = [(_with_key(actor, ident, one), reason) for one, reason in wanted]
    made = Reported(report_key(actor, ident, note))
    for row, reason in chosen:
        try:
            revoke(actor, row.pk, reason, note)
        except ChanceryError as refusal:
            made.revocations.append((row, refusal))
        else:
            made.revocations.append((row, None))
    made.left = offers(actor, made.key.pk)
    return made


def _with_key(actor: Actor, ident: object, other: object) -> Certificate:
    key = queries.get(actor, ident).spki_sha256
    found = by_id(queries.visible_to(actor).filter(spki_sha256=key), other)
    if found is None:
        text = f"There is no certificate {str(other)[:40]!r} with this key that you may see."
        raise Invalid.one("revoke", text, "Leave it out, or name one with the same key.")
    return found
