"""*Test connection*: what is found, what is warned of, what cannot be seen, and what to do."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.authorities.adcs.client import CertsrvClient
from chancery.authorities.adcs.simulator.issuing import Issuer
from chancery.authorities.adcs.simulator.pages import Pages
from chancery.authorities.adcs.simulator.retrieving import Retrieving
from chancery.authorities.adcs.simulator.service import Server
from chancery.authorities.adcs.tests.stand import DAY, START, shown, standing
from chancery.sandbox.frame import Reply
from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.finding import Level
from chancery.sdk.outcome import Choice


@pytest.fixture(scope="module")
def secured():
    with standing(secure=True) as made:
        yield made


@pytest.fixture
def stand(secured):
    secured.simulator.dials.reset()
    return secured


def findings(stand, **settings):
    found = list(stand.connector(**settings).check())
    for one in found:
        assert one.level in {Level.OK, Level.SKIPPED} or one.remedy, one
    return found


def test_a_good_account_behind_extended_protection(stand):
    assert shown(findings(stand)) == {
        ("login", "known"): "ok",
        ("login", "bound"): "ok",
        ("login", "ntlm"): "warning",
        ("login", "protected"): "ok",
        ("rights", "offered"): "ok",
        ("rights", "unseen"): "skipped",
        ("product", "ca_name"): "ok",
        ("product", "setup_type"): "skipped",
        ("chain", "ca"): "ok",
        ("chain", "chain"): "ok",
        ("chain", "crl"): "ok",
    }


def test_the_login_says_what_was_offered_and_what_was_used(stand):
    stand.turn(logins="Negotiate")
    found = {f.code: f for f in findings(stand)}
    assert found["known"].evidence == "offered: Negotiate; used: Negotiate"


@pytest.mark.parametrize("epa", ["off", "accepted"])
def test_a_server_that_takes_logins_without_binding_is_warned_of(stand, epa):
    stand.turn(epa=epa)
    found = {f.code: f for f in findings(stand)}
    assert found["relay"].level is Level.WARNING
    assert "ESC8" in found["relay"].message
    assert "Extended Protection" in found["relay"].remedy


def test_a_proxy_that_ends_tls_is_named_as_the_cause(stand):
    found = findings(stand, password="wrong-password-1")
    assert [(f.stage, f.level) for f in found] == [("login", Level.FAILED)]
    assert "proxy that ends TLS" in found[0].remedy


def test_basic_and_anonymous_are_warned_of(stand):
    stand.turn(logins="Basic")
    assert shown(findings(stand, authentication="basic"))["login", "basic"] == "warning"
    stand.turn(logins="NTLM", anonymous=True)
    assert shown(findings(stand))["login", "anonymous"] == "warning"


def test_another_ca_than_the_one_that_is_named_is_told(stand):
    assert shown(findings(stand, ca_name=f"pki.example.com\\{stand.known['ca_name']}"))["product", "ca_name"] == "ok"
    found = {f.code: f for f in findings(stand, ca_name="Old CA")}
    assert found["other_ca"].level is Level.FAILED
    assert stand.known["ca_name"] in found["other_ca"].remedy
    stand.turn(nameless=True)
    assert shown(findings(stand))["product", "ca_unseen"] == "warning"


def test_templates_are_compared_with_the_request_form(stand):
    found = {f.code: f for f in findings(stand, templates="WebServer2\nClosed = For others")}
    assert (found["not_offered"].level, found["not_offered"].evidence) == (Level.WARNING, "Closed")
    assert shown(findings(stand, templates=""))["rights", "no_templates"] == "warning"
    assert shown(findings(stand, setup_type="standalone"))["rights", "standalone"] == "ok"


def test_what_this_transport_cannot_show_is_said_and_not_called_well(stand):
    unseen = next(f for f in findings(stand) if f.code == "unseen")
    assert unseen.level is Level.SKIPPED
    assert "ESC6" in unseen.message


def test_a_stale_crl_and_a_broken_chain_are_told(stand):
    stand.turn(stale_crl=True, chain="missing")
    found = shown(findings(stand))
    assert (found["chain", "crl_stale"], found["chain", "chain"]) == ("warning", "ok")


def test_a_ca_that_ends_soon_or_has_ended(stand):
    with standing() as own:
        own.clock.advance(timedelta(days=3650 - 200))
        assert shown(findings(own))["chain", "ca_ends"] == "warning"
        own.clock.advance(timedelta(days=200))
        found = shown(findings(own))
        assert found["chain", "ca_ended"] == "failed"


def test_files_that_are_none_are_told(stand, monkeypatch):
    monkeypatch.setattr(Issuer, "crl", lambda self, now, revoked, stale: b"no CRL")
    monkeypatch.setattr(Issuer, "bundle", lambda self, leaf, renewal, how="": b"no bundle")
    found = shown(findings(stand))
    assert (found["chain", "crl_unseen"], found["chain", "broken"]) == ("warning", "warning")
    monkeypatch.setattr(Retrieving, "certificate", lambda self, asked, pages: Reply(200, b"\x30\x03no!", "text/html"))
    assert shown(findings(stand))["chain", "no_ca"] == "failed"


@pytest.mark.parametrize(
    ("page", "stage", "level"),
    [("certcrl", "chain", "warning"), ("certrqxt", "rights", "warning"), ("certnew.cer", "chain", "failed")],
)
def test_a_page_that_cannot_be_had_fails_only_where_orders_need_it(stand, page, stage, level):
    stand.turn(fail_next=1, fail_next_path=page, fail_next_with="page")
    found = shown(findings(stand))
    assert (found[stage, "503"], found["product", "ca_name"], found["login", "known"]) == (level, "ok", "ok")


def test_a_login_without_binding_is_tried_once_for_a_connector(stand):
    stand.turn(epa="off")
    connector = stand.connector()
    assert ("login", "relay") in shown(connector.check())
    # Each such try is a failed login in the domain's logs, and probes come again and again.
    stand.turn(epa="required")
    assert ("login", "relay") in shown(connector.check())
    assert ("login", "protected") in shown(findings(stand))


def test_a_login_that_is_forbidden_is_a_missing_right(stand, monkeypatch):
    forbidden = Reply(403, b"<html>403 - Forbidden</html>", "text/html")
    monkeypatch.setattr(Server, "_html", staticmethod(lambda body, status=200, acted=False: forbidden))
    assert [(f.stage, f.code) for f in findings(stand)] == [("rights", "403")]


def test_templates_to_choose_are_the_typed_ones_with_what_the_form_says(stand):
    connector = stand.connector(templates="WebServer2 = Web server\n\nHidden\n= nothing")
    assert connector.choices("template") == [
        Choice("WebServer2", "Web server", {"offered": True}),
        Choice("Hidden", "Hidden (not in the CA's request form; can be asked for by name)", {"offered": False}),
    ]
    assert connector.choices("another") == []


def test_a_form_without_a_list_is_no_list_of_nothing(stand, monkeypatch):
    monkeypatch.setattr(Pages, "form", lambda self, listed: self.welcome())
    with pytest.raises(ProtocolViolation):
        stand.connector().choices("template")
    assert shown(findings(stand))["rights", "not_offered"] == "warning"


def test_a_ca_certificate_on_sha_1_is_warned_of(stand, monkeypatch):
    monkeypatch.setattr(CertsrvClient, "ca_certificate", lambda self, session, renewal: sha1_certificate())
    assert shown(findings(stand))["chain", "weak_hash"] == "warning"


def sha1_certificate():
    """Only the algorithm's name is looked at, and not whether it verifies."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Old CA")])
    built = x509.CertificateBuilder(name, name, key.public_key(), 7, START - DAY, START + 900 * DAY)
    sha256, sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.DER).replace(sha256, sha1)
