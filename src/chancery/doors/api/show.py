"""How things look in the API. One function per kind of thing; secrets are never among the fields."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from chancery import catalog
from chancery.apps.accounts.models import ApiToken, Environment, Session, User
from chancery.apps.audit import proofs
from chancery.apps.certificates import queries as certificates
from chancery.apps.certificates.models import Certificate, KeyReport
from chancery.apps.certificates.reporting import Reported
from chancery.apps.changes.models import Change
from chancery.apps.connectors import pace
from chancery.apps.connectors.credentials import Credential
from chancery.apps.connectors.models import Call, Connector, CredentialChange
from chancery.apps.orders import causing
from chancery.apps.orders.models import Order, OrderEvent
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.paging import Page
from chancery.core.order import RevocationState
from chancery.sdk.authority import Descriptor
from chancery.sdk.config import Config, ProfileSettings, only_where, secret_names


def page(found: Page[Any], show: Any) -> dict[str, Any]:
    """Return a page with its cursors."""
    items = [show(item) for item in found.items]
    return {"items": items, "next": found.next, "previous": found.previous, "count": found.count_text}


def _schema(model: type[Config | ProfileSettings]) -> dict[str, Any]:
    """Return a model as JSON Schema; of a field that means something only beside others, its description says so."""
    schema = model.model_json_schema()
    for name, part in schema.get("properties", {}).items():
        if where := only_where(model, name):
            part["description"] = f"{where} {part.get('description', '')}".strip()
    return schema


def authority(descriptor: Descriptor) -> dict[str, Any]:
    """Return what may be known of a CA type."""
    return {
        "slug": descriptor.slug,
        "title": descriptor.title,
        "maker": descriptor.maker,
        "proof": descriptor.proof,
        "powers": sorted(descriptor.powers),
        "needs_base_url": descriptor.outside,
        "default_base_url": descriptor.default_base_url,
        "secrets": sorted(secret_names(descriptor.config)),
        "made": sorted(catalog.made(descriptor.slug)),
        "config": _schema(descriptor.config),
        "profile": _schema(descriptor.profile),
        "publishes_revocations": descriptor.facts.publishes_revocations,
        "revocation_reasons": [str(r) for r in descriptor.facts.revocation_reasons],
    }


def connector(row: Connector, queues: Mapping[str, str]) -> dict[str, Any]:
    """Return a connector; of its secrets only which ones are set. `queues` say how many orders wait."""
    version = row.current
    return {
        "id": str(row.pk),
        "authority": row.authority,
        "name": row.name,
        "status": row.status,
        "health": row.health,
        "health_text": row.health_text,
        "broken": catalog.why_not(row.authority),
        "health_at": row.health_at,
        "paused_until": row.breaker_until,
        "breaker": row.breaker,
        "sick_since": row.sick_since,
        "pace": pace.of(row, current_clock().now()).as_values(),
        **{name: getattr(row, name) for name in ("limit_seats", "limit_rate", "limit_burst")},
        "queue": queues.get(str(row.pk), "0"),
        "base_url": row.base_url,
        "environment": row.environment.name,
        "team": row.team.name,
        "owner": row.owner,
        "contact": row.contact,
        "region": row.region,
        "description": row.description,
        "tags": row.tags,
        "revision": row.revision,
        "version": version.number if version else None,
        "tested_at": version.tested_at if version else None,
        "untested_reason": version.untested_reason if version else "",
        "proxy": version.proxy if version else "",
        "trust_pem": version.trust_pem if version else "",
        "allowed_networks": version.allowed_networks if version else [],
        "settings": version.settings if version else {},
        "secrets_set": sorted(version.secrets) if version else [],
        "last_issue_at": row.last_issue_at,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def call(row: Call) -> dict[str, Any]:
    """Return an outgoing act and its result."""
    return {
        "id": str(row.pk),
        "kind": row.kind,
        "state": row.state,
        "authority": row.authority,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
        "result": row.result,
    }


def profile(row: Profile, routes: Mapping[UUID, Connector]) -> dict[str, Any]:
    """Return a profile; `routes` say where its orders go."""
    connector = routes.get(row.pk)
    names = (
        "key_types",
        "name_kinds",
        "name_suffixes",
        "wildcard",
        "max_names",
        "validity_days",
        "validity_days_max",
        "deadline_hours",
    )
    renewal = ("renewal", "renewal_share")
    return {
        "id": str(row.pk),
        "name": row.name,
        "description": row.description,
        "team": row.team.name,
        "environment": row.environment.name,
        "pool": row.pool.name,
        "pool_id": str(row.pool_id) if row.pool.shared else None,
        "region": row.region,
        "connector": str(connector.pk) if connector else None,
        "connector_name": connector.name if connector else "",
        **{n: getattr(row, n) for n in (*names, *renewal, "needs_approval", "approvals", "products", "revision")},
    }


def order(row: Order) -> dict[str, Any]:
    """Return an order without its request's bytes."""
    return {
        "id": str(row.pk),
        "state": row.state,
        "common_name": row.common_name,
        "names": [value for _, value in row.names],
        "key_type": row.key_type,
        "validity_days": row.validity_days,
        "profile": str(row.profile_id),
        "connector": str(row.connector_id),
        "requested_by": row.requested_by_id,
        "caused_by": causing.whole(row.caused_by),
        "comment": row.comment,
        "placed_at": row.placed_at,
        "deadline_at": row.deadline_at,
        "finished_at": row.finished_at,
        "next_look_at": row.due_at,
        "pending_kind": row.pending_kind,
        "ca_reference": row.ca_reference,
        "reason": row.reason,
        "reason_code": row.reason_code,
        "idempotency_key": row.idem_key,
    }


