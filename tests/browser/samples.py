"""Fills a throw-away installation with something to look at, and prints the ids: run by `stand.py` as a program."""

import json
import sys
import time
import urllib.request
from datetime import timedelta
from pathlib import Path

PASSWORD = "correct horse battery"
COMMON = {"team": "Operations", "environment": "Production", "owner": "Ada Byron", "contact": "pki@example.com"}


def people(host):
    from chancery.apps.accounts import actions, queries, roles, start
    from chancery.apps.accounts.models import Team

    everywhere = {"ada": "administrator", "pat": "administrator", "kim": "administrator", "dan": "auditor"}
    start.first_administrator(host, "first")
    team = Team.objects.get(name="Operations").pk
    for name, role in everywhere.items():
        actions.create_user(host, name, PASSWORD, grants=[(role, None, None)])
    amy = actions.create_user(host, "amy", PASSWORD, grants=[("approver", team, None)])
    rob = actions.create_user(host, "rob", PASSWORD, grants=[("requester", team, None)])
    seen = ("connectors", "profiles", "orders", "certificates", "inventory", "notices", "bots", "changes")
    given = [*(f"{room}.view" for room in seen), "connectors.deactivate"]
    roles.create(host, "night_shift", given, description="Switches off at night.")
    roles.require_factor(host, "night_shift", needed=True)
    for name in ("tom", "pia"):
        actions.create_user(host, name, PASSWORD, grants=[("night_shift", team, None)])
    actors = {u.username: queries.actor_of(u, how="session", address="127.0.0.1") for u in (amy, rob)}
    ada = queries.actor_of(queries.users(host).get(username="ada"), how="session", address="127.0.0.1")
    actions.create_token(ada, "Nightly inventory", 90)
    return {**actors, "ada": ada}


def connectors(ada, simulated):
    from chancery.apps.connectors import actions

    account = simulated["credentials"]
    values = {
        "base_url": simulated["url"],
        "allowed_networks": "127.0.0.0/8",
        "api_key": account["api_key"],
        "reference_field_id": account["reference_field_id"],
        "skip_approval": True,
        **COMMON,
    }
    eu = actions.create(ada, "digicert", {"name": "DigiCert Europe", "region": "EU", **values})
    us = actions.create(ada, "digicert", {"name": "DigiCert Americas", "region": "US", **values})
    actions.create(ada, "local", {"name": "Local CA", **COMMON})
    return eu, us


def pool(ada):
    """Two accounts of one CA that stand in for one another, one of them draining."""
    from chancery.apps.connectors.models import Connector
    from chancery.apps.pools import actions

    members = [
        {"connector": f"DigiCert {n}", "preference": i, "validation": "ov"}
        for i, n in enumerate(("Europe", "Americas"), 1)
    ]
    place = {"team": COMMON["team"], "environment": COMMON["environment"]}
    made = actions.create(ada, {"name": "Public TLS", "members": members, **place})
    actions.drain(ada, made.pk, Connector.objects.get(name="DigiCert Americas").pk, draining=True)
    return made


def profiles(ada, organization):
    from chancery.apps.profiles import actions

    product = {"product": "ssl_basic", "organization_id": organization}
    public = actions.create(ada, {"name": "Public TLS", "connector": "DigiCert Europe", "product": product})
    actions.create(ada, {"name": "Public TLS, Americas", "connector": "DigiCert Americas", "product": product})
    actions.create(ada, {"name": "Internal TLS", "connector": "Local CA", "validity_days": 20})
    actions.create(ada, {"name": "Internal TLS, approved", "connector": "Local CA", "needs_approval": True})
    return public


def order(actor, profile, host):
    from chancery.apps.orders.place import PlaceOrder, place
    from chancery.core import csr, keys
    from chancery.core.names import parse_name

    return place(actor, PlaceOrder(profile, csr.build(keys.generate("EC-P256"), [parse_name(host)], host)))


