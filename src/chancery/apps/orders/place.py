"""Placing orders: who asks, parse once, policy, one transaction. The commit is the enqueue."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from chancery.apps.accounts.permissions import Permission
from chancery.apps.audit.record import Note, write
from chancery.apps.certificates import keys
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.causing import Causes
from chancery.apps.orders.models import Order, OrderEvent
from chancery.apps.pools.gathering import Setting, installed, rules_of, setting
from chancery.apps.profiles import queries as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.shared import asked
from chancery.apps.shared.action import REGISTRY, current_clock, record_refusal
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.bulk import insert
from chancery.apps.shared.returning import held
from chancery.apps.shared.sqlite import giving_way
from chancery.apps.shared.texts import clean, unfit
from chancery.apps.shared.waking import wake
from chancery.core.csr import Limits, Request, parse
from chancery.core.errors import Absent, Blocker, ChanceryError, Conflict, Invalid, NotPermitted
from chancery.core.ids import new_id
from chancery.core.order import OPEN, Cause, State, move
from chancery.core.policy import Ask, AuthorityFacts, Decision, ProfileRules, decide
from chancery.core.standing_in import choose, ranked

ACTION, RENEW = "orders.place", "certificates.renew"
_FEW = 20
"""So many are written in no time; whoever places more at once lets others go first."""
REGISTRY[ACTION] = Permission.ORDER_PLACE
REGISTRY[RENEW] = Permission.CERTIFICATE_RENEW
Key = tuple[int | None, str, str]
"""Whose idempotency key, for which route."""


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """What a door asks for. `profile` is an id or a name; `csr` is PEM or DER.

    `deadline` is when it is too late: for a renewal, the end of what it replaces. None takes the profile's. `parsed` is the
    request as it is read, where the door had to look into it before. `caused_by` are the people behind a machine.
    """

    profile: str
    csr: str | bytes
    validity_days: int | None = None
    comment: str = ""
    idem_key: str | None = None
    route: str = "orders"
    replaces: UUID | None = None
    deadline: datetime | None = None
    parsed: Request | None = None
    caused_by: Causes = field(default_factory=list)

    @property
    def action(self) -> str:
        """Return the name under which this is recorded."""
        return ACTION if self.replaces is None else RENEW


@dataclass(slots=True)
class Gathered:
    """A profile with all that placing needs, looked up once for a batch; `pool` where it goes to one of several members."""

    profile: Profile
    connector: Connector
    rules: ProfileRules
    facts: AuthorityFacts
    product: dict[str, Any]
    pool: Setting | None = None


@dataclass(slots=True)
class Way:
    """Where one order goes, and what its timeline says of that."""

    connector: UUID
    product: dict[str, Any]
    facts: AuthorityFacts
    text: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


Cache = dict[tuple[str, tuple[object, ...], Permission], Gathered | ChanceryError]
"""What one batch has looked up: by profile, rights (of two tokens of a person one may give less) and permission."""


@dataclass(slots=True)
class Ready:
    """An order that passed every rule, not yet written."""

    ask: PlaceOrder
    order: Order
    values: list[Any]
    decision: Decision
    way: Way


Prepared = Ready | Order | ChanceryError

ORDER_COLUMNS = tuple(f.column for f in Order._meta.concrete_fields)
_BLANK: dict[str, Any] = {f.attname: f.get_default() for f in Order._meta.concrete_fields}
EVENT_COLUMNS = ("id", "order_id", "at", "kind", "actor", "text", "detail")


def place(actor: Actor, ask: PlaceOrder) -> Order:
    """Place one order, or return the one that this idempotency key made before. Raises `ChanceryError`."""
    result = place_many(actor, [ask])[0]
    if isinstance(result, ChanceryError):
        raise result
    return result


def place_many(actor: Actor, asks: Sequence[PlaceOrder]) -> list[Order | ChanceryError]:
    """Place several orders in one commit; each has its own result, and a bad one refuses only itself."""
    return place_mixed([(actor, ask) for ask in asks])


def place_mixed(items: Sequence[tuple[Actor, PlaceOrder]]) -> list[Order | ChanceryError]:
    """Place orders of several people in one commit, for the writer that groups single requests."""
    cache: Cache = {}
    # One kind of work at a time keeps the processor's caches warm.
    requests = [ask.parsed or _parse(ask.csr) for _, ask in items]
    # Before the rules, which may have changed since: whoever repeats a request is told what became of it.
    known = _known(items)
    prepared = _with_good_keys(
        [
            _repeated(known[key], ask, request)
            if (key := _key(actor, ask)) in known
            else _prepare(actor, ask, request, cache)
            for (actor, ask), request in zip(items, requests, strict=True)
        ]
    )
    try:
        with giving_way(connection, much=len(items) > _FEW), transaction.atomic():
            return _write(items, prepared)
    except IntegrityError:
        # Another process used one of the keys at the same moment: once more, one by one, finds its order.
        if len(items) > 1:
            return [r for item in items for r in place_mixed([item])]
        (actor, ask), before = items[0], _known(items)
        return [_repeated(before[key], ask, requests[0]) if (key := _key(actor, ask)) in before else _not_stored(ask)]


def _parse(csr: str | bytes) -> Request | ChanceryError:
    try:
        return parse(csr, limits())
    except ChanceryError as refusal:
        return refusal


def _prepare(actor: Actor, ask: PlaceOrder, request: Request | ChanceryError, cache: Cache) -> Ready | ChanceryError:
    try:
        gathered = _gather(actor, ask, cache)
        return request if isinstance(request, ChanceryError) else _decide(actor, ask, gathered, request)
    except ChanceryError as refusal:
        return refusal


def _with_good_keys(prepared: list[Prepared]) -> list[Prepared]:
    """Refuse what passed every other rule where its key is stopped for its team: one question for the batch."""
    bad = keys.barred((one.order.spki_sha256, one.order.team_id) for one in prepared if isinstance(one, Ready))
    if not bad:
        return prepared
    return [
        keys.refusal() if isinstance(one, Ready) and (one.order.spki_sha256, one.order.team_id) in bad else one
        for one in prepared
    ]


@lru_cache(maxsize=1)
def limits() -> Limits:
    """Return how much of a request is looked at."""
    return Limits(settings.CSR_MAX_BYTES, settings.CSR_MAX_NAMES)


def _gather(actor: Actor, ask: PlaceOrder, cache: Cache) -> Gathered:
    wanted = Permission.ORDER_PLACE if ask.replaces is None else Permission.CERTIFICATE_RENEW
    key = (ask.profile, actor.rights, wanted)
    found = cache.get(key)
    if found is None:
        try:
            found = look_up(actor, ask.profile, wanted)
        except ChanceryError as refusal:
            found = refusal
        cache[key] = found
    if isinstance(found, ChanceryError):
        raise found
    return found


def look_up(actor: Actor, name: str, wanted: Permission) -> Gathered:
    """Return a profile that the actor may order with, and where its orders go. Raises `ChanceryError`."""
    if not actor.may(wanted):
        raise NotPermitted(wanted)
    profile = profiles.orderable(actor, name)
    if not actor.may(wanted, profile.team_id, profile.environment_id):
        raise NotPermitted(wanted)
    found = profiles.candidates(profile)
    takes = [c for c in found if c.usable]
    if len(found) > 1:
        # A type of CA that is not installed any more is no reason to refuse what another member takes.
        takes = [c for c in takes if installed(c)] or takes
    connector = next(iter(takes or found), None)
    if connector is None:
        raise Conflict(
            "No connector of the profile's pool takes new orders.",
            remedy="Add a connector to the pool, or end the draining of one.",
            code="no_connector",
        )
    facts = descriptor_of(connector.authority, connector.current_id).facts.certificates
    product = profile.products.get(connector.authority, {})
    # Most pools are of one connector: there is nothing to choose, and nothing more to look up.
    pool = setting(profile, profile.pool) if len(found) > 1 else None
    return Gathered(profile, connector, rules_of(profile), facts, product, pool)


def _way(gathered: Gathered, request: Request, days: int, now: datetime, deadline: datetime, ident: UUID) -> Way:
    """Choose among the members of a pool by a proof; a pool of one needs none."""
    plain = Way(gathered.connector.pk, gathered.product, gathered.facts)
    if gathered.pool is None:
        return plain
    pool = gathered.pool
    wanted = pool.wanted(request.names, request.key.label, days, now=now, deadline=deadline, seed=ident)
    choice = choose(pool.members, wanted)
    if choice is None:
        return plain
    home = next(m for m in ranked(pool.members, wanted.region) if not m.draining)
    detail = {"routed": choice.facts(home)} if choice.text else {}
    return Way(UUID(choice.member.key), pool.product(choice.member), choice.member.facts, choice.text, detail)


def _decide(actor: Actor, ask: PlaceOrder, gathered: Gathered, request: Request) -> Ready:
    now = current_clock().now()
    days = gathered.profile.validity_days if ask.validity_days is None else ask.validity_days
    ident, deadline = new_id(now), _deadline(ask, gathered.profile, now)
    way = _way(gathered, request, days, now, deadline, ident)
    decision = decide(Ask(request.names, request.key.label, days, gathered.rules, way.facts, now))
    if decision.problems:
        raise Invalid(list(decision.problems))
    if ask.idem_key is not None:
        clean("Idempotency-Key", ask.idem_key, 200, wanted="Send a UUID.")
    row = _row(actor, ask, gathered, request, days)
    hold = bool(decision.hold)
    row |= {
        "id": ident,
        "state": State.AWAITING_APPROVAL if hold else State.QUEUED,
        "placed_at": now,
        "deadline_at": deadline,
        "due_at": None if hold else now,
        "connector_id": way.connector,
        "product": way.product,
        "idem_digest": digest(ask, request),
        "approvals": gathered.profile.approvals if hold else 0,
    }
    values: list[Any] = list(row.values())
    # By position is four times as fast as by name, and `_BLANK` keeps the order of the fields.
    return Ready(ask, Order(*values), values, decision, way)  # type: ignore[misc]  # a list has one type for all fields


def _deadline(ask: PlaceOrder, profile: Profile, now: datetime) -> datetime:
    if ask.deadline is not None and ask.deadline > now:
        return ask.deadline
    return now + timedelta(hours=profile.deadline_hours)


def _row(actor: Actor, ask: PlaceOrder, gathered: Gathered, request: Request, days: int) -> dict[str, Any]:
    profile = gathered.profile
    return _BLANK | {
        "profile_id": profile.pk,
        "team_id": profile.team_id,
        "environment_id": profile.environment_id,
        "requested_by_id": actor.user,
        "requested_via": actor.via,
        "caused_by": ask.caused_by,
        "comment": clean("comment", ask.comment, 500, lines=True),
        "csr": request.der,
        "spki_sha256": request.key.spki_sha256,
        "common_name": request.common_name,
        "names": [[n.kind, n.value] for n in request.names],
        "key_type": request.key.label,
        "validity_days": days,
        "poll_state": {},
        "replaces_id": ask.replaces,
        "idem_route": ask.route if ask.idem_key is not None else "",
        "idem_key": ask.idem_key,
    }


def digest(ask: PlaceOrder, request: Request) -> str:
    """Return what makes two requests with one idempotency key the same."""
    parts = [ask.profile, request.sha256, ask.validity_days, ask.comment, str(ask.replaces or "")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _write(items: Sequence[tuple[Actor, PlaceOrder]], prepared: list[Prepared]) -> list[Order | ChanceryError]:
    ready = [one.order for one in prepared if isinstance(one, Ready)]
    # Connectors first, as whoever edits one goes on to its profiles.
    gone = _gone(Connector, {order.connector_id for order in ready}) | _gone(Profile, {o.profile_id for o in ready})
    results: list[Order | ChanceryError] = []
    fresh: list[tuple[Actor, Ready]] = []
    seen: dict[Key, Order] = {}
    for (actor, ask), one in zip(items, prepared, strict=True):
        if isinstance(one, ChanceryError):
            record_refusal(actor, ask.action, current_clock().now(), one, partial(asked.of, "profiles", ask.profile))
        if not isinstance(one, Ready):
            results.append(one)
            continue
        key = _key(actor, ask)
        if key is not None and key in seen:
            results.append(_same(seen[key], one.order.idem_digest))
            continue
        if one.order.profile_id in gone:
            results.append(Absent("profile", ask.profile))
            continue
        if one.order.connector_id in gone:
            results.append(_deleted_meanwhile())
            continue
        if key is not None:
            seen[key] = one.order
        fresh.append((actor, one))
        results.append(one.order)
    _store(fresh)
    return results


def _gone(model: type[Connector | Profile], idents: set[UUID]) -> set[UUID]:
    """Return those that were deleted since they were looked up; the others cannot be until the commit."""
    return idents - held(model, idents) if idents else set()


def _deleted_meanwhile() -> Conflict:
    return Conflict(
        "The profile's connector has just been deleted.",
        remedy="Give the profile another connector, then place the order again.",
        code="no_connector",
    )


def _key(actor: Actor, ask: PlaceOrder) -> Key | None:
    return None if ask.idem_key is None else (actor.user, ask.route, ask.idem_key)


def _known(items: Sequence[tuple[Actor, PlaceOrder]]) -> dict[Key | None, Order]:
    # What no table takes is no key of an order; the rules refuse it by name.
    keys = [key for actor, ask in items if (key := _key(actor, ask)) is not None and not unfit({"key": key[2]})]
    users = {user for user, *_ in keys if user is not None}
    if not users:
        return {}
    rows = Order.objects.filter(idem_key__in={key for *_, key in keys}, requested_by__in=users)
    return {(o.requested_by_id, o.idem_route, str(o.idem_key)): o for o in rows}


def _repeated(before: Order, ask: PlaceOrder, request: Request | ChanceryError) -> Order | ChanceryError:
    return request if isinstance(request, ChanceryError) else _same(before, digest(ask, request))


def _same(before: Order, wanted: str) -> Order | ChanceryError:
    if before.idem_digest == wanted:
        # A copy: the first of two in one batch is still the one that made it.
        again = copy(before)
        again.repeated = True  # type: ignore[attr-defined]  # tells the door to answer 200 instead of 201
        return again
    return Conflict(
        "This idempotency key was used for a different request.",
        remedy="Use a fresh key for a new request; repeat the old request unchanged to get its order.",
        code="idempotency_mismatch",
    )


def _not_stored(ask: PlaceOrder) -> Conflict:
    other = replacing(ask.replaces) if ask.replaces is not None else None
    if other is not None:
        return renewal_open(other)
    return Conflict("The order could not be stored.", remedy="Send it again.", code="retry")


def replacing(certificate: UUID) -> Order | None:
    """Return the open order that replaces a certificate; there is one at most."""
    return Order.objects.filter(replaces=certificate, state__in=list(OPEN)).first()


def renewal_open(order: Order) -> Conflict:
    """Return the refusal of a second order that replaces what an open one replaces."""
    return Conflict(
        f"A renewal of it is open already: the order {order.pk} is {order.state.replace('_', ' ')}.",
        remedy="Wait for that order, or cancel it.",
        blockers=[Blocker("order", order.common_name, str(order.pk), "replaces this certificate")],
        code="renewal_open",
    )


def _store(fresh: list[tuple[Actor, Ready]]) -> None:
    if not fresh:
        return
    insert(Order, ORDER_COLUMNS, [ready.values for _, ready in fresh])
    insert(OrderEvent, EVENT_COLUMNS, [_event(actor, ready) for actor, ready in fresh])
    _audit(fresh)
    if any(ready.order.due_at is not None for _, ready in fresh):
        wake()


def _audit(fresh: list[tuple[Actor, Ready]]) -> None:
    at = current_clock().now()
    alike: dict[tuple[Actor, str], list[Note]] = {}
    for actor, ready in fresh:
        order = ready.order
        detail = {"state": str(order.state)} | ({"replaces": str(ready.ask.replaces)} if ready.ask.replaces else {})
        note = Note("order", str(order.pk), order.common_name, team=order.team_id, detail=detail)
        alike.setdefault((actor, ready.ask.action), []).append(note)
    for (actor, action), notes in alike.items():
        write(actor, action, at, notes)


def _event(actor: Actor, ready: Ready) -> tuple[Any, ...]:
    order = ready.order
    kind = move(None, State(order.state), Cause.PERSON).event
    detail = {"rules": [[s.rule, s.outcome] for s in ready.decision.trail], **ready.way.detail}
    text = " ".join(filter(None, (ready.decision.hold, ready.way.text)))[:1000]
    return (new_id(order.placed_at), order.pk, order.placed_at, kind, actor.name, text, detail)
