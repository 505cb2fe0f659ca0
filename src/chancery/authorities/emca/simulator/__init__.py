"""An emCA as its public documents describe it: one server that speaks CMP, EST, SCEP, ACME and the login of REST."""

from chancery.authorities.emca.simulator.service import NAME, build

__all__ = ["NAME", "build"]
