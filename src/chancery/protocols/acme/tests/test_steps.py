"""An order's way, and every way it can go wrong: at most one certificate, whatever gets lost."""

import json

import pytest
from cryptography import x509

from chancery.core.effects import Doing, consequence
from chancery.core.order import RevocationReason, State
from chancery.core.secret import Secret
from chancery.protocols.acme.keys import new_account_key
from chancery.protocols.acme.progress import Progress, reference_of, split_reference
from chancery.protocols.acme.settings import AcmeSettings, OrderSettings
from chancery.protocols.acme.solving.http01 import HttpSolver
from chancery.protocols.acme.tests.stand import KEY, PLAIN, request, scripted, stand, target
from chancery.sdk.errors import (
    AlreadyDone,
    AuthFailed,
    AuthorityError,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    Throttled,
    Unreachable,
    ValidationFailed,
)
from chancery.sdk.outcome import Issued, Pending, PendingKind, Revoked

DIRECT = {"preauthorized": True}


def lost(place, path, how="lose"):
    """Let the next call to a path go wrong at the CA."""
    place.turn(fail_next=1, fail_next_with=how, fail_next_path=path)


def test_the_answers_are_handed_out_before_the_ca_is_told_to_look():
    with stand() as place:
        steps, asked = place.steps(), request("www.example.com", "*.example.com", "192.0.2.7")
        place.turn(offered="http-01")
        steps_of_http = request("www.example.com", "192.0.2.7")
        outcome = steps.submit(steps_of_http, PLAIN)
        assert [len(outcome.publish), outcome.state["phase"]] == [2, "presented"]
        assert all(c["status"] == "pending" for c in challenges(place))
        told = steps.poll(outcome.state, steps_of_http)
        assert (told.publish, told.state["phase"]) == (outcome.publish, "answered")
        assert isinstance(steps.poll(told.state, steps_of_http), Issued)
        with pytest.raises(ValidationFailed) as refused:
            place.finish(steps, steps.submit(asked, PLAIN), asked)
        assert "http-01" in refused.value.message


def challenges(place):
    book = place.simulator._answer.__self__._book
    return [{"type": c.type, "status": c.status} for a in book.authorizations.values() for c in a.challenges]


@pytest.mark.parametrize(
    "path", ["/new-order", "/authz", "/chall", "/finalize", "/order/1", "/cert", "/new-nonce", "/new-acct"]
)
@pytest.mark.parametrize("how", ["drop", "lose", "page", "error", "half", "garbled", "throttle"])
def test_whatever_gets_lost_there_is_one_certificate(path, how):
    with stand(reuse=False) as place:
        asked, outcome = request(), None
        lost(place, path, how)
        for _ in range(40):
            steps = place.steps()
            try:
                outcome = steps.submit(asked, PLAIN) if outcome is None else steps.poll(outcome.state, asked)
            except (Unreachable, OutcomeUnknown, ProtocolViolation, Throttled) as error:
                if outcome is None:
                    # Else the engine would not send it again by itself.
                    assert not error.bytes_sent or isinstance(error, Throttled)
            if isinstance(outcome, Issued):
                break
        assert isinstance(outcome, Issued)
        assert place.simulator.dials.now.fail_next == 0
        assert place.ordered() == 1


def test_two_workers_that_poll_the_same_order_make_one_certificate():
    with stand(**DIRECT) as place:
        asked = request()
        outcome = place.steps().submit(asked, PLAIN)
        first, second = (place.steps().poll(json.loads(json.dumps(outcome.state)), asked) for _ in range(2))
        assert first.leaf == second.leaf
        assert place.ordered() == 1


def test_a_finalized_order_whose_answer_is_lost_is_found_by_its_address():
    with stand(**DIRECT) as place:
        steps, asked = place.steps(), request()
        outcome = steps.submit(asked, PLAIN)
        lost(place, "/finalize")
        with pytest.raises(OutcomeUnknown) as unknown:
            steps.poll(outcome.state, asked)
        assert unknown.value.bytes_sent
        assert isinstance(place.steps().poll(outcome.state, asked), Issued)
        assert place.ordered() == 1


