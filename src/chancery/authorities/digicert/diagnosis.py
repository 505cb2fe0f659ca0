"""*Test connection* from the login on, by reading only: user, rights, account, products, organisations, field (B12)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.config import DigiCertConfig
from chancery.authorities.digicert.offers import ends_before, pages
from chancery.authorities.digicert.read import day, flag, number, rows, table, word
from chancery.sdk.errors import Forbidden, NotFound, ProtocolViolation, RejectedByPolicy
from chancery.sdk.finding import Finding, Level

_SOON = timedelta(days=30)
_STRONG = {"administrator", "manager"}
_NOT_SERVED = (Forbidden, NotFound, ProtocolViolation, RejectedByPolicy)


def findings(client: Client, config: DigiCertConfig, now: datetime) -> Iterator[Finding]:
    """Give one finding after the other; what the key may not read is a warning, a refused login an error."""
    me = client.get("user/me")
    account = number(table(me.get("account")).get("id")) or "?"
    yield _good("login", "The API key is accepted.", f"{word(me.get('username')) or '?'} in account {account}")
    yield from _keys(client, config, now)
    yield _rights(me, config)
    yield from _tried(lambda: _account(client), "rights", "account")
    yield from _tried(lambda: _divisions(client, config), "rights", "divisions")
    yield from _tried(lambda: _products(client), "product", "products")
    yield from _tried(lambda: _organisations(client, now), "product", "organisations")
    yield from _tried(lambda: _domains(client, now), "product", "domains")
    yield from _tried(lambda: _reference_field(client, config), "product", "custom fields")
    yield Finding("quota", Level.SKIPPED, "not_offered", "CertCentral does not say how much of the rate is left.")


def _good(stage: str, message: str, evidence: str = "") -> Finding:
    return Finding(stage, Level.OK, "ok", message, evidence)


def _tried(ask: Callable[[], Iterator[Finding]], stage: str, what: str) -> Iterator[Finding]:
    try:
        yield from ask()
    except _NOT_SERVED as error:
        yield Finding(
            stage,
            Level.WARNING,
            "not_readable",
            f"The {what} could not be read: {error.message}",
            error.code,
            error.remedy,
        )


def _keys(client: Client, config: DigiCertConfig, now: datetime) -> Iterator[Finding]:
    if client.first_key_refused:
        text = "DigiCert refuses the first key; the second one is used."
        remedy = "Enter the second key as the first one, and leave the second empty."
        yield Finding("login", Level.WARNING, "second_key", text, "", remedy)
    until = day(config.api_key_until)
    if until is not None and until <= (now + _SOON).date():
        text = "The key is to be replaced: its day has come or comes within 30 days."
        remedy = "Make a new key for the service user, enter it as the second one, then as the first."
        yield Finding("login", Level.WARNING, "key_age", text, config.api_key_until, remedy)


def _account(client: Client) -> Iterator[Finding]:
    account = client.get("account")
    kind = word(account.get("cert_central_type"))
    evidence = f"primary organisation {number(account.get('primary_organization_id')) or '?'}"
    yield _good("rights", "The account was read.", evidence + (f", {kind}" if kind else ""))


def _rights(me: dict[str, Any], config: DigiCertConfig) -> Finding:
    roles = [word(r.get("name")) for r in rows(me.get("access_roles"))]
    text = ", ".join(r for r in roles if r) or "none named"
    strong = any(r.lower() in _STRONG for r in roles)
    if config.skip_approval and roles and not strong:
        remedy = "Give the service user the role Manager, or do not skip approvals."
        return Finding("rights", Level.FAILED, "skip_approval", "The key may not skip approvals.", text, remedy)
    return _good("rights", "Roles of the key's user were read; DigiCert does not show a key's own restriction.", text)


def _divisions(client: Client, config: DigiCertConfig) -> Iterator[Finding]:
    found = {number(c.get("id")): word(c.get("name")) for c in rows(client.get("container").get("containers"))}
    listed = ", ".join(f"{ident} {name}" for ident, name in found.items())[:300]
    if config.container_id and config.container_id not in found:
        remedy = "Correct the division, or give the key's user access to it."
        yield Finding("rights", Level.FAILED, "division", "The key does not see the division.", listed, remedy)
    elif not config.container_id and len(found) > 1:
        text = "The account has several divisions, and none is chosen: orders go to the key's own."
        yield Finding("rights", Level.WARNING, "no_division", text, listed, "Choose a division in the connector.")
    elif found:
        yield _good("rights", "The division is there.", listed)


def _products(client: Client) -> Iterator[Finding]:
    products = [p for p in rows(client.get("product").get("products")) if word(p.get("name_id"))]
    if products:
        listed = ", ".join(word(p.get("name_id")) for p in products[:8])
        yield _good("product", f"Products that can be ordered: {len(products)}.", listed)
    else:
        remedy = "Ask DigiCert to enable one."
        yield Finding("product", Level.FAILED, "none", "The account offers no product.", "", remedy)


def _organisations(client: Client, now: datetime) -> Iterator[Finding]:
    query = {"filters[status]": "active", "include_validation": "true"}
    found = list(pages(client, "organization", "organizations", query))
    if not found:
        text = "No organisation is active: only products that validate the domain alone can be ordered."
        yield Finding("product", Level.WARNING, "no_organisation", text, "", "Add an organisation at DigiCert.")
        return
    late = [o for o in found if ends_before(o, now + _SOON)]
    listed = ", ".join(word(o.get("name")) for o in (late or found)[:8])
    if late:
        text = "An organisation's validation has ended or ends within 30 days; its orders will wait for it."
        yield Finding("product", Level.WARNING, "validation", text, listed, "Renew the validation at DigiCert.")
    else:
        yield _good("product", f"Active organisations: {len(found)}.", listed)


def _domains(client: Client, now: datetime) -> Iterator[Finding]:
    """Warn of validations that end: pre-validated domains are what makes orders be issued at once (B7)."""
    found = [d for d in pages(client, "domain", "domains", {"include_validation": "true"}) if flag(d.get("is_active"))]
    late = [d for d in found if ends_before(d, now + _SOON)]
    if late:
        text = f"The validation of {len(late)} of {len(found)} domains has ended or ends within 30 days."
        listed = ", ".join(word(d.get("name")) for d in late[:8])
        yield Finding(
            "product", Level.WARNING, "domains", text, listed, "Validate them at DigiCert before they are needed."
        )
    elif found:
        yield _good("product", f"{len(found)} domains are active, and none of their validations is near its end.")


def _reference_field(client: Client, config: DigiCertConfig) -> Iterator[Finding]:
    wanted = config.reference_field_id
    if not wanted:
        text = "No custom field carries our reference; a lost answer is then settled by key and name."
        remedy = "Make a text field in CertCentral and enter its id."
        yield Finding("product", Level.WARNING, "no_reference_field", text, "", remedy)
        return
    fields = rows(client.get("account/metadata").get("metadata"))
    found = next((f for f in fields if number(f.get("id")) == wanted), None)
    if found is None or flag(found.get("is_active")) is False:
        text = "The custom field is missing or inactive."
        yield Finding("product", Level.FAILED, "reference_field", text, wanted, "Correct its id.")
    elif word(found.get("data_type")) not in {"", "text", "anything"}:
        text = "The custom field is not one for text, so our reference may be refused."
        yield Finding(
            "product", Level.FAILED, "reference_field", text, word(found.get("data_type")), "Use a text field."
        )
    else:
        yield _good("product", "The custom field for our reference is active.", word(found.get("label")))
    required = [f for f in fields if flag(f.get("is_required")) and number(f.get("id")) != wanted]
    if required:
        listed = ", ".join(word(f.get("label")) or number(f.get("id")) for f in required)
        text = "The account requires other custom fields, which Chancery does not fill: orders will be refused."
        yield Finding("product", Level.FAILED, "required_fields", text, listed, "Make them optional at DigiCert.")
