"""*Test connection* from the login on, by reading only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from chancery.authorities.emsign.attempt import attempt
from chancery.authorities.emsign.bundle import leaf_of
from chancery.authorities.emsign.config import EmSignConfig
from chancery.authorities.emsign.findings import chain_findings, good, tried, warning
from chancery.authorities.emsign.read import ident, rows, table
from chancery.authorities.emsign.v1.errors import PING
from chancery.authorities.emsign.v1.lists import groups, organizations, products
from chancery.authorities.emsign.v1.session import Session
from chancery.authorities.emsign.v1.standing import Standing
from chancery.sdk.finding import Finding, Level

_RECENT = timedelta(days=400)
_LOOKS = 3


def findings(session: Session, standing: Standing, config: EmSignConfig, now: datetime) -> Iterator[Finding]:
    """Give one finding after the other; what the key may not read is a warning, a refused login an error."""
    session.read(PING)
    yield good("login", "The access key is accepted.", config.account_number)
    yield from tried(lambda: _groups(session, config), "rights", "groups")
    issued: list[str] = []
    yield from tried(lambda: _reports(session, config, now, issued), "rights", "report of orders")
    yield from tried(lambda: _organizations(session), "product", "organisations")
    yield from tried(lambda: _products(session, config), "product", "products")
    yield from tried(lambda: _domains(session), "product", "domains")
    yield Finding("quota", Level.SKIPPED, "not_offered", "V1 tells no balance and no rate.")
    bundles = [ders for number in issued[:_LOOKS] if (ders := _bundle(standing, number))]
    yield from chain_findings([(leaf, ders) for ders in bundles if (leaf := leaf_of(ders)) is not None])


def _groups(session: Session, config: EmSignConfig) -> Iterator[Finding]:
    found = dict(groups(session))
    listed = ", ".join(f"{number} {name}".strip() for number, name in found.items())[:300]
    if config.group_number and config.group_number not in found:
        text = "The account does not have the connector's group."
        yield Finding("rights", Level.FAILED, "group", text, listed, "Choose another group, or leave the field empty.")
    else:
        yield good("rights", f"Groups that orders can go to: {len(found)}.", listed)


def _reports(session: Session, config: EmSignConfig, now: datetime, issued: list[str]) -> Iterator[Finding]:
    criteria = {
        "orderDateFrom": f"{now - _RECENT:%Y-%m-%d}", "orderDateTill": f"{now:%Y-%m-%d}", "orderStatusId": "6",
        "requestorEmailId": config.requestor_email, "pageNumber": "1", "pageSize": "20",
    }  # fmt: skip
    found = rows(
        table(session.read("GetOrderReport", {"searchCriteria": criteria}).get("orderDetails")).get("ordersArray")
    )
    issued += [number for r in found if (number := ident(r.get("orderNumber")))]
    yield good(
        "rights", "Orders can be searched, so that a lost answer is settled.", f"fulfilled ones seen: {len(found)}"
    )


def _organizations(session: Session) -> Iterator[Finding]:
    found = organizations(session)
    if found:
        yield good("product", f"Active organisations: {len(found)}.", ", ".join(n for _, n in found)[:300])
    else:
        text = "No organisation is active: only DV products can be ordered."
        yield warning("product", "no_organisation", text, "", "Add an organisation in the portal if you need OV or EV.")


def _products(session: Session, config: EmSignConfig) -> Iterator[Finding]:
    found = products(session, config.group_number)
    if found:
        yield good(
            "product", f"Products that can be ordered: {len(found)}.", ", ".join(f"{c} {n}" for c, n in found[:6])
        )
    else:
        text = "The account shows no product; some accounts show them only for a group."
        yield warning("product", "none", text, "", "Choose a group in the connector.")


def _domains(session: Session) -> Iterator[Finding]:
    answer = session.read("GetDomainDetails")
    found = rows(next((v for v in answer.values() if isinstance(v, list)), []))
    yield good(
        "product", f"Domains kept ahead of orders: {len(found)}." if found else "No domain is kept ahead of orders."
    )


def _bundle(standing: Standing, number: str) -> list[bytes] | None:
    return attempt(lambda: standing.download(number))