def test_a_lost_order_is_opened_again_and_the_first_comes_to_nothing():
    with stand(**DIRECT) as place:
        lost(place, "/new-order")
        with pytest.raises(OutcomeUnknown) as unknown:
            place.steps().submit(request(), PLAIN)
        assert not unknown.value.bytes_sent
        place.issue()
        assert len(place.ledger.lines("opened")) == 2
        assert place.ordered() == 1


def test_an_opened_order_is_kept_although_its_names_cannot_be_read():
    with stand() as place:
        lost(place, "/authz", "page")
        outcome = place.steps().submit(request(), PLAIN)
        assert outcome.state["phase"] == "opened"
        assert outcome.reference.endswith("/order/1")


@pytest.mark.parametrize(
    "late", [{"issues_late": True}, {"issue_delay": 100.0}, {"ready_delay": 30.0}, {"validation_delay": 9.0}]
)
def test_a_ca_that_takes_its_time_is_waited_for(late):
    with stand(reuse=False, **late) as place:
        place.issue()
        assert place.ordered() == 1


def test_the_ca_says_how_long_to_wait():
    with stand(issue_delay=100.0, retry_after="77", **DIRECT) as place:
        steps, asked = place.steps(), request()
        outcome = steps.poll(steps.submit(asked, PLAIN).state, asked)
        assert (outcome.next_check.total_seconds(), outcome.kind) == (77, PendingKind.PROCESSING)


def test_looks_grow_rarer():
    with stand(issue_delay=1e6, **DIRECT) as place:
        steps, asked = place.steps(), request()
        outcome, waits = steps.submit(asked, PLAIN), []
        for _ in range(14):
            outcome = steps.poll(outcome.state, asked)
            waits.append(outcome.next_check.total_seconds())
        assert waits == sorted(waits)
        assert waits[-1] == 600


def test_an_unknown_state_waits_with_a_note():
    with stand(unknown_status="pondering", **DIRECT) as place:
        steps, asked = place.steps(), request()
        outcome = steps.poll(steps.submit(asked, PLAIN).state, asked)
        assert "pondering" in outcome.text


def test_an_order_that_is_not_ready_after_all_is_looked_at_again():
    def answer(method, path, payload):
        order = {"status": "ready", "finalize": "https://ca.example/f", "authorizations": []}
        if path == "/f":
            return 403, {"type": "urn:ietf:params:acme:error:orderNotReady", "detail": "wait"}
        return (200, order) if path == "/order/1" else None

    steps, door = scripted(answer)
    outcome = steps.poll({**OPENED}, request())
    assert isinstance(outcome, Pending)
    assert next(row for row in door.asked if row[1] == "/f")[3] is True


OPENED = Progress("https://ca.example/order/1", "https://ca.example/acct/1").pending(PendingKind.PROCESSING, "").state


# The names ---------------------------------------------------------------------------------------------


def test_a_name_that_fails_ends_the_order_with_what_the_ca_saw():
    with stand(validation="refuse") as place, pytest.raises(ValidationFailed) as failed:
        place.issue()
    assert "www.example.com" in failed.value.message
    assert failed.value.text == "www.example.com: What was looked for is not there."


def test_a_failed_name_is_seen_although_the_ca_leaves_the_order_open():
    with stand(validation="refuse", stubborn_orders=True) as place, pytest.raises(ValidationFailed):
        place.issue()


def test_a_name_that_failed_before_it_was_presented_ends_the_order():
    with stand(stubborn_orders=True) as place:
        steps, asked = place.steps(solver=None), request()
        outcome = steps.submit(asked, PLAIN)
        for one in place.simulator._answer.__self__._book.authorizations.values():
            one.status = "deactivated"
        with pytest.raises(ValidationFailed) as failed:
            steps.poll(outcome.state, asked)
        assert failed.value.code == "deactivated"


def test_names_that_nobody_validated_before_are_told():
    with stand() as place:
        steps, asked = place.steps(solver=None), request()
        with pytest.raises(ValidationFailed) as failed:
            place.finish(steps, steps.submit(asked, PLAIN), asked)
        assert failed.value.code == "not_validated"
        assert failed.value.remedy


