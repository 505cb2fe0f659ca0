"""The web services of a Windows CA as MS-XCEP and MS-WSTEP describe them, over HTTP on loopback."""

from chancery.protocols.wstep.simulator.service import CA_NAME, NAME, PASSWORD, USER, build

__all__ = ["CA_NAME", "NAME", "PASSWORD", "USER", "build"]
