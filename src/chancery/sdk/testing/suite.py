"""The checks themselves. Each is one promise of the contract, told in the name of its test."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from chancery.core.certificate import Mismatch
from chancery.core.keys import available_key_labels
from chancery.sdk.authority import API_VERSION, Dedup, describe
from chancery.sdk.config import extra, secret_names
from chancery.sdk.errors import (
    AlreadyDone,
    AuthFailed,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    Throttled,
    Unreachable,
    ValidationFailed,
)
from chancery.sdk.finding import STAGES, Finding, Level
from chancery.sdk.outcome import Absence, Choice, Found, Issued, Pending, RevocationPending, Revoked
from chancery.sdk.testing.base import Base
from chancery.sdk.testing.bench import Bench, aware, reason_of
from chancery.sdk.testing.case import Fault
from chancery.sdk.testing.declaring import Declaring
from chancery.sdk.testing.disturbed import Disturbed
from chancery.sdk.testing.listing import Listing
from chancery.sdk.testing.lost import Lost
from chancery.sdk.testing.ordering import Ordering
from chancery.sdk.testing.reaching import Reaching
from chancery.sdk.testing.slices import Slices

_PROOFS = {"bronze", "silver", "gold"}
_UNKNOWN = (OutcomeUnknown, ProtocolViolation)
_DAY = timedelta(days=1)


class Conformance(Declaring, Ordering, Listing, Disturbed, Lost, Slices, Reaching, Base):
    """Subclass it, set `authority`, and give a `case`."""

    # What it says of itself ---------------------------------------------------------------------------

    def test_it_says_what_it_is(self) -> None:
        """Slug, title, maker, proof and contract versions are there and fit."""
        about = describe(self.authority)
        assert re.fullmatch(r"[a-z][a-z0-9_]{1,59}", about.slug), "the slug is lower-case letters, digits and _"
        assert about.title
        assert about.maker
        assert about.proof in _PROOFS
        low, high = self.authority.api
        assert low <= API_VERSION <= high, f"it is for contract versions {low} to {high}; this is {API_VERSION}"

    def test_it_declares_what_the_engine_plans_with(self) -> None:
        """Pace, seats, lease, search and key types make sense."""
        facts = describe(self.authority).facts
        assert facts.calls_per_second > 0
        assert facts.burst >= 1
        assert facts.concurrency >= 1
        assert facts.lease > timedelta(seconds=5), "a lease must outlast a call"
        assert facts.search_tries >= 1
        assert set(facts.certificates.key_types) & set(available_key_labels()), "no key type that anybody could make"

    def test_every_setting_has_a_title(self) -> None:
        """The form, the API and the docs are made from the models: a field without a title has no label."""
        about = describe(self.authority)
        for model in (about.config, about.profile):
            for name, info in model.model_fields.items():
                assert info.title, f"the setting {name} has no title"
                assert extra(info).get("group"), f"the setting {name} was not declared with setting()"

    def test_settings_that_nobody_declared_are_refused_by_name(self, bench: Bench) -> None:
        """A typing error in a settings file must not be ignored; no refusal may quote a secret."""
        for model, values in ((bench.about.config, bench.case.config), (bench.about.profile, bench.case.profile)):
            with pytest.raises(ValueError, match="no_such_setting") as refused:
                model.model_validate({**values, "no_such_setting": 1})
            assert "no_such_setting" in str(refused.value)

    def test_stored_settings_of_this_version_stay_as_they_are(self, bench: Bench) -> None:
        """`upgrade` is pure, and has nothing to do for today's schema version."""
        own = secret_names(bench.about.config)
        for model, values in ((bench.about.config, bench.case.config), (bench.about.profile, bench.case.profile)):
            plain = {k: v for k, v in values.items() if k not in own}
            before = json.dumps(plain, sort_keys=True)
            assert model.upgrade(model.schema_version, plain) == plain
            assert json.dumps(plain, sort_keys=True) == before, "upgrade changed what it was given"

    def test_construction_reaches_nothing_outside(self, bench: Bench) -> None:
        """Settings are looked at, pages shown and tests listed while the CA is away."""
        if bench.playable(Fault.DOWN):
            with bench.play(Fault.DOWN):
                bench.fresh()
        else:
            bench.fresh()

    # Ordering -----------------------------------------------------------------------------------------

    def test_an_order_is_issued_as_it_was_asked_for(self, bench: Bench) -> None:
        """Key, names, dates and chain are those of the request, and the CA has one order."""
        request = bench.request()
        issued = bench.issue(request)
        assert bench.checked(issued, request).names == request.names
        assert len(issued.reference) <= 200, "the reference does not fit its column"
        bench.once(request)

    def test_a_pending_order_is_polled_until_issued(self, bench: Bench) -> None:
        """What is pending says so in words, is looked at no earlier than it asks, and survives a restart."""
        self._needs(bench, Fault.HOLDS)
        request = bench.request()
        with bench.play(Fault.HOLDS):
            outcome = bench.ask("submit", request)
            assert isinstance(outcome, Pending), "issued although the CA holds it"
            assert outcome.text, "a person is told nothing about whom it waits for"
            assert outcome.next_check > timedelta(0)
            assert "v" in outcome.state, "the state has no schema version"
            again = bench.ask("poll", json.loads(json.dumps(outcome.state)), request)
            assert isinstance(again, Pending)
        bench.checked(bench.finish(again, request), request)
        bench.once(request)

    def test_a_refusal_is_final_and_orders_nothing(self, bench: Bench) -> None:
        """The CA's no to this request is the order's end, with the CA's own words."""
        self._needs(bench, Fault.REJECTS)
        request = bench.request()
        with bench.play(Fault.REJECTS):
            answer = bench.tried("submit", request)
            if isinstance(answer, Pending):
                # Some refuse only those who ask again.
                with pytest.raises((RejectedByPolicy, ValidationFailed)) as refused:
                    bench.finish(answer, request)
                answer = refused.value
            else:
                bench.never(request)
        assert isinstance(answer, RejectedByPolicy | ValidationFailed), f"a refusal became {type(answer).__name__}"
        assert answer.text or answer.code, "the CA's own words are lost"

    def test_patience_is_kept_to_the_second(self, bench: Bench) -> None:
        """A rate limit slows the connector; it is no refusal, and nothing was ordered."""
        self._needs(bench, Fault.THROTTLES)
        request = bench.request()
        with bench.play(Fault.THROTTLES):
            error = bench.refused("submit", request)
        assert isinstance(error, Throttled), error.kind
        if error.until is not None:
            assert aware(error.until), "a moment without its time zone"
            assert error.until - bench.case.clock.now() < _DAY
        bench.never(request)

    @pytest.mark.parametrize("fault", [Fault.FAILS_BEFORE, Fault.DROPS])
    def test_a_failure_that_may_have_acted_is_never_called_harmless(self, bench: Bench, fault: Fault) -> None:
        """From outside, a 5xx or a lost connection looks the same whether the CA acted or not."""
        self._needs(bench, fault)
        request = bench.request()
        with bench.play(fault):
            error = bench.refused("submit", request)
        assert isinstance(error, (*_UNKNOWN, Unreachable, Throttled)), error.kind
        harmless = isinstance(error, Unreachable | Throttled) and not error.bytes_sent
        assert harmless or isinstance(error, _UNKNOWN), "called harmless although the request had left"

    @pytest.mark.parametrize("fault", [Fault.LOSES_ANSWER, Fault.GARBLES, Fault.HUGE])
    def test_an_answer_lost_after_the_ca_acted_is_settled_and_never_doubled(self, bench: Bench, fault: Fault) -> None:
        """The outcome is unknown, and it is found.

        By search; by sending again, where the CA gives the original back; or by the state from before, where a poll
        had asked for it.
        """
        self._needs(bench, fault)
        request = bench.request()
        with bench.play(fault):
            error, before = bench.until_act(request)
        text = f"{type(error).__name__}: the request had left, and no trustworthy answer came"
        assert isinstance(error, _UNKNOWN), text
        assert error.bytes_sent, "it says that nothing was sent"
        bench.once(request)
        bench.live = bench.fresh()
        if before is not None:
            bench.checked(bench.finish(before, request), request)
        elif "finds" in bench.about.powers:
            found = bench.search(request)
            assert isinstance(found, Found), "the search does not know what the CA has"
            assert found.evidence
            bench.checked(bench.finish(found.outcome, request), request)
        elif bench.about.facts.dedup is Dedup.RETURN_ORIGINAL:
            bench.checked(bench.issue(request), request)
        bench.once(request)

    def test_the_same_reference_twice_is_what_it_declares(self, bench: Bench) -> None:
        """The engine sends again only where that makes no second certificate; so that had better be true."""
        dedup = bench.about.facts.dedup
        if dedup is Dedup.NONE:
            pytest.skip("it declares that a second request makes a second order; the engine never sends one")
        request = bench.request()
        if dedup is Dedup.ISSUES_LATER:
            # The first answer is lost with the worker; whatever it opened must come to nothing.
            assert isinstance(bench.ask("submit", request), Pending), "submit issued, and declares that it does not"
            bench.never(request)
            bench.live = bench.fresh()
            bench.checked(bench.issue(request), request)
            bench.once(request)
            return
        first = bench.issue(request)
        bench.live = bench.fresh()
        if dedup is Dedup.RETURN_ORIGINAL:
            again = bench.issue(request)
            assert (again.leaf, again.reference) == (first.leaf, first.reference), "the second is another certificate"
        else:
            error = bench.refused("submit", request)
            text = f"the second became {error.kind}: raise AlreadyDone, for the CA has the order and it can be found"
            assert isinstance(error, AlreadyDone), text
        bench.once(request)

    @pytest.mark.parametrize("fault", [Fault.WRONG_KEY, Fault.WRONG_NAME, Fault.OMITS_CHAIN])
    def test_a_certificate_that_was_not_asked_for_never_passes(self, bench: Bench, fault: Fault) -> None:
        """It reaches the engine, which quarantines it, or the authority refuses it; it never counts as issued."""
        self._needs(bench, fault)
        request = bench.request()
        with bench.play(fault), pytest.raises((Mismatch, *_UNKNOWN, RejectedByPolicy)):
            bench.checked(bench.issue(request), request)

    def test_a_chain_in_any_order_is_put_right(self, bench: Bench) -> None:
        """Leaf and issuers are told apart by what they are, not by where they stand."""
        self._needs(bench, Fault.SHUFFLES_CHAIN)
        request = bench.request()
        with bench.play(Fault.SHUFFLES_CHAIN):
            bench.checked(bench.issue(request), request)

    # The CA away, the credential gone -----------------------------------------------------------------

    def test_a_ca_that_does_not_listen_is_unreachable_and_nothing_was_sent(self, bench: Bench) -> None:
        """Only then may the engine send again without asking anybody."""
        self._needs(bench, Fault.DOWN)
        request = bench.request()
        with bench.play(Fault.DOWN):
            error = bench.refused("submit", request)
        assert isinstance(error, Unreachable), error.kind
        assert not error.bytes_sent
        bench.checked(bench.issue(request), request)
        bench.once(request)

    def test_a_credential_that_expires_stops_nothing_for_good(self, bench: Bench) -> None:
        """It is the connector's fault, not the order's: with the credential back, the order goes on."""
        self._needs(bench, Fault.REFUSES_LOGIN)
        request = bench.request()
        with bench.play(Fault.REFUSES_LOGIN):
            error = bench.refused("submit", request)
            assert isinstance(error, AuthFailed | Forbidden), error.kind
            assert error.remedy, "it does not say what to do"
        bench.never(request)
        bench.rest()
        bench.checked(bench.issue(request), request)
        bench.once(request)

    # Test connection ----------------------------------------------------------------------------------

    def test_the_diagnosis_goes_by_stages_and_changes_nothing(self, bench: Bench) -> None:
        """Findings name a known stage, a level, a code and a sentence; a good account has no failed one."""
        found = bench.ask("check")
        assert found, "it found nothing to say"
        for finding in found:
            self._sound(finding)
            assert finding.level is not Level.FAILED, f"{finding.stage}: {finding.message}"
            assert finding.remedy or finding.level is not Level.WARNING, (
                f"{finding.stage} warns, and nobody is told what to do"
            )
        order = [STAGES.index(finding.stage) for finding in found]
        assert order == sorted(order), f"not by stages: {', '.join(finding.stage for finding in found)}"
        assert order[0] >= STAGES.index("login"), "the stages before login are the engine's own, or those of `reach`"

    def test_how_it_is_reached_is_told_before_the_login(self, bench: Bench) -> None:
        """`reach` has the stages before *login*, in their order, and a CA that is there has no failed one."""
        if not hasattr(bench.type, "reach"):
            pytest.skip("it is reached over HTTP alone")
        found = bench.ask("reach")
        for finding in found:
            self._sound(finding)
            assert finding.level is not Level.FAILED, f"{finding.stage}: {finding.message}"
        order = [STAGES.index(finding.stage) for finding in found]
        assert order == sorted(order)
        assert all(stage < STAGES.index("login") for stage in order), "what comes after belongs into `check`"

    def test_a_refused_login_shows_in_the_diagnosis(self, bench: Bench) -> None:
        """As a failed finding with evidence and remedy, or as the error that the engine makes one of."""
        self._needs(bench, Fault.REFUSES_LOGIN)
        with bench.play(Fault.REFUSES_LOGIN):
            try:
                found = bench.ask("check")
            except (AuthFailed, Forbidden) as error:
                assert error.remedy
                return
        failed = [f for f in found if f.level is Level.FAILED]
        assert failed, "nothing failed although the login was refused"
        assert {f.stage for f in failed} & {"login", "rights"}
        for finding in failed:
            self._sound(finding)
            assert finding.remedy, f"{finding.stage} failed, and nobody is told what to do"

    @staticmethod
    def _sound(finding: Finding) -> None:
        assert isinstance(finding, Finding)
        assert finding.stage in STAGES, f"there is no stage {finding.stage}"
        assert finding.code
        assert finding.message

    # Powers -------------------------------------------------------------------------------------------

    def test_a_certificate_is_revoked_once(self, bench: Bench) -> None:
        """The second time is a success too, said as such."""
        self._can(bench, "revokes")
        request = bench.request()
        target = bench.target(bench.issue(request), request)
        first = bench.revoke(target, reason_of(bench.about))
        assert isinstance(first, Revoked), f"{type(first).__name__} is no confirmation"
        again = bench.tried("revoke", target, reason_of(bench.about), "once more")
        assert isinstance(again, Revoked | RevocationPending | AlreadyDone), f"again: {type(again).__name__}"

    def test_what_waits_for_a_manager_is_released(self, bench: Bench) -> None:
        """Issued once, and not a second time: then it waits for nobody any more, and says so."""
        self._can(bench, "releases")
        self._needs(bench, Fault.HOLDS)
        request = bench.request()
        with bench.play(Fault.HOLDS):
            outcome = bench.ask("submit", request)
            assert isinstance(outcome, Pending)
            bench.ask("release", outcome.state, request)
            issued = bench.ask("poll", outcome.state, request)
        bench.checked(bench.finish(issued, request) if isinstance(issued, Pending) else issued, request)
        error = bench.refused("release", outcome.state, request)
        assert isinstance(error, AlreadyDone), error.kind
        bench.once(request)

    def test_a_pending_order_can_be_withdrawn(self, bench: Bench) -> None:
        """Afterwards it is not issued; what was issued already can no longer be stopped, and says so."""
        self._can(bench, "cancels")
        self._needs(bench, Fault.HOLDS)
        request = bench.request()
        with bench.play(Fault.HOLDS):
            outcome = bench.ask("submit", request)
            assert isinstance(outcome, Pending)
            bench.ask("cancel", outcome.state, request)
            bench.case.clock.advance(outcome.next_check)
        try:
            after = bench.ask("poll", outcome.state, request)
        except (RejectedByPolicy, NotFound, AlreadyDone):
            return
        assert not isinstance(after, Issued), "issued although it was withdrawn"

    def test_the_search_knows_what_the_ca_has_and_nothing_else(self, bench: Bench) -> None:
        """It says on what evidence, either way: a person reads it before deciding."""
        self._can(bench, "finds")
        request, other = bench.request(), bench.request()
        bench.issue(request)
        found = bench.search(request)
        assert isinstance(found, Found)
        bench.checked(bench.finish(found.outcome, request), request)
        absent = bench.ask("find", other, other.intended_at - _DAY)
        assert isinstance(absent, Absence), "it found what was never ordered"
        assert found.evidence
        assert absent.evidence

    def test_only_the_order_of_this_key_can_be_adopted(self, bench: Bench) -> None:
        """A person may point at the wrong order; the key tells."""
        self._can(bench, "adopts")
        request, other = bench.request(), bench.request()
        reference = bench.issue(request).reference
        found = bench.ask("adopt", reference, request)
        assert isinstance(found, Found)
        bench.checked(bench.finish(found.outcome, request), request)
        assert isinstance(bench.refused("adopt", reference, other), RejectedByPolicy | NotFound)
        assert isinstance(bench.refused("adopt", "999999999", request), NotFound | RejectedByPolicy)

    def test_pick_lists_offer_what_their_fields_take(self, bench: Bench) -> None:
        """Each dynamic field of both models has a list, of values that its field accepts."""
        self._can(bench, "chooses")
        for model, values in ((bench.about.config, bench.case.config), (bench.about.profile, bench.case.profile)):
            for name in [n for n, info in model.model_fields.items() if extra(info).get("dynamic")]:
                for choice in bench.ask("choices", name):
                    assert isinstance(choice, Choice)
                    assert choice.label, f"an entry of {name} has no label"
                    model.model_validate({**values, name: choice.value})
        assert bench.ask("choices", "no_such_field") == []
