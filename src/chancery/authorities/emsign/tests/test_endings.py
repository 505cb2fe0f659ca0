"""Revocation, with each reason as it was asked for, and renewal that never revokes."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from chancery.authorities.emsign.simulator.book import REASONS
from chancery.authorities.emsign.tests.stand import connector, issue, request, scripted, target
from chancery.core import keys
from chancery.core.certificate import spki_of
from chancery.core.order import RevocationReason
from chancery.sdk.errors import AlreadyDone, NotFound, OutcomeUnknown, ProtocolViolation, RejectedByPolicy
from chancery.sdk.outcome import Issued, RevocationPending, Revoked

FIVE = [r for r in RevocationReason if r is not RevocationReason.UNSPECIFIED]
KEBAB = {
    "keyCompromise": "key-compromise",
    "affiliationChanged": "affiliation-changed",
    "superseded": "superseded",
    "cessationOfOperation": "cessation-of-operation",
    "privilegeWithdrawn": "privilege-withdrawn",
}


# Revocation -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", FIVE)
def test_each_of_the_five_reasons_arrives_as_it_was_asked_for(ca, sim, clock, book, reason):
    issued = issue(ca, request(), clock)
    assert isinstance(ca.revoke(target(issued), reason, "left; the company"), Revoked)
    assert book.orders[0].revocation.reason == KEBAB[reason] in REASONS
    assert [line.detail for line in sim.ledger.lines("revoke")] == [KEBAB[reason]]
    # A semicolon in the note is refused by the CA.
    assert book.orders[0].revocation.note == "left, the company"


def test_a_reason_that_the_ca_does_not_take_is_refused_and_none_is_put_in_its_place(ca, sim, clock):
    issued = issue(ca, request(), clock)
    with pytest.raises(RejectedByPolicy) as refused:
        ca.revoke(target(issued), RevocationReason.UNSPECIFIED, "")
    assert not refused.value.bytes_sent
    assert all(str(r) in refused.value.remedy for r in FIVE)
    assert sim.ledger.lines("revoke") == []


def test_what_is_queued_is_followed(ca, sim, clock):
    issued = issue(ca, request(), clock)
    sim.dials.set(revoke_delay=600)
    waiting = ca.revoke(target(issued), RevocationReason.SUPERSEDED, "")
    assert isinstance(waiting, RevocationPending)
    state = json.loads(json.dumps(waiting.state))
    assert isinstance(ca.poll_revocation(state, target(issued)), RevocationPending)
    clock.advance(timedelta(minutes=11))
    done = ca.poll_revocation(state, target(issued))
    assert isinstance(done, Revoked)
    assert "evoked" in done.text


def test_asked_again_while_it_is_queued_makes_no_second_one(ca, sim, clock):
    issued = issue(ca, request(), clock)
    sim.dials.set(revoke_delay=600)
    ca.revoke(target(issued), RevocationReason.SUPERSEDED, "")
    again = ca.revoke(target(issued), RevocationReason.SUPERSEDED, "")
    assert isinstance(again, RevocationPending)
    assert len(sim.ledger.lines("revoke")) == 1


def test_a_revocation_that_a_person_at_the_ca_rejects_is_refused(ca, sim, clock):
    issued = issue(ca, request(), clock)
    sim.dials.set(revoke_delay=600, revoke_refused=True)
    waiting = ca.revoke(target(issued), RevocationReason.SUPERSEDED, "")
    clock.advance(timedelta(minutes=11))
    with pytest.raises(RejectedByPolicy, match="rejected the revocation"):
        ca.poll_revocation(waiting.state, target(issued))


def test_revoked_before_is_said_as_such(ca, clock):
    issued = issue(ca, request(), clock)
    ca.revoke(target(issued), RevocationReason.SUPERSEDED, "")
    with pytest.raises(AlreadyDone):
        ca.revoke(target(issued), RevocationReason.SUPERSEDED, "")


def test_revoked_between_the_look_and_the_act_is_said_as_such(ca, sim, clock, book, way):
    issued = issue(ca, request(), clock)
    service, answer = sim.tick.__self__, sim.tick.__self__.answer

    def answering(call):
        if "evoke" in call.path:
            service.lifecycle.revoke(book.orders[0], "superseded", "in the portal")
        return answer(call)

    sim._server.answer = answering
    with pytest.raises(AlreadyDone):
        ca.revoke(target(issued), RevocationReason.KEY_COMPROMISE, "")
    assert book.orders[0].revocation.reason == "superseded"


def test_an_order_that_holds_another_certificate_is_not_revoked(ca, sim, clock):
    first, second = issue(ca, request(), clock), issue(ca, request(reference="b"), clock)
    mixed = replace(target(first), reference=second.reference)
    with pytest.raises(RejectedByPolicy) as refused:
        ca.revoke(mixed, RevocationReason.SUPERSEDED, "")
    assert refused.value.code == "other_certificate"
    assert sim.ledger.lines("revoke") == []


@pytest.mark.parametrize("reference", ["", "4711", "../.."])
def test_what_is_not_known_cannot_be_revoked(ca, clock, reference):
    issued = issue(ca, request(), clock)
    with pytest.raises(NotFound):
        ca.revoke(replace(target(issued), reference=reference), RevocationReason.SUPERSEDED, "")


def test_private_pki_answers_with_a_document_or_without(v2, sim, clock, book):
    for n, body in enumerate((True, False)):
        sim.dials.set(private_body=body)
        asked = request("a.example.local", reference=str(n), variant="intranet-ssl", product_code="104", days=365)
        issued = issue(v2, asked, clock)
        assert isinstance(v2.revoke(target(issued), RevocationReason.SUPERSEDED, ""), Revoked)
    assert [o.revocation.reason for o in book.orders] == ["superseded", "superseded"]


ISSUED = {"status": "issued"}


def revoking(detail, told, way="v2"):
    """A connector whose CA answers `detail` to looks and `told` to the revocation."""

    def answer(method, path, body):
        if path.endswith("/certificate"):
            return 422, {"detail": "[EMS-1165] not now"}
        if path.endswith("GetCertificate"):
            return v1_no("EMS-956")
        if "evoke" in path:
            return told
        return detail

    return scripted(answer, transport=way)[0]


def any_target():
    from chancery.sdk.authority import Target

    return Target(b"", "1f", "7465857013")


def revoke(ca):
    return ca.revoke(any_target(), RevocationReason.SUPERSEDED, "x")


@pytest.mark.parametrize("told", [(200, {"surprise": 1}), (201, {}), (200, [])])
def test_an_answer_that_does_not_say_what_became_of_it_is_an_open_question(told):
    if told == (200, []):
        assert isinstance(revoke(revoking(ISSUED, told)), RevocationPending)
        return
    with pytest.raises(OutcomeUnknown):
        revoke(revoking(ISSUED, told))


def test_a_no_that_may_mean_queued_waits_and_any_other_is_a_refusal():
    queued = (422, {"detail": "[EMS-1165] Order not in a state that supports this operation"})
    assert isinstance(revoke(revoking(ISSUED, queued)), RevocationPending)
    with pytest.raises(RejectedByPolicy):
        revoke(revoking({"status": "pending-csr"}, queued))
    with pytest.raises(RejectedByPolicy):
        revoke(revoking(ISSUED, (422, {"detail": "[EMS-969] reason"})))
    with pytest.raises(NotFound):
        revoke(revoking(ISSUED, (404, {"detail": "Order not found or not in a revokable state."})))


def test_a_refused_look_is_no_refusal_of_the_revocation():
    with pytest.raises(ProtocolViolation):
        revoke(revoking((422, {"detail": "[EMS-917] what"}), (204, b"")))
    ca = revoking((422, {"detail": "[EMS-1161] what"}), (204, b""))
    with pytest.raises(ProtocolViolation):
        ca.poll_revocation({"v": 1, "path": "ssl-certificates/1", "reason": "superseded"}, any_target())


V1_YES = {"meta": {"status": "1"}}


def v1_no(code, text="Invalid request."):
    return {"meta": {"status": "0", "errorCode": code, "errorMessage": text}}


def test_v1_says_by_the_order_what_a_refused_revocation_means():
    detail = {**V1_YES, "orderDetails": {"certificateStatusId": "20"}}
    with pytest.raises(RejectedByPolicy):
        revoke(revoking(detail, v1_no("EMS-956"), "v1"))
    with pytest.raises(NotFound):
        revoke(revoking(detail, v1_no("EMS-913"), "v1"))
    rejected = {"revocationDetails": {"revokeRequestStatusId": "6"}, "certificateStatusId": "20"}
    with pytest.raises(RejectedByPolicy, match="without words"):
        revoke(revoking({**V1_YES, "orderDetails": rejected}, v1_no("EMS-956"), "v1"))


# Renewal ----------------------------------------------------------------------------------------------


def renewal(issued, *names, **more):
    return request(*names, previous=issued.reference, reference="renewal", **more)


def test_a_renewal_inside_the_subscription_is_a_reissue_whose_new_number_is_followed(v2, sim, clock, book):
    first = issue(v2, request(), clock)
    clock.advance(timedelta(days=150))
    second = issue(v2, renewal(first, at=clock.now()), clock)
    old, new = book.orders
    assert new.number == f"{old.number}R001"
    assert second.reference == f"{new.number}/{new.request}"
    # It never revokes, and says so: what is not said is the CA's to decide.
    assert (old.revoked, sim.ledger.lines("revoke")) == (False, [])
    assert [line.kind for line in sim.ledger.lines()] == ["order", "reissue"]
    third = issue(v2, renewal(second, at=clock.now()), clock)
    assert third.reference.startswith(f"{old.number}R002/")


def test_a_reissue_says_that_nothing_is_revoked():
    asked = []

    def answer(method, path, body):
        asked.append((method, path, body))
        if method == "GET":
            return {
                "status": "issued", "productVariant": "dv", "domain": "www.example.com",
                "subscription": {"endDate": "2029-01-01T00:00:00Z"},
            }  # fmt: skip
        return 201, {"orderId": "7R001", "requestId": "9", "status": "pending-csr"}

    ca, _ = scripted(answer)
    assert ca.submit(request(previous="7/8")).reference == "7R001/9"
    body = asked[-1][2]
    assert asked[-1][1].endswith("ssl-certificates/7/reissue")
    assert (body["revokePrevious"], body["revokeAllPriorReissues"]) == (False, False)
    assert body["mode"] == "rekey"


def test_a_reissue_that_keeps_its_number_is_followed_as_well(v2, sim, clock):
    first = issue(v2, request(), clock)
    sim.dials.set(keeps_id=True)
    asked = renewal(first, at=clock.now())
    second = issue(v2, asked, clock)
    assert spki_of(second.leaf) == asked.spki_sha256
    assert second.reference.split("/")[0] == first.reference.split("/")[0]


def test_a_renewal_with_the_same_key_is_not_given_the_old_certificate(v2, clock):
    key = keys.generate("EC-P256")
    first = issue(v2, request(key=key), clock)
    clock.advance(timedelta(days=100))
    second = issue(v2, renewal(first, key=key, at=clock.now()), clock)
    assert second.leaf != first.leaf


@pytest.mark.parametrize(
    ("names", "more"),
    [
        (("www.example.com", "b.example.com"), {}),
        (("www.example.com",), {"renewal": "new"}),
        (("www.example.com",), {"variant": "dv-wildcard-ucc", "product_code": "845"}),
        (("www.example.com",), {"days": 300, "term_days": 0}),
        (("www.example.com",), {"draft": True}),
    ],
)
def test_what_a_reissue_would_not_give_becomes_a_new_order(v2, clock, book, names, more):
    first = issue(v2, request(), clock)
    clock.advance(timedelta(days=150))
    v2.submit(renewal(first, *names, at=clock.now(), **more))
    assert len(book.orders) == 2
    assert "R" not in book.orders[1].number


def test_a_reissue_that_the_ca_refuses_becomes_a_new_order(v2, sim, clock, book):
    first = issue(v2, request(), clock)
    answer = sim.tick.__self__.answer

    def answering(call):
        if call.path.endswith("/reissue"):
            call.body = b'{"mode": "rekey", "reason": "x", "csr": "spoiled"}'
        return answer(call)

    sim._server.answer = answering
    asked = renewal(first, at=clock.now())
    assert spki_of(issue(v2, asked, clock).leaf) == asked.spki_sha256
    assert [o.number.count("R") for o in book.orders] == [0, 0]


def test_a_reissue_is_for_the_same_names_to_the_last_one(v2, clock, book):
    first = issue(v2, request("a.example.com", "b.example.com"), clock)
    v2.submit(renewal(first, "a.example.com", "b.example.com", "c.example.com", at=clock.now()))
    assert "R" not in book.orders[1].number


def test_a_renewal_of_what_is_revoked_or_forgotten_is_a_new_order(v2, clock, book):
    first = issue(v2, request(), clock)
    v2.revoke(target(first), RevocationReason.SUPERSEDED, "")
    v2.submit(renewal(first))
    v2.submit(replace(renewal(first), previous="4711", reference="c"))
    assert [o.number.count("R") for o in book.orders] == [0, 0, 0]


def test_the_pair_with_www_is_reissued_too(v2, clock, book):
    names = ("example.com", "www.example.com")
    first = issue(v2, request(*names, variant="dv", product_code="842"), clock)
    second = issue(v2, renewal(first, *names, variant="dv", product_code="842", at=clock.now()), clock)
    assert "R001" in second.reference
    assert isinstance(second, Issued)


def test_v1_renews_by_a_new_order_and_takes_each_request_once(v1, sim, clock, book):
    asked = request()
    first = issue(v1, asked, clock)
    again = replace(asked, previous=first.reference, reference="renewal")
    with pytest.raises(RejectedByPolicy) as refused:
        v1.submit(again)
    assert refused.value.remedy == "Renew with a new key."
    assert isinstance(issue(v1, renewal(first), clock), Issued)
    assert len(book.orders) == 2
    assert sim.ledger.lines("revoke") == []


def test_the_consent_of_a_person_is_kept_in_the_settings(sim, clock):
    ca = connector(sim, clock, "v2", requestor_isd="", requestor_phone="", requestor_designation="")
    assert isinstance(issue(ca, request(), clock), Issued)
