"""Odd answers: whatever DigiCert, its CDN or a proxy says, the engine gets one of its own errors and no secret."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chancery.authorities.digicert.bundle import certificates
from chancery.authorities.digicert.read import day, flag, moment, names, number, rows, segment, table, word
from chancery.authorities.digicert.tests.stand import KEY, START, request, scripted
from chancery.core.order import RevocationReason
from chancery.sdk.authority import Target
from chancery.sdk.errors import (
    AlreadyDone,
    AuthFailed,
    AuthorityError,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    QuotaExhausted,
    RejectedByPolicy,
    Throttled,
    Unreachable,
    ValidationFailed,
)
from chancery.sdk.finding import Finding
from chancery.sdk.inventory import InventoryPage
from chancery.sdk.outcome import Absence, Choice, Found, Issued, Pending, RevocationPending, Revoked
from tests.trying import examples

ASKED = request(previous="1000004/1000006", order_days=365)
TWIN = request(previous="1000004/1000006", renewal="duplicate")
TARGET = Target(b"", "0a1b", "1000004/1000006")
SINCE = START - timedelta(days=1)

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        [
            KEY,
            f"x {KEY} y",
            "issued",
            "pending",
            "approved",
            "reissue_pending",
            "needs_approval",
            "1000004",
            1000004,
            "2026-11-23",
            "2099-01-01",
            "0001-01-01T00:00:00+23:59",
            "www.example.com",
            "ssl_basic",
            "rejected",
            ASKED.csr_pem,
            "chancery:0191-a",
        ]
    ),
)
NAMES = st.sampled_from(
    [
        "id",
        "status",
        "certificate",
        "requests",
        "orders",
        "page",
        "total",
        "errors",
        "code",
        "message",
        "csr",
        "dns_names",
        "common_name",
        "custom_fields",
        "value",
        "certificates",
        "certificate_chain",
        "pem",
        "domains",
        "dcv_token",
        "token",
        "dcv_random_value",
        "organization_validations",
        "dns_name_validations",
        "domain_id",
        "order_valid_till",
        "product",
        "name_id",
        "type",
        "date",
        "date_created",
        "access_roles",
        "containers",
        "products",
        "organizations",
        "metadata",
        "validations",
        "validated_until",
        "comments",
        "processor_comment",
        "is_renewed",
    ]
)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=25
)
orders = st.fixed_dictionaries(
    {"id": leaves, "status": leaves, "certificate": st.dictionaries(NAMES, leaves, max_size=5)},
    optional={"requests": documents, "order_valid_till": leaves, "product": documents, "orders": documents},
)
bodies = st.one_of(
    documents,
    orders,
    st.binary(max_size=60),
    st.sampled_from([b"", b"<html>Loading</html>", b"{", b"[[[[", b"\xff\xfe", b'{"id":1,"id":2}', b"1e999", b"NaN"]),
)
statuses = st.sampled_from(
    [200, 200, 200, 201, 204, 301, 400, 401, 402, 403, 404, 408, 409, 418, 422, 429, 500, 502, 503]
)
headers = st.one_of(
    st.just({}),
    st.dictionaries(st.sampled_from(["retry-after", "content-type", "date"]), st.text(max_size=20), max_size=2),
)
answers = st.lists(st.tuples(statuses, bodies, headers), min_size=1, max_size=6)

VERBS = {
    "submit": (lambda ca: ca.submit(ASKED), (Issued, Pending)),
    "poll": (lambda ca: ca.poll({"v": 1, "order": "1000004"}, ASKED), (Issued, Pending)),
    "poll_reissue": (
        lambda ca: ca.poll({"v": 1, "order": "1000004", "reissue": True, "request": "5"}, ASKED),
        (Issued, Pending),
    ),
    "submit_duplicate": (lambda ca: ca.submit(TWIN), (Issued, Pending)),
    "poll_duplicate": (
        lambda ca: ca.poll({"v": 1, "order": "1000004", "again": "duplicate", "request": "5", "checked": "x"}, TWIN),
        (Issued, Pending),
    ),
    "find_duplicate": (lambda ca: ca.find(TWIN, SINCE), (Found, Absence)),
    "cancel_duplicate": (
        lambda ca: ca.cancel({"v": 1, "order": "1000004", "again": "duplicate", "request": "5"}, TWIN),
        type(None),
    ),
    "organisations": (lambda ca: ca.choices("organization_id"), list),
    "inventory": (lambda ca: ca.inventory(None), InventoryPage),
    "fetch": (lambda ca: ca.fetch("5/6"), Issued),
    "find": (lambda ca: ca.find(ASKED, SINCE), (Found, Absence)),
    "adopt": (lambda ca: ca.adopt("1000004", ASKED), Found),
    "revoke": (lambda ca: ca.revoke(TARGET, RevocationReason.SUPERSEDED, "x"), (Revoked, RevocationPending)),
    "poll_revocation": (
        lambda ca: ca.poll_revocation({"v": 1, "request": "5"}, TARGET),
        (Revoked, RevocationPending),
    ),
    "cancel": (lambda ca: ca.cancel({"v": 1, "order": "1000004"}, ASKED), type(None)),
    "check": (lambda ca: list(ca.check()), list),
    "choices": (lambda ca: ca.choices("product"), list),
}


def cycle(given_answers):
    left = list(given_answers)

    def answer(method, path, body):
        status, found, more = left.pop(0) if len(left) > 1 else left[0]
        return status, found, more

    return answer


def shown(outcome):
    """Everything of an outcome or error that a page, a log or a table may get to hold."""
    if isinstance(outcome, AuthorityError):
        return [outcome.message, outcome.code, outcome.text, outcome.remedy, repr(outcome), str(outcome)]
    if isinstance(outcome, list):
        return [text for one in outcome for text in shown(one)]
    if isinstance(outcome, Found):
        return [outcome.evidence, *shown(outcome.outcome)]
    return [repr(outcome)]


@pytest.mark.parametrize("verb", VERBS)
@settings(max_examples=examples(80), deadline=None)
@given(script=answers)
def test_odd_answers_become_typed_errors_without_a_secret(verb, script):
    ca, _ = scripted(cycle(script))
    act, kinds = VERBS[verb]
    try:
        outcome = act(ca)
    except AuthorityError as error:
        outcome = error
    else:
        assert isinstance(outcome, kinds)
    assert not [text for text in shown(outcome) if KEY in text]
    if isinstance(outcome, Pending):
        json.dumps(outcome.state)
        assert len(outcome.text) <= 1000
        assert timedelta(0) < outcome.next_check <= timedelta(minutes=5)
    if isinstance(outcome, list):
        assert all(isinstance(one, Finding | Choice) for one in outcome)


@settings(max_examples=examples(150), deadline=None)
@given(script=answers)
def test_at_most_one_order_is_sent_and_a_second_only_after_a_refusal(script):
    ca, door = scripted(cycle(script))
    try:
        ca.submit(ASKED)
    except AuthorityError as error:
        sent = [path for method, path, _ in door.asked if method == "POST"]
        if error.kind in {"OutcomeUnknown", "ProtocolViolation"} and not error.bytes_sent:
            assert sent == []
    posts = [(path, body) for method, path, body in door.asked if method == "POST"]
    assert len(posts) <= 2
    if len(posts) == 2:
        assert "renewal_of_order_id" in posts[0][1]
        assert "renewal_of_order_id" not in posts[1][1]


@settings(max_examples=examples(100), deadline=None)
@given(
    state=st.dictionaries(
        st.sampled_from(["v", "order", "status", "looks", "looked", "kind", "text", "records"]), documents
    )
)
def test_a_poll_state_of_another_version_is_no_bug(state):
    ca, _ = scripted(lambda *_: {"id": 1, "status": "pending"})
    try:
        assert isinstance(ca.poll(state, ASKED), Pending)
    except AuthorityError:
        pass


@given(value=documents)
def test_readers_take_anything(value):
    assert isinstance(table(value), dict)
    assert all(isinstance(row, dict) for row in rows(value))
    assert len(word(value)) <= 200
    assert number(value) == "" or number(value).isdigit()
    assert all(names(value))
    assert day(value) is None or moment(value) is None or moment(value).tzinfo is UTC
    assert flag(value) in {True, False, None}
    try:
        assert segment(value).isalnum()
    except ProtocolViolation as error:
        assert error.bytes_sent is False


@given(raw=st.one_of(st.binary(max_size=300), st.binary(max_size=100).map(lambda b: b"PK\x03\x04" + b)))
def test_files_of_any_kind_are_read_or_not(raw):
    assert isinstance(certificates(raw), list)


def test_a_withdrawal_that_is_refused_and_that_nobody_else_can_stop_is_too_late():
    refusal = 400, {"errors": [{"code": "invalid_value:status", "message": "Too late."}]}
    ca, _ = scripted(lambda method, path, body: refusal if method == "PUT" else {"id": 5, "status": "pending"})
    with pytest.raises(AlreadyDone, match="Too late"):
        ca.cancel({"v": 1, "order": "5"}, ASKED)


def test_revoked_before_is_believed_where_no_order_is_known():
    refusal = 400, {"errors": [{"code": "already_revoked", "message": "It has been revoked."}]}
    ca, _ = scripted(lambda method, path, body: refusal)
    with pytest.raises(AlreadyDone):
        ca.revoke(Target(b"", "0a1b", ""), RevocationReason.SUPERSEDED, "")


def test_a_name_with_more_orders_than_can_be_read_is_no_absence():
    start = iter(range(1, 10**9, 1000))
    field = [{"metadata_id": 12, "value": "chancery:other"}]

    def answer(method, path, body):
        first = next(start)
        return {"orders": [{"id": first + n, "custom_fields": field} for n in range(1000)], "page": {"total": 10**6}}

    ca, door = scripted(answer)
    with pytest.raises(OutcomeUnknown, match="too many orders with that name"):
        ca.find(request(), SINCE)
    assert len(door.asked) == 20


def test_a_moment_before_all_time_is_none():
    assert moment("0001-01-01T00:00:00+23:59") is None


def test_a_download_of_what_is_no_certificate_after_all_is_kept_as_it_came():
    from chancery.authorities.digicert import bundle

    assert bundle._is_ca(b"no certificate") is False


# What each answer means ----------------------------------------------------------------------------


def error_body(code, message="said so"):
    return {"errors": [{"code": code, "message": message}]}


PLAIN = request()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, error_body("invalid_value:days"), RejectedByPolicy),
        (400, error_body("invalid_value|common_name"), RejectedByPolicy),
        (400, {"errors": {"code": "csr_invalid_cannot_parse", "message": "x"}}, RejectedByPolicy),
        (400, error_body("ambiguous_product"), RejectedByPolicy),
        (400, error_body("invalid_value:payment_method"), RejectedByPolicy),
        (400, error_body("something_new"), RejectedByPolicy),
        (400, b"", OutcomeUnknown),
        (400, {}, OutcomeUnknown),
        (404, {"message": "no Route matched with those values"}, OutcomeUnknown),
        (409, b"", OutcomeUnknown),
        (409, error_body("duplicate"), RejectedByPolicy),
        *((status, error_body("x"), OutcomeUnknown) for status in (405, 407, 415, 421, 423, 425, 428, 431, 451)),
        (400, error_body("caa_check_failed|example.com"), ValidationFailed),
        (400, error_body("file_random_value_not_found"), ValidationFailed),
        (401, b"", AuthFailed),
        (403, error_body("access_denied|access_denied_invalid_key"), AuthFailed),
        (403, error_body("access_denied|missing_permission"), Forbidden),
        (403, error_body("access_denied|invalid_approver"), Forbidden),
        (403, error_body("access_denied|something_new"), Forbidden),
        (403, error_body("access_denied|invalid_container"), RejectedByPolicy),
        (403, error_body("access_denied|product"), RejectedByPolicy),
        (403, b"", AuthFailed),
        (401, error_body("access_denied|product"), AuthFailed),
        (403, b"<html>blocked by the CDN</html>", OutcomeUnknown),
        (404, error_body("not_found|product"), NotFound),
        (404, error_body("not_found|route"), Unreachable),
        (404, b"<html>no such page</html>", OutcomeUnknown),
        (402, b"", QuotaExhausted),
        (400, error_body("insufficient_funds"), QuotaExhausted),
        (408, b"", OutcomeUnknown),
        (429, error_body("request_limit_exceeded"), Throttled),
        (429, b"<html>slow down</html>", Throttled),
        (500, error_body("general"), OutcomeUnknown),
        (503, b"<html>Maintenance</html>", OutcomeUnknown),
        (200, b"<html>Loading</html>", OutcomeUnknown),
        (200, b"[]", OutcomeUnknown),
        (201, b"", OutcomeUnknown),
        (201, {"requests": []}, OutcomeUnknown),
        (201, {"id": "abc"}, OutcomeUnknown),
        (201, {"id": True}, OutcomeUnknown),
    ],
)
def test_what_an_answer_to_an_order_means(status, body, kind):
    ca, _ = scripted(lambda *_: (status, body))
    with pytest.raises(AuthorityError) as caught:
        ca.submit(PLAIN)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, error_body("bad_request_format"), ProtocolViolation),
        (403, b"<html>blocked</html>", Unreachable),
        (403, error_body("access_denied|product"), Forbidden),
        (403, error_body("access_denied|access_denied_invalid_key"), AuthFailed),
        (404, error_body("not_found|order"), NotFound),
        (404, error_body("not_found|route"), Unreachable),
        (404, b"<html>no such page</html>", Unreachable),
        (404, b"", ProtocolViolation),
        (404, {"message": "no Route matched with those values"}, ProtocolViolation),
        (400, b"", ProtocolViolation),
        (415, error_body("x"), Unreachable),
        (500, b"", Unreachable),
        (503, b"<html>Maintenance</html>", Unreachable),
        (200, b"<html>Loading</html>", Unreachable),
        (200, b"garbled", ProtocolViolation),
        (200, b"[]", ProtocolViolation),
        (302, b"", ProtocolViolation),
    ],
)
def test_what_an_answer_to_a_look_means(status, body, kind):
    ca, _ = scripted(lambda *_: (status, body))
    with pytest.raises(AuthorityError) as caught:
        ca.poll({"v": 1, "order": "1000004"}, PLAIN)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        ({"retry-after": "17"}, 17),
        ({"retry-after": "0"}, 1),
        ({"retry-after": "Mon, 23 Nov 2026 12:01:00 GMT"}, 60),
        ({"retry-after": "Mon, 23 Nov 2020 12:01:00 GMT"}, 1),
        ({"retry-after": "soon"}, 5),
        ({}, 5),
    ],
)
def test_how_long_to_wait_after_a_429(after, seconds):
    ca, door = scripted(lambda *_: (429, error_body("request_limit_exceeded"), after))
    with pytest.raises(Throttled) as caught:
        ca.submit(PLAIN)
    assert caught.value.until == door.clock.now() + timedelta(seconds=seconds)
    assert caught.value.code == "request_limit_exceeded"


def test_without_retry_after_each_further_429_waits_longer_until_the_long_window_has_drained():
    ca, door = scripted(lambda *_: (429, b""))
    waits = []
    for _ in range(8):
        with pytest.raises(Throttled) as caught:
            ca.submit(PLAIN)
        waits.append((caught.value.until - door.clock.now()).total_seconds())
    assert waits == [5, 10, 20, 40, 80, 160, 180, 180]
    door.clock.advance(timedelta(minutes=3))
    with pytest.raises(Throttled) as caught:
        ca.submit(PLAIN)
    assert caught.value.until == door.clock.now() + timedelta(seconds=5)


@pytest.mark.parametrize("status", ["rejected", "canceled", "Canceled", "revoked", "expired"])
def test_ends_at_digicert_end_the_order(status):
    ca, _ = scripted(lambda *_: {"id": 1, "status": status})
    with pytest.raises(RejectedByPolicy) as caught:
        ca.poll({"v": 1, "order": "1"}, PLAIN)
    assert caught.value.code == status.lower()


@pytest.mark.parametrize("status", [None, "", 7, "brand_new_word", "PROCESSING", "waiting_pickup", "needs_csr", [], {}])
def test_every_other_status_waits(status):
    ca, _ = scripted(lambda *_: {"id": 1, "status": status})
    assert isinstance(ca.poll({"v": 1, "order": "1"}, PLAIN), Pending)


def test_issued_without_a_certificate_number_waits():
    ca, _ = scripted(lambda *_: {"id": 1, "status": "issued", "certificate": None})
    assert "not yet downloadable" in ca.poll({"v": 1, "order": "1"}, PLAIN).text


def test_a_download_that_is_refused_does_not_end_a_paid_order():
    def answer(method, path, body):
        return (400, error_body("invalid_value:format")) if "download" in path else issued()

    def issued():
        return {"id": 1, "status": "issued", "certificate": {"id": 5, "csr": PLAIN.csr_pem}}

    ca, _ = scripted(answer)
    assert "cannot be downloaded yet" in ca.poll({"v": 1, "order": "1"}, PLAIN).text


@pytest.mark.parametrize(
    ("answers_of", "wanted"),
    [
        ({"revoke": (204, b"")}, Revoked),
        ({"revoke": (201, {"id": 9, "status": "pending"})}, RevocationPending),
        ({"revoke": (200, {"id": "9", "status": "approved"})}, RevocationPending),
        ({"revoke": (200, b""), "reissue": (200, {"certificates": [{"id": 6, "status": "revoked"}]})}, Revoked),
        ({"revoke": (200, b"")}, OutcomeUnknown),
        ({"revoke": (201, {"status": "pending"})}, OutcomeUnknown),
        ({"revoke": (400, error_body("x", "certificate was revoked before"))}, AlreadyDone),
        (
            {"revoke": (400, error_body("x")), "reissue": (200, {"certificates": {"id": "6", "status": "revoked"}})},
            AlreadyDone,
        ),
        ({"revoke": (400, error_body("x")), "info": (200, {"status": "revoked"})}, AlreadyDone),
        (
            {
                "revoke": (400, error_body("x", "cannot be revoked while a reissue is pending")),
                "reissue": (200, {"certificates": [{"serial_number": "00A1B", "status": "issued"}]}),
            },
            RejectedByPolicy,
        ),
        ({"revoke": (400, error_body("invalid_value:revocation_reason"))}, RejectedByPolicy),
        ({"revoke": (404, error_body("not_found"))}, NotFound),
        ({"revoke": (503, b"<html>")}, OutcomeUnknown),
    ],
)
def test_what_an_answer_to_a_revocation_means(answers_of, wanted):
    def answer(method, path, body):
        if path.startswith("certificate/"):
            return answers_of["revoke"]
        kind = path.rpartition("/")[2]
        return answers_of.get("info" if kind == "4" else kind, (404, error_body("not_found")))

    ca, _ = scripted(answer)
    target = Target(b"", "0a1b", "4/6")
    try:
        outcome = ca.revoke(target, RevocationReason.SUPERSEDED, "x")
    except AuthorityError as error:
        outcome = error
    assert type(outcome) is wanted


def test_a_revocation_request_that_is_gone_is_judged_by_the_certificate():
    def answer(method, path, body):
        if path.endswith("/reissue"):
            return {"certificates": [{"id": 6, "status": "revoked"}]}
        return 404, error_body("not_found")

    ca, _ = scripted(answer)
    assert isinstance(ca.poll_revocation({"v": 1, "request": "9"}, Target(b"", "0a1b", "4/6")), Revoked)
    with pytest.raises(NotFound):
        ca.poll_revocation({"v": 1, "request": "9"}, Target(b"", "0a1b", "4/7"))


@pytest.mark.parametrize("word", ["submitted", "pending", "escalated", None])
def test_a_revocation_request_in_any_other_state_waits(word):
    ca, _ = scripted(lambda *_: {"id": 9, "status": word})
    assert isinstance(ca.poll_revocation({"v": 1, "request": "9"}, TARGET), RevocationPending)


def pages(make):
    def answer(method, path, body):
        return make(path)

    return scripted(answer)[0]


def test_a_search_that_gets_the_same_page_for_ever_is_no_absence():
    row = {"id": 7, "custom_fields": [{"value": "chancery:other"}]}
    ca = pages(lambda _: {"orders": [row] * 3, "page": {"total": "900"}})
    with pytest.raises(OutcomeUnknown, match="again and again"):
        ca.find(PLAIN, SINCE)


def test_a_search_with_too_many_unmarked_orders_is_no_absence():
    ca, door = scripted(None)
    door.answer = lambda method, path, body: (
        {"orders": [{"id": n} for n in range(1, 151)]} if path == "order/certificate" else {"id": 1}
    )
    with pytest.raises(OutcomeUnknown, match="carry no reference"):
        ca.find(PLAIN, SINCE)


@pytest.mark.parametrize("body", [{}, {"orders": None}, {"orders": []}])
def test_empty_lists_come_in_all_shapes(body):
    assert isinstance(pages(lambda _: body).find(PLAIN, SINCE), Absence)


def test_no_body_at_all_is_no_empty_list():
    with pytest.raises(ProtocolViolation):
        pages(lambda _: b"").find(PLAIN, SINCE)


def test_the_search_names_its_filters_and_pages():
    ca, door = scripted(lambda *_: {"orders": []})
    seen = []
    send = door.request
    door.request = lambda method, path, params=None, **more: seen.append(params) or send(method, path, **more)
    ca.find(PLAIN, SINCE)
    assert seen == [
        [
            ("filters[common_name]", "www.example.com"),
            ("filters[date_created]", ">2026-11-21"),
            ("sort", "-date_created"),
            ("limit", "1000"),
            ("offset", "0"),
        ]
    ]


def test_a_key_that_is_echoed_is_masked_everywhere():
    ca, _ = scripted(lambda *_: (400, error_body(f"bad_{KEY}", f"key {KEY} is odd")))
    with pytest.raises(RejectedByPolicy) as caught:
        ca.submit(PLAIN)
    assert not [text for text in shown(caught.value) if KEY in text]


def test_moments_without_zone_are_read_as_utc():
    assert moment("2026-11-23T12:00:00") == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert moment("2026-11-23T05:00:00-07:00") == datetime(2026, 11, 23, 12, tzinfo=UTC)


ECHOES = {
    "status": lambda: {"id": 1, "status": f"odd {KEY}"},
    "comment": lambda: {"id": 1, "status": "rejected", "requests": [{"processor_comment": f"no {KEY}"}]},
    "name": lambda: {"id": 1, "status": "pending", "certificate": {"common_name": KEY}, "dcv_method": KEY},
    "token": lambda: {"id": 1, "status": "pending", "dcv_random_value": KEY, "dns_name_validations": [{"method": KEY}]},
    "label": lambda: {"username": KEY, "access_roles": [{"name": KEY}], "products": [{"name_id": KEY, "name": KEY}]},
    "page": lambda: (200, f"<html>{KEY}</html>".encode()),
    "no json": lambda: (200, f"{{{KEY}".encode()),
    "escaped": lambda: (400, json.dumps(error_body(KEY, KEY)).replace("-", "\\u002d").encode()),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("echo", ECHOES)
def test_a_key_that_is_echoed_in_any_field_is_shown_nowhere(echo, verb):
    ca, _ = scripted(lambda *_: ECHOES[echo]())
    try:
        outcome = VERBS[verb][0](ca)
    except AuthorityError as error:
        outcome = error
    assert not [text for text in shown(outcome) if KEY in text]
