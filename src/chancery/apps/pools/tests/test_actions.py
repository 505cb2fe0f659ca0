"""Making, changing, draining and removing pools; and what a pool keeps its members from."""

import pytest

from chancery.apps.audit.models import Entry
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors import queries as connector_queries
from chancery.apps.connectors.models import PoolMember
from chancery.apps.connectors.tests.account import values as account
from chancery.apps.orders import place as placing
from chancery.apps.pools import actions, queries
from chancery.apps.profiles import actions as profiles
from chancery.core.errors import Absent, Conflict, Invalid, NotPermitted

pytestmark = pytest.mark.django_db


def problem(site, **more):
    with pytest.raises(Invalid) as refused:
        site.make(more.pop("name", "Another"), **more)
    return [(p.field, p.code) for p in refused.value.problems]


def test_a_pool_has_its_members_in_order_and_is_found_by_name(site):
    found = queries.get(site.cast.ada, "Both")
    assert [m.connector.name for m in queries.members(found)] == ["Berlin", "Paris"]
    assert [p.name for p in queries.listing(site.cast.ada, search="bo").items] == ["Both"]
    assert queries.used([found]) == {found.pk: 1}
    assert [p.name for p in queries.shared_with(site.berlin)] == ["Both"]
    assert Entry.objects.filter(action="pools.create", target_id=str(found.pk)).exists()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"members": ()}, ("members", "missing")),
        ({"members": ("Nowhere",)}, ("members", "invalid")),
        ({"members": ("Berlin", "Berlin")}, ("members", "invalid")),
        ({"members": ({"connector": "Berlin", "weight": 0},)}, ("members.0.weight", "greater_than_equal")),
        ({"trust_reason": ""}, ("trust_reason", "missing")),
        ({"name": "both"}, ("name", "taken")),
        ({"environment": "Nowhere"}, ("environment", "unknown")),
    ],
)
def test_what_makes_no_pool_is_refused_by_field(site, more, expected):
    assert expected[0] in [field for field, _code in problem(site, **more)]


def test_a_member_of_another_environment_is_refused(site, qa):
    connectors.create(site.cast.ada, "local", {"name": "Test", "team": "Operations", "environment": "QA"})
    assert problem(site, members=("Berlin", "Test")) == [("members", "elsewhere")]


def test_an_edit_keeps_who_drains_and_refuses_who_comes_second(site):
    actions.drain(site.cast.ada, site.pool.pk, site.paris.pk, draining=True)
    after = site.edit(members=("Paris", "Berlin"), patience_minutes=9)
    assert [(m.connector.name, m.draining) for m in queries.members(after)] == [("Paris", True), ("Berlin", False)]
    with pytest.raises(Conflict, match="was changed"):
        actions.edit(site.cast.ada, site.pool.pk, 1, site.values("Both"))


def test_a_pool_that_profiles_use_stays_where_it_is_and_cannot_be_removed(site, qa):
    connectors.create(site.cast.ada, "local", {"name": "Test", "team": "Operations", "environment": "QA"})
    with pytest.raises(Invalid, match="stays in its team"):
        site.edit(environment="QA", members=("Test",))
    with pytest.raises(Conflict, match="Profiles order through Both") as refused:
        actions.delete(site.cast.ada, site.pool.pk)
    assert [b.name for b in refused.value.blockers] == ["Web"]


def test_a_pool_that_nobody_uses_goes_and_its_connectors_stay(site):
    spare = site.make("Spare")
    actions.delete(site.cast.ada, spare.pk)
    with pytest.raises(Absent):
        queries.get(site.cast.ada, spare.pk)
    assert connector_queries.get(site.cast.ada, site.berlin.pk)


