"""An AD CS with Web Enrollment as others recorded its pages (reference, sections A1, A7 and A9), and IIS's logins before it."""

from chancery.authorities.adcs.simulator.service import NAME, build

__all__ = ["NAME", "build"]
