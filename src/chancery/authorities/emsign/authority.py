"""emSign, ordered through CERTInext: one connector type, three ways to the CA."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from chancery.authorities.emsign.acme.transport import OverAcme
from chancery.authorities.emsign.config import ACME, PUBLIC_VARIANTS, V1, V2, EmSignConfig, EmSignProfile
from chancery.authorities.emsign.rules import REASONS
from chancery.authorities.emsign.transport import Transport
from chancery.authorities.emsign.v1.transport import OverV1
from chancery.authorities.emsign.v2.transport import OverV2
from chancery.core.order import RevocationReason
from chancery.core.policy import AuthorityFacts
from chancery.protocols.acme.keys import new_account_key
from chancery.sdk.authority import Context, Dedup, Descriptor, Facts, Request, Target
from chancery.sdk.config import Config, ProfileSettings
from chancery.sdk.finding import Finding
from chancery.sdk.inventory import InventoryPage
from chancery.sdk.outcome import Absence, Choice, Found, Issued, Outcome, PollState, RevocationPending, Revoked

US, INDIA, SANDBOX = "https://us-api.certinext.io", "https://api.certinext.io", "https://sandbox-us-api.certinext.io"
_TRANSPORTS: dict[str, Callable[[EmSignConfig, Context], Transport]] = {V2: OverV2, V1: OverV1, ACME: OverAcme}


class EmSign:
    """emSign through CERTInext: V2, V1 or ACME, as the connector says."""

    slug: ClassVar[str] = "emsign"
    title: ClassVar[str] = "emSign"
    maker: ClassVar[str] = "eMudhra CERTInext"
    proof: ClassVar[str] = "bronze"
    config: ClassVar[type[Config]] = EmSignConfig
    profile: ClassVar[type[ProfileSettings]] = EmSignProfile
    api: ClassVar[tuple[int, int]] = (1, 1)
    default_base_url: ClassVar[str] = US
    base_urls: ClassVar[tuple[tuple[str, str], ...]] = (
        (US, "United States"),
        (INDIA, "India and global"),
        (SANDBOX, "Sandbox"),
        (f"{SANDBOX}/emSignACME-API/directory", "Sandbox, ACME directory"),
        ("https://acme-us.certinext.io/v1/directory", "United States, ACME directory"),
    )
    facts: ClassVar[Facts] = Facts(
        certificates=AuthorityFacts(
            key_types=("RSA-2048", "RSA-3072", "RSA-4096", "EC-P256", "EC-P384"),
            name_kinds=("dns",),
            # UCC products: "up to 250 typical" (V2 specification).
            max_names=250,
        ),
        # About 16 orders in 10 seconds made the sandbox refuse more; no other number is published.
        calls_per_second=1.5,
        burst=8,
        concurrency=4,
        revocation_reasons=tuple(REASONS),
        dedup=Dedup.NONE,
        search_lag=timedelta(seconds=60),
        search_tries=4,
    )

    def __init__(self, config: EmSignConfig, context: Context) -> None:
        self._way = _TRANSPORTS[config.transport](config, context)

    @classmethod
    def narrow(cls, about: Descriptor, settings: Mapping[str, Any]) -> Descriptor:
        """Return what emSign can do over the transport of these settings: over ACME there is no list, and a lost opening yields nothing."""
        if settings.get("transport") != ACME:
            return about
        facts = replace(about.facts, dedup=Dedup.ISSUES_LATER, search_lag=timedelta(0))
        return replace(about, powers=about.powers - {"finds", "lists"}, facts=facts)

    @classmethod
    def publicly_trusted(cls, base_url: str, settings: Mapping[str, Any], product: Mapping[str, Any]) -> bool:
        """Say so of SSL products, ordered over REST at one of the production hosts.

        Over ACME the product is that of the EAB credential, which nobody here knows.
        """
        there = urlsplit(base_url).hostname in {urlsplit(url).hostname for url in (US, INDIA)}
        return there and (settings.get("transport") or V2) in {V2, V1} and product.get("variant") in PUBLIC_VARIANTS

    @classmethod
    def prepare(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Make the ACME account key of a new connector that needs one, unless it is given."""
        if values.get("transport") != ACME or values.get("account_key"):
            return values
        return {**values, "account_key": new_account_key()}

    def check(self) -> Iterable[Finding]:
        """Diagnose, read-only, from the login on to the chain of what was issued last."""
        return self._way.check()

    def submit(self, request: Request) -> Outcome:
        """Ask for the certificate, once."""
        return self._way.submit(request)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Look how an accepted order stands, and do what it waits for from us."""
        return self._way.poll(state, request)

    def find(self, request: Request, since: datetime) -> Found | Absence:
        """Search for what a lost answer may have ordered."""
        return self._way.find(request, since)

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over an order that a person names."""
        return self._way.adopt(reference, request)

    def revoke(self, target: Target, reason: RevocationReason, comment: str) -> Revoked | RevocationPending:
        """Revoke one certificate, for exactly this reason; another than the CA's five is refused."""
        return self._way.revoke(target, reason, comment)

    def poll_revocation(self, state: PollState, target: Target) -> Revoked | RevocationPending:
        """Look how an accepted revocation stands."""
        return self._way.poll_revocation(state, target)

    def cancel(self, state: PollState, request: Request) -> None:
        """Withdraw what is not issued yet."""
        self._way.cancel(state, request)

    def choices(self, field: str) -> list[Choice]:
        """Return what the account has, for a dynamic field."""
        return self._way.choices(field)

    def inventory(self, cursor: PollState | None) -> InventoryPage:
        """Return a part of the account's certificates; not over ACME."""
        return self._way.inventory(cursor)

    def fetch(self, reference: str) -> Issued:
        """Return the certificate of an entry."""
        return self._way.fetch(reference)
