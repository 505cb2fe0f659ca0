"""Notes, reports, CAA messages, duplicates' names, domains of a division; and requests that HTTP itself forbids."""

import socket
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from chancery.authorities.digicert.simulator import build
from chancery.authorities.digicert.simulator.tests.talk import Talk, csr_pem, order
from chancery.core.clock import ManualClock
from chancery.sandbox.ca import SandboxCa

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
CA = SandboxCa(START)


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
def sim(clock):
    with build(clock=clock, ca=CA) as made:
        yield made


@pytest.fixture
def talk(sim):
    return Talk(sim)


def test_a_note_stays_with_its_order(talk):
    made = talk.place()
    path = f"/order/certificate/{made['id']}/note"
    status, note = talk.json("POST", path, {"text": "for the fair"})
    assert (status, note["text"], note["date_created"]) == (201, "for the fair", "2026-11-23T12:00:00+00:00")
    assert talk.get(f"/order/certificate/{made['id']}")["notes"] == [note]
    assert talk.refused("POST", path, {"text": " "}) == (400, "invalid_value:text")


def test_the_report_counts_orders_or_certificates_by_the_days_they_have_left(talk, clock):
    for days, years in ((10, 1), (45, 1), (90, 1), (199, 1)):
        talk.place(order(days=days, order_validity={"years": years}))
    talk.place(order(days=90, container={"id": 15}))

    def counts(name="count", **query):
        rows = talk.get("/report/order/expiring", **query)["expiring_orders"]
        return {row["days_expiring"]: row[name] for row in rows}

    assert counts("order_count") == {90: 0, 60: 0, 30: 0, -7: 0}
    assert counts(include_expiring_certs="true") == {90: 2, 60: 1, 30: 1, -7: 0}
    assert counts(include_expiring_certs="true", container_id=15) == {90: 1, 60: 0, 30: 0, -7: 0}
    assert talk.refused("GET", "/report/order/expiring?container_id=x") == (400, "invalid_value:container_id")
    clock.advance(timedelta(days=14))
    assert counts(include_expiring_certs="true")[-7] == 1


@pytest.mark.parametrize(("fails", "word"), [(False, "passed"), (True, "failed")])
def test_caa_messages_are_told_while_an_order_is_pending(sim, talk, fails, word):
    sim.dials.set(caa_fails=fails)
    made, held = talk.place(order("fresh.org")), talk.place(order("fresh.org", skip_approval=False))
    path = f"/order/certificate/{made['id']}"
    assert talk.get(path, include_caa_status="true")["caa_status_message"] == {"fresh.org": f"CAA check {word}"}
    assert "caa_status_message" not in talk.get(path)
    waits = talk.get(f"/order/certificate/{held['id']}", include_caa_status="true")
    assert waits["caa_status_message"] == {"fresh.org": "CAA check is not called yet"}


def again(talk, made, *names, kind="duplicate"):
    asked = {"common_name": names[0], "dns_names": list(names), "csr": csr_pem(), "signature_hash": "sha256"}
    path = f"/order/certificate/{made['id']}/{kind}"
    return talk.json("POST", path, {"certificate": asked, "skip_approval": True})


def test_a_duplicate_has_its_orders_names(talk):
    made = talk.place(order("www.example.com", "example.com"))
    assert again(talk, made, "example.com", "www.example.com")[0] == 201
    for names in (["www.example.com"], ["www.example.com", "example.com", "more.example.com"]):
        status, refusal = again(talk, made, *names)
        assert (status, refusal["errors"][0]["code"]) == (400, "invalid_value:dns_names")
    wild = talk.place(order("*.example.com"))
    assert again(talk, wild, "*.example.com", "below.example.com")[0] == 201
    assert again(talk, wild, "*.example.com", "deep.below.example.com")[0] == 400


def test_renewals_outside_their_window(sim, talk, clock):
    sim.dials.set(renewal_window=True)
    made = talk.place()
    assert talk.refused("POST", "/order/certificate/ssl_basic", order(renewal_of_order_id=made["id"]))[0] == 400
    clock.advance(timedelta(days=300))
    talk.place(order(days=99, renewal_of_order_id=made["id"]))


def test_certificates_may_be_called_approved(sim, talk):
    made = talk.place()
    rows = talk.get(f"/order/certificate/{made['id']}/reissue")["certificates"]
    assert [(r["status"], r["archived"]) for r in rows] == [("issued", "0")]
    sim.dials.set(certificates_approved=True)
    assert talk.get(f"/order/certificate/{made['id']}/reissue")["certificates"][0]["status"] == "approved"


def test_domains_belong_to_divisions_and_organisations(sim, talk):
    branch = Talk(sim, "branch")
    status, made = branch.json("POST", "/domain", {"name": "branch.org", "organization": {"id": 112233}})
    assert status == 201
    assert talk.refused("POST", "/domain", {"name": "b.org", "organization": {"id": 1}}) == (
        400, "invalid_value:organization",
    )  # fmt: skip
    assert [d["name"] for d in talk.get("/domain", container_id=15)["domains"]] == ["branch.org"]
    assert talk.refused("GET", "/domain?container_id=x") == (400, "invalid_value:container_id")
    assert "branch.org" in [d["name"] for d in talk.get("/domain")["domains"]]
    # What belongs to the division above may be used below it, not the other way round.
    assert "example.com" in [d["name"] for d in branch.get("/domain")["domains"]]
    sim.tick.__self__._book.domains[made["id"]].container = 16
    assert branch.refused("GET", f"/domain/{made['id']}")[0] == 404


