"""Pools through each door: the API, the command line, the console; and an order that goes over while a CA is away."""

import re
from hashlib import sha256

import pytest
from django.test import Client
from django.urls import reverse

from chancery.apps.accounts import actions as people
from chancery.apps.accounts.models import User
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector, Pool
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.pools import actions, moving
from chancery.apps.profiles.models import Profile
from tests.cast import digicert_values, request_pem
from tests.journeys.api import Api
from tests.journeys.test_cli import data, run

pytestmark = pytest.mark.django_db(transaction=True)
PLACE = {"team": "Operations", "environment": "Production"}
VOUCHED = {"trust": "vouched", "trust_reason": "Both roots are rolled out."}


@pytest.fixture
def two(cast):
    for name in ("Berlin", "Paris"):
        connectors.create(cast.ada, "local", {"name": name, **PLACE})
    return [Connector.objects.get(name=n) for n in ("Berlin", "Paris")]


@pytest.fixture
def api(cast):
    return Api(people.create_token(cast.ada, "test")[1])


@pytest.fixture
def ada(cast):
    client = Client()
    client.force_login(User.objects.get(username="ada"))
    return client


@pytest.fixture
def cli(cast, live_server, monkeypatch, tmp_path):
    monkeypatch.setenv("CHANCERY_URL", live_server.url)
    monkeypatch.setenv("CHANCERY_TOKEN", people.create_token(cast.ada, "test")[1])
    monkeypatch.chdir(tmp_path)
    return run


def text(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.content.decode()))


def test_over_rest(api, two):
    members = [{"connector": "Berlin"}, {"connector": "Paris", "preference": 2}]
    made = api("POST", "/pools", {"name": "Both", **PLACE, **VOUCHED, "members": members}).json()
    assert [m["name"] for m in made["members"]] == ["Berlin", "Paris"]
    assert [p["name"] for p in api("GET", "/pools?search=Bo").json()["items"]] == ["Both"]
    web = api("POST", "/profiles", {"name": "Web", "pool": "Both"}).json()
    assert (web["pool_id"], web["connector_name"]) == (made["id"], "Berlin")
    drained = api("POST", f"/pools/{made['id']}/members/{two[0].pk}/drain").json()
    assert [m["draining"] for m in drained["members"]] == [True, False]
    assert api("GET", f"/profiles/{web['id']}").json()["connector_name"] == "Paris"
    again = api("POST", f"/pools/{made['id']}/members/{two[0].pk}/resume").json()
    body = {**{n: again[n] for n in ("name", "team", "environment", "revision")}, **VOUCHED, "members": members[:1]}
    assert len(api("PUT", "/pools/Both", body).json()["members"]) == 1
    assert api("DELETE", f"/pools/{made['id']}").status_code == 409
    found = api("GET", f"/connectors/{two[0].pk}/impact").json()
    assert [p["name"] for p in found["profiles"]] == ["Web"]
    api("POST", "/profiles", {"name": "French", "connector": "Paris"})
    plan = api("GET", f"/connectors/{two[1].pk}/repoint-preview?to=Both").json()
    assert [p["name"] for p in plan["profiles"]] == ["French"]
    done = api("POST", f"/connectors/{two[1].pk}/repoint", {"to": "Both", "previewed": plan["digest"]})
    assert done.status_code == 200
    assert Profile.objects.get(name="French").pool.name == "Both"


def test_limits_are_fields_of_a_connector_and_breaker_and_pace_are_shown(api, two):
    path = f"/connectors/{two[0].pk}"
    shown = api("PATCH", path, {"limit_rate": "2.5", "limit_seats": 3, "revision": 1}).json()
    assert (shown["limit_rate"], shown["limit_seats"], shown["limit_burst"]) == (2.5, 3, None)
    assert (shown["pace"]["seats"], shown["pace"]["calls_per_second"], shown["breaker"]) == (3, 2.5, "closed")
    kept = api("PATCH", path, {"region": "eu", "revision": 2}).json()
    assert kept["limit_rate"] == 2.5
    for wrong in ({"limit_seats": 0}, {"limit_rate": "fast"}, {"limit_burst": 1.5}):
        assert api("PATCH", path, {**wrong, "revision": 3}).status_code == 422


def test_by_the_command_line(cli, two):
    cli("pools", "create", "Both", "--team", "Operations", "--environment", "Production", "--trust", "vouched",
        "--trust-reason", "Both are ours.", "--member", "Berlin", "--member", "Paris,preference=2,weight=3")  # fmt: skip
    assert [m["weight"] for m in data(cli, "pools", "show", "Both")["members"]] == [1, 3]
    cli("profiles", "create", "Web", "--pool", "Both", "--product", "local.client=true")
    cli("profiles", "edit", "Web", "--set", "validity_days=20")
    assert data(cli, "profiles", "show", "Web")["products"]["local"]["client"] is True
    cli("pools", "drain", "Both", "Berlin")
    assert "Both" in cli("pools", "list").stdout
    cli("pools", "resume", "Both", "Berlin")
    assert data(cli, "pools", "edit", "Both", "--patience", "9")["patience_minutes"] == 9
    assert data(cli, "pools", "edit", "Both", "--description", "Two roots")["description"] == "Two roots"
    assert "Web" in cli("pools", "impact", "Berlin").stdout
    cli("profiles", "create", "French", "Paris")
    assert "French" in cli("pools", "repoint", "Paris", "Both").stdout
    cli("pools", "repoint", "Paris", "Both", "--yes")
    assert Profile.objects.get(name="French").pool.name == "Both"
    for wrong in ("Berlin,weight", "Berlin,weight=x", "Berlin,colour=1"):
        cli("pools", "edit", "Both", "--member", wrong, code=2)
    cli("profiles", "edit", "Web", "--product", "client=true", code=2)
    cli("pools", "edit", "Both", "--member", "Paris")
    cli("profiles", "edit", "Web", "--connector", "Berlin")
    cli("profiles", "delete", "French")
    cli("pools", "delete", "Both")
    assert not Pool.objects.filter(shared=True, deleted_at=None).exists()


