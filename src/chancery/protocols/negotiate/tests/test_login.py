"""Logins at an IIS that holds its connections to account: NTLM bare and inside Negotiate, Basic, client certificate."""

import logging

import pytest
from spnego._context import GSSMech

from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.net.identity import ClientIdentity
from chancery.protocols.negotiate import Credentials, Login, Way, tokens
from chancery.protocols.negotiate.client import offers, token_in
from chancery.protocols.negotiate.simulator import PASSWORD, USER, build, make
from chancery.protocols.negotiate.tokens import Tokens, negotiating
from chancery.sdk.answer import Answer
from chancery.sdk.errors import AuthFailed, Unreachable
from chancery.sdk.http import HttpDoor

ACCOUNT = f"SANDBOX\\{USER}"
NTLM = Credentials(Way.NTLM, ACCOUNT, Secret(PASSWORD))
BASIC = Credentials(Way.BASIC, ACCOUNT, Secret(PASSWORD))
KERBEROS = Credentials(Way.KERBEROS, f"{USER}@sandbox.example", Secret(PASSWORD))


@pytest.fixture(scope="module")
def front():
    return make()


@pytest.fixture
def iis(front):
    with build(front=front) as made:
        yield made


@pytest.fixture
def login(iis, front):
    doors = []

    def make_login(credentials=NTLM, url="", trust=front.root_pem, **more):
        door = HttpDoor(
            url or iis.url,
            clock=SYSTEM_CLOCK,
            policy=AddressPolicy(("127.0.0.0/8",)),
            trust_pem=trust,
            timeout=10.0,
            **more,
        )
        doors.append(door)
        return Login(door, credentials, "page")

    yield make_login
    for door in doors:
        door.close()


def refused(login):
    with pytest.raises(AuthFailed) as caught, login.session():
        pass
    assert caught.value.bytes_sent is False
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    ("offered", "scheme"), [("Negotiate,NTLM", "NTLM"), ("Negotiate", "Negotiate"), ("ntlm", "NTLM")]
)
def test_ntlm_logs_in_bound_to_tls_and_everything_goes_over_that_connection(iis, login, offered, scheme):
    iis.dials.set(logins=offered)
    with login().session() as session:
        answers = [session.first.json(), session.get("other").json()]
        answers.append(session.request("POST", "act", content=b"x" * 9000, effect=True).json())
    assert (session.seen.scheme, session.seen.bound, session.seen.anonymous) == (scheme, True, False)
    assert {a["account"] for a in answers} == {ACCOUNT}
    assert len({a["connection"] for a in answers}) == 1
    assert len(iis.ledger.lines()) == 1


@pytest.mark.parametrize("offered", ["NTLM", "Negotiate"])
def test_a_login_without_its_binding_is_refused_where_it_is_required(iis, login, offered):
    iis.dials.set(logins=offered)
    unbound = Credentials(Way.NTLM, ACCOUNT, Secret(PASSWORD), binding=False)
    assert "No channel binding" in refused(login(unbound)).remedy
    iis.dials.set(epa="accepted")
    with login(unbound).session() as session:
        assert session.seen.bound is False
    with login().session() as session:
        assert session.seen.bound is True
    iis.dials.set(epa="off")
    with login(unbound).session() as session:
        assert session.first.status == 200


def test_a_binding_to_another_certificate_is_refused_even_where_none_is_required(front, login):
    # A proxy that ends TLS: it shows its own certificate, and IIS behind it has another one.
    from chancery.protocols.negotiate.simulator import Access, LoginDials
    from chancery.sandbox.dials import Dials
    from chancery.sandbox.frame import Simulator, json_reply
    from chancery.sandbox.ledger import Ledger

    dials = Dials(kind=LoginDials)
    behind = Access(dials, make())

    def answer(asked):
        account = behind.admit(asked)
        return json_reply({"account": account}) if isinstance(account, str) else account

    proxy = Simulator("proxy", answer, prefix="", ledger=Ledger(), dials=dials, clock=SYSTEM_CLOCK)
    proxy.tls = front.context
    with proxy:
        for epa in ("required", "accepted"):
            dials.set(epa=epa)
            error = refused(login(url=proxy.url))
            assert "a proxy that ends TLS between here and IIS" in error.remedy
        dials.set(epa="off")
        with login(url=proxy.url).session() as session:
            assert session.first.status == 200


def test_a_wrong_password_is_refused_and_not_told(iis, login):
    wrong = Credentials(Way.NTLM, ACCOUNT, Secret("wrong-password-4711"))
    error = refused(login(wrong))
    assert (error.code, "401 - Unauthorized" in error.text) == ("401", True)
    assert "wrong-password-4711" not in f"{vars(error)}"
    assert "password" in error.remedy


def test_a_password_that_looks_like_a_hash_is_a_password(login):
    error = refused(login(Credentials(Way.NTLM, ACCOUNT, Secret(f"{'0' * 32}:{'a' * 32}"))))
    assert error.code == "401"


def test_a_server_that_closes_connections_is_told_before_anything_is_sent(iis, login):
    iis.dials.set(closes=True)
    with pytest.raises(Unreachable) as caught, login().session():
        pass
    assert (caught.value.code, caught.value.bytes_sent) == ("parted", False)


def test_a_login_that_ends_in_the_middle_is_refused_with_what_was_offered(iis, login):
    with login().session() as session:
        iis.dials.set(refuse_key=True)
        with pytest.raises(AuthFailed) as caught:
            session.request("POST", "act", effect=True)
    assert caught.value.bytes_sent is False
    assert iis.ledger.lines() == []