def test_every_change_of_state_is_on_record(sim, talk, clock):
    made = talk.place(order(skip_approval=False))
    clock.advance(timedelta(minutes=1))
    talk.put(f"/order/certificate/{made['id']}/status", {"status": "CANCELED"})
    events = [(e["at"], e["status"]) for e in sim.state()["events"] if e["order"] == made["id"]]
    assert events == [("2026-11-23T12:00:00+00:00", "needs_approval"), ("2026-11-23T12:01:00+00:00", "canceled")]


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        ("Content-Length: abc", b"", b"400"),
        ("Content-Length: -1", b"", b"400"),
        ("Content-Length: \u00b2", b"", b"400"),
        ("Content-Length: 99999999", b"", b"413"),
        (f"Content-Length: {'9' * 5000}", b"", b"413"),
        ("Content-Length: 200000", b"[" * 200_000, b"400"),
        ("Transfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n", b"400"),
    ],
)
def test_what_http_or_json_does_not_allow_is_answered(sim, head, body, status):
    assert exchange(sim, f"POST /services/v2/order/certificate/ssl_basic HTTP/1.1\r\n{head}", body) == status


def test_an_address_that_is_none_is_answered(sim):
    assert exchange(sim, "GET http://[bad/services/v2/order HTTP/1.1", b"") == b"400"


def test_what_is_wrong_in_a_call_is_named(sim, talk):
    path = "/order/certificate/ssl_basic"
    held = talk.place(order("fresh.org"))["id"]
    domain = talk.json("POST", "/domain", {"name": "fresh.net"})[1]["id"]
    many = order("www.example.com")
    many["certificate"]["dns_names"] = [f"h{n}.example.com" for n in range(251)]
    forged = order()
    text = forged["certificate"]["csr"]
    forged["certificate"]["csr"] = text[:-60] + ("B" if text[-60] == "A" else "A") + text[-59:]
    cases = [
        ("POST", path, many, "invalid_value:dns_names"),
        ("PUT", f"/domain/{domain}/dcv/method", {"dcv_method": "smoke"}, "invalid_value:dcv_method"),
        ("PUT", f"/order/certificate/{held}/dcv-method", {"dcv_method": "smoke"}, "invalid_value:dcv_method"),
        ("PUT", f"/order/certificate/{held}/revoke", {}, "invalid_value:status"),
        ("POST", "/domain", {"name": "nothing"}, "invalid_value:name"),
        ("POST", f"/order/certificate/{talk.place()['id']}/reissue", {}, "bad_request_format"),
    ]
    for method, where, body, code in cases:
        assert talk.refused(method, where, body) == (400, code)
    assert talk.refused("GET", "/nowhere") == (404, "not_found|route")
    assert talk.refused("POST", "/domain", {"name": "b.org", "dcv_method": "smoke"}) == (
        400,
        "invalid_value:dcv_method",
    )
    assert talk.refused("PUT", f"/order/certificate/{talk.place()['id']}/check-dcv", {}) == (
        400,
        "invalid_value:order_id",
    )
    sim.dials.set(throttle=True)
    assert talk.refused("GET", "/user/me")[0] == 429
    sim.dials.reset()
    assert talk.refused("POST", path, forged)[1].startswith("csr_invalid")
    assert talk.get("/organization", container_id=15)["organizations"] == []
    assert talk.get("/organization", container_id=14)["organizations"] != []


def test_a_years_order_of_a_leap_day_ends_on_the_28th(sim, talk, clock):
    clock.jump(datetime(2028, 2, 29, 12, tzinfo=UTC))
    made = talk.place(order(days=99, order_validity={"years": 1}))
    assert talk.get(f"/order/certificate/{made['id']}")["order_valid_till"] == "2029-02-28"
    body = order(days=99)
    del body["order_validity"]
    made = talk.place(body)
    assert talk.get(f"/order/certificate/{made['id']}")["order_valid_till"] == "2029-02-28"


def test_the_account_is_filled_with_other_peoples_orders(sim, talk):
    def stock(**body):
        return talk.control("POST", "/stock", body)["stocked"]

    there, gone = stock(number=2, name="shop"), stock(number=1, name="gone", kept=False)
    assert talk.listed() == [row["order"] for row in there]
    assert talk.get(f"/order/certificate/{there[0]['order']}")["certificate"]["serial_number"] == there[0]["serial"]
    assert talk.refused("GET", f"/order/certificate/{gone[0]['order']}")[0] == 404
    assert talk.send("POST", "/stock", {"number": 0}, base=sim.control)[0] == 400
    assert sim.ledger.lines() == []


def exchange(sim, head, body):
    parts, key = urlsplit(sim.url), sim.credentials["api_key"]
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as line:
        line.sendall(f"{head}\r\nHost: x\r\nX-DC-DEVKEY: {key}\r\nConnection: close\r\n\r\n".encode("latin-1") + body)
        return line.recv(4096).split()[1]
