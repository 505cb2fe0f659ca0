"""Dates of CA certificates and revocation lists: fetched through the guard, believed only with the CA's signature."""

import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.core.tests.making import NOW, certify, key_of
from chancery.engine import freshness

ROOT = certify("Root", key=key_of("EC-P256", 2), ca=True, not_after=NOW + timedelta(days=4000))
CA = certify("Issuing CA", key=key_of("EC-P256", 3), issuer=ROOT, ca=True, not_after=NOW + timedelta(days=900))
LOOPBACK = ["127.0.0.0/8"]


def crl(signer=CA, issuer=CA, until=NOW + timedelta(days=7)):
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.cert.subject)
    builder = builder.last_update(NOW).next_update(until)
    return builder.sign(signer.key, hashes.SHA256())


def leaf(*urls):
    points = [x509.DistributionPoint([x509.UniformResourceIdentifier(u)], None, None, None) for u in urls]
    more = [(x509.CRLDistributionPoints(points), False)] if urls else []
    return certify("www.example.com", key=key_of("EC-P256"), issuer=CA, ca=False, extensions=more)


class Web(BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = self.server.pages.get(self.path, (404, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def web():
    server = HTTPServer(("127.0.0.1", 0), Web)
    server.pages = {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def serve(web):
    @contextmanager
    def made(body, status=200):
        web.pages["/a.crl"] = status, body
        yield f"http://127.0.0.1:{web.server_port}/a.crl"

    return made


def look(url="", networks=LOOPBACK, chain=(CA, ROOT)):
    of = leaf(url) if url else leaf()
    return freshness.look({"leaf": of.der, "chain": [c.der for c in chain], "networks": networks})


def lists(found):
    return [one for one in found if one["kind"] == "crl"]


def test_every_certificate_above_the_leaf_is_dated():
    found = look()
    assert [(one["kind"], one["subject"], one["until"]) for one in found] == [
        ("ca_certificate", "CN=Issuing CA", CA.cert.not_valid_after_utc.isoformat()),
        ("ca_certificate", "CN=Root", ROOT.cert.not_valid_after_utc.isoformat()),
    ]
    assert found[0]["text"] == "Issued by CN=Root."


def test_without_a_certificate_there_is_nothing_to_look_at():
    assert freshness.look({"leaf": b"", "chain": [], "networks": []}) == []


@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_a_list_of_the_issuing_ca_tells_its_next_update(serve, encoding):
    with serve(crl().public_bytes(encoding)) as url:
        (one,) = lists(look(url))
    assert (one["subject"], one["error"]) == (url, "")
    assert one["until"] == (NOW + timedelta(days=7)).isoformat()
    assert "Number of entries: 0" in one["text"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"<html>", 200, "no revocation list"),
        (b"", 404, "the server answers 404"),
        (crl(signer=ROOT).public_bytes(Encoding.DER), 200, "signature"),
        (crl(signer=ROOT, issuer=ROOT).public_bytes(Encoding.DER), 200, "a list of CN=Root"),
    ],
)
def test_anything_else_is_an_error_without_a_date(serve, body, status, said):
    with serve(body, status) as url:
        (one,) = lists(look(url))
    assert said in one["error"]
    assert one["until"] is None


def test_a_list_whose_issuer_is_not_in_the_chain_cannot_be_judged(serve):
    with serve(crl().public_bytes(Encoding.DER)) as url:
        (one,) = lists(look(url, chain=(ROOT,)))
    assert "a list of CN=Issuing CA" in one["error"]


def test_an_address_inside_is_reached_only_where_the_connector_may(serve):
    with serve(crl().public_bytes(Encoding.DER)) as url:
        (one,) = lists(look(url, networks=[]))
    assert "loopback" in one["error"]


def test_other_schemes_are_passed_over_and_an_address_is_asked_once(serve):
    with serve(crl().public_bytes(Encoding.DER)) as url:
        of = leaf("ldap://ca.example.com/cn=crl", url, f"{url}?second")
        twin = certify("CA2", key=key_of("EC-P256", 4), issuer=CA, extensions=[_point(url)])
        extra = {"leaf": of.der, "chain": [twin.der, CA.der], "networks": LOOPBACK}
        assert [one["subject"] for one in lists(freshness.look(extra))] == [url]


def _point(url):
    names = [x509.UniformResourceIdentifier(url)]
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)]), False


def test_points_without_a_whole_name_are_passed_over():
    relative = x509.RelativeDistinguishedName([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "crl")])
    point = x509.CRLDistributionPoints([x509.DistributionPoint(None, relative, None, None)])
    of = certify("x", key=key_of("EC-P256"), issuer=CA, extensions=[(point, False)])
    assert freshness.look({"leaf": of.der, "chain": [], "networks": []}) == []
