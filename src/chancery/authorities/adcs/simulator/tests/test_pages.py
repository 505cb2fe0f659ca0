"""The simulated pages as the reference has them: shapes, states, control door, and requests of every kind."""

import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given
from hypothesis import strategies as st

from chancery.authorities.adcs.simulator.service import build
from chancery.core.clock import ManualClock
from chancery.protocols.negotiate.simulator import PASSWORD, USER
from chancery.sandbox.frame import Asked, Reply

KEY = ec.generate_private_key(ec.SECP256R1())
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BASIC = {"authorization": f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"}


def csr(*extensions):
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.example.com")])
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEY, hashes.SHA256())


class Ca:
    def __init__(self, **how):
        self.clock = ManualClock(NOW)
        self.simulator = build(clock=self.clock, **how)
        self.simulator.dials.set(logins="Basic")

    def ask(self, method, page, query=(), body=b"", headers=BASIC):
        return self.simulator._answer(Asked(method, f"/certsrv/{page}", headers, list(query), body))

    def post(self, request=None, attributes="CertificateTemplate:WebServer2", **fields):
        text = (request or csr()).public_bytes(Encoding.PEM).decode()
        form = {"Mode": "newreq", "CertRequest": text, "CertAttrib": attributes, **fields}
        return self.ask("POST", "certfnsh.asp", body=urlencode(form).encode())

    def look(self, number):
        return self.post(Mode="chkpnd", ReqID=str(number)).body.decode()

    def get(self, page, **query):
        return self.ask("GET", page, query.items())

    def manager(self, what, **body):
        door = self.simulator.doors["POST", f"/{what}"]
        return json.loads(door(Asked("POST", f"/{what}", {}, [], json.dumps(body).encode())).body)


@pytest.fixture
def ca():
    return Ca()


def test_pages_have_upper_case_tags_bare_ids_escaped_links_and_doubled_line_ends(ca):
    page = ca.post().body.decode()
    assert "<P ID=locInfo>\r\n\r\n" in page
    assert 'Href="certnew.cer?ReqID=5&amp;Enc=b64"' in page
    assert "locMSCertSrv" in page
    assert "Sandbox AD CS Issuing CA" in page


def test_a_request_is_found_pending_then_issued_then_revoked(ca):
    page = ca.post(attributes="CertificateTemplate:WebServerApproved").body.decode()
    assert "<P ID=locInfoNewReq>" in page
    assert "Your Request Id is 5." in page
    assert "ID=locInfoChkPnd" in ca.look(5)
    assert b"5 - (unknown)" in ca.get("certnew.cer", ReqID="5", Enc="b64").body
    assert ca.manager("approve") == {"requests": [5]}
    assert ca.manager("approve", request=5) == {"requests": [5]}
    assert "certnew.cer?ReqID=5" in ca.look(5)
    assert ca.manager("revoke", request=5) == {"requests": [5]}
    assert ca.manager("revoke", request=5) == {"requests": []}
    assert ca.manager("deny", request=5) == {"requests": []}
    assert ca.manager("deny", request=99) == {"requests": []}
    assert "ID=locIssRev" in ca.look(5)
    assert b"6 - (unknown)" in ca.get("certnew.cer", ReqID="5", Enc="b64").body
    crl = x509.load_der_x509_crl(ca.get("certcrl.crl", Type="base", Enc="bin").body)
    assert len(list(crl)) == 1


def test_a_denial_has_an_id_too(ca):
    page = ca.post(attributes="CertificateTemplate:Nowhere").body.decode()
    assert "ID=locDenied" in page
    assert 'The disposition message is "Denied by Policy Module  0x80094800, ' in page
    assert "Nowhere" in page
    assert "0x80094800 (-2146875392 CERTSRV_E_UNSUPPORTED_CERT_TYPE)" in ca.get("certnew.cer", ReqID="5").body.decode()
    assert ca.simulator.ledger.lines() == []


def test_the_cas_questions_come_in_their_order(ca):
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2"), b"\x0c\x01x")
    for request, template, code in (
        (csr(), "Unpublished", "0x80094800"),
        (csr(extension), "Closed", "0x80094012"),
        (csr(extension), "WebServer2", "0x80094802"),
    ):
        assert code in ca.post(request, f"CertificateTemplate:{template}").body.decode()
    assert "0x80094801" in ca.post(attributes="").body.decode()
    assert "0x8009310b" in ca.post(CertRequest="bm8gcmVxdWVzdA==").body.decode()
    bad = csr().public_bytes(Encoding.DER)[:-4] + b"xxxx"
    assert "0x8009310b" in ca.post(CertRequest=base64.b64encode(bad).decode()).body.decode()


def test_a_request_without_armour_is_taken(ca):
    text = base64.b64encode(csr().public_bytes(Encoding.DER)).decode()
    assert b"certnew.cer" in ca.post(CertRequest=text).body


