"""Clients whose orders a person has to approve: none waits, one order asks for all, and what is approved counts for the next."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.db import transaction

from chancery.apps.accounts import actions as people
from chancery.apps.accounts.models import Team
from chancery.apps.accounts.queries import actor_of
from chancery.apps.acme import accounts, ari, finalizing
from chancery.apps.acme import actions as acme
from chancery.apps.acme.models import Account, AcmeOrder, Credential
from chancery.apps.acme.states import of as states_of
from chancery.apps.audit.models import Entry
from chancery.apps.certificates import keys
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.orders import actions as orders
from chancery.apps.orders import anew, explaining
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.pools import actions as pools
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.core import csr
from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.errors import Conflict, NotPermitted
from chancery.core.names import parse_name
from chancery.doors.acme import waiting
from chancery.doors.acme.tests.conftest import aside
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "www.example.com"


def request(*names, key=None, first=None):
    """Return a request by a key of its own, as each run of a client sends it; `first` is the common name."""
    made = key or ec.generate_private_key(ec.SECP256R1())
    return csr.build(made, [parse_name(n) for n in names], first or names[0])


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS", 0.05)


@pytest.fixture
def client(door):
    door.offer("Careful")
    return door.registered(profile="Careful")


@pytest.fixture
def ann(cast):
    """A second approver."""
    team = Team.objects.get(name="Operations").pk
    return actor_of(people.create_user(cast.host, "ann", PASSWORD, grants=[("approver", team, None)]), how="test")


def run(client, *names, **more):
    """Order and finalize as a client does each time; returns the order's address and what was placed."""
    names = names or (NAME,)
    placed = client.order(*names)
    client.finalize(placed.json(), request(*names, **more))
    return placed.headers["location"], Order.objects.order_by("id").last()


def states(**more):
    return list(Order.objects.filter(**more).order_by("id").values_list("state", flat=True))


def approvals(order):
    return sorted(order.given.values_list("name", flat=True))


def test_a_client_is_told_at_once_that_somebody_has_to_approve_and_not_to_wait(client):
    placed = client.order(NAME)
    told = client.finalize(placed.json(), request(NAME))
    held = Order.objects.get()
    error = told.json()
    assert (told.status, error["type"].rpartition(":")[2], error["status"]) == (403, "unauthorized", 403)
    assert error["detail"] == (
        f"Somebody has to approve the order {held.pk}. Order again later: once it is approved, the next order for the same "
        "names gets its certificate at once."
    )
    again = client.finalize(placed.json(), request(NAME))
    assert (again.status, again.json()["type"].rpartition(":")[2]) == (403, "orderNotReady")
    assert f"The order is invalid, not ready. Somebody has to approve the order {held.pk}." in again.json()["detail"]
    seen = client.post(placed.headers["location"])
    assert (seen.json()["status"], seen.json()["error"], "retry-after" in seen.headers) == ("invalid", error, False)


def test_one_order_asks_for_all_and_is_the_first(door, client):
    other = door.registered("web-2", profile="Careful")
    run(other)
    run(client, "app.example.com")
    run(client, NAME, "app.example.com")
    _, one = run(client)
    second, two = run(client)
    run(client)
    assert states() == [*["awaiting_approval"] * 4, "cancelled", "cancelled"]
    assert (two.reason, two.due_at) == (
        f"Somebody has to approve the order {one.pk}, which asks for the same.",
        None,
    )
    told = two.events.get(kind="order.cancelled")
    assert (told.actor, told.text) == ("acme:web-1", two.reason)
    assert Entry.objects.filter(action="acme_orders.take_place", target_kind="order").count() == 2
    ended = client.post(second).json()
    assert (ended["status"], ended["error"]["type"].rpartition(":")[2]) == ("invalid", "unauthorized")
    assert str(one.pk) in ended["error"]["detail"]


