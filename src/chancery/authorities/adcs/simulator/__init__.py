"""An AD CS as others recorded it (reference, sections A1 to A3, A7 and A9): Web Enrollment behind IIS's logins, CEP and CES, RPC."""

from chancery.authorities.adcs.simulator.faces import build
from chancery.authorities.adcs.simulator.service import NAME

__all__ = ["NAME", "build"]
