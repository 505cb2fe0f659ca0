"""Ties a test to what is saved after it: the very settings that were tested, by the same person, with what result."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.crypto import salted_hmac

from chancery import catalog
from chancery.apps.connectors import queries
from chancery.apps.connectors.configure import WHERE
from chancery.apps.connectors.models import Call, CallKind, CallState, ConnectorVersion
from chancery.apps.shared.action import Act, current_clock
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.paging import by_id
from chancery.apps.shared.texts import clean
from chancery.core.errors import Invalid, Problem, Unavailable
from chancery.core.secret import Secret

_SALT = "chancery.connectors.trial"
_REASON = 500
_FRESH = timedelta(hours=1)
"""How long a test says something about the settings that it was made with."""
_STEP = 0.1
PATIENCE = 30.0
"""Seconds that a door waits for a test before it says that nobody makes it."""


_UNTESTED = Problem(
    "untested",
    "The last test of these settings found faults.",
    "Mend them, or say why it is saved all the same.",
    "test_failed",
)


@dataclass(frozen=True)
class Trial:
    """What a version says of its test: when it passed, or why it was saved without one that did."""

    tested_at: datetime | None = None
    untested: str = ""


def digest(authority: str, values: dict[str, Any], base: ConnectorVersion | None) -> str:
    """Return what makes two sets of settings the same for a test: address, trust, own fields, secrets, stored version.

    Keyed, since what is hashed holds secrets, and whoever reads the table must not be able to try guesses.
    """
    names = {*WHERE, *catalog.get(authority).config.model_fields}
    given = {n: _plain(v) for n, v in values.items() if n in names and v is not None and v != ""}
    text = json.dumps([authority, given, str(base.pk) if base else ""], sort_keys=True, default=str)
    return salted_hmac(_SALT, text, algorithm="sha256").hexdigest()


def judged(
    act: Act, authority: str, values: dict[str, Any], base: ConnectorVersion | None, tested: object, untested: str
) -> Trial:
    """Return what is to be kept of the last test of these very settings, and of the reason to save without one.

    Raises `Invalid` where that test found faults and no reason is given, and where `tested`, the id of a call that
    whoever saves relies on, tested other settings than these.
    """
    reason = clean("untested", untested, _REASON)
    same = Call.objects.filter(kind=CallKind.DIAGNOSE, digest=digest(authority, values, base))
    if tested and by_id(same, tested) is None:
        text = "These settings are not the ones that were tested."
        raise Invalid.one("tested", text, "Test them again, or save them without a test.", "not_tested")
    last = same.filter(created_at__gt=act.at - _FRESH, finished_at__isnull=False).order_by("-created_at").first()
    if last is not None and passed(last):
        return Trial(last.finished_at)
    if last is not None and not reason:
        raise Invalid([*_found(last), _UNTESTED])
    return Trial(None, reason)


def passed(call: Call) -> bool:
    """Say whether a test is done and found nothing that fails."""
    return call.state == CallState.DONE and not failures(call)


def _found(call: Call) -> list[Problem]:
    error = call.result.get("error")
    found = [Problem("test", f"{f['stage']}: {f['message']}", f["remedy"], f["code"]) for f in failures(call)]
    return [Problem("test", str(error), "Mend the settings.", "test_failed"), *found] if error else found


def failures(call: Call) -> list[dict[str, Any]]:
    """Return the findings of a test that failed."""
    return [f for f in call.result.get("findings", []) if f["level"] == "failed"]


def wait(actor: Actor, ident: object, seconds: float | None = None) -> Call:
    """Return a call when a worker has done it; raises `Unavailable` where none does within `seconds` (`PATIENCE`)."""
    deadline = time.monotonic() + (PATIENCE if seconds is None else seconds)
    while True:
        call = queries.call(actor, ident)
        if call.state not in {CallState.DUE, CallState.RUNNING}:
            return call
        if time.monotonic() > deadline:
            break
        time.sleep(_STEP)
    alive = queries.worker_alive(current_clock().now())
    text = "The test is not done yet." if alive else "No worker is running, so nobody makes the test."
    remedy = "Look at the call, and save when it is done." if alive else "Start a worker, or save without a test."
    raise Unavailable(text, remedy=remedy, code="not_tested")


def _plain(value: Any) -> Any:
    return value.reveal() if isinstance(value, Secret) else value
