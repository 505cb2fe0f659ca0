"""The wire: nonces, hosts, directories, problem documents, links, renewal information."""

import json
import threading
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chancery.core.secret import Secret
from chancery.protocols.acme.client import AcmeClient
from chancery.protocols.acme.links import link
from chancery.protocols.acme.problems import of_problem, problem_in, refusal, verdict
from chancery.protocols.acme.renewal import renewal_hint, renewal_id
from chancery.protocols.acme.settings import AcmeSettings
from chancery.protocols.acme.solving.http01 import HttpSolver
from chancery.protocols.acme.tests.stand import KEY, PLAIN, Door, request, scripted, stand
from chancery.sdk.answer import Answer
from chancery.sdk.errors import (
    AlreadyDone,
    AuthFailed,
    AuthorityError,
    Forbidden,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    Throttled,
    Unreachable,
    ValidationFailed,
)
from chancery.sdk.outcome import Issued, Pending
from chancery.sdk.testing import START, ManualClock
from tests.trying import examples

DIRECT = {"preauthorized": True}
ACME = "urn:ietf:params:acme:error:"


def answer_of(status, document=b"", effect=False, **headers):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Answer(status, headers, body, START, (Secret("hidden-0123456789"),), effect)


def problem(kind, **more):
    return {"type": f"{ACME}{kind}", "detail": "said", **more}


# Nonces -------------------------------------------------------------------------------------------------


def test_refused_nonces_are_replaced_by_those_that_come_with_the_refusal():
    with stand(bad_nonces=0.4, **DIRECT) as place:
        for _ in range(5):
            place.issue(place.steps())
        assert place.ordered() == 5


def test_a_ca_that_refuses_every_nonce_is_away_and_did_nothing():
    with stand(bad_nonces=1.0) as place, pytest.raises(Unreachable) as told:
        place.steps().submit(request(), PLAIN)
    assert (told.value.code, told.value.bytes_sent) == ("badNonce", False)


def test_nonces_that_were_kept_too_long_cost_one_refusal_for_all_of_them():
    with stand(**DIRECT) as place:
        steps = place.steps()
        place.issue(steps)
        steps._client._nonces.extend(["stale"] * 20)
        place.issue(steps)
        assert "stale" not in steps._client._nonces


def test_a_ca_without_nonces_is_told():
    for reply, kind in [
        ((204, b"", {"replay-nonce": ""}), ProtocolViolation),
        ((503, b"", {"replay-nonce": ""}), Unreachable),
    ]:
        directory = 200, {**Door.directory, "meta": {}}, {"replay-nonce": "x" * 600}
        steps, _ = scripted(lambda m, path, p, reply=reply: directory if path == "/directory" else reply)
        with pytest.raises(kind):
            steps.submit(request(), PLAIN)


def test_a_nonce_that_another_thread_took_is_fetched_anew():
    taken = []

    def answer(method, path, payload):
        if path == "/newNonce" and not taken:
            taken.append(1)
            steps._client._nonces.clear()

    steps, _ = scripted(answer)
    with pytest.raises(AuthorityError):
        steps.submit(request(), PLAIN)


def test_one_client_serves_several_threads():
    with stand(bad_nonces=0.1, **DIRECT) as place:
        steps, done = place.steps(), []
        own = [threading.Thread(target=lambda: done.append(place.finish_quietly(steps))) for _ in range(4)]
        place.finish_quietly = lambda steps: _issue(steps)
        for one in own:
            one.start()
        for one in own:
            one.join(20)
        assert [type(one) for one in done] == [Issued] * 4
        assert place.ordered() == 4


def _issue(steps):
    asked = request()
    return steps.poll(steps.submit(asked, PLAIN).state, asked)


# Hosts and directories ---------------------------------------------------------------------------------


def test_another_host_is_spoken_to_only_where_it_was_named():
    with stand(**DIRECT) as here, stand(**DIRECT) as there:
        other = there.simulator.url.removesuffix("/acme/directory")
        here.turn(other_host=other)
        with pytest.raises(Unreachable) as refused:
            here.steps().submit(request(), PLAIN)
        assert other in refused.value.message
        assert "Other hosts of the CA" in refused.value.remedy
        named = AcmeSettings(terms_agreed=True, other_hosts=frozenset({other.removeprefix("http://")}))
        here.issue(here.steps(named))
        assert (here.ordered(), there.ordered()) == (0, 1)


def test_the_guard_judges_the_hosts_that_were_named_as_well():
    directory = {**Door.directory, "newNonce": "https://169.254.169.254/nonce", "meta": {}}
    with stand() as place:
        steps = place.steps(AcmeSettings(terms_agreed=True, other_hosts=frozenset({"169.254.169.254"})))
        steps._client._directory = None
        answer = Answer(200, {}, json.dumps(directory).encode(), place.clock.now())
        steps._client.get = lambda url: answer
        with pytest.raises(Unreachable) as refused:
            steps.submit(request(), PLAIN)
    assert "metadata" in f"{vars(refused.value)}"


