"""The contract over the web services, and over RPC; and what a managing account adds to any transport."""

import hashlib
import logging
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from pydantic import ValidationError

from chancery.authorities.adcs.authority import Adcs
from chancery.authorities.adcs.tests.stand import request
from chancery.core.certificate import facts
from chancery.core.order import RevocationReason
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.net.connect import Guard
from chancery.protocols.msrpc import simulator as rpc
from chancery.protocols.negotiate.simulator.access import DOMAIN, USER, Access
from chancery.protocols.negotiate.simulator.access import PASSWORD as LOGIN_PASSWORD
from chancery.protocols.negotiate.simulator.dials import LoginDials
from chancery.protocols.wstep import simulator as soap
from chancery.protocols.wstep.simulator.dials import WstepDials
from chancery.sandbox.dials import Dials
from chancery.sandbox.faults import PLAYABLE, player
from chancery.sandbox.frame import Reply
from chancery.sdk import (
    Absence,
    AuthFailed,
    Context,
    Forbidden,
    Found,
    HttpDoor,
    Issued,
    Level,
    ListedState,
    OutcomeUnknown,
    Pending,
    ProtocolViolation,
    RejectedByPolicy,
    Target,
    describe,
)
from chancery.sdk.config import destination_names
from chancery.sdk.testing import START, Case, Conformance, Fault, ManualClock, watch

ORDERED = {}
SERVICES = {
    "transport": "ces",
    "authentication": "usernametoken",
    "username": soap.USER,
    "password": soap.PASSWORD,
    "ca_name": soap.CA_NAME,
    "policy_path": "ADPolicyProvider_CEP_UsernamePassword/service.svc/CEP",
    "templates": "WebServer30 = Web server",
}


class Noted(Adcs):
    """Adcs, with a note of which request belongs to which reference."""

    def submit(self, asked):
        ORDERED[asked.reference] = hashlib.sha256(asked.csr).hexdigest()
        return super().submit(asked)


class TestServices(Conformance):
    authority = Noted

    @contextmanager
    def case(self):
        clock = ManualClock(START)
        with soap.build(clock=clock) as simulator:
            ledger = simulator.ledger
            yield Case(
                config=SERVICES,
                profile={"template": "WebServer30"},
                base_url=simulator.url,
                ordered=lambda reference: ledger.orders_by_csr()[ORDERED.get(reference, "")],
                play=player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds))),
                playable=PLAYABLE - {Fault.GARBLES, Fault.HUGE},
                clock=clock,
                validity=timedelta(days=30),
            )


class Direct(Noted):
    """Over RPC: the suite's line speaks HTTP, so its faults are played by the simulator alone."""

    outside = False

    def __init__(self, config, context):
        door = HttpDoor("https://127.0.0.1", clock=context.clock, policy=AddressPolicy(("127.0.0.0/8",)), timeout=5.0)
        super().__init__(config, Context(door, context.clock, context.log))


def settings_of_rpc(port):
    return {
        "transport": "rpc",
        "authentication": "ntlm",
        "username": rpc.USER,
        "password": rpc.PASSWORD,
        "manager_username": rpc.MANAGER,
        "manager_password": rpc.PASSWORD,
        "ca_name": f"ca01.example.test\\{rpc.CA_NAME}",
        "rpc_port": port,
        "templates": "WebServer30 = Web server",
    }


class TestRpc(Conformance):
    authority = Direct

    @contextmanager
    def case(self):
        clock = ManualClock(START)
        with rpc.build(clock=clock) as simulator:
            yield Case(
                config=settings_of_rpc(simulator.port),
                profile={"template": "WebServer30"},
                ordered=lambda reference: simulator.ledger.orders_by_csr()[ORDERED.get(reference, "")],
                play=player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds))),
                playable=PLAYABLE - {Fault.THROTTLES},
                clock=clock,
                validity=timedelta(days=30),
            )

    def test_it_reaches_the_ca_by_its_door_alone(self, bench, monkeypatch):
        """RPC does not go through the HTTP door; every connection is one of the guard's all the same."""
        connect = Guard.connect_tcp

        def through(guard, *values, **more):
            watch._inside.door = True
            try:
                return connect(guard, *values, **more)
            finally:
                watch._inside.door = False

        monkeypatch.setattr(Guard, "connect_tcp", through)
        super().test_it_reaches_the_ca_by_its_door_alone(bench)


del Conformance