def test_a_challenge_that_the_ca_was_told_of_before_is_told_again_in_vain():
    with stand(validation_delay=60.0) as place:
        steps, asked = place.steps(), request()
        outcome = place.until(steps, asked, "presented")
        for _ in range(2):
            told = steps.poll(outcome.state, asked)
            assert told.state["phase"] == "answered"
        place.finish(steps, told, asked)


def test_a_ca_that_forgot_that_it_was_told_is_told_again():
    with stand(validation_delay=1e6) as place:
        steps, asked = place.steps(), request()
        outcome = place.until(steps, asked, "answered")
        for one in place.simulator._answer.__self__._book.authorizations.values():
            for challenge in one.challenges:
                challenge.status, challenge.answered_at = "pending", None
        for _ in range(4):
            outcome = steps.poll(outcome.state, asked)
            assert {c["status"] for c in challenges(place)} == {"pending"}
        for _ in range(2):
            outcome = steps.poll(outcome.state, asked)
        assert {"type": "http-01", "status": "processing"} in challenges(place)


def test_another_challenge_than_before_begins_anew():
    class Other(HttpSolver):
        type, local = "dns-01", False

        def present(self, tasks):
            self.presented = tasks
            return ()

    with stand() as place:
        asked, other = request(), Other()
        outcome = place.until(place.steps(), asked, "presented")
        again = place.steps(solver=other).poll(outcome.state, asked)
        assert (again.state["type"], again.state["phase"], again.publish) == ("dns-01", "presented", ())
        assert other.presented
        told = place.until(place.steps(), asked, "answered")
        assert place.steps(solver=None).poll(told.state, asked)


class Slow(HttpSolver):
    """Not to be seen yet, and somebody's to put there."""

    waits_for_people = True
    left = 3

    def missing(self, tasks):
        self.left -= 1
        return [f"Put it there for {t.name}." for t in tasks] * 9 if self.left > 0 else []

    def clean(self, tasks):
        raise Unreachable("away", bytes_sent=False)


def test_what_cannot_be_seen_yet_is_waited_for_and_said(caplog):
    with stand() as place, caplog.at_level("DEBUG"):
        slow = Slow()
        steps, asked = place.steps(solver=slow), request()
        outcome = place.until(steps, asked, "presented")
        waits = steps.poll(outcome.state, asked)
        assert (waits.kind, waits.text.count("Put it there")) == (PendingKind.ACTION, 5)
        place.finish(steps, waits, asked)
        slow.left = 2
        slow.waits_for_people = False
        other = request("other.example.com")
        again = place.until(steps, other, "presented")
        assert steps.poll(again.state, other).kind == PendingKind.VALIDATION
    assert "left over" in caplog.text


def test_a_refusal_to_look_that_is_no_repetition_is_an_error():
    def answer(method, path, payload):
        if path == "/order/1":
            return 200, {"status": "pending", "authorizations": ["https://ca.example/z"], "finalize": ""}
        if path == "/z":
            challenge = {"type": "http-01", "url": "https://ca.example/c", "token": "tok", "status": "pending"}
            about = {"type": "dns", "value": "www.example.com"}
            return 200, {"status": "pending", "identifier": about, "challenges": [challenge]}
        return (404, b"gone") if path == "/c" else None

    steps, _ = scripted(answer, solver=HttpSolver())
    outcome = steps.poll(OPENED, request())
    with pytest.raises(ProtocolViolation):
        steps.poll(outcome.state, request())


def test_a_token_that_is_none_is_refused():
    def answer(method, path, payload):
        if path == "/order/1":
            return 200, {"status": "pending", "authorizations": ["https://ca.example/z"]}
        challenge = {"type": "http-01", "url": "https://ca.example/c", "token": "../x", "status": "pending"}
        about = {"type": "dns", "value": "www.example.com"}
        return (200, {"status": "pending", "identifier": about, "challenges": [challenge]}) if path == "/z" else None

    steps, _ = scripted(answer, solver=HttpSolver())
    with pytest.raises(ProtocolViolation):
        steps.poll(OPENED, request())


