"""What an EST client needs to know (RFC 7030). Plain values: each authority declares its own fields and fills these."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from chancery.core.secret import Secret


@dataclass(frozen=True, slots=True)
class EstSettings:
    """How one EST service is spoken to.

    `path` lies below the door's base URL; RFC 7030 section 3.2.2 has it at `.well-known/est`. `label` picks one of
    several services there (the RFC's arbitrary label); '' where there is one. `reenroll` sends renewals to
    simplereenroll, which many servers allow only to the holder of the very certificate; else to simpleenroll.
    `returns_original` says that the server answers a request that it knows with the certificate that it issued for it:
    known of the product, never guessed (see the README). `line_breaks` and `encoding_header` put the Base64 body into
    lines of 64 characters and name it in Content-Transfer-Encoding: servers before RFC 8951 may want both, later ones
    take both. `patience` is waited where a 202 does not say how long.
    """

    path: str = ".well-known/est"
    label: str = ""
    reenroll: bool = False
    returns_original: bool = False
    line_breaks: bool = True
    encoding_header: bool = True
    patience: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class EstCredentials:
    """Who we are: HTTP Basic (RFC 7030 section 3.2.3). Both '' for a login by client certificate, which the door holds."""

    user: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