@pytest.mark.parametrize("url", ["ftp://ca.example/x", "https://user@ca.example/x", "", "https://ca.example/../x"])
def test_an_address_that_is_none_is_a_breach_of_the_protocol(url):
    directory = {**Door.directory, "newNonce": url, "meta": {}}
    reply = 200, directory, {"replay-nonce": ""}
    steps, _ = scripted(lambda m, path, p: reply if path == "/directory" else None)
    with pytest.raises(ProtocolViolation):
        steps.submit(request(), PLAIN)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ((200, b"<html>"), ProtocolViolation),
        ((200, b"[]"), ProtocolViolation),
        ((200, {"newOrder": "https://ca.example/o"}), ProtocolViolation),
        ((302, b"", {"location": "https://elsewhere.example/"}), ProtocolViolation),
        ((404, b""), ProtocolViolation),
        ((503, b""), Unreachable),
        ((429, b""), Throttled),
    ],
)
def test_what_is_no_directory_is_told_with_what_to_do(reply, kind):
    steps, _ = scripted(lambda m, path, p: reply)
    with pytest.raises(kind) as told:
        steps.submit(request(), PLAIN)
    assert not told.value.bytes_sent
    assert told.value.remedy


def test_odd_parts_of_a_directory_are_passed_over():
    meta = {"profiles": ["x"], "caaIdentities": "x", "termsOfService": 7, "externalAccountRequired": "yes"}
    steps, _ = scripted(lambda m, path, p: {**Door.directory, "odd": 7, "meta": meta} if path == "/directory" else None)
    found = steps._client.directory()
    assert (found.profiles, found.caa, found.terms, found.eab_required) == ({}, (), "", False)
    steps, _ = scripted(lambda m, path, p: {**Door.directory, "meta": []} if path == "/directory" else None)
    assert steps.profiles() == []


def test_the_directory_is_read_again_after_an_hour():
    steps, door = scripted(lambda m, path, p: None)
    for wait in (0, 59, 1):
        door.clock.advance(timedelta(minutes=wait))
        steps.profiles()
    assert [row[1] for row in door.asked] == ["/directory"] * 2


def test_links_are_read_by_their_relation():
    lines = {
        "link": '<https://ca.example/d>;rel="index", </cert/1>; rel=alternate, <https://ca.example/c/2> ; rel="alternate", odd'
    }
    found = link(answer_of(200, **lines), "https://ca.example/cert/0", "alternate")
    assert found == ["https://ca.example/cert/1", "https://ca.example/c/2"]
    assert link(answer_of(200), "https://ca.example/", "alternate") == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('<https://ca/a?x=1,2>;rel="alternate"', ["https://ca/a?x=1,2"]),
        ('<https://ca/a;b>;REL="alternate"', ["https://ca/a;b"]),
        ('<https://ca/a>\t; rel = "alternate"', ["https://ca/a"]),
        ('<https://ca/a>; rel="up  Alternate"', ["https://ca/a"]),
        ("<https://ca/a>;rel=ALTERNATE", ["https://ca/a"]),
        ('<https://ca/a>; title="one, \\"two\\"; <three>"; rel="alternate"', ["https://ca/a"]),
        ('<a>;rel=up,<b>;rel=alternate , ,</c>; x; rel="al\\ternate"', ["https://ca/b", "https://ca/c"]),
        ("<a>;rel=up;rel=alternate", []),
        ('<a>;rel="alternates"', []),
        ('<a>; title="rel=alternate"', []),
        ("a;rel=alternate", []),
        ('<a;rel=alternate, <b>;rel="alternate', []),
        ("<https://[a>;rel=alternate, <b>;rel=alternate", ["https://ca/b"]),
        ("<a>", []),
    ],
)
def test_links_are_read_in_every_form_that_they_may_have(line, expected):
    assert link(answer_of(200, link=line), "https://ca/", "alternate") == expected


