"""What each of emCA's protocols does, can do, and says when it cannot."""

import base64
import json
import urllib.request
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs7,
    pkcs12,
)
from pydantic import ValidationError

from chancery.authorities.emca import naming
from chancery.authorities.emca.authority import Emca
from chancery.authorities.emca.over_acme import _Directory
from chancery.authorities.emca.over_rest import _texts
from chancery.authorities.emca.tests.stand import ACCOUNT, request, shown, standing, target
from chancery.core import pem
from chancery.core.order import RevocationReason
from chancery.core.secret import Secret
from chancery.sdk.authority import Dedup, Narrows, describe, door_options
from chancery.sdk.errors import (
    AuthFailed,
    AuthorityError,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    ValidationFailed,
)
from chancery.sdk.finding import STAGES, Level
from chancery.sdk.outcome import Issued, Pending, Revoked

REASON = RevocationReason.SUPERSEDED
WAYS = ("cmp", "est", "scep", "acme")


@pytest.fixture
def stand():
    with standing() as made:
        yield made


def finished(stand, connector, outcome, asked=None):
    for _ in range(20):
        if isinstance(outcome, Issued):
            return outcome
        assert isinstance(outcome, Pending)
        stand.clock.advance(outcome.next_check)
        outcome = connector.poll(json.loads(json.dumps(outcome.state)), asked or request())
    raise AssertionError


def issue(stand, transport, **more):
    stand.turn(preauthorized=True)
    connector = stand.connector(transport, **more)
    return connector, finished(stand, connector, connector.submit(request()))


# Powers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transport", "powers", "dedup"),
    [
        ("cmp", {"revokes"}, Dedup.NONE),
        ("acme", {"revokes", "adopts"}, Dedup.ISSUES_LATER),
        ("est", set(), Dedup.NONE),
        ("scep", set(), Dedup.NONE),
        ("rest", set(), Dedup.NONE),
        ("", {"revokes"}, Dedup.NONE),
        ("unheard-of", set(), Dedup.NONE),
    ],
)
def test_powers_are_those_of_the_protocol(transport, powers, dedup):
    about = describe(Emca, {"transport": transport})
    assert about.powers == powers
    assert about.facts.dedup is dedup
    assert describe(Emca).powers == {"revokes", "adopts"}
    assert issubclass(Emca, Narrows)
    kinds = about.facts.certificates.name_kinds
    assert kinds == (("dns", "ip") if transport == "acme" else ("dns", "ip", "email", "uri"))


@pytest.mark.parametrize(("transport", "setting"), [("est", "est_returns_original"), ("scep", "scep_remembers")])
def test_a_server_that_is_known_to_remember_is_sent_a_lost_request_again(stand, transport, setting):
    about = describe(Emca, {"transport": transport, setting: True})
    assert about.facts.dedup is Dedup.RETURN_ORIGINAL
    # What was set while another protocol was spoken says nothing.
    assert describe(Emca, {"transport": "cmp", setting: True}).facts.dedup is Dedup.NONE
    asked = request()
    stand.turn(remembers=True, fail_after=1.0)
    with pytest.raises(OutcomeUnknown):
        stand.connector(transport, **{setting: True}).submit(asked)
    stand.turn(fail_after=0.0)
    assert isinstance(stand.connector(transport, **{setting: True}).submit(asked), Issued)
    assert len(stand.simulator.ledger.lines("order")) == 1


def test_over_est_a_lost_look_is_made_again_only_where_the_original_comes_back(stand):
    stand.turn(remembers=True, issue_delay=60.0)
    for setting, kind in ((True, OutcomeUnknown), (False, NotFound)):
        connector, asked = (
            stand.connector("est", est_returns_original=setting),
            request(f"{setting}.example.com".lower()),
        )
        waiting = connector.submit(asked)
        stand.clock.advance(timedelta(minutes=10))
        stand.turn(fail_after=1.0)
        with pytest.raises(AuthorityError) as lost:
            connector.poll(waiting.state, asked)
        assert type(lost.value) is kind
        stand.turn(fail_after=0.0)


