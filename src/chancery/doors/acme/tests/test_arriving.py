"""Messages that come at one moment: whose they are is asked once for all, and what counts is the account as it is now."""

from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connection

from bench.acme_client import jwk
from chancery.apps.acme import accounts, arriving, jose, nonces, ordering
from chancery.apps.acme.arriving import Arrival
from chancery.apps.acme.models import Account, AcmeOrder, SpentNonce, Standing
from chancery.core.names import parse_name

pytestmark = pytest.mark.django_db(transaction=True)


def kind(answer):
    return answer.json()["type"].rpartition(":")[2]


@pytest.fixture
def client(door):
    door.offer()
    return door.registered()


def test_a_key_that_another_node_has_replaced_signs_nothing_here(client, monkeypatch):
    monkeypatch.setattr(arriving, "_MOST", 1)
    arriving._remembered[uuid4()] = jose.key(jwk(client.key))
    assert client.post(client.kid).status == 200
    row = Account.objects.get()
    assert list(arriving._remembered) == [row.pk], "what is remembered has a bound"
    fresh = ec.generate_private_key(ec.SECP256R1())
    accounts.roll_over(accounts.by_id(row.pk), row.jwk, jose.key(jwk(fresh)), "")
    nonce, spent = client.nonce(), SpentNonce.objects.count()
    refused = client.post(client.kid, nonce=nonce)
    assert (refused.status, kind(refused), SpentNonce.objects.count()) == (403, "malformed", spent)
    client.key = fresh
    assert client.post(client.kid, nonce=nonce).status == 200
    Account.objects.update(state=Standing.REVOKED)
    assert (client.post(client.kid).status, SpentNonce.objects.count()) == (401, spent + 1)


def test_a_group_asks_twice_and_each_message_has_its_own_account(client, door, django_assert_num_queries):
    door.registered("web-2")
    one, gone = Account.objects.order_by("pk")
    Account.objects.filter(pk=gone.pk).update(state=Standing.DEACTIVATED)
    first, second, third = (nonces.authentic(nonces.fresh()) for _ in range(3))
    group = [
        Arrival(one.pk, one.thumbprint, first),
        Arrival(one.pk, one.thumbprint, first),
        Arrival(one.pk, one.thumbprint, None),
        Arrival(one.pk, gone.thumbprint, second),
        Arrival(gone.pk, gone.thumbprint, second),
        Arrival(uuid4(), one.thumbprint, second),
        Arrival(one.pk, one.thumbprint, third),
    ]
    # What is prepared on PostgreSQL goes past the count.
    with django_assert_num_queries(1 if connection.vendor == "postgresql" else 2):
        told = arriving._arrive(group)
    assert [t.fresh for t in told] == [True, False, False, False, False, False, True]
    assert [t.account and t.account.pk for t in told] == [one.pk] * 4 + [gone.pk, None, one.pk]
    assert len({id(t.account) for t in told}) == len(told), "whoever changes one changes no other"
    assert not SpentNonce.objects.filter(text=second).exists()


def test_what_fails_after_its_nonce_was_spent_has_used_it_up(client, monkeypatch):
    def broken(*_):
        msg = "the disk is gone"
        raise RuntimeError(msg)

    plain, nonce = ordering.insert, client.nonce()
    monkeypatch.setattr(ordering, "insert", broken)
    monkeypatch.setattr("chancery.doors.acme.door.log.error", lambda *_, **__: None)
    assert kind(client.post(client.urls["newOrder"], ASKED, nonce=nonce)) == "serverInternal"
    monkeypatch.setattr(ordering, "insert", plain)
    assert kind(client.post(client.urls["newOrder"], ASKED, nonce=nonce)) == "badNonce"
    assert (AcmeOrder.objects.count(), Account.objects.get().hour_orders) == (0, 0), "and nothing else"
    assert client.post(client.urls["newOrder"], ASKED).status == 201


def test_each_account_of_a_group_has_its_own_hour(client, door):
    door.registered("web-2", orders_per_hour=1)
    rows = [accounts.by_id(pk) for pk in Account.objects.order_by("pk").values_list("pk", flat=True)]
    now = rows[0].hour_from
    group = [
        ordering.Fresh(row, _order(row, now), (parse_name("www.example.com", "dns"),), "")
        for row in (rows[0], rows[1], rows[1], rows[0])
    ]
    told = ordering._store(group)
    assert told[:2] + told[3:] == [group[0].order, group[1].order, group[3].order]
    assert (told[2].kind, list(told[2].headers)) == ("rateLimited", ["Retry-After"])
    counted = dict(Account.objects.values_list("pk", "hour_orders"))
    assert (counted, AcmeOrder.objects.count()) == ({rows[0].pk: 2, rows[1].pk: 2}, 3)


ASKED = {"identifiers": [{"type": "dns", "value": "www.example.com"}]}


def _order(account, now):
    where = {"team_id": account.team_id, "environment_id": account.environment_id, "offer": account.credential.offer}
    made = AcmeOrder(id=uuid4(), account=account, created_at=now, expires_at=now, **where)
    made.names = [["dns", "www.example.com"]]
    return made
