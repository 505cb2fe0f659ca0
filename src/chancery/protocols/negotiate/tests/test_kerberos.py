"""What can be said of Kerberos without a domain; against a real one it is tried in tests/interop."""

import base64
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import spnego

from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.negotiate import Login, tokens
from chancery.protocols.negotiate.failures import of_library
from chancery.protocols.negotiate.settings import Credentials, Way
from chancery.protocols.negotiate.simulator import build
from chancery.protocols.negotiate.tokens import Tokens, offer
from chancery.sandbox.der import read_one
from chancery.sdk.answer import Answer
from chancery.sdk.errors import AuthFailed, Unreachable
from chancery.sdk.http import HttpDoor

ACCOUNT = Credentials(Way.KERBEROS, "svc@corp.example", Secret("pw"))
BASE = -1765328384


class Context:
    """Stands in for the library's context: what it was made from, and which tokens it gave."""

    complete = True

    def __init__(self, account, **more):
        self.account, self.more, self.given = account, more, []
        keytab = getattr(account, "keytab", "")
        self.read = Path(keytab.removeprefix("FILE:")).read_bytes() if keytab else b""

    def step(self, given, channel_bindings=None):
        self.given.append(given)
        return b"token"

    def new_context(self):
        return self


@pytest.fixture
def made(monkeypatch):
    seen = []
    monkeypatch.setattr(tokens, "has_kerberos", lambda: True)
    monkeypatch.setattr(spnego, "client", lambda account, **more: seen.append(Context(account, **more)) or seen[-1])
    return seen


def test_the_password_serves_kerberos_alone_and_the_spn_is_the_hosts(made):
    assert Tokens(ACCOUNT, "pki.corp.example", "Negotiate", None).step() == offer(b"token")
    context = made[0]
    assert (context.account.username, context.account.supported_protocols) == ("svc@CORP.EXAMPLE", ["kerberos"])
    assert (context.more["service"], context.more["hostname"], context.more["protocol"]) == (
        "HTTP",
        "pki.corp.example",
        "kerberos",
    )
    # One token is the whole login: nothing is left to be said by the server.
    assert not context.more["context_req"] & spnego.ContextReq.mutual_auth


def test_an_spn_that_is_typed_goes_before_the_hosts(made):
    account = Credentials(Way.KERBEROS, "svc@corp.example", Secret("pw"), spn="HTTP/other.corp.example")
    Tokens(account, "pki.corp.example", "Negotiate", None).step()
    assert (made[0].more["service"], made[0].more["hostname"]) == ("HTTP", "other.corp.example")


def test_each_request_is_proven_anew_with_the_same_ticket(made):
    one = Tokens(ACCOUNT, "pki.corp.example", "Negotiate", None)
    assert (one.step(), one.again(), one.complete) == (offer(b"token"), offer(b"token"), True)
    assert len(made) == 1
    assert made[0].given == [None, None]


def test_a_keytab_is_a_file_for_as_long_as_it_is_read(made):
    account = Credentials(Way.KERBEROS, "svc@corp.example", keytab=Secret(base64.b64encode(b"\5\2keys").decode()))
    Tokens(account, "pki.corp.example", "Negotiate", None).step()
    context = made[0]
    assert context.read == b"\5\2keys"
    with pytest.raises(FileNotFoundError):
        Path(context.account.keytab.removeprefix("FILE:")).read_bytes()


@pytest.mark.parametrize(
    ("account", "code"),
    [
        (Credentials(Way.KERBEROS, "CORP\\svc", Secret("pw")), "realm"),
        (Credentials(Way.KERBEROS, "svc@corp.example", keytab=Secret("no base 64!")), "keytab"),
    ],
)
def test_what_cannot_work_is_said_before_anybody_is_asked(made, account, code):
    with pytest.raises(AuthFailed) as caught:
        Tokens(account, "pki.corp.example", "Negotiate", None).step()
    assert (caught.value.code, caught.value.stage, made) == (code, "request", [])


def library_error(offset, attribute="err_code"):
    inner = Exception("as the library words it")
    setattr(inner, attribute, BASE + offset if attribute == "err_code" else (BASE + offset) % 2**32)
    return spnego.exceptions.BadMechanismError(base_error=inner)


@pytest.mark.parametrize("attribute", ["err_code", "min_code"])
@pytest.mark.parametrize(
    ("offset", "kind", "word"),
    [
        (6, AuthFailed, "account"),
        (7, AuthFailed, "SPN"),
        (18, AuthFailed, "locked"),
        (24, AuthFailed, "password"),
        (37, AuthFailed, "clock"),
        (156, Unreachable, "Kerberos server"),
        (181, AuthFailed, "keytab"),
    ],
)
def test_the_domains_reasons_are_told(offset, kind, word, attribute):
    error = of_library(library_error(offset, attribute), ACCOUNT, "pki.corp.example")
    assert type(error) is kind
    assert word in error.message
    assert "as the library words it" in error.text
    assert error.remedy
    assert error.bytes_sent is False