class Both:
    """The web services and RPC of one CA: two faces over one database."""

    def __init__(self):
        self.clock = ManualClock(START)
        self.rpc = rpc.build(clock=self.clock)
        self.soap = soap.build(clock=self.clock, database=self.rpc.database, ledger=self.rpc.ledger)
        self.doors = []

    def connector(self, **more):
        secret = {k: Secret(v) for k, v in more.items() if k in {"password", "manager_password"}}
        values = {**SERVICES, "password": Secret(soap.PASSWORD), **more, **secret}
        values = {k: v for k, v in values.items() if v is not None}
        config = Adcs.config(**values)
        door = HttpDoor(self.soap.url, clock=self.clock, policy=AddressPolicy(("127.0.0.0/8",)), timeout=5.0)
        self.doors.append(door)
        return Adcs(config, Context(door, self.clock, logging.getLogger("chancery.authority.adcs")))

    def managed(self, **more):
        more = {"manager_username": rpc.MANAGER, "manager_password": rpc.PASSWORD, "rpc_port": self.rpc.port, **more}
        return self.connector(ca_name=rpc.CA_NAME, path=PATH, **more)


PATH = f"{soap.CA_NAME}_CES_UsernamePassword/service.svc/CES"


@pytest.fixture(scope="module")
def both():
    made = Both()
    with made.rpc, made.soap:
        yield made
        for door in made.doors:
            door.close()


def ask(template="WebServer30", reference="0191-a"):
    return request(template=template, reference=reference, at=START)


def test_a_managing_account_gives_the_web_services_what_they_lack(both):
    managed, asked = both.managed(), ask("ApprovedServer")
    waits = managed.submit(asked)
    assert isinstance(waits, Pending)
    found = managed.find(asked, START - timedelta(days=1))
    assert isinstance(found, Found)
    managed.cancel(waits.state, asked)
    with pytest.raises(RejectedByPolicy) as denied:
        managed.poll(waits.state, asked)
    assert denied.value.code == "0x80094014"
    issued = managed.submit(ask(reference="0191-b"))
    assert isinstance(issued, Issued)
    target = Target(issued.leaf, facts(issued.leaf).serial, issued.reference)
    assert managed.revoke(target, RevocationReason.SUPERSEDED, "")
    assert isinstance(managed.find(ask(reference="never"), START + timedelta(days=1)), Absence)
    (entry,) = [e for e in managed.inventory(None).entries if e.reference == issued.reference]
    assert (entry.certificate, entry.state) == (issued.leaf, ListedState.REVOKED)
    assert managed.fetch(issued.reference).leaf == issued.leaf
    assert {f.level for f in managed.check()} == {Level.OK}
    assert [f.stage for f in managed.check()] == ["login", "rights", "rights", "rights", "product", "chain"]


def test_without_one_nothing_is_offered_that_cannot_be_done(both):
    bare = both.connector(manager_username="")
    for act in (
        lambda: bare.cancel({"request": 5}, ask()),
        lambda: bare.revoke(Target(b"", "ab", ""), RevocationReason.SUPERSEDED, ""),
        lambda: bare.inventory(None),
        lambda: bare.fetch("5"),
    ):
        with pytest.raises(Forbidden) as refused:
            act()
        assert refused.value.remedy
    with pytest.raises(RejectedByPolicy, match="search"):
        bare.find(ask(), START)
    with pytest.raises(ProtocolViolation):
        bare.poll_revocation({}, Target(b"", "ab", ""))


MANY = 1000


@pytest.mark.parametrize("size", [20, pytest.param(MANY, marks=pytest.mark.long)])
@pytest.mark.parametrize("transport", ["ces", "rpc"])
def test_every_order_whose_answer_is_lost_is_settled_by_the_managing_account(both, transport, size, result):
    """By either transport: the CA acts, the answer is lost, and the CA's database says what became of it."""
    direct = {"transport": "rpc", "authentication": "ntlm", "username": rpc.USER, "password": rpc.PASSWORD}
    managed = both.managed(**(direct if transport == "rpc" else {}))
    faulty, before = both.rpc if transport == "rpc" else both.soap, len(both.rpc.ledger.lines("order"))
    everything = Counter()
    for n in range(size):
        both.clock.advance(timedelta(hours=3))
        asked = request(template="WebServer30", reference=f"lost-{transport}-{size}-{n}", at=both.clock.now())
        everything[hashlib.sha256(asked.csr).hexdigest()] += 1
        faulty.dials.set(error_after=1.0)
        with pytest.raises(OutcomeUnknown):
            managed.submit(asked)
        faulty.dials.set(error_after=0.0)
        found = managed.find(asked, asked.intended_at - timedelta(minutes=5))
        assert isinstance(found, Found), f"order {n} is not found: sent again, it would be there twice"
        assert isinstance(found.outcome, Issued)
    made = both.rpc.ledger.lines("order")[before:]
    assert Counter(line.csr_sha256 for line in made) == everything
    assert len(everything) == size
    of = f"doubled of {size} at AD CS by {transport}, each with its answer lost: {size} settled, 0 open"
    if size == MANY:
        result("R7", 0, of, part=f"adcs-{transport}", database="–")


MANAGED = {"adopts", "chooses", "finds", "lists", "revokes", "cancels", "releases"}


