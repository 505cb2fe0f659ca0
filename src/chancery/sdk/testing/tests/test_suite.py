"""The suite finds what is wrong: toys with one fault each, and the check that must notice."""

import logging
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from chancery.core.certificate import facts
from chancery.core.policy import AuthorityFacts
from chancery.core.secret import Secret
from chancery.core.tests.making import certify, dns, key_of
from chancery.sdk.authority import Dedup, Facts
from chancery.sdk.config import Config, ProfileSettings, setting
from chancery.sdk.errors import AlreadyDone, AuthFailed, NotFound, RejectedByPolicy, Throttled, Unreachable
from chancery.sdk.finding import Finding, Level
from chancery.sdk.inventory import InventoryPage, Listed, ListedState
from chancery.sdk.outcome import Absence, Choice, Found, Issued, Pending, RenewalHint, Revoked
from chancery.sdk.testing import Case, Conformance, Fault
from chancery.sdk.testing.case import START

KEY = "toy-secret-5f1c9a27be"
ROOT = certify("Toy root", key=key_of("EC-P256", 1), ca=True, not_before=START, not_after=START + timedelta(days=3650))


class ToyConfig(Config):
    key: Secret = setting(title="Key")
    product: str = setting(title="Product", default="a", dynamic=True)


class ToyProfile(ProfileSettings):
    pass


class ToyCa:
    """What the toy's CA has and does; shared by every instance of the toy."""

    def __init__(self):
        self.fault, self.orders, self.cancelled, self.revoked = None, {}, set(), set()

    @contextmanager
    def play(self, fault):
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None


class Toy:
    """Right in everything; the wrong ones below differ in one point each."""

    slug, title, maker, proof, api = "toy", "Toy", "Toys", "bronze", (1, 1)
    config, profile, outside = ToyConfig, ToyProfile, False
    facts = Facts(
        certificates=AuthorityFacts(key_types=("EC-P256",), name_kinds=("dns",), max_names=10),
        dedup=Dedup.RETURN_ORIGINAL,
    )
    ca: ClassVar[ToyCa]

    def __init__(self, config, context):
        self.config_, self.clock, self.log = config, context.clock, context.log

    def answers(self):
        if self.ca.fault is Fault.DOWN:
            raise Unreachable("nobody listens", bytes_sent=False)
        if self.ca.fault is Fault.REFUSES_LOGIN:
            raise AuthFailed("the key is refused", remedy="Enter a new one.")
        if self.ca.fault is Fault.THROTTLES:
            raise Throttled("too many", until=self.clock.now() + timedelta(seconds=5), bytes_sent=False)

    def check(self):
        self.answers()
        yield Finding("login", Level.OK, "ok", "The key is accepted.")

    def submit(self, request):
        self.answers()
        if self.ca.fault is Fault.REJECTS:
            raise RejectedByPolicy("no", text="policy 7")
        self.ca.orders.setdefault(request.reference, []).append(request)
        return self.stand(request)

    def stand(self, request):
        first = self.ca.orders[request.reference][0]
        del self.ca.orders[request.reference][1:]
        if self.ca.fault is Fault.HOLDS:
            return Pending({"v": 1, "order": request.reference}, text="Waits for an approver.")
        return Issued(self.leaf(first), self.chain(), request.reference)

    made: ClassVar[dict] = {}

    def leaf(self, request):
        if request.reference not in self.made:
            key = serialized(request.csr)
            until = START + timedelta(days=20)
            made = certify(
                request.common_name, key=key, issuer=ROOT, ca=False, extensions=dns(*[n.value for n in request.names]),
                not_before=START, not_after=until,
            )  # fmt: skip
            self.made[request.reference] = made.der
        return self.made[request.reference]

    def chain(self):
        return (ROOT.der,)

    def poll(self, state, request):
        self.answers()
        if state["order"] in self.ca.cancelled:
            raise NotFound("it was withdrawn")
        return self.stand(request)

    def revoke(self, target, reason, comment):
        self.ca.revoked.add(target.certificate)
        return Revoked("done")

    def poll_revocation(self, state, target):
        return Revoked()

    def cancel(self, state, request):
        if state["order"] in self.made:
            raise AlreadyDone("it is issued")
        self.ca.cancelled.add(state["order"])

    def find(self, request, since):
        if request.reference in self.ca.orders:
            return Found(self.stand(request), "by our reference")
        return Absence("by our reference")

    def adopt(self, reference, request):
        if reference not in self.ca.orders:
            raise NotFound("no such order")
        if self.ca.orders[reference][0].spki_sha256 != request.spki_sha256:
            raise RejectedByPolicy("another key")
        return Found(self.stand(request), "adopted")

    def choices(self, field):
        return [Choice("a", "A")] if field == "product" else []

    def inventory(self, cursor):
        at = cursor["at"] if cursor else 0
        entries = [self.listed(reference, der) for reference, der in [*self.made.items()][at : at + 1]]
        return InventoryPage(tuple(entries), {"v": 1, "at": at + 1} if at + 1 < len(self.made) else None)

    def listed(self, reference, der):
        known = facts(der)
        state = ListedState.REVOKED if der in self.ca.revoked else ListedState.VALID
        return Listed(
            reference, state, known.serial.upper(), names=tuple(n.value for n in known.names), not_after=known.not_after
        )

    def fetch(self, reference):
        if reference not in self.made:
            raise NotFound("no such certificate")
        return Issued(self.made[reference], self.chain(), reference)

    def renewal_hint(self, target):
        return hint()


