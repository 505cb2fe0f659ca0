"""What a client of the two web services needs to know. Plain values: an authority declares its own and fills these."""

from __future__ import annotations

from dataclasses import dataclass, field

from chancery.core.secret import Secret


@dataclass(frozen=True, slots=True)
class WstepSettings:
    """Where the services are and what goes into requests.

    `enrollment` (CES) and `policy` (CEP) are paths below the door's base URL, or whole URLs where they are on other
    hosts; `policy` '' where there is none. `template` is the short name (`cn`) of the certificate template, sent beside the
    request; '' where the request itself names it. `context` are further items for the CA (`rmd`, `ccm`).
    """

    enrollment: str
    policy: str = ""
    template: str = ""
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class WstepCredentials:
    """Who we are. `user` as the domain writes it, with the domain or as svc@example.com; sent inside the message, over TLS.

    Both '' where the door logs in: by client certificate (TLS) or by HTTP Negotiate.
    """

    user: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