# The CA's no -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dials", "code"),
    [({"reject": True}, "rejectedIdentifier"), ({"bad_csr": True}, "badCSR"), ({"caa_fails": True}, "caa")],
)
def test_a_refusal_of_the_order_is_final_with_the_cas_words(dials, code):
    with stand(**DIRECT, **dials) as place, pytest.raises(RejectedByPolicy) as refused:
        place.issue()
    assert refused.value.code == code
    assert refused.value.text
    assert refused.value.remedy


def test_an_order_that_took_too_long_is_over():
    with stand() as place:
        steps, asked = place.steps(), request()
        outcome = place.until(steps, asked, "presented")
        place.clock.advance(place.simulator._answer.__self__._book.orders["1"].expires - place.clock.now())
        with pytest.raises(RejectedByPolicy) as refused:
            steps.poll(outcome.state, asked)
        assert refused.value.code == "invalid"


def test_names_that_are_no_longer_authorised_at_the_end_end_the_order():
    def answer(method, path, payload):
        order = {"status": "ready", "finalize": "https://ca.example/f", "authorizations": []}
        if path == "/f":
            return 403, {"type": "urn:ietf:params:acme:error:unauthorized", "detail": "expired"}
        return (200, order) if path == "/order/1" else None

    steps, _ = scripted(answer)
    with pytest.raises(ValidationFailed):
        steps.poll(OPENED, request())


@pytest.mark.parametrize(
    ("kind", "error"), [("badPublicKey", RejectedByPolicy), ("externalAccountRequired", AuthFailed)]
)
def test_a_key_that_is_refused_at_the_end_is_the_requests(kind, error):
    def answer(method, path, payload):
        order = {"status": "ready", "finalize": "https://ca.example/f", "authorizations": []}
        if path == "/f":
            return 400, {"type": f"urn:ietf:params:acme:error:{kind}", "detail": "no"}
        return (200, order) if path == "/order/1" else None

    steps, _ = scripted(answer)
    with pytest.raises(error) as refused:
        steps.poll(OPENED, request())
    assert refused.value.remedy


def test_a_resource_that_moved_is_looked_up_in_the_directory_and_ends_no_order():
    def answer(method, path, payload):
        gone = 404, {"type": "urn:ietf:params:acme:error:malformed", "detail": "Page not found"}
        return gone if path == "/newOrder" else None

    steps, door = scripted(answer)
    for _ in range(2):
        with pytest.raises(ProtocolViolation) as told:
            steps.submit(request(), PLAIN)
        # It is placed again: nothing was opened.
        assert consequence(told.value.kind, Doing.SUBMIT, bytes_sent=told.value.bytes_sent).target is State.QUEUED
    assert [row[1] for row in door.asked].count("/directory") > 1


@pytest.mark.parametrize("path", ["/f", "/newAccount"])
def test_a_proxy_that_forbids_something_ends_no_order(path):
    def answer(method, asked, payload):
        order = {"status": "ready", "finalize": "https://ca.example/f", "authorizations": []}
        if asked == path:
            return 403, b"<html>"
        return (200, order) if asked == "/order/1" else None

    steps, _ = scripted(answer)
    with pytest.raises(Forbidden) as refused:
        steps.poll(OPENED, request()) if path == "/f" else steps.submit(request(), PLAIN)
    assert "proxy" in refused.value.message


def test_an_order_that_the_ca_forgot_is_never_placed_again_by_itself():
    with stand(**DIRECT) as place:
        steps, asked = place.steps(), request()
        outcome = steps.submit(asked, PLAIN)
        place.turn(forget_orders=True)
        with pytest.raises(NotFound) as gone:
            steps.poll(outcome.state, asked)
        # A person is asked: nothing of ours searches or sends it again.
        assert consequence(gone.value.kind, Doing.POLL, bytes_sent=True).target is State.OUTCOME_UNKNOWN
        assert gone.value.remedy
        assert len(place.ledger.lines("opened")) == 1


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("body", [b"", {"type": "urn:ietf:params:acme:error:malformed", "detail": "no such"}])
@pytest.mark.parametrize(
    ("path", "nonce", "error"),
    [
        ("/order/1", "bm9uY2U", NotFound),
        ("/cert", "bm9uY2U", NotFound),
        ("/order/1", "", ProtocolViolation),  # a proxy's: the CA's own answers bring a nonce
        ("/z", "bm9uY2U", ProtocolViolation),  # nothing is issued while names wait; the order ends by itself
    ],
)
def test_what_is_gone_is_told_apart(path, nonce, error, body, status):
    order = {"status": "valid", "certificate": "https://ca.example/cert", "finalize": "https://ca.example/f"}
    if path == "/z":
        order |= {"status": "pending", "authorizations": ["https://ca.example/z"]}

    def answer(method, asked, payload):
        if asked == path:
            return status, body, {"replay-nonce": nonce}
        return (200, order) if asked == "/order/1" else None

    steps, _ = scripted(answer)
    with pytest.raises(error) as gone:
        steps.poll(OPENED, request())
    assert type(gone.value) is error