def hint(**changes):
    values = {"start": START, "end": START + timedelta(days=1), "explanation": "", "next_look": timedelta(hours=6)}
    return RenewalHint(**{**values, **changes})


class serialized:  # noqa: N801  stands where a private key is expected, and has only the public half
    def __init__(self, csr):
        from cryptography import x509

        self._key = x509.load_der_x509_csr(csr).public_key()

    def public_key(self):
        return self._key


PLAYED = frozenset({Fault.HOLDS, Fault.REJECTS, Fault.THROTTLES, Fault.DOWN, Fault.REFUSES_LOGIN})


def suite(toy):
    """Return the suite's class for a toy, with a CA of its own for each check."""

    class Suite(Conformance):
        authority = toy

        @contextmanager
        def case(self):
            toy.ca = ToyCa()
            toy.made = {}
            yield Case(
                config={"key": KEY},
                play=toy.ca.play,
                playable=PLAYED,
                ordered=lambda reference: len(toy.ca.orders.get(reference, ())),
            )

    return Suite


TestToy = suite(Toy)
"""The right one passes every check that applies to it."""


def wrong(name, **changes):
    return type(name, (Toy,), changes)


def leaks_in_error(self, request):
    raise RejectedByPolicy(f"the key {KEY} may not order this", text="x")


def leaks_in_log(self, request):
    logging.getLogger("chancery.authority.toy").debug("ordering with %s", KEY)
    return Toy.submit(self, request)


def doubles(self, request):
    self.made.pop(request.reference, None)
    outcome = Toy.submit(self, request)
    self.ca.orders[request.reference].append(request)
    return outcome


def forgets_login(self):
    if self.ca.fault is Fault.DOWN:
        raise ConnectionRefusedError
    if self.ca.fault is Fault.THROTTLES:
        raise RejectedByPolicy("too many", text="429")


def says_sent(self):
    if self.ca.fault is Fault.DOWN:
        raise Unreachable("nobody listens", bytes_sent=True)
    Toy.answers(self)


class Untitled(Config):
    key: Secret
    product: str = setting(title="Product", default="a", dynamic=True)


class Lenient(ToyConfig):
    model_config = {**ToyConfig.model_config, "extra": "ignore"}


def pending_without_version(self, request):
    outcome = Toy.stand(self, request)
    return Pending({"order": request.reference}, text="x") if isinstance(outcome, Pending) else outcome


def silent_pending(self, request):
    outcome = Toy.stand(self, request)
    return Pending({"v": 1, "order": request.reference}) if isinstance(outcome, Pending) else outcome


def never_ready(self, request):
    return Pending({"v": 1, "order": request.reference}, text="Soon.")


def naive(self):
    if self.ca.fault is Fault.THROTTLES:
        raise Throttled("too many", until=datetime(2026, 6, 1, 13), bytes_sent=False)  # noqa: DTZ001  the fault
    Toy.answers(self)


def orders_then_refuses(self, request):
    if self.ca.fault is Fault.REJECTS:
        self.ca.orders[request.reference] = [request]
    return Toy.submit(self, request)


def lists_less(self, cursor):
    page = Toy.inventory(self, cursor)
    return replace(page, entries=()) if page.cursor is None else page


def lists_what_waits(self, cursor):
    waiting = [Listed(r, ListedState.UNKNOWN, "1f") for r in self.ca.orders if r not in self.made]
    return InventoryPage(tuple(waiting), None)


def sees_no_revocation(self, reference, der):
    return replace(Toy.listed(self, reference, der), state=ListedState.VALID)


