"""From a connector's settings to what solves its challenges."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.core.secret import Secret
from chancery.protocols.acme.settings import ChallengeType
from chancery.protocols.acme.solving.base import Solver
from chancery.protocols.acme.solving.dns01 import DnsSolver
from chancery.protocols.acme.solving.http01 import HttpSolver
from chancery.protocols.acme.solving.lookup import Lookup
from chancery.protocols.acme.solving.persist import PersistSolver
from chancery.protocols.acme.solving.provider import Provider
from chancery.sdk.authority import Context


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """What dns-01 and dns-persist-01 need.

    `provider` is one of `providers.PROVIDERS`; `credentials` are its options, one a line (`auth_token = …`). `zone` is
    the zone at the provider, '' where DNS tells. `resolver` lists servers to ask (host or host:port), '' the zone's.
    """

    provider: str = ""
    credentials: Secret | None = None
    zone: str = ""
    resolver: str = ""


def solver_for(challenge: str, dns: DnsSettings, context: Context) -> Solver | None:
    """Return what solves a type of challenge; None where names count as validated at the CA."""
    if challenge == ChallengeType.HTTP:
        return HttpSolver()
    if challenge == ChallengeType.NONE:
        return None
    policy = context.http.policy
    lookup = Lookup(dns.resolver, policy)
    if challenge == ChallengeType.PERSIST:
        return PersistSolver(lookup, context.clock)
    return DnsSolver(Provider(dns.provider, dns.credentials, policy), lookup, dns.zone)
