"""Somebody else's client of Web Enrollment (certsrv 2.1.1 of PyPI, 2018) at our simulated pages: the judge of their shapes.

It reads English pages alone, so it judges those; and with requests-ntlm it logs in by NTLM, with the channel binding that the
simulated IIS asks for.
"""

import certsrv
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7

from chancery.authorities.adcs.simulator.service import build
from chancery.core.pem import encode
from tests.interop.requests import request


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    with build(secure=True) as made:
        trust = tmp_path_factory.mktemp("trust") / "root.pem"
        trust.write_text(made.credentials["trust_pem"])
        yield made, str(trust)


@pytest.fixture
def ca(serving):
    serving[0].dials.reset()
    return serving[0]


@pytest.fixture
def client(ca, serving):
    made = []

    def make_client(way="ntlm", password=ca.credentials["password"]):
        ca.dials.set(logins="Negotiate,NTLM" if way == "ntlm" else "Basic")
        server = f"localhost:{ca.url.rpartition(':')[2]}"
        made.append(certsrv.Certsrv(server, ca.credentials["username"], password, way, cafile=serving[1], timeout=10))
        made[-1].session.trust_env = False  # this machine's own bundle would go before ours
        return made[-1]

    yield make_client
    for one in made:
        one.session.close()


def csr():
    return encode("CERTIFICATE REQUEST", request().csr)


@pytest.mark.parametrize("way", ["ntlm", "basic"])
def test_it_orders_and_fetches_certificate_and_chain(ca, client, way):
    one = client(way)
    found = x509.load_pem_x509_certificate(one.get_cert(csr(), "WebServer2"))
    issuer = x509.load_der_x509_certificate(one.get_ca_cert("bin"))
    found.verify_directly_issued_by(issuer)
    assert len(pkcs7.load_der_pkcs7_certificates(one.get_chain())) == 2
    number = ca.ledger.lines("order")[-1].order
    assert one.get_existing_cert(number, "bin")


def test_it_waits_for_a_manager(ca, client):
    one = client()
    with pytest.raises(certsrv.CertificatePendingException) as pending:
        one.get_cert(csr(), "WebServerApproved")
    number = pending.value.req_id
    with pytest.raises(certsrv.CouldNotRetrieveCertificateException) as waiting:
        one.get_existing_cert(number)
    assert str(waiting.value) == "Taken Under Submission"
    ca.database.resubmit(int(number))
    assert x509.load_pem_x509_certificate(one.get_existing_cert(number))


def test_it_understands_a_denial(client):
    with pytest.raises(certsrv.RequestDeniedException) as denied:
        client().get_cert(csr(), "Unpublished")
    assert "0x80094800" in str(denied.value)


def test_it_is_told_that_a_request_does_not_exist(client):
    with pytest.raises(certsrv.CouldNotRetrieveCertificateException) as unknown:
        client().get_existing_cert(4711)
    assert str(unknown.value) == "The requested property value is empty."


@pytest.mark.parametrize("way", ["ntlm", "basic"])
def test_it_is_not_let_in_with_a_wrong_password(client, way):
    assert client(way).check_credentials() is True
    assert client(way, "wrong-password-3").check_credentials() is False


def test_without_its_channel_binding_it_is_kept_out(ca, client):
    from requests_ntlm import HttpNtlmAuth

    one = client()
    one.session.auth = HttpNtlmAuth(ca.credentials["username"], ca.credentials["password"], send_cbt=False)
    with pytest.raises(requests.HTTPError) as refused:
        one.get_ca_cert()
    assert refused.value.response.status_code == 401
    ca.dials.set(epa="accepted")
    assert one.get_ca_cert()