def whole_order(row: Order, events: list[OrderEvent]) -> dict[str, Any]:
    """Return an order with its timeline and certificate."""
    found = Certificate.objects.filter(order=row).values_list("pk", flat=True).first()
    lines = [{"at": e.at, "kind": e.kind, "actor": e.actor, "text": e.text, "detail": e.detail} for e in events]
    return {**order(row), "certificate": str(found) if found else None, "timeline": lines}


def certificate(row: Certificate) -> dict[str, Any]:
    """Return a certificate without its bytes."""
    names = ("serial", "issuer", "common_name", "key_type", "sha256", "not_before", "not_after", "ca_reference")
    more = (
        "origin",
        "origin_text",
        "owner",
        "contact",
        "revocation",
        "revocation_reason",
        "revocation_text",
        "revoked_at",
    )
    return {
        "id": str(row.pk),
        "status": certificates.status(row),
        "names": [value for _, value in row.names],
        "order": str(row.order_id) if row.order_id else None,
        "connector": str(row.connector_id) if row.connector_id else None,
        "profile": str(row.profile_id) if row.profile_id else None,
        "warnings": row.warnings,
        "revocation_published": _published(row),
        **{n: getattr(row, n) for n in (*names, *more)},
    }


def key_report(row: KeyReport) -> dict[str, Any]:
    """Return a report of a key."""
    about = ("spki_sha256", "certificate", "reported_at", "reported_by", "note", "for_everybody")
    after = ("confirmed_at", "confirmed_by", "withdrawn_at", "withdrawn_by", "withdrawn_why")
    team = row.team.name if row.team is not None else ""
    return {"id": str(row.pk), "team": team, **{n: getattr(row, n) for n in (*about, *after)}}


def key_reported(made: Reported) -> dict[str, Any]:
    """Return what came of reporting a key."""
    return {
        **key_report(made.report),
        "revocations": [
            {
                "id": str(row.pk),
                "ok": refused is None,
                "detail": f"{refused} {refused.remedy}".strip() if refused else "",
            }
            for row, refused in made.revocations
        ],
        "still_valid": [
            {"id": str(o.certificate.pk), "reasons": o.reasons, **_facts(o.certificate)} for o in made.left
        ],
    }


def _facts(row: Certificate) -> dict[str, Any]:
    return {"common_name": row.common_name, "not_after": row.not_after}


