"""Calls that the engine asks for by itself, beside probes: how fresh a CA is, and when it wants certificates renewed.

They go the way of every other call: written as a row, claimed, made on a seat, and what came of them is recorded here.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import Call, CallKind, Connector, Status
from chancery.apps.health import record as health
from chancery.apps.renewals import planning
from chancery.engine import watching
from chancery.engine.jobs import Answered, Result
from chancery.engine.timers import ask

FRESH_EVERY = timedelta(hours=1)
_AT_ONCE = 20
_MOST_SECONDS = 1e11
"""Some three thousand years: what lies further off is no time that can be stored."""
CLOCK_SKEW, SERVER_CERTIFICATE = "clock_skew", "server_certificate"
_MEASURED = {"clock": CLOCK_SKEW, "tls": SERVER_CERTIFICATE}
"""Stage of a finding → what its value is kept as."""


def ask_freshness(now: datetime, state: dict[str, Any]) -> dict[str, Any]:
    """Have some connectors looked at whose last look is old; `state` holds connector → when it was asked last."""
    asked = {k: v for k, v in state.get("asked", {}).items() if datetime.fromisoformat(v) > now - FRESH_EVERY}
    rows = Connector.objects.filter(deleted_at=None, status=Status.ACTIVE, last_issue_at__isnull=False)
    for row in [r for r in rows if str(r.pk) not in asked][:_AT_ONCE]:
        ask(CallKind.FRESHNESS, row, now)
        asked[str(row.pk)] = now.isoformat()
    return {"asked": asked}


def ask_hints(now: datetime, state: dict[str, Any]) -> dict[str, Any]:
    """Ask the CAs, for some certificates whose turn it is, when they want them renewed."""
    for plan in planning.to_ask(now, _AT_ONCE):
        ask(CallKind.HINT, plan.connector, now, str(plan.pk))
    return state


def about(call: Call) -> dict[str, Any]:
    """Return what a seat needs for such a call, as it has no tables; nothing for other kinds."""
    if call.kind == CallKind.HINT:
        row = Certificate.objects.filter(pk=call.field).first()
        return {"der": bytes(row.der), "serial": row.serial, "reference": row.ca_reference} if row is not None else {}
    if call.kind == CallKind.EARLIER:
        return watching.about(call)
    if call.kind != CallKind.FRESHNESS:
        return {}
    newest = Certificate.objects.filter(connector=call.connector_id).select_related("chain").order_by("-id").first()
    version = call.connector.current if call.connector is not None else None
    return {
        "leaf": bytes(newest.der) if newest is not None else b"",
        "chain": [base64.b64decode(der) for der in newest.chain.ders] if newest is not None and newest.chain else [],
        "networks": version.allowed_networks if version is not None else [],
    }


def keep(call: Call, result: Result, now: datetime) -> None:
    """Record what such a call, or a test of the connector, measured."""
    if call.connector_id is None:
        return
    if call.kind == CallKind.HINT:
        planning.hinted(call.field, result.result.get("hint") if isinstance(result, Answered) else None, now)
    elif call.kind == CallKind.EARLIER:
        watching.keep(call, result, now)
    elif isinstance(result, Answered) and call.kind == CallKind.FRESHNESS:
        _vitals(call.connector_id, result, now)
    elif isinstance(result, Answered):
        _measured(call.connector_id, result, now)


def _vitals(connector: UUID, result: Answered, now: datetime) -> None:
    found = result.result["vitals"]
    for one in found:
        until = datetime.fromisoformat(one["until"]) if one["until"] else None
        health.vital(connector, one["kind"], now, one["subject"], until=until, text=one["text"], error=one["error"])
    for kind in ("ca_certificate", "crl"):
        health.forget_vitals(connector, kind, [one["subject"] for one in found if one["kind"] == kind])


def _measured(connector: UUID, result: Answered, now: datetime) -> None:
    for finding in result.result.get("findings", []):
        kind, value = _MEASURED.get(finding["stage"]), finding.get("value")
        # An authority may say what it likes at these stages too; only what the door measured is a number in bounds.
        if kind is None or not isinstance(value, int | float) or not abs(value) < _MOST_SECONDS:
            continue
        measured = {"seconds": value} if kind == CLOCK_SKEW else {"until": datetime.fromtimestamp(value, UTC)}
        health.vital(connector, kind, now, text=str(finding["evidence"]), **measured)
