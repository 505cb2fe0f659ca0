"""What a client of the remote calls needs to know. Plain values: an authority declares its own and fills these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chancery.protocols.negotiate.settings import Credentials

ENDPOINT_MAPPER = 135
"""The port at which every Windows says where its other services listen, and at which objects are made."""


class EnrollBy(StrEnum):
    """By which interface requests are sent; a CA may have the first one switched off (IF_NORPCICERTREQUEST)."""

    ICPR = "icpr"
    DCOM = "dcom"


@dataclass(frozen=True, slots=True)
class MsrpcSettings:
    """Where the CA is and how it is spoken to.

    `host` is the CA's own machine, `ca` its common name (or sanitised name). `template` is the short name (`cn`), sent as
    an attribute of the request; '' where the request names it. With `send_reference` the order's reference travels as an
    attribute too, `chancery-request`: the CA keeps it with the row, and a lost order is found by it.
    """

    host: str
    ca: str
    template: str = ""
    port: int = ENDPOINT_MAPPER
    enroll_by: EnrollBy = EnrollBy.ICPR
    send_reference: bool = True


@dataclass(frozen=True, slots=True)
class MsrpcCredentials:
    """Who we are: one account that enrols, and one that manages; they have different rights, so keep them apart.

    Without the second there is no search, revocation, denial or inventory.
    """

    enroll: Credentials
    manage: Credentials | None = None