def test_what_was_approved_buys_nothing_and_counts_for_the_next_order_and_for_that_alone(client, cast, engine):
    first, one = run(client)
    run(client)
    after = orders.approve(cast.amy, one.pk)
    assert (after.state, after.reason_code, after.due_at) == ("cancelled", "approved_for_next", None)
    assert after.reason.startswith("Approved. No CA was asked, as its client does not wait: ")
    assert client.post(first).json()["status"] == "invalid"
    where, next_one = run(client)
    assert (next_one.state, approvals(next_one), next_one.given.get().of_id) == ("queued", ["amy"], one.pk)
    told = list(next_one.events.order_by("id").values_list("kind", "text"))
    assert [kind for kind, _ in told] == ["order.held", "order.agreed", "order.approved"]
    assert told[1][1].startswith(f"amy approved the order {one.pk} for the same names, ")
    one.refresh_from_db()
    assert (one.state, one.reason) == ("cancelled", f"Approved. It counted for the order {next_one.pk}.")
    assert one.events.order_by("id").last().kind == "order.approval_used"
    engine.until(Certificate.objects.exists)
    assert client.post(where).json()["status"] == "valid"
    assert client.post(first).json()["status"] == "invalid"
    _, third = run(client)
    assert (third.state, approvals(third)) == ("awaiting_approval", [])
    assert (Certificate.objects.count(), orders.approve(cast.amy, third.pk).state) == (1, "cancelled")


def test_the_record_says_whose_approval_of_which_order_counts_for_another(client, cast):
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    _, second = run(client)
    rows = Entry.objects.filter(action="acme_orders.take_place", target_id=str(second.pk))
    said = [detail for row in rows if "remembered" in (detail := json.loads(bytes(row.body))["detail"])]
    remembered = [{"user": cast.amy.user, "order": str(first.pk)}]
    assert said == [{"approvals": 1, "needed": 1, "remembered": remembered}]


def test_of_two_people_each_says_it_once_for_all_that_the_client_asks(client, cast, ann):
    Profile.objects.filter(name="Careful").update(approvals=2)
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    run(client)
    assert (states(), approvals(first)) == (["awaiting_approval", "cancelled"], ["amy"])
    with pytest.raises(Conflict):
        orders.approve(cast.amy, first.pk)
    assert orders.approve(ann, first.pk).reason_code == "approved_for_next"
    _, third = run(client)
    assert (third.state, approvals(third)) == ("queued", ["amy", "ann"])


def test_who_may_approve_no_more_does_not_count(client, cast, ann):
    Profile.objects.filter(name="Careful").update(approvals=2)
    _, first = run(client)
    orders.approve(cast.amy, first.pk), orders.approve(ann, first.pk)
    people.set_grants(cast.host, ann.user, [])
    _, second = run(client)
    assert (second.state, approvals(second)) == ("awaiting_approval", [])


def test_that_more_have_to_approve_than_did_takes_the_place_of_the_order_that_asks(client, cast):
    _, first = run(client)
    Profile.objects.filter(name="Careful").update(approvals=2)
    _, second = run(client)
    first.refresh_from_db()
    assert (states(), first.reason) == (
        ["cancelled", "awaiting_approval"],
        f"It was ordered anew: the order {second.pk} takes its place.",
    )


def test_a_request_with_another_common_name_takes_the_place_and_asks_anew(client, cast):
    run(client, NAME, "app.example.com")
    _, second = run(client, NAME, "app.example.com", first="app.example.com")
    assert (second.common_name, states()) == ("app.example.com", ["cancelled", "awaiting_approval"])
    orders.approve(cast.amy, second.pk)
    _, third = run(client, NAME, "app.example.com")
    assert (third.state, approvals(third)) == ("awaiting_approval", [])


def test_a_denial_under_another_common_name_is_a_denial(client, cast):
    names = (NAME, "app.example.com")
    _, first = run(client, *names)
    orders.approve(cast.amy, first.pk)
    _, second = run(client, *names, first="app.example.com")
    orders.deny(cast.amy, second.pk, "Not any more.")
    _, third = run(client, *names)
    assert (third.state, approvals(third)) == ("awaiting_approval", [])


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(65537, 2048)


def test_orders_for_two_types_of_key_leave_each_other_alone(client, cast, key):
    _, first = run(client)
    _, second = run(client, key=key)
    assert states() == ["awaiting_approval", "awaiting_approval"]
    orders.approve(cast.amy, first.pk)
    _, third = run(client)
    assert (third.state, approvals(third)) == ("queued", ["amy"])
    run(client, key=key)
    assert states(key_type=second.key_type) == ["awaiting_approval", "cancelled"]
    assert states(key_type=first.key_type) == ["cancelled", "queued"]


