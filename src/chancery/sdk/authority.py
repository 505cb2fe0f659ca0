"""The contract between the engine and an authority.

An authority's author writes one class with three methods (`check`, `submit`, `poll`) and as many of
the small *powers* below as the CA really has. The engine SHALL call them only from a worker, never
inside a database transaction, and SHALL have committed its intent before `submit`. An authority SHALL
NOT sleep, retry a call that can have an effect, or open a connection other than through `context.http`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

from chancery.core.clock import Clock
from chancery.core.names import Name
from chancery.core.order import SUBSCRIBER_REASONS, RevocationReason
from chancery.core.policy import AuthorityFacts
from chancery.net.identity import ClientIdentity
from chancery.sdk.config import Config, ProfileSettings
from chancery.sdk.finding import Finding
from chancery.sdk.http import HttpDoor
from chancery.sdk.inventory import InventoryPage
from chancery.sdk.outcome import (
    Absence,
    Choice,
    Found,
    Issued,
    Outcome,
    PollState,
    RenewalHint,
    RevocationPending,
    Revoked,
)

API_VERSION = 1
"""Raised when this contract changes so that an older authority would not work."""


class Dedup(StrEnum):
    """What a second `submit` under the same reference does.

    NONE: it makes a second order. REJECT_DUPLICATE: the CA refuses it. RETURN_ORIGINAL: the CA gives the first one
    back. ISSUES_LATER: `submit` only opens something from which nothing is issued until a later `poll` asks for that,
    by a state that the engine has recorded before; what a lost `submit` opened stays unused, so it may be sent again.
    """

    NONE = "none"
    REJECT_DUPLICATE = "reject_duplicate"
    RETURN_ORIGINAL = "return_original"
    ISSUES_LATER = "issues_later"

    @property
    def harmless(self) -> bool:
        """Say whether a `submit` whose fate is unknown may be sent again."""
        return self in {Dedup.RETURN_ORIGINAL, Dedup.ISSUES_LATER}


@dataclass(frozen=True, slots=True)
class Facts:
    """What an authority declares about its CA; the engine plans and paces with it.

    `polls_are_acts` says that a poll may itself place an order, as in EST, which repeats its request: a poll whose
    worker vanished is then not repeated blindly, just as a submission is not.

    `plain_http` says that the protocol protects its own messages, so that they may travel over http (RFC 9811 section 3
    for CMP, RFC 8894 section 4 for SCEP): no password and nothing that is believed may travel beside them.
    """

    certificates: AuthorityFacts
    calls_per_second: float = 5.0
    burst: int = 10
    concurrency: int = 4
    revocation_reasons: tuple[RevocationReason, ...] = SUBSCRIBER_REASONS
    dedup: Dedup = Dedup.NONE
    dedup_window: timedelta | None = None
    search_lag: timedelta = timedelta(0)
    search_tries: int = 3
    cpu_bound: bool = False
    publishes_revocations: bool = True
    """False for a CA with neither CRL nor OCSP: a revocation is then recorded, and whoever checks does not see it."""
    lease: timedelta = timedelta(seconds=120)
    polls_are_acts: bool = False
    plain_http: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One certificate to be asked for.

    `reference` is ours, stable over every attempt, unique for good. `intended_at` is when the first
    intent was written and stays the same over attempts: use it, not the clock, for what goes into the
    certificate. `previous` is the CA's reference of the certificate that this one renews, if any.
    `confirmed` says that a person has accepted what an earlier `submit` asked about with
    `PendingKind.CONFIRMATION`; it holds for this order alone.
    """

    reference: str
    csr: bytes
    common_name: str
    names: tuple[Name, ...]
    spki_sha256: str
    validity: timedelta
    intended_at: datetime
    settings: ProfileSettings
    previous: str = ""
    confirmed: bool = False

    @property
    def csr_pem(self) -> str:
        """Return the CSR as PEM text (RFC 7468)."""
        from chancery.core.pem import encode

        return encode("CERTIFICATE REQUEST", self.csr)


