"""The suite finds what is wrong: editions of the package with one fault each, and the checks that refuse it.

Those are run with all their values, whenever this is run. That the other checks leave the edition alone is seen of a part of
them, another one for each edition; with `--long` of all, so only then is it exactly those.
"""

import threading
import time
import urllib.request
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from cryptography import x509
from pydantic import field_validator, model_validator

from chancery.sdk import (
    Absence,
    AlreadyDone,
    AuthFailed,
    AuthorityError,
    Config,
    Dedup,
    Finding,
    Forbidden,
    Issued,
    Level,
    NonEmpty,
    NotFound,
    OutcomeUnknown,
    Pending,
    ProfileSettings,
    ProtocolViolation,
    RejectedByPolicy,
    RevocationPending,
    Revoked,
    Throttled,
    Unreachable,
    setting,
)
from chancery.sdk.testing import START, Case, Conformance, Fault, ManualClock
from chancery.sdk.testing.disturbed import Disturbed
from chancery.sdk.testing.forge import forge
from chancery.sdk.testing.line import Disturbance
from chancery.sdk.testing.spoil import OTHER_KEY
from tests.plugins.packages.borealis.borealis_chancery import Borealis, BorealisConfig
from tests.plugins.packages.borealis.borealis_chancery.simulator import TOKEN, Book, Simulator
from tests.plugins.runner import BROAD, refusals

EDITIONS = []


def suite(edition, *, dials=None, ledger=True, plays=frozenset({Fault.HOLDS, Fault.REJECTS}), **more):
    class Suite(Conformance):
        authority = edition

        @contextmanager
        def case(self):
            clock = ManualClock(START)
            with Simulator(Book(clock.now, **(dials or {}))) as simulator:
                yield Case(
                    config={"account": "B-1234", "token": TOKEN, **more},
                    profile={"product": "aurora"},
                    base_url=simulator.url,
                    play=simulator.book.play,
                    playable=plays,
                    ordered=simulator.book.number if ledger else None,
                    clock=clock,
                )

    return Suite


def refused_by(*names, **more):
    """Mark an edition with the checks that refuse it, each named by how it begins."""

    def mark(edition):
        EDITIONS.append(pytest.param(edition, names, more, id=edition.__name__))
        return edition

    return mark


@pytest.fixture
def share(request):
    """Return the share of the checks that have nothing to do with a fault that are seen to leave it alone."""
    return 1.0 if request.config.getoption("--long") else 0.08


@pytest.mark.parametrize(("edition", "names", "more"), EDITIONS)
def test_each_wrong_edition_is_refused_by_its_checks_and_by_none_of_the_others_that_are_run(
    edition, names, more, share
):
    made = suite(edition, **more)
    meant = {name for name in dir(made) for start in names if name.startswith(f"test_{start}")}
    assert len(meant) == len(names)
    found = refusals(made, meant, share=share)
    assert found.keys() == meant, found


class TestRight(suite(Borealis)):
    """The right edition is refused by nothing."""


RIGHT = []


def right(**more):
    """Mark an edition that is right in another way."""

    def mark(edition):
        RIGHT.append(pytest.param(edition, more, id=edition.__name__))
        return edition

    return mark


@pytest.mark.parametrize(("edition", "more"), RIGHT)
def test_right_editions_of_all_kinds_are_refused_by_nothing(edition, more):
    assert refusals(suite(edition, **more), {"test_a_senseless_answer_to_an_order_is_settled", *BROAD}) == {}


def test_a_case_plays_nothing_and_a_suite_has_no_case_until_the_author_says_so():
    with pytest.raises(NotImplementedError, match="issues nothing"):
        Case(config={}).play(Fault.HOLDS)
    with pytest.raises(NotImplementedError):
        Conformance().case()


def test_a_ca_that_sends_no_pem_has_nothing_to_forge():
    class Unforgeable:
        line = SimpleNamespace(spoiled=lambda _spoil: nullcontext(Disturbance(OTHER_KEY, forward=True)))
        request = issue = checked = staticmethod(lambda *_: None)

    with pytest.raises(pytest.skip.Exception, match="no PEM"):
        Disturbed().test_a_forged_certificate_never_passes(Unforgeable(), OTHER_KEY)


