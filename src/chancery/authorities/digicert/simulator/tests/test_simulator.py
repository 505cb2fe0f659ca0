"""The simulator against the documents' own examples, spoken with the plainest client there is."""

import http.client
import itertools
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.authorities.digicert.simulator import build
from chancery.core.clock import ManualClock

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
def sim(clock):
    with build(clock=clock) as made:
        yield made


def call(sim, method, path, body=None, key=None):
    parts = urlsplit(sim.url)
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    headers = {"X-DC-DEVKEY": key or sim.credentials["api_key"], "Content-Type": "application/json"}
    try:
        link.request(method, parts.path + path, json.dumps(body) if body is not None else None, headers)
        answer = link.getresponse()
        return answer.status, answer.read()
    finally:
        link.close()


def control(sim, method, path, body=None):
    parts = urlsplit(sim.control)
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    try:
        link.request(method, path, json.dumps(body) if body is not None else None)
        answer = link.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        link.close()


def order(name="www.example.com", *, inside="inside.example.org", skip=True, days=199, reference="clm:1"):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, inside)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return {
        "certificate": {
            "common_name": name,
            "dns_names": [name, "example.com"],
            "csr": csr.public_bytes(Encoding.PEM).decode(),
            "signature_hash": "sha256",
            "cert_validity": {"days": days},
        },
        "organization": {"id": 112233},
        "order_validity": {"days": 365},
        "custom_fields": [{"metadata_id": 12, "value": reference}],
        "skip_approval": skip,
    }


def place(sim, **more):
    status, body = call(sim, "POST", "/order/certificate/ssl_basic", order(**more))
    assert status == 201
    return json.loads(body)


def code(body):
    return json.loads(body)["errors"][0]["code"]


def test_order_with_approval_skipped_is_issued_at_once_with_names_of_the_json_only(sim):
    made = place(sim)
    chain = [x509.load_pem_x509_certificate(c["pem"].encode()) for c in made["certificate_chain"]]
    names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["www.example.com", "example.com"]
    for below, above in itertools.pairwise(chain):
        below.verify_directly_issued_by(above)
    assert made["requests"][0]["status"] == "approved"
    assert "\r\n" in made["certificate_chain"][0]["pem"]


def test_info_shows_reference_request_and_certificate(sim):
    asked = order()
    made = json.loads(call(sim, "POST", "/order/certificate/ssl_basic", asked)[1])
    shown = json.loads(call(sim, "GET", f"/order/certificate/{made['id']}")[1])
    assert shown["status"] == "issued"
    assert shown["certificate"]["id"] == made["certificate_id"]
    assert shown["certificate"]["csr"] == asked["certificate"]["csr"]
    assert shown["custom_fields"] == [{"metadata_id": 12, "value": "clm:1"}]


@pytest.mark.parametrize(("kind", "blocks"), [("pem_all", 3), ("pem_noroot", 2), ("pem_nointermediate", 1)])
def test_download_formats(sim, kind, blocks):
    made = place(sim)
    status, body = call(sim, "GET", f"/certificate/{made['certificate_id']}/download/format/{kind}")
    assert status == 200
    assert body.count(b"BEGIN CERTIFICATE") == blocks


def test_orders_are_found_by_name_and_day_and_not_by_another_name(sim):
    made = place(sim)
    place(sim, name="other.example.com")
    query = f"{quote('filters[common_name]')}=www.example.com&{quote('filters[date_created]')}=%3E2026-11-22"
    found = json.loads(call(sim, "GET", f"/order/certificate?{query}&sort=-date_created")[1])
    assert [row["id"] for row in found["orders"]] == [made["id"]]
    late = f"{quote('filters[date_created]')}=%3E2026-11-24"
    assert json.loads(call(sim, "GET", f"/order/certificate?{late}")[1])["orders"] == []


def test_slow_index_hides_a_new_order_from_lists_only(sim, clock):
    sim.dials.set(slow_index=60)
    made = place(sim)
    assert json.loads(call(sim, "GET", "/order/certificate")[1])["orders"] == []
    assert call(sim, "GET", f"/order/certificate/{made['id']}")[0] == 200
    clock.advance(timedelta(seconds=61))
    assert len(json.loads(call(sim, "GET", "/order/certificate")[1])["orders"]) == 1


def test_approval_then_issue(sim):
    sim.dials.set(needs_approval=True)
    made = place(sim, skip=False)
    path = f"/order/certificate/{made['id']}"
    assert json.loads(call(sim, "GET", path)[1])["status"] == "needs_approval"
    status, body = call(sim, "PUT", f"/request/{made['requests'][0]['id']}/status", {"status": "approved"})
    assert (status, body) == (204, b"")
    assert json.loads(call(sim, "GET", path)[1])["status"] == "issued"


def test_issue_delay_follows_the_clock(sim, clock):
    sim.dials.set(issue_delay=30)
    made = place(sim)
    assert "certificate_id" not in made
    path = f"/order/certificate/{made['id']}"
    assert json.loads(call(sim, "GET", path)[1])["status"] == "processing"
    clock.advance(timedelta(seconds=30))
    assert json.loads(call(sim, "GET", path)[1])["status"] == "issued"