@pytest.mark.parametrize(
    ("settings", "powers"),
    [
        ({"transport": "ces"}, {"adopts", "chooses"}),
        ({"transport": "rpc"}, {"adopts", "chooses"}),
        ({"transport": "certsrv"}, {"adopts", "chooses"}),
        ({"transport": "ces", "manager_username": "m"}, MANAGED),
        (
            {"transport": "certsrv", "manager_username": "m"},
            MANAGED,
        ),
    ],
)
def test_powers_are_those_of_the_settings(settings, powers):
    assert describe(Adcs, settings).powers == powers


@pytest.mark.parametrize(
    ("transport", "login"),
    [
        ("certsrv", "usernametoken"),
        ("ces", "basic"),
        ("rpc", "certificate"),
        ("rpc", "basic"),
        ("rpc", "usernametoken"),
    ],
)
def test_a_login_that_a_transport_does_not_have_is_refused_when_it_is_typed(transport, login):
    with pytest.raises(ValidationError, match="has no login of this kind"):
        Adcs.config(ca_name="CA", transport=transport, authentication=login)


def test_no_password_goes_to_another_host_than_the_base_url_says():
    with pytest.raises(ValidationError, match="below the base URL"):
        Adcs.config(ca_name="CA", path="https://elsewhere.example/CES")
    assert {"policy_path", "ca_host", "rpc_port", "directory_host"} == destination_names(Adcs.config)


def test_templates_are_offered_with_what_stands_in_their_way(both):
    offered = {c.value: c for c in both.connector(templates="WebServer30 = Ours\nElsewhere").choices("template")}
    assert offered["WebServer30"].label == "Ours"
    assert offered["ApprovedServer"].label.endswith("(every request waits for a manager)")
    assert offered["ForAdmins"].detail["usable"] is False
    assert "not shown" in offered["Elsewhere"].label
    assert [c.value for c in both.connector(policy_path="").choices("template")] == ["WebServer30"]
    assert both.connector().choices("other") == []
    assert both.connector(setup_type="standalone").choices("template") == []


def test_a_missing_password_is_said_before_anything_is_sent(both):
    with pytest.raises(AuthFailed, match="missing"):
        both.connector(username="").submit(ask())


@pytest.mark.parametrize(
    ("code", "denies", "kind"),
    [
        ("8000FFFF", False, OutcomeUnknown),
        ("8007000D", False, OutcomeUnknown),
        ("8000FFFF", True, RejectedByPolicy),
        ("80094011", True, Forbidden),
    ],
)
def test_a_refusal_is_said_by_our_table_and_what_it_does_not_know_stays_open(both, code, denies, kind):
    both.soap.dials.set(fault_code=code, fault_denies=denies)
    try:
        with pytest.raises(kind) as refused:
            both.connector().submit(ask(reference=f"refused-{code}"))
    finally:
        both.soap.dials.set(fault_code="", fault_denies=False)
    assert refused.value.code == f"0x{code}"
    assert refused.value.remedy


def test_a_login_by_certificate_goes_to_its_own_address(both):
    connector = both.connector(authentication="certificate", policy_path="")
    assert isinstance(connector.submit(ask(reference="by-certificate")), Issued)


@dataclass
class BehindIis(WstepDials, LoginDials):
    """The dials of the services and of the login before them."""


def test_the_services_are_spoken_to_behind_a_login_by_ntlm(both):
    dials = Dials().widen(BehindIis)
    services = soap.build(clock=both.clock, dials=dials)
    access, inside = Access(dials), services._answer

    def answer(asked):
        account = access.admit(asked)
        return account if isinstance(account, Reply) else inside(asked)

    services._answer = answer
    with services:
        door = HttpDoor(services.url, clock=both.clock, policy=AddressPolicy(("127.0.0.0/8",)), timeout=5.0)
        more = {"authentication": "ntlm", "username": f"{DOMAIN}\\{USER}", "policy_path": ""}
        config = {**SERVICES, **more, "password": Secret(LOGIN_PASSWORD)}
        log = logging.getLogger("chancery.authority.adcs")
        assert isinstance(
            Adcs(Adcs.config(**config), Context(door, both.clock, log)).submit(ask(reference="n")), Issued
        )
        wrong = Adcs(Adcs.config(**{**config, "password": Secret("wrong-word")}), Context(door, both.clock, log))
        with pytest.raises(AuthFailed):
            wrong.submit(ask(reference="n2"))
        door.close()
    assert len(services.ledger.lines("order")) == 1


def test_warnings_come_with_what_is_issued_by_rpc_too(both):
    managed = both.managed(transport="rpc", authentication="ntlm", username=rpc.USER, password=rpc.PASSWORD)
    assert managed.submit(ask(reference="quiet")).warnings == ()
    issued = managed.submit(ask("Anybody", reference="warned"))
    assert "logging in as a client" in issued.warnings[0]
    assert managed.fetch(issued.reference).warnings == issued.warnings
    again = managed.adopt(issued.reference, ask(reference="warned"))
    assert again.outcome.warnings == issued.warnings
    assert managed.choices("other") == []
