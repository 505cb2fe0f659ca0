"""What a client of a directory needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chancery.net.addresses import AddressPolicy
from chancery.net.connect import Resolver, resolve


class Protection(StrEnum):
    """How what is said is kept from others and unchanged: by TLS from the start, TLS asked for, or the login's own seal.

    There is none without: since Windows Server 2025 a directory asks for it, and names and rights are nobody else's business.
    """

    LDAPS = "ldaps"
    STARTTLS = "starttls"
    SEALED = "sealed"

    @property
    def port(self) -> int:
        """Return the usual port."""
        return 636 if self is Protection.LDAPS else 389

    @property
    def tls(self) -> bool:
        """Say whether the connection is one of TLS."""
        return self is not Protection.SEALED


@dataclass(frozen=True, slots=True)
class LdapSettings:
    """Where the directory is: the host name of a domain controller. `port` 0 takes the usual one."""

    host: str
    protection: Protection = Protection.LDAPS
    port: int = 0
    trust_pem: str | None = None


@dataclass(frozen=True, slots=True)
class LdapWire:
    """How connections are made: to which addresses, and for how long (seconds, for a whole conversation)."""

    policy: AddressPolicy
    timeout: float = 30.0
    resolver: Resolver = resolve
