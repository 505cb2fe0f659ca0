"""Domain control: which domain waits, what is to be published where, and what the CA's look found."""

from datetime import timedelta

import pytest

from chancery.authorities.emsign.tests.stand import connector, control, finish, request, scripted
from chancery.sdk.outcome import Issued, PendingKind


def publish(sim, name, value):
    control(sim, "POST", "/publish", {"name": name, "value": value})


def token(book, domain, number=-1):
    return book.orders[number].checks[domain].token


@pytest.fixture
def waiting(ca, sim, clock, way):
    """An order that waits for its domain, looked at once."""
    sim.dials.set(dcv="none")
    asked = request("fresh.example.com")
    placed = ca.submit(asked)
    clock.advance(placed.next_check)
    return ca, asked, ca.poll(placed.state, asked)


@pytest.mark.parametrize("label", ["_emudhra-challenge", "_emsign-validation", ""])
def test_the_record_is_made_where_the_connector_says_and_found_there(sim, clock, way, label, book):
    template = f"{label}.{{domain}}" if label else "{domain}"
    ca = connector(sim, clock, way, dcv_txt_host=template)
    sim.dials.set(dcv="none", txt_host=label)
    asked = request("fresh.example.com")
    placed = ca.submit(asked)
    clock.advance(placed.next_check)
    pending = ca.poll(placed.state, asked)
    host, value = template.replace("{domain}", "fresh.example.com"), token(book, "fresh.example.com")
    assert pending.kind is PendingKind.VALIDATION
    assert f"Make a TXT record at {host} with the value {value}" in pending.text
    publish(sim, host, value)
    assert isinstance(finish(ca, pending, asked, clock), Issued)


def test_a_record_at_the_other_place_is_not_found_and_the_text_names_the_others(waiting, sim, clock, book):
    ca, asked, pending = waiting
    sim.dials.set(txt_host="_emsign-validation")
    publish(sim, "_emudhra-challenge.fresh.example.com", token(book, "fresh.example.com"))
    clock.advance(pending.next_check)
    again = ca.poll(pending.state, asked)
    assert "_emsign-validation.fresh.example.com or fresh.example.com" in again.text
    assert "emSign looked and found" in again.text


def test_a_host_that_the_ca_tells_goes_before_the_template(v2, sim, clock):
    sim.dials.set(dcv="none", tell_host=True, txt_host="_emsign-validation")
    asked = request("fresh.example.com")
    pending = v2.poll(v2.submit(asked).state, asked)
    assert "at _emsign-validation.fresh.example.com with" in pending.text
    assert "if emSign does not find it" not in pending.text


def test_the_names_of_the_specifications_examples_are_understood(v2, sim):
    sim.dials.set(dcv="none", dcv_example=True)
    asked = request("fresh.example.com")
    assert "with the value" in v2.poll(v2.submit(asked).state, asked).text
    by_file = request("b.example.com", reference="b", dcv_method="http-url")
    assert "http://b.example.com/.well-known/pki-validation/" in v2.poll(v2.submit(by_file).state, by_file).text


def test_a_file_is_found_too(ca, sim, clock, book):
    sim.dials.set(dcv="none", verify_body=False)
    asked = request("fresh.example.com", dcv_method="http-url")
    pending = ca.poll(ca.submit(asked).state, asked)
    value = token(book, "fresh.example.com")
    assert f"with the text {value}" in pending.text
    publish(sim, f"http://fresh.example.com/.well-known/pki-validation/{value[:16]}.txt", value)
    assert isinstance(finish(ca, pending, asked, clock), Issued)


def test_an_email_is_followed_by_a_person(ca, sim, clock):
    sim.dials.set(dcv="none")
    asked = request("fresh.example.com", dcv_method="email")
    pending = ca.poll(ca.submit(asked).state, asked)
    assert "Follow the link in emSign's e-mail about fresh.example.com." in pending.text
    publish(sim, "fresh.example.com", "followed")
    assert isinstance(finish(ca, pending, asked, clock), Issued)


