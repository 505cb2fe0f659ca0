"""dns-01 and dns-persist-01: a real DNS server and a real provider's API, both on loopback."""

import hashlib
import importlib
import io
import json
import re
import socket
import sys

import dns.resolver
import pytest
from josepy import b64

from chancery.core.clock import ManualClock
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.acme.solving import provider_process
from chancery.protocols.acme.solving.base import Task
from chancery.protocols.acme.solving.choose import DnsSettings, solver_for
from chancery.protocols.acme.solving.dns01 import DnsSolver, value_of
from chancery.protocols.acme.solving.lookup import Lookup
from chancery.protocols.acme.solving.persist import PersistSolver
from chancery.protocols.acme.solving.provider import Provider, Record
from chancery.protocols.acme.solving.providers import PROVIDERS
from chancery.protocols.acme.tests.stand import PLAIN, request, stand
from chancery.protocols.acme.tests.zone import TOKEN, Zone
from chancery.sdk.authority import Context
from chancery.sdk.errors import AuthFailed, ProtocolViolation, Unreachable, ValidationFailed
from chancery.sdk.http import HttpDoor
from chancery.sdk.testing import START

LOOPBACK = AddressPolicy(("127.0.0.0/8",))
TASK = Task("www.example.test", "dns", "t0k3n", "t0k3n.thumb", "https://ca.example/acct/1")
VALUE = b64.b64encode(hashlib.sha256(b"t0k3n.thumb").digest()).decode()
NAME = "_acme-challenge.www.example.test"


@pytest.fixture
def zone():
    return Zone()


@pytest.fixture
def dns_at(zone):
    with zone.served() as place:
        yield place


@pytest.fixture
def api(zone):
    with zone.written() as url:
        yield url


def provider(api, token=TOKEN, policy=LOOPBACK, **more):
    return Provider("powerdns", Secret(f"auth_token = {token}\n\npdns-server = {api}\nttl=60"), policy, **more)


def solver(dns_at, api, zone=""):
    return DnsSolver(provider(api), Lookup(dns_at, LOOPBACK), zone)


def resolver_at(dns_at):
    host, port = dns_at.split(":")

    def made():
        found = dns.resolver.Resolver(configure=False)
        found.nameservers = [dns.nameserver.Do53Nameserver(host, int(port))]
        return found

    return made


def test_a_record_is_written_seen_and_taken_away_again(zone, dns_at, api):
    own, wild = solver(dns_at, api), Task("www.example.test", "dns", "two", "two.thumb", wildcard=True)
    zone.records[NAME, "TXT"] = ["somebody else's"]
    assert "does not show" in own.missing([TASK])[0]
    assert own.present([TASK, wild]) == ()
    own.present([TASK])
    assert sorted(zone.texts(NAME)) == sorted(["somebody else's", VALUE, value_of(wild)])
    assert own.missing([TASK, wild]) == []
    zone.hidden = True
    assert own.missing([TASK])
    own.clean([TASK])
    own.clean([TASK])
    assert sorted(zone.texts(NAME)) == sorted(["somebody else's", value_of(wild)])


def test_an_alias_is_followed_and_the_record_written_at_its_end(zone, dns_at, api):
    zone.records[NAME, "CNAME"] = ["www.acme.example.test."]
    own = solver(dns_at, api, "Example.test.")
    own.present([TASK])
    assert zone.texts("www.acme.example.test") == [VALUE]
    assert own.missing([TASK]) == []


def test_a_circle_of_aliases_is_told(zone, dns_at, api):
    zone.records[NAME, "CNAME"] = [f"{NAME}."]
    with pytest.raises(ProtocolViolation) as told:
        solver(dns_at, api).present([TASK])
    assert NAME in told.value.message


def test_only_so_many_names_are_told_of_at_once(dns_at, api):
    tasks = [Task(f"n{i}.example.test", "dns", "t", "t.x") for i in range(9)]
    assert len(solver(dns_at, api).missing(tasks)) == 5


def test_the_servers_of_the_zone_are_asked_where_none_are_named(zone, dns_at):
    port = int(dns_at.split(":")[1])
    lookup = Lookup("", LOOPBACK, system=resolver_at(dns_at), port=port)
    assert (
        lookup.missing(NAME, VALUE.__eq__)
        == f"The DNS server ns1.example.test does not show the TXT record at {NAME} yet."
    )
    zone.records[NAME, "TXT"] = [VALUE]
    assert lookup.missing(NAME, VALUE.__eq__) == ""
    assert lookup.zone(NAME) == "example.test"
    assert lookup.trouble() is None


