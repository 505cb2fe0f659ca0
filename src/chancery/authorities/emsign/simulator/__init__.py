"""CERTInext for emSign as the documents describe it: V1, V2 and OAuth over one account book."""

from chancery.authorities.emsign.simulator.service import NAME, build

__all__ = ["NAME", "build"]
