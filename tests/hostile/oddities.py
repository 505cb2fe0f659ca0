"""Values that nobody of good will sends, for every place that takes one; and an installation in which there is one of everything.

Each stands for a way in which reading has failed somewhere: a character that no table holds, a moment past the calendar's
end once it is in UTC, digits that are none, an integer that no column holds, what cannot be looked up in a set, a stack
that is too short.
"""

import base64
import json
from datetime import timedelta
from itertools import count, islice

from tests.cast import request_pem

FIRST, LAST = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"
DEEP = "[" * 60_000
NESTED = "[" * 900 + "]" * 900
PLACE = {"team": "Operations", "environment": "Production"}


def marker(*values):
    """Return a page marker as ours look, with values that somebody chose."""
    return base64.urlsafe_b64encode(json.dumps([">", *values]).encode()).decode().rstrip("=")


TEXTS = (
    "a\0b", "²", FIRST, "9" * 5000, "\r\nX-Injected: 1", LAST, str(2**63), "foo", "٣", "0001-01-01", "-1", "9999-12-31", "1e400",
    "\u202e", marker(FIRST, "01890a5d-f250-7000-b0cf-47af1842228b"), "(" * 900 + "a" * 900 + "!", "//[", "x" * 9000, "%00", str(2**31),
)  # fmt: skip
"""For addresses, headers and fields of forms."""
VALUES = (
    [], {}, [[]], {"a": []}, None, True, -1, 2**31, 2**63, 10**400, 1e308, 0.5, "\ud800", "", [None], [{"a": "\0"}], json.loads(NESTED),
    *TEXTS,
)  # fmt: skip
"""For places in JSON."""


class Turn:
    """Deals values out: some to each place, the next ones to the next, so that every one is tried in many of them."""

    def __init__(self, values, each):
        self._values, self._each, self._at = values, min(each, len(values)), count()

    def next(self):
        return [self._values[next(self._at) % len(self._values)] for _ in range(self._each)]


def each(config, short):
    """Return how many values each place gets: all of them in the long form."""
    return 10**6 if config.getoption("--long") else short


def thinned(places, config, every):
    return list(islice(places, 0, None, 1 if config.getoption("--long") else every))


# One of everything -----------------------------------------------------------------------------------


def furnish(cast, local):
    """Make one thing of each kind, without a worker; returns kind → row, by the names of `tests/browser/routes.py`."""
    from chancery.apps.audit import sequencer
    from chancery.apps.connectors import actions as connectors
    from chancery.apps.orders.models import Order
    from chancery.apps.orders.place import PlaceOrder, place
    from chancery.apps.posture import queries as posture
    from chancery.apps.profiles.models import Profile
    from chancery.apps.shared.action import current_clock

    ada = cast.ada
    held = place(cast.rob, PlaceOrder("Careful", request_pem("held.example.com")))
    unknown = place(cast.rob, PlaceOrder("Internal", request_pem("unknown.example.com")))
    Order.objects.filter(pk=unknown.pk).update(state="outcome_unknown", version_id=local.current_id)
    made = {
        "connector": local,
        "profile": Profile.objects.get(name="Internal"),
        "order": held,
        "unknown": unknown,
        "call": connectors.test_saved(ada, local.pk),
        "certificate": certificate(local),
        **around(ada),
        **listed(local),
        **bots(ada),
        **acme(ada),
    }
    # As a worker leaves it: what is not sealed yet has no proof, which is a 503.
    sequencer.sequence()
    sequencer.checkpoint(current_clock().now())
    return {**{kind: str(row.pk) for kind, row in made.items()}, "posture": posture.listing(ada).items[0].finding.key}


def certificate(local):
    from chancery.apps.certificates.models import Certificate
    from chancery.apps.shared.action import current_clock
    from chancery.core.keys import spki_sha256
    from chancery.core.tests.making import certify, key_of

    key, now = key_of("EC-P256"), current_clock().now()
    at = {"not_before": now, "not_after": now + timedelta(days=20), "stored_at": now}
    return Certificate.objects.create(
        connector=local, team_id=local.team_id, environment_id=local.environment_id, common_name="www.example.com", serial="5",
        der=certify("www.example.com", key=key).der, sha256="0" * 64, spki_sha256=spki_sha256(key.public_key()), key_type="EC-P256", **at,
    )  # fmt: skip


def around(ada):
    from chancery.apps.accounts import actions as people
    from chancery.apps.accounts import roles
    from chancery.apps.changes import actions as changes
    from chancery.apps.changes.holding import Proposed
    from chancery.apps.changes.models import Change
    from chancery.apps.connectors import actions as connectors
    from chancery.apps.notices import actions as notices
    from chancery.apps.pools import actions as pools
    from chancery.apps.webhooks import actions as webhooks

    roles.create(ada, "night_shift", ["orders.view"])
    together = pools.create(ada, {"name": "Together", "members": [{"connector": "Local", "preference": 1}], **PLACE})
    chat = notices.create(ada, {"name": "Chat", "team": "Operations", "url": "json://127.0.0.1:9/hook"})
    hook = {"name": "Tickets", "team": "Operations", "url": "https://tickets.example.com/hook", "events": ["order.*"]}
    changes.set_rule(ada, people.create_environment(ada, "Strict").pk, "create", 1)
    try:
        connectors.create(ada, "local", {"name": "Another", **PLACE, "environment": "Strict"})
    except Proposed as waits:
        change = Change.objects.get(pk=waits.change)
    return {"pool": together, "channel": chat, "webhook": webhooks.create(ada, hook)[0], "change": change}


def listed(local):
    from chancery.apps.inventory.models import Finding, Pull
    from chancery.apps.shared.action import current_clock

    now = current_clock().now()
    where = {"connector": local, "team_id": local.team_id, "environment_id": local.environment_id}
    pull = Pull.objects.create(version_id=local.current_id, asked_by="ada", created_at=now, **where)
    about = {"kind": "at_ca_only", "subject": "7", "common_name": "lost.example.com", "not_after": now}
    return {
        "pull": pull,
        "finding": Finding.objects.create(pull=pull, first_at=now, last_at=now, **about, **where),
    }


def bots(ada):
    from chancery.apps.bots import actions, targets

    files = {"certificate": "/etc/nginx/www.pem", "key": "/etc/nginx/www.key"}
    bot = actions.create(ada, "web-1", **PLACE)[0]
    values = {"kind": "nginx", "name": "www", "profile": "Internal", "names": ["www.example.com"], "settings": files}
    target = targets.add(ada, bot.pk, values)
    return {"bot": bot, "target": target, "deployment": actions.issue(ada, target.pk)}


def acme(ada):
    from cryptography.hazmat.primitives.asymmetric import ec

    from bench.acme_client import jwk
    from chancery.apps.acme import accounts, actions, jose

    actions.offer(ada, "Internal", listed=True, any_name=True)
    row, _ = actions.create_credential(ada, "build-1", profile="Internal", accounts=9)
    account = accounts._made(row, jose.key(jwk(ec.generate_private_key(ec.SECP256R1()))), [], "192.0.2.9")
    return {"acme_credential": row, "acme_account": account}
