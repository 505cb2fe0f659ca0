"""From a credential to a certificate, its renewal and its revocation, by our own client."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from bench.acme_client import Answer, b64, jwk, sign
from chancery.apps.accounts.models import Team, User
from chancery.apps.acme import accounts, ari, chains, finalizing, ordering, states
from chancery.apps.acme import actions as acme_actions
from chancery.apps.acme.models import Account, AcmeOrder
from chancery.apps.audit.models import Entry
from chancery.apps.certificates import keys, reporting
from chancery.apps.certificates.models import Certificate, Chain, KeyReport
from chancery.apps.connectors import actions as connectors
from chancery.apps.orders import actions as orders
from chancery.apps.orders.models import Order
from chancery.apps.pools import actions as pools
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.renewals.models import Plan
from chancery.apps.shared.action import current_clock
from chancery.core import csr
from chancery.core.names import parse_name
from chancery.doors.acme import resources, waiting
from chancery.doors.acme.tests.conftest import SERVER, aside

pytestmark = pytest.mark.django_db(transaction=True)
KEY = ec.generate_private_key(ec.SECP256R1())


def request(*names, key=KEY):
    return csr.build(key, [parse_name(n) for n in names], names[0])


def issued(client, engine, *names, **more):
    """Order, finalize while the engine works, download; returns the order and the leaf."""
    order = client.order(*names, **more).json()
    wanted = Certificate.objects.count() + 1
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(aside, client.finalize, order, request(*names))
        engine.until(lambda: Certificate.objects.count() == wanted)
        final = done.result(20).json()
    pem = client.post(final["certificate"]).body
    return final, x509.load_pem_x509_certificates(pem)[0]


def der(leaf):
    return b64(leaf.public_bytes(Encoding.DER))


def hinted(row, start, end):
    """The CA suggests a window for a certificate, which goes before the one that we reckon."""
    where = {name: getattr(row, name) for name in ("profile", "connector", "team", "environment")}
    hint = {"hint_start": start, "hint_end": end, "hint_url": "https://ca.example.com/why"}
    Plan.objects.update_or_create(pk=row.pk, defaults={"certificate": row, "revision": 1, **where, **hint})


def kind(answer):
    return answer.json()["type"].rpartition(":")[2]


@pytest.fixture
def client(door):
    door.offer(listed=True)
    return door.registered()


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS", 5.0)


def test_with_names_authorised_beforehand(client, engine):
    placed = client.order("www.example.com", profile="Internal")
    order = placed.json()
    assert (placed.status, order["status"], order["profile"]) == (201, "ready", "Internal")
    authz = client.post(order["authorizations"][0]).json()
    assert (authz["status"], authz["identifier"]["value"]) == ("valid", "www.example.com")
    assert [c["status"] for c in authz["challenges"]] == ["valid"]
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(aside, client.finalize, order, request("www.example.com"))
        engine.until(Certificate.objects.exists)
        final = done.result(20)
    assert (final.json()["status"], final.headers["location"]) == ("valid", placed.headers["location"])
    pem = client.post(final.json()["certificate"])
    assert pem.headers["content-type"] == "application/pem-certificate-chain"
    assert x509.load_pem_x509_certificates(pem.body)[0].public_key() == KEY.public_key()
    mine = Order.objects.get()
    assert (mine.requested_via, mine.requested_by, mine.acme.acme_order.account.state) == ("acme", None, "valid")
    assert mine.caused_by == [[User.objects.get(username="ada").pk, "credential"]]
    assert client.finalize(order, request("www.example.com")).json() == final.json()
    assert client.post(placed.headers["location"]).json() == final.json()
    assert Order.objects.count() == 1
    listed = client.post(client.post(client.kid).json()["orders"]).json()["orders"]
    assert listed == [placed.headers["location"]]
    said = set(Entry.objects.values_list("action", flat=True))
    assert {"acme_offers.set", "acme_credentials.create", "acme_accounts.create", "orders.place"} <= said


def test_through_a_pool_a_connector_issues_that_is_not_switched_off(door, engine, cast, local):
    place = {"team": "Operations", "environment": "Production"}
    second = connectors.create(cast.ada, "local", {"name": "Second", **place})
    members = [{"connector": "Local"}, {"connector": "Second", "preference": 2}]
    pools.create(
        cast.ada, {"name": "Both", **place, "trust": "vouched", "trust_reason": "Rolled out.", "members": members}
    )
    profiles.create(cast.ada, {"name": "Pooled", "pool": "Both"})
    door.offer("Pooled", listed=True)
    client = door.registered(profile="Pooled")
    connectors.deactivate(cast.ada, local.pk)
    final, _ = issued(client, engine, "www.example.com", profile="Pooled")
    row = Certificate.objects.get()
    assert (final["status"], row.connector_id, row.profile.name) == ("valid", second.pk, "Pooled")
    connectors.activate(cast.ada, local.pk)
    connectors.deactivate(cast.ada, second.pk)
    issued(client, engine, "app.example.com", profile="Pooled")
    assert {c.connector_id for c in Certificate.objects.all()} == {local.pk, second.pk}


def test_what_a_profile_allows_is_looked_up_once_for_a_group(client, django_assert_num_queries):
    client.order("www.example.com", profile="Internal")
    row = AcmeOrder.objects.select_related("account").get()
    credential = accounts.by_id(row.account_id).credential
    with django_assert_num_queries(0):
        assert credential.created_by_user_id is not None
    fresh, known = (
        ordering.Fresh(accounts.by_id(row.account_id), row, (parse_name("www.example.com", "dns"),), ""),
        {},
    )
    assert ordering._allowed(fresh, known) is None
    (found,) = known.values()
    assert ordering._allowed(fresh, known) is None
    assert list(known.values()) == [found]


@pytest.mark.parametrize("state", ["outcome_unknown", "quarantined"])
def test_what_a_person_has_to_find_out_is_processing_until_then(door, state, monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS", 0.05)
    door.offer("Internal")
    client = door.registered()
    placed = client.order("www.example.com")
    client.finalize(placed.json(), request("www.example.com"))
    Order.objects.update(state=state)
    seen = client.post(placed.headers["location"])
    assert (seen.json()["status"], seen.headers["retry-after"]) == ("processing", "20")


def test_what_a_person_has_denied_says_why(door, engine, cast):
    door.offer("Careful")
    client = door.registered(profile="Careful")
    denied = client.order("b.example.com")
    client.finalize(denied.json(), request("b.example.com"))
    orders.deny(cast.amy, Order.objects.get(state="awaiting_approval").pk, "Not ours.")
    ended = client.post(denied.headers["location"]).json()
    assert (ended["status"], ended["error"]["type"].rpartition(":")[2]) == ("invalid", "unauthorized")
    assert "Not ours." in ended["error"]["detail"]


@pytest.mark.parametrize(
    ("state", "code", "told"),
    [
        ("denied", "", ("unauthorized", 403)),
        ("cancelled", "", ("unauthorized", 403)),
        ("rejected", "caa", ("caa", 403)),
        ("rejected", "caa_check_failed", ("caa", 403)),
        ("rejected", "rateLimited", ("rateLimited", 429)),
        ("rejected", "badCSR", ("badCSR", 400)),
        ("rejected", "rejectedIdentifier", ("rejectedIdentifier", 400)),
        ("rejected", "ValidationFailed", ("unauthorized", 403)),
        ("rejected", "invalidProfile", ("serverInternal", 500)),
        ("rejected", "badNonce", ("serverInternal", 500)),
        ("failed", "key_compromised", ("badPublicKey", 400)),
        ("failed", "unauthorized", ("serverInternal", 500)),
    ],
)
def test_what_ended_an_order_is_told_by_its_type(client, monkeypatch, state, code, told):
    monkeypatch.setattr(waiting, "SECONDS", 0.01)
    placed = client.order("www.example.com")
    client.finalize(placed.json(), request("www.example.com"))
    Order.objects.update(state=state, reason_code=code, reason="Because.", due_at=None)
    found = client.post(placed.headers["location"]).json()
    error = found["error"]
    assert (found["status"], error["type"].rpartition(":")[2], error["status"]) == ("invalid", *told)
    assert "Because." in error["detail"]


def test_a_finalize_that_is_waited_for_tells_the_type_as_well(client):
    order = client.order("www.example.com").json()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(aside, client.finalize, order, request("www.example.com"))
        while not Order.objects.exists():
            time.sleep(0.01)
        Order.objects.update(state="rejected", reason_code="caa", due_at=None, fence=None, lease_until=None)
        found = done.result(20).json()
    assert (found["status"], found["error"]["type"].rpartition(":")[2]) == ("invalid", "caa")


def test_an_account_s_orders_are_paged_without_the_invalid_ones(door, client, monkeypatch):
    monkeypatch.setattr(resources, "_ORDERS", 2)
    made = [client.order(f"{n}.example.com").headers["location"] for n in "abcde"]
    rows = list(AcmeOrder.objects.order_by("id").values_list("pk", flat=True))
    AcmeOrder.objects.filter(pk=rows[3]).update(expires_at=current_clock().now())
    pages, where = [], client.post(client.kid).json()["orders"]
    while where:
        answer = client.post(where)
        pages.append(answer.json()["orders"])
        after = re.search(r'<([^>]+)>;rel="next"', answer.headers["link"])
        where = after[1] if after else None
    assert pages == [[made[4]], [made[2], made[1]], [made[0]]]
    other = door.registered("web-2")
    assert (other.post(f"{client.kid}/orders/{rows[2].hex}").status, client.post(f"{client.kid}/orders/x").status) == (
        403,
        404,
    )
    assert client.post(f"{client.kid}/other/{rows[2].hex}").status == 404


def test_what_was_authorised_beforehand_cannot_be_given_up(client):
    placed = client.order("www.example.com")
    (where,) = placed.json()["authorizations"]
    refused = client.post(where, {"status": "deactivated"})
    assert (refused.status, kind(refused), "by the profile" in refused.json()["detail"]) == (403, "unauthorized", True)
    assert client.post(where, {"status": "valid"}).status == 400
    assert client.post(f"{where}9", {"status": "deactivated"}).status == 404
    assert client.post(where).json()["status"] == "valid"


def test_while_the_connector_is_away_the_order_is_held(client, served, engine, cast):
    connectors.deactivate(cast.ada, served.pk)
    placed = client.order("www.example.com")
    waits = client.finalize(placed.json(), request("www.example.com"))
    assert (waits.json()["status"], waits.headers["retry-after"]) == ("processing", "10")
    connectors.activate(cast.ada, served.pk)
    engine.until(Certificate.objects.exists)
    assert client.post(placed.headers["location"]).json()["status"] == "valid"


def test_two_nodes_that_finalize_at_once_place_one_order(client, monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS", 0.05)
    order = client.order("www.example.com").json()
    row, account = AcmeOrder.objects.get(), accounts.by_id(Account.objects.get().pk)
    before = states.several([(account, row.pk)])
    client.finalize(order, request("www.example.com"))
    one, placed = finalizing.Wanted(account, row.pk, csr.parse(request("www.example.com"))), Order.objects.get().pk
    assert finalizing._place([one, one]) == [(row, placed)] * 2
    plain, unseen = states.several, [True]
    monkeypatch.setattr(states, "several", lambda some: before if unseen and unseen.pop() else plain(some))
    assert finalizing._place([one]) == [(row, placed)]
    assert Order.objects.count() == 1


def test_renewal_information_and_what_an_order_replaces(client, engine):
    _, leaf = issued(client, engine, "www.example.com")
    ident = ari.ident_of(leaf.public_bytes(Encoding.DER))
    told = client.send("GET", f"{client.urls['renewalInfo']}/{ident}", None, {})
    window = told.json()["suggestedWindow"]
    start, end = (datetime.fromisoformat(window[k]) for k in ("start", "end"))
    assert leaf.not_valid_before_utc < start < end < leaf.not_valid_after_utc
    assert told.headers["retry-after"] == "21600"
    hinted(Certificate.objects.get(), start, start + timedelta(hours=3))
    told = client.send("GET", f"{client.urls['renewalInfo']}/{ident}", None, {}).json()
    assert datetime.fromisoformat(told["suggestedWindow"]["end"]) == start + timedelta(hours=3)
    assert told["explanationURL"] == "https://ca.example.com/why"
    other = client.order("other.example.com", replaces=ident)
    assert (kind(other), "none of the names" in other.json()["detail"]) == ("malformed", True)
    assert kind(client.order("www.example.com", replaces="AAAA.BBBB")) == "malformed"
    assert kind(client.order("www.example.com", replaces=7)) == "malformed"
    issued(client, engine, "www.example.com", replaces=ident)
    assert Order.objects.exclude(replaces=None).get().replaces.serial == Certificate.objects.order_by("pk")[0].serial
    again = client.order("www.example.com", replaces=ident)
    assert (again.status, kind(again)) == (409, "alreadyReplaced")
    assert client.post(client.urls["revokeCert"], {"certificate": der(leaf), "reason": 4}).status == 200
    window = client.send("GET", f"{client.urls['renewalInfo']}/{ident}", None, {}).json()["suggestedWindow"]
    assert datetime.fromisoformat(window["end"]) < leaf.not_valid_before_utc + timedelta(hours=2)
    assert client.send("GET", f"{client.urls['renewalInfo']}/AAAA.AQID", None, {}).status == 404
    for bad in ("AAAA", "AAAA.", f"AAAA.{'A' * 60}", "?.AQ"):
        assert client.send("GET", f"{client.urls['renewalInfo']}/{bad}", None, {}).status in {400, 404}


def test_an_order_says_what_it_replaces_at_once_and_later(client, engine):
    _, leaf = issued(client, engine, "www.example.com")
    assert (
        "replaces" not in client.post(client.post(client.post(client.kid).json()["orders"]).json()["orders"][0]).json()
    )
    ident = ari.ident_of(leaf.public_bytes(Encoding.DER))
    placed = client.order("www.example.com", replaces=ident)
    assert (placed.status, placed.json()["replaces"]) == (201, ident)
    assert client.post(placed.headers["location"]).json()["replaces"] == ident
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(aside, client.finalize, placed.json(), request("www.example.com"))
        engine.until(lambda: Certificate.objects.count() == 2)
        final = done.result(20).json()
    assert (final["status"], final["replaces"]) == ("valid", ident)
    assert client.post(placed.headers["location"]).json()["replaces"] == ident


def test_a_certificate_whose_key_was_reported_is_to_be_renewed_at_once(client, engine, cast):
    _, leaf = issued(client, engine, "www.example.com")
    where = f"{client.urls['renewalInfo']}/{ari.ident_of(leaf.public_bytes(Encoding.DER))}"

    def end():
        told = client.send("GET", where, None, {}).json()["suggestedWindow"]["end"]
        return datetime.fromisoformat(told)

    row = Certificate.objects.get()
    before = end()
    # The CA's own window does not go before it.
    hinted(row, before, before + timedelta(hours=3))
    report = reporting.report_key(cast.ada, row.pk, "Found on a public host.")
    assert end() < datetime.now(UTC) < before
    reporting.withdraw(cast.ada, report.pk, "It was another key.")
    assert end() == before + timedelta(hours=3)


def test_revocation_by_the_account_or_the_key_itself(door, client, engine):
    _, first = issued(client, engine, "a.example.com")
    _, second = issued(client, engine, "b.example.com")
    url, stranger = client.urls["revokeCert"], door.registered("web-2")
    assert kind(stranger.post(url, {"certificate": der(first)})) == "unauthorized"
    for reason in (2, True, "x"):
        assert kind(client.post(url, {"certificate": der(first), "reason": reason})) == "badRevocationReason"
    assert kind(client.post(url, {"certificate": der(first), "reason": 9})) == "badRevocationReason"
    assert client.post(url, {"certificate": der(first), "reason": 4}).status == 200
    assert kind(client.post(url, {"certificate": der(first), "reason": 4})) == "alreadyRevoked"
    assert kind(client.post(url, {"certificate": b64(b"none of ours")})) == "malformed"
    by_key = door.client(KEY)
    assert by_key.post(url, {"certificate": der(second), "reason": 1}).status == 200
    rows = Certificate.objects.order_by("pk").values_list("revocation_reason", "revocation_by")
    assert list(rows) == [("superseded", "acme:web-1"), ("keyCompromise", "acme:web-1")]
    # What the key itself has said holds for everybody, not for the team alone that its certificate is of.
    row = KeyReport.objects.get()
    assert (row.note, row.for_everybody) == ("Asked for over ACME, by the certificate's own key.", True)
    stranger_team = Team.objects.get(name="Other").pk
    assert keys.barred([(row.spki_sha256, stranger_team)]) == {(row.spki_sha256, stranger_team)}
    assert kind(door.client().post(url, {"certificate": der(second)})) == "unauthorized"


def test_an_account_gets_another_key_and_an_end(door, client):
    url, kid = client.urls["keyChange"], client.kid
    fresh = ec.generate_private_key(ec.SECP256R1())
    inner = {"account": kid, "oldKey": jwk(client.key)}
    header = {"alg": "ES256", "jwk": jwk(fresh), "url": url}
    other = door.registered("web-2")
    wrong = (
        sign(fresh, {**header, "url": "https://x"}, inner),
        sign(fresh, header, {**inner, "account": other.kid}),
        sign(fresh, header, {**inner, "oldKey": jwk(other.key)}),
        sign(client.key, header, inner),
    )
    assert [client.post(url, w).status for w in wrong] == [400, 400, 400, 403]
    clash = client.post(url, sign(other.key, {**header, "jwk": jwk(other.key)}, inner))
    assert (clash.status, clash.headers["location"]) == (409, other.kid)
    same = client.post(url, sign(client.key, {**header, "jwk": jwk(client.key)}, inner))
    assert (same.status, same.headers["location"]) == (409, kid)
    assert client.post(url, sign(fresh, header, inner)).status == 200
    assert client.post(kid).status == 403
    client.key = fresh
    assert client.post(kid).json()["status"] == "valid"
    assert client.post(kid, {"contact": ["mailto:pki@example.com"]}).json()["contact"] == ["mailto:pki@example.com"]
    written = Entry.objects.count()
    assert client.post(kid, {}).json()["contact"] == ["mailto:pki@example.com"]
    assert Entry.objects.count() == written, "nothing was changed"
    assert client.post(kid, {"contact": None}).json()["contact"] == []
    assert kind(client.post(kid, {"status": "revoked"})) == "malformed"
    assert kind(client.post(kid, {"contact": ["tel:1"]})) == "unsupportedContact"
    assert kind(client.post(kid, {"contact": ["mailto:a b"]})) == "invalidContact"
    assert kind(client.post(kid, {"contact": "mailto:a@b"})) == "invalidContact"
    assert client.post(other.kid).status == 403
    assert client.post(kid, {"status": "deactivated"}).json()["status"] == "deactivated"
    refused = client.order("a.example.com")
    assert (refused.status, kind(refused)) == (401, "unauthorized")
    client.kid = ""
    assert client.post(client.urls["newAccount"], {"onlyReturnExisting": True}).status == 401


def waiting_orders(door, engine, served, cast, monkeypatch, name="web-1"):
    """Have one account order what waits for a person, for a CA that is away, and what that CA may have."""
    monkeypatch.setattr(waiting, "SECONDS", 0.05)
    client = door.registered(name, profile="Careful")
    for host, held in (("a.example.com", True), ("b.example.com", False), ("c.example.com", False)):
        Profile.objects.filter(name="Careful").update(needs_approval=held)
        client.finalize(client.order(host).json(), request(host))
    connectors.deactivate(cast.ada, served.pk)
    mine = Order.objects.filter(acme__acme_order__account__credential__name=name)
    mine.filter(common_name="c.example.com").update(bound=True)
    return client


def test_what_no_ca_has_yet_ends_with_its_account(door, engine, served, cast, monkeypatch):
    door.offer("Careful")
    client = waiting_orders(door, engine, served, cast, monkeypatch)
    waiting_orders(door, engine, served, cast, monkeypatch, "web-2")
    client.post(client.kid, {"contact": ["mailto:pki@example.com"]})
    assert not Order.objects.filter(state="cancelled").exists()
    client.post(client.kid, {"status": "deactivated"})
    found = Order.objects.order_by("common_name", "id").values_list("state", flat=True)
    assert list(found) == ["cancelled", "awaiting_approval", "cancelled", "queued", "queued", "queued"]
    ended = Order.objects.filter(state="cancelled")[0]
    assert (ended.reason, ended.due_at) == ("Its ACME account was deactivated by its client.", None)
    told = ended.events.get(kind="order.cancelled")
    assert (told.actor, told.text) == ("acme:web-1", ended.reason)
    assert Entry.objects.filter(action="acme_accounts.update", target_kind="order").count() == 2
    other = Account.objects.get(credential__name="web-2")
    acme_actions.revoke_account(cast.ada, other.pk)
    assert Order.objects.filter(state="cancelled", reason="Its ACME account was revoked.").count() == 2


def test_what_no_ca_has_yet_ends_with_its_credential(door, engine, served, cast, monkeypatch):
    door.offer("Careful")
    client = waiting_orders(door, engine, served, cast, monkeypatch)
    acme_actions.revoke_credential(cast.ada, Account.objects.get().credential_id)
    ended = Order.objects.filter(state="cancelled", reason="The ACME credential web-1 was revoked.")
    assert (ended.count(), Order.objects.exclude(state="cancelled").count()) == (2, 1)
    assert client.post(client.kid).status == 401


def test_what_waits_for_a_confirmation_ends_with_its_account(door, engine, served, cast, monkeypatch):
    door.offer("Careful")
    waiting_orders(door, engine, served, cast, monkeypatch)
    for host, waits in (("b.example.com", "confirmation"), ("c.example.com", "processing")):
        Order.objects.filter(common_name=host).update(state="pending", bound=True, pending_kind=waits)
    acme_actions.revoke_account(cast.ada, Account.objects.get().pk)
    found = Order.objects.order_by("common_name").values_list("state", flat=True)
    assert list(found) == ["cancelled", "failed", "pending"]
    ended = Order.objects.get(state="failed")
    assert (ended.reason, ended.due_at, ended.finished_at is not None) == ("Its ACME account was revoked.", None, True)
    assert ended.events.order_by("id").last().kind == "order.given_up"


@pytest.mark.parametrize(("where", "allowed"), [("new-nonce", "GET, HEAD"), ("new-order", "POST")])
def test_a_script_of_any_page_may_ask_and_read(client, where, allowed):
    asked = client.send("OPTIONS", f"{SERVER}/acme/{where}", None, {})
    told = {name: asked.headers[f"access-control-allow-{name}"] for name in ("origin", "methods", "headers")}
    assert (asked.status, told) == (204, {"origin": "*", "methods": allowed, "headers": "content-type"})
    seen = client.send("HEAD", f"{SERVER}/acme/new-nonce", None, {}).headers["access-control-expose-headers"]
    assert seen == "Replay-Nonce, Location, Link, Retry-After"
    assert client.send("OPTIONS", f"{SERVER}/acme/nowhere", None, {}).status == 404


def test_a_known_key_is_told_of_its_account(door, client):
    kid, client.kid = client.kid, ""
    again = client.post(client.urls["newAccount"], {"onlyReturnExisting": True})
    assert (again.status, again.headers["location"]) == (200, kid)
    nobody = door.client()
    assert kind(nobody.post(nobody.urls["newAccount"], {"onlyReturnExisting": True})) == "accountDoesNotExist"
    assert kind(nobody.post(nobody.urls["newAccount"], {})) == "externalAccountRequired"
    client.kid = kid
    assert kind(client.post(client.urls["newAccount"], {})) == "malformed"


def test_the_directory_shows_what_was_chosen_to_be_shown(door, client, settings):
    assert list(client.urls["meta"]["profiles"]) == ["Internal"]
    kept = client.send("GET", f"{SERVER}/acme/directory", None, {}).headers
    assert (kept["cache-control"], "replay-nonce" in kept) == ("max-age=60", False)
    door.offer(listed=False)
    assert "profiles" not in door.client().urls["meta"]
    assert kind(client.order("a.example.com", profile="Careful")) == "invalidProfile"
    settings.ACME_URL = ""
    off = client.send("GET", "/acme/directory", None, {})
    assert (off.status, kind(off), "CHANCERY_ACME_URL" in off.json()["detail"]) == (503, "serverInternal", True)


def test_other_chains_of_the_same_issuer_are_linked(door, client, engine):
    final, _ = issued(client, engine, "a.example.com")
    assert door.registered("web-2").post(final["certificate"]).status == 404, "another account's"
    row = Certificate.objects.get()
    twin = Chain.objects.create(sha256="1" * 64, ders=[*row.chain.ders, *row.chain.ders])
    issued(client, engine, "b.example.com")
    Certificate.objects.exclude(pk=row.pk).update(chain=twin)
    chains._remembered.clear()
    found = client.post(final["certificate"])
    other = f"{final['certificate']}/1"
    assert f'<{other}>;rel="alternate"' in found.headers["link"]
    both = client.post(other)
    assert len(x509.load_pem_x509_certificates(both.body)) == 1 + len(twin.ders)
    assert f'<{final["certificate"]}/0>;rel="alternate"' in both.headers["link"]
    assert client.post(f"{final['certificate']}/2").status == 404
    chains._remembered.clear()


def test_each_link_is_a_header_line_of_its_own(client, engine, live_server):
    final, _ = issued(client, engine, "a.example.com")
    row, lines = Certificate.objects.get(), {}
    other = Chain.objects.create(sha256="1" * 64, ders=[*row.chain.ders, *row.chain.ders])
    issued(client, engine, "b.example.com")
    Certificate.objects.exclude(pk=row.pk).update(chain=other)
    chains._remembered.clear()

    def over_http(method, url, body, headers):
        line = HTTPConnection(live_server.url.removeprefix("http://"), timeout=20)
        line.request(method, url.removeprefix(SERVER), body, headers)
        answer = line.getresponse()
        lines[url] = answer.headers.get_all("Link")
        found = Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
        line.close()
        return found

    client.send = over_http
    found = client.post(final["certificate"])
    index = f'<{SERVER}/acme/directory>;rel="index"'
    assert (found.status, found.headers["access-control-allow-origin"]) == (200, "*")
    assert lines[final["certificate"]] == [f'<{final["certificate"]}/1>;rel="alternate"', index]
    assert client.post(f"{SERVER}/acme/nowhere").headers["access-control-allow-origin"] == "*"
    assert lines[f"{SERVER}/acme/nowhere"] == [index]
    chains._remembered.clear()


def test_an_account_has_its_share_of_the_hour(door):
    door.offer()
    client = door.registered(orders_per_hour=2)
    assert [client.order(f"{n}.example.com").status for n in range(2)] == [201, 201]
    refused = client.order("c.example.com")
    assert (refused.status, kind(refused)) == (429, "rateLimited")
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    Account.objects.update(hour_from=Account.objects.get().hour_from - timedelta(hours=2))
    assert client.order("c.example.com").status == 201


@pytest.mark.parametrize("issued", [False, True])
def test_of_two_orders_that_say_they_replace_the_same_one_is_placed(door, engine, issued):
    door.offer("Internal")
    client = door.registered()
    client.finalize(client.order("www.example.com").json(), request("www.example.com"))
    engine.until(Certificate.objects.exists)
    ident = ari.ident_of(bytes(Certificate.objects.get().der))
    both = [client.order("www.example.com", replaces=ident).json() for _ in range(2)]
    client.finalize(both[0], request("www.example.com"))
    if issued:
        engine.until(lambda: Certificate.objects.count() == 2)
    refused = client.finalize(both[1], request("www.example.com"))
    assert (refused.status, refused.json()["type"].rpartition(":")[2]) == (409, "alreadyReplaced")
    assert Order.objects.filter(replaces__isnull=False).count() == 1