def form(two, **more):
    texts = {"name": "Both", "description": "", "patience_minutes": "5", "member": [str(c.pk) for c in two]}
    return {**texts, **PLACE, **VOUCHED, f"preference_{two[1].pk}": "2", **more}


def test_in_the_console(ada, cast, two):
    assert ada.post(reverse("pool_create"), form(two, trust_reason="")).status_code == 422
    made = ada.post(reverse("pool_create"), form(two))
    pool = Pool.objects.get(shared=True)
    assert made["Location"] == reverse("pool", args=[pool.pk])
    assert "Berlin" in text(ada.get(made["Location"]))
    assert "Both" in text(ada.get(reverse("pools")))
    ada.post(reverse("pool_member", args=[pool.pk, two[0].pk]), {"to": "drain"})
    assert "Draining" in text(ada.get(made["Location"]))
    ada.post(reverse("pool_member", args=[pool.pk, two[0].pk]), {"to": "resume"})
    page = text(ada.get(reverse("profile_create"), {"connector": str(pool.pk)}))
    assert "Region that is preferred" in page
    sent = {
        "pool": str(pool.pk),
        "name": "Web",
        "name_kinds": "dns",
        "products.local.server": "on",
        "validity_days": "30",
    }
    assert ada.post(reverse("profile_create"), {**sent, "name_kinds": "x"}).status_code == 422
    assert ada.post(reverse("profile_create"), sent).status_code == 302
    web = Profile.objects.get(name="Web")
    assert web.pool == pool
    assert "Both" in text(ada.get(reverse("profile", args=[web.pk])))
    assert ada.get(reverse("profile_edit", args=[web.pk])).status_code == 200
    stale = ada.post(reverse("pool_edit", args=[pool.pk]), form(two, revision="1"))
    assert stale.status_code == 409
    seen = Pool.objects.get(pk=pool.pk).revision
    assert ada.post(reverse("pool_edit", args=[pool.pk]), form(two, revision=str(seen))).status_code == 302
    ada.post(reverse("pool_delete", args=[pool.pk]))
    assert Pool.objects.get(pk=pool.pk).deleted_at is None


def test_what_depends_on_a_connector_is_seen_and_moved_in_the_console(ada, cast, two):
    from chancery.apps.profiles import actions as profiles

    profiles.create(cast.ada, {"name": "German", "connector": "Berlin", "validity_days": 30})
    place(cast.rob, PlaceOrder("German", request_pem("www.example.com")))
    depends = reverse("connector_impact", args=[two[0].pk])
    assert "www.example.com" in text(ada.get(depends))
    assert "What depends on it" in text(ada.get(reverse("connector_edit", args=[two[0].pk])))
    assert "Breaker" in text(ada.get(reverse("connector", args=[two[0].pk])))
    page = reverse("connector_repoint", args=[two[0].pk])
    assert ada.get(page).status_code == 200
    assert ada.get(page, {"to": "nowhere"}).status_code == 422
    sent = {"to": str(two[1].pk), "vouch": "Both are ours."}
    shown = ada.get(page, sent).content.decode()
    assert ada.post(page, {**sent, "previewed": "x"}).status_code == 409
    digest = re.search(r'name="previewed" value="(\w+)"', shown)[1]
    assert ada.post(page, {**sent, "previewed": digest})["Location"] == depends
    assert Order.objects.get().connector.name == "Paris"


def test_an_account_that_is_switched_off_is_stood_in_for_by_another_and_nothing_is_ordered_twice(
    cast, simulator, engine
):
    from chancery.apps.profiles import actions as profiles

    for name in ("One", "Two"):
        connectors.create(cast.ada, "digicert", digicert_values(simulator, name=name))
    members = [{"connector": n, "preference": i, "validation": "ov"} for i, n in enumerate(("One", "Two"), 1)]
    pool = {"name": "Accounts", **PLACE, "trust": "vouched", "trust_reason": "One CA.", "members": members}
    actions.create(cast.ada, pool)
    product = {"product": "ssl_basic", "organization_id": simulator.credentials["organization_id"]}
    profiles.create(cast.ada, {"name": "Accounts", "pool": "Accounts", "products": {"digicert": product}})
    one = Connector.objects.get(name="One")
    made = [place(cast.rob, PlaceOrder("Accounts", request_pem(f"n{i}.example.com"))) for i in range(3)]
    stuck = made[0].pk
    Order.objects.filter(pk=stuck).update(state="outcome_unknown", bound=True, due_at=None)
    connectors.deactivate(cast.ada, one.pk)
    from chancery.core.clock import SYSTEM_CLOCK

    moving.fail_over(SYSTEM_CLOCK.now(), {})
    engine.until(lambda: Order.objects.filter(state="issued").count() == 2)
    assert Order.objects.get(pk=stuck).connector == one
    assert {o.connector.name for o in Order.objects.filter(state="issued")} == {"Two"}
    ordered = simulator.ledger.orders_by_csr()
    assert [ordered[sha256(bytes(o.csr)).hexdigest()] for o in made] == [0, 1, 1]
