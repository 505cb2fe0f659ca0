"""Orders over emSign's ACME directory, with the external account binding of the portal (2.4).

One EAB credential stands for one product, so the profile's variant says what the connector's credential is for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from chancery.authorities.emsign.config import EmSignConfig
from chancery.authorities.emsign.names import names_of
from chancery.authorities.emsign.rules import check_term, reason_of
from chancery.authorities.emsign.trust import warnings_of
from chancery.core.order import RevocationReason
from chancery.protocols.acme.settings import AcmeSettings, Eab, OrderSettings
from chancery.protocols.acme.solving.choose import DnsSettings, solver_for
from chancery.protocols.acme.steps import AcmeSteps
from chancery.sdk.authority import Context, Request, Target
from chancery.sdk.errors import NotFound
from chancery.sdk.finding import Finding
from chancery.sdk.inventory import InventoryPage
from chancery.sdk.outcome import (
    Absence,
    Choice,
    Found,
    Issued,
    Outcome,
    PollState,
    RevocationPending,
    Revoked,
)


class OverAcme:
    """One EAB credential."""

    def __init__(self, config: EmSignConfig, context: Context) -> None:
        key, secret = config.account_key, config.eab_hmac_key
        if key is None or secret is None:  # pragma: no cover  the settings of this transport ask for both
            raise AssertionError(config.transport)
        settings = AcmeSettings(
            contacts=(config.requestor_email,) if config.requestor_email else (),
            terms_agreed=config.accept_agreement,
            eab=Eab(config.eab_key_id, secret),
        )
        solver = solver_for(config.acme_challenge, DnsSettings(), context)
        self._steps = AcmeSteps(context, key, settings, solver)

    def check(self) -> Iterable[Finding]:
        """Directory, account, terms, binding and rights; changes nothing, makes no account."""
        return self._steps.check()

    def submit(self, request: Request) -> Outcome:
        """Open an order; the certificate is asked for by a later poll, so a lost answer orders nothing."""
        check_term(request)
        settings: Any = request.settings
        names_of(request, settings.variant)
        return self._steps.submit(request, OrderSettings())

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Look at the order, and take the step that it is ready for."""
        return _warned(self._steps.poll(state, request))

    def revoke(self, target: Target, reason: RevocationReason, comment: str) -> Revoked | RevocationPending:
        """Revoke one certificate, for exactly this reason; ACME has no place for a comment."""
        del comment
        reason_of(reason)
        return self._steps.revoke(target, reason)

    def poll_revocation(self, state: PollState, target: Target) -> Revoked | RevocationPending:
        """Say that it is done: over ACME a revocation never waits."""
        del state, target
        return Revoked("Revoked by emSign.")

    def cancel(self, state: PollState, request: Request) -> None:
        """Leave an order that no certificate was asked for."""
        self._steps.withdraw(state, request)

    def find(self, request: Request, since: datetime) -> Found | Absence:
        """Say that there is nothing to find: an order whose address was lost yields no certificate."""
        del request, since
        return Absence(
            "ACME has no search. Nothing can have been issued: the certificate is asked for only once the order's "
            "address is recorded, and it was not."
        )

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over an order by its address."""
        found = self._steps.adopt(reference, request)
        return replace(found, outcome=_warned(found.outcome))

    def choices(self, field: str) -> list[Choice]:
        """Return no entries: group, product and organisation are those of the EAB credential."""
        del field
        self._steps.profiles()
        return []

    def inventory(self, cursor: PollState | None) -> InventoryPage:
        """Say that there is no list: a connector over ACME does not have the power (`EmSign.narrow`)."""
        del cursor
        raise NotFound("ACME has no list of certificates.", bytes_sent=False, remedy="Use V2 or V1 for the inventory.")

    def fetch(self, reference: str) -> Issued:
        """Say that there is no list."""
        del reference
        raise NotFound("ACME has no list of certificates.", bytes_sent=False, remedy="Use V2 or V1 for the inventory.")


def _warned(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Issued):
        return outcome
    return replace(outcome, warnings=warnings_of(outcome.leaf, outcome.chain))
