"""How members of a pool stand: under which root they issue, whether they can be loaded; and what hangs on one."""

import uuid

import pytest

from chancery import catalog
from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts import roles
from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates.tests.conftest import NOW, clock, der, issued  # noqa: F401  fixtures
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.connectors.tests.account import values
from chancery.apps.orders.models import Order
from chancery.apps.pools import gathering, impact, moving, repointing
from chancery.apps.profiles import actions as profiles
from chancery.apps.renewals.tests.conftest import planned, policy  # noqa: F401  fixtures
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def rooted(site, issued):
    """Have a connector issue a certificate under its present settings, below the root that `columns` say."""
    site.edit(trust="same_root", trust_reason="")

    def make(connector, name, **columns):
        made = issued(name, "Web", connector_id=connector.pk, **columns)
        Order.objects.filter(pk=made.order_id).update(connector=connector, version_id=connector.current_id)
        return made

    return make


def moved(site):
    """Say where an order ends up whose member is switched off, and why."""
    made = site.order("late.example.com")
    connectors.deactivate(site.cast.ada, site.berlin.pk)
    moving.fail_over(NOW, {})
    after = Order.objects.select_related("connector").get(pk=made.pk)
    return after.connector.name, after.reason


def test_members_that_issue_under_one_root_stand_in_for_one_another(site, rooted):
    rooted(site.berlin, "a.example.com")
    # No chain was sent with it: its issuer is then what it says itself.
    rooted(site.paris, "b.example.com", der=der("Root"), chain=None)
    assert set(gathering.roots([site.berlin, site.paris]).values()) == {"CN=Root"}
    assert moved(site) == ("Paris", "")


def test_the_newest_certificate_says_under_which_root_a_member_issues(site, rooted):
    for one, name in ((site.berlin, "a.example.com"), (site.paris, "b.example.com")):
        rooted(one, name)
    rooted(site.paris, "c.example.com", id=uuid.UUID(int=2**128 - 1), der=der("Other root"), chain=None)
    where, why = moved(site)
    assert where == "Berlin"
    assert "Paris chains to CN=Other root" in why


def test_what_was_issued_under_other_settings_says_nothing_about_the_root(site, rooted):
    for one, name in ((site.berlin, "a.example.com"), (site.paris, "b.example.com")):
        rooted(one, name)
    version = site.paris.current
    version.pk, version.number, version.settings = uuid.uuid4(), version.number + 1, {"ca": "another issuing CA"}
    version.save(force_insert=True)
    Connector.objects.filter(pk=site.paris.pk).update(current=version)
    where, why = moved(site)
    assert where == "Berlin"
    assert "Paris has issued nothing yet" in why


@pytest.fixture
def gone(site, monkeypatch):
    """The pool of Berlin and a member whose type of CA is uninstalled when the returned function is called."""
    product = {"products": {"digicert": {"product": "ssl_basic"}, "local": {}}}
    connectors.create(site.cast.ada, "digicert", values(name="Public"))
    site.use(**product)

    def uninstall():
        rest = {slug: cls for slug, cls in catalog.load().classes.items() if slug != "digicert"}
        monkeypatch.setattr(catalog, "load", lambda: catalog.Catalog(rest, ()))

    return uninstall


@pytest.mark.parametrize("members", [("Berlin", "Public"), ("Public", "Berlin")])
def test_a_member_whose_type_of_ca_is_not_installed_any_more_takes_no_orders(site, gone, members):
    site.edit(members=members)
    gone()
    assert [m.name for m in gathering.setting(site.profile, site.pool).members] == ["Berlin"]
    assert site.order().connector.name == "Berlin"


@pytest.mark.parametrize(
    ("level", "trust", "goes"), [("ov", "vouched", "Berlin"), ("", "vouched", "Public"), ("ov", "public", "Public")]
)
def test_what_waits_at_a_type_of_ca_that_is_not_installed_any_more_goes_only_by_what_is_known(
    site, gone, level, trust, goes
):
    both = enumerate(("Public", "Berlin"), 1)
    site.edit(members=[{"connector": name, "preference": at, "validation": level} for at, name in both])
    made = site.order("waits.example.com")
    assert made.connector.name == "Public"
    gone()
    site.pool.__class__.objects.filter(pk=site.pool.pk).update(trust=trust)
    Connector.objects.filter(name="Public").update(breaker="stopped")
    moving.fail_over(NOW, {})
    after = Order.objects.select_related("connector").get(pk=made.pk)
    assert (after.connector.name, "not installed" in after.reason) == (goes, goes == "Public")


def test_a_connector_whose_type_of_ca_is_not_installed_any_more_is_left_but_not_gone_to(site, gone):
    site.edit(members=("Public",))
    made = site.order("waits.example.com")
    gone()
    public = Connector.objects.get(name="Public")
    away = repointing.preview(site.cast.ada, public.pk, "Berlin", "Both roots are rolled out.")
    assert [order.pk for order, _ in away.staying] == [made.pk]
    profiles.create(site.cast.ada, {"name": "Alone", "connector": "Berlin"})
    there = repointing.preview(site.cast.ada, site.berlin.pk, "Public")
    assert [why for _, why in there.refused] == ["The CA type of Public is not installed."]


def test_what_leaves_between_the_choice_and_the_move_is_moved_nowhere(site, monkeypatch):
    made = site.order()
    connectors.deactivate(site.cast.ada, site.berlin.pk)
    plain = moving.choose

    def choose(*given):
        found = plain(*given)
        Connector.objects.filter(pk=site.paris.pk).update(deleted_at=NOW)
        return found

    monkeypatch.setattr(moving, "choose", choose)
    moving.fail_over(NOW, {})
    after = Order.objects.get(pk=made.pk)
    assert (after.connector_id, after.state, after.events.count()) == (site.berlin.pk, "queued", 1)


def test_renewals_that_hang_on_a_connector_are_named_for_those_who_see_certificates(cast, local, planned):
    plan = planned(not_after=NOW.replace(day=31))
    found = impact.of(cast.ada, local.pk)
    assert (found.renewals.number, found.first_renewal) == ("1", plan.due_at)
    assert found.renewals.first == [(str(plan.pk), "a.example.com")]
    roles.create(cast.ada, "switcher", [Permission.CONNECTOR_VIEW])
    user = people.create_user(cast.host, "sue", PASSWORD, grants=[("switcher", None, None)])
    less = impact.of(who.actor_of(user, how="test"), local.pk)
    assert (less.renewals.number, less.renewals.first, less.certificates.first) == ("1", [], [])
    assert [d.profile.name for d in found.profiles] == ["Careful", "Internal"]
    assert less.profiles == []