@dataclass(frozen=True, slots=True)
class Target:
    """A certificate to be revoked: DER, serial (lower-case hex), and the CA's own reference."""

    certificate: bytes
    serial: str
    reference: str


@dataclass(frozen=True)
class Context:
    """All that an authority gets from outside."""

    http: HttpDoor
    clock: Clock
    log: logging.Logger


class Authority(Protocol):
    """The part every authority has. Construction does nothing outside."""

    slug: ClassVar[str]
    title: ClassVar[str]
    maker: ClassVar[str]
    proof: ClassVar[str]
    config: ClassVar[type[Config]]
    profile: ClassVar[type[ProfileSettings]]
    facts: ClassVar[Facts]
    api: ClassVar[tuple[int, int]]

    def __init__(self, config: Any, context: Context) -> None: ...

    def check(self) -> Iterable[Finding]:
        """Diagnose, read-only, stage by stage from *login* on; the engine has done the earlier ones."""

    def submit(self, request: Request) -> Outcome:
        """Ask for the certificate, once."""

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Look how an accepted request stands."""


@runtime_checkable
class Revokes(Protocol):
    """The CA can revoke."""

    def revoke(self, target: Target, reason: RevocationReason, comment: str) -> Revoked | RevocationPending:
        """Revoke one certificate (never a whole order)."""

    def poll_revocation(self, state: PollState, target: Target) -> Revoked | RevocationPending:
        """Look how an accepted revocation stands."""


@runtime_checkable
class Cancels(Protocol):
    """The CA can withdraw a pending request."""

    def cancel(self, state: PollState, request: Request) -> None:
        """Cancel; raise `AlreadyDone` if it can no longer be stopped."""


@runtime_checkable
class Releases(Protocol):
    """The connector's account may decide, as a manager of the CA, that a request that waits for one is issued."""

    def release(self, state: PollState, request: Request) -> None:
        """Have it issued; raise `AlreadyDone` if it waits for nobody any more. A poll then tells what came of it.

        Asked for by a person, never by the engine itself, and repeated where its answer was lost.
        """


@runtime_checkable
class Finds(Protocol):
    """The CA can be searched for what we may have ordered."""

    def find(self, request: Request, since: datetime) -> Found | Absence:
        """Search by client reference, then by public key, for an order placed after `since`."""


@runtime_checkable
class Adopts(Protocol):
    """A person can point at an order at the CA by the CA's own reference."""

    def adopt(self, reference: str, request: Request) -> Found:
        """Return how that order stands; raise `NotFound`, or `RejectedByPolicy` if its key is another."""


@runtime_checkable
class Lists(Protocol):
    """The CA can say which certificates it has."""

    def inventory(self, cursor: PollState | None) -> InventoryPage:
        """Return a part of the list, read-only: from its beginning, or from where an earlier part ended.

        One call asks the CA a bounded number of times, and well within a lease (`Facts.lease`). What is issued while the
        list is read may be missing; what was there before it began may not, though it may come twice. An answer that
        cannot be read is an error, never an end.
        """

    def fetch(self, reference: str) -> Issued:
        """Return the certificate of an entry that came without; raise `NotFound` where the CA has none by it."""


