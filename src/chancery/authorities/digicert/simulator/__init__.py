"""CertCentral as the documents describe it (reference B, specification B13)."""

from chancery.authorities.digicert.simulator.service import NAME, build

__all__ = ["NAME", "build"]
