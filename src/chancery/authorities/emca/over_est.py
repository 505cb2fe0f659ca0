"""emCA by EST: HTTP Basic with the external application's user, and emCA's check of the caller's address."""

from __future__ import annotations

from chancery.authorities.emca import naming
from chancery.authorities.emca.config import EmcaConfig
from chancery.authorities.emca.transport import PATHS, Transport
from chancery.protocols.est.client import EstClient
from chancery.protocols.est.settings import EstCredentials, EstSettings
from chancery.sdk.authority import Context, Request
from chancery.sdk.errors import AuthorityError
from chancery.sdk.finding import Finding
from chancery.sdk.outcome import Outcome, PollState


class OverEst(Transport):
    """The EST client."""

    name = "EST"

    def __init__(self, config: EmcaConfig, context: Context) -> None:
        self._config = config
        path, label = config.path.strip() or PATHS["est"], config.est_label.strip()
        original = config.est_returns_original
        settings = EstSettings(path=path, label=label, reenroll=config.est_reenroll, returns_original=original)
        login = EstCredentials(config.username, config.password)
        self._client = EstClient(context.http, settings, login, context.clock)

    def check(self) -> list[Finding]:
        """Return the client's findings, and whether the issuing CA is among the certificates that emCA gives."""
        found = self._client.check()
        try:
            name = naming.issuing_ca(self._config.issuing_ca, self._client.cacerts())
        except AuthorityError:
            return found
        product = [name, naming.subscriber(self._config.subscriber_id, "EST")]
        return naming.placed(found, product)

    def submit(self, request: Request) -> Outcome:
        """Send the request once."""
        return self._client.submit(request)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Ask again, as EST does."""
        return self._client.poll(state, request)
