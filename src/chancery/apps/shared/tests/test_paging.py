"""Pages hold every row once, in order, both ways, whatever is asked for and whoever asks."""

import base64
import itertools
import json
import warnings
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bench.rows import ACTIONS, ACTORS, Filler
from chancery.apps.accounts.models import Environment, Team
from chancery.apps.audit import queries as audit
from chancery.apps.audit.models import Entry
from chancery.apps.certificates import queries as certificates
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.orders import queries as orders
from chancery.apps.orders.models import Order
from chancery.apps.profiles import queries as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.shared import paging
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.look import Look, write
from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.errors import Invalid, NotPermitted
from tests.cast import gathered, lasting, local_ca
from tests.plans import scans

pytestmark = pytest.mark.django_db
ROWS = 90


@pytest.fixture(scope="module")
def once(django_db_setup, django_db_blocker):
    """The rows, written once; each test gives back what it changes."""
    with lasting(django_db_blocker):
        yield fill()


@pytest.fixture
def filled(db, once):
    return once


@pytest.fixture
def cast(db, once):
    return once


def fill():
    cast = gathered()
    local_ca(cast)
    teams, environments = Team.objects.values_list("pk", flat=True), Environment.objects.values_list("pk", flat=True)
    filler = Filler(SYSTEM_CLOCK.now(), list(teams), list(environments))
    filler.connectors(8)
    filler.orders(ROWS)
    return cast


@pytest.fixture(params=[2000, 60, 13])
def window(request, monkeypatch):
    """All rows fit into one window; some do; hardly any do."""
    monkeypatch.setattr(paging, "WINDOW", request.param)
    return request.param


def forwards(listing, **asked):
    """Walk all pages to the end; returns the ids in order, and the first page's count."""
    page, found = listing(**asked), []
    count = page.count_text
    for _ in range(200):
        found += [row.pk for row in page.items]
        if not page.next:
            return found, count, page
        page = listing(**asked, cursor=page.next)
        assert page.count_text == ""
    pytest.fail("there is no end to it")


def backwards(listing, page, **asked):
    found = [row.pk for row in reversed(page.items)]
    for _ in range(200):
        if not page.previous:
            return found[::-1]
        page = listing(**asked, cursor=page.previous)
        found += [row.pk for row in reversed(page.items)]
    pytest.fail("there is no beginning to it")


def judge(listing, expected, *, exact, **asked):
    found, count, last = forwards(listing, **asked)
    assert found == expected
    assert count == (str(len(expected)) if exact else count)
    if count.endswith("+"):
        assert int(count[:-1]) <= len(expected)
    else:
        assert count == str(len(expected))
    if last.items:
        assert backwards(listing, last, **asked) == expected


def sorted_ids(rows, sort):
    field, down = (
        sort.lstrip("-").replace("name", "name_key").replace("common_name_key", "common_name"),
        sort.startswith("-"),
    )
    keyed = sorted(rows, key=lambda r: (getattr(r, field), r.pk), reverse=down)
    return [r.pk for r in keyed]


ORDER_ASKS = [
    dict(pairs)
    for n in range(4)
    for pairs in itertools.combinations([("state", "issued"), ("connector", 0), ("profile", 0), ("search", "host0")], n)
] + [{"state": "failed"}, {"state": "failed", "sort": "common_name"}, {"sort": "-common_name", "connector": 0}]


@pytest.mark.parametrize("who", ["ada", "rob", "both"])
def test_orders(filled, window, who):
    actor = person(filled, who)
    seen = [o for o in Order.objects.all() if sees(filled, who, o)]
    picked = {"connector": first_id(Connector), "profile": first_id(Profile)}
    for ask in ORDER_ASKS:
        asked = {k: picked.get(k, v) for k, v in ask.items()}
        rows = [o for o in seen if o.common_name.startswith(asked.get("search", ""))]
        for name, field in (("state", "state"), ("connector", "connector_id"), ("profile", "profile_id")):
            rows = [o for o in rows if str(getattr(o, field)) == asked.get(name, str(getattr(o, field)))]
        sort = "common_name" if "search" in asked else asked.get("sort", "-id")
        exact = window > ROWS or not asked
        judge(lambda **more: orders.listing(actor, size=9, **more), sorted_ids(rows, sort), exact=exact, **asked)


