"""Every listing that grows with use, and what else looks like a list."""

from __future__ import annotations

from typing import Any

from bench.offers import Asked, Listing
from chancery.apps.accounts.models import ApiToken, User
from chancery.apps.acme.models import Account, AcmeOrder, Credential, Offer
from chancery.apps.audit.models import Entry
from chancery.apps.bots.models import Bot, Deployment, LogLine
from chancery.apps.certificates.models import Certificate, KeyReport
from chancery.apps.changes.models import Change
from chancery.apps.connectors.models import Connector, Pool
from chancery.apps.inventory.models import Finding, Pull
from chancery.apps.notices.models import Channel, Notice
from chancery.apps.orders.models import Order
from chancery.apps.profiles.models import Profile
from chancery.apps.renewals.models import Plan
from chancery.apps.webhooks.models import Webhook


def _row(model: Any) -> Any:
    """Return a row of the middle."""
    rows = model.objects.order_by("id")
    return rows[rows.count() // 3]


def _connector() -> list[str]:
    return [str(_row(Order).connector_id)]


def _entry(column: str) -> list[str]:
    return [str(getattr(_row(Entry), column))]


def _narrow() -> list[Asked]:
    return [{"state": "issued", "connector": _connector()[0], "search": "host0"}]


def _few() -> list[Asked]:
    # Where many meet each condition, and few all of them.
    return [{"kind": "state_differs", "state": "gone", "connector": _connector()[0]}]


def _of_every_type() -> list[Asked]:
    return [
        {"region": "EU", "environment": "Production", "health": "healthy", "status": "active"},
        {"name": Connector.objects.order_by("name_key")[0].name},
    ]


def _since() -> list[str]:
    return [f"{_row(Entry).at:%Y-%m-%d}"]


LISTINGS = {
    "orders": Listing(
        rows=Order.objects.all,
        route="orders",
        page="/orders",
        lacks=frozenset({"sort"}),
        values={
            "connector": _connector,
            "profile": lambda: [str(_row(Order).profile_id)],
            "search": lambda: ["host00", "host0000"],
        },
        more=_narrow,
    ),
    "certificates": Listing(
        rows=Certificate.objects.all,
        route="certificates",
        page="/certificates",
        lacks=frozenset({"sort"}),
        values={"connector": _connector, "search": lambda: ["host00", _row(Certificate).serial]},
        more=lambda: [{"search": "host0", "status": "revoked"}],
    ),
    "key-reports": Listing(
        rows=KeyReport.objects.all,
        route="key_reports",
        page="/certificates/key-reports",
        values={"key": lambda: [_row(KeyReport).spki_sha256]},
    ),
    "connectors": Listing(
        rows=Connector.objects.all,
        order="name_key",
        route="connectors",
        page="/integrations/ca-connectors/type/local",
        lacks=frozenset({"name"}),
        values={
            "environment": lambda: ["Production"],
            "region": lambda: ["eu"],
            "search": lambda: ["lima"],
            "name": list,
        },
        more=_of_every_type,
        always={"authority": "local"},
    ),
    "profiles": Listing(
        rows=Profile.objects.all,
        order="name_key",
        route="profiles",
        page="/profiles",
        values={"search": lambda: ["Profile Oslo"]},
    ),
    "pools": Listing(
        rows=lambda: Pool.objects.filter(shared=True),
        order="name_key",
        route="pools",
        page="/integrations/pools",
        values={"search": lambda: ["Pool Oslo"]},
    ),
    "audit": Listing(
        rows=Entry.objects.all,
        route="audit",
        page="/audit",
        values={
            "action": lambda: ["orders.place", "orders", "connectors"],
            "by": lambda: ["rob"],
            "address": lambda: ["192.0.2.1"],
            "target": lambda: _entry("target_id"),
            "since": _since,
            "until": _since,
        },
        more=lambda: [{"by": "rob", "action": "orders.place", "outcome": "done"}],
    ),
    "findings": Listing(
        rows=Finding.objects.all,
        route="inventory",
        page="/inventory",
        lacks=frozenset({"sort"}),
        values={"connector": _connector, "search": lambda: ["host00", _row(Finding).serial]},
        more=_few,
    ),
    "pulls": Listing(rows=Pull.objects.all, route="pulls", page="/inventory/pulls", values={"connector": _connector}),
    "renewals": Listing(
        rows=lambda: Plan.objects.filter(due_at__isnull=False),
        order="due_at",
        route="renewals",
        page="/certificates/renewals",
    ),
    "notices": Listing(
        rows=lambda: Notice.objects.filter(resolved_at=None),
        route="notices",
        page="/notices",
        more=lambda: [{"state": "over", "kind": "ca_stale"}],
    ),
    "channels": Listing(rows=Channel.objects.all, order="name_key", values={"search": lambda: ["Chat Oslo"]}),
    "webhooks": Listing(
        rows=Webhook.objects.all,
        order="name_key",
        route="webhooks",
        page="/webhooks",
        values={"search": lambda: ["Hook Oslo"]},
    ),
    "bots": Listing(
        rows=Bot.objects.all, order="name_key", route="bots", page="/bots", values={"search": lambda: ["Bot Oslo"]}
    ),
    "bots/{ident}/log": Listing(
        rows=lambda bot: LogLine.objects.filter(bot=bot),
        of=lambda: Bot.objects.order_by("id")[0],
        route="bot",
        page="/bots/{ident}",
        lacks=frozenset({"cursor"}),
    ),
    "bots/{ident}/deployments": Listing(
        rows=lambda bot: Deployment.objects.filter(target__bot=bot), of=lambda: Bot.objects.order_by("id")[0]
    ),
    "acme/offers": Listing(rows=Offer.objects.all, order="-pk", route="acme_offers", page="/acme-clients/offers"),
    "acme/credentials": Listing(
        rows=Credential.objects.all,
        order="name_key",
        route="acme",
        page="/acme-clients",
        values={"search": lambda: ["Cluster Oslo"]},
    ),
    "acme/credentials/{ident}/accounts": Listing(
        rows=lambda credential: Account.objects.filter(credential=credential),
        of=lambda: Credential.objects.order_by("id")[0],
        route="acme_credential",
        page="/acme-clients/{ident}",
    ),
    "acme/accounts/{ident}/orders": Listing(
        rows=lambda account: AcmeOrder.objects.filter(account=account),
        of=lambda: Account.objects.order_by("id")[1],
        route="acme_account",
        page="/acme-clients/accounts/{ident}",
    ),
    "changes": Listing(
        rows=lambda: Change.objects.filter(state__in=["waiting", "scheduled"]), route="changes", page="/changes"
    ),
    "tokens": Listing(
        rows=lambda user: ApiToken.objects.filter(user=user),
        of=lambda: User.objects.order_by("id")[0],
        route="tokens",
        page="/tokens",
    ),
    "users/{ident}/tokens": Listing(
        rows=lambda user: ApiToken.objects.filter(user=user),
        of=lambda: User.objects.order_by("id")[0],
        route="access",
        page="/people/{ident}/access",
    ),
    "users": Listing(
        rows=User.objects.all, order="username", route="people", page="/people", values={"search": lambda: ["oslo"]}
    ),
}
"""Address of the API, below /api/v1/ → the listing."""

SHORT = {
    "authorities": "the CA types that are installed",
    "target-kinds": "the kinds of targets that a bot knows",
    "sessions": "the two hundred newest that are open",
    "users/{ident}/sessions": "the two hundred newest that are open",
    "roles": "made by hand, a few",
    "providers": "made by hand, a few",
    "teams": "made by hand, and every form offers them all",
    "environments": "made by hand, and every form offers them all",
    "changes/rules": "a row for each environment",
    "again-requests": "the two hundred oldest, and each ends after its time",
    "connectors/{ident}/versions": "the two hundred newest",
    "connectors/{ident}/versions/difference": "the fields of two versions",
    "bots/{ident}/targets": "what one host serves",
}
"""Operations that answer with a list which does not grow with use, and why."""

WALKED = {
    "posture": "conditions on connectors, one after the other, of which each page reads what it shows (tests/journeys/test_scale.py)",
}
"""Operations with pages over several questions, which no one index answers, and what bounds them."""