def test_names_in_attributes_count_only_where_the_ca_is_so_switched(ca):
    attributes = "CertificateTemplate:WebServer2\r\nSAN:dns=b.example.com&ipaddress=10.0.0.1\nno attribute"
    for switched, expected in ((False, 0), (True, 2)):
        ca.simulator.dials.set(san_attribute=switched)
        number = 6 if switched else 5
        ca.post(attributes=attributes)
        issued = x509.load_der_x509_certificate(ca.get("certnew.cer", ReqID=str(number), Enc="bin").body)
        names = [n for e in issued.extensions if isinstance(e.value, x509.SubjectAlternativeName) for n in e.value]
        assert len(names) == expected


def test_what_is_held_back_is_issued_when_its_time_has_come(ca):
    ca.simulator.dials.set(issue_delay=60.0)
    ca.post()
    ca.clock.advance(timedelta(seconds=59))
    assert "locInfoReqID" in ca.look(5)
    ca.clock.advance(timedelta(seconds=1))
    ca.simulator.tick()
    assert "certnew.cer" in ca.look(5)
    assert ca.simulator.state()["5"]["state"] == "issued"


def test_a_row_from_before_cannot_be_issued_again(ca):
    before = ca.simulator.database.row(2)
    kept = before.der
    assert ca.manager("approve", request=2) == {"requests": [2]}
    assert (before.csr, before.der, before.template.name) == (b"", kept, "WebServer2")
    assert ca.simulator.state()["2"]["attributes"] == []
    assert ca.manager("revoke", request=2) == {"requests": [2]}
    assert ca.simulator.ledger.lines("revoke")[0].csr_sha256 == ""


def test_chains_are_bundles_and_look_like_certificates_in_base64(ca):
    ca.post()
    binary = ca.get("certnew.p7b", ReqID="5", Enc="bin")
    assert binary.content_type == "application/x-pkcs7-certificates"
    assert len(pkcs7.load_der_pkcs7_certificates(binary.body)) == 3
    text = ca.get("certnew.p7b", ReqID="CACert", Renewal="0", Enc="b64").body
    assert text.startswith(b"-----BEGIN CERTIFICATE-----\r\n")
    ca.simulator.dials.set(p7b_armour=False)
    assert b"-----" not in ca.get("certnew.p7b", ReqID="CACert", Enc="b64").body
    assert ca.manager("renew") == {"renewals": 1}
    assert b"var nRenewals=1;" in ca.get("certcarc.asp").body
    for renewal in ("0", "1", "99", "x"):
        assert x509.load_der_x509_certificate(ca.get("certnew.cer", ReqID="CACert", Renewal=renewal, Enc="bin").body)


def test_the_form_lists_what_is_published_and_open(ca):
    page = ca.get("certrqxt.asp").body.decode()
    assert "VALUE=WebServer2>" in page
    assert "Unpublished" not in page
    assert "Closed" not in page
    ca.simulator.dials.set(unlisted=True)
    assert "OPTION" not in ca.get("certrqxt.asp").body.decode()


def test_what_is_not_there_and_what_goes_wrong(ca):
    assert ca.get("nowhere.asp").status == 404
    assert b"locMSCertSrv" in ca.get("").body
    assert ca.ask("GET", "certcarc.asp", headers={}).headers["WWW-Authenticate"] == 'Basic realm="sandbox"'
    assert "0x80094004" in ca.look(99)
    assert "0x80094004" in ca.look("x")
    assert "0x80070057" in ca.post(Mode="other").body.decode()
    ca.simulator.dials.set(ca_stopped=True)
    assert "0x800706ba" in ca.post().body.decode()
    ca.simulator.dials.set(ca_stopped=False, fails_with="8009400f")
    assert "locDispLabel" in ca.post().body.decode()
    assert "locDispLabel" in ca.look(5)
    ca.simulator.dials.set(throttle=True, retry_after="7")
    assert ca.get("").headers == {"Retry-After": "7"}
    ca.simulator.dials.set(retry_after="")
    assert ca.get("").headers == {}


@given(
    st.sampled_from(["certfnsh.asp", "certnew.cer", "certnew.p7b", "certcrl.crl", "certcarc.asp"]),
    st.sampled_from(["GET", "POST"]),
    st.lists(st.tuples(st.sampled_from(["ReqID", "Renewal", "Enc", "Type"]), st.text(max_size=8)), max_size=4),
    st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(["Mode", "CertRequest", "CertAttrib", "ReqID"]),
        st.sampled_from(["newreq", "chkpnd"]) | st.text(max_size=40),
    ).map(lambda form: urlencode(form, errors="replace").encode()),
)
def test_no_request_is_too_odd_to_be_answered(page, method, query, body):
    assert isinstance(SHARED.ask(method, page, query, body), Reply)


SHARED = Ca()