def first_id(model):
    return str(model.objects.order_by("pk").first().pk)


def person(cast, who):
    """Ada sees everything, Rob his team; *both* is a member of two teams, of one in one environment only."""
    if who != "both":
        return cast.actors[who]
    from dataclasses import replace

    from chancery.apps.shared.actor import Grant

    ops, other = cast.actors["rob"].grants[0].team, cast.actors["cleo"].grants[0].team
    first = Environment.objects.order_by("pk").first().pk
    return replace(cast.actors["rob"], grants=(Grant("requester", ops), Grant("requester", other, first)))


def sees(cast, who, row):
    ops, other = cast.actors["rob"].grants[0].team, cast.actors["cleo"].grants[0].team
    first = Environment.objects.order_by("pk").first().pk
    if who == "ada":
        return True
    return row.team_id == ops or (who == "both" and row.team_id == other and row.environment_id == first)


SORTED = {"expired": "-not_after", "expiring": "not_after", "valid": "not_after", "revoked": "-revoked_at"}


@pytest.mark.parametrize("who", ["ada", "both"])
def test_certificates(filled, window, who):
    now, connector = SYSTEM_CLOCK.now(), first_id(Connector)
    Certificate.objects.filter(serial__lt="5").update(revocation="requested", due_at=now, revoked_at=None)
    actor = person(filled, who)
    seen = [c for c in Certificate.objects.all() if sees(filled, who, c)]
    for status, more in itertools.product(
        ("", *certificates.STATUSES), ({}, {"connector": connector}, {"search": "host0"})
    ):
        rows = [c for c in seen if is_of(c, status, now) and c.common_name.startswith(more.get("search", ""))]
        rows = [c for c in rows if str(c.connector_id) == more.get("connector", str(c.connector_id))]
        sort = "common_name" if "search" in more else SORTED.get(status, "-id")
        judge(
            lambda **page: certificates.listing(actor, size=9, **page),
            sorted_ids(rows, sort),
            exact=window > ROWS,
            status=status,
            **more,
        )


def is_of(row, status, now):
    live = not row.revoked_at
    return {
        "": True,
        "revoked": row.revoked_at,
        "revoking": row.due_at,
        "expired": row.not_after <= now and live,
        "expiring": now < row.not_after <= now + certificates.SOON and live,
        "valid": row.not_after > now and live,
    }[status]


@pytest.mark.parametrize("text", ["{0}", "0x{0}", "00{0}", "{1}", " {2} "])
def test_a_certificate_is_found_by_its_serial_however_it_is_written(filled, text):
    row = Certificate.objects.order_by("pk")[7]
    pairs = ":".join(f"0{row.serial}"[len(row.serial) % 2 ^ 1 :][i : i + 2] for i in range(0, len(row.serial), 2))
    search = text.format(row.serial, row.serial.upper(), pairs)
    assert [c.pk for c in certificates.listing(filled.ada, search=search).items] == [row.pk]


def test_a_name_that_could_be_a_serial_is_still_found(filled):
    Certificate.objects.filter(pk=Certificate.objects.first().pk).update(common_name="deadbeef01")
    assert [c.common_name for c in certificates.listing(filled.ada, search="deadbeef").items] == ["deadbeef01"]


def test_connectors(filled, window):
    every = list(Connector.objects.all())
    place = every[0].environment
    asks = [
        dict(pairs)
        for n in range(3)
        for pairs in itertools.combinations(
            [
                ("status", "inactive"),
                ("health", "healthy"),
                ("environment", place.name),
                ("region", "eu"),
                ("search", "L"),
            ],
            n,
        )
    ]
    for sort, asked in itertools.product(connectors.SORTS, asks):
        rows = [c for c in every if c.name_key.startswith(asked.get("search", "").lower())]
        rows = [
            c for c in rows if (c.status, c.health) == (asked.get("status", c.status), asked.get("health", c.health))
        ]
        rows = [c for c in rows if c.region.lower() == asked.get("region", c.region.lower())]
        rows = [c for c in rows if "environment" not in asked or c.environment_id == place.pk]
        expected = sorted_ids(rows, "name" if "search" in asked else sort)
        listing = lambda **page: connectors.listing(filled.ada, "local", size=3, **page)  # noqa: E731  one per ask
        judge(listing, expected, exact=window > ROWS, sort=sort, **asked)


