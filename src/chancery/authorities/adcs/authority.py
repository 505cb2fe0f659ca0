"""Microsoft AD CS as an authority, by the transport that the administrator chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from chancery.authorities.adcs.config import CERTSRV, CES, RPC, AdcsConfig, AdcsProfile
from chancery.authorities.adcs.directory.source import Directory
from chancery.authorities.adcs.managing import Managing
from chancery.authorities.adcs.over_certsrv import OverCertsrv
from chancery.authorities.adcs.over_ces import OverCes
from chancery.authorities.adcs.over_rpc import OverRpc
from chancery.authorities.adcs.transport import Transport, powers_of
from chancery.core.order import RevocationReason
from chancery.core.policy import AuthorityFacts
from chancery.core.secret import Secret
from chancery.net.identity import ClientIdentity
from chancery.sdk.authority import Context, Dedup, Descriptor, DoorOptions, Facts, Request, Target
from chancery.sdk.config import Config, ProfileSettings
from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.finding import Finding
from chancery.sdk.inventory import InventoryPage
from chancery.sdk.outcome import Absence, Choice, Found, Issued, Outcome, PollState, RevocationPending, Revoked

_TRANSPORTS: dict[str, Callable[[AdcsConfig, Context], Transport]] = {
    CERTSRV: OverCertsrv,
    CES: OverCes,
    RPC: OverRpc,
}


class Adcs:
    """One class for all transports; what each can do is said by `narrow` (docs/adr/0007)."""

    slug: ClassVar[str] = "adcs"
    title: ClassVar[str] = "AD CS"
    maker: ClassVar[str] = "Microsoft Active Directory Certificate Services"
    proof: ClassVar[str] = "silver"
    config: ClassVar[type[Config]] = AdcsConfig
    profile: ClassVar[type[ProfileSettings]] = AdcsProfile
    api: ClassVar[tuple[int, int]] = (1, 1)
    facts: ClassVar[Facts] = Facts(
        certificates=AuthorityFacts(
            key_types=("RSA-2048", "RSA-3072", "RSA-4096", "EC-P256", "EC-P384"),
            name_kinds=("dns", "ip", "email", "uri"),
            max_names=100,
        ),
        calls_per_second=4.0,
        burst=8,
        # A CA without policy module is quicker; each seat is a connection and a login of its own.
        concurrency=2,
        dedup=Dedup.NONE,
        search_lag=timedelta(minutes=2),
    )

    def __init__(self, config: AdcsConfig, context: Context) -> None:
        self._way = _TRANSPORTS[config.transport](config, context)
        self._managing = Managing(config, context)
        self._directory = Directory(config, context)

    @classmethod
    def narrow(cls, about: Descriptor, settings: Mapping[str, Any]) -> Descriptor:
        """Return what the CA can do over the transport of these settings."""
        powers = about.powers & powers_of(settings)
        facts = about.facts if "finds" in powers else replace(about.facts, search_lag=timedelta(0))
        return replace(about, powers=powers, facts=facts)

    @classmethod
    def door_options(cls, config: AdcsConfig) -> DoorOptions:
        """Return the client certificate, where the login is by one."""
        if config.authentication != "certificate":
            return DoorOptions(speaks_http=config.transport != RPC)
        # An empty identity makes the door say that the client certificate cannot be used.
        return DoorOptions(ClientIdentity(config.client_certificate, config.client_key or Secret("")))

    def reach(self) -> Iterable[Finding]:
        """Name and TCP, where the CA is spoken to by RPC; over HTTP the door tells them."""
        return self._way.reach()

    def check(self) -> Iterable[Finding]:
        """Login, channel binding, CA name, templates, CA certificates and CRL, by reading only."""
        found = self._way.check()
        if self._directory.used:
            # It tells what the transport cannot, so nobody need hear of that.
            told = {"no_policy_service", "unseen"} if self._managing.able else {"no_policy_service"}
            found = [*(one for one in found if one.code not in told), *self._directory.findings()]
        return self._managing.joined(found)

    def submit(self, request: Request) -> Outcome:
        """Ask for the certificate, once. Names travel in the certificate request and nowhere else."""
        return self._way.submit(request)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Look how an accepted request stands."""
        return self._way.poll(state, request)

    def find(self, request: Request, since: datetime) -> Found | Absence:
        """Search for what a lost answer may have ordered."""
        return self._managing.find(request, since) if self._managing.able else self._way.find(request, since)

    def cancel(self, state: PollState, request: Request) -> None:
        """Deny a request that waits; for an account that manages the CA."""
        self._managing.cancel(state)

    def release(self, state: PollState, request: Request) -> None:
        """Have a request issued that waits for a manager; for an account that manages the CA."""
        self._managing.release(state)

    def revoke(self, target: Target, reason: RevocationReason, comment: str) -> Revoked | RevocationPending:
        """Revoke one certificate; for an account that manages the CA, whose database has no place for the comment."""
        return self._managing.revoke(target, reason)

    def poll_revocation(self, state: PollState, target: Target) -> Revoked | RevocationPending:
        """Look at a revocation: a CA decides about it at once, so there is none that waits."""
        raise ProtocolViolation("A revocation at AD CS never waits.", code="state", bytes_sent=False)

    def inventory(self, cursor: PollState | None) -> InventoryPage:
        """Return a part of what the CA has issued; for an account that manages the CA."""
        return self._managing.inventory(cursor)

    def fetch(self, reference: str) -> Issued:
        """Return a certificate of the CA by its request's id; for an account that manages the CA."""
        return self._managing.fetch(reference)

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over a request that a person names by its id."""
        return self._way.adopt(reference, request)

    def choices(self, field: str) -> list[Choice]:
        """Return the templates, from the directory where that is set."""
        if self._directory.used:
            return self._directory.choices() if field == "template" else []
        return self._way.choices(field)