def test_a_server_with_another_mechanism_inside_negotiate_is_no_crash(iis, login):
    for offered in ("Negotiate", "NTLM"):
        iis.dials.set(logins=offered, odd_token=True)
        error = refused(login())
        assert error.code == "mechanism"
        assert "Kerberos" in error.remedy


def test_what_is_not_offered_is_named_with_what_is(iis, login):
    iis.dials.set(logins="Basic")
    error = refused(login())
    assert (error.code, "offers: Basic" in error.message) == ("not_offered", True)
    iis.dials.set(logins="")
    assert "none at all" in refused(login()).message
    iis.dials.set(logins="NTLM")
    assert "Negotiate" in refused(login(KERBEROS)).message
    assert "NTLM" in refused(login(BASIC)).remedy


def test_a_server_that_asks_for_no_login_is_told_as_such(iis, login):
    iis.dials.set(anonymous=True)
    with login().session() as session:
        assert session.seen.anonymous
        assert session.get("other").json()["account"] == "anonymous"


def test_basic_sends_the_password_with_every_request(iis, login):
    iis.dials.set(logins="Negotiate,Basic")
    with login(BASIC).session() as session:
        assert session.get("other").json()["account"] == ACCOUNT
        assert session.seen.scheme == "Basic"
    assert "Check user name" in refused(login(Credentials(Way.BASIC, ACCOUNT, Secret("wrong")))).remedy


def test_basic_never_goes_out_without_tls():
    door = HttpDoor("http://pki.example.com", clock=SYSTEM_CLOCK)
    with pytest.raises(Unreachable) as caught, Login(door, BASIC, "page").session():
        pass
    assert caught.value.bytes_sent is False


def test_a_client_certificate_needs_no_header(iis, front, login):
    own = Credentials(Way.CERTIFICATE)
    identity = ClientIdentity(front.client_pem, Secret(front.client_key))
    with login(own, client_identity=identity).session() as session:
        assert session.get("other").json()["account"] == "SANDBOX\\mapped"
        assert session.seen.scheme == "TLS"
    assert "mapped to an account" in refused(login(own)).remedy


def test_over_plain_http_to_this_machine_there_is_nothing_to_bind_to(login):
    with build() as plain, login(url=plain.url).session() as session:
        assert (session.first.status, session.seen.bound) == (200, False)


def test_no_token_reaches_the_log(iis, login, caplog):
    with caplog.at_level(logging.DEBUG), login().session():
        pass
    assert "TlRMTVNTUA" not in caplog.text  # NTLMSSP in Base64
    assert [r for r in caplog.records if r.name.startswith("spnego")] == []


def answer(header):
    return Answer(401, {"www-authenticate": header} if header else {}, b"", SYSTEM_CLOCK.now())


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Negotiate, NTLM", ("Negotiate", "NTLM")),
        ('Negotiate, Basic realm="pki, of example", NTLM', ("Negotiate", "Basic", "NTLM")),
        ("Negotiate YWJj, NTLM", ("Negotiate", "NTLM")),
        ("NTLM, NTLM", ("NTLM",)),
        ("", ()),
    ],
)
def test_the_schemes_of_a_challenge(header, found):
    assert set(found) <= set(offers(answer(header)))
    assert offers(answer(header))[:1] == found[:1]


def test_the_token_of_a_scheme():
    assert token_in(answer("Negotiate YWJj, NTLM ZGVm"), "ntlm") == b"def"
    assert token_in(answer("Negotiate YWJj"), "NTLM") == b""
    assert token_in(answer("NTLM YW~Jj"), "NTLM") == b""


@pytest.mark.parametrize(
    ("typed", "windows", "principal"),
    [
        ("CORP\\svc", "CORP\\svc", ""),
        ("svc@corp.example", "corp.example\\svc", "svc@CORP.EXAMPLE"),
        ("corp.example\\svc", "corp.example\\svc", "svc@CORP.EXAMPLE"),
        ("svc", "svc", ""),
    ],
)
def test_each_mechanism_gets_the_account_in_its_own_form(typed, windows, principal):
    account = Credentials(Way.NTLM, typed)
    assert (account.windows_name, account.principal) == (windows, principal)


def test_without_the_kerberos_libraries_it_says_what_to_install(login, monkeypatch):
    monkeypatch.setattr(tokens, "has_kerberos", lambda: False)
    error = refused(login(KERBEROS))
    assert (error.code, "chancery[kerberos]" in error.remedy) == ("kerberos_missing", True)


@pytest.mark.parametrize("token", ["", "!!!", "YWJj", "TlRMTVNTUAADAAAA", "TlRMTVNTUAADAAAA" + "A" * 80])
def test_the_simulated_iis_outlives_any_token(iis, login, token):
    iis.dials.set(epa="accepted", logins="NTLM")
    door = login()._http
    for _ in range(2):
        answer = door.get("page", headers={"Authorization": f"NTLM {token}".strip()})
        assert (answer.status, offers(answer)) == (401, ("NTLM",))


@pytest.mark.parametrize("way", [Way.NTLM, Way.KERBEROS])
def test_negotiate_offers_the_chosen_mechanism_alone(way):
    """Left alone the library asks the servers of Kerberos on the way to NTLM, with the password and past the guard."""
    made = negotiating(None, way, hostname="localhost", service="HTTP", channel_bindings=None)
    assert made._preferred_mech_list() == [GSSMech.ntlm if way is Way.NTLM else GSSMech.kerberos]


def test_ntlm_inside_negotiate_says_nothing_of_kerberos():
    token = Tokens(Credentials(Way.NTLM, "DOMAIN\\user", Secret("word")), "localhost", "Negotiate", None).step()
    assert bytes.fromhex("060a2b06010401823702020a") in token
    assert bytes.fromhex("2a864886f712010202") not in token