def test_profiles(filled):
    rows = sorted_ids(Profile.objects.all(), "name")
    judge(lambda **page: profiles.listing(filled.ada, size=3, **page), rows, exact=True)
    some = sorted_ids(Profile.objects.filter(name__startswith="Profile L"), "name")
    judge(lambda **page: profiles.listing(filled.ada, size=3, **page), some, exact=True, search="pROfile l")


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"by": "rob"},
        {"action": "orders.place"},
        {"by": "amy", "action": "connectors.edit"},
        {"action": "connectors"},
        {"action": "connectors", "by": "amy"},
        {"address": "192.0.2.1"},
        {"address": "192.0.2.1", "action": "connectors", "by": "amy"},
    ],
    ids=str,
)
def test_audit(filled, window, asked):
    names = {"by": "actor", "action": "action__startswith", "address": "address"}
    rows = Entry.objects.filter(**{names[k]: v for k, v in asked.items()})
    judge(
        lambda **page: audit.listing(filled.dan, size=20, **page),
        sorted_ids(rows, "-id"),
        exact=window > 2 * ROWS,
        **asked,
    )
    assert set(ACTORS) & {"rob", "amy"}
    assert set(ACTIONS) >= {"orders.place", "connectors.edit"}
    lines = b"".join(audit.export(filled.dan, **asked)).splitlines()
    assert lines == [bytes(e.body) for e in rows.order_by("id")]


def test_an_auditor_of_one_team_sees_its_entries_and_no_others(filled, window):
    from dataclasses import replace

    from chancery.apps.shared.actor import Grant

    team = filled.actors["rob"].grants[0].team
    actor = replace(filled.dan, grants=(Grant("auditor", team),))
    rows = sorted_ids(Entry.objects.filter(team_id=team), "-id")
    judge(lambda **page: audit.listing(actor, size=20, **page), rows, exact=False)


@pytest.mark.parametrize(
    ("listing", "asked", "field"),
    [
        (orders.listing, {"state": "isued"}, "state"),
        (orders.listing, {"sort": "placed_at"}, "sort"),
        (orders.listing, {"connector": "x"}, "connector"),
        (orders.listing, {"cursor": "x"}, "cursor"),
        (lambda *a, **k: connectors.listing(*a, "local", **k), {"health": "odd"}, "health"),
        (lambda *a, **k: connectors.listing(*a, "local", **k), {"environment": "odd"}, "environment"),
        (lambda *a, **k: connectors.listing(*a, "local", **k), {"region": "a\x00"}, "region"),
        (certificates.listing, {"status": "gone"}, "status"),
        (certificates.listing, {"sort": "serial"}, "sort"),
    ],
)
def test_what_a_listing_does_not_offer_is_refused_by_name(filled, listing, asked, field):
    with pytest.raises(Invalid) as refused:
        listing(filled.ada, **asked)
    assert [p.field for p in refused.value.problems] == [field]
    assert refused.value.problems[0].remedy


def test_counts_end_at_ten_thousand(filled, monkeypatch):
    monkeypatch.setattr(paging, "COUNT_CAP", ROWS - 1)
    assert orders.listing(filled.ada).count_text == f"{ROWS - 1}+"
    assert paging.count_text(ROWS - 1) == f"{ROWS - 1}"
    assert paging.count_text(1_000_000) == f"{ROWS - 1}+"


@pytest.mark.parametrize("order", ["-id", "id"])
def test_rows_of_several_sources_go_as_far_as_the_first_of_them_that_had_to_stop(filled, order):
    rows, look = list(Order.objects.order_by(order)[:6]), Look(Order, order, "", 9, paging.EVERYTHING)
    stop = look.key(rows[2])
    assert paging._merged([(rows[::2], stop), (rows[1::2], None)], look) == (rows[:3], stop)