def forgotten(place):
    """Let the CA forget its accounts, as one that was set up anew; another one gets the first number."""
    place.simulator._answer.__self__._book.accounts.clear()
    place.issue(place.steps(key=new_account_key()))


@pytest.mark.parametrize("first", ["submit", "adopt", "revoke"])
def test_an_account_that_the_ca_forgot_is_made_again_once(first):
    with stand(**DIRECT) as place:
        steps, asked = place.steps(), request()
        issued = place.issue(steps, asked)
        place.simulator._answer.__self__._book.accounts.clear()
        if first == "submit":
            place.issue(steps)
            assert place.ordered() == 2
        elif first == "adopt":
            assert steps.adopt(issued.reference, asked).outcome.leaf == issued.leaf
        else:
            assert isinstance(steps.revoke(target(issued), RevocationReason.SUPERSEDED), Revoked)
        assert len(place.simulator.state()["accounts"]) == 1


def test_a_ca_that_denies_the_account_again_is_asked_twice_and_no_more():
    denied = 400, {"type": "urn:ietf:params:acme:error:accountDoesNotExist", "detail": "no"}
    steps, door = scripted(lambda m, path, p: denied if path == "/newOrder" else None)
    with pytest.raises(AuthFailed):
        steps.submit(request(), PLAIN)
    assert [row[1] for row in door.asked].count("/newOrder") == 2


@pytest.mark.parametrize("made", [True, False])
def test_an_order_of_an_account_that_is_gone_does_not_stop_the_connector(made):
    with stand(**DIRECT) as place:
        steps, asked = place.steps(), request()
        outcome = steps.submit(asked, PLAIN)
        forgotten(place)
        place.simulator._answer.__self__._book.accounts.pop("1") if not made else place.issue()
        before = len(place.simulator.state()["accounts"])
        with pytest.raises(NotFound):
            steps.poll(outcome.state, asked)
        assert len(place.simulator.state()["accounts"]) == before


@pytest.mark.parametrize("kind", ["accountDoesNotExist", "unauthorized", "malformed"])
@pytest.mark.parametrize("account", ["acct/1", "acct/2", None])
@pytest.mark.parametrize("former", ["", KEY])
def test_an_order_is_lost_only_with_its_account(kind, account, former):
    def answer(method, path, payload):
        if path == "/newAccount":
            none = {"type": "urn:ietf:params:acme:error:accountDoesNotExist", "detail": ""}
            found = 200, {"status": "valid"}, {"location": f"https://ca.example/{account}"}
            return found if account else (400, none)
        return (403, {"type": f"urn:ietf:params:acme:error:{kind}", "detail": "no"}) if path == "/order/1" else None

    settings = AcmeSettings(terms_agreed=True, previous_key=Secret(former) if former else None)
    steps, door = scripted(answer, settings)
    own = account == OPENED["account"].removeprefix("https://ca.example/")
    lost = kind == "accountDoesNotExist" or (not own if account else not former)
    with pytest.raises(AuthorityError) as told:
        steps.poll(OPENED, request())
    assert isinstance(told.value, NotFound) is lost
    assert not any(row[3] for row in door.asked)


def test_terms_that_changed_need_a_person():
    with stand(terms_changed=True) as place, pytest.raises(Forbidden) as refused:
        place.issue()
    assert "/acme/terms" in refused.value.remedy


