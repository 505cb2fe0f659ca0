"""The CA by itself: what it refuses, keeps and shows."""

import base64
import json
from datetime import UTC, datetime
from http.client import HTTPConnection
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs7

from chancery.core.clock import ManualClock
from chancery.protocols.scep import message
from chancery.protocols.scep.identity import Identity
from chancery.protocols.scep.message import Asked, Kind, Status
from chancery.protocols.scep.sealing import AES_128, TRIPLE_DES, seal
from chancery.protocols.scep.settings import ScepCredentials
from chancery.protocols.scep.signing import SHA_256, SHA_512, sign
from chancery.protocols.scep.simulator import build
from chancery.protocols.scep.tests.stand import TRANSPORT, csr
from chancery.sandbox.der import SEQUENCE, Part, oid, read_all, read_one, tlv

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
IDENTITY = Identity.read(ScepCredentials(TRANSPORT))
SUBJECT = x509.load_der_x509_csr(csr()).subject
CHAIN = IDENTITY.chain(SUBJECT, "transaction", NOW)


@pytest.fixture
def simulator():
    with build(clock=ManualClock(NOW)) as made:
        yield made


def ask(simulator, method, target, body=b"", *, control=False):
    port = (simulator.control if control else simulator.url.rpartition("/")[0]).rpartition(":")[2]
    connection = HTTPConnection("127.0.0.1", int(port))
    try:
        connection.request(method, target, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ca(simulator):
    return x509.load_der_x509_certificate(ask(simulator, "GET", "/scep/open?operation=GetCACert")[1])


def told(simulator, content, kind=Kind.PKCS_REQ, **more):
    """Send a message and return the CA's signed answer. `inside` changes its envelope, `spoil` the whole of it."""
    issuer, service = ca(simulator), more.get("service", "open")
    asked = Asked.fresh(kind, more.get("transaction", "transaction"))
    sealed = seal(content, more.get("reader", issuer), more.get("cipher", AES_128))
    sealed = more.get("inside", bytes)(sealed)
    body = sign(sealed, asked.attributes(), IDENTITY.key, CHAIN, more.get("digest", SHA_256))
    status, answer = ask(simulator, "POST", f"/scep/{service}?operation=PKIOperation", more.get("spoil", bytes)(body))
    assert status == 200
    return message.read(answer, asked, (issuer,), accept_sha1=False)


AES_OID = oid("2.16.840.1.101.3.4.1.2")


def without_iv(sealed):
    """Give the initialisation vector another tag."""
    at = sealed.index(AES_OID) + len(AES_OID)
    return sealed[:at] + b"\x03" + sealed[at + 1 :]


def poll_content(simulator, subject=SUBJECT):
    return tlv(SEQUENCE, ca(simulator).subject.public_bytes(), subject.public_bytes())


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/scep/nobody?operation=GetCACaps", b"", 404),
        ("GET", "/scep/open?operation=GetCRL", b"", 400),
        ("GET", "/scep/open?operation=PKIOperation&message=!!", b"", 400),
        ("GET", "/scep/open?operation=PKIOperation&message=AAAA", b"", 400),
        ("POST", "/scep/open?operation=GetCACert", b"", 405),
        ("POST", "/scep/open?operation=PKIOperation", b"", 400),
        ("POST", "/scep/open?operation=PKIOperation", b"garbage", 400),
        ("POST", "/scep/open?operation=PKIOperation", seal(b"no message", CHAIN[0], AES_128), 400),
    ],
)
def test_what_is_no_message_is_refused_by_http(simulator, method, target, body, status):
    assert ask(simulator, method, target, body)[0] == status
    assert simulator.ledger.lines() == []


def test_a_ca_that_takes_get_alone_says_so(simulator):
    simulator.dials.set(caps="get_only")
    assert b"POSTPKIOperation" not in ask(simulator, "GET", "/scep/open?operation=GetCACaps")[1]
    assert ask(simulator, "POST", "/scep/open?operation=PKIOperation", b"x")[0] == 405


def test_a_message_may_come_in_the_address(simulator):
    asked = Asked.fresh(Kind.PKCS_REQ, "transaction")
    body = sign(seal(csr(), ca(simulator), AES_128), asked.attributes(), IDENTITY.key, CHAIN, SHA_512)
    said = quote(base64.b64encode(body).decode(), safe="")
    status, answer = ask(simulator, "GET", f"/scep/open?operation=PKIOperation&message={said}")
    reply = message.read(answer, asked, (ca(simulator),), accept_sha1=False)
    assert (status, reply.status) == (200, Status.SUCCESS)
    assert [line.reference for line in simulator.ledger.lines("order")] == ["transaction"]