def unknown(by, connector):
    """An order that the CA was sent and answered with nothing, that was searched for in vain, and that Pat wants sent again."""
    from chancery.apps.accounts import queries
    from chancery.apps.orders import actions
    from chancery.apps.orders.models import Order, OrderEvent
    from chancery.apps.shared.action import current_clock
    from chancery.core.ids import new_id

    made = order(by["rob"], "Public TLS, Americas", "www.a-shop-with-quite-a-long-name.example.com")
    sent = current_clock().now() - timedelta(minutes=20)
    last = sent + timedelta(minutes=18)
    OrderEvent.objects.filter(order=made).update(at=sent)
    said = {"error": "OutcomeUnknown", "doing": "submit", "bytes_sent": True, "said": "502 Bad Gateway", "cause": "502"}
    lines = [
        (0, "outcome_unknown", "OutcomeUnknown: The answer broke off. The request had left.", said),
        (1, "searched", "DigiCert's search by name and day found 3 orders, none of them ours.", {}),
        (
            9,
            "searched",
            "Unreachable: Nobody answered.",
            {"times": 4, "last_at": last.isoformat()},
        ),
    ]
    for minutes, kind, text, detail in lines:
        at = sent + timedelta(minutes=minutes)
        about = {"id": new_id(current_clock().now()), "at": at, "actor": "engine"}
        OrderEvent.objects.create(order=made, kind=f"order.{kind}", text=text, detail=detail, **about)
    columns = {"intended_at": sent, "submitted_at": sent, "version_id": connector.current_id, "due_at": None}
    columns["placed_at"] = sent
    reason = "None of them ours. But the connector's address was changed since it was sent. A person decides."
    Order.objects.filter(pk=made.pk).update(state="outcome_unknown", searches=1, reason=reason, **columns)
    pat = queries.actor_of(queries.users(by["ada"]).get(username="pat"), how="session", address="127.0.0.1")
    actions.order_again(pat, made.pk, "DigiCert's support has looked, and sees nothing of it.")
    return made


def inventory(ada, connector, simulated):
    """Pull the list of an account that others use too; what one of them ordered is ignored, one is revoked by them."""
    from chancery.apps.inventory import actions
    from chancery.apps.inventory.models import Finding, Pull

    stocked = send(simulated["control"], "/stock", {"number": 9, "name": "intranet"})["stocked"]
    imported(ada, connector, [stocked.pop(), stocked.pop()])
    imported(
        ada, connector, send(simulated["control"], "/stock", {"number": 2, "name": "lost", "kept": False})["stocked"]
    )
    pull = actions.pull(ada, connector.pk)
    until(lambda: Pull.objects.get(pk=pull.pk).state == "done", "the pull")
    unknown = Finding.objects.filter(kind="at_ca_only").order_by("id")
    actions.ignore(ada, unknown[0].pk, "Ordered by the intranet team, who keep their own list.")
    return {"pull": pull, "finding": unknown[1]}


def imported(ada, connector, certificates):
    from chancery.apps.inventory.actions import import_certificates
    from chancery.apps.inventory.planning import Import, preview

    text = "".join(c["pem"] for c in certificates).encode()
    asked = Import(text, connector=str(connector.pk), source="old-inventory.pem")
    import_certificates(ada, asked, preview(ada, asked).digest)