@pytest.mark.parametrize("transport", ["cmp", "acme"])
def test_revocation_where_the_protocol_has_it(stand, transport):
    connector, issued = issue(stand, transport)
    assert isinstance(connector.revoke(target(issued), REASON, "x"), Revoked)
    assert [line.kind for line in stand.simulator.ledger.lines()][-1] == "revoke"


def test_a_revocation_waits_over_cmp_where_an_officer_looks_at_it(stand):
    connector, issued = issue(stand, "cmp")
    stand.turn(revocation_waits=True)
    waiting = connector.revoke(target(issued), REASON, "x")
    stand.simulator.doors["POST", "/approve"](None)
    assert isinstance(connector.poll_revocation(waiting.state, target(issued)), Revoked)


def test_over_acme_a_revocation_never_waits(stand):
    connector, issued = issue(stand, "acme")
    assert isinstance(connector.poll_revocation({}, target(issued)), Revoked)
    found = connector.adopt(issued.reference, request())
    assert isinstance(found.outcome, Issued)


@pytest.mark.parametrize("transport", ["est", "scep", "rest"])
def test_what_the_protocol_cannot_do_is_refused_with_a_way_out(stand, transport):
    connector = stand.connector(transport)
    calls = [
        lambda: connector.revoke(None, REASON, "x"),
        lambda: connector.poll_revocation({}, None),
        lambda: connector.adopt("1", request()),
    ]
    for call in calls:
        with pytest.raises(RejectedByPolicy) as refused:
            call()
        assert transport.upper() in refused.value.message
        assert refused.value.remedy
        assert not refused.value.bytes_sent


# Test connection -------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", WAYS)
def test_a_good_connector(stand, transport):
    stand.turn(preauthorized=True)
    found = list(stand.connector(transport).check())
    assert not [f for f in found if f.level is Level.FAILED]
    codes = shown(found)
    named = ("product", "issuing_ca_unseen") if transport == "acme" else ("product", "issuing_ca")
    assert codes[named] == ("skipped" if transport == "acme" else "ok")
    assert codes["product", "subscriber"] == "skipped"
    order = [STAGES.index(f.stage) for f in found]
    assert order == sorted(order)
    assert stand.simulator.ledger.lines() == []


@pytest.mark.parametrize("transport", ["cmp", "est", "scep"])
@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("emca sandbox  Issuing CA", "exactly as emCA does: emCA Sandbox Issuing CA"),
        ("Another CA", "Correct the issuing"),
    ],
)
def test_an_issuing_ca_that_is_not_there(stand, transport, written, remedy):
    found = list(stand.connector(transport, issuing_ca=written).check())
    wrong = next(f for f in found if f.code == "issuing_ca_unknown")
    assert wrong.level is Level.FAILED
    assert remedy in wrong.remedy
    assert "emCA Sandbox Issuing CA" in wrong.evidence


def test_the_whole_name_of_the_issuing_ca_will_do(stand):
    assert (
        shown(stand.connector("cmp", issuing_ca="CN=emCA Sandbox Issuing CA").check())["product", "issuing_ca"] == "ok"
    )


def test_a_name_with_commas_is_a_name(stand):
    found = shown(stand.connector("cmp", issuing_ca='Issuing, CA "#1"').check())
    assert found["product", "issuing_ca_unknown"] == "failed"


def test_a_ca_that_tells_nothing_of_itself_over_cmp(stand):
    stand.turn(no_support=True)
    found = shown(stand.connector("cmp").check())
    assert found["login", "known"] == "ok"
    assert found["product", "issuing_ca"] == "ok"
    found = shown(stand.connector("cmp", issuing_ca="Another").check())
    assert found["product", "issuing_ca_unseen"] == "warning"
    assert found["chain", "unseen"] == "warning"