@pytest.mark.parametrize("inside", [b"AAAA", b"!!"])
def test_what_is_no_certificate_is_not_forged(inside):
    body = b"-----BEGIN CERTIFICATE-----" + inside + b"-----END CERTIFICATE-----"
    assert forge(body, key=True) == body


# Right in other ways ---------------------------------------------------------------------------------------


@right()
class ApprovedRevocations(Borealis):
    def revoke(self, target, reason, comment):
        super().revoke(target, reason, comment)
        return RevocationPending({"v": 1}, text="Waits for an approver.")


@right()
class RefusesLater(Borealis):
    def submit(self, request):
        try:
            return super().submit(request)
        except RejectedByPolicy:
            return Pending({"v": 1, "order": ""}, text="Borealis looks at it.")

    def poll(self, state, request):
        if not state["order"]:
            raise RejectedByPolicy("Borealis refused it.", code="refused")
        return super().poll(state, request)


@right()
class NoSearch(Borealis):
    find = None


@right()
class NothingToSettleBy(Borealis):
    find = None
    facts = replace(Borealis.facts, dedup=Dedup.NONE, dedup_window=None)


@right(dials={"strict": True})
class RefusesDuplicates(Borealis):
    facts = replace(Borealis.facts, dedup=Dedup.REJECT_DUPLICATE)


@right(dials={"fresh": True})
class WantsFreshKeys(Borealis):
    pass


@right(dials={"lag": timedelta(seconds=9)})
class SearchesLate(Borealis):
    facts = replace(Borealis.facts, search_lag=timedelta(seconds=5))


@right(ledger=False)
class WithoutLedger(Borealis):
    pass


@right(plays=frozenset())
class PlaysNothing(Borealis):
    pass


@right()
class FindsWhatIsWrong(Borealis):
    def check(self):
        try:
            yield from super().check()
        except AuthorityError as error:
            yield Finding("login", Level.FAILED, error.kind, error.message, error.text, "Look at Borealis' page.")


@right()
class WaitsOn(Borealis):
    def poll(self, state, request):
        try:
            return super().poll(state, request)
        except (Unreachable, ProtocolViolation) as error:
            if error.stage == "tcp":
                raise
            return Pending(state, text="At Borealis.")


class PlainProfile(ProfileSettings):
    product: NonEmpty = setting(title="Product")


@right()
class OrdersOnly(Borealis):
    profile = PlainProfile
    revoke = poll_revocation = cancel = find = adopt = choices = None


# Settings and facts ----------------------------------------------------------------------------------------


class Revealing(str):  # noqa: SLOT000  a text that lies, no value that is kept
    def reveal(self):
        return str(self)


class PlainConfig(Config):
    account: NonEmpty = setting(title="Account")
    token: str = setting(title="API token")

    @field_validator("token", mode="after")
    @classmethod
    def _revealing(cls, value):
        return Revealing(value)


@refused_by("what_is_called_a_secret")
class PlainToken(Borealis):
    config = PlainConfig


class VagueConfig(BorealisConfig):
    @model_validator(mode="before")
    @classmethod
    def _whole(cls, values):
        if "account" not in values:
            raise ValueError("the settings are incomplete")
        return values


@refused_by("a_setting_that_is_missing")
class Vague(Borealis):
    config = VagueConfig


class DaysConfig(BorealisConfig):
    lives: int = setting(title="Lives")

    @field_validator("lives", mode="before")
    @classmethod
    def _days(cls, value):
        return int(value.removesuffix("d"))


@refused_by("settings_come_back_from_storage", lives="30d")
class ReadsOnlyWhatIsTyped(Borealis):
    config = DaysConfig


class QuotingConfig(BorealisConfig):
    @field_validator("token", mode="after")
    @classmethod
    def _printable(cls, value):
        if not value.reveal().isprintable():
            raise ValueError(f"{value.reveal()!r} holds characters that no token holds")
        return value


@refused_by("a_refused_secret_is_not_quoted")
class QuotesToken(Borealis):
    config = QuotingConfig


