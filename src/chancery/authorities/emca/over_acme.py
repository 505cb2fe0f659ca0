"""emCA by ACME: a client registered in its portal, with an external account binding where its policy asks for one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from chancery.authorities.emca import naming
from chancery.authorities.emca.config import EmcaConfig
from chancery.authorities.emca.transport import PATHS, Transport
from chancery.core.order import RevocationReason
from chancery.core.secret import Secret
from chancery.protocols.acme.settings import AcmeSettings, Eab, OrderSettings
from chancery.protocols.acme.solving.choose import DnsSettings, solver_for
from chancery.protocols.acme.steps import AcmeSteps
from chancery.sdk.answer import Answer
from chancery.sdk.authority import Context, Request, Target
from chancery.sdk.finding import Finding, Level
from chancery.sdk.http import HttpDoor
from chancery.sdk.outcome import Found, Outcome, PollState, Revoked

_NO_NAMES = "Over ACME emCA shows no names of its CAs before it issues, so the issuing CA's name cannot be compared."


class _Directory:
    """The connector's door, with the directory's address as its base URL, as the ACME client takes it."""

    def __init__(self, door: HttpDoor, path: str) -> None:
        self._door, self.base_url = door, f"{door.base_url}/{path.lstrip('/')}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)

    def request(self, method: str, path: str, **more: Any) -> Answer:
        """Send a request; the client names every address in full."""
        return self._door.request(method, path, **more)


class OverAcme(Transport):
    """The ACME client."""

    name = "ACME"

    def __init__(self, config: EmcaConfig, context: Context) -> None:
        self._config = config
        eab = Eab(config.eab_key_id, config.eab_hmac_key) if config.eab_key_id and config.eab_hmac_key else None
        settings = AcmeSettings(terms_agreed=config.acme_terms, eab=eab)
        door = cast("HttpDoor", _Directory(context.http, config.path.strip() or PATHS["acme"]))
        solver = solver_for(config.acme_validation, DnsSettings(), context)
        key = config.account_key or Secret("")
        self._steps = AcmeSteps(replace(context, http=door), key, settings, solver)

    def check(self) -> list[Finding]:
        """Return the client's findings; of the issuing CA ACME tells nothing."""
        unseen = Finding("product", Level.SKIPPED, "issuing_ca_unseen", _NO_NAMES, self._config.issuing_ca)
        product = [unseen, naming.subscriber(self._config.subscriber_id, "ACME")]
        return naming.placed(self._steps.check(), product)

    def submit(self, request: Request) -> Outcome:
        """Open an order; the certificate is asked for by a later poll."""
        return self._steps.submit(request, OrderSettings())

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Take the step that the order is ready for."""
        return self._steps.poll(state, request)

    def revoke(self, target: Target, reason: RevocationReason) -> Revoked:
        """Revoke one certificate by the account's key."""
        return self._steps.revoke(target, reason)

    def poll_revocation(self, state: PollState, target: Target) -> Revoked:
        """Say that it is done: over ACME a revocation never waits."""
        del state, target
        return Revoked()

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over an order by its address."""
        return self._steps.adopt(reference, request)
