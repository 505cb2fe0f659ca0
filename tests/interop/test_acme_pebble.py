"""Let's Encrypt's test server: nonces refused, external account binding, real http-01."""

import json
from contextlib import ExitStack, contextmanager

import pytest

from chancery.core.order import RevocationReason
from chancery.core.secret import Secret
from chancery.net.listening import free_port
from chancery.protocols.acme.keys import new_account_key
from chancery.protocols.acme.tests.zone import TOKEN, Zone
from chancery.sdk.errors import AlreadyDone, AuthFailed, Forbidden, NotFound, RejectedByPolicy, ValidationFailed
from chancery.sdk.finding import Level
from chancery.sdk.outcome import Revoked
from tests.interop import pki
from tests.interop.children import child, needs
from tests.interop.driving import Answers, Driver, answering, checked, request, target

KID = "kid-1"
MAC = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


@contextmanager
def pebble(folder, *, http_port, eab=False, nonces=15, restarts=None):
    """Run Pebble with a DNS zone in which every name leads here; give (directory, root, zone, its DNS server).

    To a list `restarts` a function is added that ends Pebble and starts it at the same address, knowing nothing.
    """
    needs("pebble")
    files, port, console, zone = pki.write(folder), free_port(), free_port(), Zone("example.test")
    zone.every_name = "127.0.0.1"
    settings = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{console}",
        "certificate": files.certificate,
        "privateKey": files.key,
        "httpPort": http_port,
        "tlsPort": free_port(),
        "ocspResponderURL": "",
        "externalAccountBindingRequired": eab,
        "externalAccountMACKeys": {KID: MAC} if eab else {},
        "domainBlocklist": ["blocked.example.test"],
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    how = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": str(nonces), "PEBBLE_AUTHZREUSE": "0"}
    with zone.served() as dns:
        command = ["pebble", "-config", "pebble.json", "-dnsserver", dns]
        with ExitStack() as running:

            def start():
                running.close()
                running.enter_context(child(command, folder, listens=(port,), environment=how))

            start()
            if restarts is not None:
                restarts.append(start)
            yield f"https://localhost:{port}/dir", files.root_pem, zone, dns


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def port(answers):
    with answering(answers) as number:
        yield number


@pytest.fixture
def driver(tmp_path, answers, port):
    with pebble(tmp_path, http_port=port) as (directory, root, *_):
        made = Driver(directory, root, answers, contact="pki@example.com")
        yield made
        made.close()


def test_a_certificate_is_issued_renewed_and_revoked(driver):
    first = request("www.example.test", "two.example.test")
    issued = driver.issue(first)
    assert checked(issued, first).names == first.names
    renewal = request("www.example.test", "two.example.test", previous=issued.reference)
    again = driver.issue(renewal)
    assert checked(again, renewal).serial != checked(issued, first).serial
    revoke = driver.fresh().revoke
    assert isinstance(revoke(target(issued, first), RevocationReason.SUPERSEDED, ""), Revoked)
    with pytest.raises(AlreadyDone):
        revoke(target(issued, first), RevocationReason.SUPERSEDED, "")


@pytest.mark.parametrize("label", ["RSA-2048", "EC-P384"])
def test_other_keys_are_issued(driver, label):
    asked = request("keys.example.test", label=label)
    checked(driver.issue(asked), asked)


def test_a_blocked_name_is_the_cas_own_no(driver):
    with pytest.raises(RejectedByPolicy) as refused:
        driver.fresh().submit(request("blocked.example.test"))
    assert refused.value.code == "rejectedIdentifier"
    assert "blocked" in refused.value.text


def test_a_name_that_nobody_answers_for_fails_with_what_the_ca_saw(driver):
    driver.answers.find = lambda path: "wrong"
    with pytest.raises(ValidationFailed) as failed:
        driver.issue(request("nobody.example.test"))
    assert failed.value.code in {"unauthorized", "incorrectResponse"}
    assert "nobody.example.test" in failed.value.message
    assert failed.value.text


def test_an_order_is_adopted_by_its_address(driver):
    asked = request("adopt.example.test")
    outcome = driver.fresh().submit(asked)
    found = driver.fresh().adopt(outcome.reference, asked)
    assert outcome.reference in found.evidence