def test_a_rate_limit_slows_the_connector_until_it_says():
    with stand(throttle=True, retry_after="120") as place, pytest.raises(Throttled) as slowed:
        place.issue()
    assert (slowed.value.until - place.clock.now()).total_seconds() == 120


def test_a_state_of_another_version_is_refused():
    with stand() as place, pytest.raises(ProtocolViolation):
        place.steps().poll({"v": 99}, request())


# Renewals, profiles, dates -----------------------------------------------------------------------------


def renewed(place):
    return [line.detail for line in place.ledger.lines("order")][-1]


def test_a_renewal_names_what_it_replaces():
    with stand(**DIRECT) as place:
        first = place.issue()
        place.issue(asked=request(previous=first.reference))
        assert renewed(place) == split_reference(first.reference)[1]
        with_none = place.issue(asked=request(previous=first.reference), wanted=OrderSettings(replaces=False))
        assert renewed(place) == ""
        assert with_none.reference


@pytest.mark.parametrize("kind", ["alreadyReplaced", "malformed", "unauthorized"])
def test_a_ca_that_does_not_like_what_is_replaced_is_asked_without_it(kind):
    with stand(**DIRECT) as place:
        first = place.issue()
        place.turn(replaces_refusal=kind)
        place.issue(asked=request(previous=first.reference))
        assert renewed(place) == ""
        assert place.ordered() == 2


def test_a_certificate_that_was_replaced_before_is_replaced_by_a_plain_order():
    with stand(**DIRECT) as place:
        first = place.issue()
        for _ in range(2):
            place.issue(asked=request(previous=first.reference))
        assert renewed(place) == ""


def test_another_refusal_of_a_renewal_is_not_asked_again():
    with stand(**DIRECT) as place:
        first = place.issue()
        place.turn(reject=True)
        with pytest.raises(RejectedByPolicy):
            place.issue(asked=request(previous=first.reference))
        lost(place, "/new-order", "page")
        with pytest.raises(OutcomeUnknown):
            place.issue(asked=request(previous=first.reference))


def test_without_renewal_information_nothing_is_named():
    with stand(renewal_info=False, **DIRECT) as place:
        first = place.issue()
        place.issue(asked=request(previous=first.reference))
        assert renewed(place) == ""
        assert place.steps().renewal_hint(first.leaf) is None


def test_profiles_are_those_of_the_directory():
    with stand(**DIRECT) as place:
        steps = place.steps()
        assert [name for name, _ in steps.profiles()] == ["classic", "shortlived"]
        short = x509.load_der_x509_certificate(place.issue(wanted=OrderSettings("shortlived")).leaf)
        assert (short.not_valid_after_utc - short.not_valid_before_utc).days == 6
        with pytest.raises(RejectedByPolicy) as refused:
            steps.submit(request(), OrderSettings("gold"))
        assert refused.value.code == "invalidProfile"
        assert "classic, shortlived" in refused.value.message


@pytest.mark.parametrize("kind", ["invalidProfile", "unauthorized", "malformed"])
def test_a_profile_that_the_ca_refuses_after_all_is_a_matter_of_policy(kind):
    def answer(method, path, payload):
        if path == "/directory":
            return {**door.directory, "meta": {"profiles": {"gold": "…"}}}
        if path == "/newOrder":
            return 403, {"type": f"urn:ietf:params:acme:error:{kind}", "detail": "profile not for this account"}
        return None

    steps, door = scripted(answer)
    with pytest.raises(RejectedByPolicy) as refused:
        steps.submit(request(), OrderSettings("gold"))
    assert (refused.value.code, refused.value.remedy != "") == ("invalidProfile", True)


def test_the_wanted_end_is_asked_for_where_that_is_set():
    with stand(**DIRECT) as place:
        asked = request(days=10)
        leaf = x509.load_der_x509_certificate(place.issue(asked=asked, wanted=OrderSettings(not_after=True)).leaf)
        assert leaf.not_valid_after_utc == asked.intended_at + asked.validity
        place.turn(not_after_refused=True)
        with pytest.raises(RejectedByPolicy):
            place.issue(wanted=OrderSettings(not_after=True))


# Chains ------------------------------------------------------------------------------------------------


def top(issued):
    found = [x509.load_der_x509_certificate(der) for der in issued.chain]
    return {c.issuer.rfc4514_string() for c in found}


