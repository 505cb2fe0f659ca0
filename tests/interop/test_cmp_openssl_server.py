"""Our CMP client against OpenSSL's CMP server, over HTTP, in a network namespace of its own."""

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.core import keys
from chancery.core.names import parse_name
from chancery.core.order import RevocationReason
from chancery.protocols.cmp import CmpSettings, RequestKind, Unprotected, transaction_of
from chancery.sdk.authority import Target
from chancery.sdk.errors import AuthFailed, NotFound, OutcomeUnknown, RejectedByPolicy
from chancery.sdk.outcome import Issued, Pending, Revoked
from tests.interop.cmp_stand import (
    REFERENCE,
    SECRET,
    Files,
    client,
    openssl_server,
    request,
    shared,
    signing,
    why_not,
)

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "it runs")
MAC = ("-srv_ref", REFERENCE, "-srv_secret", f"pass:{SECRET}")


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def der(certificate):
    return certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "explicit"])
@pytest.mark.parametrize("kind", RequestKind)
def test_a_request_is_issued_and_confirmed(files, kind, implicit):
    key = keys.generate("EC-P256")
    answer = files.issue(key, "www.example.com")
    options = ["-grant_implicitconf"] if implicit else []
    with openssl_server(files, *MAC, "-accept_raverified", *options, answer=answer) as url:
        settings = CmpSettings(request=kind, implicit_confirm=implicit, recipient="CN=Interop CA")
        with client(url, settings, shared()) as ours:
            issued = ours.submit(request(key))
    assert isinstance(issued, Issued)
    assert issued.leaf == der(answer)
    assert issued.chain == (der(files.ca),)
    assert issued.reference == transaction_of("0191-interop").hex()


@pytest.mark.parametrize("label", ["RSA-2048", "EC-P384", "Ed25519"])
def test_keys_of_every_kind(files, label):
    key = keys.generate(label)
    answer = files.issue(key, "www.example.com")
    with openssl_server(files, *MAC, answer=answer) as url, client(url, CmpSettings(), shared()) as ours:
        assert ours.submit(request(key)).leaf == der(answer)


def test_polling_goes_on_from_the_stored_state(files):
    key = keys.generate("EC-P256")
    answer = files.issue(key, "www.example.com")
    asked = request(key)
    with openssl_server(files, *MAC, "-poll_count", "2", "-check_after", "7", answer=answer) as url:
        with client(url, CmpSettings(), shared()) as ours:
            outcome = ours.submit(asked)
        looks = 0
        while isinstance(outcome, Pending):
            looks += 1
            assert looks < 5
            state = json.loads(json.dumps(outcome.state))
            with client(url, CmpSettings(), shared()) as again:
                outcome = again.poll(state, asked)
                if isinstance(outcome, Pending):
                    assert outcome.next_check.total_seconds() == 7
    assert looks >= 2
    assert outcome.leaf == der(answer)


@pytest.mark.parametrize("label", ["EC-P256", "RSA-2048", "Ed25519"])
def test_signed_messages_both_ways(files, label):
    key = keys.generate("EC-P256")
    files.ra_key = keys.generate(label)
    files.write("ra.pem", files.issue(files.ra_key, "chancery-ra").public_bytes(Encoding.PEM))
    from tests.interop.cmp_stand import key_pem

    files.write("ra.key", key_pem(files.ra_key))
    answer = files.issue(key, "www.example.com")
    settings = CmpSettings(trust_pem=files.text("ca.pem"), sender="CN=Interop CA")
    with openssl_server(files, answer=answer) as url, client(url, settings, signing(files)) as ours:
        assert ours.submit(request(key)).leaf == der(answer)


def test_an_answer_signed_by_nobody_we_trust_is_not_believed(files, tmp_path_factory):
    key = keys.generate("EC-P256")
    stranger = Files(tmp_path_factory.mktemp("stranger"))
    settings = CmpSettings(trust_pem=stranger.text("ca.pem"))
    with openssl_server(files, answer=files.issue(key, "www.example.com")) as url:
        with client(url, settings, signing(files)) as ours, pytest.raises(OutcomeUnknown) as refused:
            ours.submit(request(key))
    assert "not to be believed" in refused.value.message