def test_the_servers_at_the_end_of_an_alias_are_asked(zone, dns_at):
    other = Zone("acme.example", "127.0.0.2")
    port = int(dns_at.split(":")[1])
    with other.served("127.0.0.2", port):
        zone.records[NAME, "CNAME"] = ["www.acme.example."]
        # What a resolver knows of the other zone.
        zone.records |= {("acme.example", "SOA"): other.records["acme.example", "SOA"]}
        zone.records |= {("acme.example", "NS"): ["ns1.acme.example."], ("ns1.acme.example", "A"): ["127.0.0.2"]}
        lookup = Lookup("", LOOPBACK, system=resolver_at(dns_at), port=port)
        assert lookup.missing(NAME, VALUE.__eq__).startswith("The DNS server ns1.acme.example")
        other.records["www.acme.example", "TXT"] = [VALUE]
        assert lookup.missing(NAME, VALUE.__eq__) == ""
        assert ("www.acme.example", "TXT") in other.asked
        other.refuses_questions = True
        assert lookup.missing(NAME, VALUE.__eq__).startswith("No DNS server")


def test_servers_of_the_zone_at_forbidden_addresses_are_not_asked(zone, dns_at):
    zone.records["ns1.example.test", "A"] = ["169.254.169.254"]
    lookup = Lookup("", LOOPBACK, system=resolver_at(dns_at), port=int(dns_at.split(":")[1]))
    assert lookup.missing(NAME, VALUE.__eq__) == f"No DNS server answered for {NAME}."


def test_a_zone_without_servers_is_told(zone, dns_at):
    del zone.records["example.test", "NS"]
    with pytest.raises(ProtocolViolation):
        Lookup("", LOOPBACK, system=resolver_at(dns_at)).missing(NAME, VALUE.__eq__)


def test_a_machine_without_a_resolver_says_so():
    def none():
        raise dns.resolver.NoResolverConfiguration

    with pytest.raises(ProtocolViolation) as told:
        Lookup("", LOOPBACK, system=none).zone("www.example.test")
    assert told.value.code == "dns"
    assert told.value.remedy


def closed_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_servers_that_do_not_answer_are_named(monkeypatch):
    monkeypatch.setattr("chancery.protocols.acme.solving.lookup._WAIT", 0.2)
    lookup = Lookup(f"127.0.0.1:{closed_port()}", LOOPBACK)
    message, remedy = lookup.trouble()
    assert "127.0.0.1" in message
    assert remedy
    for ask in (lookup.target, lookup.zone, lambda name: lookup.missing(name, VALUE.__eq__)):
        with pytest.raises(ProtocolViolation):
            ask(NAME)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ns.example", "no address"),
        ("127.0.0.1:x", "no address"),
        ("169.254.169.254", "metadata"),
        ("[::1]:53", "not allowed"),
        ("[::1]", "not allowed"),
        ("10.0.0.1", "not allowed"),
    ],
)
def test_servers_that_may_not_be_asked_are_refused(text, said):
    lookup = Lookup(text, LOOPBACK)
    message, remedy = lookup.trouble()
    assert said in message
    assert remedy
    with pytest.raises(ProtocolViolation):
        lookup.missing(NAME, VALUE.__eq__)


def test_a_plain_address_has_the_usual_port():
    assert Lookup("127.0.0.1", LOOPBACK)._named()[0].port == 53
    assert Lookup("[::1]:5353", AddressPolicy(("::1/128",)))._named()[0].port == 5353


# The provider -----------------------------------------------------------------------------------------


def test_a_refused_login_is_the_connectors_fault_and_tells_no_secret(api):
    with pytest.raises(AuthFailed) as refused:
        provider(api, "wrong-key-0123456789").check("example.test")
    assert refused.value.remedy
    assert "wrong-key-0123456789" not in f"{vars(refused.value)}"


def test_a_provider_that_fails_leaves_the_order_waiting(zone, api):
    zone.refuses = 500
    with pytest.raises(ProtocolViolation) as told:
        provider(api).create("example.test", [Record(NAME, VALUE)])
    assert "500" in told.value.text


def test_a_provider_at_a_forbidden_address_is_not_connected_to(api):
    with pytest.raises(Unreachable) as told:
        provider(api, policy=AddressPolicy()).check("example.test")
    assert "127.0.0.1" in told.value.text


def test_a_provider_that_hangs_is_given_up():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(Unreachable) as told:
            provider(f"http://127.0.0.1:{silent.getsockname()[1]}", wait=1.5).check("example.test")
    assert "1.5 s" in told.value.text