def send(url, path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def bots(by):
    """A bot at work, with what it found, told and deployed; and one that has not come yet."""
    from chancery_bot import material, wire
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from chancery.apps.bots import actions, channel, targets
    from chancery.apps.bots.models import Bot
    from chancery.apps.shared.action import current_clock

    place = {"team": "Operations", "environment": "Production"}
    actions.create(by["ada"], "db-1", host="db-1.example.com", **place)
    bot, token = actions.create(by["ada"], "web-1", tags={"rack": "7"}, **place)
    host = wire.Host(
        hostname="web-1.example.com", os="Debian GNU/Linux 12 (bookworm)", machine="ab" * 32, bot_version="0.1.0"
    )
    key = wire.public_text(Ed25519PrivateKey.generate())
    bot = channel.enrol(wire.Enrol(token=token, public_key=key, host=host), "192.0.2.7")
    files = {"certificate": "/etc/nginx/www.pem", "key": "/etc/nginx/www.key"}
    found = wire.Found(kind="nginx", title="nginx, www.example.com", settings=files, names=["www.example.com"])
    channel.poll(bot, wire.Poll(host=host, found=[found]), "192.0.2.7")
    values = {"kind": "nginx", "profile": "Internal TLS", "names": ["www.example.com"], "settings": files}
    www = targets.add(by["ada"], bot.pk, {"name": "www on 443", **values})
    late = {"name": "Shop, with quite a long name", "window": "sat-sun 01:00-05:00"}
    targets.add(
        by["ada"],
        bot.pk,
        {**values, **late, "settings": {"certificate": "/etc/nginx/s.pem", "key": "/etc/nginx/s.key"}},
    )
    wanted = actions.issue(by["ada"], www.pk)
    csr = material.request(material.new_key("EC-P256"), ["www.example.com"])
    channel.ask(bot, wire.Ask(deployment=wanted.pk, csr=csr), "192.0.2.7")
    until(lambda: wanted.refresh_from_db() or wanted.state == "ready", "issuing for the bot")
    channel.fetch(bot, wire.Fetch(deployment=wanted.pk))
    wanted.refresh_from_db()
    said = [("plan", ""), ("switch", ""), ("reload", ""), ("prove", ""), ("", "deployed")]
    records = [
        {
            "kind": "outcome" if done else "step",
            "step": step,
            "outcome": done,
            "text": "As it should be.",
            "number": n + 2,
        }
        | {"deployment": wanted.pk, "at": current_clock().now(), "served": wanted.certificate.sha256 if done else ""}
        for n, (step, done) in enumerate(said)
    ]
    log = {
        "number": 1,
        "at": current_clock().now(),
        "level": "warning",
        "text": "The server did not answer for a while.",
    }
    channel.report(bot, [wire.Record.model_validate(r) for r in [log, *records]], "192.0.2.7")
    assert Bot.objects.count() == 2
    return {"bot": bot, "target": www, "deployment": wanted}


def change(ada):
    """What waits for approval: a connector of an environment in which somebody else has to agree to one more."""
    from chancery.apps.accounts.models import Environment
    from chancery.apps.changes import actions
    from chancery.apps.changes.holding import Proposed
    from chancery.apps.changes.models import Change
    from chancery.apps.connectors import actions as connectors

    place = Environment.objects.get(name="Development")
    actions.set_rule(ada, place.pk, "create", 1)
    values = {"name": "Local CA of the laboratory", **COMMON, "environment": "Development"}
    try:
        connectors.create(ada, "local", values)
    except Proposed as waits:
        return Change.objects.get(pk=waits.change)
    raise SystemExit("samples: nobody had to approve the connector")


def acme(by):
    """Two offered profiles, credentials, and a client with an account and an order."""
    from cryptography.hazmat.primitives.asymmetric import ec

    from chancery.apps.acme import accounts, actions, jose, ordering

    actions.offer(by["ada"], "Internal TLS", listed=True, any_name=True)
    actions.offer(by["ada"], "Public TLS", challenges=["http-01", "dns-01"], networks=["10.1.0.0/16"])
    actions.create_credential(by["ada"], "Web servers in Berlin", profile="Public TLS", accounts=40, days=30)
    row, _ = actions.create_credential(by["ada"], "build-1", profile="Internal TLS", accounts=2)
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    parts = {name: jose.encode(getattr(numbers, name).to_bytes(32, "big")) for name in ("x", "y")}
    key = jose.key({"kty": "EC", "crv": "P-256", **parts})
    account = accounts._made(row, key, ["mailto:build@example.com"], "192.0.2.9")
    ordering.new(accounts.by_id(account.pk), {"identifiers": [{"type": "dns", "value": "build.example.com"}]})
    ordering.close()
    return {"acme_credential": row, "acme_account": account}


def until(done, what):
    deadline = time.monotonic() + 40
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"samples: {what} did not happen in time")
        time.sleep(0.1)


