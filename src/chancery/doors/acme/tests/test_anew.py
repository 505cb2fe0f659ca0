"""Clients that give up while a person decides, and order anew with another key: one order waits, and nobody is asked twice."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chancery.apps.accounts import actions as people
from chancery.apps.accounts.models import Team
from chancery.apps.accounts.queries import actor_of
from chancery.apps.acme import accounts, ari, finalizing
from chancery.apps.acme import actions as acme
from chancery.apps.acme.models import Account, AcmeOrder, Credential
from chancery.apps.audit.models import Entry
from chancery.apps.certificates import actions as certificates
from chancery.apps.certificates import reporting
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders import actions as orders
from chancery.apps.orders.models import Approval, Order
from chancery.apps.profiles.models import Profile
from chancery.core import csr
from chancery.core.errors import NotPermitted
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


def test_of_orders_that_wait_for_approval_the_newest_is_left(door, client):
    other = door.registered("web-2", profile="Careful")
    run(other)
    run(client, "app.example.com")
    run(client, NAME, "app.example.com")
    first, one = run(client)
    second, two = run(client)
    _, three = run(client)
    assert states() == [*["awaiting_approval"] * 3, "cancelled", "cancelled", "awaiting_approval"]
    one.refresh_from_db()
    assert (one.reason, one.due_at) == (f"It was ordered anew: the order {two.pk} takes its place.", None)
    told = one.events.get(kind="order.cancelled")
    assert (told.actor, told.text) == ("acme:web-1", one.reason)
    assert Entry.objects.filter(action="acme_orders.take_place", target_kind="order").count() == 2
    ended = client.post(second).json()
    assert (ended["status"], ended["error"]["type"].rpartition(":")[2]) == ("invalid", "unauthorized")
    assert str(three.pk) in ended["error"]["detail"]
    assert client.post(first).json()["status"] == "invalid"


def test_an_approval_that_came_too_late_counts_for_the_next_order_and_for_that_alone(client, cast, engine):
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    engine.until(lambda: Certificate.objects.count() == 1)
    where, second = run(client)
    assert (second.state, approvals(second)) == ("queued", ["amy"])
    told = list(second.events.order_by("id").values_list("kind", "text"))
    assert [kind for kind, _ in told] == ["order.held", "order.agreed", "order.approved"]
    assert told[1][1].startswith(f"amy approved the order {first.pk} for the same names, ")
    engine.until(lambda: Certificate.objects.count() == 2)
    assert client.post(where).json()["status"] == "valid"
    _, third = run(client)
    assert (third.state, approvals(third)) == ("awaiting_approval", [])
    orders.approve(cast.amy, third.pk)


def said(order):
    """What the audit record says that was remembered for an order, entry by entry."""
    rows = Entry.objects.filter(action="acme_orders.take_place", target_id=str(order.pk)).order_by("id")
    return [detail for row in rows if "remembered" in (detail := json.loads(bytes(row.body))["detail"])]


@pytest.mark.parametrize(("needed", "state"), [(1, "queued"), (2, "awaiting_approval")])
def test_the_record_says_whose_approval_of_which_order_counts_for_another(client, cast, needed, state):
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    Profile.objects.filter(name="Careful").update(approvals=needed)
    _, second = run(client)
    amy = {"user": cast.amy.user, "order": str(first.pk)}
    assert second.state == state
    assert said(second) == [{"approvals": 1, "needed": needed, "remembered": [amy]}]


def test_what_some_have_approved_is_not_asked_twice(client, cast, ann, engine):
    Profile.objects.filter(name="Careful").update(approvals=2)
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    _, second = run(client)
    assert (states(), approvals(second)) == (["cancelled", "awaiting_approval"], ["amy"])
    _, third = run(client)
    assert (states(), approvals(third)) == (["cancelled", "cancelled", "awaiting_approval"], ["amy"])
    orders.approve(ann, third.pk)
    third.refresh_from_db()
    assert third.state == "queued"
    _, fourth = run(client)
    assert (fourth.state, approvals(fourth)) == ("awaiting_approval", ["ann"]), "what was remembered is used up"
    people.set_grants(cast.host, ann.user, [])
    _, fifth = run(client)
    orders.approve(cast.amy, fifth.pk)
    fifth.refresh_from_db()
    assert (fifth.state, approvals(fifth)) == ("awaiting_approval", ["amy", "ann"]), "ann may approve no more"


def test_what_was_remembered_is_used_up_whatever_the_clocks_of_the_nodes_say(client, cast, engine):
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    # The approval was taken by a node whose clock is some minutes ahead of that of the node that places orders.
    Approval.objects.update(at=Approval.objects.get().at + timedelta(minutes=5))
    _, second = run(client)
    assert (second.state, approvals(second)) == ("queued", ["amy"])
    assert second.given.get().of_id == first.pk
    _, third = run(client)
    assert (third.state, approvals(third)) == ("awaiting_approval", [])


def test_an_approval_counts_once_though_the_clock_of_its_node_is_behind(client, cast, engine):
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    Approval.objects.update(at=Approval.objects.get().at - timedelta(minutes=5))
    _, second = run(client)
    assert (second.state, approvals(second)) == ("queued", ["amy"])


def test_a_request_with_another_common_name_takes_the_place_and_asks_anew(client, cast):
    Profile.objects.filter(name="Careful").update(approvals=2)
    _, first = run(client, NAME, "app.example.com")
    orders.approve(cast.amy, first.pk)
    _, second = run(client, NAME, "app.example.com", first="app.example.com")
    assert (second.common_name, states(), approvals(second)) == (
        "app.example.com",
        ["cancelled", "awaiting_approval"],
        [],
    )


def test_a_denial_under_another_common_name_is_a_denial(client, cast, engine):
    names = (NAME, "app.example.com")
    _, first = run(client, *names)
    orders.approve(cast.amy, first.pk)
    engine.until(Certificate.objects.exists)
    _, second = run(client, *names, first="app.example.com")
    orders.deny(cast.amy, second.pk, "Not any more.")
    _, third = run(client, *names)
    assert (third.state, approvals(third)) == ("awaiting_approval", [])


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(65537, 2048)


def test_orders_for_two_types_of_key_leave_each_other_alone(client, cast, engine, key):
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    engine.until(Certificate.objects.exists)
    _, second = run(client, key=key)
    assert (second.state, approvals(second)) == ("awaiting_approval", [])
    _, third = run(client)
    assert (third.state, approvals(third)) == ("queued", ["amy"])
    run(client)
    run(client, key=rsa.generate_private_key(65537, 2048))
    assert states(key_type=second.key_type) == ["cancelled", "awaiting_approval"]
    assert states(key_type=first.key_type)[-1] == "awaiting_approval"


def test_a_denial_for_another_type_of_key_is_a_denial(client, cast, engine, key):
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    engine.until(Certificate.objects.exists)
    _, second = run(client, key=key)
    orders.deny(cast.amy, second.pk, "Not any more.")
    _, third = run(client)
    assert (third.state, approvals(third)) == ("awaiting_approval", [])


def test_what_waits_to_replace_a_certificate_gives_its_place_to_an_order_that_says_nothing(client, cast, engine):
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    engine.until(Certificate.objects.exists)
    Approval.objects.all().delete()
    ident = ari.ident_of(bytes(Certificate.objects.get().der))
    client.finalize(client.order(NAME, replaces=ident).json(), request(NAME))
    assert client.order(NAME, replaces=ident).status == 409
    run(client)
    assert states() == ["issued", "cancelled", "awaiting_approval"]
    client.finalize(client.order(NAME, replaces=ident).json(), request(NAME))
    assert states() == ["issued", "cancelled", "cancelled", "awaiting_approval"]


def test_an_approval_is_remembered_for_a_day(client, cast):
    Profile.objects.filter(name="Careful").update(approvals=2)
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    Approval.objects.update(at=Approval.objects.get().at - timedelta(hours=25))
    _, second = run(client)
    assert (states(), approvals(second)) == (["cancelled", "awaiting_approval"], [])


def denied(cast, row, engine):
    Profile.objects.filter(name="Careful").update(approvals=2)
    Order.objects.update(approvals=2)
    orders.approve(cast.amy, row.pk)
    orders.deny(cast.amy, row.pk, "Not any more.")


def revoked(cast, row, engine):
    orders.approve(cast.amy, row.pk)
    engine.until(Certificate.objects.exists)
    certificates.revoke(cast.ada, Certificate.objects.get().pk, "superseded", "It was a mistake.")


def reported(cast, row, engine):
    orders.approve(cast.amy, row.pk)
    engine.until(Certificate.objects.exists)
    reporting.report_key(cast.ada, Certificate.objects.get().pk, "Found on a public host.")


def longer(cast, row, engine):
    orders.approve(cast.amy, row.pk)
    Profile.objects.filter(name="Careful").update(validity_days=80)


@pytest.mark.parametrize("what", [denied, revoked, reported, longer], ids=lambda w: w.__name__)
def test_nothing_is_remembered_of_what_somebody_has_said_no_to_or_was_another_thing(client, cast, engine, what):
    _, first = run(client)
    what(cast, first, engine)
    _, second = run(client)
    assert (second.state, approvals(second)) == ("awaiting_approval", [])


def test_nobody_approves_by_another_order_what_they_brought_about(door, client, cast):
    Profile.objects.filter(name="Careful").update(approvals=2)
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    account = Account.objects.get()
    account.credential.created_by_user_id = cast.amy.user
    account.credential.save(update_fields=["created_by_user"])
    _, second = run(client)
    assert (second.state, approvals(second)) == ("awaiting_approval", [])
    with pytest.raises(NotPermitted):
        orders.approve(cast.amy, second.pk)


def test_of_several_in_one_group_the_newest_is_left(client):
    for _ in range(2):
        client.order(NAME)
    account = accounts.by_id(Account.objects.get().pk)
    some = [finalizing.Wanted(account, row.pk, csr.parse(request(NAME))) for row in AcmeOrder.objects.order_by("id")]
    finalizing._place(some)
    assert states() == ["cancelled", "awaiting_approval"]


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
    _, first = run(client)
    orders.approve(cast.amy, first.pk)
    placed, plain = client.order(NAME), finalizing._looked_at

    def ended(group):
        found = plain(group)
        end(cast)
        return found

    monkeypatch.setattr(finalizing, "_looked_at", ended)
    refused = client.finalize(placed.json(), request(NAME))
    assert (refused.status, refused.json()["type"].rpartition(":")[2]) == (401, "unauthorized")
    assert "This account is revoked here." in refused.json()["detail"]
    assert states() == ["cancelled"]


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
