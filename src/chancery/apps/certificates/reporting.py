"""Reports a key as compromised, asks what is to become of the certificates with it, and decides about reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates import queries
from chancery.apps.certificates.actions import locked, revoke
from chancery.apps.certificates.models import Certificate, KeyReport
from chancery.apps.certificates.revoking import reasons
from chancery.apps.orders.stopping import report, spread
from chancery.apps.renewals import planning
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.asked import about
from chancery.apps.shared.paging import by_id
from chancery.apps.shared.texts import clean
from chancery.core.errors import Absent, ChanceryError, Conflict, Invalid

Wanted = Sequence[tuple[object, str]]
"""Certificates (ids) that are to be revoked, each with the reason that somebody chose for it."""


@dataclass(frozen=True)
class Offer:
    """A certificate with the key that is valid, and the reasons for which its CA revokes; none where it cannot be asked."""

    certificate: Certificate
    reasons: list[str]


@dataclass
class Reported:
    """What came of a report: it, the revocations (with the refusal of each that was refused), what is left."""

    report: KeyReport
    revocations: list[tuple[Certificate, ChanceryError | None]] = field(default_factory=list)
    left: list[Offer] = field(default_factory=list)


def offers(actor: Actor, key: str) -> list[Offer]:
    """Return what may be revoked of the certificates with a key, among those that the actor sees."""
    return [Offer(row, reasons(row)) for row in queries.alive_with_key(actor, key)]


@action("certificates.report_key", Permission.CERTIFICATE_REVOKE)
def report_key(act: Act, ident: object, note: str = "") -> KeyReport:
    """Record that the key of a certificate is compromised, and stop the orders for it, whoever placed them.

    Other teams' orders go on where the certificate's team has none for the key, until an Administrator confirms it. Who reports
    it again for the same team changes nothing: the first report stays.
    """
    certificate = locked(act, ident)
    words = clean("note", note, 500, lines=True)
    made, first = report(act, certificate.spki_sha256, certificate, note=words)
    act.note(
        "certificate",
        certificate.pk,
        certificate.common_name,
        team=certificate.team_id,
        changed=("key",),
        detail={"spki_sha256": certificate.spki_sha256, "first": first},
    )
    return made


@action("key_reports.confirm", Permission.KEY_REPORT_CONFIRM)
def confirm(act: Act, ident: object) -> KeyReport:
    """Have a report that stops its own team's orders alone stop everybody's."""
    row = _standing(act, ident)
    if row.for_everybody:
        raise Conflict(
            "It stops everybody's orders already.", remedy="There is nothing to confirm.", code="wrong_state"
        )
    row.for_everybody, row.confirmed_by, row.confirmed_at = True, act.actor.name, act.at
    row.save(update_fields=["for_everybody", "confirmed_by", "confirmed_at"])
    spread(act, row)
    _note(act, row, "for_everybody")
    return row


@action("key_reports.withdraw", Permission.KEY_REPORT_WITHDRAW)
def withdraw(act: Act, ident: object, reason: str) -> KeyReport:
    """Withdraw a report, which stays to be read: where no other stands, the key is certified again. Ended orders stay ended."""
    row = _standing(act, ident)
    row.withdrawn_why = clean("reason", reason, 500, lines=True, wanted="Say in a sentence why it does not hold.")
    row.withdrawn_by, row.withdrawn_at = act.actor.name, act.at
    row.save(update_fields=["withdrawn_why", "withdrawn_by", "withdrawn_at"])
    planning.good_again(row.spki_sha256)
    _note(act, row, "withdrawn")
    return row


def _standing(act: Act, ident: object) -> KeyReport:
    """Return a report that was not withdrawn, its row held until the commit."""
    act.require()
    row = by_id(queries.key_reports_visible_to(act.actor).select_for_update(of=("self",)), ident)
    if row is None:
        raise Absent("key report", ident)
    act.about = about(row)
    if not row.stands:
        raise Conflict("It was withdrawn.", remedy="There is nothing to do.", code="wrong_state")
    return row


def _note(act: Act, row: KeyReport, changed: str) -> None:
    detail = {"spki_sha256": row.spki_sha256}
    act.note("key_report", row.pk, row.name, team=row.team_id, changed=(changed,), detail=detail)


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
    made.left = offers(actor, made.report.spki_sha256)
    return made


def _with_key(actor: Actor, ident: object, other: object) -> Certificate:
    key = queries.get(actor, ident).spki_sha256
    found = by_id(queries.visible_to(actor).filter(spki_sha256=key), other)
    if found is None:
        text = f"There is no certificate {str(other)[:40]!r} with this key that you may see."
        raise Invalid.one("revoke", text, "Leave it out, or name one with the same key.")
    return found