def test_somebody_elses_library_opens_the_answer(simulator):
    """The envelope by `cryptography`, which neither side here uses for it."""
    inside = pkcs7.pkcs7_decrypt_der(told(simulator, csr()).content, CHAIN[0], IDENTITY.key, [])
    assert pkcs7.load_der_pkcs7_certificates(inside)[0].subject == SUBJECT


@pytest.mark.parametrize(
    ("content", "more", "info"),
    [
        (b"no request", {}, "2"),
        (csr()[:-3] + b"\0\0\0", {}, "2"),
        (csr(), {"kind": Kind.RENEWAL_REQ}, "2"),
        (b"no names", {"kind": Kind.CERT_POLL}, "2"),
        (csr(), {"kind": "22"}, "2"),
        (csr(), {"reader": CHAIN[0]}, "1"),
        (csr(), {"spoil": lambda body: body[:-1] + bytes([body[-1] ^ 1])}, "1"),
        (csr(), {"inside": without_iv}, "1"),
        (csr(), {"spoil": lambda body: body.replace(AES_OID, oid("2.16.840.1.101.3.4.1.9"))}, "1"),
        (csr(), {"inside": lambda sealed: sealed.replace(AES_OID, oid("2.16.840.1.101.3.4.1.9"))}, "0"),
        (csr(), {"service": "challenge"}, "2"),
    ],
)
def test_a_message_that_does_not_do_is_refused_and_signed(simulator, content, more, info):
    reply = told(simulator, content, **more)
    assert (reply.status, reply.fail_info) == (Status.FAILURE, info)
    assert reply.fail_text
    assert simulator.ledger.lines() == []


def test_triple_des_is_taken_and_what_is_unknown_is_a_bad_algorithm(simulator):
    assert told(simulator, csr(), cipher=TRIPLE_DES).status is Status.SUCCESS
    unknown = _unknown_digest
    assert told(simulator, csr(), spoil=unknown).fail_info == "0"


def _unknown_digest(body):
    """Name a digest that the CA does not know, where the signer names his."""
    at = body.rindex(oid("2.16.840.1.101.3.4.2.1"))
    return body[:at] + oid("2.16.840.1.101.3.4.2.9") + body[at + 11 :]


def test_a_poll_is_answered_for_the_right_subject_only(simulator):
    simulator.dials.set(needs_approval=True)
    assert told(simulator, csr()).status is Status.PENDING
    assert told(simulator, poll_content(simulator), Kind.CERT_POLL).status is Status.PENDING
    stranger = x509.load_der_x509_csr(csr("other.example.com")).subject
    assert told(simulator, poll_content(simulator, stranger), Kind.CERT_POLL).fail_info == "4"
    assert told(simulator, poll_content(simulator), Kind.CERT_POLL, transaction="unknown").fail_info == "4"


def test_an_officer_decides_by_the_control_door(simulator):
    simulator.dials.set(needs_approval=True)
    told(simulator, csr())
    told(simulator, csr("two.example.com"), transaction="second")
    state = json.loads(ask(simulator, "GET", "/state", control=True)[1])["transactions"]
    assert state == [{"id": n, "issued": False, "decision": ""} for n in ("transaction", "second")]
    assert json.loads(ask(simulator, "POST", "/approve", control=True)[1]) == {"decided": 2}
    assert told(simulator, poll_content(simulator), Kind.CERT_POLL).status is Status.SUCCESS
    assert json.loads(ask(simulator, "POST", "/refuse", control=True)[1]) == {"decided": 1}


def test_the_registration_authority_that_it_trusts_is_handed_out(simulator):
    known = simulator.credentials
    certificate = x509.load_pem_x509_certificate(known["certificate"].encode())
    assert certificate.public_key() == load_pem_private_key(known["key"].encode(), None).public_key()
    certificate.verify_directly_issued_by(ca(simulator))


@pytest.mark.parametrize("der", [b"\x30", b"\x30\x80\0\0", b"\x30\x05ab", b"\x30\x82\x01", b"\x02\x01\x01\x02\x01\x02"])
def test_its_own_reader_refuses_what_is_cut_or_of_no_definite_length(der):
    with pytest.raises(ValueError):
        read_one(der)


def test_its_own_reader_and_writer_fit():
    body = b"x" * 300
    assert read_all(tlv(SEQUENCE, tlv(4, body)))[0].parts() == [Part(4, body, tlv(4, body))]
