"""One job against one authority: every answer and every error becomes a value that the recorder knows."""

import logging
from datetime import timedelta

import pytest

from chancery.core.tests.making import NOW, key_of
from chancery.engine.jobs import Answered, Bad, Cancelled, Failed, Good, Kind, Missing, Stopped, Waiting
from chancery.engine.tests.kit import CA, Toy, asked, at, job, leaf
from chancery.engine.work import StopHere, do, do_all
from chancery.sdk.errors import (
    AlreadyDone,
    AuthFailed,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    Throttled,
    Unreachable,
)
from chancery.sdk.finding import Finding, Level, failed
from chancery.sdk.outcome import Absence, Choice, Found, Issued, Pending, RevocationPending, Revoked

LEAF = leaf()
ISSUED = Issued(LEAF.der, (CA.der,), "ca-1")
REVOCATION = {"der": b"", "serial": "1f", "reference": "ca-1", "reason": "superseded", "comment": "old", "state": {}}


def test_an_issued_certificate_comes_back_checked_with_its_chain():
    result = do(job(), Toy(submit=ISSUED), at)
    assert isinstance(result, Good)
    assert (result.reference, result.chain, result.facts.common_name) == ("ca-1", (CA.der,), "www.example.com")


def test_what_is_not_well_with_a_certificate_comes_along_and_is_bounded():
    warned = Issued(LEAF.der, (CA.der,), "ca-1", ("It chains to a removed root.", "x" * 600, *["more"] * 20))
    result = do(job(), Toy(submit=warned), at)
    assert result.warnings[0] == "It chains to a removed root."
    assert (len(result.warnings), len(result.warnings[1])) == (10, 500)
    assert do(job(), Toy(submit=ISSUED), at).warnings == ()


def test_what_is_pending_waits():
    pending = Pending({"v": 1}, text="the organisation is being validated")
    assert do(job(), Toy(submit=pending), at) == Waiting(pending)
    assert do(job(Kind.POLL), Toy(poll=pending), at) == Waiting(pending)


@pytest.mark.parametrize("answer", [None, "OK", {"certificate": "…"}, 7])
@pytest.mark.parametrize("kind", [Kind.SUBMIT, Kind.POLL])
def test_an_answer_of_no_known_kind_is_a_bug_and_never_a_certificate(kind, answer, caplog):
    toy = Toy(submit=answer, poll=answer)
    with caplog.at_level(logging.CRITICAL):
        results = [do(job(kind), toy, at), *do_all([job(kind)], toy, at)]
    assert [(r.kind, r.bytes_sent) for r in results] == [("Bug", True)] * 2


@pytest.mark.parametrize("verb", ["revoke", "poll_revocation"])
def test_only_an_answer_that_says_so_confirms_a_revocation(verb):
    kind = Kind(verb)
    assert do(job(kind, extra=REVOCATION), Toy(**{verb: Revoked("done")}), at) == Revoked("done")
    pending = RevocationPending({"v": 1})
    assert do(job(kind, extra=REVOCATION), Toy(**{verb: pending}), at) is pending
    assert do(job(kind, extra=REVOCATION), Toy(**{verb: True}), at).kind == "Bug"


def test_revoked_before_is_revoked():
    toy = Toy(revoke=AlreadyDone("The certificate was revoked yesterday."))
    assert do(job(Kind.REVOKE, extra=REVOCATION), toy, at) == Revoked("The certificate was revoked yesterday.")


def test_a_certificate_of_another_key_is_bad():
    other = leaf(key=key_of("EC-P256", 5))
    result = do(job(), Toy(submit=Issued(other.der, (CA.der,), "ca-2")), at)
    assert isinstance(result, Bad)
    assert (result.reference, result.leaf) == ("ca-2", other.der)
    assert "key" in " ".join(result.problems)


def test_a_name_that_the_ca_declares_to_add_for_free_is_no_surprise():
    from chancery.core.tests.making import certify, dns
    from chancery.engine.tests.kit import KEY

    both = dns("www.example.com", "example.com")
    made = certify("www.example.com", key=KEY, issuer=CA, ca=False, extensions=both)
    toy = Toy(submit=Issued(made.der, (CA.der,), "ca-3"))
    assert isinstance(do(job(), toy, at), Bad)
    assert isinstance(do(job(asked=asked(companions=True)), toy, at), Good)


def test_garbage_in_place_of_a_certificate_is_bad():
    assert isinstance(do(job(), Toy(submit=Issued(b"garbage")), at), Bad)


def test_settling_finds_or_misses():
    found = Found(ISSUED, "found under custom field 7")
    toy = Toy(find=found)
    order = job(Kind.SETTLE)
    assert do(order, toy, at).evidence == "found under custom field 7"
    request, since = toy.asked[0][1]
    assert since == order.asked.intended_at - timedelta(days=1)
    assert request.reference == str(order.asked.id)
    assert do(order, Toy(find=Absence("searched 3 pages")), at) == Missing("searched 3 pages")
    waiting = do(order, Toy(find=Found(Pending({}), "found")), at)
    assert isinstance(waiting, Waiting)
    assert waiting.evidence == "found"


def test_adopting_asks_for_what_the_person_named():
    toy = Toy(adopt=Found(ISSUED, "adopted by hand"))
    result = do(job(Kind.ADOPT, asked=asked(poll_state={"adopt": "4711"})), toy, at)
    assert result.evidence == "adopted by hand"
    assert toy.asked[0][1][0] == "4711"


def test_cancelling_what_was_issued_meanwhile_brings_the_certificate():
    assert do(job(Kind.CANCEL), Toy(cancel=None), at) == Cancelled()
    toy = Toy(cancel=AlreadyDone("issued"), poll=ISSUED)
    assert isinstance(do(job(Kind.CANCEL), toy, at), Good)


