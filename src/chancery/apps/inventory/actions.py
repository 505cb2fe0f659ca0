"""Pulls of a CA's list, and what people decide about what they find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction

from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates import keys
from chancery.apps.certificates.models import Certificate
from chancery.apps.certificates.revoking import ask, checked, said_of_key
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import Connector
from chancery.apps.connectors.versions import current
from chancery.apps.inventory import queries
from chancery.apps.inventory.adopting import brought, take
from chancery.apps.inventory.importing import import_certificates
from chancery.apps.inventory.models import PULL_OPEN, Decision, Finding, Pull, PullState
from chancery.apps.profiles import queries as profiles
from chancery.apps.shared.action import Act, Place, action
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.look import MAX_SIZE
from chancery.apps.shared.paging import by_id
from chancery.apps.shared.texts import clean
from chancery.core.certificate import facts
from chancery.core.errors import Absent, ChanceryError, Conflict, Invalid
from chancery.core.ids import new_id
from chancery.core.inventory import Difference, FindingKind

__all__ = ["adopt", "ignore", "import_certificates", "in_bulk", "pull", "reopen", "revoke", "stop"]
Result = tuple[object, ChanceryError | None]


@action("connectors.pull", Permission.CONNECTOR_PULL)
def pull(act: Act, connector_id: object) -> Pull:
    """Begin to read a CA's whole list; a worker does it part by part, also through an inactive connector."""
    connector = connectors.get(act.actor, connector_id)
    act.require(connector)
    descriptor = descriptor_of(connector.authority, connector.current_id)
    if "lists" not in descriptor.powers:
        raise Conflict(
            f"{descriptor.title} has no interface that lists certificates, or not as this connector speaks to it.",
            remedy="Export them in the CA's own console, and import the file.",
            code="no_power",
        )
    made = _new_pull(act, connector)
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError:
        raise Conflict(
            "This connector's list is being pulled already.", remedy="Follow that pull, or stop it.", code="pulling"
        ) from None
    act.note("connector", connector.pk, connector.name, team=connector.team_id, detail={"pull": str(made.pk)})
    return made


def _new_pull(act: Act, connector: Connector) -> Pull:
    return Pull(
        id=new_id(act.at),
        connector=connector,
        version=current(connector),
        team_id=connector.team_id,
        environment_id=connector.environment_id,
        asked_by=act.actor.name,
        created_at=act.at,
        due_at=act.at,
    )


@action("pulls.stop", Permission.CONNECTOR_PULL)
def stop(act: Act, ident: object) -> Pull:
    """End a pull that is under way; what it found so far stays, and nothing is concluded from what it did not see."""
    row = by_id(queries.pulls_visible_to(act.actor).select_for_update(of=("self",)), ident)
    if row is None:
        raise Absent("pull", ident)
    act.require(row)
    if row.state not in PULL_OPEN:
        raise Conflict("It has ended already.", remedy="Look at its page.", code="wrong_state")
    row.state, row.finished_at, row.text = PullState.STOPPED, act.at, f"Stopped by {act.actor.name}."
    row.due_at = row.fence = row.lease_until = None
    row.save()
    act.note("pull", row.pk, row.name, team=row.team_id, changed=("state",))
    return row


# Findings ----------------------------------------------------------------------------------------------


@action("findings.adopt", Permission.INVENTORY_DECIDE)
def adopt(act: Act, ident: object, profile: str = "") -> Finding:
    """Take over what the CA has: its certificate becomes one of ours, or its word that ours is revoked is believed.

    A certificate belongs to the team of `profile` (id or name), by which it is renewed, else to its connector's.
    """
    finding = _locked(act, ident)
    _needs(finding, Decision.OPEN)
    if finding.kind == FindingKind.AT_CA_ONLY:
        _take(act, finding, _home(act, finding, profile))
    elif finding.difference == Difference.REVOKED_THERE:
        _believe(act, finding)
    else:
        raise Conflict(
            "The CA has nothing here that could be taken over.",
            remedy="Have the certificate revoked, or ignore this with a reason.",
            code="nothing_to_adopt",
        )
    _note(act, finding)
    return finding


@action("findings.revoke", Permission.CERTIFICATE_REVOKE)
def revoke(act: Act, ident: object, reason: str, comment: str = "", *, confirmed: bool = False) -> Finding:
    """Have the CA revoke the certificate of a finding; one that only the CA has is adopted first. It must be confirmed."""
    finding = _locked(act, ident)
    _needs(finding, Decision.OPEN)
    if not confirmed:
        raise Invalid.one("confirm", "Revoking cannot be undone.", "Say that it is confirmed.", "confirm")
    if finding.kind == FindingKind.AT_CA_ONLY:
        words = checked(finding.connector, reason, comment)
        # At once, though the certificate may have to be fetched before the CA is asked.
        said_of_key(act, finding.spki_sha256, reason, finding, note=words["comment"])
        _take(act, finding, {**_home(act, finding, ""), "revoke": words})
    elif finding.difference == Difference.REVOKED_THERE:
        raise Conflict("The CA has revoked it already.", remedy="Adopt that here.", code="already_revoked")
    else:
        _revoke_ours(act, finding, reason, comment)
    _note(act, finding, reason=reason)
    return finding


