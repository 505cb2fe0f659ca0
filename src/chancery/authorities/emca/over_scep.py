"""emCA by SCEP: a registered device's challenge password, or a registration authority's certificate."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding

from chancery.authorities.emca import naming, upload
from chancery.authorities.emca.config import EmcaConfig
from chancery.authorities.emca.transport import PATHS, Transport
from chancery.protocols.scep.client import ScepClient
from chancery.protocols.scep.service import Service
from chancery.protocols.scep.settings import Authorization, ScepCredentials, ScepSettings
from chancery.sdk.authority import Context, Request
from chancery.sdk.errors import AuthFailed, AuthorityError
from chancery.sdk.finding import Finding, failed
from chancery.sdk.outcome import Outcome, PollState


class OverScep(Transport):
    """The SCEP client."""

    name = "SCEP"

    def __init__(self, config: EmcaConfig, context: Context) -> None:
        self._config, self._context = config, context
        self._settings = ScepSettings(
            path=config.path.strip() or PATHS["scep"],
            authorization=Authorization(config.scep_authorization),
            challenge=config.scep_challenge,
            ca_name=config.scep_ca_name.strip(),
            fingerprint=config.scep_fingerprint.strip(),
            renewal_requests=config.scep_renewal,
            allow_3des=config.scep_3des,
            accept_sha1=config.scep_sha1,
            remembers=config.scep_remembers,
        )
        self._made: ScepClient | None = None

    @property
    def _client(self) -> ScepClient:
        if self._made is None:
            context = self._context
            self._made = ScepClient(context.http, self._settings, self._credentials(), context.clock)
        return self._made

    def _credentials(self) -> ScepCredentials:
        given = upload.read(self._config)
        if given is not None:
            return ScepCredentials(given.key_pem, given.chain_pem)
        if not self._config.scep_key:
            raise AuthFailed(
                "The connector speaks SCEP, and its transport key is missing.",
                code="missing",
                stage="request",
                bytes_sent=False,
                remedy="Paste an RSA key as PEM, or upload the registration authority's certificate and key.",
            )
        return ScepCredentials(self._config.scep_key)

    def check(self) -> list[Finding]:
        """Return the client's findings, and whether the issuing CA is the one whose certificate emCA gives."""
        try:
            found = self._client.check()
        except AuthFailed as error:
            return [failed("login", error)]
        try:
            roster = Service(self._context.http, self._settings, self._context.clock).roster()
        except AuthorityError:
            return found
        name = naming.issuing_ca(self._config.issuing_ca, [roster.ca.public_bytes(Encoding.DER)])
        return naming.placed(found, [name, naming.subscriber(self._config.subscriber_id, "SCEP")])

    def submit(self, request: Request) -> Outcome:
        """Send the request once."""
        return self._client.submit(request)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Ask how the transaction stands."""
        return self._client.poll(state, request)