def test_a_refusal_that_nothing_protects_is_a_warning(stand):
    stand.turn(no_support=True, unprotected_errors=True)
    found = shown(stand.connector("cmp").check())
    assert found["login", "unproven"] == "warning"


@pytest.mark.parametrize(("days", "level"), [(0, "ok"), (340, "warning"), (366, "failed")])
def test_the_end_of_our_own_certificate_is_told(stand, days, level):
    connector = stand.connector(
        "cmp", cmp_protection="certificate", credential_file=stand.known["officer"], cmp_trust=stand.known["ca"]
    )
    stand.clock.advance(timedelta(days=days))
    assert shown(connector.check())["login", "own_certificate"] == level


def test_an_old_mac_is_told(stand):
    stand.turn(weak_mac=True)
    assert shown(stand.connector("cmp").check())["login", "weak_mac"] == "warning"


def test_a_refused_credential_over_cmp(stand):
    assert shown(stand.connector("cmp", cmp_secret="wrong").check()) == {("login", "badMessageCheck"): "failed"}
    stand.turn(refuse_key=True)
    assert shown(stand.connector("cmp").check()) == {("login", "badMessageCheck"): "failed"}


@pytest.mark.parametrize("transport", ["cmp", "est", "scep"])
def test_a_wrong_path_is_told(stand, transport):
    found = list(stand.connector(transport, path="nowhere").check())
    failed = [f for f in found if f.level is Level.FAILED]
    assert failed
    assert all(f.remedy for f in failed)


def test_the_path_may_be_left_to_the_standards(stand):
    assert shown(stand.connector("est", path="").check())["product", "issuing_ca"] == "ok"


def test_an_address_that_is_not_registered(stand):
    stand.turn(foreign_address=True)
    found = list(stand.connector("est").check())
    assert any(f.level is Level.FAILED for f in found)


# What is missing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transport", "more"),
    [
        ("cmp", {"cmp_secret": None}),
        ("cmp", {"cmp_protection": "certificate"}),
        ("scep", {"credential_file": None}),
        ("scep", {"credential_file": "no file"}),
        ("scep", {"credential_file": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"}),
    ],
)
def test_a_credential_that_is_missing_stops_nothing_for_good(stand, transport, more):
    connector = stand.connector(transport, **more)
    found = list(connector.check())
    assert found[0].level is Level.FAILED
    assert found[0].remedy
    with pytest.raises(AuthFailed) as refused:
        connector.submit(request())
    assert not refused.value.bytes_sent
    assert stand.simulator.ledger.lines() == []


@pytest.mark.parametrize("field", ["transport", "version", "cmp_mac", "cmp_request", "rest_nonce", "acme_validation"])
def test_values_that_are_none_of_the_choices(stand, field):
    with pytest.raises(ValidationError) as refused:
        stand.connector(**{"transport": "cmp", field: "something"})
    assert refused.value.errors()[0]["loc"] == (field,)


# The credential file ---------------------------------------------------------------------------------


def parts(stand):
    blocks = pem.split(stand.known["officer"].encode())
    certificate = x509.load_der_x509_certificate(blocks[0][1])
    return certificate, load_pem_private_key(pem.encode(*blocks[1]).encode(), None)


def forms(stand):
    certificate, key = parts(stand)
    text = certificate.public_bytes(Encoding.PEM).decode()
    password = BestAvailableEncryption(b"pw")
    plain_pfx = pkcs12.serialize_key_and_certificates(b"x", key, certificate, None, NoEncryption())
    sealed_pfx = pkcs12.serialize_key_and_certificates(b"x", key, certificate, [certificate], password)
    sealed_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, password).decode()
    return {
        "key first": (stand.known["officer"].replace(text, "") + text, ""),
        "sealed key": (text + sealed_key, "pw"),
        "pfx": (base64.encodebytes(plain_pfx).decode(), ""),
        "sealed pfx": (base64.b64encode(sealed_pfx).decode(), "pw"),
    }