def test_where_nothing_can_be_found_nothing_is_counted(db):
    assert paging._counted(Order.objects.none(), 5) == 0


def test_what_several_ranges_hold_together_is_counted_no_further_than_that(filled, monkeypatch):
    monkeypatch.setattr(paging, "COUNT_CAP", 3)
    names = [f"orders.{word}" for word in ("adopt", "cancel", "place")]
    for name in names:
        Entry.objects.filter(pk__in=[e.pk for e in Entry.objects.filter(action="orders.place")[:5]]).update(action=name)
    with CaptureQueriesContext(connection) as seen:
        assert audit.listing(filled.ada, action="orders").count_text == "3+"
    assert len([q for q in seen.captured_queries if "COUNT(*)" in q["sql"]]) == 1


PLANS = [
    *[(orders.listing, {"sort": sort}) for sort in orders.SORTS],
    (orders.listing, {"state": "failed"}),
    (orders.listing, {"connector": "…"}),
    (orders.listing, {"profile": "…"}),
    (orders.listing, {"search": "host0"}),
    (orders.listing, {"search": "host0", "state": "failed", "connector": "…"}),
    *[(certificates.listing, {"sort": sort}) for sort in certificates.SORTS],
    *[(certificates.listing, {"status": status}) for status in certificates.STATUSES],
    (certificates.listing, {"connector": "…"}),
    (certificates.listing, {"search": "host0"}),
    (certificates.listing, {"search": "host0", "status": "revoked"}),
    (certificates.listing, {"search": "host0", "status": "expiring", "connector": "…"}),
    *[(connectors.listing, {"sort": sort}) for sort in connectors.SORTS],
    (connectors.listing, {"status": "active"}),
    (connectors.listing, {"health": "healthy"}),
    (connectors.listing, {"environment": "Production"}),
    (connectors.listing, {"region": "EU"}),
    (connectors.listing, {"region": "EU", "environment": "Production", "health": "healthy", "status": "active"}),
    (connectors.listing, {"region": "EU", "sort": "created_at"}),
    (connectors.listing, {"search": "L"}),
    (connectors.listing, {"search": "L", "health": "healthy"}),
    (profiles.listing, {}),
    (profiles.listing, {"search": "Profile L"}),
    (audit.listing, {}),
    (audit.listing, {"by": "rob"}),
    (audit.listing, {"action": "orders.place"}),
    (audit.listing, {"action": "orders"}),
    (audit.listing, {"target": "x"}),
    (audit.listing, {"address": "192.0.2.1"}),
    (audit.listing, {"outcome": "refused"}),
    (audit.listing, {"outcome": "done"}),
    (audit.listing, {"since": "2026-01-01"}),
    (audit.listing, {"until": "2099-01-01"}),
    (audit.listing, {"until": "2099-01-01", "address": "192.0.2.1"}),
]


def test_every_offer_is_answered_from_an_index(filled):
    pick = {"connector": first_id(Connector), "profile": first_id(Profile)}
    for listing, offer in PLANS:
        asked = {k: pick[k] if v == "…" else v for k, v in offer.items()}
        first = ("local",) if listing is connectors.listing else ()
        for cursor in ("", listing(filled.ada, *first, size=1, **asked).next):
            with CaptureQueriesContext(connection) as seen:
                _counted = listing(filled.ada, *first, size=1, cursor=cursor, **asked).count_text
            slow = [(q["sql"], steps) for q in seen.captured_queries if (steps := scans(q["sql"]))]
            assert not slow, (listing.__module__, offer)