def test_the_preferred_chain_is_taken_where_the_ca_offers_it(caplog):
    with stand(**DIRECT) as place, caplog.at_level("DEBUG"):
        assert "CN=Sandbox Old Root" not in top(place.issue())
        old = place.steps(AcmeSettings(terms_agreed=True, preferred_chain="old root"))
        assert "CN=Sandbox Old Root" in top(place.issue(old))
        usual = place.steps(AcmeSettings(terms_agreed=True, preferred_chain="Sandbox Root"))
        assert "CN=Sandbox Old Root" not in top(place.issue(usual))
        none = place.steps(AcmeSettings(terms_agreed=True, preferred_chain="Nowhere"))
        assert place.issue(none).chain
    assert "no chain" in caplog.text


@pytest.mark.parametrize("body", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_an_answer_without_a_certificate_is_fetched_again(body):
    def answer(method, path, payload):
        if path == "/order/1":
            return 200, {"status": "valid", "certificate": "https://ca.example/cert"}
        return (200, body) if path == "/cert" else None

    steps, _ = scripted(answer)
    with pytest.raises(ProtocolViolation) as told:
        steps.poll(OPENED, request())
    assert not told.value.bytes_sent


def test_a_valid_order_without_a_certificate_waits():
    steps, _ = scripted(lambda m, path, p: (200, {"status": "valid"}) if path == "/order/1" else None)
    assert isinstance(steps.poll(OPENED, request()), Pending)


def test_references_that_do_not_fit_lose_what_they_can():
    short, long = "https://ca.example/o/1", "https://ca.example/" + "o" * 190
    assert split_reference(reference_of(short, "a.b")) == (short, "a.b")
    assert reference_of(short, "") == short
    assert reference_of(short + "x" * 170, "a" * 30 + ".b") == short + "x" * 170
    assert reference_of(long, "a.b") == ""
    assert Progress(long, "").pending(PendingKind.PROCESSING, "").reference == ""


# Adopting, revoking ------------------------------------------------------------------------------------


def test_an_order_is_adopted_in_any_state():
    with stand(issue_delay=30.0, **DIRECT) as place:
        steps, asked = place.steps(), request()
        outcome = steps.submit(asked, PLAIN)
        found = steps.adopt(outcome.reference, asked)
        assert isinstance(found.outcome, Pending)
        issued = place.finish(steps, found.outcome, asked)
        again = steps.adopt(issued.reference, asked)
        assert again.outcome.leaf == issued.leaf
        with pytest.raises(RejectedByPolicy) as wrong:
            steps.adopt(issued.reference, request())
        assert wrong.value.code == "wrong_key"
        with pytest.raises(RejectedByPolicy) as other:
            steps.adopt(issued.reference, request("other.example.com"))
        assert other.value.code == "other_names"
        for reference in ("4711", f"{outcome.reference}99", "https://ca.example/order/1"):
            with pytest.raises(NotFound):
                steps.adopt(reference, asked)
        place.simulator.down()
        with pytest.raises(Unreachable):
            place.steps().adopt(outcome.reference, asked)
        place.simulator.up()
        stranger = place.steps(key=__import__("chancery.protocols.acme.keys", fromlist=["x"]).new_account_key())
        with pytest.raises(NotFound):
            stranger.adopt(issued.reference, asked)


@pytest.mark.parametrize("reason", list(RevocationReason))
def test_a_certificate_is_revoked_for_each_reason(reason):
    with stand(**DIRECT) as place:
        steps, issued = place.steps(), place.issue()
        assert isinstance(steps.revoke(target(issued), reason), Revoked)
        with pytest.raises(AlreadyDone):
            steps.revoke(target(issued), reason)
        assert len(place.ledger.lines("revoke")) == 1


def test_a_certificate_of_another_account_is_not_revoked_and_the_connector_goes_on():
    from chancery.protocols.acme.keys import new_account_key

    with stand(**DIRECT) as place:
        issued = place.issue()
        with pytest.raises(RejectedByPolicy) as refused:
            place.steps(key=new_account_key()).revoke(target(issued), RevocationReason.UNSPECIFIED)
        assert refused.value.remedy
        with pytest.raises(RejectedByPolicy):
            place.steps().revoke(target(issued, "0d15ea5e"), RevocationReason.UNSPECIFIED)


def test_a_lost_revocation_is_unknown():
    with stand(**DIRECT) as place:
        issued = place.issue()
        lost(place, "/revoke-cert")
        with pytest.raises(OutcomeUnknown):
            place.steps().revoke(target(issued), RevocationReason.UNSPECIFIED)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ((200, b"<html>", {"content-type": "text/html"}), OutcomeUnknown),
        ((403, b"<html>"), Forbidden),
        ((401, b"<html>"), AuthFailed),
        ((500, {"type": "urn:ietf:params:acme:error:serverInternal"}), OutcomeUnknown),
    ],
)
def test_a_page_is_no_confirmation(reply, kind):
    steps, _ = scripted(lambda m, path, p: reply if path == "/revokeCert" else None)
    with stand(**DIRECT) as place:
        issued = place.issue()
    with pytest.raises(kind):
        steps.revoke(target(issued), RevocationReason.UNSPECIFIED)


