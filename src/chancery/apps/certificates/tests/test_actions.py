"""Revoke with a reason of RFC 5280, and renew, which never revokes."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from chancery import catalog
from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts.models import Team
from chancery.apps.certificates import actions, keys
from chancery.apps.certificates.models import Certificate
from chancery.apps.certificates.tests.conftest import NOW
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.orders import place as placing
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place, place_many
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.tests.looking import conflict, refused, said
from chancery.core import csr, pem
from chancery.core.errors import Absent, Conflict, NotPermitted
from chancery.core.names import parse_name
from chancery.core.order import SUBSCRIBER_REASONS
from tests.cast import PASSWORD, request_pem

pytestmark = pytest.mark.django_db


@pytest.fixture
def otto(cast):
    """Operates the CAs of Operations: may renew, may not order."""
    team = Team.objects.get(name="Operations").pk
    return who.actor_of(
        people.create_user(cast.host, "otto", PASSWORD, grants=[("ca_operator", team, None)]), how="test"
    )


@pytest.mark.parametrize("reason", SUBSCRIBER_REASONS)
def test_every_reason_that_a_subscriber_has_is_asked_for_as_it_is(cast, local, issued, reason):
    made = actions.revoke(cast.ada, issued().pk, reason, " Key on a\nlost laptop ")
    stored = Certificate.objects.get(pk=made.pk)
    assert (stored.revocation, stored.revocation_reason, stored.revocation_by) == ("requested", reason, "ada")
    assert stored.revocation_comment == "Key on a\nlost laptop"
    assert (stored.revocation_asked_at, stored.due_at, stored.revoked_at) == (NOW, NOW, None)
    entry = said("certificates.revoke")[-1]
    assert (entry["changed"], entry["detail"]) == (["revocation"], {"reason": reason})


@pytest.mark.parametrize(
    "reason", ["", "superseeded", "KEYCOMPROMISE", "cACompromise", "privilegeWithdrawn", "removeFromCRL", "1"]
)
def test_another_reason_is_refused_with_those_there_are(cast, local, issued, reason):
    made = issued()
    with refused("reason") as caught:
        actions.revoke(cast.ada, made.pk, reason)
    assert "keyCompromise" in caught.value.problems[0].remedy


@pytest.mark.parametrize("comment", ["a" * 501, "bell\x07", None])
def test_a_comment_is_bounded(cast, local, issued, comment):
    made = issued()
    with refused("comment"):
        actions.revoke(cast.ada, made.pk, "superseded", comment)


@pytest.mark.parametrize("state", ["requested", "waiting_at_ca", "confirmed"])
def test_what_is_asked_for_or_done_is_not_asked_again(cast, local, issued, state):
    made = issued(revocation=state)
    with conflict("already_revoking"):
        actions.revoke(cast.ada, made.pk, "superseded")


@pytest.mark.parametrize("state", ["refused", "unknown"])
def test_what_failed_may_be_asked_for_again_from_the_beginning(cast, local, issued, state):
    made = issued(revocation=state, revocation_text="No.", revocation_state={"v": 1}, attempt=7)
    after = actions.revoke(cast.ada, made.pk, "superseded")
    assert (after.revocation, after.revocation_text, after.revocation_state, after.attempt) == ("requested", "", {}, 0)


def test_an_inactive_connector_revokes_a_deleted_one_does_not(cast, local, issued):
    first, second = issued(), issued("b.example.com")
    connectors.deactivate(cast.ada, local.pk)
    assert actions.revoke(cast.ada, first.pk, "superseded").revocation == "requested"
    Connector.objects.update(deleted_at=NOW)
    with conflict("connector_deleted"):
        actions.revoke(cast.ada, second.pk, "superseded")


def test_a_ca_that_cannot_revoke_says_so(cast, local, issued, monkeypatch):
    made = issued()
    plain = catalog.get
    monkeypatch.setattr(catalog, "get", lambda slug: replace(plain(slug), powers=frozenset()))
    with conflict("no_power"):
        actions.revoke(cast.ada, made.pk, "superseded")


def test_an_open_revocation_keeps_the_connector(cast, local, issued):
    actions.revoke(cast.ada, issued().pk, "superseded")
    for name in ("Internal", "Careful"):
        profiles.delete(cast.ada, name)
    with conflict("in_use") as caught:
        connectors.delete(cast.ada, local.pk)
    assert [(b.kind, b.name) for b in caught.value.blockers] == [("certificate", "a.example.com")]


def test_the_preview_counts_and_names_what_could_no_longer_be_revoked(cast, local, issued, monkeypatch):
    from chancery.apps.connectors import queries

    first = issued()
    issued("gone.example.com", revocation="confirmed", revoked_at=NOW)
    issued("old.example.com", not_after=NOW)
    later = issued("later.example.com", not_after=first.not_after + timedelta(days=1))
    found = queries.delete_preview(cast.ada, local.pk)
    assert (found.unrevocable, found.first) == (2, [later, first])
    monkeypatch.setattr(queries, "NAMED", 1)
    found = queries.delete_preview(cast.ada, local.pk)
    assert (found.unrevocable, found.first) == (2, [later])
    plain = queries.descriptor_of
    monkeypatch.setattr(queries, "descriptor_of", lambda *asked: replace(plain(*asked), powers=frozenset()))
    found = queries.delete_preview(cast.ada, local.pk)
    assert (found.unrevocable, found.first) == (0, [])


def test_only_with_the_right_and_in_its_team(cast, local, issued, otto):
    made = issued()
    for actor in (cast.rob, cast.amy, cast.dan):
        with pytest.raises(NotPermitted):
            actions.revoke(actor, made.pk, "superseded")
    other = Team.objects.get(name="Other").pk
    olga = people.create_user(cast.host, "olga", PASSWORD, grants=[("ca_operator", other, None)])
    with pytest.raises(Absent):
        actions.revoke(who.actor_of(olga, how="test"), made.pk, "superseded")
    for ident in ("nonsense", None):
        with pytest.raises(Absent):
            actions.revoke(cast.ada, ident, "superseded")
    assert actions.revoke(otto, made.pk, "superseded").revocation == "requested"


def test_a_right_elsewhere_is_none_here(cast, local, issued, otto):
    other = Team.objects.get(name="Other").pk
    grants = [("ca_operator", other, None), ("approver", Team.objects.get(name="Operations").pk, None)]
    people.set_grants(cast.ada, otto.user, grants)
    both = who.actor_of(who.users(cast.ada).get(username="otto"), how="test")
    with pytest.raises(NotPermitted):
        actions.revoke(both, issued().pk, "superseded")
    with pytest.raises(NotPermitted):
        actions.renew(both, Certificate.objects.get().pk)


# Renew


def test_a_renewal_repeats_the_request_and_revokes_nothing(cast, local, issued):
    made = issued()
    order = Order.objects.get(pk=actions.renew(cast.rob, made.pk, comment="in time").pk)
    assert (order.replaces_id, order.comment, order.state) == (made.pk, "in time", "queued")
    assert bytes(order.csr) == bytes(made.order.csr)
    assert Certificate.objects.get(pk=made.pk).revocation == ""
    assert order.deadline_at == made.not_after
    (entry,) = said("certificates.renew")
    assert (entry["target"]["id"], entry["detail"]["replaces"]) == (str(order.pk), str(made.pk))


def test_a_renewal_asked_for_twice_with_one_key_is_one(cast, local, issued):
    made = issued()
    first, again = (actions.renew(cast.rob, made.pk, idem_key="k") for _ in range(2))
    assert again.pk == first.pk
    with conflict("renewal_open"):
        actions.renew(cast.rob, made.pk, idem_key="l")
    with pytest.raises(Conflict):
        actions.renew(cast.rob, issued().pk, idem_key="k")


def test_a_renewal_with_a_new_request(cast, local, issued):
    from tests.cast import request_pem as fresh

    text = fresh.__wrapped__("a.example.com")
    order = actions.renew(cast.rob, issued().pk, text)
    assert bytes(order.csr) != bytes(Certificate.objects.get().order.csr)


def test_who_may_renew_but_not_order_renews_the_same_names_alone(cast, local, issued, otto):
    made, other, third = issued(), issued(), issued()
    assert actions.renew(otto, made.pk).replaces_id == made.pk
    assert actions.renew(otto, other.pk, request_pem("a.example.com")).state == "queued"
    with refused("csr"):
        actions.renew(otto, third.pk, request_pem("b.example.com"))
    assert actions.renew(cast.rob, third.pk, request_pem("b.example.com")).common_name == "b.example.com"


def test_a_second_renewal_waits_for_the_end_of_the_first(cast, local, issued):
    from chancery.apps.orders import actions as orders

    made = issued()
    first = actions.renew(cast.rob, made.pk)
    with conflict("renewal_open"):
        actions.renew(cast.rob, made.pk)
    # Whoever is past that look already meets the table itself.
    with pytest.raises(Conflict) as late:
        place(cast.rob, PlaceOrder("Internal", request_pem("a.example.com"), replaces=made.pk))
    assert late.value.code == "renewal_open"
    orders.cancel(cast.rob, first.pk)
    assert actions.renew(cast.rob, made.pk).replaces_id == made.pk


def test_a_renewal_is_held_where_the_profile_asks_for_it(cast, local, issued):
    assert actions.renew(cast.rob, issued(profile="Careful").pk).state == "awaiting_approval"


def test_who_may_not_renew_is_refused(cast, local, issued):
    made = issued()
    for actor in (cast.amy, cast.dan):
        with pytest.raises(NotPermitted):
            actions.renew(actor, made.pk)
    assert [(e["actor"]["name"], e["outcome"]) for e in said("certificates.renew")] == [
        ("amy", "refused"),
        ("dan", "refused"),
    ]
    target = {"kind": "certificate", "id": str(made.pk), "name": made.common_name}
    assert said("certificates.renew")[-1]["target"] == target
    with pytest.raises(Absent):
        actions.renew(cast.cleo, made.pk)


def test_a_compromised_key_is_not_certified_again(cast, local, issued):
    made = issued()
    keys.record(made.spki_sha256, made, "ada", NOW)
    with refused("csr", code="key_compromised"):
        actions.renew(cast.rob, made.pk)
    fresh = csr.build(ec.generate_private_key(ec.SECP256R1()), [parse_name("a.example.com")], "a.example.com")
    assert actions.renew(cast.rob, made.pk, fresh).replaces_id == made.pk


def test_a_compromised_key_is_refused_by_whatever_way_it_comes(cast, local, issued):
    made = issued()
    old = pem.encode("CERTIFICATE REQUEST", bytes(made.order.csr))
    before = place(cast.rob, PlaceOrder("Internal", old, idem_key="k"))
    actions.revoke(cast.ada, made.pk, "keyCompromise")
    for way in (
        lambda: actions.renew(cast.rob, made.pk, old),
        lambda: place(cast.rob, PlaceOrder("Internal", old)),
        lambda: place(cast.rob, PlaceOrder("Internal", old, idem_key="k2")),
    ):
        with refused("csr", code="key_compromised"):
            way()
    good, bad = place_many(
        cast.rob, [PlaceOrder("Internal", request_pem("b.example.com")), PlaceOrder("Internal", old)]
    )
    assert (good.state, bad.problems[0].code) == ("queued", "key_compromised")
    # Whoever repeats a request is told of the order that it made before.
    assert place(cast.rob, PlaceOrder("Internal", old, idem_key="k")).pk == before.pk


def test_another_reason_says_nothing_of_the_key(cast, local, issued):
    made = issued()
    actions.revoke(cast.ada, made.pk, "superseded")
    assert place(cast.rob, PlaceOrder("Internal", bytes(made.order.csr))).state == "queued"
    assert keys.about(made) == []


def test_an_imported_certificate_needs_a_request(cast, local, issued):
    made = issued(order=None)
    with refused("csr"):
        actions.renew(cast.rob, made.pk)


def test_a_deleted_profile_is_named(cast, local, issued):
    made = issued()
    profiles.delete(cast.ada, Profile.objects.get(name="Internal").pk)
    with conflict("profile_deleted") as caught:
        actions.renew(cast.rob, made.pk)
    assert "Internal" in str(caught.value)


def test_a_renewal_that_was_placed_is_told_again_when_its_profile_is_gone(cast, local, issued):
    made = issued()
    placed = actions.renew(cast.rob, made.pk, idem_key="k")
    Profile.objects.update(deleted_at=placed.placed_at)
    assert actions.renew(cast.rob, made.pk, idem_key="k").pk == placed.pk


def test_a_renewal_by_somebody_who_may_not_see_the_profile_says_that_it_is_not_there(cast, local, issued, monkeypatch):
    made = issued()
    monkeypatch.setattr(
        placing.profiles, "orderable", lambda actor, name: (_ for _ in ()).throw(Absent("profile", name))
    )
    with pytest.raises(Absent):
        actions.renew(cast.rob, made.pk)
