"""Nothing is connected to that nobody allowed: each hidden address by each way in, and no packet leaves."""

import pytest

from chancery.net import connect
from chancery.net.addresses import AddressPolicy
from tests.egress.network import empty
from tests.egress.outside import outside, tried
from tests.egress.places import HOSTS, NAMED, NEVER, PUBLIC, names
from tests.egress.ways import APART, EVERY, Ways, refusal

pytestmark = [pytest.mark.enable_socket, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
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
    import time
    for name in names_of_ways:
        t = time.time(); c = time.process_time()
        for host in hosts:
            told = getattr(ways, name)(host)
            said += bool(told)
            packets = watch.seen(known=(PUBLIC,))
            if packets:
                astray.append((name, host, dict(packets)))
        print(name, round(time.time()-t,2), round(time.process_time()-c,2), len(astray))
    return astray, said


def test_the_watcher_sees_what_goes_where_nobody_guards(there):
    watch, _ = there
    assert sum(reached(watch, address) for address in NAMED) >= REACHABLE


def reached(watch, address):
    tried(address)
    return bool(watch.seen(known=(PUBLIC,)))


def test_nothing_is_connected_to_that_nobody_allowed(there, result, request):
    watch, ways = there
    control = sum(reached(watch, address) for address in NAMED)
    long = request.config.getoption("--long")
    hosts = (*HOSTS, *names())
    astray, said = led(watch, ways, EVERY, hosts)
    # A process each: in the short form, one address for each kind of hiding.
    apart = hosts if long else ("10.0.0.1", "[64:ff9b::a9fe:a9fe]", "m0.lead.test")
    further, more = led(watch, ways, APART, apart)
    last, shut = led(watch, ways, ("vault",), NEVER)
    assert (astray, further, last) == ([], [], [])
    # What a name leads to the first time is the outside, and that may be spoken to.
    tries = len(EVERY) * len(hosts) + len(APART) * len(apart) + len(NEVER)
    assert said + more + shut >= tries - len(NAMED) * (len(EVERY) + len(APART))
    if long:
        what = f"packets of {tries} tries: {len(HOSTS)} addresses, and {len(names())} names that lead to them, by"
        ways_in = len(EVERY) + len(APART) + 1
        result("R33", 0, f"{what} {ways_in} ways in; without the guard {control} of {len(NAMED)} were reached")


def test_what_an_administrator_allowed_is_reached_and_nothing_beside_it(there):
    watch, ways = there
    door = ways.door("https://10.1.2.3/", policy=AddressPolicy(("10.1.0.0/16",)))
    assert "10.1.2.3" in refusal(lambda: door.get("x"))
    assert {packet[2] for packet in watch.seen()} == {"10.1.2.3"}
    refusal(lambda: door.get("https://10.2.0.1/", foreign=True))
    assert not watch.seen()