def test_a_draining_member_gets_nothing_new_until_it_is_let(site):
    actions.drain(site.cast.ada, site.pool.pk, site.berlin.pk, draining=True)
    assert site.order().connector.name == "Paris"
    actions.drain(site.cast.ada, site.pool.pk, site.berlin.pk, draining=False)
    assert site.order().connector.name == "Berlin"
    with pytest.raises(Absent):
        actions.drain(site.cast.ada, site.pool.pk, site.pool.pk, draining=True)


def test_where_every_member_drains_an_order_is_refused(site):
    for one in (site.berlin, site.paris):
        actions.drain(site.cast.ada, site.pool.pk, one.pk, draining=True)
    with pytest.raises(Conflict, match="takes new orders"):
        site.order()


def test_a_member_is_neither_deleted_nor_moved_to_another_environment(site, qa):
    with pytest.raises(Conflict) as refused:
        connectors.delete(site.cast.ada, site.berlin.pk, "Berlin")
    assert [(b.kind, b.name) for b in refused.value.blockers] == [("pool", "Both")]
    values = {"name": "Berlin", "team": "Operations", "environment": "QA"}
    with pytest.raises(Invalid, match="member of the pool Both"):
        connectors.edit(site.cast.ada, site.berlin.pk, site.berlin.revision, values)


def test_who_may_only_look_changes_nothing(site):
    with pytest.raises(NotPermitted):
        actions.drain(site.cast.rob, site.pool.pk, site.berlin.pk, draining=True)
    with pytest.raises(NotPermitted):
        actions.create(site.cast.rob, site.values("Mine"))


def test_a_profile_names_a_connector_or_a_pool_and_has_settings_for_it(site):
    for wrong in ({}, {"pool": "Both", "connector": "Berlin"}, {"pool": "Nowhere"}):
        with pytest.raises(Invalid):
            profiles.create(site.cast.ada, {"name": "Other", **wrong})
    with pytest.raises(Invalid, match="CA type 'digicert'"):
        profiles.create(site.cast.ada, {"name": "Other", "pool": "Both", "products": {"digicert": {}}})
    assert list(site.profile.products) == ["local"]
    assert (site.profile.team_id, site.profile.environment_id) == (site.pool.team_id, site.pool.environment_id)


def test_a_profile_leaves_a_pool_for_one_of_its_members(site):
    after = profiles.edit(site.cast.ada, site.profile.pk, 1, {"name": "Web", "connector": "Paris"})
    assert not after.pool.shared
    assert site.order().connector.name == "Paris"


def test_a_name_that_two_types_of_ca_have_says_of_neither(site):
    connectors.create(site.cast.ada, "digicert", account(name="Berlin"))
    with pytest.raises(Invalid, match="Several CA types have a connector 'Berlin'"):
        site.make("Another")
    made = site.make("Another", members=(str(site.berlin.pk),))
    assert [m.connector_id for m in queries.members(made)] == [site.berlin.pk]


def test_a_profile_has_settings_for_one_type_of_its_pool_at_least(site):
    connectors.create(site.cast.ada, "digicert", account(name="Public"))
    site.make("Mixed", members=("Public", "Berlin"))
    assert list(profiles.create(site.cast.ada, {"name": "Part", "pool": "Mixed"}).products) == ["local"]
    site.make("Public alone", members=("Public",))
    with pytest.raises(Invalid, match="settings for none of the pool's types") as refused:
        profiles.create(site.cast.ada, {"name": "None", "pool": "Public alone"})
    assert [(p.field, p.code) for p in refused.value.problems] == [("products", "missing")]


def test_an_order_goes_on_where_every_member_begins_to_drain_while_it_is_placed(site, monkeypatch):
    """The members were read as taking orders; a moment later none does."""
    plain = placing.setting

    def setting(*given):
        PoolMember.objects.filter(pool=site.pool).update(draining=True)
        return plain(*given)

    monkeypatch.setattr(placing, "setting", setting)
    made = site.order()
    assert (made.connector.name, made.state) == ("Berlin", "queued")
    assert "routed" not in made.events.get().detail
