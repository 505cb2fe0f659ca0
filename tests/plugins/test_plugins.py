"""Packages of others: one that works through every door, and three that are broken and stop nothing."""

import pytest
from cryptography import x509

from tests.cast import request_pem
from tests.plugins.packages.borealis.borealis_chancery.simulator import PRODUCTS, TOKEN, Book, Simulator
from tests.plugins.stand import stand, until, words

TYPES = "/integrations/ca-connectors"
REASONS = {
    "raises": "RuntimeError: the licence file of Raises <b>PKI</b> is missing",
    "leaves": "SystemExit: Leaves PKI needs another Python",
    "silent": "LookupError: the vendor's list of products could not be read",
}
ENDS = {"issued", "rejected", "failed", "quarantined", "outcome_unknown"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with stand(tmp_path_factory.mktemp("plugins")) as made:
        yield made


@pytest.fixture(scope="module")
def borealis():
    with Simulator(Book()) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def nothing_stops_and_nothing_leaks(place):
    yield
    assert place.alive(), place.log.read_text()[-3000:]
    heard = place.everything_heard()
    assert heard
    for secret in (TOKEN, "do-not-show-me"):
        assert secret not in heard


def values(borealis, name):
    where = {"base_url": borealis.url, "allowed_networks": "127.0.0.0/8"}
    return {"name": name, "account": "B-1234", **where}


def by_console(place, borealis, name):
    console = place.console
    page = console.read(f"{TYPES}/type/borealis/create")
    assert "Made at Borealis under Account, Tokens." in page
    assert 'type="password"' in page
    common = {"team": "Operations", "environment": "Production"}
    filled = {**values(borealis, name), **common, "token": TOKEN}
    console.send(f"{TYPES}/type/borealis/create", has="token", **filled)
    ident = ident_of(place, name)
    shown = console.send(f"{TYPES}/type/borealis", has=f"{ident}/test")
    call = str(shown.url).rpartition("/")[2]
    until(lambda: place.rest("GET", f"/calls/{call}")["state"] == "done")
    assert "The token is accepted." in words(console.read(f"/calls/{call}"))
    form = f"/profiles/create?connector={ident}"
    console.send(form, has="product", name=f"{name} profile", product="polar", validity_days="20")
    return ident


def by_rest(place, borealis, name):
    body = {"authority": "borealis", "team": "Operations", "environment": "Production", "token": TOKEN}
    ident = place.rest("POST", "/connectors", {**body, **values(borealis, name)})["id"]
    call = place.rest("POST", f"/connectors/{ident}/test")["id"]
    done = until(lambda: finished(place, call))
    assert [f["level"] for f in done["result"]["findings"] if f["stage"] in {"login", "product"}] == ["ok", "ok"]
    product = {"product": "polar"}
    place.rest("POST", "/profiles", {"name": f"{name} profile", "connector": name, "product": product})
    return ident


def by_cli(place, borealis, name):
    file = place.folder / "token.txt"
    file.write_text(TOKEN)
    given = [f"--set={k}={v}" for k, v in values(borealis, name).items() if k != "name"]
    place.cli("connectors", "create", "borealis", name, *given, f"--secret=token=@{file}")
    assert "The token is accepted." in place.cli("connectors", "test", name)
    place.cli("profiles", "create", f"{name} profile", name, "--product=product=polar")
    return ident_of(place, name)


def ident_of(place, name):
    return next(c["id"] for c in place.rest("GET", "/connectors")["items"] if c["name"] == name)


def finished(place, call):
    found = place.rest("GET", f"/calls/{call}")
    return found if found["state"] in {"done", "failed"} else None


def order_by_console(place, profile, csr):
    found = next(p for p in place.rest("GET", "/profiles")["items"] if p["name"] == profile)
    shown = place.console.send("/orders/new", has="csr", profile=found["id"], csr=csr)
    return str(shown.url).rpartition("/")[2]


def order_by_rest(place, profile, csr):
    return place.rest("POST", "/orders", {"profile": profile, "csr": csr})["id"]


def order_by_cli(place, profile, csr):
    file = place.folder / "request.pem"
    file.write_text(csr)
    return place.cli_json("orders", "create", profile, f"--csr={file}")["id"]


def off_by_console(place, ident, name):
    place.console.send(f"{TYPES}/type/borealis", has=f"{ident}/switch/deactivate")


def off_by_rest(place, ident, name):
    assert place.rest("POST", f"/connectors/{ident}/deactivate")["status"] == "inactive"


def off_by_cli(place, ident, name):
    assert "is inactive" in place.cli("connectors", "deactivate", name)


DOORS = {
    "console": (by_console, order_by_console, off_by_console),
    "rest": (by_rest, order_by_rest, off_by_rest),
    "cli": (by_cli, order_by_cli, off_by_cli),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_connector_of_a_package_lives_by_every_door(place, borealis, door):
    create, order, switch_off = DOORS[door]
    name, host = f"Borealis {door}", f"{door}.example.com"
    ident = create(place, borealis, name)
    assert place.rest("GET", f"/connectors/{ident}")["secrets_set"] == ["token"]
    profile = f"{name} profile"
    ordered = order(place, profile, request_pem(host))
    done = until(lambda: ended(place, ordered))
    assert done["state"] == "issued", done
    assert borealis.book.number(ordered) == 1
    placed = next(o for o in borealis.book.orders.values() if o["reference"] == ordered)
    assert placed["product"] == "polar"
    (row,) = [c for c in place.rest("GET", "/certificates")["items"] if c["common_name"] == host]
    pem = place.cli("certificates", "download", row["id"], "--format=pem")
    issuer = x509.load_pem_x509_certificate(pem.encode()).issuer.rfc4514_string()
    assert issuer == "CN=Borealis Root"
    switch_off(place, ident, name)
    waits = order(place, profile, request_pem(f"later-{host}"))
    assert place.rest("GET", f"/connectors/{ident}")["status"] == "inactive"
    test = place.rest("POST", f"/connectors/{ident}/test")["id"]
    until(lambda: finished(place, test))  # so the worker has been round since
    assert place.rest("GET", f"/orders/{waits}")["state"] == "queued"
    assert borealis.book.number(waits) == 0


def ended(place, order):
    found = place.rest("GET", f"/orders/{order}")
    return found if found["state"] in ENDS else None


def test_a_pick_list_of_a_package_comes_from_its_ca(place, borealis):
    ident = by_rest(place, borealis, "Borealis lists")
    call = place.rest("POST", f"/connectors/{ident}/choices/product")["id"]
    done = until(lambda: finished(place, call))
    assert [(c["value"], c["label"]) for c in done["result"]["choices"]] == [(p["id"], p["name"]) for p in PRODUCTS]


def test_a_wrong_token_is_told_by_the_packages_own_words(place, borealis):
    ident = by_rest_with(place, borealis, "Borealis wrong", token="a-token-that-nobody-made")
    call = place.rest("POST", f"/connectors/{ident}/test")["id"]
    (wrong,) = [f for f in until(lambda: finished(place, call))["result"]["findings"] if f["level"] == "failed"]
    assert (wrong["stage"], wrong["remedy"]) == ("login", "Make a new token at Borealis and enter it.")


def by_rest_with(place, borealis, name, **more):
    body = {"authority": "borealis", "team": "Operations", "environment": "Production"}
    return place.rest("POST", "/connectors", {**body, **values(borealis, name), **more})["id"]


def test_what_a_package_asks_for_is_missed_by_name(place, borealis):
    body = {"authority": "borealis", "team": "Operations", "environment": "Production"}
    bare = {k: v for k, v in values(borealis, "Borealis bare").items() if k != "account"}
    refused = place.rest("POST", "/connectors", {**body, **bare, "tokn": "x"}, code=422)
    assert {p["field"] for p in refused["errors"]} >= {"account", "token", "tokn"}


def test_the_broken_are_shown_with_their_reasons_and_stop_nothing(place):
    listed = place.rest("GET", "/authorities")
    told = {b["slug"]: b["reason"] for b in listed["broken"]}
    assert told.keys() == REASONS.keys()
    assert {a["slug"] for a in listed["items"]} >= {"local", "digicert", "borealis"}
    assert not {a["slug"] for a in listed["items"]} & told.keys()
    page, printed = words(place.console.read(TYPES)), place.cli("authorities", "list")
    for slug, reason in REASONS.items():
        assert reason in told[slug]
        assert f"(from the package {slug}-chancery 1.4: update or remove it)" in told[slug]
        escaped = reason.replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#x27;")
        assert escaped in page
        assert reason in printed
    assert place.cli_json("authorities", "list")["broken"] == listed["broken"]
    assert "Borealis" in page
    refused = place.rest("POST", "/connectors", {"authority": "raises", "name": "x"}, code=422)
    assert "raises" in refused["detail"]


def test_the_built_in_ones_issue_beside_the_broken(place):
    body = {"authority": "local", "name": "Beside", "team": "Operations", "environment": "Production"}
    place.rest("POST", "/connectors", body)
    place.rest("POST", "/profiles", {"name": "Beside", "connector": "Beside", "validity_days": 30})
    order = order_by_rest(place, "Beside", request_pem("beside.example.com"))
    assert until(lambda: ended(place, order))["state"] == "issued"