@refused_by("preparing_changes_nothing")
class OverridesAccount(Borealis):
    @classmethod
    def prepare(cls, values):
        return {**values, "account": "B-0000"}


@refused_by("preparing_changes_nothing")
class PreparesInPlace(Borealis):
    @classmethod
    def prepare(cls, values):
        values["region"] = "north"
        return values


class StaleConfig(BorealisConfig):
    @classmethod
    def upgrade(cls, version, data):
        data["account"] = data["account"].lower()
        return data


@refused_by("stored_settings_of_this_version")
class UpgradesToday(Borealis):
    config = StaleConfig


@refused_by("a_field_that_wants_a_list")
class NoLists(Borealis):
    choices = None


@refused_by("powers_are_whole")
class HalfRevokes(Borealis):
    poll_revocation = None


@refused_by("facts_do_not_contradict")
class ShortWindow(Borealis):
    facts = replace(Borealis.facts, dedup_window=timedelta(seconds=5))


@refused_by("as_many_names")
class ManyNames(Borealis):
    facts = replace(Borealis.facts, certificates=replace(Borealis.facts.certificates, max_names=50))


@refused_by("every_declared_kind")
class AlsoAddresses(Borealis):
    facts = replace(Borealis.facts, certificates=replace(Borealis.facts.certificates, name_kinds=("dns", "ip")))


# Orders and their ends -------------------------------------------------------------------------------------


@refused_by("orders_side_by_side")
class OneAtATime(Borealis):
    def submit(self, request):
        self._asked = request
        threading.Event().wait(0.03)
        return super().submit(self._asked)


@refused_by("a_new_reference_is_a_new_order")
class KnowsByKey(Borealis):
    known = {}

    def submit(self, request):
        first = self.known.setdefault((self._http.base_url, request.spki_sha256), request.reference)
        return super().submit(replace(request, reference=first) if self.held(request) else request)

    def held(self, request):
        return request.names == request.names[:1]


@refused_by("what_is_issued_can_no_longer")
class WithdrawsIssued(Borealis):
    def cancel(self, state, request):
        self._ask("DELETE", f"/v1/orders/{state['order']}", effect=True)


@refused_by("what_the_ca_does_not_know")
class RevokesUnknown(Borealis):
    def revoke(self, target, reason, comment):
        try:
            return super().revoke(target, reason, comment)
        except NotFound:
            return Revoked("It is not there, so it is revoked.")


@refused_by("a_certificate_is_revoked_once", "every_declared_reason", "a_revocation_counts_only")
class NeverRevokes(Borealis):
    def revoke(self, target, reason, comment):
        super().revoke(target, reason, comment)
        return RevocationPending({"v": 1})

    def poll_revocation(self, state, target):
        return RevocationPending(state)


@refused_by("every_declared_reason")
class FewReasons(Borealis):
    def revoke(self, target, reason, comment):
        if reason == "keyCompromise":
            raise RejectedByPolicy("Borealis does not take this reason.")
        return super().revoke(target, reason, comment)


@refused_by("a_person_is_told_whom")
class LongReference(Borealis):
    def submit(self, request):
        outcome = super().submit(request)
        return replace(outcome, reference="x" * 300) if isinstance(outcome, Pending) else outcome


@refused_by("the_same_reference_twice", dials={"strict": True})
class DuplicateIsRefused(Borealis):
    facts = replace(Borealis.facts, dedup=Dedup.REJECT_DUPLICATE)

    def _error(self, answer, effect):
        made = Borealis._error(answer, effect)
        return RejectedByPolicy("No second one.") if isinstance(made, AlreadyDone) else made


@refused_by("the_search_knows", "a_senseless_answer_to_an_order", "an_answer_lost_after")
class FindsNothing(Borealis):
    def find(self, request, since):
        super().find(request, since)
        return Absence("Borealis knows no such order.")


@refused_by("the_diagnosis_goes")
class BackToFront(Borealis):
    def check(self):
        return reversed(list(super().check()))