def test_an_unknown_profile_is_refused_before_it_is_asked_for(driver):
    with pytest.raises(RejectedByPolicy):
        driver.fresh().submit(request("www.example.test", profile="no-such-profile"))


def test_the_diagnosis_sees_the_account_once_it_is_there(driver):
    before = {f.code: f for f in driver.fresh().check()}
    assert before["no_account"].level is Level.OK
    driver.fresh().submit(request("www.example.test"))
    after = {f.code: f for f in driver.fresh().check()}
    assert "account" in after
    assert not [f for f in after.values() if f.level is Level.FAILED]


def test_terms_that_nobody_agreed_to_are_told_apart(tmp_path, answers, port):
    with pebble(tmp_path, http_port=port) as (directory, root, *_):
        driver = Driver(directory, root, answers, terms_agreed=False)
        with pytest.raises(Forbidden) as refused:
            driver.fresh().submit(request("www.example.test"))
        assert "tick" in refused.value.remedy
        assert {f.code for f in driver.fresh().check() if f.level is Level.FAILED} == {"terms"}
        driver.close()


def test_an_account_is_bound_and_moved_to_a_new_key(tmp_path, answers, port):
    with pebble(tmp_path, http_port=port, eab=True) as (directory, root, *_):
        unbound = Driver(directory, root, answers)
        with pytest.raises(AuthFailed) as refused:
            unbound.fresh().submit(request("www.example.test"))
        assert refused.value.code == "externalAccountRequired"
        wrong = Driver(directory, root, answers, eab_key_id=KID, eab_hmac_key=Secret("b" * 43))
        with pytest.raises(AuthFailed):
            wrong.fresh().submit(request("www.example.test"))
        old = new_account_key()
        bound = Driver(directory, root, answers, account_key=old, eab_key_id=KID, eab_hmac_key=Secret(MAC))
        asked = request("www.example.test")
        issued = bound.issue(asked)
        moved = Driver(directory, root, answers, previous_account_key=Secret(old))
        again = request("www.example.test", previous=issued.reference)
        checked(moved.issue(again), again)
        assert isinstance(moved.fresh().revoke(target(issued, asked), RevocationReason.UNSPECIFIED, ""), Revoked)
        for one in (unbound, wrong, bound, moved):
            one.close()


@pytest.mark.parametrize("first", ["order", "look"])
def test_a_ca_that_was_set_up_anew_is_ordered_from_by_the_instance_that_was_kept(tmp_path, answers, port, first):
    restarts = []
    with pebble(tmp_path, http_port=port, restarts=restarts) as (directory, root, *_):
        driver = Driver(directory, root, answers)
        kept, lost = driver.fresh(), request("lost.example.test")
        driver.fresh = lambda: kept
        opened = kept.submit(lost)
        restarts[0]()
        for step in ("look", "order") if first == "look" else ("order", "look"):
            if step == "look":
                with pytest.raises(NotFound):
                    kept.poll(opened.state, lost)
            else:
                asked = request("www.example.test")
                checked(driver.issue(asked), asked)
        driver.close()


def test_a_wildcard_is_validated_by_records_at_the_dns_provider(tmp_path, answers, port):
    with pebble(tmp_path, http_port=port) as (directory, root, zone, dns), zone.written() as api:
        driver = Driver(
            directory,
            root,
            answers,
            challenge="dns-01",
            dns_provider="powerdns",
            dns_credentials=Secret(f"auth_token = {TOKEN}\npdns_server = {api}"),
            dns_zone="example.test",
            dns_resolver=dns,
        )
        asked = request("wild.example.test", "*.wild.example.test")
        issued = driver.issue(asked)
        assert checked(issued, asked).names == asked.names
        assert zone.texts("_acme-challenge.wild.example.test") == []
        assert not [f for f in driver.fresh().check() if f.level is Level.FAILED]
        driver.close()


def test_several_orders_at_once_are_not_mixed_up(driver):
    from concurrent.futures import ThreadPoolExecutor

    asked = [request(f"n{i}.example.test") for i in range(6)]
    drivers = [driver] * 6
    with ThreadPoolExecutor(6) as pool:
        issued = list(pool.map(lambda pair: pair[0].issue(pair[1]), zip(drivers, asked, strict=True)))
    for one, own in zip(issued, asked, strict=True):
        checked(one, own)