@pytest.mark.parametrize("form", ["key first", "sealed key", "pfx", "sealed pfx"])
def test_the_credential_file_in_every_form(stand, form):
    text, password = forms(stand)[form]
    _, issued = issue(stand, "scep", credential_file=text, credential_password=password or None)
    assert isinstance(issued, Issued)


@pytest.mark.parametrize("form", ["sealed key", "sealed pfx"])
def test_a_wrong_password_is_told_and_not_quoted(stand, form):
    text, _ = forms(stand)[form]
    connector = stand.connector("scep", credential_file=text, credential_password="wrong-password")
    found = list(connector.check())
    assert found[0].code == "credential_file"
    assert "wrong-password" not in str(found)


def test_a_file_with_a_certificate_alone_is_told(stand):
    certificate, _ = parts(stand)
    text = certificate.public_bytes(Encoding.PEM).decode()
    found = list(stand.connector("scep", credential_file=text).check())
    assert "no private key" in found[0].message


def test_cmp_signs_with_the_credential_file(stand):
    more = {"cmp_protection": "certificate", "credential_file": stand.known["officer"], "cmp_trust": stand.known["ca"]}
    assert isinstance(issue(stand, "cmp", **more)[1], Issued)


def test_est_shows_the_credential_file_as_client_certificate(stand):
    def config(**more):
        return Emca.config(
            transport="est",
            username="u",
            password=Secret("p"),
            issuing_ca="x",
            **{k: Secret(v) for k, v in more.items()},
        )

    identity = door_options(Emca, config(credential_file=stand.known["officer"])).client_identity
    assert identity.chain_pem.startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE KEY" in identity.key_pem.reveal()
    assert door_options(Emca, config()).client_identity is None
    broken = door_options(Emca, config(credential_file="nonsense")).client_identity
    assert broken.chain_pem == ""
    assert any(f.level is Level.FAILED for f in stand.connector("est", credential_file="nonsense").check())


# Keys of the connector's own -------------------------------------------------------------------------


def test_what_a_new_connector_needs_of_its_own_is_made():
    assert Emca.prepare({"transport": "cmp"}) == {"transport": "cmp"}
    assert "BEGIN" in Emca.prepare({"transport": "scep"})["scep_key"]
    assert "scep_key" not in Emca.prepare({"transport": "scep", "credential_file": "x"})
    assert Emca.prepare({"transport": "scep", "scep_key": "mine"})["scep_key"] == "mine"
    assert "BEGIN" in Emca.prepare({"transport": "acme"})["account_key"]
    assert Emca.prepare({"transport": "acme", "account_key": ACCOUNT})["account_key"] == ACCOUNT


def test_scep_with_a_key_of_its_own(stand):
    key = Emca.prepare({"transport": "scep"})["scep_key"]
    more = {"credential_file": None, "scep_key": key, "scep_authorization": "manual", "path": "scep/open"}
    assert isinstance(issue(stand, "scep", **more)[1], Issued)


def fingerprint(stand):
    text = urllib.request.urlopen(f"{stand.simulator.url}/scep/open?operation=GetCACert").read()
    try:
        return x509.load_der_x509_certificate(text).fingerprint(hashes.SHA256()).hex()
    except ValueError:
        first = min(pkcs7.load_der_pkcs7_certificates(text), key=lambda c: c.subject != c.issuer)
        return first.fingerprint(hashes.SHA256()).hex()


def test_scep_believes_no_ca_of_another_fingerprint_than_the_one_that_was_learnt(stand):
    known = fingerprint(stand)
    written = ":".join(known[n : n + 2] for n in range(0, 64, 2)).upper()
    assert isinstance(issue(stand, "scep", scep_fingerprint=written, scep_ca_name="Issuing")[1], Issued)
    other = stand.connector("scep", scep_fingerprint="00" * 32)
    with pytest.raises(ProtocolViolation, match="not the one that was pinned"):
        other.submit(request(reference="0191-b"))
    with pytest.raises(ValidationError, match="scep_fingerprint"):
        stand.connector("scep", scep_fingerprint="00" * 31)