def test_a_denial_for_another_type_of_key_is_a_denial(client, cast, key):
    _, second = run(client, key=key)
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    orders.deny(cast.amy, second.pk, "Not any more.")
    _, third = run(client)
    assert (third.state, approvals(third)) == ("awaiting_approval", [])


def test_what_is_to_replace_a_certificate_may_be_ordered_again_as_the_first_order_is_over(client, cast, engine):
    Profile.objects.filter(name="Careful").update(needs_approval=False)
    run(client)
    engine.until(Certificate.objects.exists)
    Profile.objects.filter(name="Careful").update(needs_approval=True)
    ident = ari.ident_of(bytes(Certificate.objects.get().der))
    client.finalize(client.order(NAME, replaces=ident).json(), request(NAME))
    client.finalize(client.order(NAME, replaces=ident).json(), request(NAME))
    run(client)
    assert states() == ["issued", "awaiting_approval", "cancelled", "cancelled"]
    orders.approve(cast.amy, Order.objects.get(state="awaiting_approval").pk)
    ordered = client.order(NAME, replaces=ident)
    assert (ordered.status, ordered.json()["replaces"]) == (201, ident)
    client.finalize(ordered.json(), request(NAME))
    latest = Order.objects.order_by("id").last()
    assert (latest.state, latest.replaces) == ("queued", Certificate.objects.get())
    assert client.order(NAME, replaces=ident).status == 409


def test_an_approval_is_remembered_for_a_week(client, cast):
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    ended = Order.objects.get(pk=first.pk).finished_at
    Order.objects.filter(pk=first.pk).update(finished_at=ended - anew.KEPT)
    _, second = run(client)
    assert (second.state, approvals(second)) == ("awaiting_approval", [])
    orders.deny(cast.amy, second.pk, "Not now.")
    with pytest.raises(Conflict, match="No approval of this order waits"):
        orders.take_back(cast.amy, first.pk, "Too late.")


def test_an_approval_is_taken_back_until_it_has_counted(client, cast):
    _, first = run(client)
    with pytest.raises(Conflict, match="No approval of this order waits"):
        orders.take_back(cast.amy, first.pk, "It is held still.")
    orders.approve(cast.amy, first.pk)
    after = orders.take_back(cast.amy, first.pk, "The host is gone.")
    assert (after.state, after.reason) == ("cancelled", "The approval was taken back: The host is gone.")
    assert after.events.order_by("id").last().kind == "order.approval_taken_back"
    _, second = run(client)
    assert (second.state, approvals(second)) == ("awaiting_approval", [])
    orders.approve(cast.amy, second.pk)
    _, third = run(client)
    assert third.state == "queued"
    with pytest.raises(Conflict, match="No approval of this order waits"):
        orders.take_back(cast.amy, second.pk, "Too late.")


def test_of_taking_back_and_of_ordering_at_one_moment_one_counts(client, cast, monkeypatch):
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    client.order(NAME)
    account, both, plain = accounts.by_id(Account.objects.get().pk), threading.Barrier(2), anew._counts

    def together(*given):
        # What was approved has been looked at, and is not yet used up.
        with suppress(threading.BrokenBarrierError):
            both.wait(1)
        return plain(*given)

    def take_back():
        with suppress(threading.BrokenBarrierError):
            both.wait(5)
        with suppress(Conflict):
            return orders.take_back(cast.amy, first.pk, "The host is gone.")

    monkeypatch.setattr(anew, "_counts", together)
    wanted = finalizing.Wanted(account, AcmeOrder.objects.order_by("id").last().pk, csr.parse(request(NAME)))
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(aside, finalizing._place, [wanted]), pool.submit(aside, take_back)]
        placed, taken_back = (one.result(20) for one in done)
    codes = dict(Order.objects.values_list("state", "reason_code"))
    if taken_back is None:
        assert codes == {"cancelled": "approval_used", "queued": ""}
    else:
        # What was confirmed to somebody is so, whoever placed meanwhile.
        assert codes == {"cancelled": "approval_taken_back", "awaiting_approval": ""}
    assert len(placed) == 1