def test_what_is_released_is_looked_at_at_once():
    toy = Toy(release=None, poll=ISSUED)
    assert isinstance(do(job(Kind.RELEASE), toy, at), Good)
    assert [name for name, _ in toy.asked] == ["release", "poll"]
    assert isinstance(do(job(Kind.RELEASE), Toy(release=AlreadyDone("by somebody"), poll=ISSUED), at), Good)


def test_errors_keep_what_the_engine_decides_by():
    until = NOW + timedelta(seconds=9)
    error = Throttled("Too many calls.", until=until, code="429", text="slow down", remedy="Wait.", bytes_sent=False)
    result = do(job(), Toy(submit=error), at)
    assert result == Failed("Throttled", "Too many calls.", "429", "slow down", False, until, "Wait.")
    assert do(job(), Toy(submit=OutcomeUnknown("reset")), at).bytes_sent


def test_a_bug_in_an_authority_quotes_nothing_that_it_was_given(caplog):
    result = do(job(), Toy(submit=RuntimeError("hunter2")), at)
    assert result.kind == "Bug"
    assert "hunter2" not in f"{result}{caplog.text}"
    assert "bug in authority toy during submit: RuntimeError" in caplog.text
    caplog.clear()


def test_a_submission_that_must_not_start_is_stopped():
    assert do(job(), Toy(submit=StopHere()), at) == Stopped()
    assert do_all([job()], Toy(submit=StopHere()), at) == [Stopped()]


def test_a_batch_gives_each_job_its_own_result_in_order():
    answers = iter([ISSUED, Issued(b"garbage"), AuthFailed("no"), Pending({"v": 1}), ISSUED])
    toy = Toy(submit=lambda _: next(answers), poll=ISSUED)
    jobs = [job() for _ in range(4)] + [job(Kind.POLL), job()]
    kinds = [type(r) for r in do_all(jobs, toy, at)]
    assert kinds == [Good, Bad, Failed, Waiting, Good, Good]


def call(kind, **extra):
    return job(Kind.CALL, extra={"kind": kind, "field": "product", "door": None, **extra})


def test_pick_lists_come_as_plain_values():
    toy = Toy(choices=[Choice("ssl", "SSL Basic")])
    choice = {"value": "ssl", "label": "SSL Basic", "detail": {}}
    assert do(call("choices"), toy, at) == Answered({"choices": [choice]})
    assert do(call("choices"), Toy(), at) == Answered({"choices": []})


def test_a_diagnosis_lists_stages_and_says_what_is_worst():
    fine = Finding("login", Level.OK, "ok", "The key is accepted.")
    broken = Finding("product", Level.FAILED, "none", "No product may be ordered.")
    good = do(call("diagnose"), Toy(check=[fine]), at)
    assert good.fault is None
    bad = do(call("diagnose"), Toy(check=[fine, broken]), at)
    assert (bad.fault.kind, bad.fault.message) == ("ProtocolViolation", "product: No product may be ordered.")
    assert [f["level"] for f in bad.result["findings"]] == ["ok", "failed"]


@pytest.mark.parametrize(
    ("error", "stage"),
    [
        (AuthFailed("refused"), "login"),
        (Forbidden("no right"), "rights"),
        (NotFound("?"), "login"),
        (Unreachable("No route.", stage="tcp"), "tcp"),
        (Unreachable("503.", stage="response"), "login"),
    ],
)
def test_an_error_during_a_diagnosis_is_a_finding_of_its_stage(error, stage):
    result = do(call("diagnose"), Toy(check=error), at)
    assert [(f["stage"], f["level"], f["code"]) for f in result.result["findings"]] == [(stage, "failed", error.kind)]
    assert result.fault.kind == error.kind


def test_an_error_without_a_stage_of_its_own_belongs_to_the_one_that_was_reached():
    def half():
        yield Finding("product", Level.OK, "ok", "Three products.")
        raise ProtocolViolation("It answered 503.")

    result = do(call("diagnose"), Toy(check=half), at)
    assert [f["stage"] for f in result.result["findings"]] == ["product", "product"]
    assert result.fault.message == "product: It answered 503."


@pytest.mark.parametrize(
    ("stage", "kind"),
    [("tls", "Unreachable"), ("login", "AuthFailed"), ("rights", "Forbidden"), ("quota", "QuotaExhausted"),
     ("chain", "ProtocolViolation")],
)  # fmt: skip
def test_a_failed_stage_is_the_fault_that_an_order_would_meet(stage, kind):
    found = do(call("diagnose"), Toy(check=[Finding(stage, Level.FAILED, "x", "No.", remedy="Mend it.")]), at)
    assert (found.fault.kind, found.fault.remedy) == (kind, "Mend it.")


@pytest.mark.parametrize("error", [Unreachable("It hung up.", code="reset"), ProtocolViolation("A page.", code="200")])
@pytest.mark.parametrize("stage", ["login", "rights", "quota"])
def test_who_hangs_up_in_the_middle_of_a_login_has_refused_nobody(stage, error):
    found = do(call("diagnose"), Toy(check=[failed(stage, error, "Look there.")]), at)
    assert (found.fault.kind, found.fault.remedy) == (error.kind, "Look there.")
    assert [(f["code"], "kind" in f) for f in found.result["findings"]] == [(error.code, False)]


def test_the_authority_is_not_asked_while_the_way_to_it_is_broken():
    door = Toy(diagnose=[Finding("tcp", Level.FAILED, "refused", "Nobody listens.")])
    toy = Toy(check=[])
    result = do(call("diagnose", door=door), toy, at)
    assert (result.fault.kind, toy.asked) == ("Unreachable", [])
