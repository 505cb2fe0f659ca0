"""Nothing is connected to that nobody allowed: each hidden address by each way in, and no packet leaves."""

import pytest

from chancery.net import connect
from chancery.net.addresses import AddressPolicy
from tests.egress.network import empty
from tests.egress.outside import outside, tried
from tests.egress.places import HOSTS, NAMED, NEVER, PUBLIC, names
from tests.egress.ways import APART, EVERY, LED, Ways, apart, refusal

pytestmark = [pytest.mark.enable_socket, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
QUIET = frozenset({"redirect", "webhook_redirect", "open_id_redirect", "behind_a_proxy", "reference"})
"""What is not followed, what a proxy connects to, and what names no server: nothing leaves, guard or none."""
REACHABLE = 40
"""Of the addresses the kernel lets so many out at least, if nobody guards them; the rest it refuses by itself."""


@pytest.fixture
def there(tmp_path, monkeypatch, settings):
    """Return what sees packets, and the ways in, inside an empty network."""
    monkeypatch.setenv("VAULT_TOKEN", "x")
    settings.SECRET_VAULT, settings.SECRET_FILES = "vault+https://vault.public.test/secret", str(tmp_path)
    settings.ACME_PORTS, settings.ACME_RESOLVERS = {"http-01": 80, "tls-alpn-01": 443}, ()
    with empty() as watch, outside(tmp_path) as root:
        (tmp_path / "roots.pem").write_text(root)
        monkeypatch.setattr(connect.certifi, "where", lambda: str(tmp_path / "roots.pem"))
        connect.tls_context.cache_clear()
        watch.seen()
        yield watch, Ways(root)
        connect.tls_context.cache_clear()


def led(watch, ways, names_of_ways, hosts):
    """Return what went inside, as way, host, packets; and how many tries said why they did not."""
    astray, said = [], 0
    for name in names_of_ways:
        for host in hosts:
            said += bool(getattr(ways, name)(host))
            packets = watch.seen(known=(PUBLIC,))
            if packets:
                astray.append((name, host, dict(packets)))
    return astray, said


def test_the_watcher_sees_what_goes_where_nobody_guards(there):
    watch, _ = there
    assert sum(reached(watch, address) for address in NAMED) >= REACHABLE


def reached(watch, address):
    tried(address)
    return bool(watch.seen(known=(PUBLIC,)))


@pytest.mark.parametrize("way", [w for w in EVERY if w not in QUIET])
def test_without_the_guard_each_way_leads_inside(there, monkeypatch, way):
    watch, ways = there
    monkeypatch.setattr(AddressPolicy, "judge", lambda *_: "")
    getattr(ways, way)("127.0.0.1")
    assert watch.seen(known=(PUBLIC,)), "this way connects to nothing, so it shows nothing"


def test_nothing_is_connected_to_that_nobody_allowed(there, result, request):
    watch, ways = there
    control = sum(reached(watch, address) for address in NAMED)
    long = request.config.getoption("--long")
    # The short form has every third; of the outside, which is spoken to over TLS, every ninth of those.
    hosts = (*HOSTS, *names())[:: 1 if long else 3]
    directly, over = [way for way in EVERY if way not in LED], hosts if long else hosts[::9]
    tries = len(directly) * len(hosts) + len(LED) * len(over) + len(NEVER)
    found = [led(watch, ways, directly, hosts), led(watch, ways, LED, over), led(watch, ways, ("vault",), NEVER)]
    assert [astray for astray, _ in found] == [[], [], []]
    # What a name leads to the first time is the outside, and that may be spoken to; everything else says why not.
    assert sum(said for _, said in found) >= tries - len(NAMED)
    for kind in APART:
        assert apart(kind, hosts).count("ok") == 0
        assert not watch.seen(known=(PUBLIC,)), kind
    if long:
        tries += len(APART) * len(hosts)
        what = f"packets of {tries} tries: {len(HOSTS)} addresses and {len(names())} names that lead to such ones, by"
        all_ways = len(EVERY) + len(APART) + 1
        unguarded = f"without the guard, {control} of {len(NAMED)} were reached"
        result("R33", 0, f"{what} {all_ways} ways in, redirects and rebinding among them; {unguarded}")


def test_what_an_administrator_allowed_is_reached_and_nothing_beside_it(there):
    watch, ways = there
    door = ways.door("https://10.1.2.3/", policy=AddressPolicy(("10.1.0.0/16",)))
    assert "10.1.2.3" in refusal(lambda: door.get("x"))
    assert {packet[2] for packet in watch.seen()} == {"10.1.2.3"}
    refusal(lambda: door.get("https://10.2.0.1/", foreign=True))
    assert not watch.seen()