def test_whichever_connector_of_its_pool_an_order_draws_one_order_asks_and_its_approval_counts(door, cast, local):
    there = {"team": "Operations", "environment": "Production"}
    connectors.create(cast.ada, "local", {"name": "Second", **there})
    members = [{"connector": "Local"}, {"connector": "Second"}]
    pools.create(
        cast.ada, {"name": "Both", **there, "trust": "vouched", "trust_reason": "Rolled out.", "members": members}
    )
    profiles.create(cast.ada, {"name": "Pooled", "pool": "Both", "needs_approval": True, "approvals": 1})
    door.offer("Pooled")
    client = door.registered(profile="Pooled")
    for _ in range(8):
        run(client)
    assert states() == ["awaiting_approval", *["cancelled"] * 7]
    asked = Order.objects.get(state="awaiting_approval")
    drawn = Order.objects.exclude(connector=asked.connector_id)
    assert drawn.exists()
    orders.approve(cast.amy, asked.pk)
    # Whatever the next one draws is the other.
    Connector.objects.filter(pk=asked.connector_id).update(status="inactive")
    _, placed = run(client)
    assert placed.connector_id != asked.connector_id
    assert (placed.state, approvals(placed)) == ("queued", ["amy"])


def test_a_pool_that_was_changed_since_is_not_what_was_approved(door, cast, local):
    there = {"team": "Operations", "environment": "Production"}
    second = connectors.create(cast.ada, "local", {"name": "Second", **there})
    pool = pools.create(cast.ada, {"name": "One", **there, "members": [{"connector": "Local"}]})
    profiles.create(cast.ada, {"name": "Pooled", "pool": "One", "needs_approval": True, "approvals": 1})
    door.offer("Pooled")
    client = door.registered(profile="Pooled")
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    more = {"trust": "vouched", "trust_reason": "Rolled out.", "members": [{"connector": "Second"}]}
    pools.edit(cast.ada, pool.pk, pool.revision, {"name": "One", **there, **more})
    _, placed = run(client)
    assert (placed.connector_id, placed.state) == (second.pk, "awaiting_approval")


def test_a_denial_takes_along_what_some_have_approved_of_an_order_that_still_asks(client, cast, ann, key):
    Profile.objects.filter(name="Careful").update(approvals=2)
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    # Whoever placed this one waits for it, and is not of that client.
    waits = place(cast.rob, PlaceOrder("Careful", request(NAME)))
    orders.approve(cast.amy, waits.pk)
    _, other = run(client, key=key)
    orders.deny(cast.amy, other.pk, "Not any more.")
    assert (approvals(first), approvals(waits)) == ([], ["amy"])
    assert first.events.order_by("id").last().text == f"The order {other.pk} for the same names was denied."
    orders.approve(ann, first.pk)
    first.refresh_from_db()
    assert first.state == "awaiting_approval"


def test_who_is_not_counted_any_more_is_not_recorded_either(client, cast, ann):
    _, first = run(client)
    Order.objects.filter(pk=first.pk).update(approvals=2)
    orders.approve(cast.amy, first.pk), orders.approve(ann, first.pk)
    people.set_grants(cast.host, ann.user, [])
    _, second = run(client)
    assert (second.state, approvals(second)) == ("queued", ["amy"])


def test_an_order_that_went_ahead_before_and_ends_meanwhile_decides_nothing(client, cast, engine):
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    _, slow = run(client)
    assert slow.state == "queued"
    _, asks = run(client)
    orders.approve(cast.amy, asks.pk)
    engine.until(Certificate.objects.exists)
    _, last = run(client)
    assert (last.state, last.given.get().of_id) == ("queued", asks.pk)


def test_it_is_explained_who_approved_what(client, cast):
    _, first = run(client)
    asked = explaining.of(first, SYSTEM_CLOCK.now())
    assert [s.text for s in asked.goes_on] == [
        "Its client does not wait: approve it, and the next order of that client for the same is sent at once."
    ]
    assert "It is wanted by" not in str(asked.waits_for)
    first = orders.approve(cast.amy, first.pk)
    ahead = explaining.of(first, SYSTEM_CLOCK.now())
    assert [s.text for s in ahead.goes_on] == [
        "The next order of its client for the same is sent at once. Until then the approval can be taken back."
    ]
    _, second = run(client)
    for order in (first, second):
        said = [s.text for s in explaining.of(order, SYSTEM_CLOCK.now()).decided if s.topic == "approval"]
        assert [line.split(" at ")[0] for line in said if " by " in line] == ["Approved by amy"]
    assert f"amy approved the order {first.pk} for the same names" in said[-1]