@pytest.mark.parametrize("kind", ["ir", "cr"])
def test_a_key_of_the_connectors_own(files, kind):
    key = keys.generate("EC-P256")
    answer = files.issue(key, "device-7")
    with openssl_server(files, *MAC, answer=answer) as url, client(url, CmpSettings(), shared()) as ours:
        assert ours.enrol(kind, key, "0191-own", [parse_name("device-7")]).leaf == der(answer)


def test_key_update_signed_by_the_old_certificate(files):
    # The server wants the update to be of the very certificate that it hands out; so the key stays the same.
    settings = CmpSettings(trust_pem=files.text("ca.pem"))
    names = [parse_name("chancery-ra")]
    with openssl_server(files) as url, client(url, settings, signing(files)) as ours:
        assert ours.enrol("kur", files.ra_key, "0191-kur", names, files.ra).leaf == der(files.ra)


@pytest.mark.parametrize("reason", RevocationReason)
def test_revocation(files, reason):
    answer = files.issue(keys.generate("EC-P256"), "www.example.com")
    target = Target(der(answer), f"{answer.serial_number:x}", "")
    with openssl_server(files, *MAC, answer=answer) as url, client(url, CmpSettings(), shared()) as ours:
        assert isinstance(ours.revoke(target, reason), Revoked)


def test_another_certificate_is_not_revoked(files):
    target = Target(der(files.ra), "0d15ea5e", "")
    with openssl_server(files, *MAC) as url, client(url, CmpSettings(), shared()) as ours:
        with pytest.raises((NotFound, RejectedByPolicy)):
            ours.revoke(target, RevocationReason.SUPERSEDED)


def test_a_rejection_is_told_with_its_reason(files):
    options = ("-pkistatus", "2", "-failure", "19", "-statusstring", "the profile knows no such name")
    with openssl_server(files, *MAC, *options) as url, client(url, CmpSettings(), shared()) as ours:
        with pytest.raises(RejectedByPolicy) as refused:
            ours.submit(request(keys.generate("EC-P256")))
    assert refused.value.code == "badCertTemplate"
    assert "the profile knows no such name" in refused.value.text


def test_an_error_message_is_told_with_its_reason(files):
    with openssl_server(files, *MAC, "-send_error") as url, client(url, CmpSettings(), shared()) as ours:
        with pytest.raises(RejectedByPolicy) as refused:
            ours.submit(request(keys.generate("EC-P256")))
    assert refused.value.code == "badRequest"


def test_a_wrong_secret_is_the_connectors_fault(files):
    with openssl_server(files, *MAC) as url, client(url, CmpSettings(), shared("wrong")) as ours:
        with pytest.raises(AuthFailed):
            ours.submit(request(keys.generate("EC-P256")))


@pytest.mark.parametrize("believed", Unprotected)
def test_what_an_unprotected_rejection_counts_for(files, believed):
    options = ("-pkistatus", "2", "-failure", "2", "-send_unprot_err")
    wanted = RejectedByPolicy if believed is Unprotected.ALL else OutcomeUnknown
    with openssl_server(files, *MAC, *options) as url:
        with client(url, CmpSettings(unprotected=believed), shared()) as ours, pytest.raises(wanted):
            ours.submit(request(keys.generate("EC-P256")))


def test_an_unprotected_certificate_is_never_believed(files):
    key = keys.generate("EC-P256")
    with openssl_server(files, *MAC, "-send_unprotected", answer=files.issue(key, "www.example.com")) as url:
        settings = CmpSettings(unprotected=Unprotected.ALL)
        with client(url, settings, shared()) as ours, pytest.raises(OutcomeUnknown):
            ours.submit(request(key))


def test_a_certificate_for_another_key_is_refused_to_the_ca(files):
    answer = files.issue(keys.generate("EC-P256"), "www.example.com")
    with openssl_server(files, *MAC, answer=answer) as url, client(url, CmpSettings(), shared()) as ours:
        outcome = ours.submit(request(keys.generate("EC-P256")))
    # OpenSSL's server logs the complaint and confirms; the engine keeps the certificate away by its key.
    assert isinstance(outcome, Issued)
    assert x509.load_der_x509_certificate(outcome.leaf) == answer


def test_the_ca_tells_of_itself(files):
    with openssl_server(files, *MAC) as url, client(url, CmpSettings(), shared()) as ours:
        told = ours.support()
    assert told.answered
    assert told.weak