@action("findings.ignore", Permission.INVENTORY_DECIDE)
def ignore(act: Act, ident: object, reason: str) -> Finding:
    """Leave a finding as it is, with a reason that whoever looks later reads."""
    finding = _locked(act, ident)
    _needs(finding, Decision.OPEN)
    words = clean("reason", reason, 1000, lines=True, wanted="Say in a sentence why.")
    _decide(act, finding, Decision.IGNORED, words)
    _note(act, finding)
    return finding


@action("findings.reopen", Permission.INVENTORY_DECIDE)
def reopen(act: Act, ident: object) -> Finding:
    """Take back that a finding is ignored."""
    finding = _locked(act, ident)
    _needs(finding, Decision.IGNORED)
    _decide(act, finding, Decision.OPEN, "")
    _note(act, finding)
    return finding


def in_bulk(actor: Actor, verb: str, idents: Sequence[object], **given: Any) -> list[Result]:
    """Decide about several findings alike, at most a page of them; each has its own result."""
    verbs: dict[str, Callable[..., Finding]] = {
        "adopt": partial(adopt, actor),
        "revoke": partial(revoke, actor),
        "ignore": partial(ignore, actor),
        "reopen": partial(reopen, actor),
    }
    if verb not in verbs:
        raise Invalid.one("verb", f"There is no verb {verb[:40]!r}.", f"Send one of: {', '.join(verbs)}.")
    if len(idents) > MAX_SIZE:
        raise Invalid.one("ids", f"There are {len(idents)} ids; {MAX_SIZE} are the limit.", "Send fewer at once.")
    results: list[Result] = []
    for ident in idents:
        try:
            verbs[verb](ident, **given)
        except ChanceryError as refusal:
            results.append((ident, refusal))
        else:
            results.append((ident, None))
    return results


def _locked(act: Act, ident: object) -> Finding:
    rows = queries.visible_to(act.actor).select_related("connector").select_for_update(of=("self",))
    finding = by_id(rows, ident)
    if finding is None:
        raise Absent("finding", ident)
    act.require(finding)
    return finding


def _needs(finding: Finding, state: Decision) -> None:
    if finding.state != state:
        raise Conflict(
            f"It is {Decision(finding.state).label.lower()} already.",
            remedy="Look at it again: somebody, or the next pull, was faster.",
            code="wrong_state",
        )


def _home(act: Act, finding: Finding, profile: str) -> dict[str, Any]:
    """Return where an adopted certificate is to belong; whoever adopts must be allowed to there."""
    home: dict[str, Any] = {"team": finding.team_id, "environment": finding.environment_id, "by": act.actor.name}
    if not profile:
        return home
    try:
        found = profiles.get(act.actor, profile)
    except Absent:
        raise Invalid.one(
            "profile", f"There is no profile {profile[:60]!r} that you may see.", "Name another."
        ) from None
    act.require(Place(found.team_id, found.environment_id))
    return {**home, "team": found.team_id, "environment": found.environment_id, "profile": str(found.pk)}


def _take(act: Act, finding: Finding, then: dict[str, Any]) -> None:
    """Adopt at once what the list brought; have the engine fetch what it did not."""
    if finding.connector.deleted_at is not None:
        raise Conflict(
            "The connector that listed it was deleted.", remedy="Ignore it with a reason.", code="connector_deleted"
        )
    finding.then, finding.attempt, finding.text = then, 0, ""
    finding.due_at = None if finding.der else act.at
    _decide(act, finding, Decision.FETCHING, "")
    if finding.der:
        take(act, finding, facts(bytes(finding.der)), brought(finding), finding.reference)


def _believe(act: Act, finding: Finding) -> None:
    row = _certificate(finding)
    when = finding.revoked_at or act.at
    row.revocation, row.revoked_at, row.due_at = "confirmed", when, None
    row.revocation_by, row.revocation_asked_at = act.actor.name, act.at
    row.revocation_text = f"Revoked at the CA, as its list of {finding.last_at:%Y-%m-%d} says."
    row.save()
    _decide(act, finding, Decision.ADOPTED, "")


def _revoke_ours(act: Act, finding: Finding, reason: str, comment: str) -> None:
    row = _certificate(finding)
    act.require(row)
    again = finding.difference == Difference.REVOKED_HERE
    ask(act, row, reason, comment, again=again)
    _decide(act, finding, Decision.REVOKED, "")


def _certificate(finding: Finding) -> Certificate:
    return Certificate.objects.select_for_update(of=("self",)).select_related("connector").get(pk=finding.subject)


def _decide(act: Act, finding: Finding, state: Decision, reason: str) -> None:
    finding.state, finding.reason = state, reason
    finding.decided_by, finding.decided_at = act.actor.name, act.at
    finding.save()


def _note(act: Act, finding: Finding, **detail: Any) -> None:
    name = finding.common_name or finding.serial
    told = {"kind": finding.kind, "state": str(finding.state), **detail}
    if keys.bars(finding):
        told["cause"] = keys.CODE
    if finding.certificate_id is not None:
        told["certificate"] = str(finding.certificate_id)
    act.note("finding", finding.pk, name, team=finding.team_id, changed=("state",), detail=told)
