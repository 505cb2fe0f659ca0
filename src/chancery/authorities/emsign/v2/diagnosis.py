"""*Test connection* from the login on, by reading only: account, groups, rights, organisations, products, domains, chain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from chancery.authorities.emsign.attempt import attempt
from chancery.authorities.emsign.bundle import certificates_in, leaf_of
from chancery.authorities.emsign.config import EmSignConfig
from chancery.authorities.emsign.findings import chain_findings, good, tried, warning
from chancery.authorities.emsign.read import first, ident, moment, rows, segment, word
from chancery.authorities.emsign.v2.lists import groups, is_active, is_vetted, organizations, products
from chancery.authorities.emsign.v2.session import Session
from chancery.sdk.finding import Finding, Level

_SOON = timedelta(days=30)
_RECENT = timedelta(days=400)
_LOOKS = 3


def findings(session: Session, config: EmSignConfig, now: datetime) -> Iterator[Finding]:
    """Give one finding after the other; what the credential may not read is a warning, a refused login an error."""
    yield _account(session.get("auth/me"), config)
    yield from tried(lambda: _groups(session, config), "rights", "groups")
    issued: list[str] = []
    yield from tried(lambda: _reports(session, now, issued), "rights", "report of orders")
    yield from tried(lambda: _organizations(session, config), "product", "organisations")
    yield from tried(lambda: _products(session, config), "product", "products")
    yield from tried(lambda: _domains(session, now), "product", "domains")
    yield from tried(lambda: _balance(session), "quota", "balance")
    yield from _chain(session, issued)


def _account(me: dict[str, Any], config: EmSignConfig) -> Finding:
    number = word(me.get("accountNumber"))
    told = " ".join(t for t in (number, first(me, "accountName"), first(me, "accountType", "authType")) if t)
    if number and number != config.account_number:
        text = "The token is for another account than the connector's."
        return Finding("login", Level.FAILED, "account", text, told, "Correct the account number.")
    return good("login", "The client secret is accepted.", told)


def _groups(session: Session, config: EmSignConfig) -> Iterator[Finding]:
    found = {word(g.get("groupNumber")): word(g.get("groupName")) for g in groups(session)}
    listed = ", ".join(f"{number} {name}".strip() for number, name in found.items())[:300]
    if config.group_number and config.group_number not in found:
        text = "The account does not have the connector's group."
        yield Finding("rights", Level.FAILED, "group", text, listed, "Choose another group, or leave the field empty.")
    else:
        yield good("rights", f"Groups that orders can go to: {len(found)}.", listed)


def _reports(session: Session, now: datetime, issued: list[str]) -> Iterator[Finding]:
    days = {"from": f"{now - _RECENT:%Y-%m-%d}", "to": f"{now:%Y-%m-%d}"}
    answer = session.get("reports/orders", {"page": "1", "size": "20", "status": "issued", **days})
    found = rows(answer.get("content"))
    issued += [number for r in found if (number := ident(r.get("orderNumber")))]
    yield good("rights", "Orders can be searched, so that a lost answer is settled.", f"issued ones seen: {len(found)}")


def _organizations(session: Session, config: EmSignConfig) -> Iterator[Finding]:
    found = [o for o in organizations(session, config.group_number) if is_active(o)]
    listed = ", ".join(first(o, "organizationName", "organizationNumber") for o in found)[:300]
    if not found:
        text = "No organisation is active: only DV products can be ordered."
        yield warning("product", "no_organisation", text, "", "Add an organisation in the portal if you need OV or EV.")
    elif not any(is_vetted(o) for o in found):
        text = "No organisation is pre-vetted: each OV or EV order will be verified by people."
        yield warning("product", "not_vetted", text, listed, "Have an organisation pre-vetted by emSign.")
    else:
        yield good("product", f"Active organisations: {len(found)}.", listed)


def _products(session: Session, config: EmSignConfig) -> Iterator[Finding]:
    found = products(session, config.group_number)
    if found:
        listed = ", ".join(f"{code} {name}".strip() for code, name in found[:6])
        yield good("product", f"Products that can be ordered: {len(found)}.", listed)
    else:
        text = "The account offers no product" + (" in this group." if config.group_number else ".")
        yield Finding("product", Level.FAILED, "none", text, "", "Ask emSign to enable one, or choose another group.")


def _domains(session: Session, now: datetime) -> Iterator[Finding]:
    # The list has no stable order of its own, so one is asked for.
    query = {"offset": "0", "limit": "200", "sortBy": "domainName", "sortDir": "asc"}
    answer = session.get("domains", query)
    found = rows(next((v for v in answer.values() if isinstance(v, list)), []))
    late = [d for d in found if not _is_controlled(d, now)]
    listed = ", ".join(
        f"{word(d.get('domainName'), 255)} ({word(d.get('dcvStatus')) or '?'})" for d in (late or found)[:6]
    )
    if not found:
        yield good("product", "No domain is validated ahead; each order validates its own names.")
    elif late:
        text = f"{len(late)} of {len(found)} domains are not validated, or only for 30 days more."
        yield warning("product", "domains", text, listed, "Validate them in the portal, or their orders will wait.")
    else:
        yield good("product", f"Validated domains: {len(found)}.", listed)


def _is_controlled(domain: dict[str, Any], now: datetime) -> bool:
    if first(domain, "status", "domainStatus").upper() == "INACTIVE":
        return True
    until = moment(domain.get("validTill"))
    return word(domain.get("dcvStatus")).upper() == "VERIFIED" and (until is None or until > now + _SOON)


def _balance(session: Session) -> Iterator[Finding]:
    told = next((b for g in groups(session) if (b := word(g.get("accountBalance")))), "")
    if told:
        yield good("quota", "The account's balance was read; a negative one is credit that is left.", f"balance {told}")
    else:
        yield Finding("quota", Level.SKIPPED, "not_told", "CERTInext does not tell the account's balance.")


def _chain(session: Session, issued: list[str]) -> Iterator[Finding]:
    """Judge the chains of the last certificates: whoever issued them issues the next one, as far as anybody can tell."""
    bundles = [ders for number in issued[:_LOOKS] if (ders := _bundle(session, number))]
    yield from chain_findings([(leaf, ders) for ders in bundles if (leaf := leaf_of(ders)) is not None])


def _bundle(session: Session, number: str) -> list[bytes] | None:
    return attempt(lambda: certificates_in(session.get(f"ssl-certificates/{segment(number)}/certificate")))
