"""Profiles created, edited, deleted: what is refused by which field, and who may."""

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts.models import Team
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.connectors.tests.account import values as account_values
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions, queries
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.tests.looking import conflict, refused, said
from chancery.core.errors import Absent, NotPermitted
from tests.cast import PASSWORD, request_pem

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(cast):
    return connectors.create(cast.ada, "digicert", account_values())


def values(**more):
    return {"name": "Web", "connector": "Local", **more}


def test_a_profile_belongs_to_its_connectors_team_and_environment(cast, local):
    made = actions.create(cast.ada, values(name=" Web ", description=" For\nservers "))
    assert (made.name, made.description, str(made)) == ("Web", "For\nservers", "Web")
    assert (made.team, made.environment) == (local.team, local.environment)
    assert queries.route(made) == local
    assert made.products == {"local": {"server": True, "client": False}}
    assert said("profiles.create")[-1]["target"] == {"kind": "profile", "id": str(made.pk), "name": "Web"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "  "),
        ("name", "a" * 121),
        ("name", "two\nlines"),
        ("name", 7),
        ("description", "a" * 4001),
        ("description", "bell\x07"),
        ("connector", "Nowhere"),
        ("connector", None),
        ("key_types", ["RSA-1024"]),
        ("key_types", "EC-P256"),
        ("key_types", ["EC-P256\x00"]),
        ("name_kinds", ["phone"]),
        ("name_suffixes", ["*"]),
        ("name_suffixes", ["exa mple.com"]),
        ("max_names", 0),
        ("max_names", 1001),
        ("validity_days", 0),
        ("validity_days", 200),
        ("validity_days_max", 3651),
        ("product", ["server"]),
        ("colour", "red"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_field(cast, local, field, value):
    with refused(field):
        actions.create(cast.ada, values(**{field: value}))
    assert not Profile.objects.filter(name="Web").exists()


def test_every_problem_is_named_at_once(cast, account):
    odd = {"key_types": ["a", "b"], "name_kinds": ["email"], "validity_days": 300, "product": {"product": "!", "x": 1}}
    with refused("key_types", "key_types", "name_kinds", "validity_days", "product.product", "product.x"):
        actions.create(cast.ada, values(connector="Public CA", **odd))


def test_domains_are_kept_in_one_spelling_and_hold(cast, local):
    made = actions.create(cast.ada, values(name_suffixes=["*.Example.COM", " .example.org "]))
    assert made.name_suffixes == ["example.com", "example.org"]
    assert place(cast.rob, PlaceOrder("Web", request_pem("a.example.org"))).state == "queued"
    with refused("names"):
        place(cast.rob, PlaceOrder("Web", request_pem("a.example.net")))


def test_a_name_is_unique_and_free_again_after_deletion(cast, local):
    first = actions.create(cast.ada, values())
    with refused("name", code="taken"):
        actions.create(cast.ada, values())
    other = actions.create(cast.ada, values(name="Mail"))
    with refused("name", code="taken"):
        actions.edit(cast.ada, other.pk, 1, values())
    actions.delete(cast.ada, first.pk)
    assert actions.edit(cast.ada, other.pk, 1, values()).name == "Web"


def test_a_connector_is_found_by_name_or_id_and_never_guessed(cast, local):
    twin = connectors.create(cast.ada, "digicert", account_values(name="Local"))
    with refused("connector"):
        actions.create(cast.ada, values())
    assert queries.route(actions.create(cast.ada, values(connector=str(local.pk)))) == local
    product = {"product": "ssl_basic"}
    made = actions.create(cast.ada, values(name="Public", connector=str(twin.pk), product=product))
    assert queries.route(made) == twin


def test_an_edit_names_what_changed(cast, local):
    made = actions.create(cast.ada, values())
    actions.edit(cast.ada, made.pk, 1, values(description="words", key_types=["EC-P256"]))
    entry = said("profiles.edit")[-1]
    assert entry["changed"] == ["description", "key_types"]
    assert "words" not in str(entry)
    assert Profile.objects.get(pk=made.pk).revision == 2


def test_an_edit_to_another_connector_takes_its_team_and_settings(cast, local, account):
    Connector.objects.filter(pk=account.pk).update(team=Team.objects.get(name="Other"))
    made = actions.create(cast.ada, values())
    after = actions.edit(cast.ada, made.pk, 1, values(connector="Public CA", product={"product": "ssl_basic"}))
    assert (after.team.name, queries.route(after)) == ("Other", account)
    assert list(after.products) == ["digicert"]
    assert said("profiles.edit")[-1]["changed"] == ["pool", "products", "team"]


@pytest.fixture
def qa(cast):
    people.create_environment(cast.host, "QA")
    return connectors.create(cast.ada, "local", {"name": "QA CA", "team": "Operations", "environment": "QA"})


def test_an_edit_keeps_a_connector_that_is_inactive(cast, local):
    made = actions.create(cast.ada, values())
    connectors.deactivate(cast.ada, local.pk)
    after = actions.edit(cast.ada, made.pk, 1, values(description="words"))
    assert (queries.route(after), after.description) == (local, "words")


def test_no_profile_is_made_for_or_moved_to_a_connector_that_takes_no_new_work(cast, local):
    spare = connectors.copy(cast.ada, local.pk, "Spare")
    with refused("connector", code="inactive"):
        actions.create(cast.ada, values(connector="Spare"))
    with refused("connector", code="inactive"):
        actions.edit(cast.ada, Profile.objects.get(name="Internal").pk, 1, values(connector=str(spare.pk)))


def test_another_environment_needs_its_name_said(cast, local, qa):
    made = actions.create(cast.ada, values())
    for word in ({}, {"confirm_environment": "Production"}, {"confirm_environment": "qa"}):
        with refused("confirm_environment", code="environment_changes"):
            actions.edit(cast.ada, made.pk, 1, values(connector="QA CA", **word))
    assert queries.route(queries.get(cast.ada, made.pk)) == local
    after = actions.edit(cast.ada, made.pk, 1, values(connector="QA CA", confirm_environment="QA"))
    assert (queries.route(after), after.environment.name, after.revision) == (qa, "QA", 2)
    assert said("profiles.edit")[-1]["changed"] == ["environment", "pool"]


def test_an_edit_leaves_a_profile_in_the_pool_that_it_has(cast, local, qa):
    from chancery.apps.connectors.models import Pool, PoolMember

    made = actions.create(cast.ada, values())
    spare = connectors.create(cast.ada, "local", {"name": "Spare", "team": "Operations", "environment": "Production"})
    made.pool = Pool.objects.create(name="Both", created_at=made.created_at)
    made.save()
    for preference, one in enumerate((spare, local), 1):
        PoolMember.objects.create(pool=made.pool, connector=one, preference=preference)
    for name in ("Spare", "Local"):
        assert (
            actions.edit(cast.ada, made.pk, queries.get(cast.ada, "Web").revision, values(connector=name)).pool
            == made.pool
        )


def test_the_second_of_two_editors_is_told_and_changes_nothing(cast, local):
    made = actions.create(cast.ada, values())
    actions.edit(cast.ada, made.pk, 1, values(description="first"))
    with conflict("stale"):
        actions.edit(cast.ada, made.pk, 1, values(description="second"))
    assert Profile.objects.get(pk=made.pk).description == "first"


def test_orders_keep_what_they_were_placed_with(cast, local):
    made = actions.create(cast.ada, values(validity_days=30))
    order = place(cast.rob, PlaceOrder("Web", request_pem("a.example.com")))
    actions.edit(cast.ada, made.pk, 1, values(validity_days=60, product={"client": True}))
    stored = Order.objects.get(pk=order.pk)
    assert (stored.validity_days, stored.product["client"]) == (30, False)


def test_open_orders_keep_a_profile(cast, local):
    order = place(cast.rob, PlaceOrder("Internal", request_pem("a.example.com")))
    Order.objects.filter(pk=order.pk).update(state="outcome_unknown")
    with conflict("in_use") as caught:
        actions.delete(cast.ada, "Internal")
    assert [(b.name, b.reason) for b in caught.value.blockers] == [("a.example.com", "is outcome unknown")]
    Order.objects.filter(pk=order.pk).update(state="failed")
    actions.delete(cast.ada, "Internal")
    with pytest.raises(Absent):
        queries.get(cast.ada, "Internal")
    assert Order.objects.get(pk=order.pk).profile.name == "Internal"


def test_only_with_the_right_and_in_its_team(cast, local):
    team = Team.objects.get(name="Other").pk
    grants = [("ca_operator", team, None), ("requester", local.team_id, None)]
    both = who.actor_of(people.create_user(cast.host, "otto", PASSWORD, grants=grants), how="test")
    ident = Profile.objects.get(name="Internal").pk
    for actor in (cast.rob, cast.dan, both):
        for attempt in (
            lambda a: actions.create(a, values()),
            lambda a: actions.edit(a, ident, 1, values()),
            lambda a: actions.delete(a, ident),
        ):
            with pytest.raises(NotPermitted):
                attempt(actor)


def test_a_connector_that_one_does_not_see_serves_no_profile(cast, local):
    team = Team.objects.get(name="Other").pk
    user = people.create_user(cast.host, "otto", PASSWORD, grants=[("ca_operator", team, None)])
    otto = who.actor_of(user, how="test")
    with refused("connector"):
        actions.create(otto, values())


# Reading


def test_a_profile_is_found_by_id_and_by_name(cast, local):
    made = Profile.objects.get(name="Internal")
    assert queries.get(cast.rob, made.pk) == queries.get(cast.rob, "Internal") == made
    for ident in ("Nowhere", "Internal\x00", None):
        with pytest.raises(Absent):
            queries.get(cast.rob, ident)


def test_profiles_are_listed_by_name_for_those_who_see_them(cast, local):
    assert [p.name for p in queries.listing(cast.rob).items] == ["Careful", "Internal"]
    assert [p.name for p in queries.listing(cast.rob, search="Int").items] == ["Internal"]
    assert queries.listing(cast.cleo).items == []


def test_ordering_offers_what_one_may_order_with(cast, local):
    assert [p.name for p in queries.usable(cast.rob)] == ["Careful", "Internal"]
    assert list(queries.usable(cast.dan)) == []


def test_orders_go_to_the_preferred_active_connector_and_wait_at_the_preferred_one(cast, local):
    from chancery.apps.connectors.models import PoolMember

    made = Profile.objects.get(name="Internal")
    spare = connectors.create(cast.ada, "local", {"name": "Spare", "team": "Operations", "environment": "Production"})
    PoolMember.objects.create(pool=made.pool, connector=spare, preference=2)
    assert queries.members(made) == [local, spare]
    assert queries.route(made) == local
    Connector.objects.filter(pk=local.pk).update(status="inactive")
    assert queries.route(made) == spare
    Connector.objects.update(status="inactive")
    assert queries.route(made) == local
    PoolMember.objects.all().delete()
    assert queries.route(made) is None


def test_where_each_profile_of_a_page_orders_is_one_question(cast, local, django_assert_num_queries):
    from chancery.apps.connectors.models import PoolMember

    both = list(Profile.objects.order_by("name"))
    with django_assert_num_queries(1):
        assert queries.routes(both) == {p.pk: local for p in both}
    assert {p.pk: queries.route(p) for p in both} == queries.routes(both)
    PoolMember.objects.all().delete()
    assert queries.routes(both) == queries.routes([]) == {}