def test_a_process_that_dies_is_told(monkeypatch, api):
    monkeypatch.setattr("chancery.protocols.acme.solving.provider._MODULE", "this")
    with pytest.raises(ProtocolViolation) as told:
        provider(api).check("example.test")
    assert "ended with" in told.value.text


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [("", "a = b", "must be chosen"), ("nobody", "a = b", "must be chosen"), ("powerdns", "", "missing")],
)
def test_settings_that_cannot_do_are_told_before_anything_is_tried(name, lines, said):
    own = Provider(name, Secret(lines) if lines else None, LOOPBACK)
    assert said in own.trouble()[0]
    with pytest.raises(AuthFailed):
        own.check("example.test")


def test_a_line_without_an_option_is_told_and_not_quoted():
    own = Provider("powerdns", Secret("s3cr3t-without-a-name"), LOOPBACK)
    message, remedy = own.trouble()
    assert "s3cr3t" not in message
    assert remedy


def test_the_diagnosis_logs_in_where_the_zone_is_known(zone, dns_at, api):
    assert solver(dns_at, api).trouble() is None
    assert solver(dns_at, api, "example.test").trouble() is None
    assert "chosen" in DnsSolver(Provider("", None, LOOPBACK), Lookup(dns_at, LOOPBACK), "").trouble()[0]
    zone.refuses = 401
    with pytest.raises(AuthFailed):
        solver(dns_at, api, "example.test").trouble()


def test_every_listed_provider_is_there():
    from lexicon._private.discovery import find_providers

    # Amazon's goes out by a client of its own (boto3), around the guard for addresses: not offered, present or not.
    assert set(PROVIDERS) == {n for n, usable in find_providers().items() if usable} - {"auto", "route53"}
    for name in PROVIDERS:
        assert importlib.import_module(f"lexicon._private.providers.{name}").Provider


# The process, called in this one ----------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch):
    """Run `main` here, with the guard taken off again afterwards."""

    def run(**asked):
        before = socket.socket.connect, socket.socket.connect_ex
        document = {
            "act": "create",
            "provider": "powerdns",
            "zone": "example.test",
            "networks": ["127.0.0.0/8"],
            **asked,
        }
        document.setdefault("options", {"auth_token": TOKEN, "pdns_server": asked.pop("api", "")})
        out = io.StringIO()
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(document)))
        monkeypatch.setattr(sys, "stdout", out)
        import tldextract

        offline = tldextract.TLDExtract, tldextract.tldextract.TLD_EXTRACTOR
        try:
            provider_process.main()
            extracted = tldextract.TLDExtract(include_psl_private_domains=True)("www.example.co.uk")
            assert (extracted.domain, extracted.suffix) == ("example", "co.uk")
            assert tldextract.extract("www.example.test").suffix in {"", "test"}
        finally:
            socket.socket.connect, socket.socket.connect_ex = before
            tldextract.TLDExtract, tldextract.tldextract.TLD_EXTRACTOR = offline
        return json.loads(out.getvalue())

    return run


def options(api, **more):
    return {"auth_token": TOKEN, "pdns_server": api, "ttl": "60", **more}


def test_the_process_writes_and_takes_away(zone, api, asked):
    records = [[NAME, VALUE]]
    assert asked(options=options(api), records=records)["kind"] == "ok"
    assert zone.texts(NAME) == [VALUE]
    assert asked(act="delete", options=options(api), records=records)["kind"] == "ok"
    assert asked(act="delete", options=options(api), records=records)["kind"] == "ok"
    assert zone.texts(NAME) == []


def test_the_process_tells_a_login_from_a_fault(zone, api, asked):
    assert asked(options=options(api, auth_token="wrong"), records=[])["kind"] == "login"
    zone.refuses = 500
    assert asked(options=options(api), records=[])["kind"] == "other"
    assert asked(options={}, records=[])["kind"] == "other"


def test_the_process_connects_nowhere_that_is_not_allowed(api, asked):
    told = asked(options=options(api), records=[], networks=[])
    assert (told["kind"], "127.0.0.1" in told["text"]) == ("away", True)


def test_local_sockets_are_not_connected_to_either(tmp_path):
    before = socket.socket.connect, socket.socket.connect_ex
    try:
        provider_process.guard(LOOPBACK)
        with socket.socket(socket.AF_UNIX) as own, pytest.raises(OSError, match="local socket"):
            own.connect(str(tmp_path / "socket"))
    finally:
        socket.socket.connect, socket.socket.connect_ex = before


def test_a_login_that_the_library_itself_refuses_is_a_login():
    from lexicon.exceptions import AuthenticationError

    assert provider_process._kind(AuthenticationError("no")) == "login"
    assert provider_process._kind(__import__("requests").HTTPError("no")) == "other"


# The standing record ----------------------------------------------------------------------------------

PERSIST = Task("example.test", "dns", account="https://ca.example/acct/1", issuers=("ca.example", "ca2.example"))
PERSIST_NAME = "_validation-persist.example.test"