# What refusals mean ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "ends", "error"),
    [
        (400, "rejectedIdentifier", True, RejectedByPolicy),
        (400, "unsupportedIdentifier", True, RejectedByPolicy),
        (403, "caa", True, RejectedByPolicy),
        (400, "badCSR", True, RejectedByPolicy),
        (400, "badPublicKey", True, AuthFailed),
        (400, "badRevocationReason", True, RejectedByPolicy),
        (400, "invalidProfile", True, RejectedByPolicy),
        (409, "alreadyReplaced", True, RejectedByPolicy),
        (400, "connection", False, ValidationFailed),
        (400, "dns", False, ValidationFailed),
        (400, "dnssec", False, ValidationFailed),
        (400, "tls", False, ValidationFailed),
        (400, "incorrectResponse", False, ValidationFailed),
        (400, "accountDoesNotExist", True, AuthFailed),
        (403, "externalAccountRequired", True, AuthFailed),
        (400, "badSignatureAlgorithm", True, AuthFailed),
        (403, "unauthorized", True, Forbidden),
        (401, "unauthorized", True, AuthFailed),
        (403, "userActionRequired", True, Forbidden),
        (400, "invalidContact", True, Forbidden),
        (400, "unsupportedContact", True, Forbidden),
        (400, "alreadyRevoked", True, AlreadyDone),
        (403, "orderNotReady", True, ProtocolViolation),
        (429, "rateLimited", True, Throttled),
        (503, "rateLimited", True, Throttled),
        (400, "badNonce", True, Unreachable),
        (500, "serverInternal", True, Unreachable),
        (400, "serverInternal", True, Unreachable),
        (400, "malformed", True, RejectedByPolicy),
        (409, "malformed", True, RejectedByPolicy),
        (404, "malformed", False, ProtocolViolation),
        *((status, "malformed", True, ProtocolViolation) for status in (404, 405, 407, 408, 415, 421, 425, 431)),
        (400, "somethingNew", True, RejectedByPolicy),
    ],
)
def test_each_problem_means_what_the_rfc_says(status, kind, ends, error):
    found = refusal(answer_of(status, problem(kind), **{"retry-after": "60"}), ends=ends)
    assert type(found) is error
    assert (found.code, found.text, found.bytes_sent) == (kind, "said", False)
    if error in {RejectedByPolicy, ValidationFailed, AuthFailed, Forbidden} and kind not in {
        "malformed",
        "somethingNew",
    }:
        assert found.remedy


def test_terms_are_agreed_to_where_the_ca_says_so():
    told = refusal(answer_of(403, problem("userActionRequired", instance="https://ca.example/agree")), ends=True)
    assert "https://ca.example/agree" in told.remedy
    assert "tick" in refusal(answer_of(403, problem("userActionRequired")), ends=True).remedy


def test_an_act_that_failed_inside_the_ca_is_unknown():
    assert type(refusal(answer_of(500, problem("serverInternal"), effect=True), ends=True)) is OutcomeUnknown


def test_subproblems_are_kept_and_decide():
    below = [problem("caa", identifier={"type": "dns", "value": "a.example"}), {"odd": 1}, problem("dns")]
    found = refusal(answer_of(400, problem("compound", subproblems=below)), ends=True)
    assert (type(found), found.code) == (RejectedByPolicy, "caa")
    assert found.text == "said [caa] a.example: said [dns] said"
    only = problem("compound", subproblems=[problem("dns")])
    assert type(refusal(answer_of(400, only), ends=True)) is ValidationFailed


@pytest.mark.parametrize(
    ("below", "error"),
    [
        (["rateLimited"], Throttled),
        (["serverInternal"], OutcomeUnknown),
        (["userActionRequired"], Forbidden),
        (["rateLimited", "rejectedIdentifier"], RejectedByPolicy),
        (["serverInternal", "caa"], RejectedByPolicy),
        (["malformed"], RejectedByPolicy),
    ],
)
def test_a_compound_problem_ends_an_order_by_what_is_about_its_names(below, error):
    found = problem("compound", subproblems=[problem(kind) for kind in below])
    assert type(refusal(answer_of(400, found, effect=True), ends=True)) is error


@pytest.mark.parametrize(("status", "error"), [(400, ProtocolViolation), (403, Forbidden), (404, ProtocolViolation)])
def test_a_problem_that_says_no_more_than_its_status_ends_nothing(status, error):
    blank = {"type": "about:blank", "title": "Bad Request", "status": status}
    assert type(refusal(answer_of(status, blank), ends=True)) is error


def test_an_endless_problem_is_cut():
    deep = problem("compound")
    for _ in range(50):
        deep = problem("compound", subproblems=[deep] * 2)
    found = problem_in(deep)
    assert len(list(found.types())) <= 7
    assert problem_in([]) is None
    assert problem_in({"type": 7}) is None


def test_a_secret_that_the_ca_repeats_is_not_shown():
    found = refusal(answer_of(400, {"type": "hidden-0123456789", "detail": "hidden-0123456789"}), ends=True)
    assert "hidden-0123456789" not in f"{vars(found)} {found}"
    told = problem_in(problem("dns", detail="hidden-0123456789"), (Secret("hidden-0123456789"),))
    ended = verdict(told)
    assert "hidden-0123456789" not in f"{vars(ended)} {ended}"