def test_an_approval_ends_with_the_account_of_its_client(client, cast):
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    acme.revoke_account(cast.ada, Account.objects.get().pk)
    first.refresh_from_db()
    assert (first.reason_code, first.reason) == (
        "approval_taken_back",
        "The approval was taken back: Its ACME account was revoked.",
    )


def test_a_client_that_looks_at_its_old_order_is_told_to_order_again(client, cast):
    where, first = run(client)
    orders.approve(cast.amy, first.pk)
    told = client.post(where).json()["error"]["detail"]
    assert told == f"The order {first.pk} is approved. Order again now, for the same names."
    ended = Order.objects.get(pk=first.pk).finished_at
    Order.objects.filter(pk=first.pk).update(finished_at=ended - anew.KEPT)
    assert "Order again now" not in client.post(where).json()["error"]["detail"]


def denied(cast, row):
    orders.deny(cast.amy, row.pk, "Not any more.")


def cancelled(cast, row):
    orders.cancel(cast.ada, row.pk)


def reported(cast, row):
    orders.approve(cast.amy, row.pk)
    with transaction.atomic():
        keys.record(row.spki_sha256, row, "ada", row.placed_at, "", named="it", for_everybody=True, confirmed_by="")


def longer(cast, row):
    orders.approve(cast.amy, row.pk)
    Profile.objects.filter(name="Careful").update(validity_days=80)


@pytest.mark.parametrize("what", [denied, cancelled, reported, longer], ids=lambda w: w.__name__)
def test_nothing_is_remembered_of_what_somebody_has_said_no_to_or_was_another_thing(client, cast, what):
    _, first = run(client)
    what(cast, first)
    _, second = run(client)
    assert (second.state, approvals(second)) == ("awaiting_approval", [])


def test_nobody_approves_by_another_order_what_they_brought_about(door, client, cast):
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    account = Account.objects.get()
    account.credential.created_by_user_id = cast.amy.user
    account.credential.save(update_fields=["created_by_user"])
    _, second = run(client)
    assert (second.state, approvals(second)) == ("awaiting_approval", [])
    with pytest.raises(NotPermitted):
        orders.approve(cast.amy, second.pk)


def test_of_several_in_one_group_one_asks_or_goes_ahead(client, cast):
    def together():
        for _ in range(2):
            client.order(NAME)
        account = accounts.by_id(Account.objects.get().pk)
        rows = AcmeOrder.objects.filter(placement=None).order_by("id")
        finalizing._place([finalizing.Wanted(account, row.pk, csr.parse(request(NAME))) for row in rows])

    together()
    assert states() == ["awaiting_approval", "cancelled"]
    orders.approve(cast.amy, Order.objects.get(state="awaiting_approval").pk)
    together()
    assert sorted(states()) == ["awaiting_approval", "cancelled", "cancelled", "queued"]


def test_of_two_in_one_group_that_differ_the_newest_asks(client):
    names = NAME, "app.example.com"
    for _ in names:
        client.order(*names)
    account = accounts.by_id(Account.objects.get().pk)
    rows = zip(AcmeOrder.objects.order_by("id"), names, strict=True)
    finalizing._place([finalizing.Wanted(account, row.pk, csr.parse(request(*names, first=cn))) for row, cn in rows])
    older, newer = (states_of(account, row.pk) for row in AcmeOrder.objects.order_by("id"))
    assert (older.problem["status"], "takes its place. Order again later" in older.problem["detail"]) == (403, True)
    said = explaining.of(Order.objects.order_by("id").first(), SYSTEM_CLOCK.now())
    assert "Cancelled by" not in str(said.decided)
    assert newer.status == "invalid"
    assert list(Order.objects.order_by("id").values_list("common_name", "state")) == [
        (NAME, "cancelled"),
        ("app.example.com", "awaiting_approval"),
    ]


def test_that_another_common_name_was_asked_for_and_given_up_takes_no_approval_away(client, cast):
    names = NAME, "app.example.com"
    _, first = run(client, *names)
    orders.approve(cast.amy, first.pk)
    run(client, *names, first="app.example.com")
    Profile.objects.filter(name="Careful").update(approvals=2)
    run(client, *names, first="app.example.com")
    Profile.objects.filter(name="Careful").update(approvals=1)
    _, last = run(client, *names)
    assert states() == ["cancelled", "cancelled", "awaiting_approval", "queued"]
    assert approvals(last) == ["amy"]