@refused_by("the_diagnosis_goes")
class TooEarly(Borealis):
    def check(self):
        yield Finding("tls", Level.OK, "ok", "TLS is fine.")
        yield from super().check()


@refused_by("the_diagnosis_goes")
class WarnsOnly(Borealis):
    def check(self):
        yield from super().check()
        yield Finding("quota", Level.WARNING, "low", "Few are left.")


@refused_by("a_refused_login_shows", "the_diagnosis_says")
class FailsWithoutRemedy(Borealis):
    def check(self):
        try:
            yield from super().check()
        except AuthorityError as error:
            yield Finding("login", Level.FAILED, error.kind, error.message, error.text)


# What the CA says ------------------------------------------------------------------------------------------


@refused_by("a_refused_credential", "a_credential_that_expires", "a_refused_login_shows")
class LoginIsAway(Borealis):
    def _error(self, answer, effect):
        made = Borealis._error(answer, effect)
        return Unreachable("away", remedy="wait") if isinstance(made, AuthFailed) else made


@refused_by("a_refused_credential")
class NoRemedy(Borealis):
    def _error(self, answer, effect):
        made = Borealis._error(answer, effect)
        return Forbidden("The token lacks the right.") if isinstance(made, Forbidden) else made


@refused_by("patience_is_as_long")
class ForgetsUntil(Borealis):
    def _error(self, answer, effect):
        made = Borealis._error(answer, effect)
        return Throttled("wait") if isinstance(made, Throttled) else made


@refused_by("patience_is_as_long")
class ReadsSecondsOnly(Borealis):
    def _error(self, answer, effect):
        made = Borealis._error(answer, effect)
        if isinstance(made, Throttled) and answer.headers.get("retry-after", "").isdigit():
            wait = timedelta(seconds=int(answer.headers["retry-after"]))
            return Throttled("wait", until=answer.now + wait)
        return Throttled("wait") if isinstance(made, Throttled) else made


@refused_by("a_page_in_the_apis_place", "a_revocation_counts_only")
class PageIsNo(Borealis):
    def _error(self, answer, effect):
        return NotFound("There is no such order.") if answer.status == 404 else Borealis._error(answer, effect)


@refused_by(
    "a_page_in_the_apis_place",
    "a_senseless_answer_to_an_order",
    "a_failure_that_may_have_acted",
)
class FailureIsHarmless(Borealis):
    def _error(self, answer, effect):
        return Unreachable("away") if answer.status >= 500 else Borealis._error(answer, effect)


@refused_by("an_act_is_never_tried_again", "an_answer_lost_after")
class TriesAgain(Borealis):
    def submit(self, request):
        try:
            return super().submit(request)
        except OutcomeUnknown:
            return super().submit(request)


@refused_by(
    "what_places_an_order",
    "a_senseless_answer_to_an_order",
    "an_answer_lost_after",
    "an_act_is_never_tried_again",
)
class HidesTheAct(Borealis):
    def _ask(self, method, path, *, effect=False, **more):
        return super()._ask(method, path, effect=effect and path != "/v1/orders", **more)


@refused_by("a_senseless_answer_to_an_order", "orders_whose_answer")
class TrustsAnyDocument(Borealis):
    def submit(self, request):
        try:
            return super().submit(request)
        except ProtocolViolation:
            raise RejectedByPolicy("Borealis did not take it.", text="x") from None


@refused_by("a_search_that_fails", "a_refused_credential", "nobody_listening")
class ShrugsWhenSearching(Borealis):
    def find(self, request, since):
        try:
            return super().find(request, since)
        except AuthorityError:
            return Absence("Borealis does not know it.")


@refused_by("a_pending_order_outlives")
class GivesUpWaiting(Borealis):
    def poll(self, state, request):
        try:
            return super().poll(state, request)
        except ProtocolViolation:
            raise RejectedByPolicy("Borealis lost it.") from None


@refused_by("a_pending_order_outlives")
class StumblesWhenPolling(Borealis):
    def poll(self, state, request):
        answer = self._http.get(
            f"/v1/orders/{state['order']}", headers={"Authorization": f"Bearer {self._config.token.reveal()}"}
        )
        if answer.status == 200:
            answer.json()["status"]
        return super().poll(state, request)