@pytest.mark.skipif("sqlite" not in str(connection.vendor), reason="only SQLite counts its steps")
def test_a_page_deep_inside_a_range_is_reached_without_walking_there(filled):
    team, environment = Team.objects.first().pk, Environment.objects.first().pk
    Filler(SYSTEM_CLOCK.now(), [team], [environment], seed=2).orders(3_000)
    connector = str(Order.objects.latest("id").connector_id)
    middle = Certificate.objects.order_by("common_name")[1_200]
    cases = [
        (audit.listing, "-id", Entry.objects.order_by("-id")[5_000], {"until": "2099-01-01", "since": "2001-01-01"}),
        (orders.listing, "common_name", Order.objects.order_by("common_name")[2_500], {"search": "host0"}),
        (orders.listing, "-id", Order.objects.order_by("-id")[2_500], {"state": "failed", "connector": connector}),
        (certificates.listing, "common_name", middle, {"search": "host0", "status": "revoked"}),
        (certificates.listing, "common_name", middle, {"search": "host0", "connector": connector}),
        (certificates.listing, "not_after", Certificate.objects.order_by("-not_after")[50], {"status": "valid"}),
    ]
    for listing, order, row, asked in cases:
        cursor = write(Look(type(row), order, "", 1).key(row), backwards=False)
        with_steps = steps_of(lambda c=cursor, a=asked, x=listing: x(filled.ada, cursor=c, size=1, **a))
        assert with_steps < 15_000, (asked, with_steps)


def steps_of(act):
    """Return how many thousands of its virtual machine's steps SQLite took, in steps."""
    taken = []
    connection.connection.set_progress_handler(lambda: taken.append(1), 1_000)
    act()
    connection.connection.set_progress_handler(None, 0)
    return len(taken) * 1_000


@pytest.mark.skipif("sqlite" in str(connection.vendor), reason="SQLite has no collations of the cluster")
def test_names_are_sorted_by_code_point_whatever_language_the_cluster_has(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " JOIN pg_collation l ON l.oid = a.attcollation WHERE l.collname = 'C' AND c.relkind = 'r'"
            " AND c.relname LIKE '%%\\_%%' AND a.attname IN ('name', 'name_key', 'region_key', 'common_name') AND c.relname NOT LIKE 'pg%%'"
        )
        found = set(cursor.fetchall())
    wanted = {
        ("inventory_finding", "common_name"),
        ("orders_order", "common_name"),
        ("certificates_certificate", "common_name"),
    }
    assert found >= wanted | {("connectors_connector", "name"), ("profiles_profile", "name")} | {
        ("connectors_connector", "name_key"),
        ("connectors_connector", "region_key"),
        ("profiles_profile", "name_key"),
    }


def test_a_page_marker_from_outside_a_search_widens_nothing(filled):
    """Whoever writes a marker by hand sees no more than the search gives."""
    low, high = Order.objects.earliest("common_name"), Order.objects.latest("common_name")
    for row, wanted in ((low, 240), (high, 0)):
        for backwards in (False, True):
            cursor = write(("a" if row is low else "z", row.pk), backwards=backwards)
            found = orders.listing(filled.ada, search="host0", cursor=cursor, size=200)
            assert {o.common_name.startswith("host0") for o in found.items} <= {True}
            assert bool(found.items) == (bool(wanted) != backwards)


@pytest.mark.parametrize(
    "marks", [["=", "x"], [">", None], [">"], [">", "x", "y", "z"], [">", "a\x00", str(UUID(int=1))], "text", 7]
)
def test_a_page_marker_that_we_did_not_write_is_refused(cast, marks):
    cursor = base64.urlsafe_b64encode(json.dumps(marks).encode()).decode().rstrip("=")
    with pytest.raises(Invalid) as refused:
        orders.listing(cast.ada, sort="common_name", cursor=cursor)
    assert [(p.field, p.remedy) for p in refused.value.problems] == [("cursor", "Start again from the first page.")]


@pytest.mark.parametrize("moment", ["2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_page_marker_with_a_moment_that_is_none_in_utc_is_refused(cast, moment):
    raw = json.dumps([">", moment, str(UUID(int=1))]).encode()
    with pytest.raises(Invalid), warnings.catch_warnings(action="ignore"):
        certificates.listing(cast.ada, status="valid", cursor=base64.urlsafe_b64encode(raw).decode().rstrip("="))


def test_a_person_without_a_role_is_refused_a_listing_not_shown_an_empty_one(db):
    with pytest.raises(NotPermitted):
        orders.listing(Actor("nobody", 0, "test"))
