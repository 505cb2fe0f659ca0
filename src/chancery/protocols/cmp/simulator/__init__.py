"""A CMP server as RFC 9810, 9481, 9483 and 9811 describe it, over HTTP on loopback."""

from chancery.protocols.cmp.simulator.dials import CmpDials
from chancery.protocols.cmp.simulator.service import NAME, REFERENCE, SECRET, Service, build

__all__ = ["NAME", "REFERENCE", "SECRET", "CmpDials", "Service", "build"]
