"""Rotates a connector's credential in steps.

The new one is staged beside the old, tested, switched to at a stroke, and confirmed by the first call that the CA accepts;
the old one stays for a grace time, and somebody has to revoke it at the CA. One rotation of a connector is under way at a time. What is staged or kept is sealed, for the address of this moment: an
edit that changes address or credentials ends the rotation and erases both.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from chancery import catalog
from chancery.apps.accounts.permissions import Permission
from chancery.apps.audit.record import Note, write
from chancery.apps.connectors import actions as changes
from chancery.apps.connectors import configure as fields
from chancery.apps.connectors import references, sealing, trial
from chancery.apps.connectors.calls import test_unsaved
from chancery.apps.connectors.configure import Configured, configure
from chancery.apps.connectors.models import Call, CallKind, CallState, Connector, CredentialChange
from chancery.apps.connectors.sealed import CHANGE_TABLE
from chancery.apps.connectors.versions import current, kept, unsealed_change
from chancery.apps.orders.models import Order
from chancery.apps.posture import guard as posture
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.actor import Actor, engine_actor
from chancery.core.errors import Absent, Conflict, Invalid
from chancery.core.ids import new_id
from chancery.core.order import State
from chancery.core.secret import Secret
from chancery.sdk.config import secret_names

GRACE, MOST_GRACE = 7, 90
"""Days that the old credential is kept for going back to it, where nobody says otherwise, and at most."""
_ACCEPTED = (State.PENDING, State.ISSUED)


@action("connectors.stage_credential", Permission.CONNECTOR_ROTATE)
def stage(act: Act, ident: object, secrets: dict[str, Any], expires_on: date | None = None) -> CredentialChange:
    """Keep a new credential beside the one in force; what was staged before is replaced.

    `secrets` are fields of the CA type that hold secrets, `expires_on` is the day that the CA lets it end.
    """
    connector = changes._locked(act, ident)
    before = _open(connector)
    if before is not None and before.state != CredentialChange.STAGED:
        raise _busy(connector)
    known = sorted(secret_names(catalog.get(connector.authority).config))
    for name in secrets:
        if name not in known:
            raise Invalid.one(name[:60], "This is no credential of this CA type.", f"They are: {', '.join(known)}.")
    _day(act, expires_on)
    configured = configure(
        catalog.get(connector.authority), {**_values(connector), **secrets}, frozenset(current(connector).secrets)
    )
    if not configured.secrets:
        raise Invalid.one(known[0] if known else "secrets", "No credential was given.", "Give the new one.")
    references.require(act, connector, configured.secrets)
    if before is not None:
        _end(before, act, "replaced")
    made = CredentialChange(id=new_id(act.at), connector=connector, expires_on=expires_on)
    made.staged_at, made.staged_by, made.names = act.at, act.actor.name, sorted(configured.secrets)
    made.sealed = _sealed(made, configured.secrets)
    made.save(force_insert=True)
    changes._note(act, connector, changed=tuple(made.names))
    return made


def test_staged(actor: Actor, ident: object) -> Call:
    """Ask a worker to diagnose the connector with what is staged."""
    connector, change = _staged(actor, ident)
    call = test_unsaved(actor, connector.authority, _with(connector, change), str(connector.pk))
    CredentialChange.objects.filter(pk=change.pk).update(call=call)
    return call


@action("connectors.switch_credential", Permission.CONNECTOR_ROTATE)
def switch(act: Act, ident: object, grace_days: int = GRACE, untested: str = "") -> CredentialChange:
    """Put the staged credential in force from this commit on, and keep the old one for some days.

    It must have passed its test, or `untested` says why it is switched to all the same.
    """
    connector = changes._locked(act, ident)
    change = _open(connector)
    if change is None or change.state != CredentialChange.STAGED:
        raise _nothing(connector)
    if not 0 <= grace_days <= MOST_GRACE:
        raise Invalid.one("grace_days", f"{grace_days} is no number of days from 0 to {MOST_GRACE}.", "Send another.")
    before, new = current(connector), unsealed_change(change)
    judged = trial.judged(act, connector.authority, _with(connector, change), before, None, untested)
    if judged.tested_at is None and not judged.untested:
        text = "The new credential has not passed a test."
        raise Invalid.one("untested", text, "Test it, or say why it is used all the same.", "not_tested")
    whole = kept(connector, before, moved=False)
    _put(act, connector, new, whole, judged)
    posture.refuse(connector)
    change.sealed = _sealed(change, {name: whole[name] for name in change.names if name in whole and grace_days})
    change.state, change.switched_at, change.switched_by = CredentialChange.SWITCHED, act.at, act.actor.name
    change.version, change.grace_until = connector.current, act.at + timedelta(days=grace_days)
    change.save()
    Connector.objects.filter(pk=connector.pk).update(credential_expires_on=change.expires_on)
    changes._note(act, connector, changed=tuple(change.names), detail=changes._trial_note(judged))
    return change


@action("connectors.switch_back", Permission.CONNECTOR_ROTATE)
def switch_back(act: Act, ident: object) -> CredentialChange:
    """Put the old credential in force again, as long as it is kept."""
    connector = changes._locked(act, ident)
    change = _open(connector)
    if change is None or change.state != CredentialChange.SWITCHED or not change.sealed:
        text = f"No credential of before is kept for {connector.name}."
        raise Conflict(text, remedy="Stage one and switch to it.", code="nothing_kept")
    old, present = unsealed_change(change), kept(connector, current(connector), moved=False)
    # What the old credential did not have belongs to the new one.
    whole = {name: secret for name, secret in present.items() if name not in change.names}
    _put(act, connector, old, whole, trial.Trial(None, "Switched back to the credential of before."))
    _end(change, act, "switched_back")
    Connector.objects.filter(pk=connector.pk).update(credential_expires_on=None)
    changes._note(act, connector, changed=tuple(change.names))
    return change


@action("connectors.revoked_credential", Permission.CONNECTOR_ROTATE)
def revoked(act: Act, ident: object) -> CredentialChange:
    """Say that the old credential was revoked at the CA: it is erased here, and the rotation is over."""
    connector = changes._locked(act, ident)
    change = _open(connector)
    if change is None or change.state != CredentialChange.SWITCHED:
        raise _nothing(connector)
    _end(change, act, "revoked")
    changes._note(act, connector)
    return change


@action("connectors.cancel_credential", Permission.CONNECTOR_ROTATE)
def cancel(act: Act, ident: object) -> None:
    """Erase what is staged."""
    connector = changes._locked(act, ident)
    change = _open(connector)
    if change is None or change.state != CredentialChange.STAGED:
        raise _nothing(connector)
    _end(change, act, "cancelled")
    changes._note(act, connector)


@action("connectors.credential_expiry", Permission.CONNECTOR_ROTATE)
def expires(act: Act, ident: object, on: date | None) -> Connector:
    """Note the day on which the CA lets the credential in force end; None where it does not, or nobody knows."""
    connector = changes._locked(act, ident)
    _day(act, on)
    connector.credential_expires_on = on
    connector.save(update_fields=["credential_expires_on"])
    changes._note(act, connector, changed=("credential_expires_on",))
    return connector


def tidy(now: datetime) -> None:
    """Erase old credentials whose grace is over, and confirm new ones by the first call that the CA accepted."""
    switched = CredentialChange.objects.filter(state=CredentialChange.SWITCHED, ended_at=None)
    switched.filter(grace_until__lte=now).exclude(sealed={}).update(sealed={})
    for change in switched.filter(confirmed_at=None).select_related("connector"):
        by = _accepted(change)
        if by:
            with transaction.atomic():
                if switched.filter(pk=change.pk, confirmed_at=None).update(confirmed_at=now, confirmed_by=by):
                    row = change.connector
                    note = Note("connector", str(row.pk), row.name, team=row.team_id, detail={"by": by})
                    write(engine_actor(), "connectors.credential_confirmed", now, [note])


def _accepted(change: CredentialChange) -> str:
    """Return what shows that the CA accepted the credential, '' for nothing yet."""
    calls = Call.objects.filter(connector=change.connector, version=change.version, state=CallState.DONE)
    for call in calls.filter(kind__in=(CallKind.PROBE, CallKind.DIAGNOSE)).order_by("created_at")[:20]:
        if trial.passed(call):
            return str(call.kind)
    orders = Order.objects.filter(connector=change.connector, version=change.version, state__in=_ACCEPTED)
    return "order" if orders.exists() else ""


def _put(act: Act, connector: Connector, new: dict[str, Secret], whole: dict[str, Secret], judged: trial.Trial) -> None:
    """Make the version that holds another credential, in force from the commit on."""
    version = current(connector)
    configured = Configured(
        catalog.get(connector.authority),
        {name: getattr(connector, name) for name in fields.TEXTS},
        connector.team,
        connector.environment,
        connector.tags,
        {name: getattr(version, name) for name in fields.WHERE},
        version.settings,
        new,
    )
    connector.updated_at, connector.updated_by = act.at, act.actor.name
    changes._touch(connector, proven=False)
    changes._new_version(act, connector, configured, whole, judged)


def _open(connector: Connector) -> CredentialChange | None:
    return CredentialChange.objects.select_for_update().filter(connector=connector, ended_at=None).first()


def _staged(actor: Actor, ident: object) -> tuple[Connector, CredentialChange]:
    from chancery.apps.connectors import queries

    connector = queries.get(actor, ident)
    change = CredentialChange.objects.filter(connector=connector, state=CredentialChange.STAGED, ended_at=None).first()
    if change is None:
        raise Absent("staged credential of", connector.name)
    return connector, change


def _values(connector: Connector) -> dict[str, Any]:
    """Return everything of a connector but its secrets, as a form would send it."""
    version = current(connector)
    return {
        **{name: getattr(connector, name) for name in fields.TEXTS},
        **{name: getattr(version, name) for name in fields.WHERE},
        "team": connector.team_id,
        "environment": connector.environment_id,
        "tags": connector.tags,
        **version.settings,
    }


def _with(connector: Connector, change: CredentialChange) -> dict[str, Any]:
    return {**_values(connector), **unsealed_change(change)}


def _sealed(change: CredentialChange, found: dict[str, Secret]) -> dict[str, Any]:
    place = {"table": CHANGE_TABLE, "record": str(change.pk)}
    return {name: sealing.seal(secret.reveal(), **place, field=name) for name, secret in found.items()}


def _end(change: CredentialChange, act: Act, outcome: str) -> None:
    change.sealed, change.ended_at, change.ended_by, change.outcome = {}, act.at, act.actor.name, outcome
    change.save()


def _day(act: Act, day: date | None) -> None:
    if day is not None and day < act.at.date():
        raise Invalid.one("expires_on", f"{day} is over.", "Give a day to come, or none.")


def _nothing(connector: Connector) -> Conflict:
    text = f"No rotation of {connector.name} is at this point."
    return Conflict(text, remedy="Look how far it is.", code="no_rotation")


def _busy(connector: Connector) -> Conflict:
    text = f"The credential of {connector.name} was switched already, and the old one is not said to be revoked."
    return Conflict(text, remedy="Revoke it at the CA and say so, or switch back.", code="rotation_open")