def test_of_two_in_one_group_that_replace_the_same_one_is_placed(client, cast, engine):
    Profile.objects.filter(name="Careful").update(needs_approval=False)
    run(client)
    engine.until(Certificate.objects.exists)
    ident = ari.ident_of(bytes(Certificate.objects.get().der))
    for _ in range(2):
        client.order(NAME, replaces=ident)
    account = accounts.by_id(Account.objects.get().pk)
    rows = AcmeOrder.objects.filter(placement=None).order_by("id")
    placed, refused = finalizing._place([finalizing.Wanted(account, row.pk, csr.parse(request(NAME))) for row in rows])
    assert (len(placed), refused.kind, states()) == (2, "alreadyReplaced", ["issued", "queued"])


def test_of_two_nodes_that_place_at_one_moment_one_order_is_left(client, monkeypatch):
    for _ in range(2):
        client.order(NAME)
    account, both = accounts.by_id(Account.objects.get().pk), threading.Barrier(2)
    plain = finalizing._in_place

    def together(*given):
        # With SQLite the second begins when the first is done: neither meets the other here.
        with suppress(threading.BrokenBarrierError):
            both.wait(1)
        plain(*given)

    monkeypatch.setattr(finalizing, "_in_place", together)
    some = [finalizing.Wanted(account, row.pk, csr.parse(request(NAME))) for row in AcmeOrder.objects.order_by("id")]
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(aside, finalizing._place, [one]) for one in some]
        placed = {found.result(20)[0][1] for found in done}
    assert (sorted(states()), len(placed)) == (["awaiting_approval", "cancelled"], 2)


def revoke_account(cast):
    acme.revoke_account(cast.ada, Account.objects.get().pk)


def revoke_credential(cast):
    acme.revoke_credential(cast.ada, Credential.objects.get().pk)


@pytest.mark.parametrize("end", [revoke_account, revoke_credential], ids=lambda e: e.__name__)
def test_nothing_is_placed_for_an_account_that_ended_since_its_message_was_read(client, cast, monkeypatch, end):
    placed, plain = client.order(NAME), finalizing._looked_at

    def ended(group):
        found = plain(group)
        end(cast)
        return found

    monkeypatch.setattr(finalizing, "_looked_at", ended)
    refused = client.finalize(placed.json(), request(NAME))
    assert (refused.status, refused.json()["type"].rpartition(":")[2]) == (401, "unauthorized")
    assert "This account is revoked here." in refused.json()["detail"]
    assert states() == []


def test_an_account_that_ends_in_a_group_takes_nothing_of_the_others_along(door, client, cast):
    other = door.registered("web-2", profile="Careful")
    client.order(NAME)
    other.order("app.example.com")
    some = [
        finalizing.Wanted(accounts.by_id(row.account_id), row.pk, csr.parse(request(row.names[0][1])))
        for row in AcmeOrder.objects.order_by("id")
    ]
    acme.revoke_account(cast.ada, some[0].account.pk)
    refused, placed = finalizing._place(some)
    assert (refused.status, placed[0].pk) == (401, some[1].acme_order)
    assert states() == ["awaiting_approval"]


def test_whoever_ends_an_account_at_one_moment_with_a_finalize_ends_what_that_places(client, cast, monkeypatch):
    client.order(NAME)
    account, both = accounts.by_id(Account.objects.get().pk), threading.Barrier(2)
    plain, stop = finalizing._in_place, acme.ending.stop

    def together(*given):
        # Of the two that meet one waits for the row of the account, which the other holds.
        with suppress(threading.BrokenBarrierError):
            both.wait(1)
        return plain(*given)

    def ending(*given):
        with suppress(threading.BrokenBarrierError):
            both.wait(1)
        return stop(*given)

    monkeypatch.setattr(finalizing, "_in_place", together)
    monkeypatch.setattr(acme.ending, "stop", ending)
    wanted = finalizing.Wanted(account, AcmeOrder.objects.get().pk, csr.parse(request(NAME)))
    with ThreadPoolExecutor(2) as pool:
        placing = pool.submit(aside, finalizing._place, [wanted])
        done = pool.submit(aside, acme.revoke_account, cast.ada, account.pk)
        placing.result(20), done.result(20)
    assert set(states()) <= {"cancelled"}