def _published(row: Certificate) -> bool | None:
    """Say whether a confirmed revocation can be seen by whoever checks; None where nothing was revoked, or no CA is known."""
    if row.revocation != RevocationState.CONFIRMED or row.connector is None:
        return None
    descriptor = catalog.find(row.connector.authority)
    return descriptor is None or descriptor.facts.publishes_revocations


def stranded(row: Certificate) -> dict[str, Any]:
    """Return a certificate as the preview of a deletion names it."""
    names = ("common_name", "serial", "not_after")
    return {"id": str(row.pk), **{n: getattr(row, n) for n in names}}


def user(row: User) -> dict[str, Any]:
    """Return a person."""
    in_order = sorted(row.grants.all(), key=lambda grant: grant.pk)
    grants = [{"role": g.role, "team": g.team_id, "environment": g.environment_id} for g in in_order]
    return {
        "id": row.pk,
        "username": row.username,
        "full_name": row.full_name,
        "is_active": row.is_active,
        "must_change_password": row.must_change_password,
        "grants": grants,
    }


def environment(row: Environment) -> dict[str, Any]:
    """Return an environment."""
    return {"id": row.pk, "name": row.name, "is_production": row.is_production}


def token(row: ApiToken) -> dict[str, Any]:
    """Return an API token without its text."""
    names = ("name", "hint", "created_at", "expires_at", "revoked_at", "permissions", "networks")
    where = {"team": row.team_id, "environment": row.environment_id}
    return {"id": row.pk, **{n: getattr(row, n) for n in names}, **where}


def change(row: Change) -> dict[str, Any]:
    """Return a change with what it does; never a credential."""
    names = (
        "kind",
        "state",
        "name",
        "revision",
        "needed",
        "proposer",
        "proposed_at",
        "expires_at",
        "not_before",
        "text",
    )
    votes = [{"name": v.name, "at": v.at} for v in sorted(row.votes.all(), key=lambda v: v.pk)]
    diff = [{n: one[n] for n in ("field", "before", "after")} for one in row.diff]
    return {
        "id": str(row.pk),
        **{n: getattr(row, n) for n in names},
        "connector": str(row.connector_id) if row.connector_id else None,
        "team": row.team.name if row.team else None,
        "environment": row.environment.name,
        "votes": votes,
        "diff": diff,
    }


def session(row: Session) -> dict[str, Any]:
    """Return a session; never its key."""
    return {"id": str(row.ident), **{n: getattr(row, n) for n in ("started_at", "address", "agent", "how")}}


def record_state(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the record is proven."""
    last = found["checkpoint"]
    anchors = [{n: getattr(a, n) for n in ("place", "size", "at", "failures", "error")} for a in found["anchors"]]
    names = ("origin", "entries", "waiting", "key", "keys")
    signed = {"signed_at": last.at if last is not None else None, "checkpoint": found["note"]}
    return {**{n: found[n] for n in names}, **signed, "anchors": anchors}


def entry_proof(found: proofs.Proof) -> dict[str, Any]:
    """Return the proof of one entry."""
    return {
        "entry": str(found.entry.pk),
        "index": found.index,
        "size": found.size,
        "body": bytes(found.entry.body).decode(),
        "hashes": [proofs.encoded(h) for h in found.hashes],
        "checkpoint": found.checkpoint,
        "file": found.text,
    }


def credential(found: Credential, now: datetime) -> dict[str, Any]:
    """Return how a connector's credential stands, without any of it."""
    change = found.change
    return {
        "since": found.since,
        "age_days": (now - found.since).days,
        "expires_on": found.expires_on,
        "days_left": found.days_left(now),
        "change": _change(change) if change is not None else None,
    }


def _change(row: CredentialChange) -> dict[str, Any]:
    names = ("state", "names", "expires_on", "staged_at", "staged_by", "switched_at", "grace_until")
    confirmed = {"confirmed_at": row.confirmed_at, "confirmed_by": row.confirmed_by}
    test = str(row.call_id) if row.call_id else None
    return {**{n: getattr(row, n) for n in names}, **confirmed, "test": test, "kept": bool(row.sealed)}