FAULTS = [
    (wrong("ListsNothing", inventory=lambda self, _: InventoryPage((), None)), "test_the_inventory_names"),
    (wrong("ListsLess", inventory=lists_less), "test_a_revoked_certificate_is_listed"),
    (wrong("ListsAList", inventory=lambda self, _: []), "test_the_inventory_names"),
    (wrong("NeverEnds", inventory=lambda self, _: InventoryPage((), {"v": 1})), "test_the_inventory_names"),
    (wrong("CursorWithoutVersion", inventory=lambda self, _: InventoryPage((), {"at": 1})), "test_the_inventory_names"),
    (wrong("ListsWhatWaits", inventory=lists_what_waits), "test_an_order_that_waits_is_no_certificate"),
    (wrong("SeesNoRevocation", listed=sees_no_revocation), "test_a_revoked_certificate_is_listed"),
    (
        wrong("FetchesAny", fetch=lambda self, _: Issued(next(iter(self.made.values())))),
        "test_what_the_ca_does_not_have",
    ),
    (wrong("BadSlug", slug="Toy CA"), "test_it_says_what_it_is"),
    (wrong("BadProof", proof="platinum"), "test_it_says_what_it_is"),
    (wrong("TooNew", api=(9, 9)), "test_it_says_what_it_is"),
    (wrong("NoSeats", facts=Facts(certificates=Toy.facts.certificates, concurrency=0)), "test_it_declares_what"),
    (wrong("NoTitle", config=Untitled), "test_every_setting_has_a_title"),
    (wrong("TakesAnything", config=Lenient), "test_settings_that_nobody_declared"),
    (wrong("LeaksInError", submit=leaks_in_error), "test_a_refusal_is_final"),
    (wrong("LeaksInLog", submit=leaks_in_log), "test_an_order_is_issued"),
    (wrong("Doubles", submit=doubles), "test_the_same_reference_twice"),
    (wrong("RawError", answers=forgets_login), "test_a_ca_that_does_not_listen"),
    (wrong("ThrottleIsNo", answers=forgets_login), "test_patience_is_kept"),
    (wrong("LoginIgnored", answers=forgets_login), "test_a_credential_that_expires"),
    (wrong("LoginUnseen", answers=forgets_login), "test_a_refused_login_shows"),
    (wrong("SaysSent", answers=says_sent), "test_a_ca_that_does_not_listen"),
    (wrong("NoVersion", stand=pending_without_version), "test_a_pending_order_is_polled"),
    (wrong("Silent", stand=silent_pending), "test_a_pending_order_is_polled"),
    (wrong("NeverReady", stand=never_ready), "test_an_order_is_issued"),
    (wrong("NoZone", answers=naive), "test_patience_is_kept"),
    (wrong("NoOutcome", stand=lambda self, request: "issued"), "test_an_order_is_issued"),
    (wrong("NoIssuer", chain=lambda self: ()), "test_an_order_is_issued"),
    (wrong("OrdersAnyway", submit=orders_then_refuses), "test_a_refusal_is_final"),
    (wrong("BadStage", check=lambda self: [Finding("soul", Level.OK, "ok", "Fine.")]), "test_the_diagnosis_goes"),
    (wrong("NoCheck", check=lambda self: []), "test_the_diagnosis_goes"),
    (wrong("SaysYes", revoke=lambda self, *_: True), "test_a_certificate_is_revoked_once"),
    (wrong("CancelsNothing", cancel=lambda self, *_: None), "test_a_pending_order_can_be_withdrawn"),
    (wrong("FindsAll", find=lambda self, r, _: Found(Pending({"v": 1}), "x")), "test_the_search_knows"),
    (wrong("NoEvidence", find=lambda self, r, _: Absence("")), "test_the_search_knows"),
    (wrong("AdoptsAny", adopt=lambda self, ref, r: Found(self.stand(r), "x")), "test_only_the_order_of_this_key"),
    (wrong("HintOfText", renewal_hint=lambda self, _: "soon"), "test_a_renewal_hint"),
    (wrong("HintNoZone", renewal_hint=lambda self, _: hint(start=datetime(2026, 6, 1))), "test_a_renewal_hint"),  # noqa: DTZ001  the fault
    (wrong("HintBackwards", renewal_hint=lambda self, _: hint(end=START - timedelta(1))), "test_a_renewal_hint"),
    (wrong("HintAtOnce", renewal_hint=lambda self, _: hint(next_look=timedelta(0))), "test_a_renewal_hint"),
    (wrong("NoLabel", choices=lambda self, _: [Choice("a", "")]), "test_pick_lists"),
]


@pytest.mark.parametrize(("toy", "check"), FAULTS, ids=lambda v: v if isinstance(v, str) else v.__name__)
def test_each_fault_is_found_by_its_check(toy, check, caplog):
    one = suite(toy)()
    name = next(n for n in dir(one) if n.startswith(check))
    with pytest.raises((AssertionError, pytest.fail.Exception, Exception)) as found:
        if "bench" in getattr(one, name).__code__.co_varnames[:2]:
            run(one, name, caplog)
        else:
            getattr(one, name)()
    assert not isinstance(found.value, AttributeError), found.value
    caplog.clear()


def run(one, name, caplog):
    """Run a check as the runner would: the fixture's end is a part of it."""
    steps = Conformance.bench.__wrapped__(one, caplog)
    bench = next(steps)
    try:
        getattr(one, name)(bench)
    finally:
        next(steps, None)


def test_a_second_success_may_be_said_as_already_done():
    def again(self, *_):
        if self.ca.revoked:
            raise AlreadyDone("it was revoked before")
        self.ca.revoked.add("it")
        return Revoked()

    assert UTC
    one = suite(wrong("Again", revoke=again))()
    with one.case() as case:
        from chancery.sdk.testing.bench import Bench

        one.test_a_certificate_is_revoked_once(Bench(one.authority, case))


def test_a_ca_may_have_no_word_about_a_renewal(caplog):
    run(suite(wrong("Mute", renewal_hint=lambda self, _: None))(), "test_a_renewal_hint_is_a_window", caplog)