def test_any_other_reason_keeps_the_librarys_words():
    full = of_library(OSError(28, "No space left on device"), ACCOUNT, "pki.corp.example")
    assert (type(full), full.code, full.bytes_sent) == (Unreachable, "temporary_file", False)
    error = of_library(ValueError("something else"), ACCOUNT, "pki.corp.example")
    assert (error.code, error.text) == ("kerberos", "something else")
    endless = ValueError("ring")
    endless.base_error = endless
    assert of_library(endless, ACCOUNT, "x").code == "kerberos"


def test_an_error_of_a_later_token_is_translated_as_well(made):
    one = Tokens(ACCOUNT, "pki.corp.example", "Negotiate", None)
    one.step()
    made[0].new_context = lambda: SimpleNamespace(step=None)
    with pytest.raises(AuthFailed):
        one.again()


def test_a_number_that_is_not_known_is_passed_on():
    assert of_library(library_error(99), ACCOUNT, "x").code == "kerberos"


class Domain:
    """Both sides of a ticket: what the initiator says, and an acceptor that takes each ticket once."""

    def __init__(self, legs=1):
        self.legs, self.used = legs, []

    def client(self, account, **more):
        del account, more
        return Ticket(self)

    def acceptor(self, scheme):
        del scheme
        return Accepting(self)


class Ticket:
    complete = False

    def __init__(self, domain):
        self.domain = domain
        self.made = 0

    def step(self, given, channel_bindings=None):
        self.complete = given == b"server's proof"
        self.made += 1
        return b"ticket"

    def new_context(self):
        return Ticket(self.domain)


class Accepting:
    client_principal = "svc@CORP.EXAMPLE"

    def __init__(self, domain):
        self.domain, self.complete = domain, False

    def step(self, token, channel_bindings=None):
        self.domain.used.append(token)
        self.complete = len(self.domain.used) >= self.domain.legs
        return b"more, please"


@pytest.fixture
def domain(monkeypatch):
    made = Domain()
    monkeypatch.setattr(tokens, "has_kerberos", lambda: True)
    monkeypatch.setattr(spnego, "client", made.client)
    return made


def kerberos(domain, **dials):
    door = None
    with build(acceptor=domain.acceptor) as iis:
        iis.dials.set(**dials)
        door = HttpDoor(iis.url, clock=SYSTEM_CLOCK, policy=AddressPolicy(("127.0.0.0/8",)))
        try:
            with Login(door, ACCOUNT, "page").session() as session:
                return session.seen, session.first.json(), session.get("other").json(), len(iis.ledger.lines())
        finally:
            door.close()


def test_kerberos_sends_a_token_with_each_request_over_one_connection(domain):
    seen, first, other, _ = kerberos(domain)
    assert seen.scheme == "Negotiate"
    assert (first["account"], first["connection"]) == (other["account"], other["connection"])
    assert domain.used == [offer(b"ticket"), offer(b"ticket")]


def test_a_server_that_asks_for_ever_more_tokens_is_given_up(domain):
    domain.legs = 99
    with pytest.raises(AuthFailed):
        kerberos(domain)
    assert len(domain.used) == 4


def test_the_servers_own_proof_is_looked_at(domain, monkeypatch):
    stepped = []
    monkeypatch.setattr(Ticket, "step", lambda self, given, channel_bindings=None: stepped.append(given) or b"t")
    page = Answer(
        200, {"www-authenticate": f"Negotiate {base64.b64encode(b'proof').decode()}"}, b"{}", SYSTEM_CLOCK.now()
    )
    door = Door(page)
    with Login(door, ACCOUNT, "page").session() as session:
        assert session.first is page
    assert stepped == [None, b"proof"]


class Door:
    """Asks for Negotiate once, then answers as it is told."""

    base_url = "https://pki.corp.example"

    def __init__(self, page):
        self.page = page

    @contextmanager
    def connection(self):
        yield SimpleNamespace(certificate=None)

    def get(self, path, headers, over):
        first = Answer(401, {"www-authenticate": "Negotiate"}, b"", SYSTEM_CLOCK.now())
        return self.page if "Authorization" in headers else first


@pytest.mark.parametrize("installed", [True, False])
def test_it_asks_the_library_whether_kerberos_is_there(monkeypatch, installed):
    monkeypatch.setattr("spnego._gss.HAS_GSSAPI", installed)
    assert tokens.has_kerberos() is installed


@pytest.mark.parametrize("size", [1, 100, 127, 128, 200, 256, 3000, 70_000])
def test_a_token_is_offered_alone_and_whole(size):
    token = bytes(range(256)) * 300
    outer = read_one(offer(token[:size]))
    assert outer.tag == 0x60
    mechanism, choice = outer.parts()
    assert mechanism.inside.hex() == "2b0601050502"  # 1.3.6.1.5.5.2
    types, mine = choice.parts()[0].parts()
    assert [t.inside.hex() for t in types.parts()[0].parts()] == ["2a864886f712010202"]  # 1.2.840.113554.1.2.2
    assert mine.parts()[0].inside == token[:size]