def make(simulated):
    from chancery.apps.certificates import actions as certificates
    from chancery.apps.certificates.models import Certificate
    from chancery.apps.connectors import actions
    from chancery.apps.connectors.models import Call
    from chancery.apps.posture import queries as posture
    from chancery.apps.shared.actor import host_actor
    from chancery.apps.webhooks import actions as webhooks

    by = people(host_actor("samples"))
    eu, us = connectors(by["ada"], simulated)
    public = profiles(by["ada"], simulated["credentials"]["organization_id"])
    together = pool(by["ada"])
    actions.deactivate(by["ada"], us.pk)
    first = order(by["rob"], "Public TLS", "www.example.com")
    for host in ("db1.example.com", "a-host-with-quite-a-long-name.department.intranet.example.com"):
        order(by["rob"], "Internal TLS", host)
    order(by["rob"], "Internal TLS, approved", "payroll.example.com")
    order(by["rob"], "Public TLS, Americas", "shop.example.com")
    call = actions.test_saved(by["ada"], eu.pk)
    until(lambda: Certificate.objects.count() == 3, "issuing three certificates")
    at_work = {**bots(by), **acme(by)}
    until(lambda: Call.objects.get(pk=call.pk).state not in {"due", "running"}, "the connection test")
    spoilt = Certificate.objects.get(common_name="db1.example.com")
    certificates.revoke(by["ada"], spoilt.pk, "superseded", "The host was replaced.")
    until(lambda: Certificate.objects.get(pk=spoilt.pk).revocation == "confirmed", "the revocation")
    reported(by["ada"], spoilt)
    certificate = Certificate.objects.get(order=first)
    proposed = change(by["ada"])
    seen, channel = inventory(by["ada"], eu, simulated), watched(by["ada"], eu)
    hook = {"name": "Tickets", "team": "Operations", "url": "https://tickets.example.com/hook", "events": ["order.*"]}
    found = {
        "change": proposed,
        **seen,
        **at_work,
        "channel": channel,
        "webhook": webhooks.create(by["ada"], hook)[0],
        "connector": eu,
        "call": call,
        "pool": together,
        "profile": public,
        "order": first,
        "unknown": unknown(by, us),
        "certificate": certificate,
    }
    weak = posture.listing(by["ada"]).items[0].finding.key
    return {**{kind: str(row.pk) for kind, row in found.items()}, "posture": weak}


def reported(ada, certificate):
    """A report of a key that was withdrawn, and one after it that stands."""
    from chancery.apps.certificates import reporting
    from chancery.apps.certificates.models import KeyReport

    first = reporting.report_key(ada, certificate.pk, "The host was broken into.")
    reporting.withdraw(ada, first.pk, "It was another host.")
    second = reporting.report_key(ada, certificate.pk, "It was this one after all.")
    # As of a team that only imported it, and an Administrator who was asked.
    KeyReport.objects.filter(pk=second.pk).update(confirmed_by="pat", confirmed_at=second.reported_at)


def watched(ada, connector):
    """Make a channel that works for nobody, history over a quarter, and something to tell."""
    from chancery.apps.health import record
    from chancery.apps.notices import actions, watch
    from chancery.apps.renewals import planning
    from chancery.apps.shared.action import current_clock

    channel = actions.create(ada, {"name": "Operations chat", "team": "Operations", "url": "json://127.0.0.1:9/hook"})
    actions.test(ada, channel.pk)
    now = current_clock().now()
    for step in range(1, 160):
        tallies = {}
        for outcome, number in (("ok", step % 7 + 2), ("issued", step % 5), ("Unreachable", max(step % 11 - 8, 0))):
            tally = record.Tally()
            tally.add(number, 0.1 + (step % 9) / 10)
            tallies[connector.pk, "submit", outcome] = tally
        record.add(tallies, now - timedelta(minutes=9) * step)
    record.vital(connector.pk, "clock_skew", now, seconds=1.0, text="1 s apart")
    record.vital(
        connector.pk,
        "crl",
        now,
        "http://crl.example.com/a.crl",
        until=now - timedelta(hours=2),
        text="Number of entries: 4.",
    )
    # What the worker does by itself a little later.
    planning.cover(now, {})
    watch.watch(now, {})
    return channel


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(make(json.loads(Path(sys.argv[1]).read_text())["simulators"]["digicert"])))
