"""Changes to connectors. Each bumps the epoch, which the engine reads before its next first byte."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chancery import catalog
from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates.models import Certificate
from chancery.apps.changes.holding import Wanted, hold, needed, proposable
from chancery.apps.changes.holding import fields as held
from chancery.apps.changes.models import Kind
from chancery.apps.connectors import configure as fields
from chancery.apps.connectors import queries, references, sealing, trial, versions
from chancery.apps.connectors.calls import ask_choices, test_saved, test_unsaved, to_be_tested
from chancery.apps.connectors.configure import Configured, configure
from chancery.apps.connectors.models import (
    BreakerState,
    Connector,
    ConnectorVersion,
    Health,
    Pace,
    Pool,
    PoolMember,
    Status,
)
from chancery.apps.connectors.sealed import VERSION_TABLE
from chancery.apps.connectors.versions import (
    current,
    demand_secrets,
    destination,
    differs,
    end_change,
    kept,
    unsealed_version,
)
from chancery.apps.orders.models import Order
from chancery.apps.posture import guard as posture
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.paging import by_id
from chancery.apps.shared.texts import clean_folded
from chancery.apps.shared.unique import name_taken
from chancery.apps.shared.waking import wake
from chancery.core.errors import Absent, ChanceryError, Conflict, Invalid, Problem
from chancery.core.ids import new_id
from chancery.core.order import State
from chancery.core.secret import Secret
from chancery.sdk.config import secret_names

__all__ = [
    "InFlight", "activate", "ask_choices", "bulk_switch", "copy", "create", "current",
    "deactivate", "delete", "edit", "test_saved", "test_unsaved", "to_be_tested", "unsealed_version",
]  # fmt: skip


@dataclass(frozen=True)
class InFlight:
    """A connector just switched off, and how many submissions were already on their way."""

    connector: Connector
    submissions: int


@proposable(Kind.CREATE, "authority", "values")
@action("connectors.create", Permission.CONNECTOR_CREATE)
def create(act: Act, authority: str, values: dict[str, Any], *, tested: object = None, untested: str = "") -> Connector:
    """Add a connector, active unless `values["status"]` says inactive, with a pool of its own.

    `tested` is the id of the call whose test of these very settings is relied on; `untested` says why they are saved
    without a test that passed, which must be said where one has just failed.
    """
    descriptor = catalog.get(authority)
    status = _status(values)
    configured = configure(descriptor, catalog.prepare(authority, values))
    connector = Connector(id=new_id(act.at), authority=authority, created_at=act.at, status=status, probe_at=act.at)
    if not descriptor.facts.cpu_bound:
        connector.breaker = BreakerState.HALF_OPEN
    _apply(connector, configured, act)
    act.require(connector)
    references.require(act, connector, configured.secrets)
    judged = trial.judged(act, authority, values, None, tested, untested)
    _insert(act, connector)
    _new_version(act, connector, configured, {}, judged)
    posture.refuse(connector)
    _note(act, connector, detail=_trial_note(judged))
    # A new one is no row that outlives being held back.
    wanted = _wanted(Kind.CREATE, connector, fresh=True)
    wanted.needed = _needed_to_come(connector)
    wanted.diff, wanted.secrets = held({}, _readable(configured), frozenset(configured.secrets)), _secret(connector)
    hold(act, wanted)
    return connector


@proposable(Kind.EDIT, "ident", "revision", "values")
@action("connectors.edit", Permission.CONNECTOR_EDIT)
def edit(
    act: Act,
    ident: object,
    revision: int,
    values: dict[str, Any],
    *,
    tested: object = None,
    untested: str = "",
    not_before: datetime | None = None,
) -> Connector:
    """Change a connector. `revision` is the one that the editor saw; a later one refuses this edit.

    Changing where secrets are sent drops the stored ones: each must be given again in the same edit. `tested` and
    `untested` are as in `create`; an edit that changes nothing of what a test looks at keeps the test of before. With
    `not_before` it is checked now, and comes into force then, unless the connector is changed meanwhile.
    """
    connector = _locked(act, ident)
    _same_revision(connector, revision)
    if values.get("status", connector.status) != connector.status:
        raise Invalid.one("status", "An edit does not switch a connector.", "Activate or deactivate it.")
    before = current(connector)
    stored = versions.stored(before)
    configured = configure(catalog.get(connector.authority), values, stored)
    moved = destination(connector, before) != configured.destination()
    if moved:
        demand_secrets(connector, stored, configured)
    _stays_in_its_pools(connector, configured)
    changed, diff = _changed(connector, before, configured), _difference(connector, before, configured)
    wanted = _wanted(Kind.EDIT, connector)
    judged = trial.judged(act, connector.authority, values, before, tested, untested)
    if not tested and not differs(before, configured):
        judged = trial.Trial(before.tested_at, untested or before.untested_reason)
    _apply(connector, configured, act)
    act.require(connector)
    references.require(act, connector, configured.secrets)
    same = before.account if not moved and not configured.secrets else None
    with _name_taken(connector):
        _touch(connector, proven=same is not None)
    if same is None:
        end_change(connector, act.at, act.actor.name, "edited")
        Connector.objects.filter(pk=connector.pk).update(credential_expires_on=None)
    _new_version(act, connector, configured, kept(connector, before, moved=moved), judged, account=same)
    posture.refuse(connector)
    _note(act, connector, changed=changed, detail=_trial_note(judged))
    _take_profiles_along(act, connector)
    wanted.needed = needed(Kind.EDIT, wanted.environment, connector.environment_id)
    if wanted.environment != connector.environment_id:
        wanted.needed = max(wanted.needed, _needed_to_come(connector))
    wanted.diff, wanted.secrets, wanted.not_before = diff, _secret(connector), not_before
    hold(act, wanted)
    return connector


@action("connectors.copy", Permission.CONNECTOR_COPY)
def copy(act: Act, ident: object, name: str) -> Connector:
    """Copy a connector under another name, without its secrets, inactive."""
    source = _locked(act, ident)
    version = current(source)
    twin = Connector.objects.get(pk=source.pk)
    twin.pk, twin.status = new_id(act.at), Status.INACTIVE
    twin.name = clean_folded(
        "name", name, fields.TEXTS["name"], wanted="Choose one that this CA type does not have yet."
    )
    twin.revision = twin.epoch = 1
    twin.current, twin.health, twin.health_text, twin.health_at = None, Health.UNKNOWN, "", None
    twin.failures, twin.breaker_until, twin.probe_at, twin.last_issue_at = 0, None, None, None
    twin.refusals, twin.breaker, twin.sick_since = 0, BreakerState.HALF_OPEN, None
    twin.slowed, twin.slowed_at = 1.0, None
    twin.credential_expires_on = None
    twin.created_at = twin.updated_at = act.at
    twin.updated_by = act.actor.name
    _insert(act, twin)
    made = ConnectorVersion.objects.get(pk=version.pk)
    made.pk, made.connector, made.number, made.secrets = new_id(act.at), twin, 1, {}
    made.account = made.pk
    made.created_at, made.created_by = act.at, act.actor.name
    made.tested_at, made.untested_reason = None, ""
    made.save(force_insert=True)
    twin.current = made
    twin.save(update_fields=["current"])
    _note(act, twin, detail={"copied_from": str(source.pk)})
    return twin


@proposable(Kind.ACTIVATE, "ident")
@action("connectors.activate", Permission.CONNECTOR_ACTIVATE)
def activate(act: Act, ident: object) -> Connector:
    """Switch a connector on; missing secrets are named instead of failing at the first order."""
    connector = _locked(act, ident)
    missing = _missing_secrets(connector)
    if missing:
        raise Invalid(
            [Problem(n, "This secret has not been given yet.", "Edit the connector and enter it.") for n in missing]
        )
    posture.refuse(connector)
    wanted = _wanted(Kind.ACTIVATE, connector)
    _switch(act, connector, Status.ACTIVE)
    hold(act, wanted)
    return connector


@proposable(Kind.DEACTIVATE, "ident")
@action("connectors.deactivate", Permission.CONNECTOR_DEACTIVATE)
def deactivate(act: Act, ident: object) -> InFlight:
    """Switch a connector off: from this commit no new submission starts. Nothing is revoked."""
    connector = _locked(act, ident)
    wanted = _wanted(Kind.DEACTIVATE, connector)
    _switch(act, connector, Status.INACTIVE)
    hold(act, wanted)
    return InFlight(connector, queries.in_flight(connector))


@proposable(Kind.DELETE, "ident", "confirm")
@action("connectors.delete", Permission.CONNECTOR_DELETE)
def delete(act: Act, ident: object, confirm: str = "") -> None:
    """Remove a connector that nothing uses; its name stays readable in every record.

    One that holds a key which exists nowhere else is removed only when `confirm` is its name.
    """
    connector = _locked(act, ident)
    found = queries.blockers(connector)
    if found:
        raise Conflict(
            f"{connector.name} is in use: {', '.join(sorted({b.kind for b in found}))}.",
            remedy="Point the profiles elsewhere, and let the orders finish or cancel them.",
            blockers=found,
            code="in_use",
        )
    lost = queries.erased(connector)
    if lost and confirm != connector.name:
        exists = "exists" if catalog.find(connector.authority) is not None else "may exist"
        text = f"Deleting {connector.name} erases for good what {exists} nowhere else: {', '.join(lost)}."
        raise Invalid.one("confirm", text, f"Confirm it by the connector's name: {connector.name}.", "confirm_needed")
    connector.deleted_at, connector.status, connector.probe_at = act.at, Status.INACTIVE, None
    connector.epoch += 1
    connector.save()
    ConnectorVersion.objects.filter(connector=connector).update(secrets={})
    end_change(connector, act.at, act.actor.name, "deleted")
    PoolMember.objects.filter(connector=connector).delete()
    _note(act, connector)
    hold(act, _wanted(Kind.DELETE, connector))


def bulk_switch(actor: Actor, idents: list[object], status: str) -> list[tuple[object, ChanceryError | None]]:
    """Activate or deactivate several connectors, each on its own: one refusal does not stop the others."""
    switch = activate if _status({"status": status}) == Status.ACTIVE else deactivate
    results: list[tuple[object, ChanceryError | None]] = []
    for ident in idents:
        try:
            switch(actor, ident)
            results.append((ident, None))
        except ChanceryError as refusal:
            results.append((ident, refusal))
    return results


def _wanted(kind: Kind, connector: Connector, *, fresh: bool = False) -> Wanted:
    """Return what waits if others have to approve it, of a connector as it was before."""
    place = connector.environment_id
    one = Wanted(kind, connector.name, place, needed(kind, place), connector.team_id)
    one.connector, one.revision = (None, None) if fresh else (connector.pk, connector.revision)
    return one


def _needed_to_come(connector: Connector) -> int:
    """Return how many have to approve that there is such a connector in its environment, and that it is switched on there."""
    kinds = (Kind.CREATE, Kind.ACTIVATE) if connector.status == Status.ACTIVE else (Kind.CREATE,)
    return max(needed(kind, connector.environment_id) for kind in kinds)


def _secret(connector: Connector) -> frozenset[str]:
    return frozenset(secret_names(catalog.get(connector.authority).config))


def _readable(after: Configured) -> dict[str, Any]:
    where = {"team": after.team.name, "environment": after.environment.name, "tags": after.tags}
    return {**after.texts, **where, **after.where, **after.settings}


def _difference(connector: Connector, before: ConnectorVersion, after: Configured) -> list[dict[str, Any]]:
    """Return what an edit changes, as people read it; `_changed` has the names alone."""
    old = {name: getattr(connector, name) for name in fields.TEXTS}
    old |= {"team": connector.team.name, "environment": connector.environment.name, "tags": connector.tags}
    old |= {**{name: getattr(before, name) for name in fields.WHERE}, **before.settings}
    return held(old, _readable(after), frozenset(after.secrets))


def _locked(act: Act, ident: object) -> Connector:
    # The others of the joined rows stay free: the first version may not be there yet, and teams are shared.
    connector = by_id(queries.visible_to(act.actor).select_for_update(of=("self",)), ident)
    if connector is None:
        raise Absent("connector", ident)
    act.require(connector)
    return connector


def _same_revision(connector: Connector, revision: int) -> None:
    if connector.revision == revision:
        return
    # Not the author of the version in force: switching a connector makes a revision and no version.
    by = connector.updated_by or current(connector).created_by
    raise Conflict(
        f"{connector.name} was changed by {by} while you were editing (revision {connector.revision}, yours {revision}).",
        remedy="Your input is still here: compare it with the present settings and save again.",
        code="stale",
    )


def _apply(connector: Connector, configured: Configured, act: Act) -> None:
    for name, text in (configured.texts | configured.limits).items():
        setattr(connector, name, text)
    connector.base_url = configured.where["base_url"]
    connector.team, connector.environment, connector.tags = configured.team, configured.environment, configured.tags
    connector.updated_at, connector.updated_by = act.at, act.actor.name


def _changed(connector: Connector, before: ConnectorVersion, after: Configured) -> tuple[str, ...]:
    old = {name: getattr(connector, name) for name in fields.TEXTS}
    old |= {name: getattr(connector, name) for name in fields.LIMITS}
    old |= {"team": connector.team_id, "environment": connector.environment_id, "tags": connector.tags}
    old |= {**{name: getattr(before, name) for name in fields.WHERE}, **before.settings}
    new: dict[str, Any] = {
        **after.texts,
        **after.limits,
        "team": after.team.pk,
        "environment": after.environment.pk,
        "tags": after.tags,
    }
    new |= {**after.where, **after.settings}
    return tuple(sorted({n for n in old.keys() | new.keys() if old.get(n) != new.get(n)} | set(after.secrets)))


def _trial_note(judged: trial.Trial) -> dict[str, Any]:
    found = {"tested_at": judged.tested_at.isoformat()} if judged.tested_at else {}
    return {**found, **({"untested": judged.untested} if judged.untested else {})}


def _take_profiles_along(act: Act, connector: Connector) -> None:
    """Keep its profiles in its team and environment, so that production never orders from a test account."""
    own = Pool.objects.filter(members__connector=connector, shared=False)
    rows = Profile.objects.filter(pool__in=own, deleted_at=None)
    for profile in rows.exclude(team=connector.team, environment=connector.environment):
        before = (profile.team_id, profile.environment_id)
        profile.team, profile.environment = connector.team, connector.environment
        after = (profile.team_id, profile.environment_id)
        profile.revision += 1
        profile.updated_at = act.at
        profile.save()
        changed = tuple(n for n, a, b in zip(("team", "environment"), before, after, strict=True) if a != b)
        act.note("profile", profile.pk, profile.name, team=profile.team_id, changed=changed)


def _stays_in_its_pools(connector: Connector, configured: Configured) -> None:
    """Refuse to move a member of a pool to another team or environment: its profiles would order elsewhere unseen."""
    if (connector.team_id, connector.environment_id) == (configured.team.pk, configured.environment.pk):
        return
    pool = Pool.objects.filter(members__connector=connector, shared=True, deleted_at=None).first()
    if pool is not None:
        text = f"{connector.name} is a member of the pool {pool.name}, which is of one team and environment."
        raise Invalid.one("environment", text, "Take it out of the pool first.", "in_use")


def _new_version(
    act: Act,
    connector: Connector,
    configured: Configured,
    kept: dict[str, Secret],
    judged: trial.Trial,
    account: UUID | None = None,
) -> None:
    ident = new_id(act.at)
    version = ConnectorVersion(
        id=ident,
        account=account or ident,
        connector=connector,
        number=connector.versions.count() + 1,
        schema=configured.descriptor.config.schema_version,
        settings=configured.settings,
        created_at=act.at,
        created_by=act.actor.name,
        tested_at=judged.tested_at,
        untested_reason=judged.untested,
        **configured.where,
    )
    version.secrets = {
        name: sealing.seal(secret.reveal(), table=VERSION_TABLE, record=str(version.pk), field=name)
        for name, secret in {**kept, **configured.secrets}.items()
    }
    version.save(force_insert=True)
    connector.current = version
    connector.save(update_fields=["current"])
    _forget_old_secrets(version)


def _forget_old_secrets(version: ConnectorVersion) -> None:
    """Erase what older versions hold: what is kept has just been sealed anew, and nothing reads theirs (docs/adr/0009)."""
    older = ConnectorVersion.objects.filter(connector=version.connector).exclude(pk=version.pk)
    older.exclude(secrets={}).update(secrets={})


def _missing_secrets(connector: Connector) -> list[str]:
    config = catalog.get(connector.authority).config
    needed = {n for n in secret_names(config) if config.model_fields[n].is_required()}
    return sorted(needed - set(current(connector).secrets))


def _touch(connector: Connector, *, proven: bool = True) -> None:
    """Make the engine look anew. What was held back, or has another address or credential, is first tried by one act."""
    connector.revision += 1
    connector.epoch += 1
    if not proven or connector.breaker != BreakerState.CLOSED:
        connector.breaker = BreakerState.HALF_OPEN
    connector.failures = connector.refusals = 0
    connector.breaker_until, connector.sick_since = None, None
    connector.probe_at = connector.updated_at
    connector.save()
    _try_anew(connector)


def _try_anew(connector: Connector) -> None:
    """Have what waits after a failure of its own tried at once: a person may have mended what it failed of."""
    now = connector.updated_at
    orders = Order.objects.filter(state__in=[State.QUEUED, State.PENDING])
    for rows in (orders, Certificate.objects.all()):
        rows.filter(connector=connector, attempt__gt=0, fence=None, due_at__gt=now).update(due_at=now)


def _switch(act: Act, connector: Connector, status: Status) -> None:
    changed = ("status",) if connector.status != status else ()
    connector.status, connector.updated_at, connector.updated_by = status, act.at, act.actor.name
    _touch(connector)
    _note(act, connector, changed=changed)
    wake()


def _status(values: dict[str, Any]) -> Status:
    given = values.get("status", Status.ACTIVE)
    if given not in set(Status):
        raise Invalid.one("status", f"There is no status {str(given)[:40]!r}.", f"It is {' or '.join(Status)}.")
    return Status(given)


def _insert(act: Act, connector: Connector) -> None:
    with _name_taken(connector):
        connector.save(force_insert=True)
    if not catalog.get(connector.authority).facts.cpu_bound:
        Pace.objects.create(connector=connector)
    pool = Pool.objects.create(name=connector.name, created_at=act.at)
    PoolMember.objects.create(pool=pool, connector=connector)


def _name_taken(connector: Connector) -> AbstractContextManager[None]:
    text = f"There is already a connector {connector.name!r} of this CA type, or one that differs in capitals only."
    return name_taken(text)


def _note(act: Act, connector: Connector, **more: Any) -> None:
    act.note("connector", connector.pk, connector.name, team=connector.team_id, **more)
