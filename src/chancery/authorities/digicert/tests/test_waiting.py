"""Why it is waiting (B7, B12): records that run out, DigiCert told to look, CAA, states that mean something else."""

from datetime import timedelta

import pytest

from chancery.authorities.digicert.tests.stand import START, control, count_calls, request, scripted
from chancery.sdk.errors import Throttled, Unreachable
from chancery.sdk.outcome import Issued, Pending, PendingKind

DAY = timedelta(days=1)


def publish(sim, name, value):
    control(sim, "POST", "/publish", {"name": name, "value": value})


def looks(calls):
    return [c for c in calls if c.endswith("check-dcv")]


def test_a_value_that_has_run_out_is_asked_for_anew(ca, sim, clock):
    asked = request("www.fresh.org", product="ssl_dv_geotrust_flex")
    pending = ca.poll(ca.submit(asked).state, asked)
    old = pending.state["records"][0]["token"]
    assert old in pending.text
    clock.advance(31 * DAY)
    again = ca.poll(pending.state, asked)
    assert again.kind is PendingKind.VALIDATION
    assert "valid until 2027-01-23" in again.text
    new = again.text.split("with the value ")[1].split(",")[0]
    publish(sim, "www.fresh.org", new)
    assert isinstance(ca.poll(again.state, asked), Issued)


def test_digicert_is_told_to_look_at_most_every_ten_minutes(ca, sim, clock):
    asked = request("www.fresh.org")
    pending, calls = ca.submit(asked), count_calls(ca)
    for _ in range(60):
        pending = ca.poll(pending.state, asked)
        clock.advance(timedelta(minutes=1))
    # Not at the first look, when nobody can have made the record.
    assert len(looks(calls)) == 5


def test_a_look_that_finds_the_record_brings_the_certificate_at_once(ca, sim, clock):
    # The simulator sees a record at any call; here DigiCert's list says pending until it was told to look.
    asked = request("www.fresh.org")
    status = iter(["pending", "pending", "issued"])
    told = []

    def answer(method, path, body):
        if path == "order/certificate/5":
            return {"id": 5, "status": next(status), "dcv_method": "dns-txt-token",
                    "certificate": {"id": 6, "csr": asked.csr_pem}}  # fmt: skip
        if path.endswith("/check-dcv"):
            told.append(method)
            return {"order_status": "issued", "certificate_id": 6, "dcv_status": "valid"}
        if path.endswith("pem_all"):
            return 200, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        return {}

    scripted_ca, door = scripted(answer)
    waits = scripted_ca.poll({"v": 1, "order": "5"}, asked)
    door.clock.advance(timedelta(minutes=11))
    found = scripted_ca.poll(waits.state, asked)
    assert told == ["PUT"]
    assert "fetched again" in found.text


@pytest.mark.parametrize(
    ("method", "code"), [("http-token", "file_random_value_not_found"), ("dns-txt-token", "invalid_dns_txt")]
)
def test_that_nothing_is_there_yet_is_no_error(method, code):
    refusal = 400, {"errors": [{"code": code, "message": "The value was not found."}]}
    info = {"id": 5, "status": "pending", "dcv_method": method}
    ca, door = scripted(lambda verb, path, body: refusal if path.endswith("check-dcv") else info)
    waits = ca.poll({"v": 1, "order": "5"}, request())
    door.clock.advance(timedelta(minutes=11))
    again = ca.poll(waits.state, request())
    assert isinstance(again, Pending)
    assert again.text.endswith("DigiCert has looked: The value was not found.")


@pytest.mark.parametrize("answer", [(403, {"errors": [{"code": "access_denied|missing_permission"}]}), (200, {})])
def test_a_look_that_is_not_allowed_or_says_nothing_changes_nothing(answer):
    info = {"id": 5, "status": "pending"}
    ca, door = scripted(lambda verb, path, body: answer if path.endswith("check-dcv") else info)
    waits = ca.poll({"v": 1, "order": "5"}, request())
    door.clock.advance(timedelta(minutes=11))
    assert ca.poll(waits.state, request()).text == waits.text


def test_a_look_over_the_limit_slows_the_connector():
    info = {"id": 5, "status": "pending"}
    ca, door = scripted(lambda verb, path, body: (429, {}) if path.endswith("check-dcv") else info)
    waits = ca.poll({"v": 1, "order": "5"}, request())
    door.clock.advance(timedelta(minutes=11))
    with pytest.raises(Throttled):
        ca.poll(waits.state, request())


