"""emCA by CMP: its documents name enrolment, key update, revocation, polling, and a shared authentication code."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509

from chancery.authorities.emca import naming, upload
from chancery.authorities.emca.config import EmcaConfig
from chancery.authorities.emca.transport import PATHS, Transport
from chancery.core.order import RevocationReason
from chancery.protocols.cmp import (
    CmpClient,
    CmpSettings,
    Credential,
    RequestKind,
    SharedSecret,
    SigningKey,
    Support,
    Unprotected,
)
from chancery.sdk.authority import Context, Request, Target
from chancery.sdk.errors import AuthFailed, AuthorityError, Forbidden
from chancery.sdk.finding import Finding, Level, failed
from chancery.sdk.outcome import Outcome, PollState, RevocationPending, Revoked

_SOON, _NOTHING = timedelta(days=30), timedelta(0)
_PATH = "Check the base URL, the path of CMP, and whether CMP is switched on in emCA."


class OverCmp(Transport):
    """The CMP client, with what emCA calls its things."""

    name = "CMP"

    def __init__(self, config: EmcaConfig, context: Context) -> None:
        self._config, self._context = config, context
        self._made: CmpClient | None = None

    @property
    def _client(self) -> CmpClient:
        if self._made is None:
            config = self._config
            settings = CmpSettings(
                path=config.path.strip() or PATHS["cmp"],
                recipient=config.cmp_recipient.strip() or f"CN={_escaped(config.issuing_ca)}",
                name=config.cmp_name.strip() or None,
                trust_pem=config.cmp_trust,
                request=RequestKind(config.cmp_request),
                implicit_confirm=config.cmp_implicit,
                unprotected=Unprotected(config.cmp_unprotected),
                ca="emCA",
            )
            self._made = CmpClient(self._context.http, settings, self._credential(), self._context.clock)
        return self._made

    def _credential(self) -> Credential:
        config = self._config
        if config.cmp_protection == "certificate":
            given = upload.read(config)
            if given is None:
                raise _missing("credential file", "Upload the certificate and key that emCA knows, or use a secret.")
            return SigningKey(given.chain_pem, given.key_pem)
        if not config.cmp_secret:
            raise _missing("authentication code", "Enter emCA's CMPAuthenticationCode.")
        reference = config.cmp_reference.strip() or config.username
        return SharedSecret(reference, config.cmp_secret, config.cmp_mac, config.cmp_digest)

    def check(self) -> list[Finding]:
        """Ask for the CA's certificates, which shows whether path and credential are right."""
        try:
            told = self._client.support()
        except (AuthFailed, Forbidden) as error:
            return [failed("login" if isinstance(error, AuthFailed) else "rights", error, _PATH)]
        except AuthorityError as error:
            return [failed("login", error, _PATH)]
        return [*_login(told), *self._own_certificate(), *self._product(told), *_chain(told)]

    def _own_certificate(self) -> list[Finding]:
        """Say when the certificate that signs our messages ends."""
        given = upload.read(self._config) if self._config.cmp_protection == "certificate" else None
        if given is None:
            return []
        end = x509.load_pem_x509_certificate(given.chain_pem.encode()).not_valid_after_utc
        left, evidence = end - self._context.clock.now(), f"until {end:%Y-%m-%d}"
        if left > _SOON:
            return [
                Finding("login", Level.OK, "own_certificate", "The certificate that signs for us is valid.", evidence)
            ]
        text = "The certificate that signs our messages ends within 30 days, or has ended."
        level = Level.WARNING if left > _NOTHING else Level.FAILED
        remedy = "Have emCA issue a new one, and upload it with its key."
        return [Finding("login", level, "own_certificate", text, evidence, remedy)]

    def _product(self, told: Support) -> list[Finding]:
        wanted = self._config.issuing_ca
        # Who answers need not be the issuing CA; but where it is, nothing is open.
        mine = not told.certificates and told.sender == wanted
        return [
            naming.named(wanted, [wanted]) if mine else naming.issuing_ca(wanted, told.certificates),
            naming.subscriber(self._config.subscriber_id, "CMP"),
        ]

    def submit(self, request: Request) -> Outcome:
        """Ask for the certificate, once."""
        return self._client.submit(request)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Poll or confirm, from the stored state."""
        return self._client.poll(state, request)

    def revoke(self, target: Target, reason: RevocationReason) -> Revoked | RevocationPending:
        """Revoke one certificate, by its issuer and number."""
        return self._client.revoke(target, reason)

    def poll_revocation(self, state: PollState, target: Target) -> Revoked | RevocationPending:
        """Poll for the answer to a revocation."""
        del target
        return self._client.poll_revocation(state)


def _login(told: Support) -> list[Finding]:
    if not told.proven:
        text = "emCA refuses questions by a message that nothing protects: whether it knows the credential is not seen."
        remedy = "Order one certificate as a test."
        return [Finding("login", Level.WARNING, "unproven", text, told.text, remedy)]
    text = "emCA knows the credential." if told.answered else "emCA knows the credential; it answers no questions."
    found = [Finding("login", Level.OK, "known", text, told.text)]
    if told.weak:
        remedy = "Have emCA's CMP use HMAC with SHA-256."
        found.append(Finding("login", Level.WARNING, "weak_mac", "emCA's MAC rests on SHA-1.", "", remedy))
    return found


def _chain(told: Support) -> list[Finding]:
    if told.certificates:
        return [
            Finding("chain", Level.OK, "ok", "emCA gives the certificates of its CAs.", f"{len(told.certificates)}")
        ]
    text = "emCA does not tell its CAs' certificates over CMP; each answer has to bring its chain along."
    remedy = "Order one certificate as a test, and look whether its chain is whole."
    return [Finding("chain", Level.WARNING, "unseen", text, "", remedy)]


def _missing(what: str, remedy: str) -> AuthFailed:
    text = f"The connector speaks CMP, and its {what} is missing."
    return AuthFailed(text, code="missing", stage="request", bytes_sent=False, remedy=remedy)


def _escaped(text: str) -> str:
    """Return a value of a distinguished name, escaped as RFC 4514 section 2.4 has it."""
    return "".join(f"\\{c}" if c in ',+"\\<>;=' else c for c in text).strip()
