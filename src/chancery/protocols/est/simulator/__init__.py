"""An EST server as RFC 7030, 8951 and 9908 describe it, over HTTP on loopback (TLS is the tests' to put before it)."""

from chancery.protocols.est.simulator.service import LABELS, NAME, PASSWORD, USER, build

__all__ = ["LABELS", "NAME", "PASSWORD", "USER", "build"]
