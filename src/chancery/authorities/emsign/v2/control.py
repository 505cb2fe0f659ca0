"""Domain control of a waiting order: which domain waits, what is to be published where, what the CA's look found (2.3).

The sum of all domains is unreliable, so each is read. What a person has published is looked for at the next look.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chancery.authorities.emsign.attempt import attempt
from chancery.authorities.emsign.config import EmSignConfig
from chancery.authorities.emsign.meanings import ALREADY_VERIFIED
from chancery.authorities.emsign.progress import Progress, Record, instruction, record_of
from chancery.authorities.emsign.read import rows, segment, table, word
from chancery.authorities.emsign.v2.session import Session
from chancery.sdk.errors import NotFound, RejectedByPolicy, ValidationFailed

MOST = 5
"""Domains that one look asks about."""


def control(
    session: Session, config: EmSignConfig, method: str, progress: Progress, detail: dict[str, Any]
) -> Progress:
    """Return the progress with its challenges, and with a text that says what to do for which domain."""
    waiting, said = _waiting(detail)
    records = {r["domain"]: r for r in progress.records}
    kept: list[Record] = []
    for domain in waiting[:MOST]:
        record = records.get(domain) or _challenge(session, progress.order, domain, method)
        found = _look(session, progress, domain, method) if config.dcv_verify and domain in records else ""
        if found is None:
            said.append(f"{domain} has just been validated.")
            continue
        if record is None:
            said.append(f"{domain} is not validated yet; emSign gives its challenge later.")
            continue
        kept.append(record)
        said.append(f"{instruction(record, method, config.dcv_txt_host)}{found}")
    if len(waiting) > MOST:
        said.append(f"{len(waiting) - MOST} more domains are open.")
    return replace(progress, records=tuple(kept), text=" ".join(["emSign validates domain control.", *said]))


def _waiting(detail: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the domains that are open, and what is to be said of those that are not well."""
    listed = rows(table(table(detail.get("verifications")).get("domain")).get("domains"))
    if not listed:
        return [name for name in [word(detail.get("domain"), 255)] if name], []
    said = [
        f"The CAA records of {word(d.get('domain'), 255)} forbid it." for d in listed if _is(d, "caaStatus", "FAILED")
    ]
    said += [f"{word(d.get('domain'), 255)} was rejected." for d in listed if _is(d, "dcvStatus", "REJECTED")]
    return [name for d in listed if _is(d, "dcvStatus", "PENDING") and (name := word(d.get("domain"), 255))], said


def _is(row: dict[str, Any], name: str, wanted: str) -> bool:
    return word(row.get(name)).upper() == wanted


def _challenge(session: Session, order: str, domain: str, method: str) -> Record | None:
    path = f"ssl-certificates/{segment(order)}/dcv"
    answer = attempt(lambda: session.get(path, {"domain": domain, "method": method}))
    return record_of(domain, answer) if answer is not None else None


def _look(session: Session, progress: Progress, domain: str, method: str) -> str | None:
    """Have the CA look; None where the domain is validated now, else what it found, as the end of a sentence."""
    path = f"ssl-certificates/{segment(progress.order)}/dcv/verify"
    try:
        session.act("POST", path, {"domain": domain, "method": method})
    except (RejectedByPolicy, ValidationFailed, NotFound) as error:
        if error.code == ALREADY_VERIFIED:
            return None
        return f" emSign looked and found: {error.text[:200] or error.message[:200]}"
    return None