@runtime_checkable
class Prepares(Protocol):
    """The authority fills in values of a new connector by itself, such as a fresh CA key."""

    @classmethod
    def prepare(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values with what was absent; pure but for randomness."""


@dataclass(frozen=True, slots=True)
class DoorOptions:
    """What a connector's door gets out of the authority's own settings, beside base URL, proxy, trust and networks.

    `speaks_http` is False where these settings have the CA spoken to by another protocol: the base URL then names a host,
    at which no web server need answer, and *Test connection* begins with the authority's own `reach`, if it has one.
    """

    client_identity: ClientIdentity | None = None
    speaks_http: bool = True


@runtime_checkable
class Equips(Protocol):
    """The CA wants more of a connection than the common fields can say: a client certificate."""

    @classmethod
    def door_options(cls, config: Any) -> DoorOptions:
        """Return the options that these settings ask for; pure. Called before the authority is built."""


@runtime_checkable
class Reaches(Protocol):
    """The CA is, or may be, spoken to by another protocol than HTTP, whose first stages the engine cannot diagnose."""

    def reach(self) -> Iterable[Finding]:
        """Return the stages before *login*, read-only and with no login; () where the door goes by HTTP.

        `check` is asked only if none of them failed.
        """


@runtime_checkable
class Chooses(Protocol):
    """Some fields offer what the account has."""

    def choices(self, field: str) -> list[Choice]:
        """Return the pick list of a dynamic field of config or profile settings."""


@runtime_checkable
class Advises(Protocol):
    """The CA says when a certificate should be renewed, as with ARI (RFC 9773)."""

    def renewal_hint(self, target: Target) -> RenewalHint | None:
        """Return the window that the CA suggests for this certificate; None where it has nothing to say of it."""


POWERS: dict[str, type[Any]] = {
    "revokes": Revokes,
    "cancels": Cancels,
    "releases": Releases,
    "finds": Finds,
    "adopts": Adopts,
    "chooses": Chooses,
    "lists": Lists,
    "renewal_hint": Advises,
}
"""Name in API and console → protocol."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What everybody but the engine may know of an authority."""

    slug: str
    title: str
    maker: str
    proof: str
    config: type[Config]
    profile: type[ProfileSettings]
    facts: Facts
    powers: frozenset[str] = field(default_factory=frozenset)
    default_base_url: str = ""
    base_urls: tuple[tuple[str, str], ...] = ()
    outside: bool = True
    """False for an authority that needs no network (base URL is then not asked for)."""


def door_options(cls: type[Any], config: Config) -> DoorOptions:
    """Return what the door of an authority of this class needs; nothing where it does not say."""
    return cls.door_options(config) if hasattr(cls, "door_options") else DoorOptions()


@runtime_checkable
class Narrows(Protocol):
    """What the CA can do depends on a connector's own settings, such as the protocol by which it is spoken to."""

    @classmethod
    def narrow(cls, about: Descriptor, settings: Mapping[str, Any]) -> Descriptor:
        """Return `about`, which says what the class can do, as it holds for stored settings: fewer powers, other facts.

        `settings` are without secrets. Pure, and it never adds a power.
        """


@runtime_checkable
class Publishes(Protocol):
    """Some of what the CA sells is publicly trusted: it depends on the address, the settings, or the product."""

    @classmethod
    def publicly_trusted(cls, base_url: str, settings: Mapping[str, Any], product: Mapping[str, Any]) -> bool:
        """Say whether TLS certificates ordered there are publicly trusted, True only where that is known.

        `settings` are a connector's without secrets, `product` is a profile's settings for this type of CA ({} where it has
        none). Pure. A pool's members stand in for one another by it; a CA all of whose certificates are public says
        `AuthorityFacts.public_tls` instead.
        """


def powers_of(cls: type[Any]) -> frozenset[str]:
    """Return the names of the powers that a class implements."""
    return frozenset(name for name, power in POWERS.items() if issubclass(cls, power))


def describe(cls: type[Any], settings: Mapping[str, Any] | None = None) -> Descriptor:
    """Return the descriptor of an authority class, or of a connector with these settings (without secrets)."""
    about = Descriptor(
        slug=cls.slug,
        title=cls.title,
        maker=cls.maker,
        proof=cls.proof,
        config=cls.config,
        profile=cls.profile,
        facts=cls.facts,
        powers=powers_of(cls),
        default_base_url=getattr(cls, "default_base_url", ""),
        base_urls=tuple(getattr(cls, "base_urls", ())),
        outside=getattr(cls, "outside", True),
    )
    return cls.narrow(about, settings) if settings is not None and issubclass(cls, Narrows) else about
