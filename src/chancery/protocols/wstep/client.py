"""A client of the two web services of a Windows CA (MS-XCEP, MS-WSTEP)."""

from __future__ import annotations

from collections.abc import Sequence

from chancery.core.certificate import spki_of
from chancery.core.clock import Clock
from chancery.net.redact import scrub
from chancery.protocols.bundle import climb, pick, serial
from chancery.protocols.cms import Unreadable
from chancery.protocols.hresult import Explain, plainly
from chancery.protocols.waiting import Waiting, number_of
from chancery.protocols.wstep import policies, tokens
from chancery.protocols.wstep.conversation import LARGEST, Conversation, Door
from chancery.protocols.wstep.diagnosis import findings
from chancery.protocols.wstep.document import Element
from chancery.protocols.wstep.faults import senseless
from chancery.protocols.wstep.names import GET_POLICIES, REQUEST_TOKEN
from chancery.protocols.wstep.policies import Policies
from chancery.protocols.wstep.settings import WstepCredentials, WstepSettings
from chancery.protocols.wstep.tokens import Standing
from chancery.sdk.answer import Answer
from chancery.sdk.authority import Dedup, Request
from chancery.sdk.errors import NotFound, RejectedByPolicy, Unreachable
from chancery.sdk.finding import Finding
from chancery.sdk.outcome import Found, Issued, Outcome, PollState

DEDUP = Dedup.NONE
"""What an authority declares that speaks CES: the CA makes a row, and often a certificate, of every request."""


class WstepClient:
    """Enrols through one enrolment service, and reads one policy service. Holds nothing but settings.

    Only RequestSecurityToken with the type Issue is an act. QueryTokenStatus asks how a request stands by the CA's number,
    as often as one likes. The service has no search: an order whose answer was lost is found by its number alone
    (`adopt`), or by another way into the CA's database.
    """

    def __init__(
        self,
        door: Door,
        settings: WstepSettings,
        credentials: WstepCredentials,
        clock: Clock,
        explain: Explain = plainly,
    ) -> None:
        self._settings = settings
        self._talk = Conversation(door, credentials, clock, explain)

    # Reading ------------------------------------------------------------------------------------------

    def policies(self) -> Policies:
        """Return templates with the caller's rights, and CAs: GetPolicies (MS-XCEP section 3.1.4.1)."""
        if not self._settings.policy:
            raise Unreachable(
                "No policy service is set for this connector.",
                code="no_policy_service",
                stage="work",
                bytes_sent=False,
                remedy="Enter the address of the certificate enrolment policy service (it ends in service.svc/CEP).",
            )
        body = policies.question()
        element, answer = self._talk.ask(self._settings.policy, GET_POLICIES, body, max_bytes=LARGEST)
        try:
            return policies.policies(element)
        except Unreadable as error:
            raise senseless(answer, f"The policies cannot be read: {error}.") from None

    def check(self, templates: Sequence[str] = ()) -> list[Finding]:
        """Return what *Test connection* shows, by reading alone; of these templates, or of that of the settings."""
        names = templates or ([self._settings.template] if self._settings.template else [])
        return findings(self.policies if self._settings.policy else None, self._touch, names)

    def _touch(self) -> None:
        """Ask about a request, whose number may be anybody's: any readable answer shows that the login is good."""
        try:
            self._talk.ask(self._settings.enrollment, REQUEST_TOKEN, tokens.query(1))
        except (NotFound, RejectedByPolicy):
            return

    # Enrolling ----------------------------------------------------------------------------------------

    def submit(self, request: Request) -> Outcome:
        """Ask for the certificate, once."""
        body = tokens.issue(request.csr, self._settings)
        element, answer = self._talk.ask(self._settings.enrollment, REQUEST_TOKEN, body, effect=True)
        standing = _read(element, answer)
        return _outcome(standing, Waiting(standing.number), request, answer)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Ask how the request stands, by its number."""
        waiting = Waiting.read(state)
        standing, answer = self._look(waiting.number)
        return _outcome(standing, waiting.again(), request, answer)

    def adopt(self, reference: str, request: Request) -> Found:
        """Return how the request of this number stands.

        Raises `NotFound` for what is no number or unknown, and `RejectedByPolicy` where it was made for another key. While
        it waits, the service shows nothing of it: it is then found by its number alone, and the engine checks the key
        when the certificate comes.
        """
        number = number_of(reference)
        if number is None:
            remedy = "Enter the Request ID as the CA's console shows it."
            raise NotFound("That is no request number of a Windows CA.", bytes_sent=False, remedy=remedy)
        standing, answer = self._look(number)
        if standing.leaf is not None and spki_of(standing.leaf) != request.spki_sha256:
            text, remedy = f"Request {number} was made for another key.", "Enter the number of this order's request."
            raise RejectedByPolicy(text, code="other_key", remedy=remedy)
        how = "it waits" if standing.leaf is None else "it is issued, for the key of this order"
        outcome = _outcome(standing, Waiting(number), request, answer)
        return Found(outcome, f"The CA answered for request {number}: {how}.")

    def _look(self, number: int) -> tuple[Standing, Answer]:
        element, answer = self._talk.ask(self._settings.enrollment, REQUEST_TOKEN, tokens.query(number))
        standing = _read(element, answer)
        if standing.number not in {0, number}:
            raise senseless(answer, f"The CA was asked for request {number}, and answered for {standing.number}.")
        return standing, answer


def _read(element: Element, answer: Answer) -> Standing:
    try:
        return tokens.standing(element)
    except Unreadable as error:
        raise senseless(answer, f"The answer of the CA cannot be read: {error}.") from None


def _outcome(standing: Standing, waiting: Waiting, request: Request, answer: Answer) -> Outcome:
    if standing.leaf is None:
        return waiting.pending(scrub(standing.text, answer.secrets))
    leaf, others = pick((standing.leaf, *standing.others), request.spki_sha256)
    if leaf is None:
        raise senseless(answer, "The answer holds a certificate of a CA where that for the request should be.")
    chain, _ = climb(leaf, others)
    return Issued(leaf, chain, str(standing.number or waiting.number or serial(leaf)))
