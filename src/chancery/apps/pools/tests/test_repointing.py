"""Moving a connector's profiles and waiting orders elsewhere, as it was shown before; and what hangs on a connector."""

import pytest

from chancery.apps.connectors import actions as connectors
from chancery.apps.orders.models import Order
from chancery.apps.pools import actions, impact, repointing
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.tests.looking import said
from chancery.core.errors import Conflict, Invalid, NotPermitted

pytestmark = pytest.mark.django_db
VOUCH = "The same people run both."


@pytest.fixture
def alone(site):
    """A third connector with a profile of its own and three waiting orders, one of which its CA may have."""
    site.rome = site.connector("Rome")
    profiles.create(site.cast.ada, {"name": "Roman", "connector": "Rome", "validity_days": 30})
    site.orders = [site.order(f"r{i}.example.com", profile="Roman") for i in range(3)]
    Order.objects.filter(pk=site.orders[2].pk).update(bound=True)
    return site


def test_a_preview_says_what_moves_and_what_stays_and_changes_nothing(alone):
    plan = repointing.preview(alone.cast.ada, alone.rome.pk, "Both")
    assert [p.name for p in plan.profiles] == ["Roman"]
    assert (len(plan.moving), plan.bound, plan.more, plan.target_name) == (2, 1, False, "Both")
    assert Profile.objects.get(name="Roman").pool.name == "Rome"
    assert Order.objects.filter(connector=alone.rome).count() == 3


def test_it_is_done_as_it_was_shown(alone):
    plan = repointing.preview(alone.cast.ada, alone.rome.pk, "Both")
    done = actions.repoint(alone.cast.ada, alone.rome.pk, "Both", plan.digest)
    assert done.moved == 2
    assert Profile.objects.get(name="Roman").pool == alone.pool
    assert [o.pk for o in Order.objects.filter(connector=alone.rome)] == [alone.orders[2].pk]
    event = Order.objects.get(pk=alone.orders[0].pk).events.order_by("id").last()
    assert (event.kind, event.actor) == ("order.rerouted", "ada")
    assert event.text == "Rome is left for Both. Berlin may stand in."
    on_record = [(e["target"]["kind"], e["target"]["name"]) for e in said("connectors.repoint")]
    assert {("profile", "Roman"), ("connector", "Rome")} < set(on_record)
    assert [kind for kind, _ in on_record].count("order") == 2


def test_what_has_changed_since_the_preview_is_looked_at_again(alone):
    plan = repointing.preview(alone.cast.ada, alone.rome.pk, "Both")
    alone.edit(patience_minutes=1)
    with pytest.raises(Conflict, match="no longer what the preview"):
        actions.repoint(alone.cast.ada, alone.rome.pk, "Both", plan.digest)
    assert Order.objects.filter(connector=alone.rome).count() == 3


def test_from_one_connector_to_another_trust_must_be_proven_or_vouched_for(alone):
    plan = repointing.preview(alone.cast.ada, alone.rome.pk, "Paris")
    assert (len(plan.moving), len(plan.staying)) == (0, 2)
    assert "has issued nothing yet" in plan.staying[0][1]
    plan = repointing.preview(alone.cast.ada, alone.rome.pk, "Paris", VOUCH)
    assert len(plan.moving) == 2
    actions.repoint(alone.cast.ada, alone.rome.pk, str(alone.paris.pk), plan.digest, VOUCH)
    assert Order.objects.filter(connector=alone.paris).count() == 2


def test_many_are_moved_part_by_part(alone, monkeypatch):
    monkeypatch.setattr(repointing, "AT_ONCE", 1)
    plan = repointing.preview(alone.cast.ada, alone.rome.pk, "Both")
    assert (len(plan.moving), plan.more) == (1, True)


def test_a_profile_that_the_target_cannot_serve_stays(alone):
    from chancery.apps.connectors.tests.account import values

    connectors.create(alone.cast.ada, "digicert", values(name="Public"))
    profiles.create(alone.cast.ada, {"name": "Odd", "connector": "Rome", "name_kinds": ["uri"]})
    plan = repointing.preview(alone.cast.ada, alone.rome.pk, "Public", VOUCH)
    refused = {p.name: why for p, why in plan.refused}
    assert "does not certify uri" in refused["Odd"]
    assert "no settings for" in refused["Roman"]
    assert "no settings for the type of CA" in plan.staying[0][1]


def test_it_goes_nowhere_else_than_in_its_team_and_environment(alone, qa):
    connectors.create(alone.cast.ada, "local", {"name": "Test", "team": "Operations", "environment": "QA"})
    with pytest.raises(Conflict, match="another team or environment"):
        repointing.preview(alone.cast.ada, alone.rome.pk, "Test")
    for nowhere in ("Rome", "Nowhere", "", "a\x00b"):
        with pytest.raises(Invalid, match="no other connector or pool"):
            repointing.preview(alone.cast.ada, alone.rome.pk, nowhere)


def test_a_requester_moves_nothing(alone):
    with pytest.raises(NotPermitted):
        actions.repoint(alone.cast.rob, alone.rome.pk, "Both", "x")


def test_what_hangs_on_a_connector_is_counted_and_named(alone):
    found = impact.of(alone.cast.ada, alone.rome.pk)
    assert (found.held.number, found.on_their_way.number) == ("2", "1")
    assert [name for _id, name in found.held.first] == ["r0.example.com", "r1.example.com"]
    assert [(d.profile.name, d.pool, d.stand_ins) for d in found.profiles] == [("Roman", "", "")]
    assert (found.pools, found.renewals.number, found.certificates.number, found.bots.number) == ([], "0", "0", "0")
    member = impact.of(alone.cast.ada, alone.berlin.pk)
    assert [(d.profile.name, d.pool, d.stand_ins) for d in member.profiles] == [("Web", "Both", "Paris")]
    assert [p.name for p in member.pools] == ["Both"]
