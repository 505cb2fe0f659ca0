"""What two do at one moment: one of them is first, and the other is told so."""

from concurrent.futures import Future

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bench.acme_client import b64, jwk
from chancery.apps.acme import accounts, finalizing, jose, revoking, states
from chancery.apps.acme.errors import AcmeError
from chancery.apps.acme.models import Account, AcmeOrder, Credential, Placement
from chancery.apps.certificates import actions as certificates
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import PoolMember
from chancery.apps.orders.models import Order
from chancery.apps.shared.grouped import Grouped
from chancery.core import csr
from chancery.core.names import parse_name
from chancery.doors.acme import waiting

pytestmark = pytest.mark.django_db(transaction=True)
KEY = ec.generate_private_key(ec.SECP256R1())


def request(name):
    return csr.build(KEY, [parse_name(name)])


def kind(answer):
    return answer.json()["type"].rpartition(":")[2]


@pytest.fixture
def client(door, monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS", 0.01)
    door.offer()
    return door.registered()


def test_a_client_that_registers_twice_has_one_account(door, monkeypatch):
    door.offer()
    made, secret = door.credential(accounts=2)
    client, plain, unseen = door.client(), accounts.by_key, [True]
    assert client.register(str(made.pk), secret).status == 201
    kid, client.kid = client.kid, ""
    # The second looks before the first has committed, and stores afterwards.
    monkeypatch.setattr(accounts, "by_key", lambda key: None if unseen and unseen.pop() else plain(key))
    again = client.register(str(made.pk), secret)
    assert (again.status, again.headers["location"]) == (200, kid)
    assert (Account.objects.count(), Credential.objects.get().accounts_left) == (1, 1)
    monkeypatch.setattr(accounts, "by_key", lambda _: None)
    client.kid = ""
    failed = client.register(str(made.pk), secret)
    assert (kind(failed), "could not be stored" in failed.json()["detail"]) == ("serverInternal", True)
    assert (Account.objects.count(), Credential.objects.get().accounts_left) == (1, 1)


def test_of_two_fresh_keys_the_first_counts(client):
    ident = Account.objects.get().pk
    first, second = (jose.key(jwk(ec.generate_private_key(ec.SECP256R1()))) for _ in range(2))
    one, other = accounts.by_id(ident), accounts.by_id(ident)
    accounts.roll_over(one, one.jwk, first, "")
    with pytest.raises(AcmeError, match="another key by now") as caught:
        accounts.roll_over(other, other.jwk, second, "")
    assert caught.value.kind == "unauthorized"
    assert Account.objects.get().thumbprint == first.thumbprint


def test_what_another_node_placed_costs_the_rest_of_a_group_nothing(client, monkeypatch):
    placed, _ = (client.order(f"{name}.example.com").json() for name in "ab")
    client.finalize(placed, request("a.example.com"))
    account, rows = accounts.by_id(Account.objects.get().pk), AcmeOrder.objects.order_by("pk")
    group = [finalizing.Wanted(account, row.pk, csr.parse(request(row.names[0][1]))) for row in rows]
    plain, unseen = states.several, [True]
    ready = {row.pk: states.unplaced(row, [], row.created_at) for row in rows}

    def seen(some):
        # The group looks before the other node has committed; of two that are placed one by one the first finds it then.
        if len(some) > 1 or (unseen and unseen.pop()):
            return [ready[ident] for _, ident in some]
        return plain(some)

    monkeypatch.setattr(states, "several", seen)
    told = [Future(), Future()]
    Grouped("group", finalizing._place)._commit(list(zip(group, told, strict=True)))
    placed = dict(Placement.objects.values_list("acme_order", "order"))
    assert [f.result(0) for f in told] == [(row, placed[row.pk]) for row in rows]
    assert (Order.objects.count(), Placement.objects.count()) == (2, 2)


def test_an_order_that_no_connector_would_take_is_not_stored(client):
    PoolMember.objects.update(draining=True)
    refused = client.order("a.example.com")
    assert (refused.status, kind(refused), AcmeOrder.objects.count()) == (503, "serverInternal", 0)
    PoolMember.objects.update(draining=False)
    assert client.order("a.example.com").status == 201


def test_who_revokes_second_is_told_so(client, engine, cast, monkeypatch):
    order = client.order("a.example.com").json()
    client.finalize(order, request("a.example.com"))
    engine.until(Certificate.objects.exists)
    row, plain = Certificate.objects.get(), revoking._may
    asked = {"certificate": b64(bytes(row.der)), "reason": 1}
    Certificate.objects.update(connector=None)
    refused = client.post(client.urls["revokeCert"], asked)
    assert (kind(refused), "no connector" in refused.json()["detail"]) == ("unauthorized", True)
    Certificate.objects.update(connector=row.connector_id)

    def meanwhile(*given):
        certificates.revoke(cast.ada, row.pk, "superseded")
        return plain(*given)

    monkeypatch.setattr(revoking, "_may", meanwhile)
    assert kind(client.post(client.urls["revokeCert"], asked)) == "alreadyRevoked"
    assert Certificate.objects.get().revocation_reason == "superseded"
