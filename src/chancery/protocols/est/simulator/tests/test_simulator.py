"""The server by itself: what it refuses, keeps and shows. Sent by hand, not by our client."""

import base64
import json
from datetime import UTC, datetime
from http.client import HTTPConnection

import pytest
from cryptography.hazmat.primitives.serialization import pkcs7

from chancery.core import keys
from chancery.core.clock import ManualClock
from chancery.core.csr import build as build_csr
from chancery.core.names import parse_name
from chancery.protocols.est.simulator import LABELS, PASSWORD, USER, build

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LOGIN = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
KIND = {"Content-Type": "application/pkcs10"}
KEY = keys.generate("EC-P256")


@pytest.fixture
def simulator():
    with build(clock=ManualClock(NOW)) as made:
        yield made


def ask(simulator, method, path, body=b"", headers=LOGIN, *, control=False):
    connection = HTTPConnection("127.0.0.1", int((simulator.control if control else simulator.url).rpartition(":")[2]))
    try:
        connection.request(method, path if control else f"/.well-known/est/{path}", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def csr(name="www.example.com"):
    return build_csr(KEY, [parse_name(name)], name)


def enrol(simulator, body, headers=KIND, path="simpleenroll"):
    return ask(simulator, "POST", path, body, {**LOGIN, **headers})


def test_everybody_may_see_the_cas_certificates(simulator):
    status, body, headers = ask(simulator, "GET", "cacerts", headers={})
    assert status == 200
    assert headers["Content-Type"] == "application/pkcs7-mime; smime-type=certs-only"
    assert len(pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))) == 2


@pytest.mark.parametrize("path", ["csrattrs", "nobody/cacerts", "serverkeygen"])
def test_who_does_not_log_in_or_asks_for_what_is_not_there_is_refused(simulator, path):
    status, _, headers = ask(simulator, "GET", path, headers={})
    assert (status, headers["WWW-Authenticate"]) in [(401, 'Basic realm="enrolment"'), (404, None)]


def test_the_request_counts_by_its_bytes_whatever_its_white_space(simulator):
    simulator.dials.set(needs_approval=True)
    body = base64.b64encode(csr())
    for form in (body, base64.encodebytes(base64.b64decode(body)), b" \r\n" + body):
        status, _, headers = enrol(simulator, form)
        assert (status, headers["Retry-After"]) == (202, "30")
    assert len(simulator.ledger.lines("order")) == 1
    line = simulator.ledger.lines("order")[0]
    assert (len(line.csr_sha256), len(line.spki_sha256), line.reference) == (64, 64, "")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"!", KIND, 400),
        (base64.b64encode(b"no request"), KIND, 400),
        (base64.b64encode(csr()[:-3] + b"\0\0\0"), KIND, 400),
        (base64.b64encode(csr()), {"Content-Type": "text/plain"}, 415),
    ],
)
def test_what_is_no_request_is_refused_in_plain_text(simulator, body, headers, status):
    answered, text, said = enrol(simulator, body, headers)
    assert (answered, said["Content-Type"]) == (status, "text/plain")
    assert text
    assert simulator.ledger.lines() == []


def test_every_label_is_a_service_of_its_own(simulator):
    for label in LABELS:
        assert enrol(simulator, base64.b64encode(csr()), path=f"{label}/simpleenroll".lstrip("/"))[0] == 200
    assert [line.detail for line in simulator.ledger.lines("order")] == [f"simpleenroll {n}".strip() for n in LABELS]


def test_reenrolment_wants_the_names_of_a_certificate_that_is_there(simulator):
    subject_only = base64.b64encode(csr("other.example.com"))
    assert enrol(simulator, subject_only, path="simplereenroll")[0] == 400
    enrol(simulator, base64.b64encode(csr()))
    assert enrol(simulator, base64.b64encode(csr()), path="simplereenroll")[0] == 200


def test_an_officer_decides_by_the_control_door(simulator):
    simulator.dials.set(needs_approval=True)
    enrol(simulator, base64.b64encode(csr()))
    state = json.loads(ask(simulator, "GET", "/state", control=True)[1])
    assert [one["decision"] for one in state["requests"]] == [""]
    assert json.loads(ask(simulator, "POST", "/approve", control=True)[1]) == {"decided": 1}
    simulator.dials.set(remembers=True)
    assert enrol(simulator, base64.b64encode(build_csr(KEY, [parse_name("w.example.com")])))[0] == 202
    assert json.loads(ask(simulator, "POST", "/refuse", control=True)[1]) == {"decided": 2}


def test_what_was_handed_out_is_forgotten_unless_it_remembers(simulator):
    body = base64.b64encode(csr())
    assert enrol(simulator, body)[1] != enrol(simulator, body)[1]
    simulator.dials.set(remembers=True)
    assert enrol(simulator, body)[1] == enrol(simulator, body)[1]
    assert json.loads(ask(simulator, "GET", "/state", control=True)[1])["certificates"] == 3


def test_a_busy_server_says_so(simulator):
    simulator.dials.set(throttle=True)
    status, _, headers = ask(simulator, "GET", "cacerts")
    assert (status, headers["Retry-After"]) == (429, None)


def test_refusals_can_look_like_web_pages(simulator):
    simulator.dials.set(html_errors=True)
    status, body, headers = ask(simulator, "GET", "nothing")
    assert (status, headers["Content-Type"]) == (404, "text/html")
    assert b"<h1>Error 404</h1>" in body