def test_email_validation_is_never_looked_at(ca, sim, clock):
    asked = request("www.fresh.org", product="ssl_dv_geotrust_flex", dcv_method="email")
    pending, calls = ca.submit(asked), count_calls(ca)
    for _ in range(3):
        pending = ca.poll(pending.state, asked)
        clock.advance(timedelta(minutes=11))
    assert looks(calls) == []


def test_caa_that_forbids_it_is_told_with_its_name(ca, sim, clock):
    sim.dials.set(caa_fails=True)
    asked = request("www.example.com")
    pending = ca.poll(ca.submit(asked).state, asked)
    assert pending.kind is PendingKind.VALIDATION
    assert "CAA at www.example.com: CAA check failed." in pending.text
    clock.advance(timedelta(minutes=11))
    assert "DigiCert has looked: The CAA record does not allow DigiCert." in ca.poll(pending.state, asked).text
    sim.dials.set(caa_fails=False)
    assert isinstance(ca.poll(pending.state, asked), Issued)


def test_a_name_whose_caa_was_not_looked_at_yet_is_not_told():
    info = {"id": 5, "status": "pending", "caa_status_message": {"a.org": "CAA check is not called yet", "b.org": ""}}
    ca, _ = scripted(lambda verb, path, body: info)
    assert "CAA" not in ca.poll({"v": 1, "order": "5"}, request()).text


def test_how_many_names_are_done_and_which_are_open(ca, sim):
    asked = request("www.example.com", "www.fresh.org", "www.late.org")
    pending = ca.poll(ca.submit(asked).state, asked)
    assert "1 of 3 names are validated." in pending.text
    assert "www.fresh.org" in pending.text or "at fresh.org" in pending.text


def test_where_all_is_validated_digicert_itself_is_waited_for():
    valid = {"order_status": "pending", "dns_name_validations": [{"dns_names": ["a.org"], "status": "valid"}]}
    info = {"id": 5, "status": "pending"}
    ca, _ = scripted(lambda verb, path, body: valid if path.endswith("/validation") else info)
    pending = ca.poll({"v": 1, "order": "5"}, request())
    assert pending.kind is PendingKind.PROCESSING
    assert pending.text == "Names and organisation are validated; DigiCert's own checks are not done."
    # What it says of CAA is then what is left.
    info["caa_status_message"] = {"a.org": "CAA check is failing"}
    pending = ca.poll({"v": 1, "order": "5"}, request())
    assert pending.kind is PendingKind.VALIDATION
    assert pending.text.endswith("DigiCert's own checks are not done. CAA at a.org: CAA check is failing.")


def test_a_record_of_the_domain_that_has_run_out_gives_way_to_the_orders():
    def answer(verb, path, body):
        if path.endswith("/validation"):
            return {"dns_name_validations": [{"domain_id": 9, "dns_names": ["a.org"], "status": "pending"}]}
        if path == "domain/9":
            return {"name": "a.org", "dcv_token": {"token": "OLD", "expiration_date": "2026-11-01T00:00:00Z"}}
        if path.endswith("dcv-random-value"):
            return {"dcv_random_value": "NEW", "expiration_date": "2026-12-20T00:00:00Z"}
        return {"id": 5, "status": "pending", "dcv_method": "dns-txt-token"}

    ca, _ = scripted(answer)
    assert "TXT record at a.org with the value NEW" in ca.poll({"v": 1, "order": "5"}, request(at=START)).text


def test_an_organisation_that_takes_months_is_waited_for(ca, sim, clock):
    sim.dials.set(organization_expired=True)
    asked = request()
    pending = ca.submit(asked)
    for _ in range(30):
        clock.advance(3 * DAY)
        pending = ca.poll(pending.state, asked)
        assert "The organisation's ov is expired." in pending.text
    sim.dials.set(organization_expired=False)
    assert isinstance(ca.poll(pending.state, asked), Issued)


def test_what_is_issued_as_a_page_is_not_taken_for_a_certificate():
    info = {"id": 5, "status": "issued", "certificate": {"id": 6}}
    page = 200, b"<html>maintenance</html>"
    ca, _ = scripted(lambda verb, path, body: page if path.endswith("pem_all") else info)
    with pytest.raises(Unreachable):
        ca.poll({"v": 1, "order": "5"}, request())


def test_a_reissue_of_which_no_request_is_known_is_waited_for():
    info = {"id": 5, "status": "issued", "certificate": {}}
    ca, _ = scripted(lambda verb, path, body: info if path == "order/certificate/5" else {})
    assert "not yet downloadable" in ca.poll({"v": 1, "order": "5", "again": "duplicate"}, request()).text
