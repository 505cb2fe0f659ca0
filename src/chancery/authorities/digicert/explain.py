"""Why an order is not issued yet, and who has to do what, in words for the administrator (B3.1, B7).

`/validation` says which check is open; tokens come with the answer to the order, with the domain, or with the order's
random value. What DigiCert's answer holds is rendered; nothing is built from guesses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.read import names, number, rows, segment, table, word
from chancery.sdk.errors import AuthFailed, AuthorityError, Throttled, Unreachable
from chancery.sdk.outcome import PendingKind

TEXT = 900
"""Characters of an explanation; the order's page holds a little more."""
_MOST_RECORDS = 5
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

Record = dict[str, str]
"""One record to be made: name, method, token, target, url, until; '' for what DigiCert did not say."""


def explain(
    client: Client, order: str, status: str, info: dict[str, Any], records: list[Record]
) -> tuple[PendingKind, str]:
    """Return whom an order waits for, and the text for the page; asks DigiCert where the status leaves it open."""
    if status not in _KINDS:
        shown = repr(status[:40]) if status else "none"
        return PendingKind.PROCESSING, f"DigiCert reports a status that Chancery does not know: {shown}. It is watched."
    kind, text = _KINDS[status]
    waiting = [r for r in rows(info.get("requests")) if word(r.get("status")) in {"pending", "submitted"}]
    if status in {"needs_approval", "reissue_pending"} and waiting:
        numbers = ", ".join(number(r.get("id")) or "?" for r in waiting)
        return PendingKind.APPROVAL, f"Request {numbers} waits for an approver at DigiCert."
    if status not in {"pending", "reissue_pending"}:
        return kind, text
    details = _open_checks(client, order, info, records)
    return (PendingKind.VALIDATION if details else kind), " ".join([text, *details])[:TEXT]


def records_in(answer: dict[str, Any], method: str) -> list[Record]:
    """Return the records that the answer to an order asks for."""
    found = [
        record_of(word(row.get("dns_name")), method, table(row.get("dcv_token"))) for row in rows(answer.get("domains"))
    ]
    value = word(answer.get("dcv_random_value"))
    if value:
        found.append(record_of("", method, {"token": value}))
    return [r for r in found if r["token"]][:_MOST_RECORDS]


def record_of(name: str, method: str, token: dict[str, Any]) -> Record:
    """Return one record out of a `dcv_token`."""
    return {
        "name": name,
        "method": method,
        "token": word(token.get("token")),
        "target": word(token.get("verification_value")),
        "url": word(token.get("http_token_url"), 300),
        "until": word(token.get("expiration_date"))[:10],
    }


def instruction(record: Record, name: str) -> str:
    """Return what has to be made where."""
    token, target, until = record["token"], record["target"], record["until"]
    end = f", valid until {until}." if until else "."
    if record["method"] == "dns-cname-token" and target:
        return f"Make a CNAME record {token}.{name} that points to {target}{end}"
    if record["method"] == "http-token":
        where = record["url"] or f"the place at {name} that the order's page at DigiCert names"
        return f"Put a file with the text {token} at {where}{end}"
    if record["method"] == "dns-txt-token":
        return f"Make a TXT record at {name} with the value {token}{end}"
    if record["method"] == "email":
        return f"Follow the link in DigiCert's e-mail about {name}."
    shown = f" ({record['method']})" if record["method"] else ""
    return f"Validate {name}{shown} at DigiCert with the value {token}{end}"


def _open_checks(client: Client, order: str, info: dict[str, Any], records: list[Record]) -> list[str]:
    found = attempt(lambda: client.get(f"order/certificate/{segment(order)}/validation"))
    if found is None:
        return [instruction(r, r["name"] or _common_name(info)) for r in records]
    checks = [v for v in rows(found.get("organization_validations")) if not _is_done(v)]
    texts = [
        f"The organisation's {word(v.get('type')) or 'check'} is {word(v.get('status')) or 'open'}." for v in checks
    ]
    opened = [v for v in rows(found.get("dns_name_validations")) if not _is_done(v)]
    texts += [_domain(client, order, check, info, records) for check in opened[:_MOST_RECORDS]]
    if len(opened) > _MOST_RECORDS:
        texts.append(f"{len(opened) - _MOST_RECORDS} more names are open.")
    return texts


def _is_done(check: dict[str, Any]) -> bool:
    return word(check.get("status")).lower() in _DONE


def _domain(client: Client, order: str, check: dict[str, Any], info: dict[str, Any], records: list[Record]) -> str:
    name = (names(check.get("dns_names")) or [word(check.get("name_scope")) or _common_name(info)])[0]
    method = word(check.get("method")) or word(info.get("dcv_method"))
    record = next((r for r in records if r["name"] in {name, ""}), None)
    record = record or _domain_record(client, check, method) or _order_record(client, order, method)
    if record is None:
        return f"{name} is not validated yet{f' ({method})' if method else ''}."
    return instruction({**record, "method": method or record["method"]}, record["name"] or name)


def _domain_record(client: Client, check: dict[str, Any], method: str) -> Record | None:
    ident = number(check.get("domain_id"))
    if not ident:
        return None
    found = attempt(lambda: client.get(f"domain/{ident}", {"include_dcv": "true", "include_validation": "true"}))
    record = record_of(word(table(found).get("name")), method, table(table(found).get("dcv_token")))
    return record if record["token"] else None


def _order_record(client: Client, order: str, method: str) -> Record | None:
    if method == "email":
        return record_of("", method, {})
    found = attempt(lambda: client.renew_value(f"order/certificate/{segment(order)}/dcv-random-value"))
    token = {"token": table(found).get("dcv_random_value"), "expiration_date": table(found).get("expiration_date")}
    record = record_of("", method, token)
    return record if record["token"] else None


def _common_name(info: dict[str, Any]) -> str:
    return word(table(info.get("certificate")).get("common_name"), 255) or "the order's name"


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
