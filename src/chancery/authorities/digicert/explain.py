"""Why an order is not issued yet, and who has to do what, in words for the administrator (B3.1, B7, B12).

`/validation` says which check is open; tokens come with the answer to the order, with the domain, or with the order's
random value; CAA messages with the order while it is pending.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.read import names, number, rows, segment, table, word
from chancery.authorities.digicert.records import MOST_RECORDS, Record, instruction, is_over, record_of
from chancery.sdk.errors import AuthFailed, AuthorityError, Throttled, Unreachable
from chancery.sdk.outcome import PendingKind

TEXT = 900
"""Characters of an explanation; the order's page holds a little more."""
_DONE = {"valid", "active", "approved", "complete", "completed", "validated", "issued"}
_KINDS = {
    "needs_approval": (PendingKind.APPROVAL, "Waits for an approver at DigiCert."),
    "needs_csr": (PendingKind.ACTION, "DigiCert says that the request is missing: add it to the order at DigiCert."),
    "pending": (PendingKind.VALIDATION, "DigiCert validates the domain or the organisation."),
    "processing": (PendingKind.PROCESSING, "DigiCert is issuing it."),
    "approved": (PendingKind.PROCESSING, "Approved; DigiCert is issuing it."),
    "waiting_pickup": (PendingKind.ACTION, "Waits for the recipient, who got an e-mail from DigiCert."),
    "reissue_pending": (PendingKind.PROCESSING, "A reissue is under way at DigiCert."),
}
QUICK = {"processing", "approved", "issued"}
"""States that usually last seconds."""
_NOT_YET = "not called"
"""Part of the CAA message of a name that was not looked at yet."""


@dataclass(frozen=True)
class Case:
    """One order to be explained: what DigiCert shows of it, the records known so far, and the day."""

    client: Client
    order: str
    info: dict[str, Any]
    records: list[Record]
    today: date


def explain(case: Case, status: str) -> tuple[PendingKind, str]:
    """Return whom an order waits for, and the text for the page; asks DigiCert where the status leaves it open."""
    if status not in _KINDS:
        shown = repr(status[:40]) if status else "none"
        return PendingKind.PROCESSING, f"DigiCert reports a status that Chancery does not know: {shown}. It is watched."
    kind, text = _KINDS[status]
    waiting = [r for r in rows(case.info.get("requests")) if word(r.get("status")) in {"pending", "submitted"}]
    if status in {"needs_approval", "reissue_pending"} and waiting:
        numbers = ", ".join(number(r.get("id")) or "?" for r in waiting)
        return PendingKind.APPROVAL, f"Request {numbers} waits for an approver at DigiCert."
    if status not in {"pending", "reissue_pending"}:
        return kind, text
    opened = _open_checks(case)
    details = [*(opened or []), *_caa(case.info)]
    if opened == [] and status == "pending":
        kind, text = PendingKind.PROCESSING, "Names and organisation are validated; DigiCert's own checks are not done."
    return (PendingKind.VALIDATION if details else kind), " ".join([text, *details])[:TEXT]


def _open_checks(case: Case) -> list[str] | None:
    """Return what is open; None where DigiCert does not say it and no record is known."""
    found = attempt(lambda: case.client.get(f"order/certificate/{segment(case.order)}/validation"))
    if found is None:
        return [instruction(r, r["name"] or _common_name(case)) for r in _fresh(case)] or None
    checks = [v for v in rows(found.get("organization_validations")) if not _is_done(v)]
    texts = [
        f"The organisation's {word(v.get('type')) or 'check'} is {word(v.get('status')) or 'open'}." for v in checks
    ]
    names_of = rows(found.get("dns_name_validations"))
    opened = [v for v in names_of if not _is_done(v)]
    if opened and len(names_of) > len(opened):
        texts.append(f"{len(names_of) - len(opened)} of {len(names_of)} names are validated.")
    texts += [_domain(case, check) for check in opened[:MOST_RECORDS]]
    if len(opened) > MOST_RECORDS:
        texts.append(f"{len(opened) - MOST_RECORDS} more names are open.")
    return texts if texts or names_of else None


def _caa(info: dict[str, Any]) -> list[str]:
    """Return what DigiCert says of CAA records (vendor's page *Order info*): it tells it only while an order is pending."""
    said = [(word(name), word(text, 120)) for name, text in table(info.get("caa_status_message")).items()]
    told = [f"CAA at {name}: {text.rstrip('.')}." for name, text in said if text and _NOT_YET not in text.lower()]
    return told[:MOST_RECORDS]


def _is_done(check: dict[str, Any]) -> bool:
    return word(check.get("status")).lower() in _DONE


def _fresh(case: Case) -> list[Record]:
    return [r for r in case.records if not is_over(r, case.today)]


def _domain(case: Case, check: dict[str, Any]) -> str:
    name = (names(check.get("dns_names")) or [word(check.get("name_scope")) or _common_name(case)])[0]
    method = word(check.get("method")) or word(case.info.get("dcv_method"))
    record = _record(case, check, name, method)
    if record is None:
        return f"{name} is not validated yet{f' ({method})' if method else ''}."
    return instruction({**record, "method": method or record["method"]}, record["name"] or name)


def _record(case: Case, check: dict[str, Any], name: str, method: str) -> Record | None:
    known = next((r for r in _fresh(case) if r["name"] in {name, ""}), None)
    if known is not None and known["until"]:
        return known
    # The order's own value came without its end: DigiCert gives it again as long as it is valid, and then another.
    if known is not None:
        return _order_record(case, method) or known
    return _domain_record(case, check, method) or _order_record(case, method)


def _domain_record(case: Case, check: dict[str, Any], method: str) -> Record | None:
    ident = number(check.get("domain_id"))
    if not ident:
        return None
    query = {"include_dcv": "true", "include_validation": "true"}
    found = attempt(lambda: case.client.get(f"domain/{ident}", query))
    record = record_of(word(table(found).get("name")), method, table(table(found).get("dcv_token")))
    return record if record["token"] and not is_over(record, case.today) else None


def _order_record(case: Case, method: str) -> Record | None:
    if method == "email":
        return record_of("", method, {})
    found = attempt(lambda: case.client.repeat(f"order/certificate/{segment(case.order)}/dcv-random-value"))
    token = {"token": table(found).get("dcv_random_value"), "expiration_date": table(found).get("expiration_date")}
    record = record_of("", method, token)
    return record if record["token"] else None


def _common_name(case: Case) -> str:
    return word(table(case.info.get("certificate")).get("common_name"), 255) or "the order's name"


def attempt(ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """Return what explains an order; None where this key may not read it or the account has no such call.

    An explanation is worth having, but an order must not fail for want of it. That the CA is away, or wants rest, is
    for the engine to know.
    """
    try:
        return ask()
    except (Unreachable, Throttled, AuthFailed):
        raise
    except AuthorityError:
        return None
