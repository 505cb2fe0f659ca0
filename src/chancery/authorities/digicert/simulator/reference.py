"""The account's own data, read in discovery and in tests of a connection (B2)."""

from __future__ import annotations

from typing import Any

from chancery.authorities.digicert.simulator.access import Access
from chancery.authorities.digicert.simulator.account import (
    ACCOUNT,
    CONTAINERS,
    METADATA,
    ORGANIZATIONS,
    ROLES,
    ROOT_CONTAINER,
    visible,
)
from chancery.authorities.digicert.simulator.filters import container_of, filters_of, page
from chancery.authorities.digicert.simulator.ordering import REQUIRED_FIELD
from chancery.authorities.digicert.simulator.products import PRODUCTS, product_of
from chancery.authorities.digicert.simulator.refusal import missing
from chancery.authorities.digicert.simulator.validation import Validation
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked as Http
from chancery.sandbox.frame import Handler, Reply, json_reply


class Reference:
    """Users, products, organisations, divisions, custom fields."""

    def __init__(self, validation: Validation, access: Access, dials: Dials) -> None:
        self._validation, self._access, self._dials = validation, access, dials

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return the handlers."""
        return [
            ("GET", "/user/me", self._me),
            ("GET", "/account", self._account),
            ("GET", "/account/metadata", self._metadata),
            ("GET", "/product", lambda _: json_reply({"products": [p.row() for p in PRODUCTS]})),
            ("GET", "/product/{id}", lambda http: json_reply(product_of(http.params["id"]).detail())),
            ("GET", "/organization", self._organizations),
            ("GET", "/organization/{id}", self._organization),
            ("GET", "/container", self._containers),
        ]

    def _me(self, http: Http) -> Reply:
        del http
        key = self._access.key
        me = {
            "id": key.user,
            "username": key.username,
            "account": {"id": ACCOUNT},
            "container": {"id": key.container},
            "access_roles": [{"id": key.role, "name": ROLES[key.role]}],
        }
        return json_reply(me)

    def _account(self, http: Http) -> Reply:
        del http
        primary = ORGANIZATIONS[0]["id"]
        return json_reply({"id": ACCOUNT, "primary_organization_id": primary, "root_container_id": ROOT_CONTAINER})

    def _metadata(self, http: Http) -> Reply:
        del http
        required = self._dials.now.required_field
        rows = [m | {"is_required": required and m["id"] == REQUIRED_FIELD} for m in METADATA]
        return json_reply({"metadata": rows})

    def _organizations(self, http: Http) -> Reply:
        wanted = filters_of(http, {"status"}).get("status")
        rows = [o for o in ORGANIZATIONS if wanted is None or o["status"] in wanted]
        within = container_of(http)
        if within is not None:
            rows = [o for o in rows if o["container"]["id"] in visible(within)]
        shown, where = page(http, rows)
        full = http.first("include_validation") == "true"
        return json_reply({"organizations": [self._show(o, full=full) for o in shown], "page": where})

    def _show(self, row: dict[str, Any], *, full: bool) -> dict[str, Any]:
        return row | ({"validations": self._validation.organization_row(row)} if full else {})

    def _organization(self, http: Http) -> Reply:
        found = next((o for o in ORGANIZATIONS if str(o["id"]) == http.params["id"]), None)
        if found is None:
            raise missing("", "The organization could not be found.")
        return json_reply(self._show(found, full=True) | {"contacts": []})

    def _containers(self, http: Http) -> Reply:
        del http
        seen = visible(self._access.key.container)
        return json_reply({"containers": [c for c in CONTAINERS if c["id"] in seen]})