def test_old_scep_servers_are_spoken_to_only_where_somebody_allows_it(stand):
    connector = stand.connector("scep", scep_3des=True, scep_sha1=True, scep_renewal=True)
    assert {f.level for f in connector.check() if "triple DES and SHA-1" in f.message} == {Level.WARNING}


def test_est_renews_by_the_operation_that_was_chosen(stand):
    for reenroll, path in ((False, "simpleenroll"), (True, "simplereenroll")):
        connector = stand.connector("est", est_reenroll=reenroll)
        asked = replace(request(reference=f"0191-{path}"), previous="0191-before")
        finished(stand, connector, connector.submit(asked), asked)
        assert stand.simulator.ledger.lines("order")[-1].detail == path


@pytest.mark.parametrize(
    ("settings", "plain"),
    [
        ({"transport": "cmp"}, True),
        ({"transport": "scep"}, False),
        ({"transport": "scep", "scep_fingerprint": "00" * 32}, True),
        ({"transport": "est"}, False),
        ({"transport": "acme"}, False),
        ({"transport": "rest"}, False),
    ],
)
def test_only_what_protects_its_own_messages_goes_over_http(settings, plain):
    assert describe(Emca, settings).facts.plain_http is plain


def test_acme_with_a_binding(stand):
    stand.turn(eab_required=True)
    more = {name: stand.known[name] for name in ("eab_key_id", "eab_hmac_key")}
    assert isinstance(issue(stand, "acme", **more)[1], Issued)


def test_acme_without_an_account_key_is_the_connectors_fault(stand):
    with pytest.raises(AuthFailed):
        stand.connector("acme", account_key=None).submit(request())


def test_an_order_over_http_01(stand):
    _, issued = issue(stand, "acme", acme_validation="http-01")
    assert isinstance(issued, Issued)


def test_waiting_for_an_officer(stand):
    stand.turn(needs_approval=True)
    for transport in ("cmp", "est", "scep"):
        connector = stand.connector(transport)
        asked = request(reference=f"0191-{transport}")
        pending = connector.submit(asked)
        assert isinstance(pending, Pending)
        stand.simulator.doors["POST", "/approve"](None)
        assert isinstance(finished(stand, connector, pending, asked), Issued)
    assert isinstance(stand.simulator.state(), dict)


def test_an_officer_refuses(stand):
    stand.turn(needs_approval=True)
    connector = stand.connector("cmp")
    pending = connector.submit(request())
    stand.simulator.doors["POST", "/refuse"](None)
    with pytest.raises(RejectedByPolicy):
        connector.poll(pending.state, request())


# REST ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["4.0.17", "4.2.3", "4.2.4"])
def test_rest_orders_nothing_and_says_what_is_not_known(stand, version):
    connector = stand.connector("rest", version=version)
    for call in (lambda: connector.submit(request()), lambda: connector.poll({}, request())):
        with pytest.raises(Forbidden) as refused:
            call()
        error = refused.value
        assert ("AES-256" if version == "4.0.17" else "createCertificates") in error.message
        assert version in error.message
        assert "CMP" in error.remedy
        assert not error.bytes_sent


def test_rest_of_the_old_version_is_not_even_logged_in_to(stand):
    found = shown(stand.connector("rest", version="4.0.17").check())
    assert found == {("login", "undocumented"): "skipped", ("product", "undocumented"): "failed"}