def test_each_domain_is_told_for_itself_and_the_sum_is_not_believed(ca, sim, clock, book):
    sim.dials.set(dcv="none")
    domains = [f"n{i}.example.com" for i in range(7)]
    asked = request(*domains)
    pending = ca.poll(ca.submit(asked).state, asked)
    assert pending.text.count("Make a TXT record") >= 3
    assert len(pending.state["records"]) == 5
    assert "2 more domains are open." in pending.text or len(pending.text) == 900
    for domain in domains[:5]:
        publish(sim, f"_emudhra-challenge.{domain}", token(book, domain))
    clock.advance(pending.next_check)
    pending = ca.poll(pending.state, asked)
    assert "has just been validated" in pending.text
    clock.advance(pending.next_check)
    pending = ca.poll(pending.state, asked)
    assert {r["domain"] for r in pending.state["records"]} == set(domains[5:])
    for domain in domains[5:]:
        publish(sim, f"_emudhra-challenge.{domain}", token(book, domain))
    assert isinstance(finish(ca, pending, asked, clock), Issued)


def test_a_challenge_that_cannot_be_had_yet_is_asked_for_again(v1, sim, clock):
    sim.dials.set(dcv="none", dcv_lag=20)
    asked = request("fresh.example.com")
    pending = v1.poll(v1.submit(asked).state, asked)
    assert "gives its challenge later" in pending.text
    clock.advance(timedelta(seconds=60))
    assert "Make a TXT record" in v1.poll(pending.state, asked).text


def test_v2_gives_a_challenge_later_too():
    def answer(method, path, body):
        if path.endswith("/dcv"):
            return 422, {"detail": "[EMS-1165] too early"}
        return {"status": "pending-dcv", "domain": "fresh.example.com"}

    ca, _ = scripted(answer)
    assert "gives its challenge later" in ca.poll({"v": 1, "order": "1"}, request("fresh.example.com")).text


def test_a_connector_may_leave_looking_to_others(sim, clock, way, book):
    ca = connector(sim, clock, way, dcv_verify=False)
    sim.dials.set(dcv="none")
    asked = request("fresh.example.com")
    pending = ca.poll(ca.submit(asked).state, asked)
    publish(sim, "_emudhra-challenge.fresh.example.com", token(book, "fresh.example.com"))
    clock.advance(pending.next_check)
    assert ca.poll(pending.state, asked).kind is PendingKind.VALIDATION


def test_what_was_verified_in_between_counts(waiting, sim, clock, book):
    ca, asked, pending = waiting
    order = book.orders[0]
    service = sim.tick.__self__
    # A person clicks in the portal between our look at the order and our wish that the CA looks.
    answer = service.answer

    def answering(call):
        if "verify" in call.path.lower():
            order.checks["fresh.example.com"].status = "VERIFIED"
        return answer(call)

    sim._server.answer = answering
    clock.advance(pending.next_check)
    again = ca.poll(pending.state, asked)
    assert "has just been validated" in again.text
    assert isinstance(finish(ca, again, asked, clock), Issued)


def test_caa_and_rejected_domains_are_told(waiting, sim, clock, book):
    ca, asked, pending = waiting
    check = book.orders[0].checks["fresh.example.com"]
    check.caa = "FAILED"
    clock.advance(pending.next_check)
    assert "The CAA records of fresh.example.com forbid it." in ca.poll(pending.state, asked).text
    check.status = "REJECTED"
    assert "fresh.example.com was rejected." in ca.poll(pending.state, asked).text


def test_a_challenge_without_a_token_or_a_file_says_so():
    def answer(method, path, body):
        if path.endswith("/dcv"):
            return {"method": "dns-txt"}
        return {"status": "pending-dcv", "domain": "fresh.example.com"}

    ca, _ = scripted(answer)
    pending = ca.poll({"v": 1, "order": "1"}, request("fresh.example.com"))
    assert "gives no challenge" in pending.text

    def by_file(method, path, body):
        if path.endswith("/dcv"):
            return {"dcv": {"fileToken": "abc"}}
        return {"status": "pending-dcv", "domain": "fresh.example.com"}

    ca, _ = scripted(by_file)
    pending = ca.poll({"v": 1, "order": "1"}, request("fresh.example.com", dcv_method="http-url"))
    assert "the file that the portal names with the text abc" in pending.text


def test_an_order_that_names_no_domain_at_all_still_waits():
    ca, _ = scripted(lambda method, path, body: {"status": "pending-dcv"})
    assert ca.poll({"v": 1, "order": "1"}, request()).text == "emSign validates domain control."
