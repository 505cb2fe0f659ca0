"""What the account is and has: who am I, groups, organisations, products, custom fields, the ledger of money."""

from __future__ import annotations

from typing import Any

from chancery.authorities.emsign.simulator import account
from chancery.authorities.emsign.simulator.products import CATEGORIES, PRODUCTS, by_code
from chancery.authorities.emsign.simulator.v2.refusal import unknown
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Handler, Reply, json_reply


class Catalog:
    """Reads; nothing of it changes."""

    def __init__(self, dials: Dials) -> None:
        self._dials = dials

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return the handlers."""
        return [
            ("GET", "/auth/me", self._me),
            ("GET", "/groups", self._groups),
            ("GET", "/organizations", self._organizations),
            ("GET", "/organizations/{number}", self._organization),
            ("GET", "/catalog/products", self._products),
            ("GET", "/catalog/products/{code}/custom-fields", self._fields),
        ]

    @staticmethod
    def _me(asked: Asked) -> Reply:
        del asked
        return json_reply({"accountNumber": account.ACCOUNT, "authType": "oauth2"})

    def _groups(self, asked: Asked) -> Reply:
        del asked
        if self._dials.now.stale_shapes:
            rows = [{k: g[k] for k in ("groupNumber", "groupName")} | {"status": "ACTIVE"} for g in account.GROUPS]
        else:
            money = {"finance": "0", "groupBalance": "", "accountBalance": "10000.0", "organizationDetails": []}
            rows = [{**g, **money} for g in account.GROUPS]
        return json_reply({"groups": rows})

    def _organizations(self, asked: Asked) -> Reply:
        del asked
        return json_reply({"organizations": [self._row(o) for o in account.ORGANIZATIONS]})

    def _row(self, found: dict[str, Any]) -> dict[str, Any]:
        row = {"organizationNumber": found["number"], "organizationName": found["name"]}
        if self._dials.now.stale_shapes:
            return {**row, "preVetted": found["vetted"], "status": "ACTIVE" if found["active"] else "INACTIVE"}
        status = "1" if found["active"] else "0"
        return {**row, "organizationStatusId": status, "isPreVettingOrg": "1" if found["vetted"] else "0"}

    def _organization(self, asked: Asked) -> Reply:
        number = asked.params["number"]
        found = next((o for o in account.ORGANIZATIONS if o["number"] == number), None)
        if found is None:
            raise unknown(f"Organization {number}")
        state = "1" if found["vetted"] else "4"
        return json_reply({**self._row(found), "validationStatusId": state, "validationFor": "1", "domains": []})

    def _products(self, asked: Asked) -> Reply:
        group = asked.first("groupNumber")
        listed = PRODUCTS if not group or account.group(group) else ()
        if self._dials.now.stale_shapes:
            return json_reply({"products": [{"productId": p.code, "productName": p.name} for p in listed]})
        rows = [
            {
                "categoryName": name, "categoryID": ident, "currencyType": "USD",
                "products": [
                    {"productCode": p.code, "productName": p.name, "price": p.price, "productTypeID": p.type_id}
                    for p in listed if p.category == ident
                ],
            }
            for ident, name in CATEGORIES.items()
        ]  # fmt: skip
        return json_reply({"products": rows if listed else []})

    @staticmethod
    def _fields(asked: Asked) -> Reply:
        if by_code(asked.params["code"]) is None:
            raise unknown("Product")
        return json_reply({"customFields": []})