@pytest.mark.parametrize(
    ("text", "wildcard", "fits"),
    [
        ("ca.example; accounturi=https://ca.example/acct/1", False, True),
        ("CA2.example.; accounturi=https://ca.example/acct/1", False, True),
        ("ca.example;accounturi=https://ca.example/acct/1;policy=wildcard", True, True),
        ("ca.example; accounturi=https://ca.example/acct/1", True, False),
        ("ca.example; accounturi=https://ca.example/acct/2", False, False),
        ("other.example; accounturi=https://ca.example/acct/1", False, False),
        ("ca.example", False, False),
        ("ca.example; accounturi=https://ca.example/acct/1; persistUntil=1", False, False),
        ("ca.example; accounturi=https://ca.example/acct/1; persistUntil=99999999999", False, True),
        ("ca.example; accounturi=https://ca.example/acct/1; persistUntil=soon", False, False),
    ],
)
def test_a_standing_record_is_recognised(zone, dns_at, text, wildcard, fits):
    own = PersistSolver(Lookup(dns_at, LOOPBACK), ManualClock(START))
    task = Task(**{**{n: getattr(PERSIST, n) for n in PERSIST.__slots__}, "wildcard": wildcard})
    assert own.present([task]) == ()
    zone.records[PERSIST_NAME, "TXT"] = [text]
    missing = own.missing([task])
    assert bool(missing) is not fits
    if missing:
        wide = "; policy=wildcard" if wildcard else ""
        assert missing == [
            f'Put a TXT record at {PERSIST_NAME} with the value "ca.example; accounturi=https://ca.example/acct/1{wide}".'
        ]
    own.clean([task])
    assert zone.texts(PERSIST_NAME) == [text]
    assert own.trouble() is None


@pytest.mark.parametrize("issuers", [(), tuple(f"ca{i}.example" for i in range(11))])
def test_a_challenge_with_no_issuer_or_too_many_is_refused(dns_at, issuers):
    own = PersistSolver(Lookup(dns_at, LOOPBACK), ManualClock(START))
    with pytest.raises(ValidationFailed):
        own.present([Task("example.test", "dns", issuers=issuers)])


def test_settings_lead_to_their_solver():
    door = HttpDoor("http://127.0.0.1:1", clock=ManualClock(START), policy=LOOPBACK)
    context = Context(door, door.clock, None)
    dns_settings = DnsSettings("powerdns", Secret("auth_token = x"))
    made = {kind: solver_for(kind, dns_settings, context) for kind in ("none", "http-01", "dns-01", "dns-persist-01")}
    assert made.pop("none") is None
    assert {kind: one.type for kind, one in made.items()} == {kind: kind for kind in made}


# Whole orders -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("www.example.test",), ("example.test", "*.example.test")])
def test_an_order_is_validated_by_records_that_come_and_go(zone, dns_at, api, names):
    with stand(validation="look", dns_at=dns_at) as place:
        steps, asked = place.steps(solver=solver(dns_at, api)), request(*names)
        outcome = place.until(steps, asked, "presented")
        zone.hidden = True
        waits = steps.poll(outcome.state, asked)
        assert "does not show the TXT record" in waits.text
        assert steps.poll(waits.state, asked).next_check > waits.next_check
        zone.hidden = False
        place.finish(steps, waits, asked)
        assert place.ordered() == 1
        assert not any(zone.texts(f"_acme-challenge.{name.removeprefix('*.')}") for name in names)


def test_an_order_that_fails_leaves_no_record(zone, dns_at, api):
    with stand(validation="refuse") as place:
        steps, asked = place.steps(solver=solver(dns_at, api)), request("www.example.test")
        with pytest.raises(ValidationFailed):
            place.finish(steps, steps.submit(asked, PLAIN), asked)
    assert zone.texts(NAME) == []


def test_an_order_waits_until_a_person_put_the_standing_record(zone, dns_at):
    with stand(validation="look", dns_at=dns_at) as place:
        own = PersistSolver(Lookup(dns_at, LOOPBACK), place.clock)
        steps, asked = place.steps(solver=own), request("example.test", "*.example.test")
        outcome = steps.poll(place.until(steps, asked, "presented").state, asked)
        assert outcome.kind == "action"
        told = re.findall(r'at (\S+) with the value "(.*?)"', outcome.text)
        assert [name for name, _ in told] == [PERSIST_NAME] * 2
        zone.records[PERSIST_NAME, "TXT"] = [max((text for _, text in told), key=len)]
        place.finish(steps, outcome, asked)
        assert place.ordered() == 1
        again = request("example.test")
        place.finish(place.steps(solver=own), steps.submit(again, PLAIN), again)