def test_a_ca_without_revocation_says_so():
    def answer(method, path, payload):
        return {n: u for n, u in door.directory.items() if n != "revokeCert"} if path == "/directory" else None

    steps, door = scripted(answer)
    with stand(**DIRECT) as place:
        issued = place.issue()
    with pytest.raises(ProtocolViolation):
        steps.revoke(target(issued), RevocationReason.UNSPECIFIED)


def test_an_order_without_an_address_is_opened_again():
    steps, _ = scripted(lambda m, path, p: (201, {"status": "pending"}) if path == "/newOrder" else None)
    with pytest.raises(ProtocolViolation) as told:
        steps.submit(request(), PLAIN)
    assert not told.value.bytes_sent


@pytest.mark.parametrize("reply", [{"odd": 1}, [], {"status": 7}])
def test_what_is_no_order_is_looked_at_again(reply):
    steps, _ = scripted(lambda m, path, p: (200, reply) if path == "/order/1" else None)
    with pytest.raises(ProtocolViolation):
        steps.poll(OPENED, request())


@pytest.mark.parametrize(
    "reply", [{"status": "valid"}, {"identifier": {"type": "dns", "value": "x"}}, {"identifier": 7}]
)
def test_what_is_no_authorization_is_looked_at_again(reply):
    def answer(method, path, payload):
        if path == "/order/1":
            return 200, {"status": "pending", "authorizations": ["https://ca.example/z"]}
        return (200, reply) if path == "/z" else None

    steps, _ = scripted(answer, solver=HttpSolver())
    with pytest.raises(ProtocolViolation):
        steps.poll(OPENED, request())


def test_names_that_are_all_valid_leave_nothing_to_present():
    with stand(ready_delay=1e6, **DIRECT) as place:
        steps, asked = place.steps(), request()
        outcome = steps.submit(asked, PLAIN)
        assert (outcome.publish, outcome.kind) == ((), PendingKind.PROCESSING)


def test_an_order_that_failed_as_a_whole_is_told_by_its_own_words():
    def answer(method, path, payload):
        if path == "/order/1":
            error = {"type": "urn:ietf:params:acme:error:serverInternal", "detail": "sorry"}
            return 200, {"status": "invalid", "authorizations": ["https://ca.example/z"], "error": error}
        about = {"type": "dns", "value": "www.example.com"}
        return (200, {"status": "valid", "identifier": about}) if path == "/z" else None

    steps, _ = scripted(answer)
    with pytest.raises(RejectedByPolicy) as refused:
        steps.poll(OPENED, request())
    assert (refused.value.code, refused.value.text) == ("serverInternal", "sorry")


def test_a_refused_finalization_for_want_of_sense_is_no_end():
    def answer(method, path, payload):
        order = {"status": "ready", "finalize": "https://ca.example/f", "authorizations": []}
        return (200, order) if path == "/order/1" else ((404, b"<html>") if path == "/f" else None)

    steps, _ = scripted(answer)
    with pytest.raises(ProtocolViolation) as told:
        steps.poll(OPENED, request())
    assert told.value.bytes_sent
