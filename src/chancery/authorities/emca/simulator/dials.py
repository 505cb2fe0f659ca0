"""The dials of all protocols, and emCA's own."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.protocols.acme.simulator.dials import AcmeDials
from chancery.protocols.cmp.simulator.dials import CmpDials
from chancery.protocols.est.simulator.dials import EstDials
from chancery.protocols.scep.simulator.dials import ScepDials


@dataclass
class EmcaDials(CmpDials, EstDials, ScepDials, AcmeDials):
    """`foreign_address` calls from an address that is not entered for the external application: EST and REST are shut.

    `rest_shape` is how the login's reply looks, which no public document says: '' puts the token into `token`, `nested`
    into an inner object under another name, `none` sends none.
    """

    foreign_address: bool = False
    rest_shape: str = ""