def test_cancel_only_before_issue(sim, clock):
    sim.dials.set(issue_delay=30)
    made = place(sim)
    path = f"/order/certificate/{made['id']}/status"
    assert call(sim, "PUT", path, {"status": "CANCELED"})[0] == 204
    assert call(sim, "PUT", path, {"status": "CANCELED"})[0] == 400
    clock.advance(timedelta(seconds=31))
    assert json.loads(call(sim, "GET", f"/order/certificate/{made['id']}")[1])["status"] == "canceled"
    assert [line.kind for line in sim.ledger.lines()] == ["order", "cancel"]


def test_revocation_is_done_with_204_and_only_asked_for_with_201(sim):
    made = place(sim)
    path = f"/certificate/{made['certificate_id']}/revoke"
    status, body = call(sim, "PUT", path, {"revocation_reason": "superseded", "comments": "x"})
    assert status == 201
    assert json.loads(body)["status"] == "pending"
    assert sim.ledger.lines("revoke") == []
    assert call(sim, "PUT", path, {"revocation_reason": "superseded", "skip_approval": True})[0] == 204
    assert [line.detail for line in sim.ledger.lines("revoke")] == ["superseded"]
    assert code(call(sim, "PUT", path, {"revocation_reason": "key_compromise"})[1]).startswith("invalid_value")


def test_refusals_order_nothing(sim):
    path = "/order/certificate/ssl_basic"
    unnamed = order()
    del unnamed["certificate"]["common_name"]
    too_long = order(days=200)
    beyond = order() | {"order_validity": {"days": 30}}
    garbage = order()
    garbage["certificate"]["csr"] = "no request"
    assert code(call(sim, "POST", path, unnamed)[1]) == "invalid_value:common_name"
    assert code(call(sim, "POST", path, too_long)[1]) == "invalid_value:days"
    assert code(call(sim, "POST", path, beyond)[1]) == "cert_validity_exceeds_order_validity"
    assert code(call(sim, "POST", path, garbage)[1]) == "csr_invalid_cannot_parse"
    assert code(call(sim, "POST", "/order/certificate/none", order())[1]) == "not_found|product"
    assert sim.ledger.lines() == []


def test_wrong_key_and_unknown_order(sim):
    status, body = call(sim, "GET", "/user/me", key="wrong")
    assert (status, code(body)) == (403, "access_denied|access_denied_invalid_key")
    status, body = call(sim, "GET", "/order/certificate/1")
    assert (status, code(body)) == (404, "not_found|order")


def test_rolling_window(clock):
    with build(clock=clock, limits=((5.0, 2),)) as sim:
        assert [call(sim, "GET", "/user/me")[0] for _ in range(3)] == [200, 200, 429]
        assert code(call(sim, "GET", "/user/me")[1]) == "request_limit_exceeded"
        clock.advance(timedelta(seconds=5))
        assert call(sim, "GET", "/user/me")[0] == 200


def test_fail_before_orders_nothing_and_fail_after_orders_once(sim):
    sim.dials.set(fail_before=1.0)
    with pytest.raises((http.client.HTTPException, OSError)):
        call(sim, "POST", "/order/certificate/ssl_basic", order())
    assert sim.ledger.lines() == []
    sim.dials.set(fail_before=0.0, fail_after=1.0)
    with pytest.raises((http.client.HTTPException, OSError)):
        call(sim, "POST", "/order/certificate/ssl_basic", order(reference="clm:2"))
    assert sim.ledger.orders_by_reference() == {"clm:2": 1}


def test_control_door_takes_the_service_down_and_up_on_the_same_port(sim):
    url = sim.url
    assert control(sim, "POST", "/down")[0] == 200
    with pytest.raises(OSError):
        call(sim, "GET", "/user/me")
    control(sim, "POST", "/up")
    assert sim.url == url
    assert call(sim, "GET", "/user/me")[0] == 200
    assert control(sim, "PUT", "/dials", {"no_such_dial": 1})[0] == 400
    assert control(sim, "PUT", "/dials", {"throttle": True})[1]["throttle"] is True
    assert call(sim, "GET", "/user/me")[0] == 429
    place_count = len(control(sim, "GET", "/ledger")[1]["lines"])
    assert place_count == 0


@pytest.mark.parametrize(("dial", "blocks"), [("short", 2), ("missing", 1), ("shuffled", 3)])
def test_chain_dials(sim, dial, blocks):
    sim.dials.set(chain=dial)
    assert len(place(sim)["certificate_chain"]) == blocks


def test_a_canceled_order_is_not_issued_by_a_late_approval(sim):
    sim.dials.set(needs_approval=True)
    made = place(sim, skip=False)
    path = f"/order/certificate/{made['id']}"
    call(sim, "PUT", f"{path}/status", {"status": "CANCELED"})
    assert call(sim, "PUT", f"/request/{made['requests'][0]['id']}/status", {"status": "approved"})[0] == 400
    assert json.loads(call(sim, "GET", path)[1])["status"] == "canceled"


def test_filter_by_custom_field_definition(sim):
    place(sim)
    field = quote("filters[metadata_id]")
    assert len(json.loads(call(sim, "GET", f"/order/certificate?{field}=12")[1])["orders"]) == 1
    assert json.loads(call(sim, "GET", f"/order/certificate?{field}=13")[1])["orders"] == []