@pytest.mark.parametrize("shape", ["", "nested"])
@pytest.mark.parametrize("nonce", ["uuid", "hex", "millis"])
def test_rest_logs_in_and_finds_the_issuing_ca(stand, shape, nonce):
    stand.turn(rest_shape=shape)
    found = shown(stand.connector("rest", rest_nonce=nonce).check())
    assert found["login", "token"] == "ok"
    assert found["product", "issuing_ca"] == "ok"
    assert found["product", "undocumented"] == "failed"


def test_rest_misses_the_issuing_ca(stand):
    assert shown(stand.connector("rest", issuing_ca="Another").check())["product", "issuing_ca_unknown"] == "failed"


@pytest.mark.parametrize(
    ("dials", "more", "found"),
    [
        ({"refuse_key": True}, {}, ("login", "401")),
        ({}, {"password": "wrong"}, ("login", "401")),
        ({}, {"client_id": "wrong"}, ("login", "401")),
        ({"foreign_address": True}, {}, ("rights", "403")),
        ({"throttle": True}, {}, ("login", "429")),
        ({"error_page": 1.0}, {}, ("login", "503")),
        ({"rest_shape": "none"}, {}, ("login", "200")),
    ],
)
def test_rest_logins_that_fail(stand, dials, more, found):
    stand.turn(**dials)
    findings = shown(stand.connector("rest", **more).check())
    assert findings == {found: "failed", ("product", "undocumented"): "failed"}


def test_rest_services_that_are_not_where_they_should_be(stand):
    found = shown(stand.connector("rest", path="elsewhere/rest").check())
    assert found["login", "token"] == "ok"
    assert found["product", "404"] == "failed"


def test_no_token_and_no_password_is_shown(stand, caplog):
    caplog.set_level("DEBUG")
    found = str(list(stand.connector("rest").check()))
    assert "eyJ" not in found + caplog.text
    assert stand.known["password"] not in found + caplog.text


# The simulator's own refusals ------------------------------------------------------------------------


def test_what_emca_does_not_have(stand):
    stand.connector("rest")
    door = stand.doors[-1]
    assert door.get("nothing/here").status == 404
    assert door.get("emCAServices/rest/other").status == 404
    assert door.get("emCAServices/rest/getCAs/x").status == 400
    assert door.post("auth/token", json={"username": 1}, headers={"X-Nonce": "1"}).status == 400
    assert door.get("emCAServices/rest/getCAs/x", headers={"X-Nonce": "1"}).status == 401
    token = {
        "username": stand.known["username"],
        "password": stand.known["password"],
        "clientId": stand.known["client_id"],
        "validityInMins": 5,
    }
    given = door.post("auth/token", json=token, headers={"X-Nonce": "1"}).json()["token"]
    headers = {"X-Nonce": "1", "Authorization": f"Bearer {given}"}
    assert door.get("emCAServices/rest/getCAs/x", headers=headers).status == 403
    assert door.get(f"emCAServices/rest/getCAs/{stand.known['client_id']}", headers=headers).status == 200


def test_a_refused_validation_is_told_in_the_cas_words(stand):
    stand.turn(validation="refuse")
    connector = stand.connector("acme", acme_validation="http-01")
    with pytest.raises(ValidationFailed):
        finished(stand, connector, connector.submit(request()))


def test_names_that_cannot_be_read_are_no_names():
    assert naming.issuing_ca("x", [b"nonsense"]).code == "issuing_ca_unseen"


@pytest.mark.parametrize(
    ("document", "texts"),
    [("a", ["a"]), (["a", {"b": "c", "d": 4}], ["a", "c"]), (None, []), ([[[[[[[["deep"]]]]]]]], [])],
)
def test_texts_of_a_reply_of_any_look(document, texts):
    assert _texts(document) == texts


def test_the_directorys_door_is_the_connectors_own(stand):
    stand.connector("acme")
    door = _Directory(stand.doors[-1], "/acme/directory")
    assert door.base_url == f"{stand.simulator.url}/acme/directory"
    assert door.policy is stand.doors[-1].policy
