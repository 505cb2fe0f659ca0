"""Any CA that speaks ACME (RFC 8555), by the address of its directory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from chancery.authorities.acme.config import AcmeConfig, AcmeProfile
from chancery.authorities.acme.directories import DIRECTORIES, PUBLIC, TESTS
from chancery.core.order import RevocationReason
from chancery.core.policy import AuthorityFacts
from chancery.protocols.acme.keys import new_account_key
from chancery.protocols.acme.settings import OrderSettings
from chancery.protocols.acme.solving.choose import DnsSettings, solver_for
from chancery.protocols.acme.steps import REASONS, AcmeSteps
from chancery.sdk.authority import Context, Dedup, Facts, Request, Target
from chancery.sdk.config import Config, ProfileSettings
from chancery.sdk.finding import Finding
from chancery.sdk.outcome import Choice, Found, Outcome, PollState, RenewalHint, Revoked


class Acme:
    """Let's Encrypt, ZeroSSL, Google, Sectigo, DigiCert, step-ca and every other CA with an ACME directory."""

    slug: ClassVar[str] = "acme"
    title: ClassVar[str] = "ACME"
    maker: ClassVar[str] = "any CA with an ACME directory (RFC 8555)"
    proof: ClassVar[str] = "silver"
    config: ClassVar[type[Config]] = AcmeConfig
    profile: ClassVar[type[ProfileSettings]] = AcmeProfile
    api: ClassVar[tuple[int, int]] = (1, 1)
    default_base_url: ClassVar[str] = DIRECTORIES[0][0]
    base_urls: ClassVar[tuple[tuple[str, str], ...]] = DIRECTORIES
    facts: ClassVar[Facts] = Facts(
        certificates=AuthorityFacts(
            key_types=("RSA-2048", "RSA-3072", "RSA-4096", "EC-P256", "EC-P384"),
            name_kinds=("dns", "ip"),
            max_names=100,
        ),
        # Each job is a few requests; public CAs allow about twenty requests a second.
        calls_per_second=5,
        burst=20,
        concurrency=8,
        revocation_reasons=REASONS,
        dedup=Dedup.ISSUES_LATER,
        # A DNS provider has a minute.
        lease=timedelta(seconds=240),
    )

    def __init__(self, config: AcmeConfig, context: Context) -> None:
        dns = DnsSettings(config.dns_provider, config.dns_credentials, config.dns_zone, config.dns_resolver)
        solver = solver_for(config.challenge, dns, context)
        self._steps = AcmeSteps(context, config.account_key, config.acme(), solver)

    @classmethod
    def prepare(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Make the account key of a new connector, unless one is given."""
        return values if values.get("account_key") else {**values, "account_key": new_account_key()}

    @classmethod
    def publicly_trusted(cls, base_url: str, settings: Mapping[str, Any], product: Mapping[str, Any]) -> bool:
        """Say so of the directories that are known; of others an administrator says it."""
        del product
        address = base_url.rstrip("/")
        return address in PUBLIC or (address not in TESTS and settings.get("publicly_trusted") is True)

    def check(self) -> Iterable[Finding]:
        """Directory, account, terms, binding, rights and validation; changes nothing, makes no account."""
        return self._steps.check()

    def submit(self, request: Request) -> Outcome:
        """Open an order (RFC 8555 section 7.4); the certificate is asked for by a later poll."""
        settings: Any = request.settings
        return self._steps.submit(request, OrderSettings(settings.profile, settings.not_after, settings.replaces))

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Look at the order, and take the step that it is ready for."""
        return self._steps.poll(state, request)

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over an order by its address at the CA."""
        return self._steps.adopt(reference, request)

    def revoke(self, target: Target, reason: RevocationReason, comment: str) -> Revoked:
        """Revoke one certificate; ACME has no place for a comment."""
        del comment
        return self._steps.revoke(target, reason)

    def poll_revocation(self, state: PollState, target: Target) -> Revoked:
        """Say that it is done: over ACME a revocation never waits."""
        del state, target
        return Revoked()

    def choices(self, field: str) -> list[Choice]:
        """Return the profiles of the CA's directory."""
        if field != "profile":
            return []
        return [Choice(name, f"{name}: {about}"[:200]) for name, about in self._steps.profiles()]

    def renewal_hint(self, target: Target) -> RenewalHint | None:
        """Ask when the CA wants a certificate renewed (RFC 9773)."""
        return self._steps.renewal_hint(target.certificate)
