"""What people do about the ACME server."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps

from chancery.apps.accounts import actions as people
from chancery.apps.accounts.queries import actor_of
from chancery.apps.acme import actions, queries
from chancery.apps.acme.errors import AcmeError, translated
from chancery.apps.acme.models import Account, Credential, Offer
from chancery.apps.audit.models import Entry
from chancery.apps.connectors import rekeying, sealing
from chancery.apps.connectors.sealed import ACME_FIELD, ACME_TABLE
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import current_clock
from chancery.core.errors import Absent, ChanceryError, Conflict, Invalid, NotPermitted, Problem, Unavailable
from chancery.core.ids import new_id
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def offered(cast, local):
    return actions.offer(cast.ada, "Internal", networks=["10.1.0.0/16", ""], any_name=True)


def fields(caught):
    return [p.field for p in caught.value.problems]


def test_an_offer_is_made_changed_and_withdrawn(cast, offered):
    assert (str(offered), offered.networks, offered.challenges) == ("Internal", ["10.1.0.0/16"], [])
    again = actions.offer(cast.ada, "Internal", challenges=["dns-01", "http-01"], listed=True)
    assert (again.challenges, again.networks) == (["http-01", "dns-01"], [])
    assert [o.profile.name for o in queries.listed()] == ["Internal"]
    actions.withdraw(cast.ada, offered.pk)
    assert not Offer.objects.exists()
    for ident in (offered.pk, "x"):
        with pytest.raises(Absent):
            actions.withdraw(cast.ada, ident)


def test_that_nobody_proves_any_name_has_to_be_said(cast, local):
    with pytest.raises(Invalid) as refusal:
        actions.offer(cast.ada, "Internal")
    assert fields(refusal) == ["any_name"]
    assert not Offer.objects.exists()
    Profile.objects.filter(name="Internal").update(name_suffixes=["example.com"])
    assert actions.offer(cast.ada, "Internal").challenges == []


def test_that_any_name_is_meant_stays_said(cast, offered):
    row = actions.offer(cast.ada, "Internal", listed=True)
    assert (row.listed, row.any_name, Offer.objects.get().any_name) == (True, True, True)
    with pytest.raises(Invalid) as refusal:
        actions.offer(cast.ada, "Internal", any_name=False)
    assert fields(refusal) == ["any_name"]


def emptied(cast, *domains):
    """Edit the offered profile so that it names no domains, or these."""
    row = Profile.objects.get(name="Internal")
    values = {"name": row.name, "connector": "Local", "validity_days": 30, "name_suffixes": list(domains)}
    return profiles.edit(cast.ada, row.pk, row.revision, values)


def test_a_profile_whose_clients_prove_nothing_keeps_its_domains(cast, local):
    Profile.objects.filter(name="Internal").update(name_suffixes=["example.com"])
    actions.offer(cast.ada, "Internal")
    with pytest.raises(Invalid) as refusal:
        emptied(cast)
    assert (fields(refusal), Profile.objects.get(name="Internal").name_suffixes) == (["name_suffixes"], ["example.com"])
    assert emptied(cast, "example.org").name_suffixes == ["example.org"]
    actions.offer(cast.ada, "Internal", challenges=["dns-01"])
    assert emptied(cast).name_suffixes == []
    Profile.objects.filter(name="Internal").update(name_suffixes=["example.com"])
    actions.offer(cast.ada, "Internal", any_name=True)
    assert emptied(cast).name_suffixes == []
    actions.withdraw(cast.ada, Offer.objects.get().pk)
    assert emptied(cast).name_suffixes == []


def test_offers_without_a_challenge_are_meant_so_after_the_update(cast, offered):
    actions.offer(cast.ada, "Careful", challenges=["dns-01"])
    Offer.objects.update(any_name=False)
    import_module("chancery.apps.acme.migrations.0004_any_name").as_it_was(apps, None)
    assert dict(Offer.objects.values_list("profile__name", "any_name")) == {"Internal": True, "Careful": False}


def test_a_credential_is_made_by_whoever_may_order_and_known_by_id(cast, offered):
    user = people.create_user(cast.host, "otto", PASSWORD, grants=[("ca_operator", None, None)])
    otto = actor_of(user, how="test")
    with pytest.raises(NotPermitted) as refusal:
        actions.create_credential(otto, "web-1", profile="Internal")
    assert "orders.place" in str(refusal.value)
    people.set_grants(cast.host, user.pk, [("ca_operator", None, None), ("requester", None, None)])
    made, _ = actions.create_credential(actor_of(user, how="test"), "web-1", profile="Internal")
    assert made.created_by_user_id == user.pk


def test_offers_have_pages_and_end_with_their_profiles(cast, offered):
    actions.offer(cast.ada, "Careful", any_name=True)
    first = queries.offer_listing(cast.ada, size=1)
    second = queries.offer_listing(cast.ada, size=1, cursor=first.next)
    assert [o.profile.name for o in (*first.items, *second.items)] == ["Careful", "Internal"]
    assert (first.count_text, second.next) == ("2", "")
    made, _ = actions.create_credential(cast.ada, "web-1", profile="Internal")
    actions.revoke_credential(cast.ada, made.pk)
    profiles.delete(cast.ada, offered.pk)
    assert [o.profile.name for o in queries.offer_listing(cast.ada).items] == ["Careful"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"challenges": ["tls-sni-01"]},
        {"networks": ["10.0.0.1/8"]},
        {"networks": ["169.254.169.254/32"]},
        {"networks": ["10.0.0.0/8", "0.0.0.0/0"]},
        {"networks": [f"10.{n}.0.0/16" for n in range(51)]},
    ],
)
def test_an_offer_that_cannot_be(cast, local, wrong):
    with pytest.raises(Invalid) as caught:
        actions.offer(cast.ada, "Internal", **wrong)
    assert fields(caught) == [next(iter(wrong))]


def test_a_credential_is_made_once_and_its_key_is_sealed(cast, offered):
    made, secret = actions.create_credential(cast.ada, "web-1", profile="Internal", days=1)
    stored = Credential.objects.get()
    assert secret not in repr(stored.sealed)
    bound = {"table": ACME_TABLE, "record": str(made.pk), "field": ACME_FIELD}
    assert sealing.unseal(stored.sealed, **bound).reveal() == secret
    now = current_clock().now()
    assert queries.status(stored, now) == "usable"
    assert queries.status(stored, now + timedelta(days=2)) == "expired"
    stored.accounts_left = 0
    assert queries.status(stored, now) == "used"
    with pytest.raises(Invalid) as caught:
        actions.create_credential(cast.ada, "WEB-1", profile="Internal")
    assert fields(caught) == ["name"]
    with pytest.raises(Invalid) as caught:
        actions.create_credential(cast.ada, "x", profile="Careful")
    assert caught.value.problems[0].code == "not_offered"
    with pytest.raises(Invalid) as caught:
        actions.create_credential(cast.ada, "x", profile="Internal", accounts=0, orders_per_hour=0, days=-1)
    assert fields(caught) == ["accounts", "orders_per_hour", "days"]
    with pytest.raises(Conflict) as blocked:
        actions.withdraw(cast.ada, offered.pk)
    assert [b.name for b in blocked.value.blockers] == ["web-1"]
    with pytest.raises(Conflict) as blocked:
        profiles.delete(cast.ada, Profile.objects.get(name="Internal").pk)
    assert [b.kind for b in blocked.value.blockers] == ["acme_credential"]


def test_no_command_line_takes_its_key_for_an_option(cast, offered, monkeypatch):
    drawn = [b"\xfb" * 32, b"\xf8" * 32, b"\x00" * 32]
    monkeypatch.setattr(actions.secrets, "token_bytes", lambda size: drawn.pop(0)[:size])
    assert actions.create_credential(cast.ada, "web-1", profile="Internal")[1] == "A" * 43


def test_its_key_moves_along_when_the_keys_change(cast, offered):
    made, secret = actions.create_credential(cast.ada, "web-1", profile="Internal")
    before = Credential.objects.get().sealed["kid"]
    rekeying.rotate(cast.host)
    while rekeying.step(current_clock().now()):
        pass
    stored = Credential.objects.get()
    assert stored.sealed["kid"] != before
    assert sealing.unseal(stored.sealed, table=ACME_TABLE, record=str(made.pk), field=ACME_FIELD).reveal() == secret


def test_a_revoked_credential_and_its_name(cast, offered):
    made, _ = actions.create_credential(cast.ada, "web-1", profile="Internal")
    revoked = actions.revoke_credential(cast.ada, made.pk)
    assert (queries.status(revoked, current_clock().now()), Credential.objects.get().sealed) == ("revoked", {})
    with pytest.raises(Conflict):
        actions.revoke_credential(cast.ada, made.pk)
    assert actions.create_credential(cast.ada, "web-1", profile="Internal")[0].pk != made.pk
    with pytest.raises(NotPermitted):
        actions.revoke_credential(cast.rob, made.pk)


def test_an_account_ends_once(cast, offered):
    made, _ = actions.create_credential(cast.ada, "web-1", profile="Internal")
    now = current_clock().now()
    where = {"team_id": made.team_id, "environment_id": made.environment_id}
    row = Account.objects.create(id=new_id(now), credential=made, created_at=now, hour_from=now, jwk={}, **where)
    assert actions.revoke_account(cast.ada, row.pk).state == "revoked"
    with pytest.raises(Conflict, match="revoked here") as caught:
        actions.revoke_account(cast.ada, row.pk)
    assert caught.value.code == "wrong_state"
    assert Entry.objects.filter(action="acme_accounts.revoke").count() == 1


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (NotPermitted("orders.place"), "unauthorized", 403),
        (Absent("profile", "x"), "malformed", 404),
        (Conflict("x", code="renewal_open"), "alreadyReplaced", 409),
        (Conflict("x"), "serverInternal", 503),
        (Unavailable("x"), "serverInternal", 503),
        (ChanceryError("x"), "malformed", 400),
        (Invalid([Problem("csr", "x", code="rsa_size")]), "badPublicKey", 400),
        (Invalid([Problem("csr", "x"), Problem("names", "y", code="wildcard")]), "badCSR", 400),
        (Invalid([Problem("validity_days", "x")]), "malformed", 400),
        (AcmeError("badNonce", "x"), "badNonce", 400),
    ],
)
def test_our_refusals_in_its_words(error, kind, status):
    found = translated(error).document()
    assert (found["type"], found["status"]) == (f"urn:ietf:params:acme:error:{kind}", status)