@pytest.mark.parametrize(
    ("kind", "of_name", "error"),
    [
        ("caa", True, RejectedByPolicy),
        ("unauthorized", False, ValidationFailed),
        ("malformed", True, ValidationFailed),
        ("rateLimited", False, RejectedByPolicy),
        ("serverInternal", False, RejectedByPolicy),
        ("connection", False, ValidationFailed),
    ],
)
def test_a_problem_inside_an_order_ends_it(kind, of_name, error):
    found = verdict(problem_in(problem(kind)), of_name=of_name)
    assert type(found) is error
    assert found.remedy


def test_problems_that_stood_anywhere_can_be_read():
    assert type(of_problem(problem_in(problem("caa")), answer_of(200), ends=True)) is RejectedByPolicy


# Renewal information -----------------------------------------------------------------------------------


def test_the_ca_says_when_to_renew():
    with stand(**DIRECT) as place:
        steps, issued = place.steps(), place.issue()
        hint = steps.renewal_hint(issued.leaf)
        assert START + timedelta(days=59) < hint.start < hint.end < START + timedelta(days=63)
        assert (hint.explanation, hint.next_look) == ("https://ca.example/renewals", timedelta(hours=6))
        place.turn(renew_now=True)
        assert steps.renewal_hint(issued.leaf).end < place.clock.now()


@pytest.mark.parametrize(
    ("told", "wait"), [("1", timedelta(minutes=1)), ("9999999", timedelta(days=1)), ("", timedelta(hours=6))]
)
def test_the_next_look_lies_between_a_minute_and_a_day(told, wait):
    window = {"start": "2026-07-01T00:00:00", "end": "2026-07-02T00:00:00Z"}
    hint = hinted(200, {"suggestedWindow": window}, **{"retry-after": told})
    assert hint.next_look == wait
    assert hint.start.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "document",
    [{}, {"suggestedWindow": {}}, {"suggestedWindow": {"start": "soon", "end": 7}},
     {"suggestedWindow": {"start": "2026-07-02T00:00:00Z", "end": "2026-07-01T00:00:00Z"}}],
)  # fmt: skip
def test_renewal_information_without_a_window_is_none(document):
    with pytest.raises(ProtocolViolation):
        hinted(200, document)


def hinted(status, document, **headers):
    directory = {**Door.directory, "renewalInfo": "https://ca.example/ari/", "meta": {}}

    def answer(method, path, payload):
        return directory if path == "/directory" else (status, document, headers)

    with stand(**DIRECT) as place:
        leaf = place.issue().leaf
    return renewal_hint(AcmeClient(Door(answer), Secret(KEY), ManualClock(START)), leaf)


def test_a_certificate_without_an_issuers_key_has_no_name_for_renewals():
    from chancery.core.tests.making import certify, key_of

    assert renewal_id(certify("x", key=key_of("EC-P256"), ca=True).der) == ""
    assert renewal_id(b"no certificate") == ""


# Any answer at all -------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["pending", "ready", "processing", "valid", "invalid", "http-01", "", "dns", "https://ca.example/x"]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 999) | WORDS,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["status", "authorizations", "finalize", "certificate", "error", "type", "detail", "identifier", "value",
             "challenges", "token", "url", "subproblems", "identifiers", "suggestedWindow", "contact", "orders"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=25,
)  # fmt: skip
REPLIES = st.tuples(
    st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 409, 429, 500, 503]),
    ANYTHING | st.binary(max_size=30),
    st.fixed_dictionaries(
        {},
        optional={"location": WORDS, "retry-after": st.sampled_from(["5", "x"]), "link": WORDS, "replay-nonce": WORDS},
    ),
)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(REPLIES, min_size=1, max_size=6), st.booleans())
def test_any_answer_becomes_an_outcome_or_an_error_of_the_sdk(replies, solves):
    left = list(replies)

    def answer(method, path, payload):
        if path == "/directory":
            return None
        return left.pop(0) if len(left) > 1 else left[0]

    steps, _door = scripted(answer, solver=HttpSolver() if solves else None)
    asked, outcome = request(), None
    for _ in range(4):
        try:
            outcome = steps.submit(asked, PLAIN) if outcome is None else steps.poll(outcome.state, asked)
        except AuthorityError as error:
            assert error.message
            if outcome is None:
                assert not error.bytes_sent or not isinstance(error, OutcomeUnknown | ProtocolViolation)
        assert outcome is None or isinstance(outcome, Pending | Issued)
        if isinstance(outcome, Issued):
            break
    for verb, *values in [("adopt", "https://ca.example/order/1", asked), ("check",)]:
        try:
            getattr(steps, verb)(*values)
        except AuthorityError as error:
            assert error.message