@refused_by("a_revocation_counts_only")
class RevokedByGuess(Borealis):
    def revoke(self, target, reason, comment):
        try:
            return super().revoke(target, reason, comment)
        except OutcomeUnknown:
            return Revoked("surely")


@refused_by("a_withdrawal_counts_only")
class WithdrawnByGuess(Borealis):
    def cancel(self, state, request):
        with suppress(OutcomeUnknown):
            super().cancel(state, request)


@refused_by("the_diagnosis_says")
class StumblesWhenTested(Borealis):
    def check(self):
        me = self._http.get("/v1/me", headers={"Authorization": f"Bearer {self._config.token.reveal()}"})
        if me.status == 200:
            me.json()["account"]
        return super().check()


@refused_by("the_diagnosis_says")
class CallsEverythingWell(Borealis):
    def check(self):
        with suppress(ProtocolViolation):
            yield from super().check()


@refused_by("a_pick_list_that_cannot_be_had")
class EmptyLists(Borealis):
    def choices(self, field):
        try:
            return super().choices(field)
        except AuthorityError:
            return []


@refused_by("an_echo_of_the_request")
class QuotesAnswers(Borealis):
    def _error(self, answer, effect):
        made = Borealis._error(answer, effect)
        made.text = answer.body.decode("utf-8", "replace")[:500]
        return made


@refused_by("an_echo_of_the_request")
class KeepsAnyNumber(Borealis):
    def _stand(self, order, *, effect=False):
        if order.get("status") not in {"issued", "revoked", "refused", "cancelled", "pending"}:
            return Pending({"v": 1, "order": order.get("id")}, text="At Borealis.")
        return super()._stand(order, effect=effect)


@refused_by("a_forged_certificate")
class TrustsItsCa(Borealis):
    def poll(self, state, request):
        return self.kept(super().poll(state, request), request)

    def submit(self, request):
        return self.kept(super().submit(request), request)

    def kept(self, outcome, request):
        if isinstance(outcome, Issued):
            key = x509.load_der_x509_certificate(outcome.leaf).public_key()
            assert key == x509.load_der_x509_csr(request.csr).public_key()
        return outcome


@refused_by("nobody_listening", "a_ca_that_does_not_listen")
class SaysSent(Borealis):
    def _ask(self, method, path, **more):
        try:
            return super()._ask(method, path, **more)
        except Unreachable as error:
            error.bytes_sent = True
            raise


# Where it reaches ------------------------------------------------------------------------------------------


@refused_by("it_reaches_the_ca_by_its_door")
class GoesPastTheDoor(Borealis):
    def check(self):
        with suppress(OSError):
            urllib.request.urlopen(self._http.base_url + "/v1/me", timeout=2).close()
        return super().check()


@refused_by("it_reaches_the_ca_by_its_door")
class Sleeps(Borealis):
    def poll(self, state, request):
        time.sleep(0.001)
        return super().poll(state, request)

    def submit(self, request):
        time.sleep(0.001)
        return super().submit(request)


@refused_by("it_asks_nothing_outside")
class ClimbsOut(Borealis):
    def check(self):
        root = self._http.base_url.removesuffix("/api")
        self._http.get(f"{root}/health")
        return super().check()


@refused_by("it_asks_nothing_outside")
class GoesElsewhere(Borealis):
    def check(self):
        with suppress(AuthorityError):
            self._http.get("http://127.0.0.1:9/status", foreign=True)
        return super().check()


@refused_by("no_secret_travels_in_an_address")
class TokenInAddress(Borealis):
    def _products(self):
        return self._ask("GET", "/v1/products", params={"key": self._config.token.reveal()}).get("products", [])


@refused_by("construction_asks_nothing", "construction_reaches_nothing")
class CallsAtBirth(Borealis):
    def __init__(self, config, context):
        super().__init__(config, context)
        self._ask("GET", "/v1/me")


@refused_by("looking_changes_nothing")
class ActsWhenLooking(Borealis):
    def check(self):
        self._ask("GET", "/v1/me", effect=True)
        return super().check()
