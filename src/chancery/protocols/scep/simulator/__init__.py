"""A SCEP server as RFC 8894 describes it, over HTTP on loopback, with CMS of its own."""

from chancery.protocols.scep.simulator.service import CHALLENGE, NAME, PROFILES, build

__all__ = ["CHALLENGE", "NAME", "PROFILES", "build"]
