"""Asks a worker for something at a CA: a test of saved or unsaved settings, a pick list. The page follows the call."""

from __future__ import annotations

from typing import Any

from chancery import catalog
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors import queries, references, sealing, trial, versions
from chancery.apps.connectors.configure import Configured, configure
from chancery.apps.connectors.models import Call, CallKind, Connector
from chancery.apps.connectors.sealed import CALL_TABLE
from chancery.apps.connectors.versions import current, demand_secrets, destination, differs, kept
from chancery.apps.shared.action import Act, Place, action
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.waking import wake
from chancery.core.errors import Invalid
from chancery.core.ids import new_id
from chancery.core.secret import Secret
from chancery.sdk.config import Config, ProfileSettings, extra


@action("connectors.test", Permission.CONNECTOR_TEST)
def test_saved(act: Act, ident: object) -> Call:
    """Ask a worker to diagnose a connector as it is saved."""
    connector = queries.get(act.actor, ident)
    act.require(connector)
    call = _call(act, CallKind.DIAGNOSE, connector.authority, connector=connector)
    _ask(call)
    act.note("connector", connector.pk, connector.name, team=connector.team_id)
    return call


@action("connectors.test_unsaved", Permission.CONNECTOR_TEST)
def test_unsaved(act: Act, authority: str, values: dict[str, Any], connector_id: object = None) -> Call:
    """Ask a worker to diagnose settings that are not saved; they are sealed in the call, then erased."""
    return _unsaved(act, CallKind.DIAGNOSE, authority, values, connector_id)


@action("connectors.choices", Permission.CONNECTOR_TEST)
def ask_choices(act: Act, authority: str, field: str, values: dict[str, Any], connector_id: object = None) -> Call:
    """Ask a worker for the pick list of a dynamic field."""
    if connector_id is not None and not values:
        connector = queries.get(act.actor, connector_id)
        act.require(connector)
        _must_be_dynamic(connector.authority, field)
        call = _call(act, CallKind.CHOICES, connector.authority, connector=connector, field=field)
        _ask(call)
        act.note("connector", connector.pk, connector.name, team=connector.team_id, detail={"field": field})
        return call
    _must_be_dynamic(authority, field)
    return _unsaved(act, CallKind.CHOICES, authority, values, connector_id, field)


def to_be_tested(actor: Actor, authority: str, values: dict[str, Any], ident: object = None) -> bool:
    """Say whether a form holds anything that a test looks at and that is not stored so, or was never tested as it is.

    Raises `Invalid` by field.
    """
    if ident is None:
        return True
    before = current(queries.get(actor, ident))
    return before.tested_at is None or differs(
        before, configure(catalog.get(authority), values, frozenset(before.secrets))
    )


def _unsaved(
    act: Act, kind: CallKind, authority: str, values: dict[str, Any], connector_id: object, field: str = ""
) -> Call:
    connector = _of_type(act, authority, connector_id) if connector_id is not None else None
    stored = versions.stored(current(connector)) if connector is not None else frozenset()
    named = {"name": "unsaved", **{k: v for k, v in values.items() if v != "" or k != "name"}}
    # What a stored connector lacks here is what it keeps: nothing is made anew for it.
    named = catalog.prepare(authority, named) if connector is None else named
    configured = configure(catalog.get(authority), named, stored)
    place = Place(configured.team.pk, configured.environment.pk)
    act.require(place)
    references.require(act, place, configured.secrets)
    secrets = configured.secrets if connector is None else _carried(connector, configured)
    call = _call(act, kind, authority, field=field)
    call.digest = trial.digest(authority, values, current(connector) if connector is not None else None)
    call.team = configured.team
    call.sealed = {
        "plain": {**configured.where, "settings": configured.settings},
        "secrets": {
            name: sealing.seal(secret.reveal(), table=CALL_TABLE, record=str(call.pk), field=name)
            for name, secret in secrets.items()
        },
    }
    _ask(call)
    ident, name = connector.pk if connector else call.pk, configured.texts["name"]
    act.note("connector", ident, name, team=configured.team.pk, detail={"unsaved": True})
    return call


def _of_type(act: Act, authority: str, ident: object) -> Connector:
    connector = queries.get(act.actor, ident)
    act.require(connector)
    if connector.authority != authority:
        raise Invalid.one("authority", f"{connector.name} is of another CA type.", f"Send {connector.authority}.")
    return connector


def _carried(connector: Connector, configured: Configured) -> dict[str, Secret]:
    """Return the stored secrets under those just given; none is sent to an address that it was not given for."""
    before = current(connector)
    moved = destination(connector, before) != configured.destination()
    if moved:
        demand_secrets(connector, frozenset(before.secrets), configured)
    return {**kept(connector, before, moved=moved), **configured.secrets}


def _must_be_dynamic(authority: str, name: str) -> None:
    descriptor = catalog.get(authority)
    models: tuple[type[Config | ProfileSettings], ...] = (descriptor.config, descriptor.profile)
    known = [n for model in models for n, info in model.model_fields.items() if extra(info).get("dynamic")]
    if "chooses" not in descriptor.powers or name not in known:
        remedy = f"Fields with one are: {', '.join(known)}." if known else "Type the value in."
        raise Invalid.one("field", f"{descriptor.title} has no pick list for {name[:60]!r}.", remedy)


def _ask(call: Call) -> None:
    call.save(force_insert=True)
    wake()


def _call(
    act: Act,
    kind: CallKind,
    authority: str,
    *,
    connector: Connector | None = None,
    field: str = "",
) -> Call:
    return Call(
        id=new_id(act.at),
        kind=kind,
        authority=authority,
        connector=connector,
        version=connector.current if connector else None,
        field=field,
        due_at=act.at,
        team=connector.team if connector else None,
        asked_by=act.actor.name,
        created_at=act.at,
    )
